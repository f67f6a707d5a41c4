/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* [Health]: whether the guest has what it is to be asked through. */

#include "conf-table.h"
#include "problem.h"
#include "rare.h"
#include "validate.h"

#define health_problem(m, vm, h, key, ...) \
        vm_problem((m), (vm), said_at(&(h)->said, (h)->origin, KEYS_HEALTH, (key)), __VA_ARGS__)

static bool goes_over_network(HealthProbe probe) {
        return probe == PROBE_ARP || probe == PROBE_PING || probe == PROBE_TCP;
}

int validate_health(Model *m, VM *vm) {
        const Health *h = vm->health;
        const char *probe;

        if (vm->n_health == 0 || h->probe == PROBE_NONE)
                return 0;
        probe = health_probe_to_string(h->probe);
        if (goes_over_network(h->probe) && !vm_first_tap(vm))
                return health_problem(m, vm, h, "Probe", "Probe=%s needs an interface%s", probe,
                                vm->n_interfaces > 0 ? " with Type=tap, by which the host sees the guest" : "");
        if (h->probe == PROBE_AGENT) {
                Hardware *own = vm_own_hardware(m->arena, vm);

                if (!own)
                        return -ENOMEM;
                own->guest_agent = true;
        }
        if (h->timeout > h->interval)
                return health_problem(m, vm, h, "TimeoutSec", "TimeoutSec= is longer than IntervalSec=");
        return 0;
}
