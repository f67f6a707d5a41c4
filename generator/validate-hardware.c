/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The machine itself: what its settings say against each other, and what one of them means for the others. */

#include "arena.h"
#include "conf-table.h"
#include "problem.h"
#include "rare.h"
#include "validate.h"

#define DEFAULT_MEMORY_SLOTS 8
#define Q35_CPUS_OLD         288U

#define hardware_problem(m, vm, key, ...) \
        vm_problem((m), (vm), said_at(&(vm)->said, (vm)->origin, KEYS_VM, (key)), __VA_ARGS__)

/* "q35", "q35,hpet=off" and, with versions, "pc-q35-7.2" */
static bool machine_is(const VM *vm, const char *name) {
        const char *rest = startswith(vm->machine, name);

        return rest && (!*rest || *rest == ',' || *rest == '-');
}

static bool is_x86(const VM *vm) {
        return streq(vm->architecture, "x86_64") || streq(vm->architecture, "i386");
}

/* ---- programs and accelerators ---- */

/* words: " i386 x86_64 " */
static bool has_word(const char *words, const char *word) {
        size_t n = strlen(word);

        for (const char *p = words; n > 0 && (p = strstr(p, word)); p += n)
                if (p > words && p[-1] == ' ' && p[n] == ' ')
                        return true;
        return false;
}

/* Debian's package with qemu-system-ARCHITECTURE; NULL when none has it. */
static const char *package_of(const char *architecture) {
        static const struct {
                const char *package, *architectures;
        } table[] = {
                { "qemu-system-x86", " i386 x86_64 " },
                { "qemu-system-arm", " aarch64 arm " },
                { "qemu-system-mips", " mips mips64 mips64el mipsel " },
                { "qemu-system-ppc", " ppc ppc64 " },
                { "qemu-system-sparc", " sparc sparc64 " },
                { "qemu-system-misc",
                                " alpha avr cris hppa loongarch64 m68k microblaze microblazeel nios2 or1k "
                                "riscv32 riscv64 rx s390x sh4 sh4eb tricore xtensa xtensaeb " },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (has_word(table[i].architectures, architecture))
                        return table[i].package;
        return NULL;
}

static int validate_architecture(Model *m, VM *vm) {
        const char *package;
        Hardware *h;

        if (streq(vm->architecture, HOST_ARCHITECTURE))
                return 0;
        package = package_of(vm->architecture);
        if (!package)
                return hardware_problem(m, vm, "Architecture",
                                "Architecture=%s is none of QEMU's; x86_64, aarch64, arm, riscv64, mips and "
                                "others are",
                                vm->architecture);
        if (streq(package, package_of(HOST_ARCHITECTURE) ?: ""))
                return 0;
        h = vm_own_hardware(m->arena, vm);
        if (!h)
                return -ENOMEM;
        h->package = package;
        return 0;
}

static bool has_kvm(const VM *vm) {
        return streq(vm->architecture, HOST_ARCHITECTURE) ||
               (streq(HOST_ARCHITECTURE, "x86_64") && is_x86(vm)) ||
               (streq(HOST_ARCHITECTURE, "ppc64") && streq(vm->architecture, "ppc"));
}

static bool cpu_is_host(const VM *vm) {
        return vm->cpu && (streq(vm->cpu, "host") || startswith(vm->cpu, "host,"));
}

static int validate_accelerator(Model *m, VM *vm) {
        const char *key = "Accelerator";

        if (vm->hardware->replay != REPLAY_NONE) {
                if (vm->accelerator == ACCELERATOR_KVM)
                        return hardware_problem(
                                        m, vm, "Replay", "Replay= needs Accelerator=tcg: KVM cannot record");
                vm->accelerator = ACCELERATOR_TCG;
        }
        if (cpu_is_host(vm)) {
                if (vm->accelerator == ACCELERATOR_TCG)
                        return hardware_problem(m, vm, "CPU",
                                        "CPU=host needs KVM, and this is for TCG; CPU=max is all it has");
                key = vm->accelerator == ACCELERATOR_KVM ? key : "CPU";
                vm->accelerator = ACCELERATOR_KVM; /* there is nothing to fall back to */
        }
        if (vm->accelerator == ACCELERATOR_KVM && !has_kvm(vm))
                return hardware_problem(m, vm, key,
                                "%s needs KVM, and that runs guests of the host's architecture only, not %s",
                                streq(key, "CPU") ? "CPU=host" : "Accelerator=kvm", vm->architecture);
        return 0;
}

/* ---- memory ---- */

static int set_memory_slots(Model *m, VM *vm, unsigned n) {
        Hardware *h = vm_own_hardware(m->arena, vm);

        if (!h)
                return -ENOMEM;
        h->memory_slots = n;
        return 0;
}

static int validate_memory(Model *m, VM *vm) {
        const Hardware *h = vm->hardware;
        const char *key = h->memory_max > 0 ? "MemoryMax" : h->huge_pages ? "HugePages" : "MemoryShared";

        if (h->memory_slots > 0 && h->memory_max == 0)
                return hardware_problem(m, vm, "MemorySlots", "MemorySlots= needs MemoryMax=");
        if (h->memory_max == 0 && !h->huge_pages && !h->memory_shared)
                return 0;
        if (vm->memory == 0)
                return hardware_problem(m, vm, key, "%s= needs Memory=", key);
        if (h->memory_max > 0 && h->memory_max <= vm->memory)
                return hardware_problem(m, vm, key, "MemoryMax= is not more than Memory=");
        if (h->huge_page_size > 0 && vm->memory % h->huge_page_size != 0)
                return hardware_problem(m, vm, "HugePages",
                                "Memory= is not a multiple of the size that HugePages= says");
        if (h->memory_max > 0 && h->memory_slots == 0)
                return set_memory_slots(m, vm, DEFAULT_MEMORY_SLOTS);
        return 0;
}

/* ---- CPUs ---- */

/* What the board has room for, 0: not known here, and QEMU tells; at most as the newest QEMU has it. */
static unsigned cpus_limit(const VM *vm) {
        static const struct {
                const char *architectures, *machine;
                unsigned limit;
        } table[] = {
                { " x86_64 i386 ", "q35", 4096 },
                { " x86_64 i386 ", "pc-q35", 4096 },
                { " x86_64 i386 ", "pc", 255 },
                { " x86_64 i386 ", "microvm", 288 },
                { " x86_64 i386 ", "isapc", 1 },
                { " aarch64 arm riscv64 riscv32 ", "virt", 512 },
                { " s390x ", "s390-ccw-virtio", 248 },
                { " mips mipsel mips64 mips64el ", "malta", 16 },
                { " m68k ", "virt", 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (has_word(table[i].architectures, vm->architecture) && machine_is(vm, table[i].machine))
                        return table[i].limit;
        return 0;
}

static int validate_cpus(Model *m, VM *vm) {
        unsigned n = MAX(vm->cpus, vm->hardware->cpus_max), limit = cpus_limit(vm);

        if (limit > 0 && n > limit)
                return hardware_problem(m, vm, "CPUs", "CPUs=%u: Machine=%s has room for %u", n, vm->machine, limit);
        if (n > Q35_CPUS_OLD && limit > Q35_CPUS_OLD && is_x86(vm))
                model_warning(m, said_at(&vm->said, vm->origin, KEYS_VM, "CPUs"),
                                "CPUs=%u: Machine=%s has room for %u before QEMU 8.1", n, vm->machine,
                                Q35_CPUS_OLD);
        return 0;
}

/* ---- display ---- */

/* The graphics card that a guest is most likely to know; NULL where the board has its own. */
static const char *default_vga(const VM *vm) {
        if (is_x86(vm))
                return machine_is(vm, "microvm") ? "virtio" : machine_is(vm, "isapc") ? "isa-vga" : "std";
        if (machine_is(vm, "virt") || streq(vm->architecture, "s390x"))
                return "virtio";
        if (machine_is(vm, "pseries"))
                return "std";
        return machine_is(vm, "malta") ? "cirrus" : NULL;
}

static int validate_screen_size(Model *m, VM *vm) {
        static const char *const sizable[] = { "std", "VGA", "virtio", "virtio-vga", "virtio-gpu-pci", "qxl",
                "qxl-vga", "bochs-display" };
        static const char *const open_firmware[] = { "ppc", "ppc64", "sparc", "sparc64", "m68k" };
        const char *vga = vm->hardware->vga;

        if (vm->hardware->width == 0)
                return 0;
        for (size_t i = 0; vga && i < ELEMENTSOF(sizable); i++)
                if (streq(vga, sizable[i]))
                        return 0;
        for (size_t i = 0; !vga && i < ELEMENTSOF(open_firmware); i++)
                if (streq(vm->architecture, open_firmware[i]))
                        return 0;
        if (vga)
                return hardware_problem(m, vm, "ScreenSize",
                                "ScreenSize= is for VGA=std, virtio or qxl; %s takes none", vga);
        return hardware_problem(m, vm, "ScreenSize", "ScreenSize= needs Display= or VGA=");
}

static int validate_display(Model *m, VM *vm) {
        const char *vga = vm->hardware->vga;

        if (!vga && vm->display != DISPLAY_NONE)
                vga = default_vga(vm);
        if (vga && streq(vga, "none"))
                vga = NULL;
        if (vga != vm->hardware->vga) {
                Hardware *h = vm_own_hardware(m->arena, vm);
                if (!h)
                        return -ENOMEM;
                h->vga = (char *) vga;
        }
        return validate_screen_size(m, vm);
}

/* ---- devices ---- */

/* Boards that no other than those of the table have are taken to have PCI: QEMU tells what they have not. */
static int validate_watchdog(Model *m, VM *vm) {
        Hardware *h;

        if (!vm->hardware->watchdog || !streq(vm->hardware->watchdog, "yes"))
                return 0;
        h = vm_own_hardware(m->arena, vm);
        if (!h)
                return -ENOMEM;
        h->watchdog = NULL;
        if (streq(vm->architecture, "s390x"))
                h->watchdog = (char *) "diag288";
        else if ((is_x86(vm) && !machine_is(vm, "microvm") && !machine_is(vm, "isapc")) ||
                        machine_is(vm, "virt") || machine_is(vm, "pseries") || machine_is(vm, "malta"))
                h->watchdog = (char *) "i6300esb";
        else
                return hardware_problem(m, vm, "Watchdog",
                                "Watchdog=yes: which one suits Machine=%s is not known, say its name",
                                vm->machine);
        return 0;
}

/* A recording holds when a request was done, not what was read; and drives of the board have no place for what
 * records it. */
static int validate_replayed(Model *m, VM *vm, const Disk *d) {
        static const char *const buses[] = { "virtio", "scsi", "nvme", "sata", "usb" };

        if (d->mode == DISK_OVERLAY || d->mode == DISK_PERSISTENT)
                return vm_problem(m, vm, said_at(&d->said, d->origin, KEYS_DISK, "Mode"),
                                "Replay= needs disks that are the same at each start: Mode=ephemeral or "
                                "readonly, and this is Mode=%s",
                                disk_mode_to_string(d->mode));
        for (size_t i = 0; d->bus && i < ELEMENTSOF(buses); i++)
                if (streq(d->bus, buses[i]))
                        return 0;
        return vm_problem(m, vm, said_at(&d->said, d->origin, KEYS_DISK, "Bus"),
                        "Replay= is for disks with Bus=virtio, scsi, nvme, sata or usb");
}

static int validate_debugging(Model *m, VM *vm) {
        const Hardware *h = vm->hardware;
        int r = 0;

        if (h->start_paused && vm->life->ready != READY_RUNNING)
                return hardware_problem(m, vm, "StartPaused", "StartPaused= and Ready=%s: a guest that waits says nothing",
                                ready_to_string(vm->life->ready));
        for (size_t i = 0; h->replay != REPLAY_NONE && i < vm->n_disks && r >= 0; i++)
                r = validate_replayed(m, vm, vm->disks + i);
        return r;
}

int validate_hardware(Model *m, VM *vm) {
        static int (*const steps[])(Model *, VM *) = { validate_architecture, validate_accelerator,
                validate_memory, validate_cpus, validate_display, validate_watchdog, validate_debugging };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(steps) && r >= 0; i++)
                r = steps[i](m, vm);
        return r;
}
