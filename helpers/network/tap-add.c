/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-tap add: a persistent tap, on a bridge or with addresses of the host. A new one is held by a
 * descriptor until all is done, and made persistent last: whatever fails or kills us before leaves nothing
 * behind. qnet-tap set: the same with a tap that is there, which keeps its carrier. */

#include "describe.h"
#include "host-address.h"
#include "log.h"
#include "port.h"
#include "tap.h"
#include "tun.h"

static int set_access(const TapArguments *a, int fd) {
        int r = 0;

        if (a->owner != (uid_t) -1)
                r = tun_set_owner(fd, a->owner);
        if (r >= 0 && a->group != (gid_t) -1)
                r = tun_set_group(fd, a->group);
        if (r < 0)
                log_error_errno(r, "Cannot set owner and group of %s: %m", a->ifname);
        return r;
}

/* A new tap without owner or group could be opened by anyone who may open /dev/net/tun. */
static int make(const TapArguments *a, int *ret_fd, Link *ret) {
        _cleanup_close_ int fd = -1;
        Link link = { .owner = (uid_t) -1, .group = (gid_t) -1 };
        int r;

        r = tun_create(a->ifname, a->queues > 1, &fd, &link.ifindex);
        if (r == -EBUSY)
                return r;
        if (r < 0)
                return log_error_errno(r, "Cannot make %s through /dev/net/tun: %m", a->ifname);
        if (a->owner == (uid_t) -1 && a->group == (gid_t) -1) {
                r = tun_set_owner(fd, 0);
                if (r < 0)
                        return log_error_errno(r, "Cannot set the owner of %s: %m", a->ifname);
        }
        r = set_access(a, fd);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        *ret = link;
        return 0;
}

/* -ENODEV, silently: there is none, or none any more. */
static int find(Rtnl *rtnl, const TapArguments *a, Link *ret) {
        int r;

        r = link_get_by_name(rtnl, a->ifname, ret);
        if (r >= 0 && link_is_leaving(ret) && link_is_our_tap(ret)) { /* a del runs, or was killed */
                r = link_delete(rtnl, ret->ifindex);
                return r < 0 && r != -ENODEV
                                       ? log_error_errno(r, "Cannot remove %s to make it anew: %m%s", a->ifname,
                                                         rtnl_reason(rtnl))
                                       : -ENODEV;
        }
        if (r < 0 && r != -ENODEV)
                return log_error_errno(r, "Cannot look up %s: %m%s", a->ifname, rtnl_reason(rtnl));
        return r;
}

/* One that is there already, as find() */
static int adopt(Rtnl *rtnl, const TapArguments *a, Link *ret) {
        char text[LINK_DESCRIPTION_SIZE];
        _cleanup_close_ int fd = -1;
        int r;

        r = find(rtnl, a, ret);
        if (r < 0)
                return r;
        if (!link_is_our_tap(ret) || !ret->is_tap || !streq(ret->alias.name, a->vm)) {
                log_error("Cannot make tap %s for VM %s: the name is taken by %s", a->ifname, a->vm,
                                link_describe(ret, text));
                return -EEXIST;
        }
        if (ret->multi_queue != (a->queues > 1))
                log_warning("Tap %s goes on with %s, as it was made: the other takes effect when the VM is stopped "
                            "and started",
                                a->ifname, ret->multi_queue ? "several queues" : "one queue");
        if ((a->owner == (uid_t) -1 || a->owner == ret->owner) &&
                        (a->group == (gid_t) -1 || a->group == ret->group))
                return 0;
        r = tun_attach(a->ifname, ret->ifindex, ret->multi_queue, &fd);
        if (r == -ENODEV)
                return r;
        if (r < 0)
                return log_error_errno(r, "Cannot open %s to change its owner or group: %m", a->ifname);
        return set_access(a, fd);
}

/* A new one, held by *ret_fd, or one that is there, and no descriptor. Between the look at a name and the look at its
 * link, the link may go: each time another's. */
static int make_or_adopt(Rtnl *rtnl, const TapArguments *a, int *ret_fd, Link *ret) {
        int r;

        for (unsigned i = 0; i < 5; i++) {
                r = make(a, ret_fd, ret);
                if (r != -EBUSY)
                        return r;
                r = adopt(rtnl, a, ret);
                if (r != -ENODEV)
                        return r;
        }
        return log_error_errno(-EBUSY, "Cannot make %s: others make and remove it all the time", a->ifname);
}

Alias tap_alias(const TapArguments *a, const Link *link) {
        Alias alias = { .kind = ALIAS_TAP, .has_mac = a->has_mac, .mac = a->mac };

        snprintf(alias.name, sizeof(alias.name), "%s", a->vm);
        if (a->random_mac && link->alias.has_mac) {
                alias.has_mac = true;
                alias.mac = link->alias.mac;
        }
        return alias;
}

/* What differs of link (all zero: a new one) from what is asked, in one message; none if nothing does.
 * bridge: NULL for none. One that comes to another bridge while the guest talks is down until it is
 * isolated and in its VLAN. */
static int configure_link(
                Rtnl *rtnl, const TapArguments *a, const Link *link, const Link *bridge, bool *ret_down) {
        LinkChange change = { .ifindex = link->ifindex };
        unsigned mtu = a->mtu > 0 ? a->mtu : bridge ? bridge->mtu : link->mtu;
        int master = bridge ? bridge->ifindex : 0, r;
        Alias alias = tap_alias(a, link);
        bool up = link->flags & IFF_UP;
        char text[ALIAS_SIZE];
        struct ether_addr mac;

        mac = tap_own_mac(&alias.mac);
        if (!alias.has_mac) {
                r = port_random_mac(&mac);
                if (r < 0)
                        return r;
        }
        if (!streq(alias_format(&alias, text), link->alias_text))
                change.alias = text;
        if (!link->has_mac || (alias.has_mac && !mac_equal(&link->mac, &mac)))
                change.mac = &mac;
        if (link->mtu != mtu)
                change.mtu = mtu;
        if (link->master != master) {
                change.master = master;
                change.no_master = master == 0;
        }
        *ret_down = up && change.master > 0 && (a->isolated || tap_has_vlans(a));
        if (*ret_down) { /* in a message of its own: in one with the bridge, newer kernels do it last */
                r = link_set(rtnl, &(LinkChange){ .ifindex = link->ifindex, .clear_flags = IFF_UP });
                if (r < 0)
                        return log_error_errno(r, "Cannot take %s down: %m%s", a->ifname, rtnl_reason(rtnl));
        } else if (up && a->link_down)
                change.clear_flags = IFF_UP;
        change.up = !up && !a->link_down;
        change.no_ipv6_autoconf = change.up || !link->has_mac;
        if (change.alias || change.mac || change.mtu > 0 || change.master > 0 || change.no_master ||
                        change.up || change.clear_flags) {
                r = link_set(rtnl, &change);
                if (r < 0 && !bridge)
                        return log_error_errno(r, "Cannot configure %s, with an MTU of %u: %m%s", a->ifname,
                                        mtu, rtnl_reason(rtnl));
                if (r < 0)
                        return log_error_errno(r, "Cannot attach %s to bridge %s, with an MTU of %u: %m%s",
                                        a->ifname, a->bridge, mtu, rtnl_reason(rtnl));
        }
        return 0;
}

static PortVlans wanted_vlans(const TapArguments *a, const Link *bridge) {
        if (!vlan_set_is_empty(&a->trunk_vlans))
                return port_vlans_trunk(&a->trunk_vlans, a->native_vlan);
        return port_vlans_access(a->access_vlan > 0 ? a->access_vlan : bridge->default_pvid);
}

static int configure_port(Rtnl *rtnl, const TapArguments *a, const Link *link, const Link *bridge) {
        bool was_there = link->master == bridge->ifindex;
        PortVlans vlans;
        int r;

        if (a->isolated != (link->isolated && was_there)) {
                r = link_set_isolated(rtnl, link->ifindex, a->isolated);
                if (r < 0)
                        return log_error_errno(r, "Cannot set port %s of bridge %s %s: %m%s", a->ifname,
                                        a->bridge, a->isolated ? "isolated" : "not isolated",
                                        rtnl_reason(rtnl));
        }
        /* a port that has just come is in the default VLAN already */
        if (!tap_has_vlans(a) && !(was_there && bridge->bridge.filters_vlans))
                return 0;
        vlans = wanted_vlans(a, bridge);
        return port_apply_vlans(rtnl, bridge, a->ifname, link->ifindex, &vlans);
}

static int configure_on_bridge(Rtnl *rtnl, const TapArguments *a, const Link *link, const Link *bridge) {
        bool down = false;
        int r;

        r = configure_link(rtnl, a, link, bridge, &down);
        if (r >= 0 && link->has_mac && link->master == 0) /* it may have been one with addresses */
                r = host_address_set(rtnl, link, NULL, 0);
        if (r >= 0)
                r = configure_port(rtnl, a, link, bridge);
        if (r >= 0 && down && !a->link_down) {
                r = link_set(rtnl, &(LinkChange){ .ifindex = link->ifindex, .up = true });
                if (r < 0)
                        return log_error_errno(r, "Cannot bring %s up: %m%s", a->ifname, rtnl_reason(rtnl));
        }
        if (r < 0 || bridge->alias.kind == ALIAS_SWITCH)
                return r;
        r = neighbour_set_patience(rtnl, bridge->ifindex); /* nobody else did it for this one */
        if (r < 0)
                log_warning_errno(r, "Cannot set the neighbour parameters of %s, ignoring: %m%s", a->bridge,
                                rtnl_reason(rtnl));
        return 0;
}

/* A routed guest: the tap is a network of its own. */
static int configure_alone(Rtnl *rtnl, const TapArguments *a, const Link *link) {
        bool down;
        Link named = *link;
        int r;

        snprintf(named.name, sizeof(named.name), "%s", a->ifname);
        host_address_tame_ipv6(a->ifname);
        r = configure_link(rtnl, a, link, NULL, &down);
        if (r < 0)
                return r;
        r = neighbour_set_patience(rtnl, link->ifindex);
        if (r < 0)
                return log_error_errno(r, "Cannot set the neighbour parameters of %s: %m%s", a->ifname,
                                rtnl_reason(rtnl));
        return host_address_set(rtnl, &named, a->host_addresses, a->n_host_addresses);
}

static int configure(Rtnl *rtnl, const TapArguments *a, const Link *link, const Link *bridge) {
        return a->bridge ? configure_on_bridge(rtnl, a, link, bridge) : configure_alone(rtnl, a, link);
}

/* What happens to the frames. In this order: port security hands what passes it over to the shaping. */
static int police(Rtnl *rtnl, const TapArguments *a, const Link *link, const Link *bridge, bool is_new) {
        int r;

        r = tap_shape(rtnl, a, link);
        if (r < 0)
                return r;
        r = tap_secure(rtnl, a, link, a->bridge ? bridge : NULL, is_new);
        if (r < 0 && is_new)
                (void) tap_unshape(rtnl, a->ifname);
        return r;
}

static int find_bridge(Rtnl *rtnl, const TapArguments *a, Link *ret) {
        int r;

        if (!a->bridge)
                return 0;
        r = port_find_bridge(rtnl, a->bridge, a->ifname, ret);
        return r >= 0 && tap_has_vlans(a) ? port_check_vlans(ret, a->ifname) : r;
}

int tap_add(Rtnl *rtnl, const TapArguments *a) {
        _cleanup_close_ int fd = -1;
        Link link, bridge;
        int r;

        r = find_bridge(rtnl, a, &bridge);
        if (r < 0)
                return r;
        r = make_or_adopt(rtnl, a, &fd, &link);
        if (r < 0)
                return r;
        r = configure(rtnl, a, &link, &bridge);
        if (r >= 0)
                r = police(rtnl, a, &link, &bridge, fd >= 0);
        if (r < 0 || fd < 0)
                return r;
        r = tun_set_persistent(fd);
        if (r < 0) {
                (void) tap_unshape(rtnl, a->ifname);
                return log_error_errno(r, "Cannot make %s persistent: %m", a->ifname);
        }
        return 0;
}

int tap_set(Rtnl *rtnl, const TapArguments *a) {
        Link link, bridge;
        int r;

        r = find_bridge(rtnl, a, &bridge);
        if (r < 0)
                return r;
        r = adopt(rtnl, a, &link);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no tap %s", a->ifname);
        if (r >= 0)
                r = configure(rtnl, a, &link, &bridge);
        return r < 0 ? r : police(rtnl, a, &link, &bridge, false);
}
