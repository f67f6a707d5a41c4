/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Addresses of a link and the route to an address, over rtnetlink(7); attributes of linux/if_addr.h, linux/rtnetlink.h. */

#include <linux/if_addr.h>

#include "nl-util.h"

static const struct nla_policy address_policy[IFA_MAX + 1] = {
        [IFA_FLAGS] = { .type = NLA_U32 },
};
static const struct nla_policy route_policy[RTA_MAX + 1] = {
        [RTA_OIF] = { .type = NLA_U32 },
};

/* IFA_LOCAL is the address; IFA_ADDRESS, without it, too (IPv6), else the prefix or a peer. */
int address_from_message(struct nlmsghdr *h, int *ret_ifindex, IPAddress *ret) {
        struct nlattr *tb[IFA_MAX + 1], *a;
        const struct ifaddrmsg *ifa;
        uint32_t flags;
        int r;

        if (h->nlmsg_type != RTM_NEWADDR)
                return -ENOENT;
        r = message_parse(h, sizeof(*ifa), tb, IFA_MAX, address_policy);
        if (r < 0)
                return r;
        ifa = nlmsg_data(h);
        flags = tb[IFA_FLAGS] ? nla_get_u32(tb[IFA_FLAGS]) : ifa->ifa_flags;
        if ((ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) || !(flags & IFA_F_PERMANENT) ||
                        (ifa->ifa_family == AF_INET6 && ifa->ifa_scope == RT_SCOPE_LINK))
                return -ENOENT;
        a = tb[IFA_LOCAL] ?: tb[IFA_ADDRESS];
        if (!a || nla_len(a) != (int) ip_size(ifa->ifa_family) ||
                        ifa->ifa_prefixlen > ip_size(ifa->ifa_family) * 8)
                return -EBADMSG;

        *ret = (IPAddress){ .family = ifa->ifa_family, .prefix = ifa->ifa_prefixlen };
        memcpy(ret->bytes, nla_data(a), ip_size(ifa->ifa_family));
        *ret_ifindex = (int) ifa->ifa_index;
        return 0;
}

typedef struct AddressDump {
        int ifindex;
        List list;
} AddressDump;

static int dump_address(struct nlmsghdr *h, void *userdata) {
        AddressDump *dump = userdata;
        IPAddress ip;
        int r, ifindex;

        r = address_from_message(h, &ifindex, &ip);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return ifindex == dump->ifindex ? list_append(&dump->list, &ip, sizeof(ip)) : 0;
}

int address_list(Rtnl *rtnl, int ifindex, IPAddress **ret, size_t *ret_n) {
        struct ifaddrmsg ifa = { .ifa_index = (uint32_t) ifindex };
        AddressDump dump = { .ifindex = ifindex };
        int r = -EINTR;

        for (unsigned i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
                _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
                dump.list.n = 0;
                r = m ? rtnl_call(rtnl, m, dump_address, &dump) : -ENOMEM;
        }
        if (r < 0) {
                list_done(&dump.list);
                return r == -EINTR ? -EAGAIN : r;
        }
        *ret = dump.list.items;
        *ret_n = dump.list.n;
        return 0;
}

static int put_address(struct nl_msg *m, const IPAddress *ip) {
        NLA_PUT(m, IFA_LOCAL, (int) ip_size(ip->family), ip->bytes);
        NLA_PUT(m, IFA_ADDRESS, (int) ip_size(ip->family), ip->bytes);
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}

int address_add(Rtnl *rtnl, int ifindex, const IPAddress *ip) {
        struct ifaddrmsg ifa = {
                .ifa_family = (uint8_t) ip->family,
                .ifa_prefixlen = ip->prefix,
                .ifa_index = (uint32_t) ifindex,
        };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(
                        RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &ifa, sizeof(ifa));
        uint32_t broadcast;

        if (!m)
                return -ENOMEM;
        if (put_address(m, ip) < 0)
                goto nla_put_failure;
        if (ip->family == AF_INET6)
                NLA_PUT_U32(m, IFA_FLAGS, IFA_F_NODAD);
        else if (ip->prefix < 31) { /* RFC 3021: a network of two has none */
                memcpy(&broadcast, ip->bytes, sizeof(broadcast));
                broadcast |= htonl(UINT32_MAX >> ip->prefix);
                NLA_PUT_U32(m, IFA_BROADCAST, broadcast);
        }
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

int address_delete(Rtnl *rtnl, int ifindex, const IPAddress *ip) {
        struct ifaddrmsg ifa = {
                .ifa_family = (uint8_t) ip->family,
                .ifa_prefixlen = ip->prefix,
                .ifa_index = (uint32_t) ifindex,
        };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_DELADDR, NLM_F_ACK, &ifa, sizeof(ifa));

        if (!m)
                return -ENOMEM;
        if (put_address(m, ip) < 0)
                return -EMSGSIZE;
        return rtnl_call(rtnl, m, NULL, NULL);
}

static int take_device(struct nlmsghdr *h, void *userdata) {
        struct nlattr *tb[RTA_MAX + 1];
        int r;

        if (h->nlmsg_type != RTM_NEWROUTE)
                return 0;
        r = message_parse(h, sizeof(struct rtmsg), tb, RTA_MAX, route_policy);
        if (r < 0)
                return r;
        if (tb[RTA_OIF])
                *(int *) userdata = (int) nla_get_u32(tb[RTA_OIF]);
        return 0;
}

int route_get_device(Rtnl *rtnl, const IPAddress *ip, int *ret_ifindex) {
        struct rtmsg rtm = { .rtm_family = (uint8_t) ip->family,
                .rtm_dst_len = (uint8_t) (ip_size(ip->family) * 8) };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETROUTE, 0, &rtm, sizeof(rtm));
        int r, ifindex = 0;

        if (!m)
                return -ENOMEM;
        NLA_PUT(m, RTA_DST, (int) ip_size(ip->family), ip->bytes);
        r = rtnl_call(rtnl, m, take_device, &ifindex);
        if (r < 0)
                return r;
        if (ifindex <= 0) /* a route that leads nowhere, such as unreachable */
                return -ENETUNREACH;
        *ret_ifindex = ifindex;
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}
