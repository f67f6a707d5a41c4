/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A guest agent that answers late: all that it was asked meanwhile. */

#include <sys/socket.h>

#include "agent.h"
#include "qmp.h"
#include "test.h"

#define SECOND USEC_PER_SEC

static usec_t in_a_second(void) {
        return now_monotonic() + SECOND;
}

static void answer(int fd, int64_t id) {
        char line[64];
        int n = snprintf(line, sizeof(line), "{\"return\": %lld}\n", (long long) id);

        assert_int_equal(send(fd, line, (size_t) n, 0), n);
}

static void test_no_answer_is_left_behind(void **state) {
        char rest[8];
        Agent a = { 0 };
        int fds[2];

        assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), errno);
        a.fd = fds[0];
        for (int i = 0; i < 3; i++)
                assert_int_equal(agent_send_sync(&a), 0);
        for (int i = 0; i < 3; i++)
                answer(fds[1], a.id);
        assert_int_equal(agent_await_sync(&a, in_a_second()), 0);
        assert_int_equal(a.unanswered, 2);
        agent_settle(&a, in_a_second());
        assert_int_equal(a.unanswered, 0);
        assert_int_equal(a.n, 0);
        assert_int_equal(recv(fds[0], rest, sizeof(rest), MSG_DONTWAIT), -1);

        /* it ends at the deadline, and when there is nobody */
        assert_int_equal(agent_send_sync(&a), 0);
        agent_settle(&a, now_monotonic() + SECOND / 100);
        assert_int_equal(a.unanswered, 1);
        close(fds[1]);
        agent_settle(&a, USEC_INFINITY);
        agent_close(&a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_answer_is_left_behind),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
