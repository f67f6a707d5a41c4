/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sets of VLANs (IEEE 802.1Q: 1 to 4094), and what a port of a bridge is told of them. */

#include "parse-value.h"

#define VLAN_MAX 4094U

typedef struct VlanSet {
        uint64_t bits[(VLAN_MAX + 64) / 64];
} VlanSet;

static inline bool vlan_set_has(const VlanSet *set, unsigned vlan) {
        return set->bits[vlan / 64] >> (vlan % 64) & 1;
}
static inline void vlan_set_add(VlanSet *set, unsigned vlan) {
        set->bits[vlan / 64] |= UINT64_C(1) << (vlan % 64);
}
void vlan_set_add_all(VlanSet *set, const VlanSet *other);
/* The first run of VLANs that are all in the set and none below from; false: there is none. For all of them:
 * for (unsigned a = 1, b; vlan_set_run(set, a, &a, &b); a = b + 1) */
bool vlan_set_run(const VlanSet *set, unsigned from, unsigned *ret_first, unsigned *ret_last);
bool vlan_set_is_empty(const VlanSet *set);
/* "10,20-30", single ones and ranges in any order. -EINVAL, -ERANGE. */
int vlan_set_parse(const char *s, VlanSet *ret);

/* bridge(8): frames of the members pass, with their tag unless in untagged; what comes without a tag is of
 * pvid (0: dropped). Two that are equal are equal to memcmp(3). */
typedef struct PortVlans {
        VlanSet members, untagged;
        uint16_t pvid;
        uint16_t unused[3];
} PortVlans;

/* Of a port as networkers call it: one VLAN, untagged; 0: in none. */
PortVlans port_vlans_access(unsigned vlan);
/* Those of the set with their tags, native (0: none) without. */
PortVlans port_vlans_trunk(const VlanSet *tagged, unsigned native);
static inline bool port_vlans_equal(const PortVlans *a, const PortVlans *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}
