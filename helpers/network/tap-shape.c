/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The wire of a VM: what it does to frames towards the guest is a queueing discipline at the root of the tap; what it does
 * to frames from the guest is one at the root of a device of kind ifb, to which the tap hands over all that comes in. That
 * device is named after the tap, has the alias "qnet:wire=TAP", and there is one only while there is something to do for
 * it. A macvtap is the other way round: what the guest sends leaves by it.
 *
 * With port security it is that which hands over, what passes it: a filter would come first, and take all away from it.
 *
 * A capture on the tap sees what the guest sees: frames from it before the wire, frames to it after.
 *
 * All here log. */

#include <inttypes.h>

#include "describe.h"
#include "log.h"
#include "tap.h"

#define PREFIX "ifb-"

/* PREFIX and the tap's name, or what a name too long for that is hashed to (FNV-1a): the alias tells, if two meet. */
void tap_wire_name(const char *ifname, char buf[static IFNAMSIZ]) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        if (strlen(PREFIX) + strlen(ifname) < IFNAMSIZ) {
                snprintf(buf, IFNAMSIZ, PREFIX "%s", ifname);
                return;
        }
        for (const char *p = ifname; *p; p++)
                hash = (hash ^ (unsigned char) *p) * UINT64_C(0x100000001b3);
        snprintf(buf, IFNAMSIZ, PREFIX "%011" PRIx64, hash & UINT64_C(0xfffffffffff));
}

/* Its own kernel call, cheaper than a request: most taps have none. */
static bool ifb_exists(const char *ifname) {
        char name[IFNAMSIZ];

        tap_wire_name(ifname, name);
        return if_nametoindex(name) > 0;
}

static bool is_our_ifb(const Link *link, const char *ifname) {
        if (!streq(link->kind, "ifb"))
                return false;
        if (link->alias.kind == ALIAS_WIRE)
                return streq(link->alias.name, ifname);
        return link->link_group == LINK_GROUP && !*link->alias_text; /* killed before it was named */
}

/* 0: there is none, or none any more. */
static int find_ifb(Rtnl *rtnl, const char *ifname, Link *ret) {
        char name[IFNAMSIZ];
        int r;

        tap_wire_name(ifname, name);
        r = link_get_by_name(rtnl, name, ret);
        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", name, rtnl_reason(rtnl));
        if (!link_is_leaving(ret))
                return 1;
        r = link_delete(rtnl, ret->ifindex);
        if (r < 0 && r != -ENODEV)
                return log_error_errno(r, "Cannot remove %s: %m%s", name, rtnl_reason(rtnl));
        return 0;
}

/* What is not ours under its name stays. */
static int remove_ifb(Rtnl *rtnl, const char *ifname) {
        Link ifb;
        int r;

        if (!ifb_exists(ifname))
                return 0;
        r = find_ifb(rtnl, ifname, &ifb);
        if (r <= 0 || !is_our_ifb(&ifb, ifname))
                return r;
        r = link_delete(rtnl, ifb.ifindex);
        if (r < 0 && r != -ENODEV)
                return log_error_errno(r, "Cannot remove %s: %m%s", ifb.name, rtnl_reason(rtnl));
        return 0;
}

int tap_set_wire_leaving(Rtnl *rtnl, const char *ifname) {
        char name[IFNAMSIZ];
        Link ifb;
        int r;

        if (!ifb_exists(ifname))
                return 0;
        tap_wire_name(ifname, name);
        r = link_get_by_name(rtnl, name, &ifb);
        if (r >= 0 && is_our_ifb(&ifb, ifname))
                r = link_set_leaving(rtnl, ifb.ifindex);
        return r == -ENODEV ? 0 : r;
}

static const char *direction(const Link *tap, bool egress) {
        return egress == link_is_macvtap(tap) ? "from" : "to";
}

static int explain(Rtnl *rtnl, int r, const Link *tap, bool egress, const char *modules) {
        if (r == -ENOENT || r == -EOPNOTSUPP || r == -EAFNOSUPPORT)
                return log_error_errno(r,
                                "Cannot shape the traffic %s VM %s on %s: this kernel lacks %s%s. \"modprobe -a %s\" "
                                "shows why; some distributions have them in a package of their own",
                                direction(tap, egress), tap->alias.name, tap->name, modules, rtnl_reason(rtnl),
                                modules);
        return log_error_errno(r, "Cannot shape the traffic %s VM %s on %s: %m%s", direction(tap, egress),
                        tap->alias.name, tap->name, rtnl_reason(rtnl));
}

static int make_ifb(Rtnl *rtnl, const Link *tap, Link *ret) {
        char name[IFNAMSIZ];
        int r;

        tap_wire_name(tap->name, name);
        r = link_add_ifb(rtnl, name);
        if (r < 0)
                return explain(rtnl, r, tap, false, "ifb");
        r = link_get_by_name(rtnl, name, ret);
        return r < 0 ? log_error_errno(r, "Cannot look up %s: %m%s", name, rtnl_reason(rtnl)) : 0;
}

static int bring_up_ifb(Rtnl *rtnl, const Link *tap, const Link *ifb) {
        Alias alias = { .kind = ALIAS_WIRE };
        char text[ALIAS_SIZE];
        int r;

        snprintf(alias.name, sizeof(alias.name), "%s", tap->name);
        if (streq(alias_format(&alias, text), ifb->alias_text) && (ifb->flags & IFF_UP))
                return 0;
        r = link_set(rtnl, &(LinkChange){
                                           .ifindex = ifb->ifindex,
                                           .alias = text,
                                           .up = true,
                                           .no_ipv6_autoconf = true,
                           });
        return r < 0 ? log_error_errno(r, "Cannot bring %s up: %m%s", ifb->name, rtnl_reason(rtnl)) : 0;
}

static int configure_ifb(Rtnl *rtnl, const Link *tap, const Link *ifb, bool made, bool hand_over, const Shape *s) {
        const char *kind = shape_qdisc(s);
        int r;

        r = bring_up_ifb(rtnl, tap, ifb);
        if (r < 0)
                return r;
        r = qdisc_set_shape(rtnl, ifb->ifindex, tap->mtu, s);
        if (r < 0)
                return explain(rtnl, r, tap, false, streq(kind, "tbf") ? "sch_tbf" : "sch_netem");
        if (made) { /* a filter that led to one before it leads nowhere */
                r = ingress_stop_redirecting(rtnl, tap->ifindex);
                if (r < 0)
                        return log_error_errno(r, "Cannot remove the filter of %s: %m%s", tap->name,
                                        rtnl_reason(rtnl));
        }
        if (!hand_over)
                return 0;
        r = ingress_redirect(rtnl, tap->ifindex, ifb->ifindex);
        return r < 0 ? explain(rtnl, r, tap, false, "sch_ingress cls_u32 act_mirred") : 0;
}

/* hand_over: or else somebody else does it */
static int shape_ingress(Rtnl *rtnl, const Link *tap, bool hand_over, const Shape *s) {
        char text[LINK_DESCRIPTION_SIZE];
        bool made = false;
        Link ifb;
        int r;

        if (shape_is_empty(s)) {
                if (!ifb_exists(tap->name))
                        return 0;
                r = ingress_stop_redirecting(rtnl, tap->ifindex);
                if (r < 0)
                        return log_error_errno(r, "Cannot remove the filter of %s: %m%s", tap->name,
                                        rtnl_reason(rtnl));
                return remove_ifb(rtnl, tap->name);
        }
        r = find_ifb(rtnl, tap->name, &ifb);
        if (r < 0)
                return r;
        if (r > 0 && !is_our_ifb(&ifb, tap->name)) {
                log_error("Cannot shape the traffic of VM %s on %s: the name %s is taken by %s", tap->alias.name,
                                tap->name, ifb.name, link_describe(&ifb, text));
                return -EEXIST;
        }
        if (r == 0) {
                r = make_ifb(rtnl, tap, &ifb);
                if (r < 0)
                        return r;
                made = true;
        }
        r = configure_ifb(rtnl, tap, &ifb, made, hand_over, s);
        if (r < 0 && made) {
                (void) ingress_stop_redirecting(rtnl, tap->ifindex);
                (void) remove_ifb(rtnl, tap->name);
        }
        return r;
}

static int shape_egress(Rtnl *rtnl, const Link *tap, const Shape *s) {
        int r;

        if (shape_is_empty(s)) {
                r = qdisc_remove_shape(rtnl, tap);
                return r < 0 ? log_error_errno(r, "Cannot remove the %s of %s: %m%s", tap->qdisc, tap->name,
                                               rtnl_reason(rtnl))
                             : 0;
        }
        r = qdisc_set_shape(rtnl, tap->ifindex, tap->mtu, s);
        return r < 0 ? explain(rtnl, r, tap, true, streq(shape_qdisc(s), "tbf") ? "sch_tbf" : "sch_netem") : 0;
}

int tap_shape(Rtnl *rtnl, const TapArguments *a, const Link *link) {
        const Shape *to = &a->to_guest, *from = &a->from_guest;
        Link tap;
        int r;

        if (shape_is_empty(to) && shape_is_empty(from) && !qdisc_may_be_shape(link) && !ifb_exists(a->ifname))
                return 0;
        r = link_get(rtnl, link->ifindex, &tap); /* as it is by now */
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", a->ifname, rtnl_reason(rtnl));
        r = shape_egress(rtnl, &tap, link_is_macvtap(&tap) ? from : to);
        return r < 0 ? r : shape_ingress(rtnl, &tap, !a->port_security, link_is_macvtap(&tap) ? to : from);
}

int tap_unshape(Rtnl *rtnl, const char *ifname) {
        return remove_ifb(rtnl, ifname);
}
