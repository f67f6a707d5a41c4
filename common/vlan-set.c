/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vlan-set.h"

static int parse_range(char *s, VlanSet *set) {
        unsigned first, last;
        char *dash = strchr(s, '-');
        int r;

        if (dash)
                *dash = '\0';
        r = parse_unsigned(s, 1, VLAN_MAX, &first);
        if (r < 0)
                return r;
        r = parse_unsigned(dash ? dash + 1 : s, 1, VLAN_MAX, &last);
        if (r < 0)
                return r;
        if (last < first)
                return -EINVAL;
        for (unsigned v = first; v <= last; v++)
                vlan_set_add(set, v);
        return 0;
}

int vlan_set_parse(const char *s, VlanSet *ret) {
        _cleanup_free_ char *copy = strdup(s);
        char *next = copy, *word;
        VlanSet set = { 0 };
        int r;

        if (!copy)
                return -ENOMEM;
        while ((word = strsep(&next, ","))) {
                r = parse_range(word, &set);
                if (r < 0)
                        return r;
        }
        *ret = set;
        return 0;
}

bool vlan_set_is_empty(const VlanSet *set) {
        for (size_t i = 0; i < ELEMENTSOF(set->bits); i++)
                if (set->bits[i])
                        return false;
        return true;
}

void vlan_set_add_all(VlanSet *set, const VlanSet *other) {
        for (size_t i = 0; i < ELEMENTSOF(set->bits); i++)
                set->bits[i] |= other->bits[i];
}

/* The first from v on that is in the set, or is not; VLAN_MAX + 1: there is none. 64 at once: the generator asks for each
 * tap, and most are in no VLAN. */
static unsigned find_next(const VlanSet *set, unsigned v, bool member) {
        for (; v <= VLAN_MAX; v = (v / 64 + 1) * 64) {
                uint64_t found = (member ? set->bits[v / 64] : ~set->bits[v / 64]) >> (v % 64);

                if (found)
                        return MIN(v + (unsigned) __builtin_ctzll(found), VLAN_MAX + 1);
        }
        return VLAN_MAX + 1;
}

bool vlan_set_run(const VlanSet *set, unsigned from, unsigned *ret_first, unsigned *ret_last) {
        unsigned first = find_next(set, from, true);

        if (first > VLAN_MAX)
                return false;
        *ret_first = first;
        *ret_last = find_next(set, first, false) - 1;
        return true;
}

PortVlans port_vlans_access(unsigned vlan) {
        return port_vlans_trunk(&(VlanSet){ 0 }, vlan);
}

PortVlans port_vlans_trunk(const VlanSet *tagged, unsigned native) {
        PortVlans vlans = { .members = *tagged, .pvid = (uint16_t) native };

        if (native > 0) {
                vlan_set_add(&vlans.members, native);
                vlan_set_add(&vlans.untagged, native);
        }
        return vlans;
}
