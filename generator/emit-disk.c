/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The disks of a VM around QEMU: what they wait for, what the sandbox lets through, and the commands of
 * qnet-disk(8) before and after. Their place in QEMU's command line is in emit-drive.c. */

#include "disk.h"
#include "emit-disk.h"
#include "emit-internal.h"

#define RUN_DIR   "/run/qnet/vm/"
#define STATE_DIR "/var/lib/qnet/vm/"

/* ---- [Unit] ---- */

static void emit_need(const char *path, UnitWriter *w) {
        _cleanup_free_ char *name = NULL;

        if (!path_is_device(path)) {
                /* images may be on a file system that is mounted late, or on demand */
                unit_word(w, "RequiresMountsFor", path, NULL);
                return;
        }
        /* plugged in late, or pulled out: the guest is stopped then, as its disk is gone */
        name = unit_name_escape_path(path + 1);
        if (!name)
                return;
        unit_dependency(w, "BindsTo", name, ".device");
}

void emit_disk_dependencies(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_disks; i++) {
                const Disk *d = &vm->disks[i];

                if (d->image)
                        emit_need(d->image, w);
                for (size_t k = 0; k < d->n_backing; k++)
                        emit_need(d->backing[k].path, w);
        }
}

/* ---- [Service] ---- */

/* The sandbox is closed for disks, and all of the file system can only be read. */
static void emit_access(const char *path, bool write, UnitWriter *w) {
        if (path_is_device(path))
                unit_word(w, "DeviceAllow", path, write ? "rw" : "r");
        else if (write)
                emit_writable(path, "", w); /* it may be about to be made */
}

void emit_disk_settings(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_disks; i++) {
                const Disk *d = &vm->disks[i];

                if (d->image)
                        emit_access(d->image, d->mode == DISK_PERSISTENT, w);
                for (size_t k = 0; k < d->n_backing; k++)
                        emit_access(d->backing[k].path, false, w);
        }
}

/* ---- commands ---- */

static void begin(const char *key, const char *prefix, const char *verb, UnitWriter *w) {
        unit_exec(w, key, prefix, HELPERDIR "/qnet-disk");
        unit_arg(w, verb);
}

/* Raw is the default, and then what looks like something else is refused. */
static void emit_format(DiskFormat format, bool said, UnitWriter *w) {
        if (said || format != DISK_RAW)
                unit_arg(w, "--format=", disk_format_to_string(format));
}

static void emit_size(const Disk *d, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        if (d->size_auto)
                unit_arg(w, "--size=auto");
        else if (d->size > 0)
                unit_arg(w, "--size=", format_number(d->size, number));
}

/* below: how many images Backing= says to lie below this one */
static void emit_guard(const VM *vm, const char *path, bool write, DiskFormat format, bool format_said,
                size_t below, UnitWriter *w) {
        /* "+": what the host has mounted is not to be seen from within the sandbox */
        begin("ExecStartPre", "+", "guard", w);
        unit_arg(w, path);
        if (write)
                unit_arg(w, "--write");
        emit_format(format, format_said, w);
        if (below > 0)
                unit_arg(w, "--explicit-backing");
        /* the VM's user is new at each start; where the mode bits let it in, no entry is made */
        unit_arg(w, "--grant-to-owner-of=" RUN_DIR, vm->name);
        unit_exec_end(w);
}

/* A persistent image that may have to be made, or made larger. */
static void emit_create(const Disk *d, UnitWriter *w) {
        begin("ExecStartPre", "+", "create", w);
        unit_arg(w, d->image);
        emit_size(d, w);
        emit_format(d->format, d->format_set, w);
        unit_exec_end(w);
}

/* As the VM's user: what is in the image is not to be trusted. */
static void emit_grow(const Disk *d, UnitWriter *w) {
        begin("ExecStartPre", "", "grow", w);
        unit_arg(w, d->image);
        emit_size(d, w);
        emit_format(d->format, d->format_set, w);
        unit_exec_end(w);
}

static void emit_overlay(const VM *vm, const Disk *d, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        begin("ExecStartPre", "", "prepare", w);
        unit_arg(w, STATE_DIR, vm->name, "/disk", format_number(d->index, number), ".qcow2");
        if (d->image) {
                unit_arg(w, "--backing=", d->image);
                unit_arg(w, "--backing-format=", disk_format_to_string(d->format));
        }
        emit_size(d, w);
        if (d->mode == DISK_EPHEMERAL)
                unit_arg(w, "--fresh");
        unit_exec_end(w);
}

static void prepare_one(const VM *vm, const Disk *d, UnitWriter *w) {
        bool persistent = d->image && d->mode == DISK_PERSISTENT;

        if (persistent && d->size > 0)
                emit_create(d, w);
        if (d->image)
                emit_guard(vm, d->image, persistent, d->format, d->format_set, d->n_backing, w);
        for (size_t k = 0; k < d->n_backing; k++)
                emit_guard(vm, d->backing[k].path, false, d->backing[k].format, d->backing[k].format_set,
                                d->n_backing - k - 1, w);
        if (persistent && (d->size > 0 || d->size_auto))
                emit_grow(d, w);
        if (disk_has_overlay(d))
                emit_overlay(vm, d, w);
}

void emit_disk_prepare(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_disks; i++)
                prepare_one(vm, &vm->disks[i], w);
}

static void emit_release_of(const VM *vm, const char *path, UnitWriter *w) {
        begin("ExecStopPost", "+", "release", w);
        unit_arg(w, path);
        unit_arg(w, "--grant-to-owner-of=" RUN_DIR, vm->name);
        unit_exec_end(w);
}

/* Also after a start that failed half-way: nothing granted stays so. */
void emit_disk_release(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_disks; i++) {
                const Disk *d = &vm->disks[i];

                if (d->image)
                        emit_release_of(vm, d->image, w);
                for (size_t k = 0; k < d->n_backing; k++)
                        emit_release_of(vm, d->backing[k].path, w);
        }
}
