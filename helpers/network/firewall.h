/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Would a firewall of the host, in whatever table, drop what is forwarded for the guests behind a device? Nothing is changed:
 * a table of our own cannot overrule it, so all that helps is to say what to type.
 *
 * What the rules of nftables say is followed as far as they tell of devices, families and the state of a connection; a rule
 * that asks for more is given the benefit of the doubt. Rules of the old iptables (iptables-legacy) are not seen. */

#include "nft.h"
#include "strv.h"

typedef struct FirewallPacket {
        bool ipv6;
        const char *in, *out; /* devices; NULL: any */
        bool is_answer;       /* of an established connection; else a new one */
} FirewallPacket;

/* One sentence for each chain that drops what is forwarded from device, or the answers: which one that is, and what to
 * type. Silent; -errno with nft_reason(). *ret_sentences is a strv. */
int firewall_check(Nft *nft, const char *device, bool ipv4, bool ipv6, char ***ret_sentences);

/* 1: the chain of a table, as nft_query("list table ...") gave it, drops that packet; 0: it does not, for all that can be
 * told. firewall-walk.c. */
int firewall_chain_drops(json_t *table, const char *chain, const FirewallPacket *packet);
