/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What qnet asks of the kernel's network over rtnetlink(7): links, neighbours, FDB entries, addresses,
 * routes. One Rtnl is one socket; any number of requests may follow each other on it. Every *_get() is one
 * request for one entry, never a dump: its cost does not depend on the size of the table (RTM_GETNEIGH
 * without NLM_F_DUMP: Linux 5.0). *_list() dumps, filtered by the kernel where it can, again here, and
 * repeats a dump that a change interrupted.
 *
 * All functions are silent and return negative errno; what the kernel said besides is in rtnl_reason().
 * Getting and listing needs no privilege; everything else CAP_NET_ADMIN.
 *
 * Behind this header stand rtnl.c (the socket), rtnl-link.c, rtnl-bridge.c, rtnl-vlan.c, rtnl-virtual.c,
 * rtnl-qdisc.c, rtnl-neighbour.c, rtnl-fdb.c, rtnl-address.c, rtnl-route.c and rtnl-reroute.c; nothing else
 * includes libnl. */

#include <net/if.h>
#include <linux/neighbour.h>

#include "alias.h"
#include "shape.h"
#include "vlan-set.h"

typedef struct Rtnl Rtnl;

int rtnl_new(Rtnl **ret);
Rtnl *rtnl_free(Rtnl *rtnl); /* always NULL */
static inline void rtnl_freep(Rtnl **p) {
        rtnl_free(*p);
}
#define _cleanup_rtnl_ _cleanup_(rtnl_freep)

/* ": text" with the kernel's own words on the request that failed last (NETLINK_EXT_ACK), or "": for
 * appending to a message. Good until the next request. */
const char *rtnl_reason(const Rtnl *rtnl);

/* ---- links ---- */

/* What a bridge can be told; linux/if_link.h IFLA_BR_* */
typedef struct BridgeOptions {
        bool stp;
        bool filters_vlans;
        uint32_t ageing;             /* hundredths of a second; 0: nothing is learned, all is flooded */
        uint16_t group_forward_mask; /* of the addresses 01:80:c2:00:00:0X those that are forwarded */
} BridgeOptions;
#define BRIDGE_AGEING_DEFAULT 30000U

typedef struct Link {
        int ifindex;
        int master; /* ifindex of the bridge (or other) that it is a port of; 0: none */
        int lower; /* ifindex of the device that it stands on (vlan, macvtap, vxlan), or of a veth's peer; 0: none */
        unsigned link_group;
        unsigned flags, mtu;
        unsigned short type; /* net/if_arp.h ARPHRD_* */
        char name[IFNAMSIZ];
        char kind[24]; /* IFLA_INFO_KIND: "bridge", "tun" (tap too), "veth", "openvswitch"; "": hardware and lo */
        char alias_text[ALIAS_SIZE]; /* as it stands; "": none */
        Alias alias;                 /* the same, parsed */
        bool has_mac;
        struct ether_addr mac; /* of the link itself, not of a guest behind it */
        bool is_tap;           /* of kind tun and IFF_TAP */
        bool multi_queue;      /* tap: IFF_MULTI_QUEUE */
        bool isolated;         /* bridge port: IFLA_BRPORT_ISOLATED */
        uid_t owner;           /* tap: TUNSETOWNER; (uid_t) -1: none */
        gid_t group;           /* tap: TUNSETGROUP; (gid_t) -1: none */
        BridgeOptions bridge;  /* bridge */
        uint16_t default_pvid; /* bridge: the VLAN of a port that nobody put in one; 0: in none, or the kernel has no VLANs */
        bool has_vlans;        /* bridge: the kernel can filter them */
        uint16_t vlan;         /* kind "vlan": which */
        unsigned macvlan_mode; /* macvtap: MACVLAN_MODE_* of linux/if_link.h */
        char qdisc[16];        /* the kind of the queueing discipline at its root */
} Link;

static inline bool link_is_bridge(const Link *link) {
        return streq(link->kind, "bridge");
}

/* -ENODEV: there is none. */
int link_get(Rtnl *rtnl, int ifindex, Link *ret);
int link_get_by_name(Rtnl *rtnl, const char *name, Link *ret);

/* Which links link_list() gives; zero and NULL fields do not filter. */
typedef struct LinkFilter {
        const char *kind; /* "tun", "bridge" */
        int master;       /* ports of this one */
        AliasKind alias;  /* ALIAS_TAP, ALIAS_SWITCH: only ours of that kind */
} LinkFilter;

/* *ret is one block for free(3); NULL when *ret_n is 0. */
int link_list(Rtnl *rtnl, const LinkFilter *filter, Link **ret, size_t *ret_n);

/* A change of an existing link in one RTM_NEWLINK; zero and NULL fields stay as they are. */
typedef struct LinkChange {
        int ifindex;
        const char *alias;
        const struct ether_addr *mac;
        unsigned mtu;
        int master;
        bool no_master; /* it leaves its bridge */
        bool up;
        unsigned set_flags, clear_flags; /* IFF_*, besides */
        bool no_ipv6_autoconf; /* IN6_ADDR_GEN_MODE_NONE: no link-local address, so nothing to be reached by */
        unsigned link_group;
} LinkChange;
int link_set(Rtnl *rtnl, const LinkChange *change);
/* The kernel waits for some 20 ms until nobody uses it any more. */
int link_delete(Rtnl *rtnl, int ifindex);

/* "qbye" in ASCII: the group of links that are on their way out. The kernel deletes all of a group in one go, with one
 * wait: so many processes that each have a link to delete first put it into this group, and then have the whole group
 * deleted. The kernel's lock on its network makes those that come meanwhile wait together, and the first of them finds
 * the links of all. Whoever is killed halfway leaves his to the next one. No link comes back from here: who wants the
 * name again deletes the link first. */
#define LINK_GROUP_LEAVING 0x71627965U
static inline bool link_is_leaving(const Link *link) {
        return link->link_group == LINK_GROUP_LEAVING;
}
int link_set_leaving(Rtnl *rtnl, int ifindex);
/* This one, which is leaving, and all that are. -ENODEV: it has gone with another's. */
int link_delete_leaving(Rtnl *rtnl, int ifindex);

/* "qnet" in ASCII. What we make, but taps, is in this group of links from the moment it exists; the alias
 * comes a moment later, and udev may look before (udev/70-qnet.rules has the number too). */
#define LINK_GROUP 0x716e6574U

/* ---- bridges and their ports ---- */

/* A bridge, down, with that MAC of its own, no STP, no forward delay, no multicast snooping. -EEXIST: name
 * is taken. */
int link_add_bridge(Rtnl *rtnl, const char *name, const struct ether_addr *mac);
/* All but VLAN filtering. With STP a port waits 8 s before it forwards. */
int bridge_set(Rtnl *rtnl, int ifindex, const BridgeOptions *options);
/* -EOPNOTSUPP: this kernel's bridges cannot. */
int bridge_set_vlan_filtering(Rtnl *rtnl, int ifindex, bool on);
int link_set_isolated(Rtnl *rtnl, int ifindex,
                bool isolated); /* of a bridge port; linux/if_link.h IFLA_BRPORT_ISOLATED */

/* In which VLANs a port is (or, by the bridge's own ifindex, the host). Linux 5.6. */
int port_get_vlans(Rtnl *rtnl, int ifindex, PortVlans *ret);
/* Makes it exactly these; what is so stays untouched. -EOPNOTSUPP: the kernel cannot filter VLANs. */
int port_set_vlans(Rtnl *rtnl, int ifindex, const PortVlans *vlans);

/* ---- other virtual links; made down, in LINK_GROUP; -EEXIST: the name is taken ---- */

int link_add_veth(Rtnl *rtnl, const char *name, const struct ether_addr *mac, const char *peer,
                const struct ether_addr *peer_mac);
/* mode: MACVLAN_MODE_* */
int link_add_macvtap(Rtnl *rtnl, const char *name, const struct ether_addr *mac, int lower, unsigned mode);
int link_set_macvtap_mode(Rtnl *rtnl, int ifindex, unsigned mode);
int link_add_ifb(Rtnl *rtnl, const char *name); /* -EOPNOTSUPP: the kernel has none */

typedef struct Vxlan {
        unsigned vni, port;     /* port: UDP */
        int lower;              /* 0: whatever the route says */
        IPAddress group, local; /* AF_UNSPEC: none */
        bool ipv6;              /* over IPv6; vxlan_get() does not tell */
} Vxlan;
int link_add_vxlan(Rtnl *rtnl, const char *name, const struct ether_addr *mac, const Vxlan *vxlan);
int vxlan_get(Rtnl *rtnl, int ifindex, Vxlan *ret); /* -EINVAL: that is no VXLAN device */

/* ---- queueing disciplines ---- */

/* The discipline that does this: "tbf" for a rate alone, else "netem" */
const char *shape_qdisc(const Shape *s);
/* Puts it at the root of the device, for what leaves by it. One of the same kind that is there already is
 * changed and keeps the frames in it. -ENOENT: the kernel has no such discipline. */
int qdisc_set_shape(Rtnl *rtnl, int ifindex, unsigned mtu, const Shape *s);
/* By its kind, the root may be one of these. */
bool qdisc_may_be_shape(const Link *link);
/* 0 also if there is none that we put there. */
int qdisc_remove_shape(Rtnl *rtnl, const Link *link);

/* All that comes in by the device leaves by another, at once; -ENOENT: the kernel cannot. 0 also if
 * something is redirected by us already. */
int ingress_redirect(Rtnl *rtnl, int ifindex, int to);
int ingress_stop_redirecting(Rtnl *rtnl, int ifindex); /* 0 also if nothing was */

/* ---- neighbours and FDB entries ---- */

/* States that carry a link-layer address one can send to (linux/neighbour.h, the kernel's NUD_VALID). */
#define NEIGHBOUR_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

typedef struct Neighbour {
        IPAddress ip;   /* AF_UNSPEC: an FDB entry */
        int ifindex;    /* the device; of an FDB entry the port, or the bridge itself for its own MAC */
        int master;     /* FDB entry: the bridge; else 0 */
        uint16_t state; /* NUD_*; an FDB entry that was learned has no NUD_PERMANENT */
        uint16_t vlan;  /* FDB entry: 0 for none */
        uint8_t flags;  /* NTF_* */
        bool has_mac;   /* an entry in INCOMPLETE or FAILED has none */
        struct ether_addr mac;
        IPAddress remote; /* FDB entry of a VXLAN device: the other end; else AF_UNSPEC */
} Neighbour;

/* -ENOENT: no such entry; -ENODEV: no such device. */
int neighbour_get(Rtnl *rtnl, int ifindex, const IPAddress *ip, Neighbour *ret);
/* Of a device, or of all (ifindex 0); of one family or of both (AF_UNSPEC); of one MAC or of any (NULL). */
int neighbour_list(Rtnl *rtnl, int family, int ifindex, const struct ether_addr *mac, Neighbour **ret,
                size_t *ret_n);
/* Makes the entry, or takes over the one that is there, as NUD_PERMANENT. */
int neighbour_pin(Rtnl *rtnl, int ifindex, const IPAddress *ip, const struct ether_addr *mac);
/* The same entry on another device: one that is permanent stays so, another may be used until it proves wrong.
 * 0 also when it has no link-layer address that one could send to: then there is nothing to copy. */
int neighbour_copy(Rtnl *rtnl, const Neighbour *neighbour, int ifindex);
/* Asks the kernel to find out whether the neighbour still answers, as if there were something to send to
 * it. */
int neighbour_probe(Rtnl *rtnl, int ifindex, const IPAddress *ip);
int neighbour_delete(Rtnl *rtnl, int ifindex, const IPAddress *ip); /* -ENOENT: it was not there */
/* Makes an entry of a silent neighbour on this device keep its link-layer address for an hour of unicast
 * probes (one per second), where the default forgets it after three; a stale one is kept as long. Both
 * families; without IPv6, one. */
int neighbour_set_patience(Rtnl *rtnl, int ifindex);
const char *neighbour_state_to_string(uint16_t state); /* "REACHABLE"; as ip-neighbour(8) prints it */

/* The bridge's own record of the port behind a MAC; vlan 0: none. -ENOENT: not learned, or aged. */
int fdb_get(Rtnl *rtnl, int bridge, const struct ether_addr *mac, uint16_t vlan, Neighbour *ret);
/* All that a bridge has on a MAC, in any VLAN: a dump of its table. */
int fdb_list(Rtnl *rtnl, int bridge, const struct ether_addr *mac, Neighbour **ret, size_t *ret_n);
/* A bridge's own entry, which says that frames to that MAC are for the host alone. 0 also if it is so
 * already. */
int fdb_set_local(Rtnl *rtnl, int bridge, const struct ether_addr *mac, bool local);
/* The ends to which a VXLAN device sends what is for all or for an unknown MAC, besides its group */
int fdb_list_remotes(Rtnl *rtnl, int vxlan, Neighbour **ret, size_t *ret_n);
int fdb_add_remote(Rtnl *rtnl, int vxlan, const IPAddress *remote);
int fdb_delete_remote(Rtnl *rtnl, int vxlan, const IPAddress *remote);

/* ---- news: use an Rtnl of its own, as requests would mix with the news on it ---- */

typedef enum EventKind {
        EVENT_NONE,      /* the time is over */
        EVENT_LOST,      /* the kernel had more to say than the socket holds: ask for the state anew */
        EVENT_NEIGHBOUR, /* new or changed: neighbour or FDB entry */
        EVENT_LINK_GONE, /* ifindex only */
} EventKind;
typedef struct Event {
        EventKind kind;
        Neighbour neighbour;
        int ifindex;
} Event;
/* From here on the kernel queues news of neighbours, FDB entries and vanished links on this socket. */
int rtnl_subscribe(Rtnl *rtnl);
/* The next of them; waits until deadline (CLOCK_MONOTONIC, USEC_INFINITY for ever). */
int rtnl_next_event(Rtnl *rtnl, usec_t deadline, Event *ret);

/* ---- addresses and routes ---- */

/* The device that a packet to ip would leave by; "lo" for the host's own. -ENETUNREACH, -EHOSTUNREACH:
 * none. */
int route_get_device(Rtnl *rtnl, const IPAddress *ip, int *ret_ifindex);

/* Global addresses with their prefixes that someone set; no link-local ones of IPv6. */
int address_list(Rtnl *rtnl, int ifindex, IPAddress **ret, size_t *ret_n);
int address_add(Rtnl *rtnl, int ifindex,
                const IPAddress *ip); /* usable at once: no duplicate address detection */
int address_delete(Rtnl *rtnl, int ifindex, const IPAddress *ip);

/* All that the kernel keeps of an address and takes back again for another device. */
typedef struct LinkAddress {
        IPAddress ip;               /* the host's own; its prefix is that of the network, or of the peer */
        IPAddress peer;             /* AF_UNSPEC: none */
        unsigned char broadcast[4]; /* IPv4; all zero: none */
        uint32_t flags;             /* linux/if_addr.h IFA_F_* */
        uint32_t valid, preferred;  /* seconds left; UINT32_MAX: for ever */
        uint32_t metric;            /* of the route to its network; 0: the usual one */
        uint8_t scope, protocol;
        char label[IFNAMSIZ]; /* IPv4 */
} LinkAddress;

/* All addresses of all links of the host, but link-local ones of IPv6 */
typedef struct HostAddress {
        IPAddress ip;
        int ifindex;
} HostAddress;
int address_list_all(Rtnl *rtnl, HostAddress **ret, size_t *ret_n);

/* In the kernel's order: IPv4 first to last as they were added, IPv6 last to first. All but link-local ones of IPv6. */
int link_address_list(Rtnl *rtnl, int ifindex, LinkAddress **ret, size_t *ret_n);
/* Usable at once. 0 also when it is there already; then flags and lifetimes are set. */
int link_address_put(Rtnl *rtnl, int ifindex, const LinkAddress *address);
int link_address_delete(Rtnl *rtnl, int ifindex, const LinkAddress *address); /* -EADDRNOTAVAIL: not there */
static inline bool link_address_same(
                const LinkAddress *a, const LinkAddress *b) { /* the kernel has but one of them */
        return ip_equal(&a->ip, &b->ip) && a->ip.prefix == b->ip.prefix && ip_equal(&a->peer, &b->peer);
}

/* Where a route leads to, of any table but what the kernel keeps for itself in table "local" */
typedef struct RouteDevice {
        int ifindex;     /* 0: nowhere; unreachable, blackhole, prohibit */
        bool is_default; /* 0.0.0.0/0 or ::/0 */
        bool is_from_ra; /* learned from a router advertisement, by the kernel or another */
        bool is_from_address;    /* the kernel made it for an address of the device */
        IPAddress destination;   /* with its prefix */
        IPAddress source;        /* preferred source; AF_UNSPEC: none */
        uint32_t table, metric;
} RouteDevice;
/* One entry for each route and next hop: a device can be there many times. No routes to link-local and
 * multicast addresses. */
int route_list_devices(Rtnl *rtnl, int family, RouteDevice **ret, size_t *ret_n);

typedef struct Route {
        int family;
        uint32_t table, metric; /* changed here, they are those of the copy; so is expires */
        uint32_t expires;       /* seconds, IPv6 only; 0: never */
        uint8_t type, protocol, scope;
        IPAddress destination, gateway,
                        source; /* a gateway or a preferred source may be missing: AF_UNSPEC */
        bool multipath, nexthop_object;
        bool behind;   /* IPv4: another device's route of the same destination and metric comes first */
        void *message; /* all of it, as the kernel told */
} Route;

/* Of all tables, those that lead over this device, but what the kernel keeps for itself in table "local". */
int route_list(Rtnl *rtnl, int ifindex, Route **ret, size_t *ret_n);
void route_list_free(Route *routes, size_t n);
/* The same route over the other device. The old one stays, except that in IPv6 the new one takes its place in one step
 * if it has a gateway. -EEXIST: it is there already; an IPv6 route then takes over what the copy says of "expires". */
int route_copy(Rtnl *rtnl, const Route *route, int from, int to);
bool route_copy_replaces(const Route *route);
/* The same route over the other device, or (from equals to) the route itself. -ESRCH: not there. */
int route_delete(Rtnl *rtnl, const Route *route, int from, int to);
