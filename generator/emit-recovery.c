/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Recover=, BlackBox=: units that run for a moment when a guest was reported to hang, as the VM's own user. The reaper
 * starts them, and only if the VM's unit is Before= them, so that a VM without these keys costs it nothing. What they share
 * stands in units/qnet-recover@.service.d and units/qnet-blackbox@.service.d. */

#include "emit-internal.h"

#define RUN_DIR   "/run/qnet/vm/"
#define STATE_DIR "/var/lib/qnet/vm/"

/* What systemd allows beyond the time-outs that the command itself keeps. */
#define TIMEOUT_MARGIN (10 * USEC_PER_SEC)

static bool ends_with_restart(const Recovery *r) {
        return r->n_rungs == 0 || r->rungs[r->n_rungs - 1] == RUNG_RESTART;
}

static bool has_rungs(const Recovery *r) {
        return r->n_rungs > 0 && r->rungs[0] != RUNG_RESTART;
}

/* [Health] may ask for one that Recover= does not have. */
bool has_ladder(const VM *vm) {
        return has_rungs(vm->recovery) ||
               (has_health(vm) && (vm->health->action == HEALTH_RESET || vm->health->action == HEALTH_POWERDOWN));
}

void emit_recovery_dependencies(const VM *vm, UnitWriter *w) {
        /* Before= keeps their state in systemd's memory as long as the VM runs: the reaper tells by it how far one of
         * its predecessors got */
        if (has_ladder(vm))
                unit_raw(w, "Before", "qnet-recover@", vm->name, ".service");
        if (vm->recovery->black_boxes > 0)
                unit_raw(w, "Before", "qnet-blackbox@", vm->name, ".service");
}

static void emit_rungs(const Recovery *r, UnitWriter *w) {
        const char *first = has_rungs(r) ? rung_to_string(r->rungs[0]) : "", *second = "";

        if (r->n_rungs > 1 && r->rungs[1] != RUNG_RESTART)
                second = rung_to_string(r->rungs[1]);
        unit_raw(w, "Environment", "QNET_RECOVER=", first, *second ? "," : "", second);
}

/* Whose answer to ARP shows that the guest is back; of a random address only the unit's environment knows. */
static void emit_guest(const Interface *i, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE], mac[MAC_STRING_SIZE];

        unit_arg_begin(w);
        unit_arg_add(w, "--guest=");
        if (i->mac_policy == MAC_RANDOM) {
                _cleanup_free_ char *variable = NULL;

                if (asprintf(&variable, "QNET_MAC%s", format_number(i->index, number)) >= 0)
                        unit_arg_add_variable(w, variable);
        } else
                unit_arg_add(w, format_mac(&i->mac, mac));
        unit_arg_add(w, "@");
        unit_arg_add(w, interface_device(i));
        unit_arg_end(w);
}

int emit_ladder(const VM *vm, UnitWriter *w) {
        const Recovery *r = vm->recovery;
        char span[NUMBER_STRING_SIZE];
        bool random = false;

        unit_open(w, "qnet-recover@", vm->name, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "Recovery of virtual machine ", vm->name);
        emit_origin(&vm->origin, w);
        if (r->black_boxes > 0)
                unit_dependency(w, "Wants", "qnet-blackbox@", vm->name, ".service");
        unit_section(w, "Service");
        unit_raw(w, "Type", "oneshot");
        unit_raw(w, "User", vm->user);
        emit_rungs(r, w);
        /* written by the reaper when the report itself names another rung */
        unit_text(w, "EnvironmentFile", "-/run/qnet/recover/", vm->name);
        for (size_t i = 0; i < vm->n_interfaces; i++)
                random |= vm->interfaces[i].mac_policy == MAC_RANDOM;
        if (random)
                unit_text(w, "EnvironmentFile", "-" RUN_DIR ".", vm->name, ".env");
        unit_raw(w, "TimeoutStartSec", format_span(2 * r->timeout + TIMEOUT_MARGIN, span));
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-recover");
        unit_arg(w, "run");
        unit_arg(w, RUN_DIR, vm->name, "/qnet.qmp");
        unit_arg_begin(w);
        unit_arg_add(w, "--rungs=");
        unit_arg_add_variable(w, "QNET_RECOVER");
        unit_arg_end(w);
        unit_arg(w, "--timeout=", format_span(r->timeout, span));
        if (!ends_with_restart(r))
                unit_arg(w, "--last");
        for (size_t i = 0; i < vm->n_interfaces; i++)
                if (vm->interfaces[i].type == INTERFACE_TAP)
                        emit_guest(vm->interfaces + i, w);
        unit_exec_end(w);
        return unit_close(w);
}

int emit_black_box(const VM *vm, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        unit_open(w, "qnet-blackbox@", vm->name, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "Black box of virtual machine ", vm->name);
        emit_origin(&vm->origin, w);
        unit_section(w, "Service");
        unit_raw(w, "Type", "oneshot");
        unit_raw(w, "User", vm->user);
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-recover");
        unit_arg(w, "save");
        unit_arg(w, RUN_DIR, vm->name, "/qnet.qmp");
        unit_arg(w, STATE_DIR, vm->name, "/blackbox");
        unit_arg(w, "--unit=qemu-vm@", vm->name, ".service");
        unit_arg(w, "--keep=", format_number(vm->recovery->black_boxes, number));
        if (vm->recovery->memory > 0)
                unit_arg(w, "--memory=", format_number(vm->recovery->memory, number));
        unit_exec_end(w);
        return unit_close(w);
}
