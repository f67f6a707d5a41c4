/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Links that are made of nothing or of another link, over rtnetlink(7): veth pairs, macvtaps, ifb devices,
 * VXLAN tunnels. The attributes are those of linux/if_link.h and linux/veth.h. */

#include <linux/veth.h>

#include "nl-util.h"

static const struct nla_policy info_policy[IFLA_INFO_MAX + 1] = {
        [IFLA_INFO_KIND] = { .type = NLA_STRING },
        [IFLA_INFO_DATA] = { .type = NLA_NESTED },
};
static const struct nla_policy vxlan_policy[IFLA_VXLAN_MAX + 1] = {
        [IFLA_VXLAN_ID] = { .type = NLA_U32 },
        [IFLA_VXLAN_LINK] = { .type = NLA_U32 },
        [IFLA_VXLAN_PORT] = { .type = NLA_U16 },
};

/* A message that makes a link of that kind, up to and into IFLA_INFO_DATA; end() closes what is open. mac: NULL for any. */
typedef struct NewLink {
        struct nl_msg *m;
        struct nlattr *info, *data;
} NewLink;

static void new_link_done(NewLink *new) {
        nlmsg_free(new->m);
}

static int begin(NewLink *new, const char *kind, const char *name, const struct ether_addr *mac, int lower) {
        struct ifinfomsg ifi = { 0 };
        struct nl_msg *m;

        m = new->m = message_new(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
        if (!m)
                return -ENOMEM;
        NLA_PUT_STRING(m, IFLA_IFNAME, name);
        if (mac)
                NLA_PUT(m, IFLA_ADDRESS, sizeof(*mac), mac);
        NLA_PUT_U32(m, IFLA_GROUP, LINK_GROUP);
        if (lower > 0)
                NLA_PUT_U32(m, IFLA_LINK, (uint32_t) lower);
        new->info = nla_nest_start(m, IFLA_LINKINFO);
        if (!new->info)
                goto nla_put_failure;
        NLA_PUT_STRING(m, IFLA_INFO_KIND, kind);
        new->data = nla_nest_start(m, IFLA_INFO_DATA);
        if (new->data)
                return 0;

nla_put_failure:
        return -EMSGSIZE;
}

static int end(Rtnl *rtnl, NewLink *new) {
        nla_nest_end(new->m, new->data);
        nla_nest_end(new->m, new->info);
        return rtnl_call(rtnl, new->m, NULL, NULL);
}

int link_add_veth(Rtnl *rtnl, const char *name, const struct ether_addr *mac, const char *peer,
                const struct ether_addr *peer_mac) {
        _cleanup_(new_link_done) NewLink new = { 0 };
        struct ifinfomsg ifi = { 0 };
        struct nlattr *nest;
        int r;

        r = begin(&new, "veth", name, mac, 0);
        if (r < 0)
                return r;
        nest = nla_nest_start(new.m, VETH_INFO_PEER);
        if (!nest || nlmsg_append(new.m, &ifi, sizeof(ifi), NLMSG_ALIGNTO) < 0)
                goto nla_put_failure;
        NLA_PUT_STRING(new.m, IFLA_IFNAME, peer);
        NLA_PUT(new.m, IFLA_ADDRESS, sizeof(*peer_mac), peer_mac);
        NLA_PUT_U32(new.m, IFLA_GROUP, LINK_GROUP);
        nla_nest_end(new.m, nest);
        return end(rtnl, &new);

nla_put_failure:
        return -EMSGSIZE;
}

int link_add_macvtap(Rtnl *rtnl, const char *name, const struct ether_addr *mac, int lower, unsigned mode) {
        _cleanup_(new_link_done) NewLink new = { 0 };
        int r;

        r = begin(&new, "macvtap", name, mac, lower);
        if (r < 0)
                return r;
        NLA_PUT_U32(new.m, IFLA_MACVLAN_MODE, mode);
        return end(rtnl, &new);

nla_put_failure:
        return -EMSGSIZE;
}

int link_set_macvtap_mode(Rtnl *rtnl, int ifindex, unsigned mode) {
        struct ifinfomsg ifi = { .ifi_index = ifindex };
        _cleanup_(new_link_done) NewLink new = { .m = message_new(
                                                                 RTM_NEWLINK, NLM_F_ACK, &ifi, sizeof(ifi)) };

        if (!new.m)
                return -ENOMEM;
        new.info = nla_nest_start(new.m, IFLA_LINKINFO);
        if (!new.info)
                goto nla_put_failure;
        NLA_PUT_STRING(new.m, IFLA_INFO_KIND, "macvtap");
        new.data = nla_nest_start(new.m, IFLA_INFO_DATA);
        if (!new.data)
                goto nla_put_failure;
        NLA_PUT_U32(new.m, IFLA_MACVLAN_MODE, mode);
        return end(rtnl, &new);

nla_put_failure:
        return -EMSGSIZE;
}

/* Nobody sees its MAC: the kernel may pick one. */
int link_add_ifb(Rtnl *rtnl, const char *name) {
        _cleanup_(new_link_done) NewLink new = { 0 };
        int r;

        r = begin(&new, "ifb", name, NULL, 0);
        return r < 0 ? r : end(rtnl, &new);
}

/* ---- VXLAN ---- */

static int put_address(struct nl_msg *m, const IPAddress *ip, int attribute4, int attribute6) {
        if (ip->family == AF_INET)
                NLA_PUT(m, attribute4, 4, ip->bytes);
        else if (ip->family == AF_INET6)
                NLA_PUT(m, attribute6, 16, ip->bytes);
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}

int link_add_vxlan(Rtnl *rtnl, const char *name, const struct ether_addr *mac, const Vxlan *v) {
        const IPAddress any = { .family = v->ipv6 ? AF_INET6 : AF_INET };
        _cleanup_(new_link_done) NewLink new = { 0 };
        int r;

        r = begin(&new, "vxlan", name, mac, 0);
        if (r < 0)
                return r;
        NLA_PUT_U32(new.m, IFLA_VXLAN_ID, v->vni);
        NLA_PUT_U16(new.m, IFLA_VXLAN_PORT, htons((uint16_t) v->port));
        NLA_PUT_U8(new.m, IFLA_VXLAN_LEARNING, 1);
        if (v->lower > 0)
                NLA_PUT_U32(new.m, IFLA_VXLAN_LINK, (uint32_t) v->lower);
        if (put_address(new.m, &v->group, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6) < 0 ||
                        put_address(new.m, v->local.family == AF_UNSPEC ? &any : &v->local, IFLA_VXLAN_LOCAL,
                                        IFLA_VXLAN_LOCAL6) < 0)
                goto nla_put_failure;
        return end(rtnl, &new);

nla_put_failure:
        return -EMSGSIZE;
}

static int get_address(struct nlattr *a4, struct nlattr *a6, IPAddress *ret) {
        struct nlattr *a = a4 ?: a6;

        *ret = (IPAddress){ .family = a4 ? AF_INET : a6 ? AF_INET6 : AF_UNSPEC };
        if (!a)
                return 0;
        if (nla_len(a) != (int) ip_size(ret->family))
                return -EBADMSG;
        memcpy(ret->bytes, nla_data(a), ip_size(ret->family));
        return 0;
}

static int parse_vxlan(struct nlattr *data, Vxlan *ret) {
        struct nlattr *tb[IFLA_VXLAN_MAX + 1];
        Vxlan v = { 0 };
        int r;

        if (nla_parse_nested(tb, IFLA_VXLAN_MAX, data, vxlan_policy) < 0 || !tb[IFLA_VXLAN_ID] ||
                        !tb[IFLA_VXLAN_PORT])
                return -EBADMSG;
        v.vni = nla_get_u32(tb[IFLA_VXLAN_ID]);
        v.port = ntohs(nla_get_u16(tb[IFLA_VXLAN_PORT]));
        if (tb[IFLA_VXLAN_LINK])
                v.lower = (int) nla_get_u32(tb[IFLA_VXLAN_LINK]);
        r = get_address(tb[IFLA_VXLAN_GROUP], tb[IFLA_VXLAN_GROUP6], &v.group);
        if (r >= 0)
                r = get_address(tb[IFLA_VXLAN_LOCAL], tb[IFLA_VXLAN_LOCAL6], &v.local);
        if (r >= 0)
                *ret = v;
        return r;
}

int vxlan_from_message(struct nlmsghdr *h, Vxlan *ret) {
        struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];

        if (message_parse(h, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0)
                return -EBADMSG;
        if (!tb[IFLA_LINKINFO] || nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], info_policy) < 0)
                return -EINVAL;
        if (!info[IFLA_INFO_KIND] || nla_strcmp(info[IFLA_INFO_KIND], "vxlan") != 0 || !info[IFLA_INFO_DATA])
                return -EINVAL;
        return parse_vxlan(info[IFLA_INFO_DATA], ret);
}

static int take_vxlan(struct nlmsghdr *h, void *userdata) {
        return h->nlmsg_type == RTM_NEWLINK ? vxlan_from_message(h, userdata) : 0;
}

int vxlan_get(Rtnl *rtnl, int ifindex, Vxlan *ret) {
        struct ifinfomsg ifi = { .ifi_index = ifindex };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETLINK, 0, &ifi, sizeof(ifi));
        Vxlan v = { 0 };
        int r;

        if (!m)
                return -ENOMEM;
        NLA_PUT_U32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        r = rtnl_call(rtnl, m, take_vxlan, &v);
        if (r >= 0)
                *ret = v;
        return r;

nla_put_failure:
        return -EMSGSIZE;
}
