/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of findings: who adds to it, in which order, and how it is printed. */

#include <jansson.h>
#include <stdarg.h>

#include "log.h"
#include "preflight.h"

int preflight_add(Preflight *p, bool is_error, const char *kind, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        Finding *list;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                return -ENOMEM;
        for (size_t i = 0; i < p->n_findings; i++)
                if (streq(p->findings[i].text, text))
                        return 0;
        list = reallocarray(p->findings, p->n_findings + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        p->findings = list;
        list[p->n_findings++] = (Finding){ .is_error = is_error, .kind = kind, .text = TAKE_PTR(text) };
        return 0;
}

const char *preflight_device(const Preflight *p, int ifindex, char buf[static IFNAMSIZ]) {
        Link link;

        if (ifindex == 0)
                return "nothing";
        if (link_get(p->rtnl, ifindex, &link) < 0) /* gone meanwhile */
                snprintf(buf, IFNAMSIZ, "if%d", ifindex);
        else
                memcpy(buf, link.name, IFNAMSIZ);
        return buf;
}

bool preflight_has_family(const Preflight *p, int family) {
        for (size_t i = 0; i < p->n_addresses; i++)
                if (p->addresses[i].family == family && !ip_is_link_local(&p->addresses[i]))
                        return true;
        return false;
}

int preflight_run(Preflight *p) {
        static const struct {
                int (*run)(Preflight *p);
                const char *what;
        } checks[] = { /* in this order: the first ones find what the others look at */
                { preflight_name, "the name of the bridge is free" },
                { preflight_uplink, "the uplink can become one" },
                { preflight_mtu, "all ports are for packets of that size" },
                { preflight_addresses, "the addresses are free" },
                { preflight_routes, "the addresses are routed elsewhere" },
                { preflight_rp_filter, "what comes in is dropped for its source address" },
                { preflight_firewall, "a firewall of the host is in the way" },
        };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(checks); i++) {
                r = checks[i].run(p);
                if (r < 0 && r != -ENOMEM)
                        r = preflight_add(p, false, "unknown", "Cannot tell whether %s: %s%s", checks[i].what,
                                        strerror(-r), r == -EPERM ? "; ask as root" : "");
                if (r < 0)
                        return r;
        }
        return 0;
}

void preflight_done(Preflight *p) {
        for (size_t i = 0; i < p->n_findings; i++)
                free(p->findings[i].text);
        free(p->findings);
        free(p->routes);
}

bool preflight_has_errors(const Preflight *p) {
        for (size_t i = 0; i < p->n_findings; i++)
                if (p->findings[i].is_error)
                        return true;
        return false;
}

static int print_json(const Preflight *p) {
        json_auto_t *array = json_array();

        for (size_t i = 0; i < p->n_findings; i++) {
                const Finding *f = &p->findings[i];

                if (json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s}", "switch", p->name, "severity",
                                                                 f->is_error ? "error" : "warning", "kind",
                                                                 f->kind, "message", f->text)) < 0)
                        return log_oom();
        }
        if (!array || json_dumpf(array, stdout, JSON_COMPACT) < 0)
                return log_error_errno(EIO, "Cannot write to standard output: %m");
        putchar('\n');
        return 0;
}

int preflight_print(const Preflight *p, bool json) {
        bool colour = isatty(STDOUT_FILENO);

        if (json)
                return print_json(p);
        for (size_t i = 0; i < p->n_findings; i++) {
                const Finding *f = &p->findings[i];

                printf("%s%s:%s %s\n", colour ? (f->is_error ? "\x1b[1;31m" : "\x1b[1;33m") : "",
                                f->is_error ? "error" : "warning", colour ? "\x1b[0m" : "", f->text);
        }
        if (p->n_findings == 0)
                printf("Nothing of this host is in the way of switch %s.\n", p->name);
        return 0;
}
