/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* qnet-nat in parts: nat-table.c says the rules of one NAT, nat-state.c keeps the table that all NATs share,
 * nat-forwarding.c turns the kernel's forwarding on and off, nat-add.c puts these in order. */

#include <net/if.h>

#include "nft.h"
#include "rtnl.h"

/* A port of the host that leads to one of a guest */
typedef struct NatForward {
        bool udp;       /* else TCP */
        IPAddress host; /* AF_UNSPEC: any of the host's, of the guest's family */
        unsigned host_port;
        IPAddress guest;
        unsigned guest_port;
} NatForward;

/* PROTO:[HOSTIP]:PORT:GUESTIP:PORT, IPv6 in brackets; silent, -EINVAL or -ERANGE. */
int nat_forward_parse(const char *s, NatForward *ret);

typedef struct NatArguments {
        const char *name;
        const char *device;
        IPAddress *networks; /* with their prefixes */
        size_t n_networks;
        NatForward *forwards;
        size_t n_forwards;
} NatArguments;

static inline bool nat_has_family(const NatArguments *a, int family) {
        for (size_t i = 0; i < a->n_networks; i++)
                if (a->networks[i].family == family)
                        return true;
        return false;
}

/* A --forward= that counts on 127.0.0.1, too */
static inline bool nat_has_loopback(const NatArguments *a) {
        for (size_t i = 0; i < a->n_forwards; i++)
                if (a->forwards[i].guest.family == AF_INET &&
                                (a->forwards[i].host.family == AF_UNSPEC || a->forwards[i].host.bytes[0] == 127))
                        return true;
        return false;
}

/* Both log what goes wrong, once. */
int nat_add(Rtnl *rtnl, Nft *nft, const NatArguments *a);
int nat_del(Rtnl *rtnl, Nft *nft, const NatArguments *a);

/* The table "inet qnet-nat-NAME", for nft_run(): replaces the one that is there. */
#define NAT_TABLE "qnet-nat-"
void nat_table_write(FILE *f, const NatArguments *a);

/* ---- what all NATs of the host share: the table "inet qnet-forwarding" ---- */

#define NAT_SHARED_TABLE "qnet-forwarding"

/* Names of devices that were not forwarding before: the first NAT turned it on, the last will turn it off. */
typedef enum NatSet {
        NAT_FORWARDING4, /* ipv4 forwarding; "all": conf/all was off too */
        NAT_LOCALNET4,   /* ipv4 route_localnet: the host's own 127.0.0.1 may lead to a guest */
        NAT_FORWARDING6, /* ipv6 forwarding; "all": of the whole host, for kernels without force_forwarding */
        NAT_FORCE6,      /* ipv6 force_forwarding (Linux 6.17), or would be */
        NAT_ROUTER6,     /* had ipv6 forwarding on their own, before "all" was changed */
        NAT_RA6,         /* accept_ra is 2 for the moment, and to become 1; "default": "all" is being changed */
        _NAT_SET_MAX,
} NatSet;

typedef struct NatNames {
        char (*names)[IFNAMSIZ];
        size_t n;
} NatNames;

typedef struct NatDevice {
        char ifname[IFNAMSIZ];
        char nat[NAME_LENGTH_MAX + 1];
} NatDevice;

typedef struct NatState {
        NatNames set[_NAT_SET_MAX];
        NatDevice *devices; /* behind which the guests are */
        size_t n_devices;
} NatState;

bool nat_state_has(const NatState *s, NatSet set, const char *name);
int nat_state_insert(NatState *s, NatSet set, const char *name);
void nat_state_remove(NatState *s, NatSet set, const char *name);
void nat_state_clear(NatState *s, NatSet set);
int nat_state_add_device(NatState *s, const char *ifname, const char *nat);
void nat_state_remove_device(NatState *s, const char *nat);

/* All empty when there is no such table. */
int nat_state_load(Nft *nft, NatState *ret);
/* For nft_run(): replaces the table; without any device, removes it. */
void nat_state_write(FILE *f, const NatState *s);
void nat_state_done(NatState *s);
#define _cleanup_nat_state_ _cleanup_(nat_state_done)

/* ---- forwarding ---- */

/* What is off and must be on for this NAT goes into the sets. Nothing is changed but what was left of another. */
int nat_forwarding_plan(Rtnl *rtnl, NatState *s, const NatArguments *a);
/* Turns on what stands in the sets. *s is saved already; it is saved again if it changes. */
int nat_forwarding_turn_on(Nft *nft, NatState *s);
/* Turns off what stands in the sets, for the last NAT; or for one device that nobody else needs. */
int nat_forwarding_turn_off(Rtnl *rtnl, Nft *nft, NatState *s);
int nat_forwarding_turn_off_device(Rtnl *rtnl, NatState *s, const char *ifname);
