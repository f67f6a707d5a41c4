/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-tap add: a persistent tap on a bridge. A new one is held by a descriptor until all is done, and made
 * persistent last: whatever fails or kills us before leaves nothing behind. */

#include <sys/random.h>

#include "describe.h"
#include "log.h"
#include "tap.h"
#include "tun.h"

static int find_bridge(Rtnl *rtnl, const TapArguments *a, Link *ret) {
        char text[LINK_DESCRIPTION_SIZE];
        int r;

        r = link_get_by_name(rtnl, a->bridge, ret);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no bridge %s to attach %s to", a->bridge, a->ifname);
        if (r < 0)
                return log_error_errno(r, "Cannot look up bridge %s: %m%s", a->bridge, rtnl_reason(rtnl));
        if (!link_is_bridge(ret)) {
                log_error("Cannot attach %s to %s: that is no Linux bridge but %s", a->ifname, a->bridge,
                                link_describe(ret, text));
                return -EOPNOTSUPP;
        }
        return 0;
}

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

        r = tun_create(a->ifname, &fd, &link.ifindex);
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

static int adopt(Rtnl *rtnl, const TapArguments *a, Link *ret) {
        char text[LINK_DESCRIPTION_SIZE];
        _cleanup_close_ int fd = -1;
        int r;

        r = link_get_by_name(rtnl, a->ifname, ret);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", a->ifname, rtnl_reason(rtnl));
        if (!link_is_our_tap(ret) || !streq(ret->alias.name, a->vm)) {
                log_error("Cannot make tap %s for VM %s: the name is taken by %s", a->ifname, a->vm,
                                link_describe(ret, text));
                return -EEXIST;
        }
        if ((a->owner == (uid_t) -1 || a->owner == ret->owner) &&
                        (a->group == (gid_t) -1 || a->group == ret->group))
                return 0;
        r = tun_attach(a->ifname, ret->ifindex, ret->multi_queue, &fd);
        if (r < 0)
                return log_error_errno(r, "Cannot open %s to change its owner or group: %m", a->ifname);
        return set_access(a, fd);
}

/* What differs of link (all zero: a new one) from what is asked, in one message; none if nothing does. */
static int configure(Rtnl *rtnl, const TapArguments *a, const Link *link, const Link *bridge) {
        Alias alias = { .kind = ALIAS_TAP, .has_mac = a->has_mac, .mac = a->mac };
        LinkChange change = { .ifindex = link->ifindex };
        unsigned mtu = a->mtu > 0 ? a->mtu : bridge->mtu;
        char text[ALIAS_SIZE];
        struct ether_addr mac;
        int r;

        snprintf(alias.name, sizeof(alias.name), "%s", a->vm);
        if (a->random_mac && link->alias.has_mac) {
                alias.has_mac = true;
                alias.mac = link->alias.mac;
        }
        mac = tap_own_mac(&alias.mac);
        if (!alias.has_mac && getrandom(mac.ether_addr_octet + 1, 5, 0) != 5)
                return log_error_errno(errno, "Cannot get random bytes: %m");

        if (!streq(alias_format(&alias, text), link->alias_text))
                change.alias = text;
        if (!link->has_mac || (alias.has_mac && !mac_equal(&link->mac, &mac)))
                change.mac = &mac;
        if (link->mtu != mtu)
                change.mtu = mtu;
        if (link->master != bridge->ifindex)
                change.master = bridge->ifindex;
        change.up = !(link->flags & IFF_UP);
        change.no_ipv6_autoconf = change.up;
        if (change.alias || change.mac || change.mtu > 0 || change.master > 0 || change.up) {
                r = link_set(rtnl, &change);
                if (r < 0)
                        return log_error_errno(r, "Cannot attach %s to bridge %s, with an MTU of %u: %m%s",
                                        a->ifname, a->bridge, mtu, rtnl_reason(rtnl));
        }
        if (a->isolated != (link->isolated && link->master == bridge->ifindex)) {
                r = link_set_isolated(rtnl, link->ifindex, a->isolated);
                if (r < 0)
                        return log_error_errno(r, "Cannot set port %s of bridge %s %s: %m%s", a->ifname,
                                        a->bridge, a->isolated ? "isolated" : "not isolated",
                                        rtnl_reason(rtnl));
        }
        return 0;
}

int tap_add(Rtnl *rtnl, const TapArguments *a) {
        _cleanup_close_ int fd = -1;
        Link link, bridge;
        int r;

        r = find_bridge(rtnl, a, &bridge);
        if (r < 0)
                return r;
        r = make(a, &fd, &link);
        if (r == -EBUSY)
                r = adopt(rtnl, a, &link);
        if (r < 0)
                return r;
        r = configure(rtnl, a, &link, &bridge);
        if (r < 0)
                return r;
        if (fd >= 0) {
                r = tun_set_persistent(fd);
                if (r < 0)
                        return log_error_errno(r, "Cannot make %s persistent: %m", a->ifname);
        }
        if (bridge.alias.kind != ALIAS_SWITCH) { /* nobody else did it for this one */
                r = neighbour_set_patience(rtnl, bridge.ifindex);
                if (r < 0)
                        log_warning_errno(r, "Cannot set the neighbour parameters of %s, ignoring: %m%s",
                                        a->bridge, rtnl_reason(rtnl));
        }
        return 0;
}
