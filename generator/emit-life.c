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

/* An address that is known by IPv6 alone is not asked: the kernel's table must do. */
static bool is_asked(const Interface *i) {
        for (size_t k = 0; k < i->n_addresses; k++)
                if (i->addresses[k].family == AF_INET)
                        return true;
        return i->n_addresses == 0;
}

static void emit_waiter(const char *prefix, const char *verb, UnitWriter *w) {
        unit_exec(w, "ExecStartPost", prefix, HELPERDIR "/qnet-ready");
        unit_arg(w, verb);
}

static void emit_network(const VM *vm, const Interface *i, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];
        bool tcp = vm->life->ready == READY_TCP;

        if (tcp || is_asked(i)) /* "+": a packet socket, addresses that QEMU's own sandbox has not; it drops root itself */
                emit_waiter("+", tcp ? "tcp" : "address", w);
        else {
                unit_exec(w, "ExecStartPost", "", HELPERDIR "/qnet-arp");
                unit_arg(w, "wait");
        }
        if (tcp)
                unit_arg(w, format_number(vm->life->ready_port, number));
        emit_mac(i, w);
        unit_arg(w, "--dev=", interface_device(i));
}

static void emit_wait(const VM *vm, UnitWriter *w) {
        const Interface *i = vm_first_tap(vm);
        char span[NUMBER_STRING_SIZE];

        switch (vm->life->ready) {
        case READY_ADDRESS:
        case READY_TCP:
                if (!i)
                        return;
                emit_network(vm, i, w);
                break;
        case READY_AGENT:
                emit_waiter("", "agent", w);
                unit_arg(w, RUN_DIR, vm->name, "/agent");
                break;
        case READY_NOTIFY:
                emit_waiter("", "notify", w);
                unit_arg(w, RUN_DIR, vm->name, "/notify");
                break;
        case READY_CONSOLE: /* "+": the journal is not for the machine's user; it drops root itself */
                emit_waiter("+", "console", w);
                unit_arg(w, vm->life->ready_text);
                break;
        default:
                return;
        }
        unit_arg(w, "--timeout=", format_span(vm->ready_timeout, span));
        unit_exec_end(w);
}

/* A connection is made from within the unit, whose packets are filtered. QEMU gets no more by that: it still may not have
 * a socket of IP (RestrictAddressFamilies=). */
static void emit_reachable(const Interface *i, UnitWriter *w) {
        char ip[IP_STRING_SIZE];

        for (size_t k = 0; k < i->n_addresses; k++)
                unit_raw(w, "IPAddressAllow", format_ip(i->addresses + k, ip));
        if (i->n_addresses > 0)
                return;
        for (size_t k = 0; i->network && k < i->network->n_addresses; k++)
                unit_raw(w, "IPAddressAllow", format_ip_prefix(i->network->addresses + k, ip));
        if (!i->network || i->network->n_addresses == 0)
                unit_raw(w, "IPAddressAllow", "any");
}

void emit_ready_settings(const VM *vm, UnitWriter *w) {
        if (vm->life->ready == READY_RUNNING)
                return;
        /* what is awaited, as STATUS=, of qnet-ready */
        unit_raw(w, "NotifyAccess", "exec");
        if (vm->life->ready == READY_TCP && vm_first_tap(vm))
                emit_reachable(vm_first_tap(vm), w);
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
        emit_wait(vm, w);
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
