/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "agent.h"
#include "qmp.h"

int agent_open(const char *path, Agent *ret) {
        int fd = qmp_socket(path);

        if (fd < 0)
                return fd;
        ret->fd = fd;
        ret->id = 0;
        ret->unanswered = 0;
        ret->n = 0;
        ret->error[0] = '\0';
        return 0;
}

void agent_close(Agent *a) {
        a->fd = safe_close(a->fd);
}

static int send_line(Agent *a, const char *line) {
        size_t n = strlen(line);
        ssize_t sent = send(a->fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0)
                return errno == EPIPE ? -ECONNRESET : -errno;
        return (size_t) sent == n ? 0 : -EAGAIN; /* the rest of the line is lost, and the agent skips it */
}

static int wait_readable(int fd, usec_t deadline) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        usec_t now = now_monotonic();
        struct timespec ts = { 0 };
        int n;

        if (now < deadline && deadline != USEC_INFINITY)
                ts = (struct timespec){ .tv_sec = (time_t) ((deadline - now) / USEC_PER_SEC),
                        .tv_nsec = (long) ((deadline - now) % USEC_PER_SEC * 1000) };
        n = ppoll(&p, 1, deadline == USEC_INFINITY ? NULL : &ts, NULL);
        if (n == 0)
                return -ETIMEDOUT;
        return n > 0 || errno == EINTR ? 0 : -errno;
}

/* What the buffer holds up to a newline, as JSON; NULL: nothing, or nonsense that was skipped. */
static json_t *take_line(Agent *a, bool *ret_any) {
        char *end = memchr(a->buffer, '\n', a->n), *start = a->buffer;
        json_t *j = NULL;
        size_t used;

        *ret_any = !!end;
        if (!end) {
                if (a->n == sizeof(a->buffer)) /* longer than any answer */
                        a->n = 0;
                return NULL;
        }
        used = (size_t) (end - a->buffer) + 1;
        while (start < end && *start == '\xff') /* what marks a new beginning to some clients */
                start++;
        j = json_loadb(start, (size_t) (end - start), JSON_REJECT_DUPLICATES, NULL);
        memmove(a->buffer, a->buffer + used, a->n - used);
        a->n -= used;
        return j;
}

/* The next answer: 0 and an object. */
static int receive(Agent *a, usec_t deadline, json_t **ret) {
        for (;;) {
                bool any = true;
                ssize_t n;
                int r;

                while (any) {
                        json_t *j = take_line(a, &any);

                        if (json_is_object(j)) {
                                *ret = j;
                                return 0;
                        }
                        json_decref(j);
                }
                r = wait_readable(a->fd, deadline);
                if (r < 0)
                        return r;
                n = recv(a->fd, a->buffer + a->n, sizeof(a->buffer) - a->n, MSG_DONTWAIT);
                if (n == 0 || (n < 0 && errno == ECONNRESET))
                        return -ECONNRESET;
                if (n > 0)
                        a->n += (size_t) n;
                else if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (now_monotonic() >= deadline && n <= 0)
                        return -ETIMEDOUT;
        }
}

int agent_send_sync(Agent *a) {
        char line[96];
        uint32_t random = 0;
        int r;

        if (a->id == 0) {
                (void) getrandom(&random, sizeof(random), GRND_NONBLOCK);
                a->id = (int64_t) random + 1;
        }
        snprintf(line, sizeof(line), "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":%" PRId64 "}}\n", a->id);
        r = send_line(a, line);
        a->unanswered += r >= 0;
        return r;
}

int agent_await_sync(Agent *a, usec_t deadline) {
        for (;;) {
                json_auto_t *answer = NULL;
                json_t *id;
                int r;

                r = receive(a, deadline, &answer);
                if (r < 0)
                        return r;
                id = json_object_get(answer, "return");
                if (json_is_integer(id) && json_integer_value(id) == a->id) {
                        a->unanswered -= a->unanswered > 0;
                        return 0;
                }
                if (now_monotonic() >= deadline) /* whatever else it says */
                        return -ETIMEDOUT;
        }
}

void agent_settle(Agent *a, usec_t deadline) {
        while (a->unanswered > 0 && agent_await_sync(a, deadline) >= 0)
                ;
}

int agent_shutdown(Agent *a, usec_t deadline) {
        int r;

        r = send_line(a, "{\"execute\":\"guest-shutdown\"}\n");
        while (r >= 0) {
                json_auto_t *answer = NULL;
                json_t *error;

                r = receive(a, deadline, &answer);
                if (r < 0)
                        break;
                error = json_object_get(answer, "error");
                if (error) {
                        snprintf(a->error, sizeof(a->error), "%s",
                                        json_string_value(json_object_get(error, "desc")) ?: "no reason given");
                        qmp_printable(a->error);
                        return -EREMOTEIO;
                }
                if (now_monotonic() >= deadline)
                        return 0;
        }
        return r == -ETIMEDOUT || r == -ECONNRESET ? 0 : r;
}
