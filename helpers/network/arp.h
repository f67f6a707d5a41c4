/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs of qnet-arp. They log what goes wrong, once, print results to stdout, and return negative errno. */

#include "rtnl.h"

typedef struct ArpArguments {
        const char *subject; /* the address as given, without the scope */
        bool by_mac;
        struct ether_addr mac;
        IPAddress ip;
        const char *dev; /* NULL: not given */
        int ifindex;     /* of dev; 0: not given */
        bool json;
        usec_t timeout;
} ArpArguments;

int arp_get(Rtnl *rtnl, const ArpArguments *arguments);
int arp_del(Rtnl *rtnl, const ArpArguments *arguments);
int arp_list(Rtnl *rtnl, const ArpArguments *arguments);
int arp_wait(Rtnl *rtnl, const ArpArguments *arguments);

/* Prints them as ip-neighbour(8) does: a line each, or one JSON array. */
int arp_print(Rtnl *rtnl, const Neighbour *list, size_t n, bool json);
