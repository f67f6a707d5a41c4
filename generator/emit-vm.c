/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qemu-vm@NAME.service: what a VM needs before it starts, the commands around QEMU, and how long each may
 * take. What all VMs share stands in units/qemu-vm@.service.d/10-qnet.conf, QEMU's own command line in
 * emit-qemu.c. */

#include "emit-disk.h"
#include "emit-internal.h"

#define RUN_DIR   "/run/qnet/vm/"

/* What systemd allows a command beyond the time-out that the command itself keeps: it is to tell what it
 * waited for. */
#define TIMEOUT_MARGIN (10 * USEC_PER_SEC)

static void emit_description(const VM *vm, UnitWriter *w) {
        unit_open(w, "qemu-vm@", vm->name, ".service");
        unit_section(w, "Unit");
        if (vm->description)
                unit_text(w, "Description", vm->description);
        else
                unit_text(w, "Description", "Virtual machine ", vm->name);
        emit_origin(&vm->origin, w);
}

static void emit_reasons(const VM *vm, UnitWriter *w) {
        char line[NUMBER_STRING_SIZE];

        emit_problems(vm->problems, vm->n_problems, w);
        for (size_t i = 0; vm->n_problems == 0 && i < vm->n_interfaces; i++) {
                const Switch *s = vm->interfaces[i].network;

                if (s && s->n_problems > 0)
                        unit_option(w, "Switch ", s->name, " is broken, see ",
                                        s->problems[0].origin.file ?: "", ":",
                                        format_number(s->problems[0].origin.line, line));
        }
        unit_exec_end(w);
}

static int emit_broken(const VM *vm, UnitWriter *w) {
        emit_description(vm, w);
        emit_exec_fail(w);
        emit_reasons(vm, w);
        /* it may run, and be reloaded */
        unit_exec(w, "ExecReload", "", HELPERDIR "/qnet-fail");
        emit_reasons(vm, w);
        return unit_close(w);
}

static bool is_first_on(const VM *vm, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (vm->interfaces[i].network &&
                                same_segment(vm->interfaces[i].network, vm->interfaces[n].network))
                        return false;
        return true;
}

static void emit_dependencies(const VM *vm, UnitWriter *w) {
        emit_part_of(vm->lab, w);
        for (size_t i = 0; i < vm->n_interfaces; i++) {
                const Interface *interface = &vm->interfaces[i];

                /* QEMU connects once, when it starts. Wants=: of two that are started by one command, each by itself, the
                 * order would not count. */
                if (interface->wire->peer)
                        unit_dependency(w, "Wants", "qemu-vm@", interface->wire->peer->name, ".service");
                if (interface->type == INTERFACE_VDE && interface->network) /* the same */
                        unit_dependency(w, "Requires", "qnet-switch@", interface->network->name, ".service");
                if (!interface->tap)
                        continue;
                /* not BindsTo=: restarting a tap is a matter of the tap, and QEMU keeps its end of it */
                unit_dependency(w, "Requires", "qnet-tap@", interface->tap, ".service");
                if (interface->network && is_first_on(vm, i))
                        emit_wants_of_switch(interface->network, w);
        }
        /* images may be on a file system that is mounted late, or on demand */
        if (vm->kernel)
                unit_word(w, "RequiresMountsFor", vm->kernel, NULL);
        if (vm->initrd)
                unit_word(w, "RequiresMountsFor", vm->initrd, NULL);
        if (vm->hardware->device_tree)
                unit_word(w, "RequiresMountsFor", vm->hardware->device_tree, NULL);
        emit_disk_dependencies(vm, w);
        emit_share_dependencies(vm, w);
        emit_firmware_dependencies(vm, w);
        emit_recovery_dependencies(vm, w);
        emit_reload_dependencies(vm, w);
        if (has_health(vm)) /* it runs while a VM does that it looks after */
                unit_raw(w, "Wants", "qnet-health.timer");
}

static usec_t with_margin(usec_t t) {
        return t > USEC_INFINITY - TIMEOUT_MARGIN ? USEC_INFINITY : t + TIMEOUT_MARGIN;
}

/* What is found out at each start. */
static bool has_variables(const Interface *i) {
        return i->mac_policy == MAC_RANDOM || i->wire->vhost == VHOST_AUTO;
}

static bool any_variables(const VM *vm) {
        for (size_t i = 0; i < vm->n_interfaces; i++)
                if (has_variables(vm->interfaces + i))
                        return true;
        return false;
}

static void emit_settings(const VM *vm, UnitWriter *w) {
        char span[NUMBER_STRING_SIZE];

        unit_section(w, "Service");
        unit_raw(w, "Type", "exec");
        unit_raw(w, "User", vm->user);
        /* The address is chosen at each start, vhost-net looked for, by ExecStartPre= below; "-": it is not there before that.
         * Not in the VM's own directory: a guest that has taken over its QEMU would write LD_PRELOAD= into
         * it for the commands that root runs. No VM's name starts with a dot. */
        if (any_variables(vm))
                unit_text(w, "EnvironmentFile", "-" RUN_DIR ".", vm->name, ".env");
        emit_nic_settings(vm, w);
        emit_disk_settings(vm, w);
        emit_serial_settings(vm, w);
        emit_share_settings(vm, w);
        emit_hardware_settings(vm, w);
        emit_firmware_settings(vm, w);
        emit_ready_settings(vm, w);
        unit_raw(w, "TimeoutStartSec", format_span(with_margin(vm->ready_timeout), span));
        unit_raw(w, "TimeoutStopSec", format_span(with_margin(vm->stop_timeout), span));
}

/* The tap is the VM's from here on; "+": only root may give it away. */
static void emit_own_tap(const VM *vm, const Interface *i, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE], ip[IP_STRING_SIZE];

        unit_exec(w, "ExecStartPre", "+", HELPERDIR "/qnet-tap");
        unit_arg(w, "own");
        unit_arg(w, i->tap);
        /* the directory's owner is the dynamic user: its number is not known to anybody else yet */
        unit_arg(w, "--owner-of=" RUN_DIR, vm->name);
        if (i->mac_policy == MAC_RANDOM)
                unit_arg(w, "--mac=random");
        if (i->wire->vhost == VHOST_AUTO)
                unit_arg(w, "--vhost");
        if (has_variables(i)) {
                unit_arg(w, "--index=", format_number(i->index, number));
                unit_arg(w, "--env-file=" RUN_DIR ".", vm->name, ".env");
        }
        if (i->type == INTERFACE_MACVTAP)
                unit_arg(w, "--store");
        for (size_t k = 0; k < i->n_addresses; k++)
                unit_arg(w, "--pin=", format_ip(&i->addresses[k], ip));
        unit_exec_end(w);
}

/* "-": a VM runs without a place in the list, too; "+": machined lets only root register. */
static void emit_register(const VM *vm, UnitWriter *w) {
        if (!vm->registered)
                return;
        unit_exec(w, "ExecStartPost", "+-", HELPERDIR "/qnet-machine");
        unit_arg(w, "register");
        unit_arg(w, vm->name);
        for (size_t i = 0; i < vm->n_interfaces; i++)
                if (vm->interfaces[i].tap)
                        unit_option(w, "--tap=", vm->interfaces[i].tap);
        unit_exec_end(w);
        /* what "machinectl poweroff" sends to a leader that it takes for an init: an end, not a crash to restart from */
        unit_raw(w, "SuccessExitStatus", "RTMIN+4");
}

static void emit_stop(const VM *vm, UnitWriter *w) {
        emit_power_off(vm, w);
        emit_disk_release(vm, w);
        emit_serial_release(vm, w);
        if (any_variables(vm)) {
                /* outside the directory that systemd removes: the VM must not be able to write it */
                unit_exec(w, "ExecStopPost", "+", "/usr/bin/rm");
                unit_arg(w, "-f");
                unit_arg(w, RUN_DIR ".", vm->name, ".env");
                unit_exec_end(w);
        }
}

int emit_vm(const VM *vm, UnitWriter *w) {
        if (vm_is_broken(vm))
                return emit_broken(vm, w);
        emit_description(vm, w);
        emit_dependencies(vm, w);
        emit_settings(vm, w);
        emit_checks(vm, w);
        for (size_t i = 0; i < vm->n_interfaces; i++)
                if (vm->interfaces[i].tap)
                        emit_own_tap(vm, &vm->interfaces[i], w);
        emit_disk_prepare(vm, w);
        emit_serial_prepare(vm, w);
        emit_share_prepare(vm, w);
        emit_firmware_prepare(vm, w);
        emit_qemu(vm, w);
        emit_register(vm, w);
        emit_ready(vm, w);
        emit_health_ready(vm, w);
        emit_reload(vm, w);
        emit_stop(vm, w);
        emit_panic_message(vm, w);
        emit_passthrough(&vm->passthrough, w);
        return unit_close(w);
}
