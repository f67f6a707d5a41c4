/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Routes over rtnetlink(7); attributes of linux/rtnetlink.h. In: the kernel's own description of a route.
 * Out: the same for another device, with all that it says (metrics, encapsulation, several next hops) but
 * counters: what is not looked at here is handed back as it came. */

#include "nl-util.h"

static const struct nla_policy route_policy[RTA_MAX + 1] = {
        [RTA_OIF] = { .type = NLA_U32 },
        [RTA_TABLE] = { .type = NLA_U32 },
        [RTA_PRIORITY] = { .type = NLA_U32 },
        [RTA_CACHEINFO] = { .minlen = sizeof(struct rta_cacheinfo) },
        [RTA_MULTIPATH] = { .minlen = sizeof(struct rtnexthop) },
};
#define KEPT_FLAGS RTNH_F_ONLINK /* the others tell the state of the link */

/* ---- read ---- */

static int read_ip(struct nlattr *a, int family, IPAddress *ret) {
        if (!a)
                return 0;
        if (nla_len(a) != (int) ip_size(family))
                return -EBADMSG;
        ret->family = family;
        memcpy(ret->bytes, nla_data(a), ip_size(family));
        return 0;
}

/* To the nearest: a route may move many times. */
static uint32_t to_seconds(uint32_t ticks) {
        uint32_t per_second = (uint32_t) sysconf(_SC_CLK_TCK),
                 seconds = (ticks + per_second / 2) / per_second;

        return MAX(seconds, 1U);
}

int route_from_message(struct nlmsghdr *h, Route *ret) {
        struct nlattr *tb[RTA_MAX + 1];
        struct rta_cacheinfo cache;
        const struct rtmsg *rtm;
        Route route = { 0 };
        int r;

        if (h->nlmsg_type != RTM_NEWROUTE)
                return -ENOENT;
        r = message_parse(h, sizeof(*rtm), tb, RTA_MAX, route_policy);
        if (r < 0)
                return r;
        rtm = nlmsg_data(h);
        if (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6)
                return -ENOENT;
        if (rtm->rtm_dst_len > ip_size(rtm->rtm_family) * 8)
                return -EBADMSG;
        route.family = rtm->rtm_family;
        route.type = rtm->rtm_type;
        route.scope = rtm->rtm_scope;
        route.protocol = rtm->rtm_protocol;
        route.table = tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE]) : rtm->rtm_table;
        route.metric = tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0;
        route.multipath = tb[RTA_MULTIPATH];
        route.nexthop_object = tb[RTA_NH_ID];
        route.destination.family = rtm->rtm_family; /* the default route has none */
        r = read_ip(tb[RTA_DST], rtm->rtm_family, &route.destination);
        if (r >= 0)
                r = read_ip(tb[RTA_GATEWAY], rtm->rtm_family, &route.gateway);
        if (r >= 0)
                r = read_ip(tb[RTA_PREFSRC], rtm->rtm_family, &route.source);
        if (r < 0)
                return r;
        route.destination.prefix = rtm->rtm_dst_len;
        if (tb[RTA_CACHEINFO]) {
                memcpy(&cache, nla_data(tb[RTA_CACHEINFO]), sizeof(cache));
                if (cache.rta_expires > 0)
                        route.expires = to_seconds((uint32_t) cache.rta_expires);
        }
        *ret = route;
        return 0;
}

/* Does f for each next hop of RTA_MULTIPATH, which may be damaged; ends when f returns other than 0, with
 * that. */
static int each_hop(struct nlattr *a, int (*f)(const struct rtnexthop *hop, void *userdata), void *userdata) {
        const unsigned char *p = nla_data(a);
        size_t left = (size_t) nla_len(a);
        struct rtnexthop hop;
        int r;

        while (left >= sizeof(hop)) {
                memcpy(&hop, p, sizeof(hop));
                if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
                        return -EBADMSG;
                r = f((const struct rtnexthop *) (const void *) p, userdata);
                if (r != 0)
                        return r;
                p += MIN(left, (size_t) RTNH_ALIGN(hop.rtnh_len));
                left -= MIN(left, (size_t) RTNH_ALIGN(hop.rtnh_len));
        }
        return 0;
}

static int hop_is_over(const struct rtnexthop *hop, void *userdata) {
        return hop->rtnh_ifindex == *(int *) userdata;
}

static bool leads_over(struct nlmsghdr *h, int ifindex) {
        struct nlattr *oif = nlmsg_find_attr(h, sizeof(struct rtmsg), RTA_OIF);
        struct nlattr *hops = nlmsg_find_attr(h, sizeof(struct rtmsg), RTA_MULTIPATH);

        return (oif && nla_len(oif) == 4 && (int) nla_get_u32(oif) == ifindex) ||
               (hops && each_hop(hops, hop_is_over, &ifindex) > 0);
}

typedef struct RouteDump {
        int ifindex;
        List list;
        Route last; /* of IPv4, where routes to one destination follow each other */
        uint8_t last_tos;
        bool foreign; /* one of them is another device's */
} RouteDump;

static void note_order(RouteDump *dump, Route *route, uint8_t tos, bool wanted) {
        const Route *last = &dump->last;

        if (last->table != route->table || last->metric != route->metric || dump->last_tos != tos ||
                        !ip_equal(&last->destination, &route->destination) ||
                        last->destination.prefix != route->destination.prefix)
                dump->foreign = false;
        route->behind = dump->foreign;
        dump->foreign = dump->foreign || !wanted;
        dump->last = *route;
        dump->last_tos = tos;
}

static int dump_route(struct nlmsghdr *h, void *userdata) {
        RouteDump *dump = userdata;
        bool wanted = leads_over(h, dump->ifindex);
        Route route;
        int r;

        r = route_from_message(h, &route);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (route.family == AF_INET)
                note_order(dump, &route, ((struct rtmsg *) nlmsg_data(h))->rtm_tos, wanted);
        if (!wanted || (route.table == RT_TABLE_LOCAL && route.protocol == RTPROT_KERNEL))
                return 0;
        route.message = malloc(h->nlmsg_len);
        if (!route.message)
                return -ENOMEM;
        memcpy(route.message, h, h->nlmsg_len);
        r = list_append(&dump->list, &route, sizeof(route));
        if (r < 0)
                free(route.message);
        return r;
}

static void clear_routes(List *list) {
        for (size_t i = 0; i < list->n; i++)
                free(((Route *) list->items)[i].message);
        list->n = 0;
}

void route_list_free(Route *routes, size_t n) {
        clear_routes(&(List){ .items = routes, .n = n });
        free(routes);
}

static int dump_once(Rtnl *rtnl, RouteDump *dump) {
        static const int families[] = { AF_INET, AF_INET6 };
        int r = 0;

        clear_routes(&dump->list);
        for (size_t i = 0; i < ELEMENTSOF(families) && r >= 0; i++) {
                struct rtmsg rtm = { .rtm_family = (uint8_t) families[i] };
                _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm));

                r = m ? rtnl_call(rtnl, m, dump_route, dump) : -ENOMEM;
                if (families[i] == AF_INET6 && r == -EOPNOTSUPP) /* no IPv6 in this kernel */
                        r = 0;
        }
        return r;
}

int route_list(Rtnl *rtnl, int ifindex, Route **ret, size_t *ret_n) {
        RouteDump dump = { .ifindex = ifindex };
        int r = -EINTR;

        for (unsigned i = 0; i < DUMP_TRIES && r == -EINTR; i++)
                r = dump_once(rtnl, &dump);
        if (r < 0) {
                route_list_free(dump.list.items, dump.list.n);
                return r == -EINTR ? -EAGAIN : r;
        }
        *ret = dump.list.items;
        *ret_n = dump.list.n;
        return 0;
}

/* ---- write ---- */

typedef struct Hops {
        _Alignas(struct nlattr) unsigned char bytes[2048]; /* an attribute, header and all */
        size_t size;
        int from, to;
} Hops;

static int same_hop(const struct rtnexthop *hop, void *userdata) {
        const struct rtnexthop *other = userdata;
        return hop->rtnh_len == other->rtnh_len && memcmp(hop, other, hop->rtnh_len) == 0;
}

/* Two that differed in the device alone become one. */
static int append_hop(const struct rtnexthop *hop, void *userdata) {
        Hops *hops = userdata;
        size_t size = RTNH_ALIGN(hop->rtnh_len), end = hops->size;
        struct rtnexthop *copy;
        struct nlattr *sofar = (struct nlattr *) (void *) hops->bytes;

        if (size > sizeof(hops->bytes) - end)
                return -E2BIG;
        memset(hops->bytes + end, 0, size);
        memcpy(hops->bytes + end, hop, hop->rtnh_len);
        copy = (struct rtnexthop *) (void *) (hops->bytes + end);
        if (copy->rtnh_ifindex == hops->from)
                copy->rtnh_ifindex = hops->to;
        copy->rtnh_flags &= KEPT_FLAGS;
        sofar->nla_len = (unsigned short) end;
        if (each_hop(sofar, same_hop, copy) == 0)
                hops->size = end + size;
        return 0;
}

static int put_hops(struct nl_msg *m, struct nlattr *a, int from, int to) {
        Hops hops = { .from = from, .to = to, .size = NLA_HDRLEN };
        int r;

        r = each_hop(a, append_hop, &hops);
        if (r < 0)
                return r;
        return nla_put(m, RTA_MULTIPATH, (int) (hops.size - NLA_HDRLEN), hops.bytes + NLA_HDRLEN) < 0
                               ? -EMSGSIZE
                               : 0;
}

static int put_attribute(struct nl_msg *m, struct nlattr *a, int from, int to) {
        switch (nla_type(a)) {
        case RTA_PRIORITY: /* below */
        case RTA_CACHEINFO:
                return 0;
        case RTA_OIF:
                return nla_put_u32(m, RTA_OIF,
                                (uint32_t) ((int) nla_get_u32(a) == from ? to : (int) nla_get_u32(a)));
        case RTA_MULTIPATH:
                return put_hops(m, a, from, to);
        default:
                return nla_put(m, nla_type(a), nla_len(a), nla_data(a));
        }
}

static int request(Rtnl *rtnl, int type, int flags, const Route *route, int from, int to) {
        struct rtmsg rtm;
        _cleanup_nl_msg_ struct nl_msg *m = NULL;
        struct nlattr *a;
        int left, r;

        memcpy(&rtm, nlmsg_data(route->message), sizeof(rtm));
        rtm.rtm_flags &= KEPT_FLAGS;
        m = message_new(type, NLM_F_ACK | flags, &rtm, sizeof(rtm));
        if (!m)
                return -ENOMEM;
        nlmsg_for_each_attr(a, route->message, sizeof(rtm), left) {
                r = put_attribute(m, a, from, to);
                if (r < 0)
                        return r == -EBADMSG || r == -E2BIG ? r : -EMSGSIZE;
        }
        if (route->metric > 0)
                NLA_PUT_U32(m, RTA_PRIORITY, route->metric);
        if (route->expires > 0 && type == RTM_NEWROUTE)
                NLA_PUT_U32(m, RTA_EXPIRES, route->expires);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

/* IPv6 would make the two of them one route with two next hops. */
bool route_copy_replaces(const Route *route) {
        return route->family == AF_INET6 && (route->multipath || route->gateway.family != AF_UNSPEC);
}

int route_copy(Rtnl *rtnl, const Route *route, int from, int to) {
        int how = 0;

        if (from != to && route_copy_replaces(route))
                how = NLM_F_REPLACE;
        else if (route->behind)
                how = NLM_F_APPEND; /* else it comes first */
        return request(rtnl, RTM_NEWROUTE, NLM_F_CREATE | how, route, from, to);
}

int route_delete(Rtnl *rtnl, const Route *route, int from, int to) {
        return request(rtnl, RTM_DELROUTE, 0, route, from, to);
}
