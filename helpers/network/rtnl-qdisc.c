/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Queueing disciplines over rtnetlink(7): a wire's properties at the root of a device, and the redirection of what comes
 * in by a device to another. The attributes are those of linux/pkt_sched.h, linux/pkt_cls.h and linux/tc_act/.
 *
 * Why not libnl's own classes (rtnl_netem_set_*): version 3.7 has no 64-bit rates, its delays are in ticks of
 * /proc/net/psched, which a sandbox hides, and its requests lose the kernel's errno.
 *
 * What is ours is known by its handle: 716e: ("qn") netem, 716f: tbf; and the filter by its priority, 0x716e. A discipline
 * of the same handle is changed where it is, with what it holds; so a change never loses a frame. */

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>

#include "nl-util.h"

#define HANDLE_NETEM    0x716e0000U
#define HANDLE_TBF      0x716f0000U
#define HANDLE_INGRESS  0xffff0000U
#define FILTER_PRIORITY 0x716eU

static struct nl_msg *new_message(int type, int flags, const struct tcmsg *header, const char *kind) {
        _cleanup_nl_msg_ struct nl_msg *m = message_new(type, NLM_F_ACK | flags, header, sizeof(*header));

        if (!m || (kind && nla_put_string(m, TCA_KIND, kind) < 0))
                return NULL;
        return TAKE_PTR(m);
}

/* Parts of a million to parts of 2^32 - 1 */
static uint32_t to_fraction(unsigned ppm) {
        return (uint32_t) ((uint64_t) ppm * UINT32_MAX / SHAPE_PPM_MAX);
}

static uint32_t to_rate32(const Shape *s) {
        return (uint32_t) MIN(s->rate / 8, (uint64_t) UINT32_MAX);
}

/* All of them each time: netem keeps what a change does not mention. */
static int put_netem(struct nl_msg *m, const Shape *s) {
        const struct tc_netem_qopt base = {
                .limit = shape_frames(s),
                .loss = to_fraction(s->loss),
                .duplicate = to_fraction(s->duplicate),
                .gap = s->reorder > 0,
        };
        const struct tc_netem_reorder reorder = { .probability = to_fraction(s->reorder) };
        const struct tc_netem_corrupt corrupt = { .probability = to_fraction(s->corrupt) };
        const struct tc_netem_rate rate = { .rate = to_rate32(s) };
        struct nlattr *options = nla_nest_start(m, TCA_OPTIONS);

        if (!options || nlmsg_append(m, (void *) &base, sizeof(base), NLMSG_ALIGNTO) < 0)
                goto nla_put_failure;
        NLA_PUT_S64(m, TCA_NETEM_LATENCY64, (int64_t) (s->delay * 1000));
        NLA_PUT_S64(m, TCA_NETEM_JITTER64, (int64_t) (s->jitter * 1000));
        NLA_PUT(m, TCA_NETEM_REORDER, sizeof(reorder), &reorder);
        NLA_PUT(m, TCA_NETEM_CORRUPT, sizeof(corrupt), &corrupt);
        NLA_PUT(m, TCA_NETEM_RATE, sizeof(rate), &rate);
        if (s->rate / 8 > UINT32_MAX)
                NLA_PUT_U64(m, TCA_NETEM_RATE64, s->rate / 8);
        nla_nest_end(m, options);
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}

static int put_tbf(struct nl_msg *m, const Shape *s, unsigned mtu) {
        const struct tc_tbf_qopt base = {
                .rate = { .rate = to_rate32(s), .linklayer = TC_LINKLAYER_ETHERNET },
                .limit = shape_backlog(s, mtu),
        };
        struct nlattr *options = nla_nest_start(m, TCA_OPTIONS);

        if (!options)
                goto nla_put_failure;
        NLA_PUT(m, TCA_TBF_PARMS, sizeof(base), &base);
        NLA_PUT_U32(m, TCA_TBF_BURST, shape_burst(s, mtu));
        if (s->rate / 8 > UINT32_MAX)
                NLA_PUT_U64(m, TCA_TBF_RATE64, s->rate / 8);
        nla_nest_end(m, options);
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}

const char *shape_qdisc(const Shape *s) {
        return shape_is_rate_only(s) ? "tbf" : "netem";
}

static uint32_t handle_of(const char *kind) {
        return streq(kind, "tbf") ? HANDLE_TBF : streq(kind, "netem") ? HANDLE_NETEM : 0;
}

bool qdisc_may_be_shape(const Link *link) {
        return handle_of(link->qdisc) != 0;
}

int qdisc_set_shape(Rtnl *rtnl, int ifindex, unsigned mtu, const Shape *s) {
        const char *kind = shape_qdisc(s);
        const struct tcmsg header = {
                .tcm_ifindex = ifindex,
                .tcm_parent = TC_H_ROOT,
                .tcm_handle = handle_of(kind),
        };
        _cleanup_nl_msg_ struct nl_msg *m = new_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &header, kind);
        int r;

        if (!m)
                return -ENOMEM;
        r = shape_is_rate_only(s) ? put_tbf(m, s, mtu) : put_netem(m, s);
        return r < 0 ? r : rtnl_call(rtnl, m, NULL, NULL);
}

int qdisc_remove_shape(Rtnl *rtnl, const Link *link) {
        const struct tcmsg header = {
                .tcm_ifindex = link->ifindex,
                .tcm_parent = TC_H_ROOT,
                .tcm_handle = handle_of(link->qdisc),
        };
        _cleanup_nl_msg_ struct nl_msg *m = NULL;
        int r;

        if (header.tcm_handle == 0)
                return 0;
        m = new_message(RTM_DELQDISC, 0, &header, NULL);
        if (!m)
                return -ENOMEM;
        r = rtnl_call(rtnl, m, NULL, NULL);
        return r == -EINVAL || r == -ENOENT ? 0 : r; /* its handle is another: somebody else's */
}

/* ---- what comes in ---- */

static int add_ingress(Rtnl *rtnl, int ifindex) {
        const struct tcmsg header = {
                .tcm_ifindex = ifindex,
                .tcm_parent = TC_H_INGRESS,
                .tcm_handle = HANDLE_INGRESS,
        };
        _cleanup_nl_msg_ struct nl_msg *m = new_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &header, "ingress");
        int r;

        if (!m)
                return -ENOMEM;
        r = rtnl_call(rtnl, m, NULL, NULL);
        return r == -EEXIST ? 0 : r;
}

static struct tcmsg filter_header(int ifindex) {
        return (struct tcmsg){
                .tcm_ifindex = ifindex,
                .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
                .tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL)),
        };
}

typedef struct Ingress {
        bool is_plain; /* not clsact, which is of no use to us */
        unsigned n_filters, n_ours;
} Ingress;

static int take_ingress(struct nlmsghdr *h, void *userdata) {
        Ingress *ingress = userdata;
        struct nlattr *tb[TCA_MAX + 1];

        if (message_parse(h, sizeof(struct tcmsg), tb, TCA_MAX, NULL) < 0)
                return -EBADMSG;
        if (h->nlmsg_type == RTM_NEWTFILTER) {
                const struct tcmsg *filter = nlmsg_data(h);
                ingress->n_filters++;
                ingress->n_ours += TC_H_MAJ(filter->tcm_info) >> 16 == FILTER_PRIORITY;
        } else if (h->nlmsg_type == RTM_NEWQDISC)
                ingress->is_plain = tb[TCA_KIND] && nla_strcmp(tb[TCA_KIND], "ingress") == 0;
        return 0;
}

static int look_at_ingress(Rtnl *rtnl, int ifindex, Ingress *ret) {
        const struct tcmsg qdisc = {
                .tcm_ifindex = ifindex,
                .tcm_parent = TC_H_INGRESS,
                .tcm_handle = HANDLE_INGRESS,
        };
        struct tcmsg filters = filter_header(ifindex);
        _cleanup_nl_msg_ struct nl_msg *get = NULL, *dump = NULL;
        Ingress ingress = { 0 };
        int r;

        get = new_message(RTM_GETQDISC, NLM_F_ECHO, &qdisc, NULL); /* without, older kernels tell all but us */
        filters.tcm_info = 0;                                      /* all */
        dump = message_new(RTM_GETTFILTER, NLM_F_DUMP, &filters, sizeof(filters));
        if (!get || !dump)
                return -ENOMEM;
        r = rtnl_call(rtnl, get, take_ingress, &ingress);
        if (r >= 0)
                r = rtnl_call(rtnl, dump, take_ingress, &ingress);
        if (r >= 0)
                *ret = ingress;
        return r;
}

/* Action 1: out by the other device, and no more to do with it here */
static int put_redirection(struct nl_msg *m, int to) {
        const struct tc_mirred parameters = {
                .action = TC_ACT_STOLEN,
                .eaction = TCA_EGRESS_REDIR,
                .ifindex = (uint32_t) to,
        };
        struct nlattr *actions, *first, *options;

        actions = nla_nest_start(m, TCA_U32_ACT);
        first = actions ? nla_nest_start(m, 1) : NULL;
        if (!first)
                goto nla_put_failure;
        NLA_PUT_STRING(m, TCA_ACT_KIND, "mirred");
        options = nla_nest_start(m, TCA_ACT_OPTIONS);
        if (!options)
                goto nla_put_failure;
        NLA_PUT(m, TCA_MIRRED_PARMS, sizeof(parameters), &parameters);
        nla_nest_end(m, options);
        nla_nest_end(m, first);
        nla_nest_end(m, actions);
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}

/* cls_u32, which is in more kernels than cls_matchall; without a key it takes all frames. */
static int put_filter(struct nl_msg *m, int to) {
        const struct tc_u32_sel all = { .flags = TC_U32_TERMINAL };
        struct nlattr *options = nla_nest_start(m, TCA_OPTIONS);

        if (!options)
                goto nla_put_failure;
        NLA_PUT(m, TCA_U32_SEL, sizeof(all), &all);
        if (put_redirection(m, to) < 0)
                goto nla_put_failure;
        nla_nest_end(m, options);
        return 0;

nla_put_failure:
        return -EMSGSIZE;
}

int ingress_redirect(Rtnl *rtnl, int ifindex, int to) {
        const struct tcmsg header = filter_header(ifindex);
        _cleanup_nl_msg_ struct nl_msg *m = NULL;
        Ingress ingress;
        int r;

        r = add_ingress(rtnl, ifindex);
        if (r >= 0)
                r = look_at_ingress(rtnl, ifindex, &ingress);
        if (r < 0 || ingress.n_ours > 0)
                return r;
        m = new_message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &header, "u32");
        if (!m)
                return -ENOMEM;
        r = put_filter(m, to);
        return r < 0 ? r : rtnl_call(rtnl, m, NULL, NULL);
}

static int delete_ours(Rtnl *rtnl, int type, const struct tcmsg *header) {
        _cleanup_nl_msg_ struct nl_msg *m = new_message(type, 0, header, NULL);
        int r;

        if (!m)
                return -ENOMEM;
        r = rtnl_call(rtnl, m, NULL, NULL);
        return r == -ENOENT || r == -EINVAL ? 0 : r; /* there was none */
}

int ingress_stop_redirecting(Rtnl *rtnl, int ifindex) {
        const struct tcmsg filter = filter_header(ifindex), qdisc = {
                .tcm_ifindex = ifindex,
                .tcm_parent = TC_H_INGRESS,
                .tcm_handle = HANDLE_INGRESS,
        };
        Ingress ingress;
        int r;

        r = delete_ours(rtnl, RTM_DELTFILTER, &filter);
        if (r < 0)
                return r;
        r = look_at_ingress(rtnl, ifindex, &ingress);
        if (r < 0)
                return r == -EINVAL || r == -ENOENT ? 0 : r; /* there is no ingress */
        if (!ingress.is_plain || ingress.n_filters > 0) /* somebody else's */
                return 0;
        return delete_ours(rtnl, RTM_DELQDISC, &qdisc);
}
