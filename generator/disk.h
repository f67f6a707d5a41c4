/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a [Disk] means, for those who check it and those who write it: which boards have which drives, and
 * where the guest's writes go. Needs model.h only. */

#include "model.h"

typedef enum Board { BOARD_OTHER, BOARD_PC, BOARD_Q35 } Board;

static inline bool machine_is_one_of(const char *machine, const char *family) {
        const char *rest = startswith(machine, family);

        return rest && (!*rest || *rest == '-' || *rest == ',');
}

/* Those whose IDE and floppy drives we can name one by one. */
static inline Board vm_board(const VM *vm) {
        if (!streq(vm->architecture, "x86_64") && !streq(vm->architecture, "i386"))
                return BOARD_OTHER;
        if (machine_is_one_of(vm->machine, "q35") || machine_is_one_of(vm->machine, "pc-q35"))
                return BOARD_Q35;
        return machine_is_one_of(vm->machine, "pc") ? BOARD_PC : BOARD_OTHER;
}

/* Nothing is in the drive. */
static inline bool disk_is_empty(const Disk *d) {
        return !d->image && d->size == 0;
}

/* A file in the VM's state directory: an overlay of the image, or a disk that is blank at first. */
static inline bool disk_has_overlay(const Disk *d) {
        if (disk_is_empty(d))
                return false;
        return d->mode == DISK_OVERLAY || (d->mode == DISK_EPHEMERAL && (d->size > 0 || d->size_auto));
}

/* Not all that is below /dev is a device: file systems are mounted there, by systemd itself (systemd.mount(5)). */
static inline bool path_is_device(const char *path) {
        const char *name = startswith(path, "/dev/");

        return name && !startswith(name, "shm/") && !startswith(name, "hugepages/") &&
               !startswith(name, "mqueue/");
}
