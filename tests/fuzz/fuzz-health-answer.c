/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What guests send to qnet-health, or what their QEMU does: the first byte says by which way, the rest is the packet.
 * Whatever it is, at most one guest is taken to be well by it: one that was asked by that way, and whose address, or the
 * number that it was told, is in the packet. */

#include <net/ethernet.h>
#include <netinet/in.h>

#include "fuzz.h"
#include "watch.h"

#define MUST(condition)           \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)

#define COOKIE  UINT64_C(0x1122334455667788)
#define ATTEMPT 2U
#define IFINDEX 7

enum { ARP4, ARP6, PING4, PING6, AGENT, HEARTBEAT, N_CHECKS };
enum { WAY_ARP, WAY_ICMP, WAY_ICMP6, WAY_AGENT, WAY_HEARTBEAT, N_WAYS };

static const Target targets[N_CHECKS] = {
        [ARP4] = { .name = "arp4", .probe = PROBE_ARP },
        [ARP6] = { .name = "arp6", .probe = PROBE_ARP },
        [PING4] = { .name = "ping4", .probe = PROBE_PING },
        [PING6] = { .name = "ping6", .probe = PROBE_PING },
        [AGENT] = { .name = "agent", .probe = PROBE_AGENT },
        [HEARTBEAT] = { .name = "heartbeat", .probe = PROBE_HEARTBEAT },
};
static const unsigned char mac[ETH_ALEN] = { 0x52, 0x54, 0, 1, 2, 3 };

/* All of them have been asked. */
static void reset(Watch *w) {
        w->cookie = COOKIE;
        w->n_asked = 0;
        for (size_t i = 0; i < w->n; i++) {
                Check *c = w->checks + i;
                bool v4 = i == ARP4 || i == PING4;

                c->state = CHECK_ASKED;
                c->attempt = ATTEMPT;
                c->heard = false;
                c->ifindex = IFINDEX;
                c->has_mac = i == ARP4;
                memcpy(&c->mac, mac, sizeof(mac));
                c->ip = (IPAddress){ .family = v4 ? AF_INET : AF_INET6, .bytes = { 10, 9, 0, (unsigned char) i } };
                w->asked[w->n_asked++] = c;
        }
        w->n_busy = w->n;
}

static Check *hear(Watch *w, unsigned way, const uint8_t *data, size_t size) { /* NULL: nobody */
        struct sockaddr_storage from = { 0 };
        struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
        bool heard = false;

        memcpy(&sin6.sin6_addr, w->checks[PING6].ip.bytes, sizeof(sin6.sin6_addr));
        memcpy(&from, &sin6, sizeof(sin6));
        if (way == WAY_ARP)
                heard = arp_hear(w, data, size, IFINDEX);
        else if (way == WAY_ICMP || way == WAY_ICMP6)
                heard = ping_hear(w, way == WAY_ICMP ? AF_INET : AF_INET6, data, size, &from);
        else if (size > 0)
                heard = socket_hear(w->checks + (way == WAY_AGENT ? AGENT : HEARTBEAT), (const char *) data, size);
        for (size_t i = 0; heard && i < w->n; i++)
                if (w->checks[i].heard)
                        return w->checks + i;
        MUST(!heard);
        return NULL;
}

static bool has(const uint8_t *data, size_t size, const void *bytes, size_t n) {
        return memmem(data, size, bytes, n);
}

static bool is_entitled(const Watch *w, const Check *c, unsigned way, const uint8_t *data, size_t size) {
        static const uint64_t cookie = COOKIE;
        char number[16];

        switch (c - w->checks) {
        case ARP4:
                return way == WAY_ARP && has(data, size, mac, sizeof(mac)) && has(data, size, c->ip.bytes, 4);
        case ARP6:
                return way == WAY_ICMP6 && has(data, size, c->ip.bytes, 16);
        case PING4:
                return way == WAY_ICMP && has(data, size, &cookie, sizeof(cookie)) && has(data, size, c->ip.bytes, 4);
        case PING6:
                return way == WAY_ICMP6 && has(data, size, &cookie, sizeof(cookie));
        case AGENT:
                snprintf(number, sizeof(number), "%u", (unsigned) (COOKIE + ATTEMPT) & INT32_MAX);
                return way == WAY_AGENT && has(data, size, number, strlen(number));
        default:
                return way == WAY_HEARTBEAT && size > 0;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static Watch *w;
        const Check *c;
        size_t n_idle = 0;

        if (size == 0 || (!w && watch_new(targets, N_CHECKS, &w) < 0))
                return 0;
        reset(w);
        c = hear(w, data[0] % N_WAYS, data + 1, size - 1);
        for (size_t i = 0; i < w->n; i++)
                n_idle += w->checks[i].state == CHECK_IDLE;
        MUST(n_idle == (c ? 1 : 0) && w->n_asked == w->n - n_idle && w->n_busy == w->n_asked);
        MUST(!c || (c->state == CHECK_IDLE && is_entitled(w, c, data[0] % N_WAYS, data + 1, size - 1)));
        return 0;
}
