/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From what a tester reports to the VM that is meant, by what the kernel knows: IP address -> neighbour table
 * of the bridges that have taps of ours -> MAC -> FDB -> port -> link alias -> VM. Two dumps of links, then
 * single requests: the size of the neighbour table does not matter.
 *
 * On a bridge that filters VLANs, the host is in one VLAN by the bridge itself and in others by VLAN interfaces on
 * it, each with a neighbour table of its own, and an FDB entry is of one VLAN. Where that has none, the MAC is
 * looked for in all VLANs, which takes a dump of that FDB.
 *
 * Nobody but the VM that is meant may be hit, whatever guests do. They choose what they send, so:
 *   - a guest that answers ARP for another's address is where the address now is; it is restarted, the victim is not;
 *   - a guest that sends with another's MAC moves the FDB entry to its own port, but the link alias (only root writes
 *     it) still names the owner: the two disagree, refused;
 *   - one that tells ARP its own address were at another's MAC: refused where the kernel has a permanent entry (static
 *     Address=, lease of ours) for it, as that cannot be changed, and by resolve_check_claim() where it has one for the
 *     victim. On a bridge where no address of either is known for certain, nothing tells this from the truth.
 *   - two VMs with one MAC, or one address on two bridges: refused.
 * An FDB entry that has aged is no loss: the alias's MAC stands in for it. The other way round, a MAC that is in no alias
 * is behind the port where the FDB has it: the guest changed it, or its unit did not say.
 *
 * Silent; *ret_why says in a sentence why not, for the journal. */

#include "rtnl.h"

typedef struct Target {
        char vm[NAME_LENGTH_MAX + 1];
        IPAddress ip;          /* AF_UNSPEC: the line was not an address */
        bool has_mac, learned; /* learned: by ARP or neighbour discovery, not a permanent entry */
        struct ether_addr mac;
        /* whose neighbour table the address is in: the bridge, a VLAN interface on it, or a tap without one;
         * 0: none */
        int device;
        char tap[IFNAMSIZ], bridge[IFNAMSIZ];
} Target;

typedef struct Resolver Resolver;

int resolver_new(Rtnl *rtnl, Resolver **ret); /* a snapshot of the links */
Resolver *resolver_free(Resolver *r);         /* always NULL */
static inline void resolver_freep(Resolver **r) {
        resolver_free(*r);
}
#define _cleanup_resolver_ _cleanup_(resolver_freep)

/* word: "10.9.0.5", "fe80::1", "fe80::1%s1", "52:54:00:12:34:56" or a VM's name, which need not have a
 * tap. -EINVAL: none of these; -ENOENT: not found; -ENOTUNIQ: refused; these three set *ret_why. Else the
 * request failed. */
int resolve(Resolver *r, const char *word, Target *ret, char **ret_why);

/* Costs a dump of the neighbour table, so it is for those that are about to be acted on, and for learned
 * addresses only: does the kernel know the VM's MAC for certain under another address of the same family?
 * Then -ENOTUNIQ, *ret_why. An IPv6 address that is formed of the MAC (RFC 4291) needs no other witness. */
int resolve_check_claim(Resolver *r, const Target *target, char **ret_why);
