/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Links over rtnetlink(7): look one up, list, change, delete. The attributes are those of linux/if_link.h
 * and linux/if_tun.h. A link is changed in one message, so that nobody sees half of it. */

#include <linux/if_tun.h>

#include "nl-util.h"

static const struct nla_policy link_policy[IFLA_MAX + 1] = {
        [IFLA_IFNAME] = { .type = NLA_STRING, .minlen = 1, .maxlen = IFNAMSIZ },
        [IFLA_IFALIAS] = { .type = NLA_STRING, .maxlen = ALIAS_SIZE },
        [IFLA_QDISC] = { .type = NLA_STRING },
        [IFLA_MTU] = { .type = NLA_U32 },
        [IFLA_MASTER] = { .type = NLA_U32 },
        [IFLA_LINK] = { .type = NLA_U32 },
        [IFLA_GROUP] = { .type = NLA_U32 },
        [IFLA_LINKINFO] = { .type = NLA_NESTED },
};
static const struct nla_policy info_policy[IFLA_INFO_MAX + 1] = {
        [IFLA_INFO_KIND] = { .type = NLA_STRING },
        [IFLA_INFO_DATA] = { .type = NLA_NESTED },
        [IFLA_INFO_SLAVE_KIND] = { .type = NLA_STRING },
        [IFLA_INFO_SLAVE_DATA] = { .type = NLA_NESTED },
};
static const struct nla_policy tun_policy[IFLA_TUN_MAX + 1] = {
        [IFLA_TUN_TYPE] = { .type = NLA_U8 },
        [IFLA_TUN_OWNER] = { .type = NLA_U32 },
        [IFLA_TUN_GROUP] = { .type = NLA_U32 },
        [IFLA_TUN_MULTI_QUEUE] = { .type = NLA_U8 },
};
static const struct nla_policy bridge_policy[IFLA_BR_MAX + 1] = {
        [IFLA_BR_STP_STATE] = { .type = NLA_U32 },
        [IFLA_BR_AGEING_TIME] = { .type = NLA_U32 },
        [IFLA_BR_GROUP_FWD_MASK] = { .type = NLA_U16 },
        [IFLA_BR_VLAN_FILTERING] = { .type = NLA_U8 },
        [IFLA_BR_VLAN_DEFAULT_PVID] = { .type = NLA_U16 },
};
static const struct nla_policy vlan_policy[IFLA_VLAN_MAX + 1] = {
        [IFLA_VLAN_ID] = { .type = NLA_U16 },
};
static const struct nla_policy macvlan_policy[IFLA_MACVLAN_MAX + 1] = {
        [IFLA_MACVLAN_MODE] = { .type = NLA_U32 },
};
static const struct nla_policy port_policy[IFLA_BRPORT_MAX + 1] = {
        [IFLA_BRPORT_ISOLATED] = { .type = NLA_U8 },
};

/* libnl's NLA_STRING does not insist on a final NUL */
static void copy_string(char *to, size_t size, struct nlattr *a) {
        size_t n = strnlen(nla_data(a), MIN((size_t) nla_len(a), size - 1));

        memcpy(to, nla_data(a), n);
        to[n] = '\0';
}

static bool attribute_is(struct nlattr *a, const char *word) {
        size_t n = strlen(word);
        return a && (size_t) nla_len(a) >= n && strnlen(nla_data(a), (size_t) nla_len(a)) == n &&
               memcmp(nla_data(a), word, n) == 0;
}

static int parse_tun(struct nlattr *data, Link *link) {
        struct nlattr *tb[IFLA_TUN_MAX + 1];

        if (nla_parse_nested(tb, IFLA_TUN_MAX, data, tun_policy) < 0)
                return -EBADMSG;
        link->is_tap = tb[IFLA_TUN_TYPE] && nla_get_u8(tb[IFLA_TUN_TYPE]) == IFF_TAP;
        link->multi_queue = tb[IFLA_TUN_MULTI_QUEUE] && nla_get_u8(tb[IFLA_TUN_MULTI_QUEUE]);
        if (tb[IFLA_TUN_OWNER])
                link->owner = nla_get_u32(tb[IFLA_TUN_OWNER]);
        if (tb[IFLA_TUN_GROUP])
                link->group = nla_get_u32(tb[IFLA_TUN_GROUP]);
        return 0;
}

static int parse_bridge(struct nlattr *data, Link *link) {
        struct nlattr *tb[IFLA_BR_MAX + 1];

        if (nla_parse_nested(tb, IFLA_BR_MAX, data, bridge_policy) < 0)
                return -EBADMSG;
        link->bridge.stp = tb[IFLA_BR_STP_STATE] && nla_get_u32(tb[IFLA_BR_STP_STATE]) > 0;
        link->bridge.ageing = tb[IFLA_BR_AGEING_TIME] ? nla_get_u32(tb[IFLA_BR_AGEING_TIME])
                                                      : BRIDGE_AGEING_DEFAULT;
        if (tb[IFLA_BR_GROUP_FWD_MASK])
                link->bridge.group_forward_mask = nla_get_u16(tb[IFLA_BR_GROUP_FWD_MASK]);
        link->bridge.filters_vlans = tb[IFLA_BR_VLAN_FILTERING] && nla_get_u8(tb[IFLA_BR_VLAN_FILTERING]) > 0;
        link->has_vlans =
                        !!tb[IFLA_BR_VLAN_DEFAULT_PVID]; /* the other is there without CONFIG_BRIDGE_VLAN_FILTERING too */
        if (link->has_vlans)
                link->default_pvid = nla_get_u16(tb[IFLA_BR_VLAN_DEFAULT_PVID]);
        return 0;
}

static int parse_vlan(struct nlattr *data, Link *link) {
        struct nlattr *tb[IFLA_VLAN_MAX + 1];

        if (nla_parse_nested(tb, IFLA_VLAN_MAX, data, vlan_policy) < 0)
                return -EBADMSG;
        if (tb[IFLA_VLAN_ID])
                link->vlan = nla_get_u16(tb[IFLA_VLAN_ID]);
        return 0;
}

static int parse_macvtap(struct nlattr *data, Link *link) {
        struct nlattr *tb[IFLA_MACVLAN_MAX + 1];

        if (nla_parse_nested(tb, IFLA_MACVLAN_MAX, data, macvlan_policy) < 0)
                return -EBADMSG;
        if (tb[IFLA_MACVLAN_MODE])
                link->macvlan_mode = nla_get_u32(tb[IFLA_MACVLAN_MODE]);
        return 0;
}

static const struct {
        const char *kind;
        int (*parse)(struct nlattr *data, Link *link);
} data_parsers[] = {
        { "tun", parse_tun },
        { "bridge", parse_bridge },
        { "vlan", parse_vlan },
        { "macvtap", parse_macvtap },
};

static int parse_port(struct nlattr *data, Link *link) {
        struct nlattr *tb[IFLA_BRPORT_MAX + 1];

        if (nla_parse_nested(tb, IFLA_BRPORT_MAX, data, port_policy) < 0)
                return -EBADMSG;
        link->isolated = tb[IFLA_BRPORT_ISOLATED] && nla_get_u8(tb[IFLA_BRPORT_ISOLATED]);
        return 0;
}

static int parse_info(struct nlattr *info, Link *link) {
        struct nlattr *tb[IFLA_INFO_MAX + 1];
        int r;

        if (nla_parse_nested(tb, IFLA_INFO_MAX, info, info_policy) < 0)
                return -EBADMSG;
        if (tb[IFLA_INFO_KIND])
                copy_string(link->kind, sizeof(link->kind), tb[IFLA_INFO_KIND]);
        for (size_t i = 0; i < ELEMENTSOF(data_parsers) && tb[IFLA_INFO_DATA]; i++)
                if (streq(link->kind, data_parsers[i].kind)) {
                        r = data_parsers[i].parse(tb[IFLA_INFO_DATA], link);
                        if (r < 0)
                                return r;
                }
        if (attribute_is(tb[IFLA_INFO_SLAVE_KIND], "bridge") && tb[IFLA_INFO_SLAVE_DATA])
                return parse_port(tb[IFLA_INFO_SLAVE_DATA], link);
        return 0;
}

int link_from_message(struct nlmsghdr *h, Link *ret) {
        Link link = { .owner = (uid_t) -1, .group = (gid_t) -1 };
        struct nlattr *tb[IFLA_MAX + 1];
        const struct ifinfomsg *ifi;
        int r;

        if (h->nlmsg_type != RTM_NEWLINK)
                return -ENOENT;
        r = message_parse(h, sizeof(*ifi), tb, IFLA_MAX, link_policy);
        if (r < 0)
                return r;
        ifi = nlmsg_data(h);
        if (ifi->ifi_family != AF_UNSPEC)
                return -ENOENT;
        if (ifi->ifi_index <= 0 || !tb[IFLA_IFNAME])
                return -EBADMSG;

        link.ifindex = ifi->ifi_index;
        link.flags = ifi->ifi_flags;
        link.type = ifi->ifi_type;
        copy_string(link.name, sizeof(link.name), tb[IFLA_IFNAME]);
        if (tb[IFLA_MTU])
                link.mtu = nla_get_u32(tb[IFLA_MTU]);
        if (tb[IFLA_MASTER])
                link.master = (int) nla_get_u32(tb[IFLA_MASTER]);
        if (tb[IFLA_LINK])
                link.lower = (int) nla_get_u32(tb[IFLA_LINK]);
        if (tb[IFLA_GROUP])
                link.link_group = nla_get_u32(tb[IFLA_GROUP]);
        if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == (int) sizeof(link.mac)) {
                memcpy(&link.mac, nla_data(tb[IFLA_ADDRESS]), sizeof(link.mac));
                link.has_mac = true;
        }
        if (tb[IFLA_QDISC])
                copy_string(link.qdisc, sizeof(link.qdisc), tb[IFLA_QDISC]);
        if (tb[IFLA_IFALIAS]) {
                copy_string(link.alias_text, sizeof(link.alias_text), tb[IFLA_IFALIAS]);
                (void) alias_parse(link.alias_text, &link.alias); /* else foreign, as the header says */
        }
        if (tb[IFLA_LINKINFO]) {
                r = parse_info(tb[IFLA_LINKINFO], &link);
                if (r < 0)
                        return r;
        }
        *ret = link;
        return 0;
}

static int take_link(struct nlmsghdr *h, void *userdata) {
        int r = link_from_message(h, userdata);
        return r == -ENOENT ? 0 : r;
}

static int get_link(Rtnl *rtnl, int ifindex, const char *name, Link *ret) {
        struct ifinfomsg ifi = { .ifi_index = ifindex };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETLINK, 0, &ifi, sizeof(ifi));
        Link link = { 0 };
        int r;

        if (!m)
                return -ENOMEM;
        if (name)
                NLA_PUT_STRING(m, IFLA_IFNAME, name);
        NLA_PUT_U32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        r = rtnl_call(rtnl, m, take_link, &link);
        if (r < 0)
                return r;
        if (link.ifindex == 0)
                return -EBADMSG;
        *ret = link;
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}

int link_get(Rtnl *rtnl, int ifindex, Link *ret) {
        if (ifindex <= 0)
                return -ENODEV;
        return get_link(rtnl, ifindex, NULL, ret);
}

int link_get_by_name(Rtnl *rtnl, const char *name, Link *ret) {
        if (strlen(name) >= IFNAMSIZ)
                return -ENODEV;
        return get_link(rtnl, 0, name, ret);
}

typedef struct LinkDump {
        const LinkFilter *filter;
        List list;
} LinkDump;

static int dump_link(struct nlmsghdr *h, void *userdata) {
        LinkDump *dump = userdata;
        Link link;
        int r;

        r = link_from_message(h, &link);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if ((dump->filter->kind && !streq(dump->filter->kind, link.kind)) ||
                        (dump->filter->master > 0 && dump->filter->master != link.master) ||
                        (dump->filter->alias != ALIAS_FOREIGN && dump->filter->alias != link.alias.kind))
                return 0;
        return list_append(&dump->list, &link, sizeof(link));
}

static int dump_links(Rtnl *rtnl, LinkDump *dump) {
        struct ifinfomsg ifi = { 0 };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof(ifi));
        struct nlattr *info;

        if (!m)
                return -ENOMEM;
        NLA_PUT_U32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        if (dump->filter->master > 0)
                NLA_PUT_U32(m, IFLA_MASTER, (uint32_t) dump->filter->master);
        if (dump->filter->kind) {
                info = nla_nest_start(m, IFLA_LINKINFO);
                if (!info)
                        goto nla_put_failure;
                NLA_PUT_STRING(m, IFLA_INFO_KIND, dump->filter->kind);
                nla_nest_end(m, info);
        }
        dump->list.n = 0;
        return rtnl_call(rtnl, m, dump_link, dump);

nla_put_failure:
        return -EMSGSIZE;
}

int link_list(Rtnl *rtnl, const LinkFilter *filter, Link **ret, size_t *ret_n) {
        LinkDump dump = { .filter = filter };
        int r = -EINTR;

        for (unsigned i = 0; i < DUMP_TRIES && r == -EINTR; i++)
                r = dump_links(rtnl, &dump);
        if (r < 0) {
                list_done(&dump.list);
                return r == -EINTR ? -EAGAIN : r;
        }
        *ret = dump.list.items;
        *ret_n = dump.list.n;
        return 0;
}

static int put_no_autoconf(struct nl_msg *m) {
        struct nlattr *spec, *inet6;

        spec = nla_nest_start(m, IFLA_AF_SPEC);
        inet6 = spec ? nla_nest_start(m, AF_INET6) : NULL;
        if (!inet6)
                goto nla_put_failure;
        NLA_PUT_U8(m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
        nla_nest_end(m, inet6);
        nla_nest_end(m, spec);
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}

static int set_link(Rtnl *rtnl, const LinkChange *change, bool no_ipv6_autoconf) {
        struct ifinfomsg ifi = { .ifi_index = change->ifindex };
        _cleanup_nl_msg_ struct nl_msg *m = NULL;

        ifi.ifi_flags = change->set_flags | (change->up ? (unsigned) IFF_UP : 0U);
        ifi.ifi_change = ifi.ifi_flags | change->clear_flags;
        m = message_new(RTM_NEWLINK, NLM_F_ACK, &ifi, sizeof(ifi));
        if (!m)
                return -ENOMEM;
        if (change->alias)
                NLA_PUT(m, IFLA_IFALIAS, (int) strlen(change->alias), change->alias);
        if (change->mac)
                NLA_PUT(m, IFLA_ADDRESS, sizeof(*change->mac), change->mac);
        if (change->mtu > 0)
                NLA_PUT_U32(m, IFLA_MTU, change->mtu);
        if (change->master > 0 || change->no_master)
                NLA_PUT_U32(m, IFLA_MASTER, (uint32_t) change->master);
        if (change->link_group > 0)
                NLA_PUT_U32(m, IFLA_GROUP, change->link_group);
        if (no_ipv6_autoconf && put_no_autoconf(m) < 0)
                goto nla_put_failure;
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

int link_set(Rtnl *rtnl, const LinkChange *change) {
        int r;

        r = set_link(rtnl, change, change->no_ipv6_autoconf);
        if (r == -EAFNOSUPPORT &&
                        change->no_ipv6_autoconf) /* no IPv6 on this link or kernel: nothing to turn off */
                r = set_link(rtnl, change, false);
        return r;
}

int link_delete(Rtnl *rtnl, int ifindex) {
        struct ifinfomsg ifi = { .ifi_index = ifindex };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_DELLINK, NLM_F_ACK, &ifi, sizeof(ifi));

        return m ? rtnl_call(rtnl, m, NULL, NULL) : -ENOMEM;
}

int link_set_leaving(Rtnl *rtnl, int ifindex) {
        return link_set(rtnl, &(LinkChange){ .ifindex = ifindex, .link_group = LINK_GROUP_LEAVING });
}

static int delete_group(Rtnl *rtnl, unsigned group) {
        struct ifinfomsg ifi = { 0 };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_DELLINK, NLM_F_ACK, &ifi, sizeof(ifi));

        if (!m)
                return -ENOMEM;
        NLA_PUT_U32(m, IFLA_GROUP, group);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

int link_delete_leaving(Rtnl *rtnl, int ifindex) {
        int r = delete_group(rtnl, LINK_GROUP_LEAVING);

        if (r == -EOPNOTSUPP) /* somebody has put a link there that cannot be deleted */
                r = link_delete(rtnl, ifindex);
        return r;
}
