/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where a guest is to be asked: its address, by the configuration or else by the kernel's neighbour table, which is
 * dumped once for all; and the device of the host that leads to it. */

#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "sort.h"
#include "watch.h"

#define NEIGHBOURS_FRESH (USEC_PER_SEC / 2)

/* ---- devices ---- */

static int ask_device(int fd, Device *d) {
        struct ifreq request = { 0 };

        memcpy(request.ifr_name, d->name, sizeof(d->name));
        if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
                return -errno;
        d->ifindex = request.ifr_ifindex;
        if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
                return -errno;
        memcpy(&d->mac, request.ifr_hwaddr.sa_data, sizeof(d->mac));
        if (ioctl(fd, SIOCGIFADDR, &request) >= 0) {
                struct sockaddr_in sin;

                memcpy(&sin, &request.ifr_addr, sizeof(sin));
                memcpy(d->ip, &sin.sin_addr, sizeof(d->ip));
        }
        return 0;
}

static int find_device(Watch *w, const char *name, Device **ret) {
        _cleanup_close_ int fd = -1;
        Device *devices, d = { 0 };
        int r;

        for (size_t i = w->n_devices; i > 0; i--) /* neighbours in the table are often on one switch */
                if (streq(w->devices[i - 1].name, name)) {
                        *ret = w->devices + i - 1;
                        return 0;
                }
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        memcpy(d.name, name, strlen(name) + 1);
        r = ask_device(fd, &d);
        if (r < 0)
                return r;
        devices = reallocarray(w->devices, w->n_devices + 1, sizeof(Device));
        if (!devices)
                return -ENOMEM;
        w->devices = devices;
        devices[w->n_devices] = d;
        *ret = devices + w->n_devices++;
        return 0;
}

/* ---- addresses ---- */

static int compare_macs(const void *x, const void *y) {
        const Neighbour *a = x, *b = y;

        return memcmp(&a->mac, &b->mac, sizeof(a->mac));
}

static int need_rtnl(Watch *w) {
        return w->rtnl ? 0 : rtnl_new(&w->rtnl);
}

static int need_neighbours(Watch *w) {
        Neighbour *list = NULL;
        usec_t now = now_monotonic();
        size_t n = 0;
        int r;

        if (w->neighbours_at > 0 && now - w->neighbours_at < NEIGHBOURS_FRESH)
                return 0;
        r = need_rtnl(w);
        if (r >= 0)
                r = neighbour_list(w->rtnl, AF_UNSPEC, 0, NULL, &list, &n);
        if (r < 0)
                return r;
        free(w->neighbours);
        w->neighbours = list;
        w->n_neighbours = n;
        w->neighbours_at = now;
        sort_items(list, n, compare_macs);
        return 0;
}

/* Of several the one that qnet or somebody else made for good, then one that has answered lately; IPv4 first. */
static unsigned rank(const Neighbour *n) {
        unsigned ip = n->ip.family == AF_INET ? 8 : 0;

        return ip + (n->state & NUD_PERMANENT ? 4 : n->state & NUD_REACHABLE ? 3 : n->state & NEIGHBOUR_USABLE ? 2 : 1);
}

static const Neighbour *best_neighbour(const Watch *w, const Check *c) {
        const Neighbour *best = NULL;
        size_t low = 0, high = w->n_neighbours;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (memcmp(&w->neighbours[middle].mac, &c->mac, sizeof(c->mac)) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (const Neighbour *n = w->neighbours + low;
                        n < w->neighbours + w->n_neighbours && mac_equal(&n->mac, &c->mac); n++)
                if (n->has_mac && n->ifindex == c->ifindex && n->ip.family != AF_UNSPEC &&
                                (!best || rank(n) > rank(best)))
                        best = n;
        return best;
}

/* MACAddress=random: the tap has it */
static int find_mac(Check *c) {
        Watch *w = c->watch;
        Link link;
        int r;

        c->has_mac = c->target->has_mac;
        c->mac = c->target->mac;
        if (c->has_mac)
                return 0;
        r = need_rtnl(w);
        if (r >= 0)
                r = link_get_by_name(w->rtnl, c->target->tap, &link);
        if (r < 0)
                return r;
        c->has_mac = link.alias.kind == ALIAS_TAP && link.alias.has_mac;
        c->mac = link.alias.mac;
        return 0;
}

int find_guest(Check *c, Device **ret) {
        const Target *t = c->target;
        const Neighbour *n;
        int r;

        r = find_device(c->watch, t->dev, ret);
        if (r >= 0)
                c->ifindex = (*ret)->ifindex;
        if (r >= 0)
                r = find_mac(c);
        if (r < 0) {
                snprintf(c->why, sizeof(c->why), "device %s cannot be looked up: %s", t->dev, strerror(-r));
                return r;
        }
        if (t->address.family != AF_UNSPEC) {
                c->ip = t->address;
                return 1;
        }
        r = c->has_mac ? need_neighbours(c->watch) : -ENODATA;
        n = r < 0 ? NULL : best_neighbour(c->watch, c);
        if (n) {
                c->ip = n->ip;
                return 1;
        }
        if (r >= 0 && t->leases) {
                snprintf(c->why, sizeof(c->why), "it has no address from the DHCP server of %s", t->dev);
                return 0;
        }
        snprintf(c->why, sizeof(c->why), "no address of it on %s is known; give its interface an Address=", t->dev);
        return r < 0 ? r : -ENODATA;
}
