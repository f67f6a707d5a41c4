/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table of the virtual machines to look after, as the generator puts it on qnet-health's standard input: a line for
 * each,
 *
 *     NAME PROBE[:PORT] interval=30s failures=3 timeout=1s action=recover start=60s
 *             [dev=BRIDGE tap=IF [mac=MAC] [address=IP] [leases=yes]]
 *
 * in one line. Words that are not known are refused: the program and its unit belong together. */

#include <net/if.h>

#include "parse-value.h"

typedef enum Probe { PROBE_ARP, PROBE_PING, PROBE_TCP, PROBE_AGENT, PROBE_HEARTBEAT, _PROBE_MAX } Probe;
const char *probe_to_string(Probe p);

typedef enum Action {
        ACTION_RECOVER,
        ACTION_RESTART,
        ACTION_RESET,
        ACTION_POWERDOWN,
        ACTION_NOTIFY,
        _ACTION_MAX
} Action;
const char *action_to_string(Action a);

typedef struct Target {
        char name[NAME_LENGTH_MAX + 1];
        Probe probe;
        uint16_t port;
        Action action;
        unsigned failures;
        usec_t interval, timeout, start;
        char dev[IFNAMSIZ], tap[IFNAMSIZ]; /* "": none */
        bool has_mac;                      /* else the tap's alias knows it */
        struct ether_addr mac;
        IPAddress address; /* AF_UNSPEC: whatever the kernel's neighbour table says of the MAC */
        bool leases;       /* a guest without an address there has not asked for one */
} Target;

static inline bool target_is_on_network(const Target *t) {
        return t->probe <= PROBE_TCP;
}

#define TARGETS_MAX 65536U

/* -EINVAL: ret_word is what is wrong in it, or NULL if something is missing. line is used up. */
int target_parse(char *line, Target *ret, const char **ret_word);
/* The whole table. Logs what is wrong with a line, and goes on; then *ret_bad is set. */
int targets_read(FILE *f, Target **ret, size_t *ret_n, bool *ret_bad);
