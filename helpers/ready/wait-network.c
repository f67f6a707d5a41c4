/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The guest by its network. Its addresses are those that the kernel's neighbour table has for its MAC: pinned by qnet,
 * entered by the DHCP server as it offers them, or learned. None of these says that the guest answers, so it is asked: by
 * ARP requests (RFC 826) of our own, as the kernel never asks for what is pinned, or by a connection. */

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "log.h"
#include "ready.h"
#include "rtnl.h"

#define ASK_INTERVAL     (200 * USEC_PER_MSEC)
#define CONNECT_INTERVAL USEC_PER_SEC
#define ADDRESSES_MAX    16U

typedef struct Search {
        Ready *ready;
        Rtnl *rtnl;
        int arp; /* hears all ARP replies of the host's devices, or -1 */
        Neighbour addresses[ADDRESSES_MAX];
        size_t n;
} Search;

static bool is_on_device(Search *s, int ifindex, int wanted) {
        Link link;

        return ifindex == wanted || (link_get(s->rtnl, ifindex, &link) >= 0 && streq(link.kind, "vlan") &&
                                                    link.lower == wanted);
}

static int find_addresses(Search *s) {
        _cleanup_free_ Neighbour *list = NULL;
        Link link;
        size_t n = 0;
        int r;

        r = link_get_by_name(s->rtnl, s->ready->dev, &link);
        if (r >= 0)
                r = neighbour_list(s->rtnl, AF_UNSPEC, 0, &s->ready->mac, &list, &n);
        if (r < 0)
                return log_error_errno(r, "Cannot look up the guest on %s: %m%s", s->ready->dev, rtnl_reason(s->rtnl));
        s->n = 0;
        for (size_t i = 0; i < n && s->n < ADDRESSES_MAX; i++)
                if (list[i].ip.family != AF_UNSPEC && (list[i].state & NEIGHBOUR_USABLE) &&
                                is_on_device(s, list[i].ifindex, link.ifindex))
                        s->addresses[s->n++] = list[i];
        if (s->n == 0)
                snprintf(s->ready->why, sizeof(s->ready->why), "the host knows no address of it");
        return 0;
}

/* ---- ARP ---- */

static int open_arp(void) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct ether_arp, ea_hdr.ar_op)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARPOP_REPLY, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, sizeof(struct ether_arp)),
                BPF_STMT(BPF_RET | BPF_K, 0),
        };
        struct sock_fprog filter = { .len = ELEMENTSOF(code), .filter = code };
        struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP) };
        _cleanup_close_ int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
                        bind(fd, (struct sockaddr *) &sll, sizeof(sll)) < 0)
                return log_error_errno(errno, "Cannot open a socket for ARP: %m");
        return TAKE_FD(fd);
}

static void fill_sender(const Link *link, struct ether_arp *arp) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = { 0 };
        struct sockaddr_in sin;

        memcpy(arp->arp_sha, &link->mac, ETH_ALEN);
        memcpy(request.ifr_name, link->name, sizeof(request.ifr_name));
        /* 0.0.0.0, where the host has no address, is answered too: RFC 5227, 2.1.1 */
        if (fd < 0 || ioctl(fd, SIOCGIFADDR, &request) < 0)
                return;
        memcpy(&sin, &request.ifr_addr, sizeof(sin));
        memcpy(arp->arp_spa, &sin.sin_addr, sizeof(arp->arp_spa));
}

static void ask(Search *s, const Neighbour *n) {
        struct ether_arp arp = { .ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER), .ar_pro = htons(ETH_P_IP),
                                                 .ar_hln = ETH_ALEN, .ar_pln = 4, .ar_op = htons(ARPOP_REQUEST) } };
        struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP),
                .sll_ifindex = n->ifindex, .sll_halen = ETH_ALEN };
        Link link;

        if (link_get(s->rtnl, n->ifindex, &link) < 0 || !link.has_mac)
                return;
        fill_sender(&link, &arp);
        memcpy(arp.arp_tpa, n->ip.bytes, sizeof(arp.arp_tpa));
        memset(to.sll_addr, 0xff, ETH_ALEN);
        (void) sendto(s->arp, &arp, sizeof(arp), 0, (struct sockaddr *) &to, sizeof(to)); /* asked again soon */
}

static bool is_answer(const Search *s, const struct ether_arp *arp, int ifindex) {
        for (size_t i = 0; i < s->n; i++)
                if (s->addresses[i].ip.family == AF_INET && s->addresses[i].ifindex == ifindex &&
                                memcmp(arp->arp_spa, s->addresses[i].ip.bytes, sizeof(arp->arp_spa)) == 0 &&
                                memcmp(arp->arp_sha, &s->ready->mac, ETH_ALEN) == 0)
                        return true;
        return false;
}

static int hear(Search *s) {
        usec_t end = deadline_after(ASK_INTERVAL);
        int r;

        while ((r = ready_sleep(s->ready, s->arp, POLLIN, end)) > 0) {
                struct ether_arp arp;
                struct sockaddr_ll from = { 0 };
                socklen_t size = sizeof(from);
                ssize_t n = recvfrom(s->arp, &arp, sizeof(arp), 0, (struct sockaddr *) &from, &size);

                if (n == (ssize_t) sizeof(arp) && is_answer(s, &arp, from.sll_ifindex))
                        return 1;
                if (now_monotonic() >= end) /* whatever else is on the wire */
                        return 0;
        }
        return r;
}

/* A guest in a VLAN that the host is not in cannot answer: there, that it has spoken must do. */
static bool has_spoken_elsewhere(Search *s, const Neighbour *pin) {
        _cleanup_free_ Neighbour *list = NULL;
        PortVlans host;
        Link bridge;
        size_t n = 0;

        if (!(pin->state & NUD_PERMANENT) || link_get(s->rtnl, pin->ifindex, &bridge) < 0 || !link_is_bridge(&bridge) ||
                        !bridge.bridge.filters_vlans || port_get_vlans(s->rtnl, bridge.ifindex, &host) < 0 ||
                        fdb_list(s->rtnl, bridge.ifindex, &s->ready->mac, &list, &n) < 0)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!(list[i].state & NUD_PERMANENT) && list[i].vlan != host.pvid)
                        return true;
        return false;
}

static int try_arp(Search *s) {
        char ip[IP_STRING_SIZE];

        for (size_t i = 0; i < s->n; i++) {
                const Neighbour *n = s->addresses + i;

                if (n->ip.family != AF_INET)
                        continue;
                if (has_spoken_elsewhere(s, n))
                        return 1;
                ask(s, n);
                snprintf(s->ready->why, sizeof(s->ready->why), "%s does not answer ARP", format_ip(&n->ip, ip));
        }
        return hear(s);
}

/* ---- TCP ---- */

static socklen_t fill_address(const Neighbour *n, unsigned port, struct sockaddr_storage *ret) {
        struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
        struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port) };

        if (n->ip.family == AF_INET) {
                memcpy(&sin.sin_addr, n->ip.bytes, sizeof(sin.sin_addr));
                memcpy(ret, &sin, sizeof(sin));
                return sizeof(sin);
        }
        memcpy(&sin6.sin6_addr, n->ip.bytes, sizeof(sin6.sin6_addr));
        if (IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr))
                sin6.sin6_scope_id = (uint32_t) n->ifindex;
        memcpy(ret, &sin6, sizeof(sin6));
        return sizeof(sin6);
}

/* The outcome of a connection that has begun: 0, or the error. */
static int await_connection(const Ready *r, int fd) {
        socklen_t size = sizeof(int);
        int error = 0, e;

        e = ready_sleep(r, fd, POLLOUT, deadline_after(CONNECT_INTERVAL));
        if (e < 0)
                return e;
        if (e == 0)
                return -EHOSTDOWN; /* as far as we know; a time-out of our own is not the guest's */
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                return -errno;
        return -error;
}

/* 1: it takes connections; 0: not; negative: nothing more to wait for */
static int try_connection(Search *s, const Neighbour *n) {
        struct linger reset = { .l_onoff = 1 };
        struct sockaddr_storage to = { 0 };
        _cleanup_close_ int fd = -1;
        char ip[IP_STRING_SIZE];
        socklen_t size = fill_address(n, s->ready->port, &to);
        Link link;
        int r;

        if (link_get(s->rtnl, n->ifindex, &link) < 0)
                return 0;
        fd = socket(n->ip.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return 0;
        (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)); /* no port waits for minutes */
        /* where the guest is, and not where another route to the address leads */
        (void) setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link.name, (socklen_t) strlen(link.name));
        r = connect(fd, (struct sockaddr *) &to, size) < 0 ? -errno : 0;
        if (r == -EINPROGRESS)
                r = await_connection(s->ready, fd);
        if (r == 0)
                return 1;
        if (r == -ETIMEDOUT || r == -ECONNRESET)
                if (now_monotonic() >= s->ready->deadline || ready_sleep(s->ready, -1, 0, 0) < 0)
                        return r;
        snprintf(s->ready->why, sizeof(s->ready->why), "%s: %s", format_ip(&n->ip, ip),
                        r == -EHOSTDOWN ? "no answer" : strerror(-r));
        return 0;
}

static int try_tcp(Search *s) {
        int r = 0;

        for (size_t i = 0; i < s->n && r == 0; i++)
                r = try_connection(s, s->addresses + i);
        return r != 0 ? r : ready_sleep(s->ready, -1, 0, deadline_after(ASK_INTERVAL));
}

/* ---- both ---- */

static int search(Search *s, int (*try)(Search *s)) {
        int r;

        r = rtnl_new(&s->rtnl);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        r = ready_drop_privileges(NULL);
        while (r == 0) {
                r = find_addresses(s);
                if (r == 0)
                        r = try(s);
        }
        return r > 0 ? 0 : r;
}

int wait_address(Ready *r) {
        _cleanup_close_ int arp = open_arp();
        Search s = { .ready = r, .arp = arp };
        int e;

        if (arp < 0)
                return arp;
        e = search(&s, try_arp);
        rtnl_free(s.rtnl);
        return e;
}

int wait_tcp(Ready *r) {
        Search s = { .ready = r, .arp = -1 };
        int e;

        e = search(&s, try_tcp);
        rtnl_free(s.rtnl);
        return e;
}
