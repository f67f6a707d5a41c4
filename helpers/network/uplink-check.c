/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-uplink: what cannot become an uplink. In: names. Out: the two links, or one sentence that says why not
 * and what to do instead. */

#include "describe.h"
#include "uplink-suits.h"
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

int uplink_check(Uplink *u) {
        _cleanup_free_ char *why = NULL;
        int r;

        r = find_bridge(u);
        if (r < 0)
                return r;
        r = uplink_suits(u->rtnl, u->device, u->name, u->bridge.ifindex, &u->port, &why);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no interface %s to be the uplink of switch %s", u->device,
                                u->name);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", u->device, rtnl_reason(u->rtnl));
        if (r > 0) {
                log_error(CANNOT "%s", u->device, u->name, why);
                return -EINVAL;
        }
        return 0;
}
