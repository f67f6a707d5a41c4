/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rtnl.h"

/* Can that device become the uplink of switch name, whose bridge has that ifindex (0: it is not there yet)? 0: it can,
 * or is so already; 1: it cannot, and *ret_why says why, as half a sentence for free(3); -ENODEV: there is none. *ret is
 * the device if it is there. Silent. */
int uplink_suits(Rtnl *rtnl, const char *device, const char *name, int bridge, Link *ret, char **ret_why);
