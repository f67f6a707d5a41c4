/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What of the host would be in the way of a switch, found before anybody wonders why frames do not arrive. Nothing is
 * changed. Each finding is one sentence, or two, that name what was found and what to type.
 *
 * A finding is an error when something of what was asked for would not work, else a warning. What cannot be looked at,
 * for want of privilege, is a warning too. */

#include "rtnl.h"

typedef struct Finding {
        bool is_error;
        const char *kind; /* for --json: "name", "address", "route", "mtu", "rp_filter", "firewall", "uplink", "unknown" */
        char *text;
} Finding;

typedef struct Preflight {
        Rtnl *rtnl;
        const char *bridge, *name; /* of the bridge, and of the switch */
        const IPAddress *addresses; /* with their prefixes */
        size_t n_addresses;
        unsigned mtu; /* 0: as the kernel has it */
        const char *uplink; /* NULL: none */
        bool nat;
        bool starting; /* the uplink is on its way, and says by itself what hinders it; nor is NAT looked at */

        /* what preflight_run() finds; the two links have an ifindex of 0 when they are not there, or not ours */
        Link link, port;
        RouteDevice *routes; /* of both families */
        size_t n_routes;
        int taken_by; /* the device that has one of the addresses; 0: none */
        Finding *findings;
        size_t n_findings;
} Preflight;

/* Fills in findings; -ENOMEM only. preflight_done() frees what was found. */
int preflight_run(Preflight *p);
void preflight_done(Preflight *p);
#define _cleanup_preflight_ _cleanup_(preflight_done)

bool preflight_has_errors(const Preflight *p);
/* To stdout: lines, in colour on a terminal, or a list for machines. Logs. */
int preflight_print(const Preflight *p, bool json);

/* ---- between preflight*.c; 0, negative errno when it could not be looked at ---- */

/* Once for each text */
int preflight_add(Preflight *p, bool is_error, const char *kind, const char *format, ...) _printf_(4, 5);
/* Its name, for a sentence; "nothing" for 0 */
const char *preflight_device(const Preflight *p, int ifindex, char buf[static IFNAMSIZ]);
bool preflight_has_family(const Preflight *p, int family);

int preflight_name(Preflight *p);     /* preflight-link.c; also finds p->link */
int preflight_uplink(Preflight *p);   /* also finds p->port */
int preflight_mtu(Preflight *p);
int preflight_addresses(Preflight *p); /* preflight-address.c */
int preflight_routes(Preflight *p);    /* finds p->routes */
int preflight_rp_filter(Preflight *p); /* preflight-link.c */
int preflight_firewall(Preflight *p);  /* preflight-firewall.c */
