/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bare-tap add IFNAME BRIDGE MAC ALIAS | bare-tap del IFNAME: the least that makes the tap that qnet-tap makes.
 *
 * Persistent, owned by root, with vnet_hdr; then one RTM_NEWLINK that makes it a port of the bridge, names it,
 * gives it its MAC, takes IPv6 away and sets it up. No check of what is there, no message. A good part of its time is
 * the loading of libnl-route, which qnet-tap does without. */

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <sys/ioctl.h>

#include "cleanup.h"

unsigned if_nametoindex(const char *name); /* net/if.h clashes with linux/if.h */

static int make_tap(const char *name) {
        _cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
        struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

        strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
        if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETOWNER, 0) < 0 ||
                        ioctl(fd, TUNSETPERSIST, 1) < 0)
                return -1;
        return 0;
}

static int set_up(struct nl_sock *sock, const char *name, const char *bridge, const char *mac,
                const char *alias) {
        struct rtnl_link *which = rtnl_link_alloc(), *change = rtnl_link_alloc();
        struct nl_addr *address;
        int r;

        if (!which || !change || nl_addr_parse(mac, AF_LLC, &address) < 0)
                return -1;
        rtnl_link_set_ifindex(which, (int) if_nametoindex(name));
        rtnl_link_set_master(change, (int) if_nametoindex(bridge));
        rtnl_link_set_addr(change, address);
        rtnl_link_set_ifalias(change, alias);
        rtnl_link_set_flags(change, IFF_UP);
        rtnl_link_inet6_set_addr_gen_mode(change, IN6_ADDR_GEN_MODE_NONE);
        r = rtnl_link_change(sock, which, change, 0);
        nl_addr_put(address);
        rtnl_link_put(which);
        rtnl_link_put(change);
        return r;
}

static int delete (struct nl_sock *sock, const char *name) {
        struct rtnl_link *link = rtnl_link_alloc();
        int r;

        if (!link)
                return -1;
        rtnl_link_set_ifindex(link, (int) if_nametoindex(name));
        r = rtnl_link_delete(sock, link);
        rtnl_link_put(link);
        return r;
}

int main(int argc, char *argv[]) {
        struct nl_sock *sock = nl_socket_alloc();
        bool add = argc == 6 && streq(argv[1], "add");
        int r;

        if (!add && !(argc == 3 && streq(argv[1], "del")))
                return 2;
        if (!sock || (add && make_tap(argv[2]) < 0) || nl_connect(sock, NETLINK_ROUTE) < 0)
                r = -1;
        else if (add)
                r = set_up(sock, argv[2], argv[3], argv[4], argv[5]);
        else
                r = delete (sock, argv[2]);
        if (r < 0)
                fprintf(stderr, "bare-tap: %s %s failed\n", argv[1], argv[2]);
        nl_socket_free(sock);
        return r < 0;
}
