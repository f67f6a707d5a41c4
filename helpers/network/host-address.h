/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The host's own addresses on a link that leads to guests: a switch's bridge, or a tap without one. These
 * log what goes wrong, once, and return negative errno. */

#include "rtnl.h"

/* A guest must not give the host a default route by a router advertisement, and an address that only this
 * host has need not wait for duplicates. What cannot be set is survived. */
void host_address_tame_ipv6(const char *ifname);
/* Gives it those that it lacks. */
int host_address_add(Rtnl *rtnl, const Link *link, const IPAddress *addresses, size_t n);
/* Makes the global addresses of the link exactly these. */
int host_address_set(Rtnl *rtnl, const Link *link, const IPAddress *addresses, size_t n);
