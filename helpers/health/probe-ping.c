/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ICMP echo (RFC 792, RFC 4443), and neighbour discovery (RFC 4861) in the place of ARP with IPv6: one raw socket for all
 * of a family. As with ARP, later attempts have a socket of their own, connected to the guest, which takes from nobody
 * else. */

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include "watch.h"

#define BATCH       64
#define ICMP_FILTER 1 /* linux/icmp.h, which does not go with net/if.h */

/* What comes back in an echo: only who has seen it can send it. */
typedef struct Payload {
        uint64_t cookie;
        uint32_t index, attempt;
} Payload;

typedef struct Echo {
        uint8_t type, code;
        uint16_t checksum, id, sequence;
        Payload payload;
} __attribute__((packed)) Echo;

typedef struct Solicitation {
        struct nd_neighbor_solicit ns;
        uint8_t type, length; /* option: our link-layer address */
        struct ether_addr mac;
} __attribute__((packed)) Solicitation;

/* ---- answers ---- */

static bool hear_echo(Watch *w, const Echo *e, const IPAddress *from) {
        uint32_t index = e->payload.index;
        Check *c = index < w->n ? w->checks + index : NULL;

        if (e->payload.cookie != w->cookie || !c || c->state != CHECK_ASKED || c->target->probe != PROBE_PING ||
                        e->payload.attempt != c->attempt || !ip_equal(from, &c->ip))
                return false;
        check_heard(c);
        return true;
}

static bool hear_advertisement(Watch *w, const struct nd_neighbor_advert *na) {
        for (size_t i = 0; i < w->n_asked; i++) {
                Check *c = w->asked[i];

                if (c->target->probe == PROBE_ARP && c->ip.family == AF_INET6 &&
                                memcmp(c->ip.bytes, &na->nd_na_target, 16) == 0) {
                        check_heard(c);
                        return true;
                }
        }
        return false;
}

static bool hear4(Watch *w, const unsigned char *packet, size_t n) {
        IPAddress from = { .family = AF_INET };
        struct iphdr ip;
        size_t header;
        Echo echo;

        if (n < sizeof(ip))
                return false;
        memcpy(&ip, packet, sizeof(ip));
        header = ip.ihl * (size_t) 4;
        if (header < sizeof(ip) || n < header + sizeof(echo))
                return false;
        memcpy(&echo, packet + header, sizeof(echo));
        memcpy(from.bytes, &ip.saddr, 4);
        return echo.type == ICMP_ECHOREPLY && hear_echo(w, &echo, &from);
}

static bool hear6(Watch *w, const unsigned char *packet, size_t n, const struct sockaddr_storage *sender) {
        IPAddress from = { .family = AF_INET6 };
        struct nd_neighbor_advert na;
        struct sockaddr_in6 sin6;
        Echo echo;

        memcpy(&sin6, sender, sizeof(sin6));
        memcpy(from.bytes, &sin6.sin6_addr, 16);
        if (n >= sizeof(echo) && packet[0] == ICMP6_ECHO_REPLY) {
                memcpy(&echo, packet, sizeof(echo));
                return hear_echo(w, &echo, &from);
        }
        if (n < sizeof(na) || packet[0] != ND_NEIGHBOR_ADVERT)
                return false;
        memcpy(&na, packet, sizeof(na));
        return hear_advertisement(w, &na);
}

bool ping_hear(Watch *w, int family, const unsigned char *packet, size_t n, const struct sockaddr_storage *from) {
        return family == AF_INET ? hear4(w, packet, n) : hear6(w, packet, n, from);
}

static void take(Watch *w, const Check *own, int fd, int family) {
        for (unsigned i = 0; i < BATCH; i++) {
                unsigned char packet[128];
                struct sockaddr_storage from = { 0 };
                socklen_t size = sizeof(from);
                ssize_t n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *) &from, &size);

                if (n < 0)
                        return;
                ping_hear(w, family, packet, (size_t) n, &from);
                if (own && own->fd != fd) /* heard, and closed */
                        return;
        }
}

static int on_shared4(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        take(userdata, NULL, fd, AF_INET);
        return 0;
}

static int on_shared6(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        take(userdata, NULL, fd, AF_INET6);
        return 0;
}

static int on_own(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Check *c = userdata;

        take(c->watch, c, fd, c->ip.family);
        return 0;
}

/* ---- sockets ---- */

static int set_filter4(int fd) {
        uint32_t filter = ~(1U << ICMP_ECHOREPLY);

        return setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)) < 0 ? -errno : 0;
}

static int set_filter6(int fd) {
        struct icmp6_filter filter;
        int hops = 255; /* neighbour discovery is of this link only */

        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
        ICMP6_FILTER_SETPASS(ND_NEIGHBOR_ADVERT, &filter);
        if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) < 0 ||
                        setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops)) < 0)
                return -errno;
        return 0;
}

static int open_socket(int family) {
        _cleanup_close_ int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                        family == AF_INET ? (int) IPPROTO_ICMP : (int) IPPROTO_ICMPV6);
        int r;

        if (fd < 0)
                return -errno;
        r = family == AF_INET ? set_filter4(fd) : set_filter6(fd);
        return r < 0 ? r : TAKE_FD(fd);
}

static socklen_t fill_address(const Check *c, struct sockaddr_storage *ret) {
        struct sockaddr_in sin = { .sin_family = AF_INET };
        struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

        if (c->ip.family == AF_INET) {
                memcpy(&sin.sin_addr, c->ip.bytes, sizeof(sin.sin_addr));
                memcpy(ret, &sin, sizeof(sin));
                return sizeof(sin);
        }
        memcpy(&sin6.sin6_addr, c->ip.bytes, sizeof(sin6.sin6_addr));
        if (IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr))
                sin6.sin6_scope_id = (uint32_t) c->ifindex;
        memcpy(ret, &sin6, sizeof(sin6));
        return sizeof(sin6);
}

static int need_own(Check *c, const Device *d) {
        struct sockaddr_storage to = { 0 };
        socklen_t size = fill_address(c, &to);
        int fd = open_socket(c->ip.family), r;

        r = fd < 0 ? fd : check_own_fd(c, fd, EPOLLIN, on_own);
        if (r < 0)
                return r;
        if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, d->name, (socklen_t) strlen(d->name)) < 0)
                return -errno;
        return connect(fd, (struct sockaddr *) &to, size) < 0 ? -errno : fd;
}

static int need_shared(Watch *w, int family) {
        int *member = family == AF_INET ? &w->icmp : &w->icmp6, fd, r;

        if (*member >= 0)
                return *member;
        fd = open_socket(family);
        if (fd < 0)
                return fd;
        r = family == AF_INET ? watch_shared_fd(w, fd, on_shared4, member, &w->icmp_io)
                              : watch_shared_fd(w, fd, on_shared6, member, &w->icmp6_io);
        return r < 0 ? r : fd;
}

/* ---- requests ---- */

static uint16_t checksum(const void *data, size_t n) {
        const unsigned char *p = data;
        uint32_t sum = 0;

        for (size_t i = 0; i + 1 < n; i += 2)
                sum += (uint32_t) p[i] << 8 | p[i + 1];
        while (sum >> 16)
                sum = (sum & 0xffff) + (sum >> 16);
        return htons((uint16_t) ~sum);
}

/* Out of the device that the guest is at, whatever routes there are. */
static int send_by(const Check *c, int fd, const void *data, size_t size) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(struct in6_pktinfo))];
        } control = { 0 };
        struct in_pktinfo info = { .ipi_ifindex = c->ifindex };
        struct in6_pktinfo info6 = { .ipi6_ifindex = (unsigned) c->ifindex };
        bool v4 = c->ip.family == AF_INET;
        struct sockaddr_storage to = { 0 };
        struct iovec iov = { .iov_base = (void *) data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf };
        struct cmsghdr *h;

        message.msg_namelen = fill_address(c, &to);
        message.msg_name = &to;
        message.msg_controllen = v4 ? CMSG_SPACE(sizeof(info)) : CMSG_SPACE(sizeof(info6));
        h = CMSG_FIRSTHDR(&message);
        h->cmsg_level = v4 ? (int) IPPROTO_IP : (int) IPPROTO_IPV6;
        h->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
        h->cmsg_len = v4 ? CMSG_LEN(sizeof(info)) : CMSG_LEN(sizeof(info6));
        memcpy(CMSG_DATA(h), v4 ? (const void *) &info : (const void *) &info6, v4 ? sizeof(info) : sizeof(info6));
        return sendmsg(fd, &message, 0) < 0 ? -errno : 1;
}

static int send_echo(const Check *c, int fd) {
        const Watch *w = c->watch;
        Echo echo = {
                .type = c->ip.family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
                .id = htons((uint16_t) w->cookie),
                .sequence = htons((uint16_t) c->attempt),
                .payload = { .cookie = w->cookie, .index = (uint32_t) (c - w->checks), .attempt = c->attempt },
        };

        if (c->ip.family == AF_INET) /* of ICMPv6 the kernel makes it */
                echo.checksum = checksum(&echo, sizeof(echo));
        return send_by(c, fd, &echo, sizeof(echo));
}

static int send_solicitation(const Check *c, int fd, const Device *d) {
        Solicitation s = {
                .ns = { .nd_ns_type = ND_NEIGHBOR_SOLICIT },
                .type = ND_OPT_SOURCE_LINKADDR,
                .length = 1,
                .mac = d->mac,
        };

        memcpy(&s.ns.nd_ns_target, c->ip.bytes, 16);
        return send_by(c, fd, &s, sizeof(s));
}

int ping_ask(Check *c) {
        Device *d;
        int fd, r;

        r = find_guest(c, &d);
        if (r <= 0)
                return r;
        fd = c->attempt > 1 ? need_own(c, d) : need_shared(c->watch, c->ip.family);
        if (fd < 0)
                return fd;
        r = c->target->probe == PROBE_ARP ? send_solicitation(c, fd, d) : send_echo(c, fd);
        if (r == -ENETUNREACH || r == -EADDRNOTAVAIL)
                snprintf(c->why, sizeof(c->why), "the host has no route to it by %s", d->name);
        return r == -EHOSTUNREACH ? 1 : r; /* the kernel gave up finding its MAC: it is silent */
}
