/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How often a machine is started again, where that differs from what all have: in a drop-in, as it must come after the
 * shared one, units/qemu-vm@.service.d/10-qnet.conf. */

#include "emit-internal.h"

/* Starts of one that is brought back each time it is found ill, and is never well in between. */
#define HEALTH_BURST 20U
/* What a restart, the tick of the timer and the reaper take besides, per start */
#define HEALTH_MARGIN (30 * USEC_PER_SEC)

static bool panic_is_failure(const VM *vm) {
        return vm->hardware->panic && vm->hardware->panic_action == PANIC_EXIT_FAILURE;
}

static bool is_restarted_when_ill(const VM *vm) {
        return has_health(vm) && (vm->health->action == HEALTH_RECOVER || vm->health->action == HEALTH_RESTART);
}

/* So long that one that hangs at every boot meets it; none, if the time from one restart to the next has no end. */
static usec_t health_limit(const Health *h) {
        usec_t cycle = h->interval * (h->failures + UINT64_C(2)) + HEALTH_MARGIN;

        if (h->start > USEC_INFINITY / (2 * HEALTH_BURST))
                return 0;
        return HEALTH_BURST * (cycle + h->start);
}

static void emit_limit(usec_t interval, unsigned burst, UnitWriter *w) {
        char span[NUMBER_STRING_SIZE], number[NUMBER_STRING_SIZE];

        unit_raw(w, "StartLimitIntervalSec", format_span(interval, span));
        unit_raw(w, "StartLimitBurst", format_number(burst, number));
}

int emit_restart_policy(const VM *vm, UnitWriter *w) {
        usec_t limit = is_restarted_when_ill(vm) ? health_limit(vm->health) : 0;
        bool panic = panic_is_failure(vm);

        if (!panic && limit == 0)
                return 0;
        unit_open(w, "qemu-vm@", vm->name, ".service.d/20-qnet.conf");
        unit_section(w, "Unit");
        /* with Restart=, a unit has failed only when its limit is met */
        unit_raw(w, "OnFailure", "qnet-given-up@", vm->name, ".service");
        if (limit > 0)
                emit_limit(limit, HEALTH_BURST, w);
        else /* one that panics at every boot, within a minute or so */
                emit_limit(600 * USEC_PER_SEC, 10, w);
        if (panic) {
                /* elsewhere QEMU's exit status 1 is a mistake that a restart does not mend; here it may be the guest's */
                unit_section(w, "Service");
                unit_raw(w, "Restart", "on-failure");
        }
        return unit_close(w);
}

void emit_panic_message(const VM *vm, UnitWriter *w) {
        if (!panic_is_failure(vm))
                return;
        /* the last that is said of it, so that "systemctl status" shows it */
        unit_exec(w, "ExecStopPost", "-", HELPERDIR "/qnet-check");
        unit_arg(w, "panic");
        unit_arg(w, vm->name);
        unit_exec_end(w);
}
