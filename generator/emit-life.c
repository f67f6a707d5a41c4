/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a VM's start ends and its stop begins: Ready= by ExecStartPost=, Stop= by ExecStop=. */

#include "emit-internal.h"

#define RUN_DIR "/run/qnet/vm/"

/* The guest's MAC address: of the first interface, which may have a new one at each start. */
static void emit_mac(const Interface *i, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE], mac[MAC_STRING_SIZE];

        unit_arg_begin(w);
        if (i->mac_policy == MAC_RANDOM) {
                _cleanup_free_ char *variable = NULL;

                if (asprintf(&variable, "QNET_MAC%s", format_number(i->index, number)) >= 0)
                        unit_arg_add_variable(w, variable);
        } else
                unit_arg_add(w, format_mac(&i->mac, mac));
        unit_arg_end(w);
}

static void emit_address(const VM *vm, const Interface *i, UnitWriter *w) {
        char span[NUMBER_STRING_SIZE];

        unit_exec(w, "ExecStartPost", "", HELPERDIR "/qnet-arp");
        unit_arg(w, "wait");
        emit_mac(i, w);
        unit_arg(w, "--dev=", interface_device(i));
        unit_arg(w, "--timeout=", format_span(vm->ready_timeout, span));
        unit_exec_end(w);
}

/* A tap that is down looks like one that is up to QEMU: it is told. */
static void emit_pulled_plugs(const VM *vm, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        for (size_t k = 0; k < vm->n_interfaces; k++) {
                if (!vm->interfaces[k].wire->link_down)
                        continue;
                unit_exec(w, "ExecStartPost", "", HELPERDIR "/qnet-monitor");
                unit_arg(w, "link");
                unit_arg(w, RUN_DIR, vm->name, "/qnet.qmp");
                unit_arg(w, "net", format_number(k, number));
                unit_arg(w, "down");
                unit_exec_end(w);
        }
}

void emit_ready(const VM *vm, UnitWriter *w) {
        const Interface *i = vm_first_tap(vm);
        char span[NUMBER_STRING_SIZE];

        /* started is when QEMU runs the guest, not when it was forked */
        unit_exec(w, "ExecStartPost", "", HELPERDIR "/qnet-monitor");
        unit_arg(w, "wait");
        unit_arg(w, RUN_DIR, vm->name, "/qnet.qmp");
        unit_arg(w, "--timeout=", format_span(vm->ready_timeout, span));
        if (vm->hardware->start_paused)
                unit_arg(w, "--paused");
        unit_exec_end(w);
        emit_pulled_plugs(vm, w);
        if (vm->life->ready == READY_ADDRESS && i)
                emit_address(vm, i, w);
}

void emit_power_off(const VM *vm, UnitWriter *w) {
        bool quit = vm->life->stop == STOP_QUIT;
        char span[NUMBER_STRING_SIZE];

        /* "-": a QEMU that does not take it gets a signal, and that is no failure of the unit's */
        unit_exec(w, "ExecStop", quit ? "-" : "", HELPERDIR "/qnet-monitor");
        unit_arg(w, quit ? "quit" : "powerdown");
        unit_arg(w, RUN_DIR, vm->name, "/qnet.qmp");
        if (vm->life->stop == STOP_AGENT)
                unit_arg(w, "--agent=" RUN_DIR, vm->name, "/agent");
        unit_arg(w, "--timeout=", format_span(vm->stop_timeout, span));
        unit_exec_end(w);
}
