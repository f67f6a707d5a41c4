/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the host keeps what it knows of the guest behind a tap. */

#include "tap.h"

/* 0 with *ret as it was: there is none. */
static int find_vlan_device(Rtnl *rtnl, int bridge, unsigned vlan, int *ret) {
        _cleanup_free_ Link *links = NULL;
        size_t n = 0;
        int r;

        r = link_list(rtnl, &(LinkFilter){ .kind = "vlan" }, &links, &n);
        for (size_t i = 0; i < n && r >= 0; i++)
                if (links[i].lower == bridge && links[i].vlan == vlan)
                        *ret = links[i].ifindex;
        return r < 0 ? r : 0;
}

int tap_find_neighbour_device(Rtnl *rtnl, const Link *tap, int *ret_ifindex) {
        PortVlans port, host;
        Link bridge;
        int r;

        *ret_ifindex = tap->master > 0 ? tap->master : tap->ifindex;
        if (tap->master <= 0)
                return 0;
        r = link_get(rtnl, tap->master, &bridge);
        if (r < 0 || !bridge.bridge.filters_vlans)
                return r;
        r = port_get_vlans(rtnl, tap->ifindex, &port);
        if (r >= 0)
                r = port_get_vlans(rtnl, bridge.ifindex, &host);
        if (r < 0 || port.pvid == 0 || port.pvid == host.pvid)
                return r;
        return find_vlan_device(rtnl, bridge.ifindex, port.pvid, ret_ifindex);
}

static bool is_of(Rtnl *rtnl, int ifindex, const Link *tap) {
        Link link;

        if (ifindex == tap->ifindex || ifindex == tap->master)
                return true;
        return link_get(rtnl, ifindex, &link) >= 0 && streq(link.kind, "vlan") && link.lower == tap->master;
}

int tap_unpin(Rtnl *rtnl, const Link *tap) {
        _cleanup_free_ Neighbour *list = NULL;
        int r, result = 0;
        size_t n;

        r = neighbour_list(rtnl, AF_UNSPEC, 0, &tap->alias.mac, &list, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                if (!(list[i].state & NUD_PERMANENT) || !is_of(rtnl, list[i].ifindex, tap))
                        continue;
                r = neighbour_delete(rtnl, list[i].ifindex, &list[i].ip);
                if (r < 0 && r != -ENOENT && r != -ENODEV && result == 0)
                        result = r;
        }
        return result;
}
