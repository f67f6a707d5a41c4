/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Neighbours (ARP and NDP, arp(7)) over rtnetlink(7), and what rtnl-fdb.c shares with them. The attributes
 * are those of linux/neighbour.h. The kernel answers RTM_GETNEIGH without NLM_F_DUMP with the one entry
 * asked for. */

#include "nl-util.h"

#define PATIENCE_PROBES 3600U /* one per second: RetransTimer of RFC 4861, also the kernel's for ARP */
#define PATIENCE_STALE  (3600U * 1000U) /* ms that an unused stale entry may stay in a full table */

static const struct nla_policy neighbour_policy[NDA_MAX + 1] = {
        [NDA_MASTER] = { .type = NLA_U32 },
        [NDA_VLAN] = { .type = NLA_U16 },
};

const char *neighbour_state_to_string(uint16_t state) {
        static const struct {
                uint16_t bit;
                const char *word;
        } words[] = {
                { NUD_INCOMPLETE, "INCOMPLETE" },
                { NUD_REACHABLE, "REACHABLE" },
                { NUD_STALE, "STALE" },
                { NUD_DELAY, "DELAY" },
                { NUD_PROBE, "PROBE" },
                { NUD_FAILED, "FAILED" },
                { NUD_NOARP, "NOARP" },
                { NUD_PERMANENT, "PERMANENT" },
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (state & words[i].bit)
                        return words[i].word;
        return "NONE";
}

static int parse_destination(struct nlattr *dst, int family, IPAddress *ret) {
        if (!dst || nla_len(dst) != (int) ip_size(family))
                return -EBADMSG;
        ret->family = family;
        memcpy(ret->bytes, nla_data(dst), ip_size(family));
        return 0;
}

int neighbour_from_message(struct nlmsghdr *h, Neighbour *ret) {
        Neighbour neighbour = { 0 };
        struct nlattr *tb[NDA_MAX + 1];
        const struct ndmsg *ndm;
        int r;

        if (h->nlmsg_type != RTM_NEWNEIGH)
                return -ENOENT;
        r = message_parse(h, sizeof(*ndm), tb, NDA_MAX, neighbour_policy);
        if (r < 0)
                return r;
        ndm = nlmsg_data(h);
        if (ndm->ndm_family == AF_INET || ndm->ndm_family == AF_INET6) {
                r = parse_destination(tb[NDA_DST], ndm->ndm_family, &neighbour.ip);
                if (r < 0)
                        return r;
        } else if (ndm->ndm_family != AF_BRIDGE)
                return -ENOENT;
        else if (tb[NDA_DST]) {
                r = parse_destination(tb[NDA_DST], nla_len(tb[NDA_DST]) == 4 ? AF_INET : AF_INET6,
                                &neighbour.remote);
                if (r < 0)
                        return r;
        }

        neighbour.ifindex = ndm->ndm_ifindex;
        neighbour.state = ndm->ndm_state;
        neighbour.flags = ndm->ndm_flags;
        if (tb[NDA_MASTER])
                neighbour.master = (int) nla_get_u32(tb[NDA_MASTER]);
        if (tb[NDA_VLAN])
                neighbour.vlan = nla_get_u16(tb[NDA_VLAN]);
        if (tb[NDA_LLADDR] && nla_len(tb[NDA_LLADDR]) == (int) sizeof(neighbour.mac)) {
                memcpy(&neighbour.mac, nla_data(tb[NDA_LLADDR]), sizeof(neighbour.mac));
                neighbour.has_mac = true;
        }
        *ret = neighbour;
        return 0;
}

static int take_neighbour(struct nlmsghdr *h, void *userdata) {
        int r = neighbour_from_message(h, userdata);
        return r == -ENOENT ? 0 : r;
}

int neighbour_get_one(Rtnl *rtnl, struct nl_msg *m, Neighbour *ret) {
        Neighbour neighbour = { .ifindex = -1 };
        int r;

        r = rtnl_call(rtnl, m, take_neighbour, &neighbour);
        if (r < 0)
                return r;
        if (neighbour.ifindex == -1)
                return -EBADMSG;
        *ret = neighbour;
        return 0;
}

int neighbour_get(Rtnl *rtnl, int ifindex, const IPAddress *ip, Neighbour *ret) {
        struct ndmsg ndm = { .ndm_family = (uint8_t) ip->family, .ndm_ifindex = ifindex };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETNEIGH, 0, &ndm, sizeof(ndm));

        if (!m)
                return -ENOMEM;
        NLA_PUT(m, NDA_DST, (int) ip_size(ip->family), ip->bytes);
        return neighbour_get_one(rtnl, m, ret);

nla_put_failure:
        return -EMSGSIZE;
}

typedef struct NeighbourDump {
        int ifindex;
        const struct ether_addr *mac;
        List list;
} NeighbourDump;

static int dump_neighbour(struct nlmsghdr *h, void *userdata) {
        NeighbourDump *dump = userdata;
        Neighbour n;
        int r;

        r = neighbour_from_message(h, &n);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (n.ip.family == AF_UNSPEC || (dump->ifindex > 0 && n.ifindex != dump->ifindex) ||
                        (dump->mac && !(n.has_mac && mac_equal(&n.mac, dump->mac))))
                return 0;
        return list_append(&dump->list, &n, sizeof(n));
}

/* Adds one family's to the list. */
static int dump_family(Rtnl *rtnl, int family, NeighbourDump *dump) {
        struct ndmsg ndm = { .ndm_family = (uint8_t) family };
        size_t before = dump->list.n;
        int r = -EINTR;

        for (unsigned i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
                _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETNEIGH, NLM_F_DUMP, &ndm, sizeof(ndm));
                if (!m)
                        return -ENOMEM;
                if (dump->ifindex > 0)
                        NLA_PUT_U32(m, NDA_IFINDEX, (uint32_t) dump->ifindex);
                dump->list.n = before;
                r = rtnl_call(rtnl, m, dump_neighbour, dump);
        }
        return r == -EINTR ? -EAGAIN : r;

nla_put_failure:
        return -EMSGSIZE;
}

int neighbour_list(Rtnl *rtnl, int family, int ifindex, const struct ether_addr *mac, Neighbour **ret,
                size_t *ret_n) {
        static const int families[] = { AF_INET, AF_INET6 };
        NeighbourDump dump = { .ifindex = ifindex, .mac = mac };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(families) && r >= 0; i++)
                if (family == AF_UNSPEC || family == families[i])
                        r = dump_family(rtnl, families[i], &dump);
        if (r < 0) {
                list_done(&dump.list);
                return r;
        }
        *ret = dump.list.items;
        *ret_n = dump.list.n;
        return 0;
}

static int put_neighbour(
                Rtnl *rtnl, const struct ndmsg *ndm, const IPAddress *ip, const struct ether_addr *mac) {
        _cleanup_nl_msg_ struct nl_msg *m = message_new(
                        RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, ndm, sizeof(*ndm));

        if (!m)
                return -ENOMEM;
        NLA_PUT(m, NDA_DST, (int) ip_size(ip->family), ip->bytes);
        if (mac)
                NLA_PUT(m, NDA_LLADDR, sizeof(*mac), mac);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

int neighbour_pin(Rtnl *rtnl, int ifindex, const IPAddress *ip, const struct ether_addr *mac) {
        return put_neighbour(rtnl,
                        &(struct ndmsg){
                                        .ndm_family = (uint8_t) ip->family,
                                        .ndm_ifindex = ifindex,
                                        .ndm_state = NUD_PERMANENT,
                        },
                        ip, mac);
}

int neighbour_copy(Rtnl *rtnl, const Neighbour *n, int ifindex) {
        struct ndmsg ndm = {
                .ndm_family = (uint8_t) n->ip.family,
                .ndm_ifindex = ifindex,
                .ndm_flags = n->flags & NTF_ROUTER,
                .ndm_state = n->state & (NUD_PERMANENT | NUD_REACHABLE) ? n->state : NUD_STALE,
        };

        if (!n->has_mac || !(n->state & NEIGHBOUR_USABLE) || n->state & NUD_NOARP)
                return 0;
        return put_neighbour(rtnl, &ndm, &n->ip, &n->mac);
}

int neighbour_probe(Rtnl *rtnl, int ifindex, const IPAddress *ip) {
        return put_neighbour(rtnl,
                        &(struct ndmsg){
                                        .ndm_family = (uint8_t) ip->family,
                                        .ndm_ifindex = ifindex,
                                        .ndm_flags = NTF_USE,
                        },
                        ip, NULL);
}

int neighbour_delete(Rtnl *rtnl, int ifindex, const IPAddress *ip) {
        struct ndmsg ndm = { .ndm_family = (uint8_t) ip->family, .ndm_ifindex = ifindex };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_DELNEIGH, NLM_F_ACK, &ndm, sizeof(ndm));

        if (!m)
                return -ENOMEM;
        NLA_PUT(m, NDA_DST, (int) ip_size(ip->family), ip->bytes);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

/* linux/neighbour.h: NDTA_PARMS with NDTPA_IFINDEX are those of one device */
static int set_table(Rtnl *rtnl, int family, const char *table, int ifindex) {
        struct ndtmsg ndt = { .ndtm_family = (uint8_t) family };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_SETNEIGHTBL, NLM_F_ACK, &ndt, sizeof(ndt));
        struct nlattr *parms;

        if (!m)
                return -ENOMEM;
        NLA_PUT_STRING(m, NDTA_NAME, table);
        parms = nla_nest_start(m, NDTA_PARMS);
        if (!parms)
                goto nla_put_failure;
        NLA_PUT_U32(m, NDTPA_IFINDEX, (uint32_t) ifindex);
        NLA_PUT_U32(m, NDTPA_UCAST_PROBES, PATIENCE_PROBES);
        NLA_PUT_U64(m, NDTPA_GC_STALETIME, PATIENCE_STALE);
        nla_nest_end(m, parms);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

int neighbour_set_patience(Rtnl *rtnl, int ifindex) {
        int r;

        r = set_table(rtnl, AF_INET, "arp_cache", ifindex);
        if (r < 0)
                return r;
        r = set_table(rtnl, AF_INET6, "ndisc_cache", ifindex);
        return r == -ENOENT || r == -EAFNOSUPPORT ? 0 : r; /* no IPv6 on this device or in this kernel */
}
