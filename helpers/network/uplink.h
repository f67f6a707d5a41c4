/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of qnet-uplink. They log what goes wrong, once, and return negative errno. */

#include "log.h"
#include "rtnl.h"

/* What the arguments say, and what was found of it */
/* An interface that is gone is not an error yet: who called decides. */
#define uplink_error(r, ...) ((r) == -ENODEV ? -ENODEV : log_error_errno(r, __VA_ARGS__))

typedef struct Uplink {
        Rtnl *rtnl;
        const char *bridge_name, *device, *name; /* device: of add */
        IPAddress *keep;                         /* the switch's own addresses, with their prefixes */
        size_t n_keep;
        Link bridge, port; /* ifindex 0: not there */
} Uplink;

int uplink_add(Uplink *u);
int uplink_del(Uplink *u);

/* ---- uplink-check.c ---- */

/* Why a device cannot become the uplink: said before anything is changed. */
int uplink_check(Uplink *u);

/* ---- uplink-move.c ---- */

/* From one link to the other; to and from are the port and the bridge, or the other way round. Each is copied
 * before it is taken away, and only what the other one has is taken away: so it does not matter where it was
 * broken off, and it can be done again, in either direction. */
typedef struct Move {
        const Uplink *uplink;
        const Link *from, *to;
        bool home; /* from the bridge: what is the switch's own stays */
        Route *routes;
        size_t n_routes;
        bool *copied;
        unsigned n_addresses; /* that went */
} Move;

int move_copy_addresses(Move *m);
int move_copy_neighbours(Move *m);
int move_copy_routes(Move *m);
int move_delete_routes(Move *m);
int move_delete_addresses(Move *m);
void move_done(Move *m);
/* Takes from the bridge what was of a port that is gone. */
int move_forget(Move *m);

/* The bridge's MAC; what it has pinned of its guests stays. */
int uplink_set_bridge_mac(const Uplink *u, const struct ether_addr *mac);

/* ---- uplink-ra.c: default routes that the kernel itself has from router advertisements ---- */

/* Is it one? Only the kernel can make such a route, and only such a route lets it take in the next
 * advertisement. So it stays on the port, kept from ending, and one with a smaller metric goes to the bridge. */
bool ra_is_learned(const Route *route, const char *ifname);
/* From here on the bridge takes in router advertisements as the port did. */
int ra_accept(const Uplink *u);
int ra_refuse(const Uplink *u);
int ra_park(const Uplink *u, const Route *route);
/* Gives the port's own routes the lifetime of those on the bridge, which are deleted; marks them as done. */
int ra_unpark(Move *m);
