/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The QMP client against a peer that is slow, chatty, mistaken or hostile: a child process at the other end
 * of a socket pair, which reads nothing and writes what the case says. */

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "qmp.h"
#include "test.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define READY    GREETING "{\"return\": {}, \"id\": 1}\r\n"
#define SECOND   USEC_PER_SEC

typedef void (*speak_t)(int fd, const void *argument);

typedef struct Peer {
        pid_t pid;
        Qmp *qmp;
        unsigned events;
        char last_event[64];
} Peer;

static void count_event(const char *name, json_t *data, void *userdata) {
        Peer *p = userdata;

        p->events++;
        snprintf(p->last_event, sizeof(p->last_event), "%s", name);
}

/* linger: the child keeps its end open, else the client sees the end after what was said */
static void peer_start(Peer *p, speak_t speak, const void *argument, bool linger) {
        int fds[2];

        *p = (Peer){};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        p->pid = fork();
        assert_true(p->pid >= 0);
        if (p->pid == 0) {
                close(fds[0]);
                signal(SIGPIPE, SIG_DFL);
                speak(fds[1], argument);
                if (linger)
                        pause();
                /* not to cut off what the client has not read: it is to see an end, not a reset */
                shutdown(fds[1], SHUT_WR);
                usleep(300000);
                _exit(0);
        }
        close(fds[1]);
        assert_int_equal(qmp_new(fds[0], &p->qmp), 0);
        qmp_set_event(p->qmp, count_event, p);
}

static void peer_stop(Peer *p) {
        qmp_free(p->qmp);
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
}

static void say(int fd, const void *argument) {
        const char *s = argument;

        if (write(fd, s, strlen(s)) < 0)
                _exit(1);
}

static void say_slowly(int fd, const void *argument) {
        for (const char *s = argument; *s; s++) {
                if (write(fd, s, 1) < 0)
                        _exit(1);
                usleep(500);
        }
}

static void say_for_ever(int fd, const void *argument) {
        char block[4096] = {};
        size_t n = strlen(argument), filled = 0;

        while (filled + n <= sizeof(block)) {
                memcpy(block + filled, argument, n);
                filled += n;
        }
        say(fd, READY);
        while (write(fd, block, filled) > 0)
                ;
}

/* a greeting, a query-status, one more: what each returns */
static void talk_one(int line, speak_t speak, const char *script, bool linger, int greeting, int command,
                const char *status, unsigned events) {
        json_auto_t *reply = NULL;
        usec_t start = now_monotonic();
        Peer p;
        int r;

        peer_start(&p, speak, script, linger);
        /* short only where it is to pass: the machine may be busy */
        r = qmp_negotiate(p.qmp, deadline_after(greeting == -ETIMEDOUT ? SECOND : 20 * SECOND));
        if (r != greeting)
                fail_msg("line %d: greeting %d instead of %d", line, r, greeting);
        if (r == 0) {
                r = qmp_command(p.qmp, "query-status",
                                deadline_after(command == -ETIMEDOUT ? SECOND / 5 : 20 * SECOND), &reply);
                if (r != command)
                        fail_msg("line %d: command %d instead of %d", line, r, command);
        }
        if (status && !streq_ptr(json_string_value(json_object_get(reply, "status")), status))
                fail_msg("line %d: status", line);
        if (p.events != events)
                fail_msg("line %d: %u events instead of %u", line, p.events, events);
        if (now_monotonic() - start > 25 * SECOND)
                fail_msg("line %d: took too long", line);
        peer_stop(&p);
}
#define TALK(...) talk_one(__LINE__, __VA_ARGS__)

static void test_replies(void **state) {
        TALK(say, READY "{\"return\": {\"status\": \"running\"}, \"id\": 2}\r\n", true, 0, 0, "running", 0);
        TALK(say, READY "\n\r\n \t\n{\"return\": {}, \"id\": 2}\n", true, 0, 0, NULL, 0);
        TALK(say_slowly, READY "{\"return\": {\"status\": \"paused\"}, \"id\": 2}\r\n", true, 0, 0, "paused",
                        0);
        /* events before, between and after; a late reply to something that had timed out */
        TALK(say,
                        READY
                        "{\"event\": \"RESUME\", \"data\": {}}\n{\"return\": 1, \"id\": 77}\n{\"event\": \"STOP\"}\n"
                        "{\"return\": {\"status\": \"x\"}, \"id\": 2}\n{\"event\": \"LATER\"}\n",
                        true, 0, 0, "x", 2);
        TALK(say, GREETING "{\"event\": \"A\"}\n{\"return\": {}, \"id\": 1}\n{\"return\": {}, \"id\": 2}\n",
                        true, 0, 0, NULL, 1);
        TALK(say, READY "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}, \"id\": 2}\n", true,
                        0, -EREMOTEIO, NULL, 0);
        TALK(say, READY "{\"error\": 5, \"id\": 2}\n", true, 0, -EREMOTEIO, NULL, 0);
        TALK(say, READY "{\"return\": {}, \"id\": \"2\"}\n", true, 0, -ETIMEDOUT, NULL, 0);
}

static void test_ends(void **state) {
        TALK(say, "", true, -ETIMEDOUT, 0, NULL, 0); /* a second client hears nothing */
        TALK(say, "", false, -ECONNRESET, 0, NULL, 0);
        TALK(say, GREETING, false, -ECONNRESET, 0, NULL, 0);
        TALK(say, READY, false, 0, -ECONNRESET, NULL, 0);
        TALK(say, READY "{\"return\": {}, \"id\"", false, 0, -ECONNRESET, NULL, 0);
        TALK(say, READY "{\"return\": {}, \"id\"", true, 0, -ETIMEDOUT, NULL, 0);
}

static void test_garbage(void **state) {
        static char deep[20000];

        TALK(say, "HTTP/1.1 400 Bad Request\r\n", true, -EPROTO, 0, NULL, 0);
        TALK(say, "[]\n", true, -EPROTO, 0, NULL, 0);
        TALK(say, "{\"QMP\": 5}\n", true, -EPROTO, 0, NULL, 0);
        TALK(say, "{\"event\": \"X\"}\n", true, -EPROTO, 0, NULL, 0);
        TALK(say, READY "\xff\xfe\x01\n", true, 0, -EPROTO, NULL, 0);
        TALK(say, READY "{}\n", true, 0, -EPROTO, NULL, 0);
        TALK(say, READY "{\"return\": {}, \"id\": 2} trailing\n", true, 0, -EPROTO, NULL, 0);
        TALK(say, READY "{\"return\": {}, \"id\": 99999999999999999999999}\n", true, 0, -EPROTO, NULL, 0);
        /* without an id: an answer to a line that QEMU could not parse */
        TALK(say, READY "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON\"}}\n", true, 0, -EPROTO,
                        NULL, 0);

        strcpy(deep, READY);
        memset(deep + strlen(deep), '[', sizeof(deep) - strlen(deep) - 2);
        deep[sizeof(deep) - 2] = '\n';
        TALK(say, deep, true, 0, -EPROTO, NULL, 0);
}

/* The address sanitizer keeps what was freed for a while. */
#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_MAX_KIB (512 * 1024)
#else
#define GROWTH_MAX_KIB (16 * 1024)
#endif

static long peak_kib(void) {
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return u.ru_maxrss;
}

static void test_flood(void **state) {
        long before = peak_kib();
        Peer p;
        usec_t start;

        /* one line without an end */
        TALK(say_for_ever, "x", true, 0, -EMSGSIZE, NULL, 0);
        TALK(say_for_ever, "\t", true, 0, -EMSGSIZE, NULL, 0);

        /* lines without an end: the deadline holds, and work stays linear */
        peer_start(&p, say_for_ever, "\n", true);
        assert_int_equal(qmp_negotiate(p.qmp, deadline_after(SECOND)), 0);
        start = now_monotonic();
        assert_int_equal(qmp_command(p.qmp, "x", deadline_after(SECOND / 5), NULL), -ETIMEDOUT);
        assert_true(now_monotonic() - start < SECOND);
        peer_stop(&p);

        peer_start(&p, say_for_ever, "{\"event\":\"E\"}\n", true);
        assert_int_equal(qmp_negotiate(p.qmp, deadline_after(SECOND)), 0);
        start = now_monotonic();
        assert_int_equal(qmp_command(p.qmp, "x", deadline_after(SECOND / 5), NULL), -ETIMEDOUT);
        assert_true(now_monotonic() - start < SECOND);
        assert_true(p.events > 1000);
        peer_stop(&p);

        assert_true(peak_kib() - before < GROWTH_MAX_KIB);
}

static void test_line_limit(void **state) {
        _cleanup_free_ char *script = malloc(QMP_LINE_MAX + 1024);
        size_t n = sprintf(script, READY "{\"event\": \"");

        /* long, but legal: an event of nearly a megabyte, then the reply */
        memset(script + n, 'e', QMP_LINE_MAX - 100);
        strcpy(script + n + QMP_LINE_MAX - 100, "\"}\n{\"return\": {\"status\": \"running\"}, \"id\": 2}\n");
        TALK(say, script, true, 0, 0, "running", 1);
}

static void test_events_and_errors(void **state) {
        Peer p;

        peer_start(&p, say,
                        READY
                        "{\"event\": \"ONE\"}\n{\"event\": \"TWO\"}\n"
                        "{\"error\": {\"class\": \"C\", \"desc\": \"a\\u001b[31mred\\u0007\"}, \"id\": 2}\n",
                        false);
        assert_int_equal(qmp_negotiate(p.qmp, deadline_after(SECOND)), 0);
        assert_int_equal(qmp_wait_event(p.qmp, deadline_after(SECOND)), 0);
        assert_string_equal(p.last_event, "ONE");
        assert_int_equal(qmp_command(p.qmp, "x", deadline_after(SECOND), NULL), -EREMOTEIO);
        assert_string_equal(p.last_event, "TWO");
        assert_string_equal(qmp_error(p.qmp), "a?[31mred? (C)");
        assert_int_equal(qmp_wait_event(p.qmp, deadline_after(SECOND)), -ECONNRESET);
        peer_stop(&p);
}

static void add_fd_one(const char *reply, int expected, json_int_t set) {
        char script[512];
        json_int_t n = -1;
        Peer p;

        snprintf(script, sizeof(script), READY "%s\n{\"return\": {}, \"id\": 3}\n", reply);
        peer_start(&p, say, script, true);
        assert_int_equal(qmp_negotiate(p.qmp, deadline_after(20 * SECOND)), 0);
        assert_int_equal(qmp_add_fd(p.qmp, STDIN_FILENO, "x", deadline_after(20 * SECOND), &n), expected);
        assert_int_equal(n, expected == 0 ? set : -1);
        if (expected != -EPROTO)
                assert_int_equal(qmp_command(p.qmp, "x", deadline_after(20 * SECOND), NULL), 0);
        peer_stop(&p);
}

static void test_add_fd_replies(void **state) {
        add_fd_one("{\"return\": {\"fdset-id\": 7, \"fd\": 30}, \"id\": 2}", 0, 7);
        add_fd_one("{\"return\": {\"fdset-id\": \"7\"}, \"id\": 2}", -EPROTO, 0);
        add_fd_one("{\"return\": [], \"id\": 2}", -EPROTO, 0);
        add_fd_one("{\"error\": {\"desc\": \"no\"}, \"id\": 2}", -EREMOTEIO, 0);
}

/* One descriptor goes with the command, none with the next. */
static void test_add_fd_passes_it(void **state) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(4 * sizeof(int))];
        } control;
        char data[512], link[64];
        struct iovec iov = { data, sizeof(data) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        _cleanup_qmp_ Qmp *q = NULL;
        int fds[2], pipes[2], fd;
        json_int_t set;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(pipe(pipes), 0);
        assert_int_equal(qmp_new(fds[0], &q), 0);
        assert_int_equal(qmp_add_fd(q, pipes[1], "a \"name\"", deadline_after(1), &set), -ETIMEDOUT);
        assert_int_equal(qmp_command(q, "next", deadline_after(1), NULL), -ETIMEDOUT);

        assert_true(recvmsg(fds[1], &m, 0) > 0);
        assert_non_null(memmem(data, sizeof(data), "\"a \\\"name\\\"\"", 12));
        assert_int_equal(m.msg_controllen, CMSG_SPACE(sizeof(int)));
        assert_int_equal(control.header.cmsg_type, SCM_RIGHTS);
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
        assert_int_equal(write(fd, "x", 1), 1); /* it is the pipe */
        assert_int_equal(read(pipes[0], link, sizeof(link)), 1);
        m.msg_controllen = sizeof(control);
        assert_true(recvmsg(fds[1], &m, MSG_DONTWAIT) < 0 || m.msg_controllen == 0);
        close(fd);
        close(fds[1]);
        close(pipes[0]);
        close(pipes[1]);
}

static void test_socket(void **state) {
        char path[200];

        memset(path, 'x', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        assert_int_equal(qmp_socket(path), -ENAMETOOLONG);
        assert_int_equal(qmp_socket("/nonexistent/qmp"), -ENOENT);
        assert_true(deadline_after(USEC_INFINITY) == USEC_INFINITY);
        assert_true(deadline_after(USEC_INFINITY - 1) == USEC_INFINITY);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_replies),
                cmocka_unit_test(test_ends),
                cmocka_unit_test(test_garbage),
                cmocka_unit_test(test_flood),
                cmocka_unit_test(test_line_limit),
                cmocka_unit_test(test_events_and_errors),
                cmocka_unit_test(test_add_fd_replies),
                cmocka_unit_test(test_add_fd_passes_it),
                cmocka_unit_test(test_socket),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
