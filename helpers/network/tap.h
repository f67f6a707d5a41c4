/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs of qnet-tap, a file each. They log what goes wrong, once, and return negative errno. */

#include <sys/types.h>

#include <linux/if_link.h>

#include "rtnl.h"

typedef struct TapArguments {
        const char *ifname;
        const char *vm;
        const char *bridge;        /* NULL: none, then it has addresses */
        IPAddress *host_addresses; /* of the host, on the tap itself */
        size_t n_host_addresses;
        const char *device;    /* macvtap: the interface that it is on */
        unsigned mode;         /* macvtap: MACVLAN_MODE_* */
        struct ether_addr mac; /* of the guest's NIC */
        bool has_mac;          /* --mac=MAC */
        bool random_mac;       /* --mac=random: add leaves it open, own picks one */
        unsigned mtu;          /* 0: the bridge's */
        bool isolated;
        bool link_down;       /* the guest is unplugged */
        unsigned queues;      /* more than one: a tap that can be opened so often */
        unsigned access_vlan; /* 0: none */
        unsigned native_vlan;
        VlanSet trunk_vlans;
        Shape to_guest, from_guest;
        uid_t owner;          /* (uid_t) -1: not given */
        gid_t group;          /* (gid_t) -1: not given */
        const char *owner_of; /* a directory whose owner it is; NULL: not given */
        unsigned index;       /* of the interface in the VM */
        const char *env_file; /* NULL: not given */
        bool store;           /* a macvtap's descriptor goes to systemd, for QEMU */
        bool vhost;           /* tell whether there is vhost-net */
        IPAddress *pins;
        size_t n_pins;
        bool port_security;
        IPAddress *allowed; /* networks if they have a prefix */
        size_t n_allowed;
        bool json;
} TapArguments;

int tap_add(Rtnl *rtnl, const TapArguments *arguments);
int tap_set(Rtnl *rtnl, const TapArguments *arguments); /* as add, of one that is there */
int tap_add_macvtap(Rtnl *rtnl, const TapArguments *arguments);
int tap_own(Rtnl *rtnl, const TapArguments *arguments);
int tap_del(Rtnl *rtnl, const TapArguments *arguments);
int tap_show(Rtnl *rtnl, const TapArguments *arguments);

/* Port security as asked for, or none. link: as it was before, all zero if it is new; bridge: NULL for none. */
int tap_secure(Rtnl *rtnl, const TapArguments *arguments, const Link *link, const Link *bridge, bool is_new);

/* What own hands QEMU besides (tap-hand.c) */
int tap_store(const TapArguments *arguments, const Link *link);
int tap_tell_vhost(const TapArguments *arguments);

/* After all else of the tap is as it shall be: makes its wire so. link: as add or set found it; all zero
 * but ifindex if it is new. */
int tap_shape(Rtnl *rtnl, const TapArguments *arguments, const Link *link);
/* When the tap is gone, or never came to be */
int tap_unshape(Rtnl *rtnl, const char *ifname);
/* The device that frames from the guest pass is to go with the tap; 0 also if there is none. Silent. */
int tap_set_wire_leaving(Rtnl *rtnl, const char *ifname);
/* Of the device that frames from the guest pass, if they are shaped */
void tap_wire_name(const char *ifname, char buf[static IFNAMSIZ]);

static inline bool link_is_macvtap(const Link *link) {
        return streq(link->kind, "macvtap");
}
/* A tap or macvtap of any VM */
static inline bool link_is_our_tap(const Link *link) {
        return (link->is_tap || link_is_macvtap(link)) && link->alias.kind == ALIAS_TAP;
}
static inline bool tap_has_vlans(const TapArguments *arguments) {
        return arguments->access_vlan > 0 || !vlan_set_is_empty(&arguments->trunk_vlans);
}
/* The device in whose neighbour table the guest's addresses are: the bridge, or, if the port is in another
 * VLAN than the host on it, the VLAN interface on the bridge; the tap itself if it is on no bridge.
 * Silent. */
int tap_find_neighbour_device(Rtnl *rtnl, const Link *tap, int *ret_ifindex);
/* Deletes the permanent neighbour entries of the guest's MAC on the bridge and on VLAN interfaces on it,
 * or on the tap itself. Silent. */
int tap_unpin(Rtnl *rtnl, const Link *tap);
/* The MAC that the alias of this tap is to have: the one given, or the random one that it has already. */
Alias tap_alias(const TapArguments *arguments, const Link *link);
/* The tap's own MAC is the guest's with fe in front: a bridge without a MAC of its own takes the lowest of
 * its ports', and this one is higher than any that a vendor gives. */
static inline struct ether_addr tap_own_mac(const struct ether_addr *guest) {
        struct ether_addr mac = *guest;
        mac.ether_addr_octet[0] = 0xfe;
        return mac;
}
