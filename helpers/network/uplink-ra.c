/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-uplink: default routes of IPv6 that the kernel has from router advertisements (RFC 4861, accept_ra in
 * the kernel's ip-sysctl.rst).
 *
 * When an advertisement comes, the kernel looks for its own route through that router and gives it a new
 * lifetime. If there is one that somebody else made (everybody but the kernel, so a copy too), it can neither
 * take that nor add its own: it gives up, and the lifetimes of the host's addresses, which come in the same
 * advertisement, run down. (Seen: "RA: ndisc_router_discovery failed to add default route".) So the copies
 * have a metric of their own:
 *
 *     the port     M        the kernel's, which stays; it may not end, as nothing renews it there
 *     the bridge   M - 2    the copy; ends by itself
 *                  M - 1    what the kernel learns on the bridge (net.ipv6.conf.BRIDGE.ra_defrtr_metric)
 *
 * and on the way back the port's takes over the lifetime of the bridge's. A lifetime is changed by adding the
 * route again: that fails as it is there, and sets it. */

#include <linux/ipv6_route.h>
#include <linux/rtnetlink.h>

#include "knob.h"
#include "uplink.h"

#define PARKED_SEC   (100U * 24U * 3600U)
#define LIFETIME_MAX 65535U /* of a router, s: RFC 4861, 4.2 */

/* A line of /proc/net/ipv6_route: destination, source, next hop; metric, flags, device, all in hexadecimal. */
static bool line_is_learned(const char *line, const Route *route, const char *ifname) {
        char gateway[33] = "", device[IFNAMSIZ] = "", wanted[33];
        unsigned prefix, metric, flags;

        if (sscanf(line, "%*32s %x %*32s %*x %32s %x %*x %*x %x %15s", &prefix, gateway, &metric, &flags,
                            device) != 5)
                return false;
        for (size_t i = 0; i < 16; i++)
                snprintf(wanted + 2 * i, 3, "%02x", route->gateway.bytes[i]);
        return prefix == 0 && metric == route->metric && streq(gateway, wanted) && streq(device, ifname) &&
               (flags & (RTF_ADDRCONF | RTF_DEFAULT)) == (RTF_ADDRCONF | RTF_DEFAULT);
}

static bool is_default(const Route *route) {
        return route->family == AF_INET6 && route->destination.prefix == 0 &&
               route->gateway.family == AF_INET6 && route->protocol == RTPROT_RA && !route->multipath;
}

bool ra_is_learned(const Route *route, const char *ifname) {
        _cleanup_fclose_ FILE *f = NULL;
        char line[256];

        if (!is_default(route) || route->metric < 3)
                return false;
        f = fopen("/proc/net/ipv6_route", "re");
        while (f && fgets(line, sizeof(line), f))
                if (line_is_learned(line, route, ifname))
                        return true;
        return false;
}

static int write_knob(const Uplink *u, const char *knob, unsigned value) {
        int r = knob_write(AF_INET6, u->bridge.name, knob, value);

        return r >= 0 ? 0 : uplink_error(r, "Cannot set net.ipv6.conf.%s.%s: %m", u->bridge.name, knob);
}

/* 1: unless the host forwards; 2: always */
int ra_accept(const Uplink *u) {
        int accept = knob_read(AF_INET6, u->port.name, "accept_ra"), r;
        int metric = knob_read(AF_INET6, u->port.name, "ra_defrtr_metric"); /* Linux 5.12 */

        if (accept <= 0 || (accept == 1 && knob_read(AF_INET6, u->port.name, "forwarding") > 0))
                return 0;
        if (metric >= 3) {
                r = write_knob(u, "ra_defrtr_metric", (unsigned) metric - 1);
                if (r < 0)
                        return r;
        }
        return write_knob(u, "accept_ra", 2);
}

int ra_refuse(const Uplink *u) {
        int metric = knob_read(AF_INET6, "default", "ra_defrtr_metric");
        int r;

        r = write_knob(u, "accept_ra", 0); /* as qnet-switch has it */
        return r >= 0 && metric >= 0 ? write_knob(u, "ra_defrtr_metric", (unsigned) metric) : r;
}

/* Gives the route that is there this lifetime. */
static int set_lifetime(const Uplink *u, const Link *link, const Route *route, uint32_t seconds) {
        Route copy = *route;
        int r;

        copy.expires = seconds;
        r = route_copy(u->rtnl, &copy, link->ifindex, link->ifindex);
        return r == -EEXIST ? 0 : r;
}

int ra_park(const Uplink *u, const Route *route) {
        Route copy = *route;
        int r;

        if (route->expires > LIFETIME_MAX) /* was parked before */
                return 0;
        copy.metric -= 2;
        r = route_copy(u->rtnl, &copy, u->port.ifindex, u->bridge.ifindex);
        if (r < 0 && r != -EEXIST)
                return r;
        return set_lifetime(u, &u->port, route, PARKED_SEC);
}

/* One of the port's, that is not in the way; else two steps of metric above what the bridge had */
static int bring_home(const Move *m, const Route *parked, const Route *theirs, uint32_t lifetime) {
        Route copy = *theirs;

        if (parked)
                return set_lifetime(m->uplink, m->to, parked, lifetime);
        copy.metric += 2;
        return route_copy(m->uplink->rtnl, &copy, m->from->ifindex, m->to->ifindex);
}

static const Route *find_parked(const Route *list, size_t n, const Route *route, const char *ifname) {
        for (size_t i = 0; i < n; i++)
                if (is_default(&list[i]) && ip_equal(&list[i].gateway, &route->gateway) &&
                                ra_is_learned(&list[i], ifname))
                        return &list[i];
        return NULL;
}

/* The one on the bridge that lasts longest decides, as it is the newest. */
static uint32_t longest(const Move *m, const Route *route) {
        uint32_t seconds = 0;

        for (size_t i = 0; i < m->n_routes; i++)
                if (is_default(&m->routes[i]) && ip_equal(&m->routes[i].gateway, &route->gateway))
                        seconds = MAX(seconds, m->routes[i].expires);
        return seconds;
}

static int unpark_one(Move *m, size_t i, const Route *parked) {
        const Route *route = &m->routes[i];
        int r;

        r = bring_home(m, parked, route, longest(m, route));
        if (r >= 0 || r == -EEXIST)
                r = route_delete(m->uplink->rtnl, route, m->from->ifindex, m->from->ifindex);
        if (r < 0 && r != -ESRCH)
                return uplink_error(r, "Cannot give the default route of %s back to %s: %m%s", m->from->name,
                                m->to->name, rtnl_reason(m->uplink->rtnl));
        m->copied[i] = true;
        return 0;
}

/* A router that has said farewell while the port could not hear it */
static int drop_stale(const Move *m, const Route *list, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                if (list[i].expires > LIFETIME_MAX && ra_is_learned(&list[i], m->to->name) &&
                                longest(m, &list[i]) == 0)
                        r = route_delete(m->uplink->rtnl, &list[i], m->to->ifindex, m->to->ifindex);
        return r == -ESRCH ? 0 : r;
}

int ra_unpark(Move *m) {
        Route *list;
        size_t n;
        int r;

        r = route_list(m->uplink->rtnl, m->to->ifindex, &list, &n);
        if (r < 0)
                return uplink_error(r, "Cannot list the routes of %s: %m%s", m->to->name,
                                rtnl_reason(m->uplink->rtnl));
        r = drop_stale(m, list, n);
        for (size_t i = 0; i < m->n_routes && r >= 0; i++) {
                const Route *parked;

                if (!is_default(&m->routes[i]))
                        continue;
                parked = find_parked(list, n, &m->routes[i], m->to->name);
                if (parked || ra_is_learned(&m->routes[i], m->from->name))
                        r = unpark_one(m, i, parked);
        }
        route_list_free(list, n);
        return r;
}
