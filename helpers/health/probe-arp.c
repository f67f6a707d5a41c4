/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ARP (RFC 826) by ourselves, not by the kernel's table: there, what qnet has pinned is never asked for again.
 *
 * A first request goes to the guest's MAC, and all answers come to one socket. Later ones go to all, as bare-metal stacks
 * may know no better, and each waits at a socket of its own whose filter lets in nothing but the one guest's answer: so
 * that a guest that floods the host with ARP can make others look silent once, but not ill. */

#include <linux/filter.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <sys/socket.h>

#include "watch.h"

#define BATCH 64

/* Answers from ip, or from anybody if it is 0. */
static int attach_filter(int fd, uint32_t ip) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct ether_arp, ea_hdr.ar_op)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARPOP_REPLY, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct ether_arp, arp_spa)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ip, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, sizeof(struct ether_arp)),
                BPF_STMT(BPF_RET | BPF_K, 0),
        };
        struct sock_fprog program = { .len = ELEMENTSOF(code), .filter = code };

        if (ip == 0) /* whatever it is */
                code[3].jf = 0;
        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

/* Of a device, or of all (0). Nothing is in it that the filter would not let in. */
static int open_socket(int ifindex, uint32_t ip) {
        struct sockaddr_ll sll = {
                .sll_family = AF_PACKET,
                .sll_protocol = htons(ETH_P_ARP),
                .sll_ifindex = ifindex,
        };
        _cleanup_close_ int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int r;

        if (fd < 0)
                return -errno;
        r = attach_filter(fd, ip);
        if (r < 0)
                return r;
        return bind(fd, (struct sockaddr *) &sll, sizeof(sll)) < 0 ? -errno : TAKE_FD(fd);
}

static Check *whose(const Watch *w, const struct ether_arp *arp, int ifindex) {
        for (size_t i = 0; i < w->n_asked; i++) {
                Check *c = w->asked[i];

                if (c->target->probe == PROBE_ARP && c->ip.family == AF_INET && c->ifindex == ifindex &&
                                memcmp(c->ip.bytes, arp->arp_spa, 4) == 0 &&
                                (!c->has_mac || memcmp(&c->mac, arp->arp_sha, ETH_ALEN) == 0))
                        return c;
        }
        return NULL;
}

static bool is_answer(const struct ether_arp *arp) {
        return arp->ea_hdr.ar_op == htons(ARPOP_REPLY) && arp->ea_hdr.ar_pro == htons(ETH_P_IP) &&
               arp->ea_hdr.ar_hln == ETH_ALEN && arp->ea_hdr.ar_pln == 4;
}

bool arp_hear(Watch *w, const unsigned char *packet, size_t n, int ifindex) {
        struct ether_arp arp;
        Check *c;

        if (n < sizeof(arp))
                return false;
        memcpy(&arp, packet, sizeof(arp));
        c = is_answer(&arp) ? whose(w, &arp, ifindex) : NULL;
        if (c)
                check_heard(c);
        return c;
}

static void take(Watch *w, int fd) {
        /* no longer than a batch: who floods must not keep time-outs from being seen */
        for (unsigned i = 0; i < BATCH; i++) {
                unsigned char packet[sizeof(struct ether_arp)];
                struct sockaddr_ll from;
                socklen_t size = sizeof(from);
                ssize_t n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *) &from, &size);

                if (n < 0 || (arp_hear(w, packet, (size_t) n, from.sll_ifindex) && fd != w->arp)) /* closed */
                        return;
        }
}

static int on_shared(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        take(userdata, fd);
        return 0;
}

static int on_own(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Check *c = userdata;

        take(c->watch, fd);
        return 0;
}

static int need_socket(Check *c) {
        Watch *w = c->watch;
        uint32_t ip;
        int fd;

        if (c->attempt > 1) {
                memcpy(&ip, c->ip.bytes, sizeof(ip));
                fd = open_socket(c->ifindex, ntohl(ip));
                return fd < 0 ? fd : check_own_fd(c, fd, EPOLLIN, on_own);
        }
        if (w->arp >= 0)
                return 0;
        fd = open_socket(0, 0);
        return fd < 0 ? fd : watch_shared_fd(w, fd, on_shared, &w->arp, &w->arp_io);
}

static int request(Check *c, const Device *d) {
        struct sockaddr_ll to = {
                .sll_family = AF_PACKET,
                .sll_protocol = htons(ETH_P_ARP),
                .sll_ifindex = c->ifindex,
                .sll_halen = ETH_ALEN,
        };
        struct ether_arp arp = {
                .ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
                                .ar_pro = htons(ETH_P_IP),
                                .ar_hln = ETH_ALEN,
                                .ar_pln = 4,
                                .ar_op = htons(ARPOP_REQUEST) },
        };

        if (c->has_mac && c->attempt == 1)
                memcpy(to.sll_addr, &c->mac, ETH_ALEN);
        else
                memset(to.sll_addr, 0xff, ETH_ALEN);
        memcpy(arp.arp_sha, &d->mac, ETH_ALEN);
        /* 0.0.0.0, where the host has no address, is answered too: RFC 5227, 2.1.1 */
        memcpy(arp.arp_spa, d->ip, sizeof(d->ip));
        memcpy(arp.arp_tpa, c->ip.bytes, 4);
        if (sendto(c->fd >= 0 ? c->fd : c->watch->arp, &arp, sizeof(arp), 0, (struct sockaddr *) &to, sizeof(to)) < 0)
                return -errno;
        return 1;
}

int arp_ask(Check *c) {
        Device *d;
        int r;

        r = find_guest(c, &d);
        if (r <= 0)
                return r;
        if (c->ip.family == AF_INET6) /* neighbour discovery */
                return ping_ask(c);
        r = need_socket(c);
        return r < 0 ? r : request(c, d);
}
