/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-arp get, del, list: what the neighbour table holds now. */

#include "arp.h"
#include "log.h"

/* Words for "on br0", or nothing */
#define ON(a) (a)->dev ? " on " : "", (a)->dev ?: ""

/* The device whose table would have the entry: given, or the one that the route leads to. */
static int find_device(Rtnl *rtnl, const ArpArguments *a, int *ret) {
        Link link;
        int r, ifindex;

        if (a->ifindex > 0) {
                *ret = a->ifindex;
                return 0;
        }
        r = route_get_device(rtnl, &a->ip, &ifindex);
        if (r < 0)
                return log_error_errno(r, "There is no route to %s, so no device to look on: %m", a->subject);
        r = link_get(rtnl, ifindex, &link);
        if (r < 0)
                return log_error_errno(r, "Cannot look up the device of %s: %m", a->subject);
        if (link.flags & IFF_LOOPBACK) {
                log_error("%s is an address of this host itself", a->subject);
                return -ENOENT;
        }
        *ret = ifindex;
        return 0;
}

static int list_of_mac(Rtnl *rtnl, const ArpArguments *a, Neighbour **ret, size_t *ret_n) {
        int r;

        r = neighbour_list(rtnl, AF_UNSPEC, a->ifindex, a->by_mac ? &a->mac : NULL, ret, ret_n);
        if (r < 0)
                return log_error_errno(r, "Cannot list the neighbours%s%s: %m%s", ON(a), rtnl_reason(rtnl));
        return 0;
}

static int get_by_mac(Rtnl *rtnl, const ArpArguments *a) {
        _cleanup_free_ Neighbour *list = NULL;
        size_t n = 0;
        int r;

        r = list_of_mac(rtnl, a, &list, &n);
        if (r < 0)
                return r;
        if (n == 0) {
                log_error("No neighbour%s%s has the MAC %s", ON(a), a->subject);
                return -ENOENT;
        }
        return arp_print(rtnl, list, n, a->json);
}

int arp_get(Rtnl *rtnl, const ArpArguments *a) {
        Neighbour neighbour;
        int r, ifindex = 0;

        if (a->by_mac)
                return get_by_mac(rtnl, a);
        r = find_device(rtnl, a, &ifindex);
        if (r < 0)
                return r;
        r = neighbour_get(rtnl, ifindex, &a->ip, &neighbour);
        if (r == -ENOENT) {
                log_error("There is no neighbour %s%s%s", a->subject, ON(a));
                return r;
        }
        if (r < 0)
                return log_error_errno(r, "Cannot look up neighbour %s: %m%s", a->subject, rtnl_reason(rtnl));
        return arp_print(rtnl, &neighbour, 1, a->json);
}

static int del_one(Rtnl *rtnl, const ArpArguments *a, const Neighbour *neighbour) {
        char text[IP_STRING_SIZE];
        int r;

        r = neighbour_delete(rtnl, neighbour->ifindex, &neighbour->ip);
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "Cannot delete neighbour %s: %m%s", format_ip(&neighbour->ip, text),
                                rtnl_reason(rtnl));
        return 0;
}

int arp_del(Rtnl *rtnl, const ArpArguments *a) {
        _cleanup_free_ Neighbour *list = NULL;
        Neighbour one = { .ip = a->ip };
        int r, result = 0;
        size_t n = 0;

        if (!a->by_mac) {
                r = find_device(rtnl, a, &one.ifindex);
                return r < 0 ? r : del_one(rtnl, a, &one);
        }
        r = list_of_mac(rtnl, a, &list, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                r = del_one(rtnl, a, &list[i]);
                if (r < 0)
                        result = r;
        }
        return result;
}

int arp_list(Rtnl *rtnl, const ArpArguments *a) {
        _cleanup_free_ Neighbour *list = NULL;
        size_t n = 0, kept = 0;
        int r;

        r = list_of_mac(rtnl, a, &list, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) /* as ip-neighbour(8): no multicast addresses, which nobody resolved */
                if (!(list[i].state & NUD_NOARP))
                        list[kept++] = list[i];
        return arp_print(rtnl, list, kept, a->json);
}
