/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Would a firewall of the host, in whatever table, drop what is forwarded for the guests behind a device, or what they send
 * to each other over a bridge? Nothing is changed: a table of our own cannot overrule it, so all that helps is to say what
 * to type.
 *
 * What the rules of nftables say is followed as far as they tell of devices, families and the state of a connection; a rule
 * that asks for more is given the benefit of the doubt. Rules of the old iptables (iptables-legacy) are put into the same
 * words; only root sees them, with a socket of AF_INET. */

#include "nft.h"
#include "strv.h"

typedef enum FirewallWay {
        FIREWALL_ROUTED,  /* in or out by the device, and by others */
        FIREWALL_BRIDGED, /* from one port of the device to another; br_netfilter(8)'s doing */
} FirewallWay;

typedef struct FirewallPacket {
        bool ipv6;
        const char *in, *out; /* devices; NULL: any */
        bool is_answer;       /* of an established connection; else a new one */
        bool is_bridged;
} FirewallPacket;

/* One sentence for each chain that drops what goes that way, or the answers: which one that is, and what to type. Silent;
 * -errno with nft_reason(). nft: NULL to look at iptables-legacy alone. *ret_sentences is a strv. */
int firewall_check(Nft *nft, FirewallWay way, const char *device, bool ipv4, bool ipv6, char ***ret_sentences);

/* 1: the chain of a table, as nft_query("list table ...") gave it, drops that packet; 0: it does not, for all that can be
 * told. firewall-walk.c. */
int firewall_chain_drops(json_t *table, const char *chain, const FirewallPacket *packet);

/* The table "filter" of iptables-legacy as "list table ip filter" would give it, ip6tables-legacy if ipv6; -ENOENT: there
 * is none, or it may not be seen. firewall-legacy.c. */
int firewall_legacy_table(bool ipv6, json_t **ret);
