/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection to a port of the guest, which ends as soon as it stands. */

#include <netinet/in.h>
#include <sys/socket.h>

#include "watch.h"

static void reset_at_close(int fd) {
        struct linger linger = { .l_onoff = 1 };

        (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)); /* no port waits for minutes */
}

static int on_connected(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Check *c = userdata;
        socklen_t size = sizeof(int);
        int error = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                error = errno;
        if (error == 0)
                check_heard(c);
        else {
                snprintf(c->why, sizeof(c->why), "port %u: %s", c->target->port, strerror(error));
                check_lost(c);
        }
        return 0;
}

static socklen_t fill_address(const Check *c, struct sockaddr_storage *ret) {
        struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(c->target->port) };
        struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(c->target->port) };

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

int tcp_ask(Check *c) {
        struct sockaddr_storage to = { 0 };
        Device *d;
        socklen_t size;
        int fd, r;

        r = find_guest(c, &d);
        if (r <= 0)
                return r;
        fd = socket(c->ip.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        r = check_own_fd(c, fd, EPOLLOUT, on_connected);
        if (r < 0)
                return r;
        reset_at_close(fd);
        /* where the guest is, and not where another route to the address leads */
        if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, d->name, (socklen_t) strlen(d->name)) < 0)
                return -errno;
        size = fill_address(c, &to);
        if (connect(fd, (struct sockaddr *) &to, size) >= 0 || errno == EINPROGRESS)
                return 1;
        r = -errno;
        if (r == -ENETUNREACH || r == -EADDRNOTAVAIL)
                snprintf(c->why, sizeof(c->why), "the host has no route to it by %s", d->name);
        return r;
}
