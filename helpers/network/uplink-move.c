/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-uplink: addresses, neighbours and routes go from one link to another, see uplink.h. */

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "knob.h"
#include "uplink.h"

static bool is_within(const IPAddress *ip, const IPAddress *network) {
        unsigned whole = network->prefix / 8U, bits = network->prefix % 8U;

        return ip->family == network->family && memcmp(ip->bytes, network->bytes, whole) == 0 &&
               (bits == 0 || (ip->bytes[whole] ^ network->bytes[whole]) >> (8U - bits) == 0);
}

static bool is_in_kept_network(const Uplink *u, const IPAddress *ip) {
        for (size_t i = 0; i < u->n_keep; i++)
                if (is_within(ip, &u->keep[i]))
                        return true;
        return false;
}

static bool is_kept(const Uplink *u, const IPAddress *ip) {
        for (size_t i = 0; i < u->n_keep; i++)
                if (ip_equal(ip, &u->keep[i]))
                        return true;
        return false;
}

/* ---- addresses ---- */

/* The label of an IPv4 address tells whose it is: one that came from the port still bears the port's name,
 * what was set on the bridge since bears the bridge's. */
static bool address_goes(const Move *m, const LinkAddress *a) {
        if (a->flags & IFA_F_DADFAILED) /* another host has it */
                return false;
        return !m->home || (!is_kept(m->uplink, &a->ip) && !streq(a->label, m->from->name));
}

static const LinkAddress *find_address(const LinkAddress *list, size_t n, const LinkAddress *a) {
        for (size_t i = 0; i < n; i++)
                if (link_address_same(&list[i], a))
                        return &list[i];
        return NULL;
}

static int list_addresses(const Move *m, const Link *link, LinkAddress **ret, size_t *ret_n) {
        int r = link_address_list(m->uplink->rtnl, link->ifindex, ret, ret_n);

        return r >= 0 ? r
                      : uplink_error(r, "Cannot list the addresses of %s: %m%s", link->name,
                                        rtnl_reason(m->uplink->rtnl));
}

static int copy_address(const Move *m, const LinkAddress *a) {
        char text[IP_STRING_SIZE];
        int r;

        r = link_address_put(m->uplink->rtnl, m->to->ifindex, a);
        if (r < 0)
                return uplink_error(r, "Cannot give the address %s of %s to %s: %m%s",
                                format_ip_prefix(&a->ip, text), m->from->name, m->to->name,
                                rtnl_reason(m->uplink->rtnl));
        return 0;
}

/* So that they have the same order there: the kernel puts an IPv4 address behind, an IPv6 address before the
 * others. Taking them away goes the other way round; whenever that ends, the missing ones are those that
 * would be added last. */
static size_t in_order(const LinkAddress *list, size_t n, size_t i) {
        size_t n4 = 0;

        while (n4 < n && list[n4].ip.family == AF_INET) /* the kernel lists these first */
                n4++;
        return i < n4 ? i : n - 1 - (i - n4);
}

/* Broken off between the two requests that an IPv6 address takes */
static bool is_half_made(const LinkAddress *copy, const LinkAddress *a) {
        return a->ip.family == AF_INET6 && copy->flags & IFA_F_NODAD && !(a->flags & IFA_F_NODAD);
}

int move_copy_addresses(Move *m) {
        _cleanup_free_ LinkAddress *from = NULL, *to = NULL;
        size_t n_from, n_to;
        int r, result = 0;

        r = list_addresses(m, m->from, &from, &n_from);
        if (r >= 0)
                r = list_addresses(m, m->to, &to, &n_to);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_from; i++) {
                const LinkAddress *a = &from[in_order(from, n_from, i)];
                const LinkAddress *there = find_address(to, n_to, a);

                if (!address_goes(m, a) || (there && !is_half_made(there, a)))
                        continue;
                r = copy_address(m, a);
                if (r < 0 && result == 0)
                        result = r;
        }
        return result;
}

int move_delete_addresses(Move *m) {
        _cleanup_free_ LinkAddress *from = NULL, *to = NULL;
        char text[IP_STRING_SIZE];
        size_t n_from, n_to;
        int r, result = 0;

        r = list_addresses(m, m->from, &from, &n_from);
        if (r >= 0)
                r = list_addresses(m, m->to, &to, &n_to);
        if (r < 0)
                return r;
        for (size_t i = n_from; i > 0; i--) {
                const LinkAddress *a = &from[in_order(from, n_from, i - 1)];

                if (!address_goes(m, a) || !find_address(to, n_to, a))
                        continue;
                r = link_address_delete(m->uplink->rtnl, m->from->ifindex, a);
                if (r == -EADDRNOTAVAIL)
                        continue;
                if (r >= 0)
                        m->n_addresses++;
                else if (result == 0)
                        result = uplink_error(r, "Cannot take the address %s from %s: %m%s",
                                        format_ip_prefix(&a->ip, text), m->from->name,
                                        rtnl_reason(m->uplink->rtnl));
        }
        return result;
}

/* ---- neighbours ---- */

static bool is_guest(const Link *taps, size_t n, const struct ether_addr *mac) {
        for (size_t i = 0; i < n; i++)
                if (taps[i].alias.has_mac && mac_equal(&taps[i].alias.mac, mac))
                        return true;
        return false;
}

static int list_guests(const Uplink *u, Link **ret, size_t *ret_n) {
        return link_list(u->rtnl, &(LinkFilter){ .master = u->bridge.ifindex, .alias = ALIAS_TAP }, ret,
                        ret_n);
}

/* Saves the gateway and all who are in touch with the host a question. What cannot be copied, the kernel
 * finds out. */
int move_copy_neighbours(Move *m) {
        _cleanup_free_ Neighbour *list = NULL;
        _cleanup_free_ Link *taps = NULL;
        size_t n, n_taps;
        int r;

        r = neighbour_list(m->uplink->rtnl, AF_UNSPEC, m->from->ifindex, NULL, &list, &n);
        if (r >= 0)
                r = list_guests(m->uplink, &taps, &n_taps);
        if (r < 0)
                return uplink_error(r, "Cannot list the neighbours of %s: %m%s", m->from->name,
                                rtnl_reason(m->uplink->rtnl));
        for (size_t i = 0; i < n; i++) {
                if (m->home && (is_in_kept_network(m->uplink, &list[i].ip) ||
                                               is_guest(taps, n_taps, &list[i].mac)))
                        continue;
                r = neighbour_copy(m->uplink->rtnl, &list[i], m->to->ifindex);
                if (r < 0 && r != -ENODEV)
                        log_debug_errno(r, "Cannot copy a neighbour of %s, ignoring: %m", m->from->name);
        }
        return 0;
}

static bool has_neighbour(const Neighbour *list, size_t n, const Neighbour *x) {
        for (size_t i = 0; i < n; i++)
                if (list[i].ifindex == x->ifindex && list[i].state & NUD_PERMANENT &&
                                ip_equal(&list[i].ip, &x->ip))
                        return true;
        return false;
}

/* The kernel forgets all neighbours when a MAC changes, those that are pinned too. */
static int pin_again(const Uplink *u, const Neighbour *before, size_t n_before) {
        for (size_t i = 0; i < n_before; i++) {
                Neighbour theirs = before[i];

                theirs.ifindex = u->port.ifindex; /* one that came from the port has gone back */
                if (before[i].ifindex != u->bridge.ifindex || !(before[i].state & NUD_PERMANENT) ||
                                !before[i].has_mac || has_neighbour(before, n_before, &theirs))
                        continue;
                if (neighbour_pin(u->rtnl, u->bridge.ifindex, &before[i].ip, &before[i].mac) < 0)
                        return -EIO;
        }
        return 0;
}

/* The knobs make the kernel tell guests the new MAC: gratuitous ARP, and its like of IPv6. */
int uplink_set_bridge_mac(const Uplink *u, const struct ether_addr *mac) {
        _cleanup_free_ Neighbour *list = NULL;
        const char *name = u->bridge.name;
        size_t n;
        int r;

        if (mac_equal(&u->bridge.mac, mac))
                return 0;
        r = neighbour_list(u->rtnl, AF_UNSPEC, 0, NULL, &list, &n);
        if (r < 0)
                return uplink_error(r, "Cannot list the neighbours: %m%s", rtnl_reason(u->rtnl));
        if (knob_write(AF_INET, name, "arp_notify", 1) < 0 ||
                        knob_write(AF_INET6, name, "ndisc_notify", 1) < 0)
                log_warning("Cannot have the kernel tell the guests of %s its new MAC address, ignoring",
                                name);
        r = link_set(u->rtnl, &(LinkChange){ .ifindex = u->bridge.ifindex, .mac = mac });
        (void) knob_write(AF_INET, name, "arp_notify", 0);
        (void) knob_write(AF_INET6, name, "ndisc_notify", 0);
        if (r < 0)
                return uplink_error(r, "Cannot set the MAC address of %s: %m%s", name, rtnl_reason(u->rtnl));
        r = pin_again(u, list, n);
        if (r < 0)
                log_warning("Cannot pin the neighbours of %s again, ignoring%s", name, rtnl_reason(u->rtnl));
        return 0;
}

/* ---- routes ---- */

static bool route_is_ours(const Uplink *u, const Route *route) {
        const IPAddress *ip = &route->gateway;

        if (route->source.family != AF_UNSPEC)
                return is_kept(u, &route->source);
        if (ip->family == AF_UNSPEC && route->destination.prefix > 0)
                ip = &route->destination;
        return is_in_kept_network(u, ip);
}

/* Link-local addresses of IPv6 stay, and with them what the kernel makes for them. */
static bool route_goes(const Move *m, const Route *route) {
        static const IPAddress link_local = { .family = AF_INET6, .bytes = { 0xfe, 0x80 }, .prefix = 10 };

        if (route->protocol == RTPROT_KERNEL && is_within(&route->destination, &link_local))
                return false;
        return !m->home || !route_is_ours(m->uplink, route);
}

static int list_routes(Move *m) {
        size_t n = 0;
        int r;

        r = route_list(m->uplink->rtnl, m->from->ifindex, &m->routes, &m->n_routes);
        if (r >= 0 && m->n_routes > 0) {
                m->copied = calloc(m->n_routes, sizeof(bool));
                if (!m->copied)
                        return log_oom();
        }
        if (r < 0)
                return uplink_error(r, "Cannot list the routes of %s: %m%s", m->from->name,
                                rtnl_reason(m->uplink->rtnl));
        for (size_t i = 0; i < m->n_routes; i++) {
                if (route_goes(m, &m->routes[i]))
                        m->routes[n++] = m->routes[i];
                else
                        free(m->routes[i].message);
        }
        m->n_routes = n;
        return 0;
}

void move_done(Move *m) {
        route_list_free(m->routes, m->n_routes);
        free(m->copied);
}

/* The kernel makes the route to an address's network with the address, and puts it behind all others. */
static int put_in_front(const Move *m, const Route *route) {
        int r;

        r = route_delete(m->uplink->rtnl, route, m->from->ifindex, m->to->ifindex);
        if (r < 0 && r != -ESRCH)
                return r;
        return route_copy(m->uplink->rtnl, route, m->from->ifindex, m->to->ifindex);
}

static int copy_route(const Move *m, const Route *route) {
        int r;

        if (!m->home && ra_is_learned(route, m->from->name))
                return ra_park(m->uplink, route);
        r = route_copy(m->uplink->rtnl, route, m->from->ifindex, m->to->ifindex);
        if (r == -EEXIST && route->family == AF_INET && !route->behind)
                r = put_in_front(m, route);
        return r == -EEXIST ? 0 : r;
}

static void describe_route(const Route *route, char *buf, size_t size) {
        char to[IP_STRING_SIZE], via[IP_STRING_SIZE];

        snprintf(buf, size, "%s%s%s",
                        route->destination.prefix > 0 ? format_ip_prefix(&route->destination, to) : "default",
                        route->gateway.family != AF_UNSPEC ? " via " : "",
                        route->gateway.family != AF_UNSPEC ? format_ip(&route->gateway, via) : "");
}

/* One round over what is not copied yet; returns how many were. *ret_error: the last failure, *ret_failed
 * whose. */
static size_t copy_round(Move *m, int *ret_error, const Route **ret_failed) {
        size_t n = 0;

        *ret_error = 0;
        for (size_t i = 0; i < m->n_routes; i++) {
                int r;

                if (m->copied[i])
                        continue;
                r = copy_route(m, &m->routes[i]);
                if (r >= 0) {
                        m->copied[i] = true;
                        n++;
                } else {
                        *ret_error = r;
                        *ret_failed = &m->routes[i];
                }
        }
        return n;
}

/* A gateway must be reachable over the new link before the kernel takes a route through it, so: again, as
 * long as that helps. */
int move_copy_routes(Move *m) {
        char text[2 * IP_STRING_SIZE + 10];
        const Route *failed = NULL;
        int r;

        r = list_routes(m);
        if (r < 0)
                return r;
        if (m->home) {
                r = ra_unpark(m);
                if (r < 0)
                        return r;
        }
        while (copy_round(m, &r, &failed) > 0 && r < 0)
                ;
        if (r >= 0)
                return 0;
        describe_route(failed, text, sizeof(text));
        return uplink_error(r, "Cannot give the route %s of %s to %s: %m%s", text, m->from->name, m->to->name,
                        rtnl_reason(m->uplink->rtnl));
}

static int delete_route(const Move *m, const Route *route) {
        char text[2 * IP_STRING_SIZE + 10];
        int r;

        r = route_delete(m->uplink->rtnl, route, m->from->ifindex, m->from->ifindex);
        if (r >= 0 || r == -ESRCH || r == -ENODEV)
                return r == -ENODEV ? r : 0;
        describe_route(route, text, sizeof(text));
        return uplink_error(r, "Cannot take the route %s from %s: %m%s", text, m->from->name,
                        rtnl_reason(m->uplink->rtnl));
}

int move_delete_routes(Move *m) {
        int r, result = 0;

        for (size_t i = 0; i < m->n_routes; i++) {
                const Route *route = &m->routes[i];

                if (!m->copied[i] || route_copy_replaces(route))
                        continue;
                r = delete_route(m, route);
                if (r < 0 && result == 0)
                        result = r;
        }
        return result;
}

int move_forget(Move *m) {
        _cleanup_free_ LinkAddress *list = NULL;
        size_t n;
        int r;

        r = list_routes(m);
        for (size_t i = 0; i < m->n_routes && r >= 0; i++)
                r = delete_route(m, &m->routes[i]);
        if (r >= 0)
                r = list_addresses(m, m->from, &list, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (!address_goes(m, &list[i]))
                        continue;
                r = link_address_delete(m->uplink->rtnl, m->from->ifindex, &list[i]);
                if (r == -EADDRNOTAVAIL)
                        r = 0;
        }
        return r;
}
