/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf-table.h"
#include "disk.h"
#include "problem.h"
#include "validate.h"

#define refuse(m, vm, d, key, ...) \
        vm_problem((m), (vm), said_at(&(d)->said, (d)->origin, KEYS_DISK, (key)), __VA_ARGS__)

/* What each bus of ours can do; a device of QEMU's that is named can do anything. */
typedef struct BusTraits {
        const char *name;
        bool cdrom;
        bool identity;     /* has a serial number, and a place in the boot order */
        unsigned limit[3]; /* how many drives, by Board; 0: more than can be written */
} BusTraits;

static const BusTraits traits[] = {
        { "virtio", .identity = true },
        { "scsi", .cdrom = true, .identity = true },
        { "nvme", .identity = true },
        { "usb", .cdrom = true, .identity = true },
        { "sata", .cdrom = true, .identity = true, .limit = { 6, 6, 6 } },
        { "ide", .cdrom = true, .identity = true, .limit = { [BOARD_PC] = 4, [BOARD_Q35] = 6 } },
        { "floppy", .identity = false, .limit = { 2, 2, 2 } },
        { "sd", .limit = { [BOARD_PC] = 1, [BOARD_Q35] = 1 } },
        { "mtd" },
        { "pflash" },
};

static const BusTraits *bus_traits(const char *bus) {
        for (size_t i = 0; i < ELEMENTSOF(traits); i++)
                if (streq(traits[i].name, bus))
                        return traits + i;
        return NULL;
}

/* Where a CD drive is on a machine by itself, or can be plugged in. */
static const char *cdrom_bus(const VM *vm) {
        return vm_board(vm) != BOARD_OTHER || machine_is_one_of(vm->machine, "malta") ? "ide" : "scsi";
}

static void set_defaults(const VM *vm, Disk *d) {
        bool said_mode = d->mode != DISK_MODE_UNSET;

        if (!d->format_set)
                d->format = d->image && endswith(d->image, ".qcow2") ? DISK_QCOW2 : DISK_RAW;
        if (d->media == MEDIA_UNSET && streq_ptr(d->bus, "floppy"))
                d->media = MEDIA_FLOPPY;
        if (!d->bus)
                d->bus = (char *) (d->media == MEDIA_CDROM    ? cdrom_bus(vm)
                                   : d->media == MEDIA_FLOPPY ? "floppy"
                                                              : "virtio");
        if (!said_mode)
                d->mode = d->media == MEDIA_CDROM ? DISK_READONLY : DISK_OVERLAY;
        /* an IDE disk can always be written to, a CD never */
        if (d->media == MEDIA_UNSET)
                d->media = d->mode == DISK_READONLY && (streq(d->bus, "ide") || streq(d->bus, "sata"))
                                           ? MEDIA_CDROM
                                           : MEDIA_DISK;
        if (!d->image && d->mode == DISK_PERSISTENT)
                d->mode = DISK_OVERLAY; /* a disk of the VM's own, and it stays */
}

static int check_media(Model *m, VM *vm, Disk *d, const BusTraits *bus) {
        bool floppy = bus && streq(bus->name, "floppy");

        if ((d->media == MEDIA_FLOPPY) != floppy)
                return refuse(m, vm, d, "Media", "Media=%s does not go with Bus=%s",
                                disk_media_to_string(d->media), d->bus);
        if (d->media == MEDIA_CDROM && !(bus && bus->cdrom))
                return refuse(m, vm, d, "Media",
                                "Media=cdrom needs Bus=ide, sata, scsi or usb, and this is %s", d->bus);
        if (d->media == MEDIA_CDROM && d->mode != DISK_READONLY && !disk_is_empty(d))
                return refuse(m, vm, d, "Mode",
                                "Mode=%s: nobody writes to a CD; say Media=disk, or Mode=readonly",
                                disk_mode_to_string(d->mode));
        if (d->media == MEDIA_DISK && d->mode == DISK_READONLY && bus &&
                        (streq(bus->name, "ide") || streq(bus->name, "sata")))
                return refuse(m, vm, d, "Mode",
                                "Mode=readonly: an IDE or SATA disk can be written to; say Media=cdrom, or another Bus=");
        return 0;
}

static int check_content(Model *m, VM *vm, Disk *d) {
        if (!d->image && d->size_auto)
                return refuse(m, vm, d, "Size",
                                "Size=auto is the size by a partition table, and there is no Image=");
        if (disk_is_empty(d) && d->media == MEDIA_DISK)
                return refuse(m, vm, d, "Image", "[Disk] has neither Image= nor Size=");
        if (!d->image && (d->n_backing > 0 || d->format_set))
                return refuse(m, vm, d, d->n_backing > 0 ? "Backing" : "Format",
                                "%s= needs Image=", d->n_backing > 0 ? "Backing" : "Format");
        if (d->mode == DISK_READONLY && (d->size > 0 || d->size_auto))
                return refuse(m, vm, d, "Size", "Size= makes a disk larger, and this is Mode=readonly");
        if (d->size_auto && d->format != DISK_RAW)
                return refuse(m, vm, d, "Size", "Size=auto is for raw images, and this is Format=%s",
                                disk_format_to_string(d->format));
        if (d->size > 0 && d->mode == DISK_PERSISTENT && path_is_device(d->image))
                return refuse(m, vm, d, "Size", "Size= cannot make %s larger, it is a device", d->image);
        return 0;
}

static int check_backing(Model *m, VM *vm, Disk *d) {
        DiskFormat above = d->format;
        const char *name = d->image;

        for (size_t i = 0; i < d->n_backing; i++) {
                if (above == DISK_RAW)
                        return refuse(m, vm, d, "Backing", "Backing=%s: nothing lies below %s, which is raw",
                                        d->backing[i].path, name);
                above = d->backing[i].format;
                name = d->backing[i].path;
        }
        return 0;
}

static int check_bus(Model *m, VM *vm, Disk *d, const BusTraits *bus) {
        Board board = vm_board(vm);
        bool ide_of_board = bus && streq(bus->name, "ide") && board == BOARD_OTHER;
        unsigned before = 0;

        if (!bus)
                return 0;
        if (d->serial && (!bus->identity || ide_of_board))
                return refuse(m, vm, d, "Serial", "Serial=: a drive with Bus=%s has none here", d->bus);
        if (d->boot_index_set && (!bus->identity || ide_of_board) &&
                        !(streq(bus->name, "floppy") && board != BOARD_OTHER))
                return refuse(m, vm, d, "BootIndex", "BootIndex=: a drive with Bus=%s has none here", d->bus);
        for (const Disk *p = vm->disks; bus->limit[board] > 0 && p < d; p++)
                before += streq_ptr(p->bus, d->bus);
        if (bus->limit[board] > 0 && before >= bus->limit[board])
                return refuse(m, vm, d, "Bus", "Bus=%s: there is room for %u", d->bus, bus->limit[board]);
        return 0;
}

static int check_boot_index(Model *m, VM *vm, Disk *d) {
        for (const Disk *p = vm->disks; d->boot_index_set && p < d; p++)
                if (p->boot_index_set && p->boot_index == d->boot_index)
                        return refuse(m, vm, d, "BootIndex", "BootIndex=%u is that of disk %u, too",
                                        d->boot_index, p->index);
        return 0;
}

/* Another disk after the next boot, perhaps. */
static bool path_is_unstable(const char *path) {
        static const char *const prefixes[] = { "/dev/sd", "/dev/hd", "/dev/vd", "/dev/xvd", "/dev/nvme",
                "/dev/mmcblk", "/dev/sr", "/dev/dm-" };

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (startswith(path, prefixes[i]))
                        return true;
        return false;
}

static void warn_unstable(Model *m, Disk *d) {
        if (d->image && path_is_unstable(d->image))
                model_warning(m, said_at(&d->said, d->origin, KEYS_DISK, "Image"),
                                "Image=%s can be another disk after the next boot: take its name in /dev/disk/by-id",
                                d->image);
}

int validate_disk(Model *m, VM *vm, Disk *d) {
        const BusTraits *bus;
        size_t n = vm->n_problems;
        int r;

        set_defaults(vm, d);
        bus = bus_traits(d->bus);
        r = check_content(m, vm, d);
        if (r >= 0 && vm->n_problems == n)
                r = check_media(m, vm, d, bus);
        if (r >= 0 && vm->n_problems == n)
                r = check_backing(m, vm, d);
        if (r >= 0 && vm->n_problems == n)
                r = check_bus(m, vm, d, bus);
        if (r >= 0)
                r = check_boot_index(m, vm, d);
        warn_unstable(m, d);
        return r;
}
