/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* [Health] of all VMs, into one service and one timer. What the program is to know stands in the unit, a line per VM on
 * its standard input, so that "systemctl cat qnet-health" shows it and no file has to be kept in step. The sandbox is in
 * units/qnet-health.service.d/10-qnet.conf. */

#include "emit-internal.h"

bool has_health(const VM *vm) {
        return vm->n_health > 0 && vm->health->probe != PROBE_NONE;
}

void emit_health_ready(const VM *vm, UnitWriter *w) {
        bool agent;

        if (!has_health(vm) || vm->health->probe < PROBE_AGENT)
                return;
        agent = vm->health->probe == PROBE_AGENT;
        /* QEMU's sockets are for the machine's user only, who is new at each start. "+": only root may give one to a group
         * that its owner is not in; the machine itself must not be, or it could use those of others. "-": it runs
         * without, too. */
        unit_exec(w, "ExecStartPost", "+-", HELPERDIR "/qnet-grant");
        unit_arg(w, "port");
        unit_arg(w, "/run/qnet/vm/", vm->name, agent ? "/agent" : "/heartbeat");
        unit_arg(w, "--to-group=qnet-health");
        unit_exec_end(w);
}

static bool is_probed(const VM *vm) {
        return has_health(vm) && !vm_is_broken(vm);
}

/* How often the timer goes off, in seconds: so that each VM is asked just in time, and nobody wakes the host oftener
 * than the most impatient wants. A divisor of a minute, as the timer keeps to the clock. */
static unsigned choose_tick(const Model *m) {
        static const unsigned ticks[] = { 60, 30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1 };
        usec_t shortest = USEC_INFINITY;

        for (size_t i = 0; i < m->n_vms; i++)
                if (is_probed(m->vms[i]))
                        shortest = m->vms[i]->health->interval < shortest ? m->vms[i]->health->interval
                                                                          : shortest;
        if (shortest == USEC_INFINITY)
                return 0;
        for (size_t t = 0; t < ELEMENTSOF(ticks); t++) {
                bool suits_all = true;

                for (size_t i = 0; i < m->n_vms && suits_all; i++)
                        suits_all = !is_probed(m->vms[i]) ||
                                    m->vms[i]->health->interval % (ticks[t] * USEC_PER_SEC) == 0;
                if (suits_all && (ticks[t] >= 5 || ticks[t] * USEC_PER_SEC == shortest))
                        return ticks[t];
        }
        /* 7 s and 11 s, say: not a process every second; some come a moment early or late */
        for (size_t t = 0; t < ELEMENTSOF(ticks); t++)
                if (ticks[t] * USEC_PER_SEC <= shortest)
                        return ticks[t];
        return 1;
}

static void emit_network_words(const Interface *i, char *line, size_t size) {
        char mac[MAC_STRING_SIZE], ip[IP_STRING_SIZE];
        size_t n = strlen(line);

        n += (size_t) snprintf(line + n, size - n, " dev=%s tap=%s", interface_device(i), i->tap);
        if (i->mac_policy != MAC_RANDOM)
                n += (size_t) snprintf(line + n, size - n, " mac=%s", format_mac(&i->mac, mac));
        if (i->n_addresses > 0)
                snprintf(line + n, size - n, " address=%s", format_ip(i->addresses, ip));
        else if (i->network && i->network->dhcp) /* who has no address there has not asked for one */
                snprintf(line + n, size - n, " leases=yes");
}

static void emit_line(const VM *vm, UnitWriter *w) {
        const Health *h = vm->health;
        char interval[NUMBER_STRING_SIZE], timeout[NUMBER_STRING_SIZE], start[NUMBER_STRING_SIZE];
        char line[512], port[sizeof(":65535")] = "";

        if (h->probe == PROBE_TCP)
                snprintf(port, sizeof(port), ":%u", h->port % 65536U);
        snprintf(line, sizeof(line), "%s %s%s interval=%s failures=%u timeout=%s action=%s start=%s", vm->name,
                        health_probe_to_string(h->probe), port, format_span(h->interval, interval), h->failures,
                        format_span(h->timeout, timeout), health_action_to_string(h->action),
                        format_span(h->start, start));
        if (vm_first_tap(vm))
                emit_network_words(vm_first_tap(vm), line, sizeof(line));
        unit_text(w, "StandardInputText", line);
}

static int emit_service(const Model *m, unsigned tick, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        unit_open(w, "qnet-health.service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "Look after virtual machines");
        unit_raw(w, "Documentation", "man:qnet-health(8) man:qnet.conf(5)");
        /* asked as often as the timer says, whatever becomes of it */
        unit_raw(w, "StartLimitIntervalSec", "0");
        unit_section(w, "Service");
        unit_raw(w, "Type", "oneshot");
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-health");
        unit_arg(w, "run");
        unit_arg(w, "--tick=", format_number(tick, number), "s");
        unit_exec_end(w);
        unit_raw(w, "StandardInput", "data");
        for (size_t i = 0; i < m->n_vms; i++)
                if (is_probed(m->vms[i]))
                        emit_line(m->vms[i], w);
        return unit_close(w);
}

static int emit_timer(unsigned tick, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        unit_open(w, "qnet-health.timer");
        unit_section(w, "Unit");
        unit_text(w, "Description", "Look after virtual machines");
        unit_raw(w, "Documentation", "man:qnet-health(8) man:qnet.conf(5)");
        /* each VM with [Health] wants it */
        unit_raw(w, "StopWhenUnneeded", "yes");
        unit_section(w, "Timer");
        /* by the clock: which VMs are due can be told from the time then, and is kept nowhere */
        if (tick == 60)
                unit_raw(w, "OnCalendar", "*:*:00");
        else
                unit_raw(w, "OnCalendar", "*:*:00/", format_number(tick, number));
        unit_raw(w, "AccuracySec", "100ms");
        return unit_close(w);
}

int emit_health(const Model *m, UnitWriter *w) {
        unsigned tick = choose_tick(m);
        int r;

        if (tick == 0)
                return 0;
        r = emit_service(m, tick, w);
        return r < 0 ? r : emit_timer(tick, w);
}
