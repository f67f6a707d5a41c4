/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "arena.h"
#include "conf-table.h"
#include "names.h"
#include "problem.h"
#include "sort.h"
#include "validate.h"

#define DEFAULT_MEMORY (UINT64_C(512) * 1024 * 1024)

/* The board that takes PCI or virtio devices, per architecture; others have none that suits everybody. */
static const char *default_machine(const char *architecture) {
        static const struct {
                const char *architecture, *machine;
        } table[] = {
                { "x86_64", "q35" },
                { "i386", "q35" },
                { "aarch64", "virt" },
                { "arm", "virt" },
                { "riscv64", "virt" },
                { "riscv32", "virt" },
                { "loongarch64", "virt" },
                { "ppc64", "pseries" },
                { "s390x", "s390-ccw-virtio" },
                { "m68k", "virt" },
                { "mips64el", "malta" },
                { "mipsel", "malta" },
                { "mips64", "malta" },
                { "mips", "malta" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq(table[i].architecture, architecture))
                        return table[i].machine;
        return NULL;
}

static int validate_machine(Model *m, VM *vm) {
        bool has_machine = vm->machine;

        if (!vm->architecture)
                vm->architecture = (char *) HOST_ARCHITECTURE;
        if (!vm->machine)
                vm->machine = (char *) default_machine(vm->architecture);
        if (!vm->machine)
                return vm_problem(m, vm, said_at(&vm->said, vm->origin, KEYS_VM, "Architecture"),
                                "Architecture=%s has no machine that suits all, say Machine=",
                                vm->architecture);
        /* a board that was chosen knows how much it has; and this one wants more */
        if (vm->memory == 0 && !has_machine && !streq(vm->architecture, "loongarch64"))
                vm->memory = DEFAULT_MEMORY;
        return 0;
}

static int validate_boot(Model *m, VM *vm) {
        int r = 0;

        if (!vm->kernel && vm->initrd)
                r = vm_problem(m, vm, said_at(&vm->said, vm->origin, KEYS_VM, "Initrd"),
                                "Initrd= needs Kernel=");
        if (r >= 0 && !vm->kernel && vm->kernel_command_line)
                r = vm_problem(m, vm, said_at(&vm->said, vm->origin, KEYS_VM, "KernelCommandLine"),
                                "KernelCommandLine= needs Kernel=");
        return r;
}

static int validate_vm(Model *m, VM *vm) {
        int r;

        vm->user = derive_user(m->arena, vm->name);
        if (!vm->user)
                return -ENOMEM;
        if (vm->system_name)
                vm->system = model_system(m, vm->system_name);
        r = validate_machine(m, vm);
        if (r >= 0)
                r = validate_boot(m, vm);
        if (r >= 0 && vm->machine)
                r = validate_firmware(m, vm);
        if (r >= 0 && vm->recovery->memory > 0 && vm->recovery->black_boxes == 0)
                r = vm_problem(m, vm, said_at(&vm->said, vm->origin, KEYS_VM, "BlackBoxMemory"),
                                "BlackBoxMemory= needs BlackBox=yes");
        for (size_t i = 0; i < vm->n_disks && r >= 0; i++) {
                vm->disks[i].index = (unsigned) i;
                if (vm->machine) /* or nothing is known of its buses */
                        r = validate_disk(m, vm, vm->disks + i);
        }
        if (r >= 0)
                r = validate_serials(m, vm);
        if (r >= 0)
                r = validate_shares(m, vm);
        if (r >= 0)
                r = validate_interfaces(m, vm);
        if (r >= 0)
                r = validate_health(m, vm);
        if (r >= 0)
                r = validate_life(m, vm);
        if (r >= 0 && vm->machine)
                r = validate_hardware(m, vm);
        return r < 0 ? r : validate_command(m, vm);
}

static int compare_lab_names(const void *x, const void *y) {
        return strcmp(*(const char *const *) x, *(const char *const *) y);
}

static int compare_labs(const void *x, const void *y) {
        return strcmp((*(Lab *const *) x)->name, (*(Lab *const *) y)->name);
}

/* Labs that are joined and never opened; names is used up. */
static int add_joined_labs(Model *m, const char **names, size_t n) {
        size_t n_opened = m->n_labs;

        sort_items(names, n, compare_lab_names);
        for (size_t i = 0; i < n; i++) {
                Model opened = *m;
                Lab *lab, **slot;

                opened.n_labs = n_opened;
                if ((i > 0 && streq(names[i], names[i - 1])) || model_lab(&opened, names[i]))
                        continue;
                lab = arena_alloc(m->arena, sizeof(Lab));
                slot = lab ? arena_append(m->arena, m->labs, m->n_labs) : NULL;
                if (!slot)
                        return -ENOMEM;
                lab->name = (char *) names[i];
                *slot = lab;
        }
        sort_items(m->labs, m->n_labs, compare_labs);
        return 0;
}

static int join_labs(Model *m) {
        const char **names = arena_new_items(m->arena, const char *, m->n_vms + m->n_switches + 1);
        size_t n = 0;
        int r;

        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_vms; i++)
                if (m->vms[i]->lab_name && (n == 0 || !streq(m->vms[i]->lab_name, names[n - 1])))
                        names[n++] = m->vms[i]->lab_name; /* neighbours are in one often */
        for (size_t i = 0; i < m->n_switches; i++)
                if (m->switches[i]->lab_name)
                        names[n++] = m->switches[i]->lab_name;
        r = add_joined_labs(m, names, n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m->n_vms; i++)
                if (m->vms[i]->lab_name)
                        m->vms[i]->lab = model_lab(m, m->vms[i]->lab_name);
        for (size_t i = 0; i < m->n_switches; i++)
                if (m->switches[i]->lab_name)
                        m->switches[i]->lab = model_lab(m, m->switches[i]->lab_name);
        return 0;
}

/* A guest cannot start on a switch that does not: it says where to look. The log has it from the switch. */
static int spread_problems(Model *m) {
        int r = 0;

        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t i = 0; i < m->vms[v]->n_interfaces && r >= 0; i++) {
                        VM *vm = m->vms[v];
                        const Switch *w = vm->interfaces[i].network;
                        bool said = true;

                        if (w && w->n_problems > 0)
                                r = problem_add(m, &vm->problems, &vm->n_problems,
                                                said_at(&vm->interfaces[i].said, vm->interfaces[i].origin,
                                                                KEYS_INTERFACE, "Switch"),
                                                &said, "Switch %s is broken, see %s:%u: %s", w->name,
                                                w->problems[0].origin.file, w->problems[0].origin.line,
                                                w->problems[0].text);
                }
        return r;
}

/* The unit of a broken VM says what is wrong and depends on nothing. Should a guest be running under its name, since before
 * the mistake, then nobody needs the switch that it talks through: while one VM is broken all switches stay. */
static void keep_switches(Model *m) {
        bool broken = false;

        for (size_t i = 0; i < m->n_vms; i++)
                broken |= m->vms[i]->n_problems > 0;
        for (size_t i = 0; i < m->n_switches; i++)
                m->switches[i]->kept = broken;
}

int model_validate(Model *m, const Host *host) {
        int r = 0;

        for (size_t i = 0; i < m->n_switches && r >= 0; i++)
                r = validate_switch(m, m->switches[i]);
        if (r >= 0)
                r = validate_trunks(m);
        for (size_t i = 0; i < m->n_vms && r >= 0; i++)
                r = validate_vm(m, m->vms[i]);
        if (r >= 0)
                r = join_labs(m);
        if (r >= 0)
                r = validate_macs(m, host);
        if (r >= 0)
                r = validate_unique(m);
        if (r >= 0)
                r = validate_subnets(m);
        if (r >= 0)
                r = validate_listeners(m);
        if (r >= 0)
                r = validate_links(m);
        if (r >= 0)
                r = validate_report(m);
        if (r >= 0)
                r = spread_problems(m);
        if (r >= 0)
                keep_switches(m);
        return r;
}
