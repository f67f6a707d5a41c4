/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The VLANs of a bridge's ports over rtnetlink(7). Read with RTM_GETVLAN, which can be asked for one port;
 * written with RTM_SETLINK and RTM_DELLINK of AF_BRIDGE, which take many in one message
 * (linux/if_bridge.h). */

#include <linux/if_bridge.h>

#include "nl-util.h"

static const struct nla_policy entry_policy[BRIDGE_VLANDB_ENTRY_MAX + 1] = {
        [BRIDGE_VLANDB_ENTRY_INFO] = { .minlen = sizeof(struct bridge_vlan_info) },
        [BRIDGE_VLANDB_ENTRY_RANGE] = { .type = NLA_U16 },
};

typedef struct VlanDump {
        int ifindex;
        PortVlans vlans;
} VlanDump;

static int read_entry(struct nlattr *entry, PortVlans *vlans) {
        struct nlattr *tb[BRIDGE_VLANDB_ENTRY_MAX + 1];
        struct bridge_vlan_info info;
        unsigned last;

        if (nla_parse_nested(tb, BRIDGE_VLANDB_ENTRY_MAX, entry, entry_policy) < 0 ||
                        !tb[BRIDGE_VLANDB_ENTRY_INFO])
                return -EBADMSG;
        memcpy(&info, nla_data(tb[BRIDGE_VLANDB_ENTRY_INFO]), sizeof(info));
        last = tb[BRIDGE_VLANDB_ENTRY_RANGE] ? nla_get_u16(tb[BRIDGE_VLANDB_ENTRY_RANGE]) : info.vid;
        if (info.vid < 1 || last > VLAN_MAX)
                return -EBADMSG;
        for (unsigned v = info.vid; v <= last; v++) {
                vlan_set_add(&vlans->members, v);
                if (info.flags & BRIDGE_VLAN_INFO_UNTAGGED)
                        vlan_set_add(&vlans->untagged, v);
        }
        if (info.flags & BRIDGE_VLAN_INFO_PVID)
                vlans->pvid = info.vid;
        return 0;
}

int vlans_from_message(struct nlmsghdr *h, int ifindex, PortVlans *vlans) {
        struct nlattr *a;
        int r, left;

        if (h->nlmsg_type != RTM_NEWVLAN)
                return 0;
        if (!nlmsg_valid_hdr(h, sizeof(struct br_vlan_msg)))
                return -EBADMSG;
        if (((struct br_vlan_msg *) nlmsg_data(h))->ifindex != (uint32_t) ifindex)
                return 0;
        nlmsg_for_each_attr(a, h, sizeof(struct br_vlan_msg), left) {
                if (nla_type(a) != BRIDGE_VLANDB_ENTRY)
                        continue;
                r = read_entry(a, vlans);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int dump_vlans(struct nlmsghdr *h, void *userdata) {
        VlanDump *dump = userdata;

        return vlans_from_message(h, dump->ifindex, &dump->vlans);
}

int port_get_vlans(Rtnl *rtnl, int ifindex, PortVlans *ret) {
        struct br_vlan_msg bvm = { .family = AF_BRIDGE, .ifindex = (uint32_t) ifindex };
        VlanDump dump;
        int r = -EINTR;

        for (unsigned i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
                _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETVLAN, NLM_F_DUMP, &bvm, sizeof(bvm));
                dump = (VlanDump){ .ifindex = ifindex };
                r = m ? rtnl_call(rtnl, m, dump_vlans, &dump) : -ENOMEM;
        }
        if (r < 0)
                return r == -EINTR ? -EAGAIN : r;
        *ret = dump.vlans;
        return 0;
}

/* ---- changing ---- */

static uint16_t flags_of(const PortVlans *vlans, unsigned vlan) {
        return (uint16_t) ((vlan_set_has(&vlans->untagged, vlan) ? BRIDGE_VLAN_INFO_UNTAGGED : 0) |
                           (vlans->pvid == vlan ? BRIDGE_VLAN_INFO_PVID : 0));
}

/* How many from this one on are in the set and alike; the PVID goes alone, as the kernel wants it. */
static unsigned run_length(const VlanSet *set, const PortVlans *vlans, unsigned first) {
        unsigned last = first;

        while (last < VLAN_MAX && vlan_set_has(set, last + 1) &&
                        !((flags_of(vlans, first) | flags_of(vlans, last + 1)) & BRIDGE_VLAN_INFO_PVID) &&
                        flags_of(vlans, first) == flags_of(vlans, last + 1))
                last++;
        return last - first + 1;
}

static int put_info(struct nl_msg *m, unsigned vlan, uint16_t flags) {
        struct bridge_vlan_info info = { .flags = flags, .vid = (uint16_t) vlan };

        NLA_PUT(m, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}

static int put_run(struct nl_msg *m, unsigned first, unsigned n, uint16_t flags) {
        int r;

        if (n == 1)
                return put_info(m, first, flags);
        r = put_info(m, first, flags | BRIDGE_VLAN_INFO_RANGE_BEGIN);
        return r < 0 ? r : put_info(m, first + n - 1, flags | BRIDGE_VLAN_INFO_RANGE_END);
}

/* As many runs in one message; *vlan goes on to the first that is not in it. */
#define RUNS_PER_MESSAGE 100U /* of two attributes of 8 bytes: within libnl's 4 KiB */
static int send_runs(Rtnl *rtnl, int type, int ifindex, const VlanSet *set, const PortVlans *vlans,
                unsigned *vlan) {
        struct ifinfomsg ifi = { .ifi_family = AF_BRIDGE, .ifi_index = ifindex };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(type, NLM_F_ACK, &ifi, sizeof(ifi));
        struct nlattr *spec;
        unsigned runs = 0;
        int r;

        if (!m)
                return -ENOMEM;
        spec = nla_nest_start(m, IFLA_AF_SPEC);
        if (!spec)
                return -EMSGSIZE;
        while (*vlan <= VLAN_MAX && runs < RUNS_PER_MESSAGE) {
                unsigned n = 1;
                if (vlan_set_has(set, *vlan)) {
                        n = run_length(set, vlans, *vlan);
                        r = put_run(m, *vlan, n, flags_of(vlans, *vlan));
                        if (r < 0)
                                return r;
                        runs++;
                }
                *vlan += n;
        }
        nla_nest_end(m, spec);
        return runs > 0 ? rtnl_call(rtnl, m, NULL, NULL) : 0;
}

static int change_vlans(Rtnl *rtnl, int type, int ifindex, const VlanSet *set, const PortVlans *vlans) {
        unsigned vlan = 1;
        int r = 0;

        while (vlan <= VLAN_MAX && r >= 0)
                r = send_runs(rtnl, type, ifindex, set, vlans, &vlan);
        return r;
}

/* The new ones first: at no time is the port in neither, nor in more than the two. */
int port_set_vlans(Rtnl *rtnl, int ifindex, const PortVlans *vlans) {
        VlanSet add = { 0 }, remove = { 0 };
        PortVlans have;
        int r;

        r = port_get_vlans(rtnl, ifindex, &have);
        if (r < 0)
                return r;
        for (unsigned v = 1; v <= VLAN_MAX; v++)
                if (!vlan_set_has(&vlans->members, v)) {
                        if (vlan_set_has(&have.members, v))
                                vlan_set_add(&remove, v);
                } else if (!vlan_set_has(&have.members, v) || flags_of(&have, v) != flags_of(vlans, v))
                        vlan_set_add(&add, v);
        r = change_vlans(rtnl, RTM_SETLINK, ifindex, &add, vlans);
        return r < 0 ? r : change_vlans(rtnl, RTM_DELLINK, ifindex, &remove, &(PortVlans){ 0 });
}
