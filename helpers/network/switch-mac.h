/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rtnl.h"

/* The bridge's own MAC: the same at every start, so that no port's comings and goings change it and guests
 * keep their ARP entry of the host; another on another machine. */
struct ether_addr switch_mac(const char *name);

/* Is that the bridge of the switch? By its alias; or without one, if it is down and has that MAC: made by an add that
 * was killed before it named it. */
bool switch_has(const Link *link, const char *name);
