/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/socket.h>

#include "arp-probe.h"
#include "qmp.h"

#define CARDS_MAX 8U

typedef struct Card {
        int fd;
        struct ether_addr mac, own; /* the guest's; the device's */
        struct in_addr addresses[ARP_ADDRESSES_MAX];
        size_t n_addresses;
} Card;

struct ArpProbe {
        Rtnl *rtnl;
        Card cards[CARDS_MAX];
        size_t n_cards;
};

/* RFC 826 for Ethernet and IPv4, linux/if_ether.h and net/ethernet.h */
typedef struct Frame {
        struct ether_header header;
        struct ether_arp arp;
} __attribute__((packed)) Frame;

int arp_probe_new(ArpProbe **ret) {
        ArpProbe *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        r = rtnl_new(&p->rtnl);
        if (r < 0) {
                free(p);
                return r;
        }
        *ret = p;
        return 0;
}

ArpProbe *arp_probe_free(ArpProbe *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_cards; i++)
                safe_close(p->cards[i].fd);
        rtnl_free(p->rtnl);
        free(p);
        return NULL;
}

static int open_socket(int ifindex) {
        struct sockaddr_ll sa = {
                .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = ifindex
        };
        _cleanup_close_ int fd = -1;

        fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static struct in_addr as_in_addr(const IPAddress *ip) {
        struct in_addr a;

        memcpy(&a, ip->bytes, sizeof(a));
        return a;
}

static int find_addresses(Rtnl *rtnl, int ifindex, Card *c) {
        _cleanup_free_ Neighbour *list = NULL;
        size_t n = 0;
        int r;

        r = neighbour_list(rtnl, AF_INET, ifindex, &c->mac, &list, &n);
        for (size_t i = 0; i < n && c->n_addresses < ARP_ADDRESSES_MAX; i++)
                if (list[i].state & NEIGHBOUR_USABLE)
                        c->addresses[c->n_addresses++] = as_in_addr(&list[i].ip);
        return r < 0 ? r : (int) c->n_addresses;
}

int arp_probe_add(ArpProbe *p, const struct ether_addr *mac, const char *device) {
        Card c = { .fd = -1, .mac = *mac };
        Link link;
        int n, r;

        if (p->n_cards >= CARDS_MAX)
                return 0;
        r = link_get_by_name(p->rtnl, device, &link);
        if (r < 0)
                return r;
        n = find_addresses(p->rtnl, link.ifindex, &c);
        if (n <= 0)
                return n;
        c.own = link.mac;
        c.fd = open_socket(link.ifindex);
        if (c.fd < 0)
                return c.fd;
        p->cards[p->n_cards++] = c;
        return n;
}

size_t arp_probe_count(const ArpProbe *p) {
        size_t n = 0;

        for (size_t i = 0; i < p->n_cards; i++)
                n += p->cards[i].n_addresses;
        return n;
}

void arp_probe_flush(ArpProbe *p) {
        Frame f;

        for (size_t i = 0; i < p->n_cards; i++)
                for (unsigned k = 0; k < 10000 && recv(p->cards[i].fd, &f, sizeof(f), MSG_DONTWAIT) >= 0; k++)
                        ;
}

static void ask(const Card *c) {
        Frame f = {
                .header.ether_type = htons(ETHERTYPE_ARP),
                .arp = {
                        .ea_hdr = {
                                .ar_hrd = htons(ARPHRD_ETHER), .ar_pro = htons(ETHERTYPE_IP),
                                .ar_hln = ETH_ALEN, .ar_pln = sizeof(struct in_addr), .ar_op = htons(ARPOP_REQUEST),
                        },
                },
        };

        memset(f.header.ether_dhost, 0xff, ETH_ALEN);
        memcpy(f.header.ether_shost, &c->own, ETH_ALEN);
        memcpy(f.arp.arp_sha, &c->own, ETH_ALEN);
        for (size_t i = 0; i < c->n_addresses; i++) {
                memcpy(f.arp.arp_tpa, &c->addresses[i], sizeof(struct in_addr));
                (void) send(c->fd, &f, sizeof(f), MSG_DONTWAIT); /* asked again soon */
        }
}

/* Our own requests come back to us, too, but not with the guest's address in them. */
static bool is_from_guest(const Card *c, const Frame *f, ssize_t n) {
        static const unsigned char none[sizeof(struct in_addr)];

        return n >= (ssize_t) sizeof(*f) && f->header.ether_type == htons(ETHERTYPE_ARP) &&
               memcmp(f->arp.arp_sha, &c->mac, ETH_ALEN) == 0 && memcmp(f->arp.arp_spa, none, sizeof(none)) != 0;
}

int arp_probe_ask(ArpProbe *p, usec_t deadline) {
        struct pollfd fds[CARDS_MAX];
        Frame f;

        for (size_t i = 0; i < p->n_cards; i++) {
                ask(p->cards + i);
                fds[i] = (struct pollfd){ .fd = p->cards[i].fd, .events = POLLIN };
        }
        for (usec_t t; (t = now_monotonic()) < deadline;) {
                struct timespec left = { .tv_sec = (time_t) ((deadline - t) / USEC_PER_SEC),
                        .tv_nsec = (long) ((deadline - t) % USEC_PER_SEC * 1000) };

                if (ppoll(fds, p->n_cards, &left, NULL) < 0 && errno != EINTR)
                        return -errno;
                for (size_t i = 0; i < p->n_cards; i++) {
                        ssize_t n = recv(p->cards[i].fd, &f, sizeof(f), MSG_DONTWAIT);
                        if (n > 0 && is_from_guest(p->cards + i, &f, n))
                                return 1;
                        if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
                                return -errno;
                }
        }
        return 0;
}
