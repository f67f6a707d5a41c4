/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ports of virtio-serial, whose end on the host is a socket: of the guest agent, which is asked, and of qnet.notify, at
 * which the guest speaks first, in lines as sd_notify(3) has them. QEMU may be the guest's by now: a line that is too long
 * is skipped, and the text of a status is made printable. */

#include <poll.h>
#include <sys/socket.h>

#include "agent.h"
#include "log.h"
#include "ready.h"

#define ASK_INTERVAL USEC_PER_SEC
#define RETRY        (20 * USEC_PER_MSEC)
#define LINE_SIZE    2048U

/* The socket is there, as QEMU runs; it may have more clients than it takes. */
static int connect_port(const Ready *r) {
        for (;;) {
                int fd = qmp_socket(r->path), e;

                if (fd != -EAGAIN)
                        return fd < 0 ? log_error_errno(fd, "Cannot connect to %s: %m", r->path) : fd;
                e = ready_sleep(r, -1, 0, deadline_after(RETRY));
                if (e < 0)
                        return e;
        }
}

int wait_agent(Ready *r) {
        _cleanup_agent_ Agent agent = { .fd = connect_port(r) };
        int e;

        if (agent.fd < 0)
                return agent.fd;
        for (;;) {
                e = agent_send_sync(&agent); /* again: another client may have had the port, and taken the answer */
                if (e < 0 && e != -EAGAIN)
                        return e == -ECONNRESET ? e : log_error_errno(e, "Cannot ask the agent on %s: %m", r->path);
                e = ready_sleep(r, agent.fd, POLLIN, deadline_after(ASK_INTERVAL));
                if (e > 0)
                        e = agent_await_sync(&agent, MIN(r->deadline, deadline_after(ASK_INTERVAL)));
                else if (e == 0)
                        continue;
                if (e >= 0)
                        agent_settle(&agent, MIN(r->deadline, deadline_after(ASK_INTERVAL)));
                if (e != -ETIMEDOUT || now_monotonic() >= r->deadline)
                        return e;
        }
}

/* 1: ready */
static int take_line(char *line) {
        const char *status = startswith(line, "STATUS=");

        if (status && text_is_printable(status))
                ready_status("Guest: %s", status);
        return streq(line, "READY=1");
}

typedef struct Lines {
        char text[LINE_SIZE];
        size_t n;
        bool skipping; /* the rest of a line that is too long */
} Lines;

static int take_bytes(Lines *l, const char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (bytes[i] != '\n') {
                        if (l->n + 1 >= sizeof(l->text))
                                l->skipping = true;
                        else
                                l->text[l->n++] = bytes[i];
                        continue;
                }
                if (l->n > 0 && l->text[l->n - 1] == '\r') /* a terminal's settings */
                        l->n--;
                l->text[l->n] = '\0';
                l->n = 0;
                if (!l->skipping && take_line(l->text))
                        return 1;
                l->skipping = false;
        }
        return 0;
}

int wait_notify(Ready *r) {
        _cleanup_close_ int fd = connect_port(r);
        Lines lines = { .n = 0 };
        int e;

        if (fd < 0)
                return fd;
        for (;;) {
                char bytes[1024];
                ssize_t n;

                e = ready_sleep(r, fd, POLLIN, USEC_INFINITY);
                if (e < 0)
                        return e;
                n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
                if (n == 0)
                        return -ECONNRESET;
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return log_error_errno(errno, "Cannot read from %s: %m", r->path);
                if (n > 0 && take_bytes(&lines, bytes, (size_t) n))
                        return 0;
        }
}
