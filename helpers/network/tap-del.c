/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-tap del: removes a tap, the device that its guest's frames pass, and the permanent neighbour entries
 * of the guest. Leases among them come back with the guest's next request.
 *
 * When a switch stops, one of us runs for each of its ports: the links go together, see LINK_GROUP_LEAVING. */

#include "describe.h"
#include "log.h"
#include "tap.h"
#include "tap-security.h"

static int tap_remove_rest(Rtnl *rtnl, const char *ifname) {
        int r, q;

        r = tap_security_remove(ifname);
        q = tap_unshape(rtnl, ifname);
        return r < 0 ? r : q;
}

static int delete_links(Rtnl *rtnl, const Link *tap) {
        int r;

        r = link_set_leaving(rtnl, tap->ifindex);
        if (r >= 0)
                r = tap_set_wire_leaving(rtnl, tap->name);
        if (r >= 0)
                r = link_delete_leaving(rtnl, tap->ifindex);
        return r == -ENODEV ? 0 : r;
}

int tap_del(Rtnl *rtnl, const TapArguments *a) {
        char text[LINK_DESCRIPTION_SIZE];
        Link link;
        int r;

        r = link_get_by_name(rtnl, a->ifname, &link);
        if (r == -ENODEV) /* it may have gone by itself */
                return tap_remove_rest(rtnl, a->ifname);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", a->ifname, rtnl_reason(rtnl));
        if (!link_is_our_tap(&link)) {
                log_error("Not removing %s: it is not a tap of a VM, but %s", a->ifname,
                                link_describe(&link, text));
                return -EPERM;
        }
        r = tap_security_remove(a->ifname);
        if (r < 0)
                return r;
        r = delete_links(rtnl, &link);
        if (r < 0)
                return log_error_errno(r, "Cannot remove tap %s: %m%s", a->ifname, rtnl_reason(rtnl));
        if (link.master > 0 && link.alias.has_mac) {
                r = tap_unpin(rtnl, &link);
                if (r < 0 && r != -ENODEV)
                        log_warning_errno(r, "Cannot remove the neighbour entries of VM %s, ignoring: %m%s",
                                        link.alias.name, rtnl_reason(rtnl));
        }
        return tap_unshape(rtnl, a->ifname);
}
