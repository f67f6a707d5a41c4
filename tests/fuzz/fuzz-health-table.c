/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of qnet-health: of whatever bytes, what is taken is whole. */

#include "fuzz.h"
#include "target.h"

#define MUST(condition)           \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)

static bool is_ended(const char name[static IFNAMSIZ]) {
        return strnlen(name, IFNAMSIZ) < IFNAMSIZ && (!*name || ifname_is_valid(name));
}

static void check(const Target *t) {
        MUST(strnlen(t->name, sizeof(t->name)) < sizeof(t->name) && name_is_valid(t->name));
        MUST(t->probe < _PROBE_MAX && probe_to_string(t->probe));
        MUST((t->probe == PROBE_TCP) == (t->port > 0));
        MUST(t->action < _ACTION_MAX && action_to_string(t->action));
        MUST(t->failures >= 1 && t->failures <= 1000);
        MUST(t->interval >= USEC_PER_SEC && t->interval <= 24 * 3600 * USEC_PER_SEC); /* it is divided by */
        MUST(t->timeout > 0 && t->timeout <= t->interval);
        MUST(is_ended(t->dev) && is_ended(t->tap));
        MUST(!target_is_on_network(t) || (*t->dev && *t->tap));
        MUST(t->address.family == AF_UNSPEC || t->address.family == AF_INET || t->address.family == AF_INET6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ Target *targets = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        size_t n;
        bool bad;

        f = size > 0 ? fmemopen((void *) data, size, "r") : NULL;
        if (!f || targets_read(f, &targets, &n, &bad) < 0)
                return 0;
        MUST(n <= TARGETS_MAX && n <= size);
        for (size_t i = 0; i < n; i++)
                check(targets + i);
        return 0;
}
