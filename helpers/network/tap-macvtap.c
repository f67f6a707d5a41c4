/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-tap add-macvtap: a network card of the host, shared with a VM. The kernel gives the guest the
 * frames to its MAC address, which the macvtap bears itself; QEMU reads them from the character device
 * /dev/tapINDEX. */

#include "describe.h"
#include "log.h"
#include "port.h"
#include "tap.h"

static int find_device(Rtnl *rtnl, const TapArguments *a, Link *ret) {
        Link master;
        int r;

        r = link_get_by_name(rtnl, a->device, ret);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no interface %s for macvtap %s", a->device, a->ifname);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", a->device, rtnl_reason(rtnl));
        if (ret->master > 0 && link_get(rtnl, ret->master, &master) >= 0) {
                log_error("Cannot put macvtap %s on %s: it is a port of %s; use Bridge=%s instead", a->ifname,
                                a->device, master.name, master.name);
                return -EBUSY;
        }
        if (!(ret->flags & IFF_UP) && !a->link_down) {
                log_error("Cannot bring macvtap %s up: %s is down. Type \"ip link set %s up\"", a->ifname,
                                a->device, a->device);
                return -ENETDOWN;
        }
        return 0;
}

/* The device and the MAC are what it was made with; also passthru is for ever. */
static bool must_be_made_anew(const TapArguments *a, const Link *link, const Link *device) {
        return link->lower != device->ifindex ||
               (link->macvlan_mode != a->mode && (link->macvlan_mode == MACVLAN_MODE_PASSTHRU ||
                                                                 a->mode == MACVLAN_MODE_PASSTHRU));
}

/* An add that was killed between making and naming it */
static bool is_half_made(const Link *link) {
        return link_is_macvtap(link) && link->link_group == LINK_GROUP && !*link->alias_text;
}

/* -ENODEV: there is none, or none any more. */
static int adopt(Rtnl *rtnl, const TapArguments *a, const Link *device, Link *ret) {
        char text[LINK_DESCRIPTION_SIZE];
        bool ours;
        int r;

        r = link_get_by_name(rtnl, a->ifname, ret);
        if (r == -ENODEV)
                return r;
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", a->ifname, rtnl_reason(rtnl));
        ours = link_is_macvtap(ret) && link_is_our_tap(ret) && streq(ret->alias.name, a->vm);
        if (!ours && !is_half_made(ret)) {
                log_error("Cannot make macvtap %s for VM %s: the name is taken by %s", a->ifname, a->vm,
                                link_describe(ret, text));
                return -EEXIST;
        }
        if (!ours || link_is_leaving(ret) || must_be_made_anew(a, ret, device)) {
                r = link_delete(rtnl, ret->ifindex);
                if (r < 0 && r != -ENODEV)
                        return log_error_errno(r, "Cannot remove %s to make it anew: %m%s", a->ifname,
                                        rtnl_reason(rtnl));
                return -ENODEV;
        }
        r = ret->macvlan_mode == a->mode ? 0 : link_set_macvtap_mode(rtnl, ret->ifindex, a->mode);
        if (r < 0)
                return log_error_errno(r, "Cannot change the mode of %s: %m%s", a->ifname, rtnl_reason(rtnl));
        return 0;
}

static int make(Rtnl *rtnl, const TapArguments *a, const Link *device, Link *ret) {
        struct ether_addr mac = a->mac;
        int r;

        if (!a->has_mac) {
                r = port_random_mac(&mac);
                if (r < 0)
                        return r;
        }
        r = link_add_macvtap(rtnl, a->ifname, &mac, device->ifindex, a->mode);
        if (r == -EBUSY || r == -EINVAL)
                return log_error_errno(r,
                                "Cannot put macvtap %s on %s: it is in another's use, or one with --mode=passthru is not "
                                "alone on it%s",
                                a->ifname, a->device, rtnl_reason(rtnl));
        if (r == -EOPNOTSUPP)
                return log_error_errno(r, "Cannot make macvtap %s: this kernel has none (CONFIG_MACVTAP)",
                                a->ifname);
        if (r >= 0)
                r = link_get_by_name(rtnl, a->ifname, ret);
        if (r < 0)
                return log_error_errno(r, "Cannot make macvtap %s on %s: %m%s", a->ifname, a->device,
                                rtnl_reason(rtnl));
        return 0;
}

static int configure(Rtnl *rtnl, const TapArguments *a, const Link *link) {
        Alias alias = tap_alias(a, link);
        char text[ALIAS_SIZE];
        LinkChange change = {
                .ifindex = link->ifindex,
                .mtu = a->mtu != link->mtu ? a->mtu : 0,
                .clear_flags = a->link_down ? IFF_UP : 0,
                .no_ipv6_autoconf = !(link->flags & IFF_UP),
        };
        int r;

        if (!streq(alias_format(&alias, text), link->alias_text))
                change.alias = text;
        if (alias.has_mac && !(link->has_mac && mac_equal(&link->mac, &alias.mac)))
                change.mac = &alias.mac;
        r = link_set(rtnl, &change);
        /* not in one message: it has carrier, and would get an IPv6 address before the kernel reads that
         * it shall not */
        if (r >= 0 && !a->link_down && !(link->flags & IFF_UP))
                r = link_set(rtnl, &(LinkChange){ .ifindex = link->ifindex, .up = true });
        if (r == -EADDRINUSE)
                return log_error_errno(r, "Cannot give macvtap %s its MAC address: %s has it already",
                                a->ifname, a->device);
        if (r < 0)
                return log_error_errno(r, "Cannot configure macvtap %s: %m%s", a->ifname, rtnl_reason(rtnl));
        return 0;
}

int tap_add_macvtap(Rtnl *rtnl, const TapArguments *a) {
        bool made = false;
        Link device, link;
        int r, q;

        r = find_device(rtnl, a, &device);
        if (r < 0)
                return r;
        r = adopt(rtnl, a, &device, &link);
        if (r == -ENODEV) {
                r = make(rtnl, a, &device, &link);
                made = r >= 0;
        }
        if (r < 0)
                return r;
        r = configure(rtnl, a, &link);
        if (r >= 0)
                r = tap_shape(rtnl, a, &link);
        if (r < 0 && made) {
                q = link_delete(rtnl, link.ifindex);
                if (q < 0 && q != -ENODEV)
                        log_warning_errno(q, "Cannot remove macvtap %s again, ignoring: %m", a->ifname);
        }
        return r;
}
