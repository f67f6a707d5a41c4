/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What all links that join a bridge have in common: taps, trunks, tunnels. These log what goes wrong,
 * once, and return negative errno. */

#include "rtnl.h"

/* The bridge that ifname is to join; -EOPNOTSUPP: no Linux bridge. */
int port_find_bridge(Rtnl *rtnl, const char *name, const char *ifname, Link *ret);
/* Can its ports be put in VLANs? Before anything is made. A bridge that is not of qnet must filter
 * already. */
int port_check_vlans(const Link *bridge, const char *ifname);
/* Puts the port in these VLANs, and has a bridge of ours filter if it does not yet. */
int port_apply_vlans(Rtnl *rtnl, const Link *bridge, const char *ifname, int ifindex, const PortVlans *vlans);
/* Makes a virtual link of ours a port of the bridge, with this alias and MTU, without IPv6 of its own; only
 * what differs is changed. It is down then if it was not on this bridge, until port_bring_up(): so no frame
 * passes before it is in its VLANs. */
int port_join(Rtnl *rtnl, const Link *link, const Link *bridge, const Alias *alias, unsigned mtu);
int port_bring_up(Rtnl *rtnl, const Link *link, const Link *bridge);
/* Between two switches, unless told otherwise: the default VLAN without tag, all others with. */
PortVlans port_all_vlans(const Link *bridge);

/* How many ports are in other VLANs than the default one, besides trunks that carry all; their names, as
 * far as they fit. */
int ports_with_vlans(Rtnl *rtnl, const Link *bridge, char names[static 80]);
/* A MAC address for a port itself, not of a guest: fe and five random bytes. A bridge without a MAC of its
 * own takes the lowest of its ports', and this one is higher than any that a vendor gives. */
int port_random_mac(struct ether_addr *ret);
