/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where messages go. */

#include <fcntl.h>
#include <sys/stat.h>

#include "log.h"
#include "test.h"

/* journald knows the unit of what comes through its stream, sd-daemon(3), also when the sender has gone. */
static void test_stream_of_the_journal(void **state) {
        int before = dup(STDERR_FILENO), fds[2];
        char name[64], buf[256];
        struct stat st;
        ssize_t n;

        assert_return_code(pipe2(fds, O_NONBLOCK), errno);
        assert_return_code(fstat(fds[1], &st), errno);
        snprintf(name, sizeof(name), "%llu:%llu", (unsigned long long) st.st_dev, (unsigned long long) st.st_ino);
        setenv("JOURNAL_STREAM", name, 1);
        assert_return_code(dup2(fds[1], STDERR_FILENO), errno);
        log_setup("qnet-x");
        assert_int_equal(log_warning_errno(ENOENT, "No %s: %m", "such"), -ENOENT);
        n = read(fds[0], buf, sizeof(buf) - 1);

        dup2(before, STDERR_FILENO);
        log_setup("qnet-x");
        assert_true(n > 0);
        buf[n] = 0;
        assert_string_equal(buf, "<4>No such: No such file or directory\n");
        close(before);
        close(fds[0]);
        close(fds[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stream_of_the_journal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
