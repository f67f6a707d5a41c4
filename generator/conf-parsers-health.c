/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* [Health]. See conf-parsers.h. */

#include "conf-parsers.h"
#include "conf-table.h"

#define PROBES  "arp, ping, tcp:PORT, agent, heartbeat, none"
#define ACTIONS "recover, restart, reset, powerdown, notify"

#define INTERVAL_MAX (24 * 3600 * USEC_PER_SEC)
#define TIMEOUT_MIN  (10 * USEC_PER_MSEC)
#define TIMEOUT_MAX  (60 * USEC_PER_SEC)

int parse_health_probe(Setting *s, char *value, void *member) {
        Health *h = member;
        const char *port = startswith(value, "tcp:");
        unsigned number = 0;
        int probe;

        if (!*value) {
                const Health *defaults = key_set_defaults(KEYS_HEALTH);

                h->probe = defaults->probe;
                h->port = 0;
                return 0;
        }
        probe = port ? (int) PROBE_TCP : health_probe_from_string(value);
        if (probe < 0)
                return setting_refuse(s, "is not one of " PROBES);
        if (probe == PROBE_TCP && (!port || parse_unsigned(port, 1, 65535, &number) < 0))
                return setting_refuse(s, "needs the port that the guest listens at, such as tcp:22");
        h->probe = (HealthProbe) probe;
        h->port = number;
        return 0;
}

int parse_health_action(Setting *s, char *value, void *member) {
        int action = health_action_from_string(value);

        if (action < 0)
                return setting_refuse(s, "is not one of " ACTIONS);
        *(HealthAction *) member = (HealthAction) action;
        return 0;
}

int parse_health_interval(Setting *s, char *value, void *member) {
        usec_t v;

        if (parse_sec(value, &v) < 0)
                return setting_refuse(s, "is not a time span, such as 30 or 1min");
        if (v < USEC_PER_SEC || v > INTERVAL_MAX || v % USEC_PER_SEC != 0)
                return setting_refuse(s, "is not a number of whole seconds from 1s to 1d");
        *(usec_t *) member = v;
        return 0;
}

int parse_health_timeout(Setting *s, char *value, void *member) {
        usec_t v;

        if (parse_sec(value, &v) < 0)
                return setting_refuse(s, "is not a time span, such as 1 or 500ms");
        if (v < TIMEOUT_MIN || v > TIMEOUT_MAX)
                return setting_refuse(s, "is not from 10ms to 1min");
        *(usec_t *) member = v;
        return 0;
}

int parse_health_failures(Setting *s, char *value, void *member) {
        if (parse_unsigned(value, 1, 100, member) < 0)
                return setting_refuse(s, "is not a number from 1 to 100");
        return 0;
}
