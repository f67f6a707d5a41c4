/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The switches of ip-sysctl in /proc/sys/net/ipv4|ipv6/conf/DEVICE: what netlink can read of them but not write. DEVICE
 * can also be "all" or "default". Silent; negative errno. */

#include "cleanup.h"

/* The value; -ENOENT: no such device, family or switch. */
int knob_read(int family, const char *device, const char *name);
/* 0 also when there is no such device (any more), family or switch. Does not write what is there already. */
int knob_write(int family, const char *device, const char *name, unsigned value);
