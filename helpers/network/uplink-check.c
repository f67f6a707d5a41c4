/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-uplink: what cannot become an uplink. In: names. Out: the two links, or one sentence that says why not
 * and what to do instead. */

#include <net/if_arp.h>

#include "describe.h"
#include "uplink.h"

#define CANNOT "Cannot make %s the uplink of switch %s: "

static int find_bridge(Uplink *u) {
        char text[LINK_DESCRIPTION_SIZE];
        int r;

        r = link_get_by_name(u->rtnl, u->bridge_name, &u->bridge);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no bridge %s for switch %s", u->bridge_name, u->name);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", u->bridge_name, rtnl_reason(u->rtnl));
        if (!link_is_bridge(&u->bridge) || u->bridge.alias.kind != ALIAS_SWITCH ||
                        !streq(u->bridge.alias.name, u->name)) {
                log_error(CANNOT "%s is not its bridge, but %s", u->device, u->name, u->bridge_name,
                                link_describe(&u->bridge, text));
                return -EINVAL;
        }
        return 0;
}

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

static int check_master(const Uplink *u) {
        Link master;

        if (u->port.master == 0 ||
                        (u->port.alias.kind == ALIAS_UPLINK && u->port.master == u->bridge.ifindex))
                return 0;
        if (link_get(u->rtnl, u->port.master, &master) < 0)
                snprintf(master.name, sizeof(master.name), "another");
        log_error(CANNOT
                        "it is a port of %s already; if that is a bridge, connect the VMs to it by Bridge=%s",
                        u->device, u->name, master.name, master.name);
        return -EBUSY;
}

/* The switch has none yet but this one, and this one is of no other switch. */
static int check_others(const Uplink *u) {
        _cleanup_free_ Link *links = NULL;
        size_t n;
        int r;

        r = link_list(u->rtnl, &(LinkFilter){ .alias = ALIAS_UPLINK }, &links, &n);
        if (r < 0)
                return log_error_errno(r, "Cannot list the interfaces: %m%s", rtnl_reason(u->rtnl));
        for (size_t i = 0; i < n; i++) {
                bool same = links[i].ifindex == u->port.ifindex;

                if (same == streq(links[i].alias.name, u->name))
                        continue;
                log_error(CANNOT "%s is the uplink of switch %s; stop that first, by "
                                 "\"systemctl stop qnet-uplink@%s\"",
                                u->device, u->name, links[i].name, links[i].alias.name, links[i].alias.name);
                return -EBUSY;
        }
        return 0;
}

static int check_routes(const Uplink *u) {
        Route *routes;
        size_t n;
        int r;

        r = route_list(u->rtnl, u->port.ifindex, &routes, &n);
        if (r < 0)
                return log_error_errno(
                                r, "Cannot list the routes of %s: %m%s", u->port.name, rtnl_reason(u->rtnl));
        for (size_t i = 0; i < n && r >= 0; i++)
                if (routes[i].nexthop_object) {
                        log_error(CANNOT
                                        "a route over it has a next hop of \"ip nexthop\", which cannot be moved",
                                        u->device, u->name);
                        r = -EOPNOTSUPP;
                }
        route_list_free(routes, n);
        return r;
}

int uplink_check(Uplink *u) {
        const char *why;
        int r;

        r = find_bridge(u);
        if (r < 0)
                return r;
        r = link_get_by_name(u->rtnl, u->device, &u->port);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no interface %s to be the uplink of switch %s", u->device,
                                u->name);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", u->device, rtnl_reason(u->rtnl));
        why = unsuitable(&u->port);
        if (why) {
                log_error(CANNOT "%s", u->device, u->name, why);
                return -EINVAL;
        }
        r = check_others(u);
        if (r >= 0)
                r = check_master(u);
        return r < 0 ? r : check_routes(u);
}
