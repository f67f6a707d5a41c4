/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tap devices through /dev/net/tun (Documentation/networking/tuntap.rst, linux/if_tun.h). A tap lives as
 * long as a descriptor holds it, until tun_set_persistent(). Silent; negative errno. CAP_NET_ADMIN. */

#include <sys/types.h>

#include "cleanup.h"

/* A new tap: Ethernet frames with a virtio header, no carrier yet, held by *ret_fd. -EBUSY: the name is
 * taken. */
int tun_create(const char *ifname, bool multi_queue, int *ret_fd, int *ret_ifindex);
/* Takes hold of a tap that is there: -EBUSY while another (QEMU) holds it, -ENODEV when it is not that
 * link any more. */
int tun_attach(const char *ifname, int ifindex, bool multi_queue, int *ret_fd);
int tun_set_owner(int fd, uid_t uid); /* who may open it without CAP_NET_ADMIN */
int tun_set_group(int fd, gid_t gid);
int tun_set_persistent(int fd);
