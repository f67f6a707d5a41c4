/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What comes from within the guest, by a port of virtio-serial whose end on the host is a socket in the machine's run-time
 * directory: QEMU's guest agent is asked and answers, a heartbeat is any byte that arrives. QEMU serves one client, and
 * Linux makes a program in the guest wait while there is none: so a beat is not missed between two probes.
 *
 * QEMU may be the guest's by now. What it sends is
 * looked at for a word and a number, a buffer at a time, and never kept. */

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "watch.h"

/* What the agent has to repeat, so that what it still had to say to somebody else is no answer. */
static unsigned token(const Check *c) {
        return (unsigned) (c->watch->cookie + c->attempt) & INT32_MAX;
}

static bool has_answer(const Check *c, const char *bytes, size_t n) {
        char number[16];

        snprintf(number, sizeof(number), "%u", token(c));
        return c->target->probe == PROBE_HEARTBEAT ||
               (memmem(bytes, n, "\"return\"", strlen("\"return\"")) && memmem(bytes, n, number, strlen(number)));
}

bool socket_hear(Check *c, const char *bytes, size_t n) {
        if (!has_answer(c, bytes, n))
                return false;
        check_heard(c);
        return true;
}

/* qemu-ga's way to find out whether it is there, and listens to us */
static int send_sync(const Check *c, int fd) {
        char command[96];
        int n = snprintf(command, sizeof(command), "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":%u}}\n",
                        token(c));

        return send(fd, command, (size_t) n, MSG_NOSIGNAL) == n ? 0 : -EIO;
}

static int on_bytes(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Check *c = userdata;
        char bytes[4096];
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0)
                (void) socket_hear(c, bytes, (size_t) n);
        else {
                snprintf(c->why, sizeof(c->why), "QEMU has closed its port: %s", n < 0 ? strerror(errno) : "end");
                check_lost(c);
        }
        return 0;
}

static const char *port_of(Probe probe) {
        return probe == PROBE_AGENT ? "agent" : "heartbeat";
}

int socket_ask(Check *c) {
        struct sockaddr_un sun = { .sun_family = AF_UNIX };
        int fd, r;

        if (snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s/%s", c->watch->run_dir, c->target->name,
                            port_of(c->target->probe)) >= (int) sizeof(sun.sun_path))
                return -ENAMETOOLONG;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        r = check_own_fd(c, fd, EPOLLIN, on_bytes);
        if (r < 0)
                return r;
        if (connect(fd, (struct sockaddr *) &sun, sizeof(sun)) < 0) {
                r = -errno;
                snprintf(c->why, sizeof(c->why), "%s: %s", sun.sun_path, strerror(errno));
                return r == -EAGAIN || r == -ECONNREFUSED ? 0 : r; /* QEMU does not take it; else the host's fault */
        }
        if (c->target->probe == PROBE_AGENT && send_sync(c, fd) < 0) {
                snprintf(c->why, sizeof(c->why), "QEMU takes nothing for the agent");
                return 0;
        }
        return 1;
}
