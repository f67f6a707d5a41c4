/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can become the uplink of a switch. In: names. Out: the link, or half a sentence that says why not and what
 * to do instead; for qnet-uplink before it changes anything, and for the preflight of qnet-switch. */

#include <net/if_arp.h>
#include <stdarg.h>

#include "uplink-suits.h"

/* An access point knows only the MAC of the station that has logged in; nl80211 tells it, and so does sysfs. */
static bool is_wireless(const Link *link) {
        char path[64];

        snprintf(path, sizeof(path), "/sys/class/net/%s/phy80211", link->name);
        return access(path, F_OK) >= 0;
}

static const char *unsuitable(const Link *link) {
        if (link->flags & IFF_LOOPBACK)
                return "it is the loopback device";
        if (streq(link->kind, "tun"))
                return "it is a tap or tun device; give a VM that tap by Switch=";
        if (link_is_bridge(link))
                return "it is a bridge; connect VMs to it by Bridge=, or switches to each other by Trunk=";
        if (link->alias.kind != ALIAS_FOREIGN && link->alias.kind != ALIAS_UPLINK)
                return "qnet has made it for something else";
        if (is_wireless(link))
                return "it is wireless, and an access point takes frames of one MAC address only; use NAT=yes";
        if (link->type != ARPHRD_ETHER || !link->has_mac)
                return "it is no Ethernet device; use NAT=yes";
        return NULL;
}

static int say(char **ret, const char *format, ...) _printf_(2, 3);
static int say(char **ret, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(ret, format, ap);
        va_end(ap);
        return r < 0 ? -ENOMEM : 1;
}

/* The switch has none yet but this one, and this one is of no other switch. */
static int check_others(Rtnl *rtnl, const Link *port, const char *name, char **ret_why) {
        _cleanup_free_ Link *links = NULL;
        size_t n;
        int r;

        r = link_list(rtnl, &(LinkFilter){ .alias = ALIAS_UPLINK }, &links, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if ((links[i].ifindex == port->ifindex) != streq(links[i].alias.name, name))
                        return say(ret_why,
                                        "%s is the uplink of switch %s; stop that first, by \"systemctl stop qnet-uplink@%s\"",
                                        links[i].name, links[i].alias.name, links[i].alias.name);
        return r;
}

static int check_master(Rtnl *rtnl, const Link *port, int bridge, char **ret_why) {
        Link master;

        if (port->master == 0 || (port->alias.kind == ALIAS_UPLINK && port->master == bridge))
                return 0;
        if (link_get(rtnl, port->master, &master) < 0)
                snprintf(master.name, sizeof(master.name), "another");
        return say(ret_why, "it is a port of %s already; if that is a bridge, connect the VMs to it by Bridge=%s",
                        master.name, master.name);
}

static int check_routes(Rtnl *rtnl, const Link *port, char **ret_why) {
        bool found = false;
        Route *routes;
        size_t n;
        int r;

        r = route_list(rtnl, port->ifindex, &routes, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                found = found || routes[i].nexthop_object;
        route_list_free(routes, n);
        return found ? say(ret_why, "a route over it has a next hop of \"ip nexthop\", which cannot be moved") : 0;
}

int uplink_suits(Rtnl *rtnl, const char *device, const char *name, int bridge, Link *ret, char **ret_why) {
        const char *why;
        Link port;
        int r;

        r = link_get_by_name(rtnl, device, &port);
        if (r < 0)
                return r;
        *ret = port;
        why = unsuitable(&port);
        if (why)
                return say(ret_why, "%s", why);
        r = check_others(rtnl, &port, name, ret_why);
        if (r == 0)
                r = check_master(rtnl, &port, bridge, ret_why);
        return r == 0 ? check_routes(rtnl, &port, ret_why) : r;
}
