/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The preflight's questions about addresses: does the host have one of the switch's elsewhere, and where do its routes
 * lead for the networks that are to be behind the switch.
 *
 * A route to the same network, or to a part of it, takes packets away from the guests. One to a larger network loses
 * what the switch covers; that is often meant so, and a warning. In tables other than "main" all are: whether a rule
 * leads there is not looked into, but a VRF's are left out. What the uplink has will be the bridge's, and is fine. */

#include <linux/rtnetlink.h>

#include "preflight.h"

static bool is_own(const Preflight *p, int ifindex) {
        return ifindex > 0 && (ifindex == p->link.ifindex || ifindex == p->port.ifindex);
}

/* ---- addresses ---- */

static bool is_at(const Preflight *p, const HostAddress *a, const IPAddress *ip) {
        return ip_equal(&a->ip, ip) && !is_own(p, a->ifindex);
}

int preflight_addresses(Preflight *p) {
        _cleanup_free_ HostAddress *list = NULL;
        char ip[IP_STRING_SIZE], theirs[IP_STRING_SIZE], device[IFNAMSIZ];
        size_t n;
        int r;

        if (p->n_addresses == 0)
                return 0;
        r = address_list_all(p->rtnl, &list, &n);
        for (size_t k = 0; k < p->n_addresses; k++)
                for (size_t i = 0; i < n && r >= 0; i++) {
                        if (!is_at(p, &list[i], &p->addresses[k]))
                                continue;
                        preflight_device(p, list[i].ifindex, device);
                        format_ip(&p->addresses[k], ip);
                        p->taken_by = list[i].ifindex;
                        r = preflight_add(p, true, "address",
                                        "The host has the address %s of switch %s on %s already, so guests there or here get "
                                        "no answer. Give the switch another Address=, or take it from there: ip address "
                                        "del %s dev %s",
                                        ip, p->name, device, format_ip_prefix(&list[i].ip, theirs), device);
                }
        return r;
}

/* ---- routes ---- */

typedef enum Overlap {
        OVERLAP_NONE,
        OVERLAP_LARGER, /* the route's network has ours as a part */
        OVERLAP_TAKES,  /* it is ours, or a part of ours */
} Overlap;

static bool same_bits(const IPAddress *a, const IPAddress *b, unsigned n) {
        unsigned bytes = n / 8, mask = 0xff00U >> (n % 8) & 0xff;

        return memcmp(a->bytes, b->bytes, bytes) == 0 &&
               (mask == 0 || ((a->bytes[bytes] ^ b->bytes[bytes]) & mask) == 0);
}

/* 0.0.0.0/1 and 128.0.0.0/1 are OpenVPN's default route, 2000::/3 is all of the IPv6 Internet. */
static bool is_as_good_as_default(const IPAddress *network) {
        return network->prefix <= (network->family == AF_INET ? 1 : 3);
}

static Overlap overlap(const RouteDevice *r, const IPAddress *ip) {
        if (r->destination.family != ip->family || is_as_good_as_default(&r->destination) ||
                        !same_bits(&r->destination, ip, MIN(r->destination.prefix, ip->prefix)))
                return OVERLAP_NONE;
        if (r->destination.prefix >= ip->prefix)
                return OVERLAP_TAKES;
        return r->ifindex > 0 ? OVERLAP_LARGER : OVERLAP_NONE; /* nothing of it can be lost */
}

/* On a VRF's device, and so in its table */
static bool is_in_vrf(Preflight *p, int ifindex) {
        Link link, master;

        return ifindex > 0 && link_get(p->rtnl, ifindex, &link) >= 0 &&
               (streq(link.kind, "vrf") || (link.master > 0 && link_get(p->rtnl, link.master, &master) >= 0 &&
                                                           streq(master.kind, "vrf")));
}

/* One of ours is an address of that device, and was found before. */
static bool is_explained(const Preflight *p, const RouteDevice *r) {
        return r->is_from_address && r->ifindex == p->taken_by;
}

static IPAddress network_of(const IPAddress *ip) {
        IPAddress network = *ip;

        for (unsigned bit = ip->prefix; bit < ip_size(ip->family) * 8; bit++)
                network.bytes[bit / 8] &= (unsigned char) ~(0x80U >> (bit % 8));
        return network;
}

/* " table 52", or nothing for "main", where ip-route(8) looks by itself */
static const char *in_table(const RouteDevice *r, char buf[static 24]) {
        if (r->table == RT_TABLE_MAIN)
                *buf = '\0';
        else
                snprintf(buf, 24, " table %u", r->table);
        return buf;
}

/* "ip route del ..." */
static void removal(const RouteDevice *r, const char *device, char *buf, size_t size) {
        char ip[IP_STRING_SIZE], table[24];
        IPAddress source = r->source;

        if (r->is_from_address && source.family != AF_UNSPEC) {
                source.prefix = r->destination.prefix;
                snprintf(buf, size, "ip address del %s dev %s", format_ip_prefix(&source, ip), device);
        } else if (r->ifindex > 0)
                snprintf(buf, size, "ip route del %s dev %s%s", format_ip_prefix(&r->destination, ip), device,
                                in_table(r, table));
        else
                snprintf(buf, size, "ip route del %s%s", format_ip_prefix(&r->destination, ip), in_table(r, table));
}

static int add_route(Preflight *p, const IPAddress *ip, const RouteDevice *r, Overlap o, size_t n_more) {
        char ours[IP_STRING_SIZE], theirs[IP_STRING_SIZE], name[IFNAMSIZ], table[24], more[64] = "", remove[160];
        const char *device = preflight_device(p, r->ifindex, name);
        IPAddress network = network_of(ip);

        format_ip_prefix(&network, ours);
        format_ip_prefix(&r->destination, theirs);
        if (n_more > 0)
                snprintf(more, sizeof(more), ", and has %zu more such routes", n_more);
        if (o == OVERLAP_LARGER)
                return preflight_add(p, false, "route",
                                "The network %s of switch %s is a part of %s, which the host routes to %s%s%s: what is there "
                                "under such addresses cannot be reached while the switch is up. If that matters, give the "
                                "switch another Address=",
                                ours, p->name, theirs, device, in_table(r, table), more);
        removal(r, device, remove, sizeof(remove));
        return preflight_add(p, r->table == RT_TABLE_MAIN, "route",
                        "The host routes %s to %s%s%s, so guests of switch %s, which is %s, cannot be reached. Give the "
                        "switch another Address=, or remove what is there: %s",
                        theirs, device, in_table(r, table), more, p->name, ours, remove);
}

/* One finding for each address and kind of overlap, whatever number of routes there are */
static int check_routes(Preflight *p, const IPAddress *ip, Overlap wanted) {
        const RouteDevice *first = NULL;
        size_t n = 0;

        for (size_t i = 0; i < p->n_routes; i++) {
                const RouteDevice *r = &p->routes[i];

                if (overlap(r, ip) != wanted || is_own(p, r->ifindex) || is_explained(p, r) ||
                                (r->table != RT_TABLE_MAIN && is_in_vrf(p, r->ifindex)))
                        continue;
                if (!first || (first->table != RT_TABLE_MAIN && r->table == RT_TABLE_MAIN))
                        first = r;
                n++;
        }
        return first ? add_route(p, ip, first, wanted, n - 1) : 0;
}

static int list_routes(Preflight *p, int family) {
        _cleanup_free_ RouteDevice *list = NULL;
        RouteDevice *all;
        size_t n;
        int r;

        r = route_list_devices(p->rtnl, family, &list, &n);
        if (r < 0 || n == 0)
                return r == -EOPNOTSUPP ? 0 : r; /* no IPv6 in this kernel */
        all = reallocarray(p->routes, p->n_routes + n, sizeof(*all));
        if (!all)
                return -ENOMEM;
        memcpy(all + p->n_routes, list, n * sizeof(*all));
        p->routes = all;
        p->n_routes += n;
        return 0;
}

int preflight_routes(Preflight *p) {
        int r = 0;

        if (preflight_has_family(p, AF_INET) || p->uplink || p->nat) /* also for preflight_rp_filter() */
                r = list_routes(p, AF_INET);
        if (r >= 0 && preflight_has_family(p, AF_INET6))
                r = list_routes(p, AF_INET6);
        for (size_t i = 0; i < p->n_addresses && r >= 0; i++) {
                if (ip_is_link_local(&p->addresses[i]))
                        continue;
                r = check_routes(p, &p->addresses[i], OVERLAP_TAKES);
                if (r >= 0)
                        r = check_routes(p, &p->addresses[i], OVERLAP_LARGER);
        }
        return r;
}
