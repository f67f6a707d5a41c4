/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Does a guest answer? Asked by ARP (RFC 826) of the addresses that the host's neighbour table has for its MAC, from the
 * device of that table: the bridge. The sender's address in the requests is 0.0.0.0 (RFC 5227), so nobody's table changes
 * by them. Needs CAP_NET_RAW. Silent. */

#include "rtnl.h"

#define ARP_ADDRESSES_MAX 32U

typedef struct ArpProbe ArpProbe;

int arp_probe_new(ArpProbe **ret);
ArpProbe *arp_probe_free(ArpProbe *p); /* always NULL */
DEFINE_CLEANUP(ArpProbe *, arp_probe_free)
#define _cleanup_arp_probe_ _cleanup_(arp_probe_freep)

/* A network card of the guest, and where the host hears it. Returns how many IPv4 addresses of it are known, which may be
 * none; -ENODEV: there is no such device. */
int arp_probe_add(ArpProbe *p, const struct ether_addr *mac, const char *device);
size_t arp_probe_count(const ArpProbe *p); /* addresses, of all cards */

/* What arrived so far is of the time before: forgotten. */
void arp_probe_flush(ArpProbe *p);
/* Asks for all addresses once, and listens until deadline (CLOCK_MONOTONIC). 1: there was an answer, or another ARP packet
 * in which the guest says that it has an address; 0: silence. */
int arp_probe_ask(ArpProbe *p, usec_t deadline);
