/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The devices that routes lead to, over rtnetlink(7); attributes of linux/rtnetlink.h. */

#include "nl-util.h"

static const struct nla_policy route_policy[RTA_MAX + 1] = {
        [RTA_OIF] = { .type = NLA_U32 },
};

/* fe80::/10 and ff00::/8, which every device has */
static bool is_everywhere(const struct rtmsg *rtm, const struct nlattr *dst) {
        const uint8_t *bytes;

        if (rtm->rtm_family != AF_INET6 || !dst || nla_len(dst) < 2)
                return false;
        bytes = nla_data(dst);
        return bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
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
        const struct rtmsg *rtm;
        RouteDevice device;
        int r;

        if (h->nlmsg_type != RTM_NEWROUTE)
                return 0;
        r = message_parse(h, sizeof(*rtm), tb, RTA_MAX, route_policy);
        if (r < 0)
                return r;
        rtm = nlmsg_data(h);
        if (rtm->rtm_type != RTN_UNICAST || (rtm->rtm_flags & RTM_F_CLONED) || is_everywhere(rtm, tb[RTA_DST]))
                return 0;
        device = (RouteDevice){
                .is_default = rtm->rtm_dst_len == 0,
                .is_from_ra = rtm->rtm_protocol == RTPROT_RA,
        };
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
