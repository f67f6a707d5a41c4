/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* QEMU's options of a disk: "-drive", what is in it, and "-device", how the guest sees it, with the
 * controller before the first of a bus. Drives that are soldered to the board have no "-device". */

#include "disk.h"
#include "emit-disk.h"
#include "qemu-option.h"

#define STATE_DIR "/var/lib/qnet/vm/"

/* Bus=, unless it is virtio. What it does not know is a device of QEMU's, as with Model=. */
typedef struct Bus {
        const char *name;
        const char *device;     /* NULL: a socket of the board, "-drive if=NAME" */
        const char *reader;     /* a CD drive instead */
        const char *controller; /* made before the first disk, NULL for none */
        bool ports;             /* the controller has one bus per disk */
} Bus;

static const Bus buses[] = {
        { "ide", .reader = "cdrom" },
        { "sd" },
        { "mtd" },
        { "pflash" },
        { "floppy" },
        { "nvme", "nvme" },
        { "sata", "ide-hd", "ide-cd", "ahci", true },
        { "scsi", "scsi-hd", "scsi-cd", "virtio-scsi", false },
        { "usb", "usb-storage", NULL, "qemu-xhci", false },
};

/* Those of the board, where we know how to plug something in: only so can it have a serial number. */
static const Bus plugged_ide = { "ide", "ide-hd", "ide-cd", NULL, false };
/* A board without a slot for cards, but with PCI. */
static const Bus plugged_sd = { "sd", "sd-card", NULL, "sdhci-pci", false };

static const Bus *find_bus(const VM *vm, const Disk *d) {
        Board board = vm_board(vm);

        if (board != BOARD_OTHER && streq(d->bus, "ide") && (d->serial || d->boot_index_set))
                return &plugged_ide;
        if (board != BOARD_OTHER && streq(d->bus, "sd"))
                return &plugged_sd;
        for (size_t i = 0; i < ELEMENTSOF(buses); i++)
                if (streq(buses[i].name, d->bus))
                        return &buses[i];
        return NULL;
}

static unsigned disks_before(const VM *vm, const Disk *d) { /* on the same bus */
        unsigned n = 0;

        for (const Disk *p = vm->disks; p < d; p++)
                n += streq(p->bus, d->bus);
        return n;
}

/* ---- -drive ---- */

/* What lies below, as said: no header of an image is asked. depth: 1 for what lies below the file. */
static void option_layer(unsigned depth, DiskFormat format, const char *path, UnitWriter *w) {
        char prefix[DISK_BACKING_MAX * sizeof("backing.")] = "", key[sizeof(prefix) + 16];

        for (unsigned i = 0; i < depth; i++)
                strcat(prefix, "backing.");
        snprintf(key, sizeof(key), "%sdriver", prefix);
        option_key(w, key, disk_format_to_string(format));
        snprintf(key, sizeof(key), "%sfile.filename", prefix);
        option_key(w, key, path);
}

static void option_chain(const Disk *d, UnitWriter *w) {
        unsigned depth = 1;

        if (d->n_backing == 0)
                return;
        if (disk_has_overlay(d))
                option_layer(depth++, d->format, d->image, w);
        for (size_t i = 0; i < d->n_backing; i++)
                option_layer(depth++, d->backing[i].format, d->backing[i].path, w);
}

static void option_overlay(const VM *vm, const Disk *d, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        /* made by ExecStartPre= from the image, with the image's format in it */
        unit_arg_add(w, ",format=qcow2,file=" STATE_DIR);
        unit_arg_add_commas_doubled(w, vm->name);
        unit_arg_add(w, "/disk");
        unit_arg_add(w, format_number(d->index, number));
        unit_arg_add(w, ".qcow2");
}

static void option_image(const VM *vm, const Disk *d, UnitWriter *w) {
        if (disk_is_empty(d))
                return;
        if (disk_has_overlay(d))
                option_overlay(vm, d, w);
        else {
                /* never left to be guessed: a guest could write another format's header into a raw image */
                option_key(w, "format", disk_format_to_string(d->format));
                option_key(w, "file", d->image);
                if (d->mode == DISK_EPHEMERAL)
                        unit_arg_add(w, ",snapshot=on");
                if (d->mode == DISK_READONLY)
                        unit_arg_add(w, ",readonly=on");
        }
        if (d->cache != CACHE_DEFAULT)
                option_key(w, "cache", disk_cache_to_string(d->cache));
        if (d->discard)
                unit_arg_add(w, ",discard=unmap");
        option_chain(d, w);
}

/* ---- -device ---- */

static void emit_controller(const VM *vm, const Bus *bus, UnitWriter *w) {
        if (streq(bus->controller, "virtio-scsi"))
                option_begin_virtio(vm, "scsi", w);
        else
                option_begin(w, "-device", bus->controller);
        option_key(w, "id", bus->name);
        option_end(w);
}

static void option_place(const VM *vm, const Bus *bus, unsigned before, UnitWriter *w) {
        char path[32];

        if (bus == &plugged_ide && vm_board(vm) == BOARD_PC) { /* two cables with two drives each */
                snprintf(path, sizeof(path), "ide.%u", before / 2);
                option_key(w, "bus", path);
                option_key_number(w, "unit", before % 2);
        } else if (bus == &plugged_ide || (bus->controller && bus->ports)) {
                snprintf(path, sizeof(path), "%s.%u", bus->name, before);
                option_key(w, "bus", path);
        } else if (bus->controller && bus != &plugged_sd) {
                snprintf(path, sizeof(path), "%s.0", bus->name);
                option_key(w, "bus", path);
        }
}

static void option_identity(const Disk *d, const Bus *bus, UnitWriter *w) {
        if (d->serial)
                option_key(w, "serial", d->serial);
        else if (bus && streq(bus->name, "nvme"))
                option_key_id(w, "serial", "disk", d->index); /* it wants one */
        if (d->boot_index_set)
                option_key_number(w, "bootindex", d->boot_index);
}

static void emit_plugged(const VM *vm, const Disk *d, const Bus *bus, unsigned before, UnitWriter *w) {
        if (bus && bus->controller && before == 0)
                emit_controller(vm, bus, w);
        if (streq(d->bus, "virtio"))
                option_begin_virtio(vm, "blk", w);
        else if (!bus)
                option_begin(w, "-device", d->bus);
        else
                option_begin(w, "-device",
                                bus->reader && d->media == MEDIA_CDROM ? bus->reader : bus->device);
        option_key_id(w, "drive", "disk", d->index);
        if (bus)
                option_place(vm, bus, before, w);
        option_identity(d, bus, w);
        option_end(w);
}

/* The floppy drives are part of their controller, A and B. */
static void emit_floppy_boot_index(const Disk *d, unsigned before, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        unit_option(w, "-global");
        unit_arg(w, before == 0 ? "isa-fdc.bootindexA=" : "isa-fdc.bootindexB=",
                        format_number(d->boot_index, number));
}

/* When a request is done is part of a run that is recorded. */
static void emit_replayed(const Disk *d, UnitWriter *w) {
        option_begin(w, "-drive", "if=none,driver=blkreplay");
        option_key_id(w, "image", "image", d->index);
        option_key_id(w, "id", "disk", d->index);
        if (d->mode == DISK_READONLY)
                unit_arg_add(w, ",readonly=on");
        option_end(w);
}

static void emit_one(const VM *vm, const Disk *d, UnitWriter *w) {
        const Bus *bus = find_bus(vm, d);
        unsigned before = disks_before(vm, d);
        bool board = bus && !bus->device, replayed = vm->hardware->replay != REPLAY_NONE;

        option_begin(w, "-drive", "if=");
        unit_arg_add(w, board ? bus->name : "none");
        option_key_id(w, "id", replayed ? "image" : "disk", d->index);
        option_image(vm, d, w);
        if (board)
                option_key_number(w, "index", before);
        if (d->media == MEDIA_CDROM && (board || streq(d->bus, "usb")))
                unit_arg_add(w, ",media=cdrom");
        option_end(w);
        if (replayed)
                emit_replayed(d, w);
        if (!board)
                emit_plugged(vm, d, bus, before, w);
        else if (d->boot_index_set)
                emit_floppy_boot_index(d, before, w);
}

void emit_disk_options(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_disks; i++)
                emit_one(vm, &vm->disks[i], w);
}
