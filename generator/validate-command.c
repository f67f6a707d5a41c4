/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long QEMU's command line gets. systemd reads a command of at most 1 MiB, its lines joined (LONG_LINE_MAX), which
 * is less than what the kernel takes with the usual stack, a quarter of 8 MiB (execve(2)). Beyond it there would be no
 * unit that could tell anything. What is long is what the user says; the rest is counted generously. */

#include "conf-table.h"
#include "problem.h"
#include "validate.h"

#define COMMAND_MAX ((size_t) 1024 * 1024)
#define FIXED_SIZE  ((size_t) 64 * 1024) /* machine, memory, devices that qnet adds */
#define PART_SIZE   ((size_t) 1024)      /* of an interface, disk, ... besides its path */
#define FORWARD_SIZE ((size_t) 96)       /* of Forward=, each */
#define WORD_SIZE   ((size_t) 32)        /* "-device", quotes, line end and indentation */

/* In the unit: these are doubled or get a backslash. */
static size_t escaped_size(const char *s) {
        size_t n = 0;

        while (s && *s) {
                size_t k = strcspn(s, "%$\"\\");

                n += k;
                s += k;
                if (*s) {
                        n += 2;
                        s++;
                }
        }
        return n;
}

static size_t list_size(char *const *list, size_t n_list) {
        size_t n = 0;

        for (size_t i = 0; i < n_list; i++)
                n += escaped_size(list[i]) + WORD_SIZE;
        return n;
}

/* QEMU's own commas are doubled, too; and of a disk there may be an overlay. */
static size_t path_size(const char *path) {
        return 2 * escaped_size(path) + PART_SIZE;
}

static size_t parts_size(const VM *vm) {
        size_t n = vm->n_interfaces * PART_SIZE;

        for (size_t i = 0; i < vm->n_interfaces; i++) {
                const Wire *w = vm->interfaces[i].wire;

                n += w->n_forwards * FORWARD_SIZE;
                n += 2 * (escaped_size(w->socket) + escaped_size(w->local.path) + escaped_size(w->remote.path));
        }
        for (size_t i = 0; i < vm->n_disks; i++) {
                n += path_size(vm->disks[i].image);
                for (size_t k = 0; k < vm->disks[i].n_backing; k++)
                        n += path_size(vm->disks[i].backing[k].path);
        }
        for (size_t i = 0; i < vm->n_serials; i++)
                n += path_size(vm->serials[i].path);
        for (size_t i = 0; i < vm->n_shares; i++)
                n += path_size(vm->shares[i].path);
        return n + vm->firmware->n_credentials * 4 * PART_SIZE;
}

int validate_command(Model *m, VM *vm) {
        const Hardware *h = vm->hardware;
        size_t words = list_size(vm->extra_args, vm->n_extra_args) + list_size(h->devices, h->n_devices) +
                       list_size(h->smbios, h->n_smbios) + escaped_size(vm->kernel_command_line);
        size_t n = FIXED_SIZE + words + parts_size(vm);
        const char *key = vm->n_extra_args > 0 ? "ExtraArgs" : h->n_devices > 0 ? "Device" : "SMBIOS";

        if (n <= COMMAND_MAX)
                return 0;
        return vm_problem(m, vm, said_at(&vm->said, vm->origin, KEYS_VM, key),
                        "QEMU's command line gets longer than 1 MiB, the most that systemd reads: ExtraArgs=, Device=, "
                        "SMBIOS= and KernelCommandLine= are %zu KiB of it",
                        words / 1024);
}
