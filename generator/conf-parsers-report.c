/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where others may report frozen guests, and who: [Reaper] Listen= and Allow=. The texts are kept as systemd.socket(5)
 * and qnet-report(8) want them. */

#include "conf-parsers.h"
#include "words.h"

#define ENTRIES_MAX 64

/* "vsock:4000" to "vsock::4000": any context of this host's */
static char *listen_text(Setting *s, const char *text) {
        const char *vsock = startswith(text, "vsock:");
        char ip_text[IP_STRING_SIZE], buf[IP_STRING_SIZE + sizeof("[]:65535")], *copy;
        unsigned port;
        IPAddress ip;

        if (vsock) {
                if (parse_unsigned(vsock, 1, UINT32_MAX - 1, &port) < 0)
                        return NULL;
                snprintf(buf, sizeof(buf), "vsock::%u", port);
                return arena_strdup(s->arena, buf);
        }
        copy = arena_strdup(s->arena, text);
        if (!copy || !split_endpoint(copy, &ip, &port))
                return NULL;
        snprintf(buf, sizeof(buf), ip.family == AF_INET6 ? "[%s]:%u" : "%s:%u", format_ip(&ip, ip_text), port);
        return arena_strdup(s->arena, buf);
}

static char *allow_text(Setting *s, const char *text) {
        const char *cid = startswith(text, "cid:");
        unsigned number;
        IPAddress ip;

        if (cid ? parse_unsigned(cid, 0, UINT32_MAX - 1, &number) < 0
                : parse_ip(text, &ip) < 0 && parse_ip_prefix(text, &ip) < 0)
                return NULL;
        return arena_strdup(s->arena, text);
}

/* White space between; all or none are added. */
static int parse_list(Setting *s, char *value, char *(*one)(Setting *, const char *), const char *what, char ***list,
                size_t *n) {
        char *text, *copy, *save = NULL;
        size_t n_before = *n;
        int r;

        if (!*value) {
                *list = NULL;
                *n = 0;
                return 0;
        }
        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        copy = arena_strdup(s->arena, text);
        if (!copy)
                return -ENOMEM;
        for (char *w = strtok_r(copy, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
                char *entry = one(s, w);

                if (!entry || *n >= ENTRIES_MAX) {
                        *n = n_before;
                        if (*list)
                                (*list)[n_before] = NULL;
                        return entry ? setting_refuse(s, "is more than %d of them", ENTRIES_MAX)
                                     : setting_refuse(s, "is not %s", what);
                }
                r = words_append(s->arena, list, n, entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

int parse_report_listen(Setting *s, char *value, void *member) {
        Reaper *reaper = member;

        return parse_list(s, value, listen_text, "IP:PORT, [IPv6]:PORT or vsock:PORT, such as 10.9.0.1:7177",
                        &reaper->listens, &reaper->n_listens);
}

int parse_report_allow(Setting *s, char *value, void *member) {
        Reaper *reaper = member;

        return parse_list(s, value, allow_text,
                        "an IP address, a network IP/PREFIX or cid:NUMBER, such as 10.9.0.0/24", &reaper->allows,
                        &reaper->n_allows);
}
