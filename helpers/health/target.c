/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log.h"
#include "string-table.h"
#include "target.h"

#define TOLD_MAX   20
#define SEPARATORS " \t\n"

static const char *const probe_table[_PROBE_MAX] = {
        [PROBE_ARP] = "arp",
        [PROBE_PING] = "ping",
        [PROBE_TCP] = "tcp",
        [PROBE_AGENT] = "agent",
        [PROBE_HEARTBEAT] = "heartbeat",
};
DECLARE_STRING_TABLE(probe, Probe);
DEFINE_STRING_TABLE(probe, Probe)

static const char *const action_table[_ACTION_MAX] = {
        [ACTION_RECOVER] = "recover",
        [ACTION_RESTART] = "restart",
        [ACTION_RESET] = "reset",
        [ACTION_POWERDOWN] = "powerdown",
        [ACTION_NOTIFY] = "notify",
};
DECLARE_STRING_TABLE(action, Action);
DEFINE_STRING_TABLE(action, Action)

static int parse_probe(char *word, Target *t) {
        char *colon = strchr(word, ':');
        unsigned port = 0;
        int probe;

        if (colon)
                *colon = '\0';
        probe = probe_from_string(word);
        if (colon)
                *colon = ':';
        if (probe < 0 || (probe == PROBE_TCP) != !!colon)
                return -EINVAL;
        if (colon && parse_unsigned(colon + 1, 1, UINT16_MAX, &port) < 0)
                return -EINVAL;
        t->probe = (Probe) probe;
        t->port = (uint16_t) port;
        return 0;
}

static int parse_ifname(const char *value, char ret[static IFNAMSIZ]) {
        if (!ifname_is_valid(value))
                return -EINVAL;
        memcpy(ret, value, strlen(value) + 1);
        return 0;
}

static int parse_setting(const char *word, Target *t) {
        const char *value;

        if ((value = startswith(word, "interval=")))
                return parse_sec(value, &t->interval);
        if ((value = startswith(word, "failures=")))
                return parse_unsigned(value, 1, 1000, &t->failures);
        if ((value = startswith(word, "timeout=")))
                return parse_sec(value, &t->timeout);
        if ((value = startswith(word, "start=")))
                return parse_sec(value, &t->start);
        if ((value = startswith(word, "action="))) {
                int action = action_from_string(value);

                t->action = (Action) action;
                return action < 0 ? -EINVAL : 0;
        }
        if ((value = startswith(word, "dev=")))
                return parse_ifname(value, t->dev);
        if ((value = startswith(word, "tap=")))
                return parse_ifname(value, t->tap);
        if ((value = startswith(word, "mac="))) {
                t->has_mac = true;
                return parse_mac(value, &t->mac);
        }
        if ((value = startswith(word, "address=")))
                return parse_ip(value, &t->address);
        if ((value = startswith(word, "leases=")))
                return parse_boolean(value, &t->leases);
        return -EINVAL;
}

static bool is_whole(const Target *t) {
        return t->interval >= USEC_PER_SEC && t->interval <= 24 * 3600 * USEC_PER_SEC && t->timeout > 0 &&
               t->timeout <= t->interval && (!target_is_on_network(t) || (*t->dev && *t->tap));
}

int target_parse(char *line, Target *ret, const char **ret_word) {
        Target t = { .failures = 3, .timeout = USEC_PER_SEC, .action = ACTION_NOTIFY };
        char *state = NULL, *name = strtok_r(line, SEPARATORS, &state), *word;

        *ret_word = name;
        if (!name || !name_is_valid(name))
                return -EINVAL;
        memcpy(t.name, name, strlen(name) + 1);
        word = strtok_r(NULL, SEPARATORS, &state);
        *ret_word = word;
        if (!word || parse_probe(word, &t) < 0)
                return -EINVAL;
        while ((word = strtok_r(NULL, SEPARATORS, &state))) {
                *ret_word = word;
                if (parse_setting(word, &t) < 0)
                        return -EINVAL;
        }
        *ret_word = NULL;
        if (!is_whole(&t))
                return -EINVAL;
        *ret = t;
        return 0;
}

static void complain(unsigned number, const char *word) {
        static unsigned told;

        if (told++ < TOLD_MAX)
                log_error("Line %u of the table is not understood, ignoring%s%.100s", number, word ? ": " : "",
                                word ?: "");
}

static int add_line(char *line, unsigned number, Target **targets, size_t *n, size_t *allocated, bool *bad) {
        const char *word = NULL;

        if (strspn(line, SEPARATORS) == strlen(line))
                return 0;
        if (*n == *allocated) {
                size_t more = MAX(*allocated * 2, (size_t) 64);
                Target *t = reallocarray(*targets, more, sizeof(Target));

                if (!t)
                        return log_oom();
                *targets = t;
                *allocated = more;
        }
        if (*n < TARGETS_MAX && target_parse(line, *targets + *n, &word) >= 0)
                ++*n;
        else {
                complain(number, word);
                *bad = true;
        }
        return 0;
}

int targets_read(FILE *f, Target **ret, size_t *ret_n, bool *ret_bad) {
        _cleanup_free_ Target *targets = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0, n = 0, allocated = 0;
        bool bad = false;
        ssize_t length;
        int r = 0;

        for (unsigned number = 1; r >= 0 && (length = getline(&line, &size, f)) >= 0; number++)
                if (strlen(line) == (size_t) length)
                        r = add_line(line, number, &targets, &n, &allocated, &bad);
                else
                        bad = true;
        if (r < 0)
                return r;
        if (ferror(f))
                return log_error_errno(errno, "Cannot read the table from standard input: %m");
        *ret = TAKE_PTR(targets);
        *ret_n = n;
        *ret_bad = bad;
        return 0;
}
