/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ExecReload= of a VM: what of its configuration QEMU can be brought in line with while it runs. All of it stands in one
 * command, so that one thing that QEMU refuses does not keep the others from being done. What a reload cannot change it
 * finds by itself, in ExecStart=. */

#include "disk.h"
#include "emit-disk.h"
#include "emit-internal.h"

#define RUN_DIR "/run/qnet/vm/"

static bool is_nat_of_earlier(const VM *vm, size_t n, const Switch *nat) {
        for (size_t k = 0; k < n; k++)
                if (vm->interfaces[k].tap && vm->interfaces[k].network && switch_nat(vm->interfaces[k].network) == nat)
                        return true;
        return false;
}

/* Their own ExecReload= does the rest: shape, VLANs, isolation, port security, and what is forwarded. */
void emit_reload_dependencies(const VM *vm, UnitWriter *w) {
        for (size_t k = 0; k < vm->n_interfaces; k++) {
                const Interface *i = vm->interfaces + k;
                const Switch *nat = i->tap && i->network ? switch_nat(i->network) : NULL;

                if (i->tap)
                        unit_raw(w, "PropagatesReloadTo", "qnet-tap@", i->tap, ".service");
                if (i->tap && i->wire->nat)
                        unit_raw(w, "PropagatesReloadTo", "qnet-nat@", i->tap, ".service");
                if (nat && !is_nat_of_earlier(vm, k, nat))
                        unit_raw(w, "PropagatesReloadTo", "qnet-nat@", nat->name, ".service");
        }
}

static void begin(const char *option, const char *prefix, unsigned index, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        unit_arg_begin(w);
        unit_arg_add(w, option);
        unit_arg_add(w, prefix);
        unit_arg_add(w, format_number(index, number));
        unit_arg_add(w, ":");
}

/* A drive that QEMU can be told to change. A qcow2 image may lie over others, which would have to be opened, too; a
 * device has to be let through by the sandbox before the start. */
static bool has_live_medium(const Disk *d) {
        if (d->media != MEDIA_CDROM && d->media != MEDIA_FLOPPY)
                return false;
        return disk_is_empty(d) || (d->mode == DISK_READONLY && d->format == DISK_RAW && !path_is_device(d->image));
}

static void emit_disk(const Disk *d, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        if (has_live_medium(d)) {
                begin("--medium=", "disk", d->index, w);
                if (d->image)
                        unit_arg_add(w, d->image);
                unit_arg_end(w);
                return;
        }
        if (d->size > 0) {
                begin("--size=", "disk", d->index, w);
                unit_arg_add(w, format_number(d->size, number));
                unit_arg_end(w);
        }
        if (disk_has_overlay(d) && d->n_backing == 0) {
                begin("--backing=", "disk", d->index, w);
                if (d->image)
                        unit_arg_add(w, d->image);
                unit_arg_end(w);
        }
}

static void emit_settings(const VM *vm, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        for (size_t k = 0; k < vm->n_interfaces; k++) {
                if (vm->interfaces[k].type == INTERFACE_NONE)
                        continue;
                begin("--link=", "net", vm->interfaces[k].index, w);
                unit_arg_add(w, vm->interfaces[k].wire->link_down ? "down" : "up");
                unit_arg_end(w);
        }
        for (size_t k = 0; k < vm->n_disks; k++)
                emit_disk(vm->disks + k, w);
        if (vm->hardware->balloon && vm->memory > 0)
                unit_arg(w, "--memory=", format_number(vm->memory, number));
}

void emit_reload(const VM *vm, UnitWriter *w) {
        /* "+": to read QEMU's command line, and to open an image for it; it becomes the VM's user then */
        unit_exec(w, "ExecReload", "+", HELPERDIR "/qnet-reload");
        unit_arg(w, RUN_DIR, vm->name, "/qnet.qmp");
        unit_arg(w, "--unit=qemu-vm@", vm->name, ".service");
        if (vm->hardware->replay == REPLAY_NONE) /* what happens to a machine is part of a run that is recorded */
                emit_settings(vm, w);
        unit_exec_end(w);
}
