/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "host-address.h"
#include "knob.h"
#include "log.h"

/* Netlink has no attribute for either. */
void host_address_tame_ipv6(const char *ifname) {
        static const char *const knobs[] = { "accept_ra", "accept_dad" };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(knobs); i++) {
                r = knob_write(AF_INET6, ifname, knobs[i], 0);
                if (r < 0)
                        log_warning_errno(r, "Cannot turn off net.ipv6.conf.%s.%s, ignoring: %m", ifname,
                                        knobs[i]);
        }
}

static bool contains_address(const IPAddress *list, size_t n, const IPAddress *ip) {
        for (size_t i = 0; i < n; i++)
                if (ip_equal(&list[i], ip) && list[i].prefix == ip->prefix)
                        return true;
        return false;
}

/* Takes from the link what it is not to have, or gives it what it lacks. It is asked anew for each: a
 * secondary address goes with its primary. */
static int change_addresses(Rtnl *rtnl, const Link *link, const IPAddress *addresses, size_t n, bool add) {
        _cleanup_free_ IPAddress *have = NULL;
        char text[IP_STRING_SIZE];
        size_t n_have;
        int r;

        r = address_list(rtnl, link->ifindex, &have, &n_have);
        if (r < 0)
                return log_error_errno(
                                r, "Cannot list the addresses of %s: %m%s", link->name, rtnl_reason(rtnl));
        for (size_t i = 0; i < (add ? n : n_have); i++) {
                const IPAddress *ip = add ? &addresses[i] : &have[i];

                if (add ? contains_address(have, n_have, ip) : contains_address(addresses, n, ip))
                        continue;
                r = add ? address_add(rtnl, link->ifindex, ip) : address_delete(rtnl, link->ifindex, ip);
                if (r < 0 && (add || r != -EADDRNOTAVAIL))
                        return log_error_errno(r, "Cannot %s the address %s %s %s: %m%s",
                                        add ? "add" : "take", format_ip_prefix(ip, text), add ? "to" : "from",
                                        link->name, rtnl_reason(rtnl));
        }
        return 0;
}

int host_address_add(Rtnl *rtnl, const Link *link, const IPAddress *addresses, size_t n) {
        return change_addresses(rtnl, link, addresses, n, true);
}

int host_address_set(Rtnl *rtnl, const Link *link, const IPAddress *addresses, size_t n) {
        int r;

        r = change_addresses(rtnl, link, addresses, n, false);
        return r < 0 ? r : host_address_add(rtnl, link, addresses, n);
}
