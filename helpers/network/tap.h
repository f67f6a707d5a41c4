/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs of qnet-tap, a file each. They log what goes wrong, once, and return negative errno. */

#include <sys/types.h>

#include "rtnl.h"

typedef struct TapArguments {
        const char *ifname;
        const char *vm;
        const char *bridge;
        struct ether_addr mac; /* of the guest's NIC */
        bool has_mac;          /* --mac=MAC */
        bool random_mac;       /* --mac=random: add leaves it open, own picks one */
        unsigned mtu;          /* 0: the bridge's */
        bool isolated;
        uid_t owner;          /* (uid_t) -1: not given */
        gid_t group;          /* (gid_t) -1: not given */
        const char *owner_of; /* a directory whose owner it is; NULL: not given */
        unsigned index;       /* of the interface in the VM */
        const char *env_file; /* NULL: not given */
        IPAddress *pins;
        size_t n_pins;
} TapArguments;

int tap_add(Rtnl *rtnl, const TapArguments *arguments);
int tap_own(Rtnl *rtnl, const TapArguments *arguments);
int tap_del(Rtnl *rtnl, const TapArguments *arguments);

/* A tap of any VM */
static inline bool link_is_our_tap(const Link *link) {
        return link->is_tap && link->alias.kind == ALIAS_TAP;
}
/* The tap's own MAC is the guest's with fe in front: a bridge without a MAC of its own takes the lowest of its ports',
 * and this one is higher than any that a vendor gives. */
static inline struct ether_addr tap_own_mac(const struct ether_addr *guest) {
        struct ether_addr mac = *guest;
        mac.ether_addr_octet[0] = 0xfe;
        return mac;
}
