/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/random.h>

#include "describe.h"
#include "log.h"
#include "port.h"

int port_find_bridge(Rtnl *rtnl, const char *name, const char *ifname, Link *ret) {
        char text[LINK_DESCRIPTION_SIZE];
        int r;

        r = link_get_by_name(rtnl, name, ret);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no bridge %s to attach %s to", name, ifname);
        if (r < 0)
                return log_error_errno(r, "Cannot look up bridge %s: %m%s", name, rtnl_reason(rtnl));
        if (link_is_bridge(ret))
                return 0;
        if (streq(ret->kind, "openvswitch"))
                log_error("Cannot attach %s to %s: that is an Open vSwitch, and qnet attaches to Linux bridges. "
                          "Type \"ovs-vsctl add-port %s %.10s-qnet -- set Interface %.10s-qnet type=internal\", and "
                          "use a [Switch] with Uplink=%.10s-qnet instead",
                                ifname, name, name, name, name, name);
        else
                log_error("Cannot attach %s to %s: that is no Linux bridge but %s", ifname, name,
                                link_describe(ret, text));
        return -EOPNOTSUPP;
}

int port_check_vlans(const Link *bridge, const char *ifname) {
        if (!bridge->has_vlans)
                return log_error_errno(-EOPNOTSUPP,
                                "Cannot put %s in a VLAN: this kernel was built without CONFIG_BRIDGE_VLAN_FILTERING",
                                ifname);
        if (bridge->bridge.filters_vlans || bridge->alias.kind == ALIAS_SWITCH)
                return 0;
        log_error("Cannot put %s in a VLAN: bridge %s does not filter VLANs, and is not qnet's to change. Type \"ip link "
                  "set dev %s type bridge vlan_filtering 1\" (systemd-networkd: VLANFiltering=yes in [Bridge] of its "
                  ".netdev file)",
                        ifname, bridge->name, bridge->name);
        return -EPERM;
}

int port_apply_vlans(
                Rtnl *rtnl, const Link *bridge, const char *ifname, int ifindex, const PortVlans *vlans) {
        int r;

        r = port_set_vlans(rtnl, ifindex, vlans);
        if (r < 0)
                return log_error_errno(r, "Cannot set the VLANs of %s on bridge %s: %m%s", ifname,
                                bridge->name, rtnl_reason(rtnl));
        if (bridge->bridge.filters_vlans)
                return 0;
        r = bridge_set_vlan_filtering(rtnl, bridge->ifindex, true);
        if (r < 0)
                return log_error_errno(r, "Cannot have bridge %s filter VLANs: %m%s", bridge->name,
                                rtnl_reason(rtnl));
        return 0;
}

int port_join(Rtnl *rtnl, const Link *link, const Link *bridge, const Alias *alias, unsigned mtu) {
        bool was_there = link->master == bridge->ifindex, up = link->flags & IFF_UP;
        LinkChange change = {
                .ifindex = link->ifindex,
                .mtu = link->mtu == mtu ? 0 : mtu,
                .master = was_there ? 0 : bridge->ifindex,
                .no_ipv6_autoconf = !up,
        };
        char text[ALIAS_SIZE];
        int r = 0;

        if (!streq(alias_format(alias, text), link->alias_text))
                change.alias = text;
        if (up && !was_there)
                r = link_set(rtnl, &(LinkChange){ .ifindex = link->ifindex, .clear_flags = IFF_UP });
        if (r >= 0 && (change.alias || change.mtu > 0 || !was_there || !up))
                r = link_set(rtnl, &change);
        if (r < 0)
                return log_error_errno(r, "Cannot attach %s to bridge %s, with an MTU of %u: %m%s",
                                link->name, bridge->name, mtu, rtnl_reason(rtnl));
        return 0;
}

int port_bring_up(Rtnl *rtnl, const Link *link, const Link *bridge) {
        int r;

        if (link->master == bridge->ifindex && (link->flags & IFF_UP))
                return 0;
        r = link_set(rtnl, &(LinkChange){ .ifindex = link->ifindex, .up = true });
        if (r < 0)
                return log_error_errno(r, "Cannot bring %s up: %m%s", link->name, rtnl_reason(rtnl));
        return 0;
}

PortVlans port_all_vlans(const Link *bridge) {
        VlanSet all = { 0 };

        for (unsigned v = 1; v <= VLAN_MAX; v++)
                vlan_set_add(&all, v);
        return port_vlans_trunk(&all, bridge->default_pvid);
}

static int has_own_vlans(Rtnl *rtnl, const Link *bridge, const Link *port) {
        PortVlans have, usual = port_vlans_access(bridge->default_pvid), all = port_all_vlans(bridge);
        int r;

        r = port_get_vlans(rtnl, port->ifindex, &have);
        if (r == -ENODEV) /* gone since the dump */
                return 0;
        return r < 0 ? r : !port_vlans_equal(&have, &usual) && !port_vlans_equal(&have, &all);
}

int ports_with_vlans(Rtnl *rtnl, const Link *bridge, char names[static 80]) {
        _cleanup_free_ Link *ports = NULL;
        size_t n = 0, used = 0;
        int r, found = 0;

        names[0] = '\0';
        r = link_list(rtnl, &(LinkFilter){ .master = bridge->ifindex }, &ports, &n);
        for (size_t i = 0; i < n && r >= 0; i++) {
                r = has_own_vlans(rtnl, bridge, &ports[i]);
                if (r <= 0)
                        continue;
                if (used < 80) /* past the end when it was cut */
                        used += (size_t) snprintf(
                                        names + used, 80 - used, "%s%s", used > 0 ? ", " : "", ports[i].name);
                found++;
        }
        if (r < 0)
                return log_error_errno(r, "Cannot list the ports of bridge %s and their VLANs: %m%s",
                                bridge->name, rtnl_reason(rtnl));
        return found;
}

int port_random_mac(struct ether_addr *ret) {
        struct ether_addr mac = { .ether_addr_octet = { 0xfe } };

        if (getrandom(mac.ether_addr_octet + 1, 5, 0) != 5)
                return log_error_errno(errno, "Cannot get random bytes: %m");
        *ret = mac;
        return 0;
}
