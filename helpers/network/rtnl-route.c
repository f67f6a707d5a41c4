/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The devices that routes lead to, over rtnetlink(7); attributes of linux/rtnetlink.h. */

#include "nl-util.h"

static const struct nla_policy route_policy[RTA_MAX + 1] = {
        [RTA_OIF] = { .type = NLA_U32 },
        [RTA_MULTIPATH] = { .minlen = sizeof(struct rtnexthop) },
};

/* fe80::/10 and ff00::/8, which every device has */
static bool is_everywhere(const IPAddress *ip) {
        return ip->family == AF_INET6 &&
               (ip->bytes[0] == 0xff || (ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80));
}

static bool leads_nowhere(int type) {
        return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT;
}

static int append_hops(List *list, RouteDevice device, const struct nlattr *multipath) {
        const char *p = nla_data(multipath);
        struct rtnexthop hop;
        int r, left = nla_len(multipath);

        while (left >= (int) sizeof(hop)) {
                memcpy(&hop, p, sizeof(hop));
                if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
                        return -EBADMSG;
                device.ifindex = hop.rtnh_ifindex;
                r = list_append(list, &device, sizeof(device));
                if (r < 0)
                        return r;
                left -= (int) RTNH_ALIGN(hop.rtnh_len);
                p += RTNH_ALIGN(hop.rtnh_len);
        }
        return 0;
}

static int dump_route(struct nlmsghdr *h, void *userdata) {
        struct nlattr *tb[RTA_MAX + 1];
        RouteDevice device;
        Route route;
        int r;

        r = route_from_message(h, &route);
        if (r >= 0)
                r = message_parse(h, sizeof(struct rtmsg), tb, RTA_MAX, route_policy);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if ((((const struct rtmsg *) nlmsg_data(h))->rtm_flags & RTM_F_CLONED) || is_everywhere(&route.destination) ||
                        (route.type != RTN_UNICAST && !leads_nowhere(route.type)))
                return 0;
        device = (RouteDevice){
                .is_default = route.destination.prefix == 0,
                .is_from_ra = route.protocol == RTPROT_RA,
                .is_from_address = route.protocol == RTPROT_KERNEL,
                .destination = route.destination,
                .source = route.source,
                .table = route.table,
                .metric = route.metric,
        };
        if (leads_nowhere(route.type)) /* IPv6 says "lo" */
                return list_append(userdata, &device, sizeof(device));
        if (tb[RTA_MULTIPATH])
                return append_hops(userdata, device, tb[RTA_MULTIPATH]);
        if (!tb[RTA_OIF])
                return 0;
        device.ifindex = (int) nla_get_u32(tb[RTA_OIF]);
        return list_append(userdata, &device, sizeof(device));
}

int route_list_devices(Rtnl *rtnl, int family, RouteDevice **ret, size_t *ret_n) {
        struct rtmsg rtm = { .rtm_family = (uint8_t) family };
        List list = { 0 };
        int r = -EINTR;

        for (unsigned i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
                _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm));
                list.n = 0;
                r = m ? rtnl_call(rtnl, m, dump_route, &list) : -ENOMEM;
        }
        if (r < 0) {
                list_done(&list);
                return r == -EINTR ? -EAGAIN : r;
        }
        *ret = list.items;
        *ret_n = list.n;
        return 0;
}
