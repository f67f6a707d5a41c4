/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "tun.h"

#define TUN_DEVICE "/dev/net/tun"

/* QEMU attaches with its own flags later, but only as many queues as the tap was made for. */
static int open_tun(const char *ifname, short flags, int *ret_fd, int *ret_ifindex) {
        _cleanup_close_ int fd = -1;
        struct ifreq ifr = { .ifr_flags = (short) (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags) };

        fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return errno == ENODEV ? -ENXIO : -errno; /* -ENODEV speaks of links */
        snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
        if (ioctl(fd, TUNSETIFF, &ifr) < 0)
                return -errno;
        *ret_ifindex = (int) if_nametoindex(ifr.ifr_name);
        if (*ret_ifindex == 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int tun_create(const char *ifname, bool multi_queue, int *ret_fd, int *ret_ifindex) {
        _cleanup_close_ int fd = -1;
        const int off = 0;
        int r;

        r = open_tun(ifname, (short) (IFF_TUN_EXCL | (multi_queue ? IFF_MULTI_QUEUE : 0)), &fd, ret_ifindex);
        if (r < 0)
                return r;
        /* Without: being held is carrier, and the kernel gives an interface that comes up with carrier an
         * IPv6 address before it reads, in the same message, that it shall not. */
        if (ioctl(fd, TUNSETCARRIER, &off) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int tun_attach(const char *ifname, int ifindex, bool multi_queue, int *ret_fd) {
        _cleanup_close_ int fd = -1;
        int r, i;

        r = open_tun(ifname, multi_queue ? IFF_MULTI_QUEUE : 0, &fd, &i);
        if (r < 0)
                return r;
        if (i != ifindex) /* TUNSETIFF made a new one, which goes with fd */
                return -ENODEV;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int tun_set_owner(int fd, uid_t uid) {
        return ioctl(fd, TUNSETOWNER, (unsigned long) uid) < 0 ? -errno : 0;
}

int tun_set_group(int fd, gid_t gid) {
        return ioctl(fd, TUNSETGROUP, (unsigned long) gid) < 0 ? -errno : 0;
}

int tun_set_persistent(int fd) {
        return ioctl(fd, TUNSETPERSIST, 1UL) < 0 ? -errno : 0;
}
