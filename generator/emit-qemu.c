/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ExecStart= of a VM: QEMU itself, one option per line, so that "systemctl cat" is a page one can read and
 * copy.
 *
 * Two quotings meet here. systemd's is the unit-writer's business. QEMU's own, in options that are lists of
 * "key=value,key=value", is this file's: a comma in a value is doubled (qemu(1)), and that is all. -kernel,
 * -initrd and -append take their argument as it is. So do -machine and -cpu here: "Machine=q35,hpet=off" is a
 * list on purpose. */

#include "emit-disk.h"
#include "emit-internal.h"
#include "qemu-option.h"
#include "strv.h"

#define RUN_DIR "/run/qnet/vm/"

/* ---- the machine ---- */

/* Whether the host's processor can run the guest's programs, and any machine of that architecture takes
 * -cpu max. */
static bool runs_natively(const VM *vm) {
#if defined(__x86_64__)
        return streq(vm->architecture, "x86_64") || streq(vm->architecture, "i386");
#elif defined(__aarch64__)
        return streq(vm->architecture, "aarch64") && starts_with_word(vm->machine, "virt");
#else
        return false;
#endif
}

static void emit_machine(const VM *vm, UnitWriter *w) {
        bool automatic = vm->accelerator == ACCELERATOR_AUTO && runs_natively(vm);

        option(w, "-name", vm->name);
        unit_option(w, "-machine");
        unit_arg(w, vm->machine, has_memory_backend(vm) ? ",memory-backend=memory" : "");
        /* the second is for a host without /dev/kvm, or where the VM's user may not open it */
        if (automatic || vm->accelerator == ACCELERATOR_KVM)
                option(w, "-accel", "kvm");
        if (vm->accelerator != ACCELERATOR_KVM)
                option(w, "-accel", "tcg");
        if (vm->cpu)
                option(w, "-cpu", vm->cpu);
        else if (automatic)
                option(w, "-cpu", "max"); /* all that whichever of the two has */
        else if (streq(vm->architecture, "aarch64") && starts_with_word(vm->machine, "virt") &&
                        vm->accelerator != ACCELERATOR_KVM)
                option(w, "-cpu", "cortex-a57"); /* the board's default has 32 bits */
        emit_cpus(vm, w);
        emit_memory(vm, w);

        /* only what is said here: no NIC, CD, floppy, display and monitor by default, nothing from
         * /etc/qemu */
        unit_option(w, "-nodefaults");
        unit_option(w, "-no-user-config");
        emit_display(vm, w);
        option(w, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

/* QMP serves one client at a time: one socket for qnet, another for the user. A VM's name has no comma. */
static void emit_monitor(const VM *vm, const char *id, const char *socket, UnitWriter *w) {
        unit_option(w, "-chardev");
        unit_arg(w, "socket,id=", id, ",path=" RUN_DIR, vm->name, socket, ",server=on,wait=off");
        unit_option(w, "-mon");
        unit_arg(w, "mode=control,chardev=", id);
}

static void emit_boot(const VM *vm, UnitWriter *w) {
        if (vm->kernel)
                option(w, "-kernel", vm->kernel);
        if (vm->initrd)
                option(w, "-initrd", vm->initrd);
        if (vm->kernel_command_line)
                option(w, "-append", vm->kernel_command_line);
        emit_platform(vm, w);
}

/* ---- all of it ---- */

static void emit_extra_args(const VM *vm, UnitWriter *w) {
        STRV_FOREACH (arg, vm->extra_args)
                if (**arg == '-')
                        unit_option(w, *arg);
                else
                        unit_arg(w, *arg);
}

void emit_qemu(const VM *vm, UnitWriter *w) {
        unit_exec(w, "ExecStart", "", QEMU_BINDIR "/qemu-system-", vm->architecture);
        emit_machine(vm, w);
        emit_monitor(vm, "qnet", "/qnet.qmp", w);
        emit_monitor(vm, "qmp", "/qmp", w);
        emit_serial_options(vm, w);
        emit_boot(vm, w);
        emit_firmware_options(vm, w);
        emit_nics(vm, w);
        emit_disk_options(vm, w);
        emit_seed_options(vm, w);
        emit_share_options(vm, w);
        emit_small_devices(vm, w);
        emit_debugging(vm, w);
        emit_extra_args(vm, w); /* last, so that they can refer to all of the above */
        unit_exec_end(w);
}
