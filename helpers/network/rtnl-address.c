/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Addresses of a link and the route to an address, over rtnetlink(7); attributes of linux/if_addr.h,
 * linux/rtnetlink.h. */

#include <linux/if_addr.h>

#include "nl-util.h"

static const struct nla_policy address_policy[IFA_MAX + 1] = {
        [IFA_FLAGS] = { .type = NLA_U32 },
        [IFA_LABEL] = { .type = NLA_STRING, .maxlen = IFNAMSIZ },
        [IFA_BROADCAST] = { .minlen = 4, .maxlen = 4 },
        [IFA_CACHEINFO] = { .minlen = sizeof(struct ifa_cacheinfo) },
        [IFA_RT_PRIORITY] = { .type = NLA_U32 },
        [IFA_PROTO] = { .type = NLA_U8 },
};
static const struct nla_policy route_policy[RTA_MAX + 1] = {
        [RTA_OIF] = { .type = NLA_U32 },
};
/* What can be asked for; the kernel finds out the others by itself */
#define FLAGS_IPV4 (IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)
#define FLAGS_IPV6 (FLAGS_IPV4 | IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR)

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

static int list_addresses(Rtnl *rtnl, int ifindex, reply_t f, void **ret, size_t *ret_n) {
        struct ifaddrmsg ifa = { .ifa_index = (uint32_t) ifindex };
        AddressDump dump = { .ifindex = ifindex };
        int r = -EINTR;

        for (unsigned i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
                _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
                dump.list.n = 0;
                r = m ? rtnl_call(rtnl, m, f, &dump) : -ENOMEM;
        }
        if (r < 0) {
                list_done(&dump.list);
                return r == -EINTR ? -EAGAIN : r;
        }
        *ret = dump.list.items;
        *ret_n = dump.list.n;
        return 0;
}

static int dump_host_address(struct nlmsghdr *h, void *userdata) {
        AddressDump *dump = userdata;
        LinkAddress address;
        HostAddress found;
        int r;

        r = link_address_from_message(h, &found.ifindex, &address);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        found.ip = address.ip;
        return list_append(&dump->list, &found, sizeof(found));
}

int address_list_all(Rtnl *rtnl, HostAddress **ret, size_t *ret_n) {
        return list_addresses(rtnl, 0, dump_host_address, (void **) ret, ret_n);
}

int address_list(Rtnl *rtnl, int ifindex, IPAddress **ret, size_t *ret_n) {
        return list_addresses(rtnl, ifindex, dump_address, (void **) ret, ret_n);
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

static int read_ip(struct nlattr *a, const struct ifaddrmsg *ifa, IPAddress *ret) {
        if (nla_len(a) != (int) ip_size(ifa->ifa_family) || ifa->ifa_prefixlen > ip_size(ifa->ifa_family) * 8)
                return -EBADMSG;
        *ret = (IPAddress){ .family = ifa->ifa_family, .prefix = ifa->ifa_prefixlen };
        memcpy(ret->bytes, nla_data(a), ip_size(ifa->ifa_family));
        return 0;
}

static void read_rest(struct nlattr **tb, LinkAddress *address) {
        struct ifa_cacheinfo times;

        address->valid = address->preferred = UINT32_MAX;
        if (tb[IFA_CACHEINFO]) {
                memcpy(&times, nla_data(tb[IFA_CACHEINFO]), sizeof(times));
                address->valid = times.ifa_valid;
                address->preferred = times.ifa_prefered;
        }
        if (tb[IFA_BROADCAST])
                memcpy(address->broadcast, nla_data(tb[IFA_BROADCAST]), sizeof(address->broadcast));
        if (tb[IFA_RT_PRIORITY])
                address->metric = nla_get_u32(tb[IFA_RT_PRIORITY]);
        if (tb[IFA_PROTO])
                address->protocol = nla_get_u8(tb[IFA_PROTO]);
        if (tb[IFA_LABEL])
                memcpy(address->label, nla_data(tb[IFA_LABEL]),
                                strnlen(nla_data(tb[IFA_LABEL]),
                                                MIN((size_t) nla_len(tb[IFA_LABEL]),
                                                                sizeof(address->label) - 1)));
}

int link_address_from_message(struct nlmsghdr *h, int *ret_ifindex, LinkAddress *ret) {
        struct nlattr *tb[IFA_MAX + 1];
        LinkAddress address = { 0 };
        const struct ifaddrmsg *ifa;
        int r;

        if (h->nlmsg_type != RTM_NEWADDR)
                return -ENOENT;
        r = message_parse(h, sizeof(*ifa), tb, IFA_MAX, address_policy);
        if (r < 0)
                return r;
        ifa = nlmsg_data(h);
        if ((ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) ||
                        (ifa->ifa_family == AF_INET6 && ifa->ifa_scope == RT_SCOPE_LINK))
                return -ENOENT;
        if (!tb[IFA_LOCAL] && !tb[IFA_ADDRESS])
                return -EBADMSG;
        r = read_ip(tb[IFA_LOCAL] ?: tb[IFA_ADDRESS], ifa, &address.ip);
        if (r >= 0 && tb[IFA_LOCAL] && tb[IFA_ADDRESS])
                r = read_ip(tb[IFA_ADDRESS], ifa, &address.peer);
        if (r < 0)
                return r;
        if (ip_equal(&address.ip, &address.peer)) /* as IPv4 says that there is none */
                address.peer = (IPAddress){ 0 };
        address.scope = ifa->ifa_scope;
        address.flags = tb[IFA_FLAGS] ? nla_get_u32(tb[IFA_FLAGS]) : ifa->ifa_flags;
        read_rest(tb, &address);
        *ret = address;
        *ret_ifindex = (int) ifa->ifa_index;
        return 0;
}

static int dump_link_address(struct nlmsghdr *h, void *userdata) {
        AddressDump *dump = userdata;
        LinkAddress address;
        int r, ifindex;

        r = link_address_from_message(h, &ifindex, &address);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return ifindex == dump->ifindex ? list_append(&dump->list, &address, sizeof(address)) : 0;
}

int link_address_list(Rtnl *rtnl, int ifindex, LinkAddress **ret, size_t *ret_n) {
        return list_addresses(rtnl, ifindex, dump_link_address, (void **) ret, ret_n);
}

static int put_attributes(struct nl_msg *m, const LinkAddress *a) {
        static const unsigned char none[sizeof(a->broadcast)] = { 0 };
        const uint32_t valid = MAX(a->valid, 1U); /* 0 is refused; it is as good as over */
        const struct ifa_cacheinfo times = { .ifa_valid = valid, .ifa_prefered = MIN(a->preferred, valid) };

        NLA_PUT(m, IFA_LOCAL, (int) ip_size(a->ip.family), a->ip.bytes);
        NLA_PUT(m, IFA_ADDRESS, (int) ip_size(a->ip.family),
                        a->peer.family == AF_UNSPEC ? a->ip.bytes : a->peer.bytes);
        NLA_PUT(m, IFA_CACHEINFO, sizeof(times), &times);
        if (memcmp(a->broadcast, none, sizeof(none)) != 0)
                NLA_PUT(m, IFA_BROADCAST, sizeof(a->broadcast), a->broadcast);
        if (*a->label)
                NLA_PUT_STRING(m, IFA_LABEL, a->label);
        if (a->metric > 0)
                NLA_PUT_U32(m, IFA_RT_PRIORITY, a->metric);
        if (a->protocol > 0)
                NLA_PUT_U8(m, IFA_PROTO, a->protocol);
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}

static int put_link_address(Rtnl *rtnl, int ifindex, const LinkAddress *a, uint32_t flags) {
        struct ifaddrmsg ifa = {
                .ifa_family = (uint8_t) a->ip.family,
                .ifa_prefixlen = a->ip.prefix,
                .ifa_scope = a->scope,
                .ifa_index = (uint32_t) ifindex,
        };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(
                        RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &ifa, sizeof(ifa));
        int r;

        if (!m)
                return -ENOMEM;
        r = put_attributes(m, a);
        if (r < 0)
                return r;
        NLA_PUT_U32(m, IFA_FLAGS, flags & (a->ip.family == AF_INET ? FLAGS_IPV4 : FLAGS_IPV6));
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

/* An address that comes with this flag is not looked for among others. It is taken away then, where it was not set. */
int link_address_put(Rtnl *rtnl, int ifindex, const LinkAddress *address) {
        int r;

        r = put_link_address(rtnl, ifindex, address, address->flags | IFA_F_NODAD);
        if (r < 0 || address->ip.family == AF_INET || address->flags & IFA_F_NODAD)
                return r;
        return put_link_address(rtnl, ifindex, address, address->flags);
}

int link_address_delete(Rtnl *rtnl, int ifindex, const LinkAddress *a) {
        struct ifaddrmsg ifa = {
                .ifa_family = (uint8_t) a->ip.family,
                .ifa_prefixlen = a->ip.prefix,
                .ifa_index = (uint32_t) ifindex,
        };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_DELADDR, NLM_F_ACK, &ifa, sizeof(ifa));

        if (!m)
                return -ENOMEM;
        NLA_PUT(m, IFA_LOCAL, (int) ip_size(a->ip.family), a->ip.bytes);
        NLA_PUT(m, IFA_ADDRESS, (int) ip_size(a->ip.family),
                        a->peer.family == AF_UNSPEC ? a->ip.bytes : a->peer.bytes);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
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
