/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-arp wait: until the guest with a MAC has an address, without polling. News of the kernel are subscribed to first,
 * then the table is listed, so nothing falls between.
 *
 * An entry in the table is not enough: a pin is made before the guest starts (qnet-tap own), and one of the guest's
 * former life may still be there. On a bridge the guest must have spoken since its tap was last taken up, which is when the
 * FDB has its MAC on a port: the FDB forgets a port whose carrier goes. So it takes a usable entry and the FDB, in either
 * order. An entry without the FDB's word, on a bridge, may also be of a guest silent for longer than the FDB remembers
 * (300 s): it is probed once, and its answer is news. */

#include <inttypes.h>
#include <time.h>

#include "arp.h"
#include "log.h"

typedef struct Wait {
        Rtnl *rtnl; /* for requests */
        Rtnl *news;
        const ArpArguments *a;
        usec_t deadline;
} Wait;

static usec_t now_monotonic(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (usec_t) t.tv_sec * USEC_PER_SEC + (usec_t) t.tv_nsec / 1000;
}

/* The bridge behind the device of an entry: that itself, or what a VLAN interface stands on; with the VLAN in
 * which the bridge's FDB has the guest, 0 if it has none. 1; 0: it is no bridge. */
static int find_bridge(Wait *w, int ifindex, Link *ret, uint16_t *ret_vlan) {
        uint16_t vlan = 0;
        PortVlans host;
        int r;

        r = link_get(w->rtnl, ifindex, ret);
        if (r >= 0 && streq(ret->kind, "vlan")) {
                vlan = ret->vlan;
                r = link_get(w->rtnl, ret->lower, ret);
        }
        if (r < 0 || !link_is_bridge(ret))
                return r < 0 ? r : 0;
        if (ret->bridge.filters_vlans && vlan == 0) {
                r = port_get_vlans(w->rtnl, ret->ifindex, &host);
                if (r < 0)
                        return r;
                vlan = host.pvid;
        }
        *ret_vlan = ret->bridge.filters_vlans ? vlan : 0;
        return 1;
}

/* In whatever VLAN: of a guest that is in another than the host is, the entry is a pin. */
static int has_spoken_anywhere(Wait *w, const Link *bridge, const struct ether_addr *mac) {
        _cleanup_free_ Neighbour *list = NULL;
        bool found = false;
        size_t n = 0;
        int r;

        r = fdb_list(w->rtnl, bridge->ifindex, mac, &list, &n);
        for (size_t i = 0; i < n && r >= 0; i++)
                found = found || !(list[i].state & NUD_PERMANENT);
        return r < 0 ? r : found;
}

/* 1: the guest has spoken, as far as the device can tell; 0: not; -ENODEV: the device has just gone. */
static int has_spoken(Wait *w, const Neighbour *neighbour) {
        Neighbour fdb;
        uint16_t vlan;
        Link bridge;
        int r;

        r = find_bridge(w, neighbour->ifindex, &bridge, &vlan);
        if (r <= 0)
                return r < 0 ? r : !(neighbour->state & NUD_PERMANENT);
        r = fdb_get(w->rtnl, bridge.ifindex, &neighbour->mac, vlan, &fdb);
        if (r == -ENOENT)
                return bridge.bridge.filters_vlans ? has_spoken_anywhere(w, &bridge, &neighbour->mac) : 0;
        return r < 0 ? r : !(fdb.state & NUD_PERMANENT); /* permanent: the bridge's or a port's own */
}

/* On the device asked for, or on a VLAN interface of that bridge */
static bool is_on_device(Wait *w, int ifindex) {
        Link link;

        if (w->a->ifindex == 0 || ifindex == w->a->ifindex)
                return true;
        return link_get(w->rtnl, ifindex, &link) >= 0 && streq(link.kind, "vlan") &&
               link.lower == w->a->ifindex;
}

/* 1: that is it; 0: not (yet). */
static int consider(Wait *w, const Neighbour *n, bool probe) {
        int r;

        if (n->ip.family == AF_UNSPEC || !n->has_mac || !mac_equal(&n->mac, &w->a->mac) ||
                        !(n->state & NEIGHBOUR_USABLE) || !is_on_device(w, n->ifindex))
                return 0;
        r = has_spoken(w, n);
        if (r == -ENODEV)
                return 0;
        if (r == 0 && probe && !(n->state & (NUD_PERMANENT | NUD_NOARP)))
                (void) neighbour_probe(w->rtnl, n->ifindex, &n->ip);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s on its bridge: %m%s", w->a->subject,
                                rtnl_reason(w->rtnl));
        return r;
}

/* 1 and the entry, or 0 */
static int search_table(Wait *w, bool probe, Neighbour *ret) {
        _cleanup_free_ Neighbour *list = NULL;
        size_t n = 0;
        int r;

        r = neighbour_list(w->rtnl, AF_UNSPEC, 0, &w->a->mac, &list, &n);
        if (r < 0)
                return log_error_errno(r, "Cannot list the neighbours: %m%s", rtnl_reason(w->rtnl));
        for (size_t i = 0; i < n; i++) {
                r = consider(w, &list[i], probe);
                if (r > 0)
                        *ret = list[i];
                if (r != 0)
                        return r;
        }
        return 0;
}

/* One piece of news; 1 and the entry, or 0 */
static int handle_event(Wait *w, const Event *event, Neighbour *ret) {
        const Neighbour *n = &event->neighbour;
        int r;

        switch (event->kind) {
        case EVENT_NONE:
                log_error("No address of %s was seen%s%s within %" PRIu64 ".%" PRIu64 " s", w->a->subject,
                                w->a->dev ? " on " : "", w->a->dev ?: "", w->a->timeout / USEC_PER_SEC,
                                w->a->timeout / (USEC_PER_SEC / 10) % 10);
                return -ETIMEDOUT;
        case EVENT_LOST:
                return search_table(w, false, ret);
        case EVENT_LINK_GONE:
                if (event->ifindex != w->a->ifindex)
                        return 0;
                log_error("Device %s has gone while waiting for %s", w->a->dev, w->a->subject);
                return -ENODEV;
        case EVENT_NEIGHBOUR:
                if (n->ip.family == AF_UNSPEC) /* the bridge has learned a MAC */
                        return n->has_mac && mac_equal(&n->mac, &w->a->mac) ? search_table(w, false, ret) : 0;
                r = consider(w, n, false);
                if (r > 0)
                        *ret = *n;
                return r;
        }
        return 0;
}

static int wait_for_entry(Wait *w, Neighbour *ret) {
        Event event;
        int r;

        r = search_table(w, true, ret);
        while (r == 0) {
                r = rtnl_next_event(w->news, w->deadline, &event);
                if (r < 0)
                        return log_error_errno(r, "Cannot read news of neighbours: %m");
                r = handle_event(w, &event, ret);
        }
        return r;
}

int arp_wait(Rtnl *rtnl, const ArpArguments *a) {
        _cleanup_rtnl_ Rtnl *news = NULL;
        Wait w = { .rtnl = rtnl, .a = a, .deadline = USEC_INFINITY };
        Neighbour neighbour = { 0 };
        int r;

        if (a->timeout != USEC_INFINITY)
                w.deadline = now_monotonic() + a->timeout;
        r = rtnl_new(&news);
        if (r >= 0)
                r = rtnl_subscribe(news);
        if (r < 0)
                return log_error_errno(r, "Cannot subscribe to news of neighbours: %m");
        w.news = news;
        r = wait_for_entry(&w, &neighbour);
        return r < 0 ? r : arp_print(rtnl, &neighbour, 1, false);
}
