/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "host-address.h"
#include "log.h"

static int write_ipv6_knob(const char *ifname, const char *knob, const char *value) {
        char path[128];
        _cleanup_close_ int fd = -1;

        snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", ifname, knob);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno; /* no IPv6 in this kernel */
        return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

/* Netlink has no attribute for either. */
void host_address_tame_ipv6(const char *ifname) {
        static const char *const knobs[] = { "accept_ra", "accept_dad" };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(knobs); i++) {
                r = write_ipv6_knob(ifname, knobs[i], "0");
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

int host_address_set(Rtnl *rtnl, const Link *link, const IPAddress *addresses, size_t n) {
        int r;

        r = change_addresses(rtnl, link, addresses, n, false);
        return r < 0 ? r : change_addresses(rtnl, link, addresses, n, true);
}
