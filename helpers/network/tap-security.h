/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Port security: what may come in by a tap. A table of nftables per tap, "netdev qnet-tap-IFNAME", with a chain at the
 * tap's ingress, before any bridge sees the frame. What does not pass is dropped, and counted by reason. */

#include "rtnl.h"

/* What the counters are called; in this order */
extern const char *const tap_security_counters[];

typedef struct TapSecurity {
        const char *ifname;
        const struct ether_addr *mac; /* NULL: not known yet, nothing passes */
        bool judge_addresses;         /* only these, and leases; else only MACs, and what servers and routers say */
        const IPAddress *allowed;     /* networks if they have a prefix */
        size_t n_allowed;
        const IPAddress *leases; /* further ones, which come and go */
        size_t n_leases;
        const char *wire; /* the device of kind ifb that shapes what passes; NULL: none */
} TapSecurity;

/* These log what goes wrong, once. */

/* Makes the table, or brings one in line that is there: counters go on, and leases stay. fresh: what is there is of a tap
 * that has gone. */
int tap_security_set(const TapSecurity *s, bool fresh);
/* Removes the table; fine if there is none. */
int tap_security_remove(const char *ifname);
/* Another MAC, and no leases; fine if there is no table. */
int tap_security_set_mac(const char *ifname, const struct ether_addr *mac);
/* The DHCP lease of an address has come or gone; fine if there is no table. */
int tap_security_lease(const char *ifname, const IPAddress *ip, bool is_over);
