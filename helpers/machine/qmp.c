/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "qmp.h"

struct Qmp {
        int fd;
        char *buffer;
        size_t size;    /* allocated */
        size_t start;   /* consumed */
        size_t scanned; /* known to hold no newline after start */
        size_t end;     /* filled */
        json_int_t id;  /* of the last command */
        int passed_fd;  /* goes with the next bytes that are sent; -1: none. The caller's */
        char *error;
        qmp_event_t on_event;
        void *userdata;
};

usec_t now_monotonic(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

usec_t deadline_after(usec_t span) {
        usec_t now = now_monotonic();

        return span >= USEC_INFINITY - now ? USEC_INFINITY : now + span;
}

char *qmp_printable(char *s) {
        for (unsigned char *p = (unsigned char *) s; *p; p++)
                if (*p < ' ' || *p == 127)
                        *p = '?';
        return s;
}

int qmp_socket(const char *path) {
        _cleanup_close_ int fd = -1;
        struct sockaddr_un sa = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        strcpy(sa.sun_path, path);

        /* non-blocking: with a full backlog connect() would wait, and no deadline could end that */
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

Qmp *qmp_free(Qmp *q) {
        if (!q)
                return NULL;
        safe_close(q->fd);
        free(q->buffer);
        free(q->error);
        free(q);
        return NULL;
}

int qmp_new(int fd, Qmp **ret) {
        Qmp *q = calloc(1, sizeof(*q));

        if (!q) {
                safe_close(fd);
                return -ENOMEM;
        }
        q->fd = fd;
        q->passed_fd = -1;
        *ret = q;
        return 0;
}

void qmp_set_event(Qmp *q, qmp_event_t f, void *userdata) {
        q->on_event = f;
        q->userdata = userdata;
}

const char *qmp_error(const Qmp *q) {
        return q->error ?: "no reason given";
}

/* 0 when the socket is ready for events, -ETIMEDOUT */
static int wait_fd(int fd, short events, usec_t deadline) {
        for (;;) {
                struct pollfd p = { .fd = fd, .events = events };
                struct timespec ts;
                usec_t now = now_monotonic(), left;
                int n;

                if (now >= deadline)
                        return -ETIMEDOUT;
                left = deadline - now;
                ts = (struct timespec){ .tv_sec = (time_t) (left / USEC_PER_SEC),
                        .tv_nsec = (long) (left % USEC_PER_SEC * 1000) };
                n = ppoll(&p, 1, deadline == USEC_INFINITY ? NULL : &ts, NULL);
                if (n > 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
        }
}

/* Makes room at the end of the buffer. */
static int reserve(Qmp *q) {
        size_t size = q->size ? q->size * 2 : 4096;
        char *p;

        /* only here, not per line: a flood of short lines would be moved again and again */
        if (q->start > 0) {
                memmove(q->buffer, q->buffer + q->start, q->end - q->start);
                q->end -= q->start;
                q->scanned -= q->start;
                q->start = 0;
        }
        if (q->end < q->size)
                return 0;
        if (q->size >= QMP_LINE_MAX)
                return -EMSGSIZE;
        p = realloc(q->buffer, size);
        if (!p)
                return -ENOMEM;
        q->buffer = p;
        q->size = size;
        return 0;
}

/* Once more into the buffer; waits for something to arrive. */
static int fill(Qmp *q, usec_t deadline) {
        ssize_t n;
        int r;

        r = reserve(q);
        if (r < 0)
                return r;
        r = wait_fd(q->fd, POLLIN, deadline);
        if (r < 0)
                return r;
        n = recv(q->fd, q->buffer + q->end, q->size - q->end, MSG_DONTWAIT);
        if (n == 0)
                return -ECONNRESET;
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : errno == ECONNRESET ? -ECONNRESET : -errno;
        q->end += (size_t) n;
        return 0;
}

static bool is_blank(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!strchr(" \t\r", s[i]) || !s[i])
                        return false;
        return true;
}

/* 1 and an object, 0 when no whole line has arrived yet */
static int take_object(Qmp *q, json_t **ret) {
        for (;;) {
                char *line = q->buffer + q->start, *newline;
                json_t *object;
                size_t n;

                newline = q->end > q->scanned ? memchr(q->buffer + q->scanned, '\n', q->end - q->scanned)
                                              : NULL;
                if (!newline) {
                        q->scanned = q->end;
                        return 0;
                }
                n = (size_t) (newline - line);
                q->start = q->scanned = q->start + n + 1;
                if (is_blank(line, n))
                        continue;

                object = json_loadb(line, n, 0, NULL); /* jansson bounds the depth itself */
                if (!json_is_object(object)) {
                        json_decref(object);
                        return -EPROTO;
                }
                *ret = object;
                return 1;
        }
}

static int receive(Qmp *q, usec_t deadline, json_t **ret) {
        for (;;) {
                int r;

                /* also with lines in the buffer: a peer that floods us must not outlast the deadline */
                if (now_monotonic() >= deadline)
                        return -ETIMEDOUT;
                r = take_object(q, ret);
                if (r != 0)
                        return r < 0 ? r : 0;
                r = fill(q, deadline);
                if (r < 0)
                        return r;
        }
}

/* As send(2); a descriptor goes with the first byte (unix(7), SCM_RIGHTS). */
static ssize_t send_some(Qmp *q, const char *text, size_t length) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec data = { .iov_base = (char *) text, .iov_len = length };
        struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
        ssize_t n;

        if (q->passed_fd >= 0) {
                message.msg_control = &control;
                message.msg_controllen = sizeof(control.space);
                control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(sizeof(int)) };
                memcpy(CMSG_DATA(&control.header), &q->passed_fd, sizeof(int));
        }
        n = sendmsg(q->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
                q->passed_fd = -1;
        return n;
}

static int send_all(Qmp *q, const char *text, usec_t deadline) {
        size_t length = strlen(text);

        while (length > 0) {
                ssize_t n = send_some(q, text, length);
                int r;

                if (n >= 0) {
                        text += n;
                        length -= (size_t) n;
                        continue;
                }
                if (errno == EPIPE || errno == ECONNRESET)
                        return -ECONNRESET;
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                r = wait_fd(q->fd, POLLOUT, deadline);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* true if the object is an event; it has then been shown to the owner */
static bool handle_event(Qmp *q, json_t *object) {
        const char *name = json_string_value(json_object_get(object, "event"));

        if (!name)
                return false;
        if (q->on_event)
                q->on_event(name, json_object_get(object, "data"), q->userdata);
        return true;
}

static int remember_error(Qmp *q, json_t *error) {
        const char *class = json_string_value(json_object_get(error, "class"));
        const char *text = json_string_value(json_object_get(error, "desc"));
        char *s = NULL;

        if (asprintf(&s, "%.400s (%.60s)", text ?: "no description", class ?: "no class") < 0)
                return -ENOMEM;
        free(q->error);
        q->error = qmp_printable(s);
        return -EREMOTEIO;
}

/* 1: the reply to command id, in *ret; 0: something else */
static int match_reply(Qmp *q, json_t *object, json_t **ret) {
        json_t *id = json_object_get(object, "id"), *value = json_object_get(object, "return"),
               *error = json_object_get(object, "error");

        if (!value && !error)
                return -EPROTO;
        if (!id)
                return -EPROTO; /* to a line that QEMU could not parse, and ours it can */
        if (!json_is_integer(id) || json_integer_value(id) != q->id)
                return 0; /* late, to a command that had timed out */
        if (error)
                return remember_error(q, error);
        if (ret)
                *ret = json_incref(value);
        return 1;
}

/* Sends a line with the number q->id, and waits for the answer to it. */
static int execute(Qmp *q, const char *line, usec_t deadline, json_t **ret) {
        int r;

        r = send_all(q, line, deadline);
        if (r < 0)
                return r;

        for (;;) {
                json_auto_t *object = NULL;

                r = receive(q, deadline, &object);
                if (r < 0)
                        return r;
                if (handle_event(q, object))
                        continue;
                r = match_reply(q, object, ret);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
}

int qmp_command(Qmp *q, const char *command, usec_t deadline, json_t **ret) {
        char line[200];
        int r;

        q->id++;
        r = snprintf(line, sizeof(line), "{\"execute\":\"%s\",\"id\":%" JSON_INTEGER_FORMAT "}\r\n", command,
                        q->id);
        if (r < 0 || (size_t) r >= sizeof(line))
                return -EINVAL;
        return execute(q, line, deadline, ret);
}

int qmp_command_with(Qmp *q, const char *command, json_t *arguments, usec_t deadline, json_t **ret) {
        _cleanup_free_ char *text = arguments ? json_dumps(arguments, JSON_COMPACT) : NULL, *line = NULL;

        if (!text)
                return -ENOMEM;
        q->id++;
        if (asprintf(&line, "{\"execute\":\"%s\",\"arguments\":%s,\"id\":%" JSON_INTEGER_FORMAT "}\r\n", command,
                            text, q->id) < 0)
                return -ENOMEM;
        return execute(q, line, deadline, ret);
}

int qmp_add_fd(Qmp *q, int fd, const char *opaque, usec_t deadline, json_int_t *ret_set) {
        json_auto_t *arguments = json_pack("{s:s}", "opaque", opaque), *reply = NULL;
        json_t *set;
        int r;

        q->passed_fd = fd;
        r = qmp_command_with(q, "add-fd", arguments, deadline, &reply);
        q->passed_fd = -1;
        if (r < 0)
                return r;
        set = json_object_get(reply, "fdset-id");
        if (!json_is_integer(set))
                return -EPROTO;
        *ret_set = json_integer_value(set);
        return 0;
}

int qmp_negotiate(Qmp *q, usec_t deadline) {
        json_auto_t *greeting = NULL;
        int r;

        r = receive(q, deadline, &greeting);
        if (r < 0)
                return r;
        if (!json_is_object(json_object_get(greeting, "QMP")))
                return -EPROTO;
        return qmp_command(q, "qmp_capabilities", deadline, NULL);
}

int qmp_wait_event(Qmp *q, usec_t deadline) {
        for (;;) {
                json_auto_t *object = NULL;
                int r;

                r = receive(q, deadline, &object);
                if (r < 0)
                        return r;
                if (handle_event(q, object))
                        return 0;
        }
}
