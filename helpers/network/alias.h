/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The link alias (IFLA_IFALIAS) is qnet's only record of what a link is for; it lives and dies with the link:
 *
 *     tap, macvtap   qnet:vm=NAME mac=52:54:00:aa:bb:cc    the MAC is that of the guest's NIC; missing until it is known
 *     bridge         qnet:switch=NAME
 *     veth           qnet:trunk=BRIDGE-BRIDGE               both ends have the same
 *     vxlan          qnet:vxlan=BRIDGE
 *     ifb            qnet:wire=TAP                          what that tap's guest sends passes it
 *     uplink         qnet:uplink=NAME down was=TEXT         the host's own device: what it was before
 *
 * Further " key=value" words are ignored. An alias without the "qnet:" prefix is somebody else's. Only those with
 * CAP_NET_ADMIN can set one, but an administrator's hand is not ours: what is not of this form is foreign. */

#include "parse-value.h"

#define ALIAS_SIZE 256 /* linux/if.h IFALIASZ, with the final NUL */

typedef enum AliasKind {
        ALIAS_FOREIGN, /* none, not ours, or not understood */
        ALIAS_TAP,
        ALIAS_SWITCH,
        ALIAS_TRUNK,
        ALIAS_VXLAN,
        ALIAS_WIRE,
        ALIAS_UPLINK,
} AliasKind;

typedef struct Alias {
        AliasKind kind;
        bool has_mac;
        struct ether_addr mac;
        bool was_down;     /* uplink: it was not up */
        unsigned char was; /* uplink: where in the text its former alias begins, to the end; 0: it had none */
        char name[NAME_LENGTH_MAX + 1]; /* of the VM or the switch; what a trunk, tunnel, wire or uplink leads to */
} Alias;

/* 0; -ENOENT without our prefix (also NULL), -EINVAL with it but not of the form: *ret is then all zero,
 * which is foreign. */
int alias_parse(const char *text, Alias *ret);
const char *alias_format(const Alias *alias,
                char buf[static ALIAS_SIZE]); /* of one that is not foreign, without the former one; returns buf */
