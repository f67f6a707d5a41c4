/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the arguments of qnet-tap add and set to port security. */

#include "log.h"
#include "tap.h"
#include "tap-security.h"

/* The guest's leases as far as they are known: qnet-lease has made them permanent neighbour entries. */
static int find_leases(Rtnl *rtnl, const Alias *alias, IPAddress **ret, size_t *ret_n) {
        _cleanup_free_ Neighbour *list = NULL;
        _cleanup_free_ IPAddress *leases = NULL;
        size_t n, n_leases = 0;
        int r;

        r = neighbour_list(rtnl, AF_UNSPEC, 0, &alias->mac, &list, &n);
        if (r < 0)
                return log_error_errno(r, "Cannot list the addresses of VM %s: %m%s", alias->name,
                                rtnl_reason(rtnl));
        leases = calloc(n + 1, sizeof(*leases));
        if (!leases)
                return log_oom();
        for (size_t i = 0; i < n; i++)
                if (list[i].state & NUD_PERMANENT && list[i].ip.family != AF_UNSPEC)
                        leases[n_leases++] = list[i].ip;
        *ret = TAKE_PTR(leases);
        *ret_n = n_leases;
        return 0;
}

int tap_secure(Rtnl *rtnl, const TapArguments *a, const Link *link, const Link *bridge, bool is_new) {
        Alias alias = tap_alias(a, link);
        _cleanup_free_ IPAddress *leases = NULL;
        TapSecurity s = {
                .ifname = a->ifname,
                .mac = alias.has_mac ? &alias.mac : NULL,
                .allowed = a->allowed,
                .n_allowed = a->n_allowed,
        };
        char wire[IFNAMSIZ];
        int r;

        if (!a->port_security)
                return tap_security_remove(a->ifname);
        if (!bridge && s.n_allowed == 0) { /* the tap is a network of its own */
                s.allowed = a->host_addresses;
                s.n_allowed = a->n_host_addresses;
        }
        /* On a bridge of somebody else's, with no address given: it may have any, and we see no leases. */
        s.judge_addresses = s.n_allowed > 0 || (bridge && bridge->alias.kind == ALIAS_SWITCH);
        if (alias.has_mac) {
                r = find_leases(rtnl, &alias, &leases, &s.n_leases);
                if (r < 0)
                        return r;
                s.leases = leases;
        }
        if (!shape_is_empty(&a->from_guest)) {
                tap_wire_name(a->ifname, wire);
                s.wire = wire;
        }
        r = tap_security_set(&s, is_new);
        if (r < 0 || !s.wire || is_new)
                return r;
        r = ingress_stop_redirecting(rtnl, link->ifindex); /* which would come first */
        return r < 0 ? log_error_errno(r, "Cannot remove the filter of %s: %m%s", a->ifname, rtnl_reason(rtnl)) : 0;
}
