/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ready= and Stop=: whether the guest has what it is waited for at, and asked through. */

#include "conf-table.h"
#include "problem.h"
#include "rare.h"
#include "validate.h"

#define life_problem(m, vm, key, ...) \
        vm_problem((m), (vm), said_at(&(vm)->said, (vm)->origin, KEYS_VM, (key)), __VA_ARGS__)

/* a channel to it is implied */
static int need_agent(Model *m, VM *vm) {
        Hardware *own;

        if (vm->hardware->guest_agent)
                return 0;
        own = vm_own_hardware(m->arena, vm);
        if (!own)
                return -ENOMEM;
        own->guest_agent = true;
        return 0;
}

/* in the journal */
static bool has_console(const VM *vm) {
        for (size_t i = 0; i < vm->n_serials; i++)
                if (vm->serials[i].type == SERIAL_CONSOLE || vm->serials[i].type == SERIAL_JOURNAL)
                        return true;
        return vm->n_serials == 0;
}

static bool needs_tap(Ready ready) {
        return ready == READY_ADDRESS || ready == READY_TCP;
}

int validate_life(Model *m, VM *vm) {
        const Life *l = vm->life;
        int r = 0;

        if (needs_tap(l->ready) && !vm_first_tap(vm))
                r = life_problem(m, vm, "Ready",
                                vm->n_interfaces == 0
                                                ? "Ready=%s needs an interface"
                                                : "Ready=%s needs an [Interface] with Type=tap: the host does not "
                                                  "see the packets of others",
                                ready_to_string(l->ready));
        if (r >= 0 && l->ready == READY_CONSOLE && !has_console(vm))
                r = life_problem(m, vm, "Ready",
                                "Ready=console needs a [Serial] with Type=console or journal: others are not in the journal");
        if (r >= 0 && (l->stop == STOP_AGENT || l->ready == READY_AGENT))
                r = need_agent(m, vm);
        return r;
}
