/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The preflight's questions about links: is the name free, can the uplink become one, is a port too small, does the
 * kernel drop what comes in where it would not go out. */

#include <linux/rtnetlink.h>

#include "describe.h"
#include "knob.h"
#include "preflight.h"
#include "switch-mac.h"
#include "uplink-suits.h"

int preflight_name(Preflight *p) {
        char text[LINK_DESCRIPTION_SIZE];
        Link link;
        int r;

        r = link_get_by_name(p->rtnl, p->bridge, &link);
        if (r < 0)
                return r == -ENODEV ? 0 : r;
        link_describe(&link, text);
        if (!streq(link.name, p->bridge))
                return preflight_add(p, true, "name",
                                "The name %s is an alternative name of %s, %s. Give the switch another name, or free this "
                                "one: ip link property del dev %s altname %s",
                                p->bridge, link.name, text, link.name, p->bridge);
        if (switch_has(&link, p->name)) {
                p->link = link;
                return 0;
        }
        if (link.alias.kind != ALIAS_FOREIGN)
                return preflight_add(p, true, "name",
                                "The name %s is taken by %s. Give one of them another name", p->bridge, text);
        if (link_is_bridge(&link))
                return preflight_add(p, true, "name",
                                "The name %s is taken by %s, which is not of qnet. Plug VMs into it by Bridge=%s instead "
                                "of Switch=%s, or give the switch another name, or the bridge: ip link set dev %s down; "
                                "ip link set dev %s name OTHER; ip link set dev OTHER up",
                                p->bridge, text, p->bridge, p->name, p->bridge, p->bridge);
        return preflight_add(p, true, "name",
                        "The name %s is taken by %s, which is not of qnet. Give the switch another name, or that device: ip "
                        "link set dev %s down; ip link set dev %s name OTHER; ip link set dev OTHER up",
                        p->bridge, text, p->bridge, p->bridge);
}

int preflight_uplink(Preflight *p) {
        _cleanup_free_ char *why = NULL;
        Link port;
        int r;

        if (!p->uplink)
                return 0;
        if (p->starting)
                return link_get_by_name(p->rtnl, p->uplink, &p->port) == -ENOMEM ? -ENOMEM : 0;
        r = uplink_suits(p->rtnl, p->uplink, p->name, p->link.ifindex, &port, &why);
        if (r == -ENODEV)
                return preflight_add(p, true, "uplink",
                                "There is no interface %s to be the uplink of switch %s, which waits for it. What there "
                                "is: ip -brief link",
                                p->uplink, p->name);
        if (r < 0)
                return r;
        if (r > 0)
                return preflight_add(p, true, "uplink", "Cannot make %s the uplink of switch %s: %s", p->uplink,
                                p->name, why);
        p->port = port;
        return 0;
}

/* ---- size of packets ---- */

static int add_mtu(Preflight *p, const Link *port, unsigned mtu, bool is_uplink, size_t n_more) {
        char more[64] = "";

        if (n_more > 0)
                snprintf(more, sizeof(more), " (and %zu more port%s)", n_more, n_more > 1 ? "s" : "");
        return preflight_add(p, is_uplink, "mtu",
                        "%s %s%s takes packets of %u bytes, switch %s of %u: larger ones are lost without a word. To make "
                        "them equal: ip link set dev %s mtu %u, or MTU=%u for the switch",
                        is_uplink ? "The uplink" : "Port", port->name, more, port->mtu, p->name, mtu, port->name,
                        mtu, port->mtu);
}

static int check_ports(Preflight *p, const Link *ports, size_t n, unsigned mtu) {
        const Link *smallest = NULL;
        size_t n_smaller = 0;
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                if (ports[i].mtu >= mtu || ports[i].ifindex == p->port.ifindex)
                        continue;
                if (ports[i].alias.kind == ALIAS_UPLINK)
                        r = add_mtu(p, &ports[i], mtu, true, 0);
                else if (n_smaller++ == 0 || ports[i].mtu < smallest->mtu)
                        smallest = &ports[i];
        }
        return r < 0 || !smallest ? r : add_mtu(p, smallest, mtu, false, n_smaller - 1);
}

/* A bridge that was not told its MTU has the smallest of its ports'. */
int preflight_mtu(Preflight *p) {
        _cleanup_free_ Link *ports = NULL;
        unsigned mtu = p->mtu > 0 ? p->mtu : p->link.mtu;
        size_t n = 0;
        int r = 0;

        if (p->link.ifindex > 0)
                r = link_list(p->rtnl, &(LinkFilter){ .master = p->link.ifindex }, &ports, &n);
        if (r >= 0)
                r = check_ports(p, ports, n, mtu);
        if (r >= 0 && p->port.mtu < mtu && p->port.ifindex > 0 && (p->mtu > 0 || p->port.master > 0))
                r = add_mtu(p, &p->port, mtu, true, 0);
        return r;
}

/* ---- rp_filter: Documentation/networking/ip-sysctl.rst; the larger of "all" and the device's counts ---- */

#define RP_STRICT 1

static bool is_strict(const char *device) {
        int all = knob_read(AF_INET, "all", "rp_filter"), own = knob_read(AF_INET, device, "rp_filter");

        if (own < 0)
                own = knob_read(AF_INET, "default", "rp_filter"); /* it is still to be made */
        return MAX(all, own) == RP_STRICT;
}

static bool is_default4(const RouteDevice *r) {
        return r->is_default && r->destination.family == AF_INET && r->table == RT_TABLE_MAIN && r->ifindex > 0;
}

/* NULL: there is none */
static const RouteDevice *find_best(const Preflight *p) {
        const RouteDevice *best = NULL;

        for (size_t i = 0; i < p->n_routes; i++)
                if (is_default4(&p->routes[i]) && (!best || p->routes[i].metric < best->metric))
                        best = &p->routes[i];
        return best;
}

static bool is_second_way(const Preflight *p, const RouteDevice *r, const RouteDevice *best) {
        return is_default4(r) && r->metric > best->metric && r->ifindex != best->ifindex;
}

/* A host with two ways out takes in by the second only what it would also send there: nothing, by a default route that
 * is not the best. */
int preflight_rp_filter(Preflight *p) {
        const RouteDevice *best = find_best(p);
        char first[IFNAMSIZ], second[IFNAMSIZ];
        int r = 0;

        for (size_t i = 0; best && i < p->n_routes && r >= 0; i++) {
                const RouteDevice *route = &p->routes[i];
                bool is_uplink = (p->port.ifindex > 0 && route->ifindex == p->port.ifindex) ||
                                 (p->uplink && p->link.ifindex > 0 && route->ifindex == p->link.ifindex);
                const char *device;

                if (!is_second_way(p, route, best) || (!is_uplink && !p->nat))
                        continue;
                device = is_uplink ? p->bridge : preflight_device(p, route->ifindex, second);
                if (!is_strict(device))
                        continue;
                r = preflight_add(p, false, "rp_filter",
                                "The host has its better way out over %s, and rp_filter is strict on %s: what comes in there "
                                "from afar is dropped, %s. To let it in: sysctl -w net.ipv4.conf.%s.rp_filter=2",
                                preflight_device(p, best->ifindex, first), device,
                                is_uplink ? "as the uplink's routes go there too"
                                          : "also what Forward= is to hand to guests",
                                device);
        }
        return r;
}
