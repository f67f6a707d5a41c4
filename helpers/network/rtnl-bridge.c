/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bridges and their ports over rtnetlink(7): make one, and what it and a port of it can be told. The
 * attributes are IFLA_BR_* and IFLA_BRPORT_* of linux/if_link.h; times in them are in hundredths of a
 * second. */

#include "nl-util.h"

/* IEEE 802.1D, 8.10.2: 2 * (forward delay - 1 s) >= max age >= 2 * (hello + 1 s). With the usual hello of
 * 2 s these are the shortest; a port forwards after twice the delay, where the usual values make a guest
 * wait for 30 s. */
#define STP_FORWARD_DELAY 400U
#define STP_MAX_AGE       600U

/* Not in link_set()'s message: the kernel takes a port's attributes only from a link that is a port
 * already. */
int link_set_isolated(Rtnl *rtnl, int ifindex, bool isolated) {
        struct ifinfomsg ifi = { .ifi_index = ifindex };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_NEWLINK, NLM_F_ACK, &ifi, sizeof(ifi));
        struct nlattr *info, *data;

        if (!m)
                return -ENOMEM;
        info = nla_nest_start(m, IFLA_LINKINFO);
        if (!info)
                goto nla_put_failure;
        NLA_PUT_STRING(m, IFLA_INFO_SLAVE_KIND, "bridge");
        data = nla_nest_start(m, IFLA_INFO_SLAVE_DATA);
        if (!data)
                goto nla_put_failure;
        NLA_PUT_U8(m, IFLA_BRPORT_ISOLATED, isolated);
        nla_nest_end(m, data);
        nla_nest_end(m, info);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

int link_add_bridge(Rtnl *rtnl, const char *name, const struct ether_addr *mac) {
        struct ifinfomsg ifi = { 0 };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(
                        RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
        struct nlattr *info, *data;

        if (!m)
                return -ENOMEM;
        NLA_PUT_STRING(m, IFLA_IFNAME, name);
        NLA_PUT(m, IFLA_ADDRESS, sizeof(*mac), mac);
        NLA_PUT_U32(m, IFLA_GROUP, LINK_GROUP);
        info = nla_nest_start(m, IFLA_LINKINFO);
        if (!info)
                goto nla_put_failure;
        NLA_PUT_STRING(m, IFLA_INFO_KIND, "bridge");
        data = nla_nest_start(m, IFLA_INFO_DATA);
        if (!data)
                goto nla_put_failure;
        NLA_PUT_U32(m, IFLA_BR_STP_STATE, 0);
        NLA_PUT_U32(m, IFLA_BR_FORWARD_DELAY, 0);
        NLA_PUT_U8(m, IFLA_BR_MCAST_SNOOPING,
                        0); /* nobody queries on such a segment: every port gets all, as on a plain switch */
        nla_nest_end(m, data);
        nla_nest_end(m, info);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

static struct nl_msg *change_bridge(int ifindex, struct nlattr **ret_info, struct nlattr **ret_data) {
        struct ifinfomsg ifi = { .ifi_index = ifindex };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_NEWLINK, NLM_F_ACK, &ifi, sizeof(ifi));

        if (!m)
                return NULL;
        *ret_info = nla_nest_start(m, IFLA_LINKINFO);
        if (!*ret_info || nla_put_string(m, IFLA_INFO_KIND, "bridge") < 0)
                return NULL;
        *ret_data = nla_nest_start(m, IFLA_INFO_DATA);
        return *ret_data ? TAKE_PTR(m) : NULL;
}

/* The kernel takes a delay below 2 s only while STP is off, and reads the delay first. */
static int stop_stp(Rtnl *rtnl, int ifindex) {
        struct nlattr *info, *data;
        _cleanup_nl_msg_ struct nl_msg *m = change_bridge(ifindex, &info, &data);

        if (!m)
                return -ENOMEM;
        NLA_PUT_U32(m, IFLA_BR_STP_STATE, 0);
        nla_nest_end(m, data);
        nla_nest_end(m, info);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

int bridge_set(Rtnl *rtnl, int ifindex, const BridgeOptions *o) {
        _cleanup_nl_msg_ struct nl_msg *m = NULL;
        struct nlattr *info, *data;
        int r;

        if (!o->stp) {
                r = stop_stp(rtnl, ifindex);
                if (r < 0)
                        return r;
        }
        m = change_bridge(ifindex, &info, &data);
        if (!m)
                return -ENOMEM;
        NLA_PUT_U32(m, IFLA_BR_FORWARD_DELAY, o->stp ? STP_FORWARD_DELAY : 0);
        if (o->stp)
                NLA_PUT_U32(m, IFLA_BR_MAX_AGE, STP_MAX_AGE);
        NLA_PUT_U32(m, IFLA_BR_STP_STATE, o->stp);
        NLA_PUT_U32(m, IFLA_BR_AGEING_TIME, o->ageing);
        NLA_PUT_U16(m, IFLA_BR_GROUP_FWD_MASK, o->group_forward_mask);
        nla_nest_end(m, data);
        nla_nest_end(m, info);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

int bridge_set_vlan_filtering(Rtnl *rtnl, int ifindex, bool on) {
        struct nlattr *info, *data;
        _cleanup_nl_msg_ struct nl_msg *m = change_bridge(ifindex, &info, &data);

        if (!m)
                return -ENOMEM;
        NLA_PUT_U8(m, IFLA_BR_VLAN_FILTERING, on);
        nla_nest_end(m, data);
        nla_nest_end(m, info);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}
