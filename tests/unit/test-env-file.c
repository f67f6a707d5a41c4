/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hostile directory is in tests/netns/test-tap.py; here is what the merge makes of the old text. */

#include <fcntl.h>
#include <sys/stat.h>

#include "env-file.h"
#include "test.h"

static char directory[] = "/tmp/qnet-env-file-XXXXXX";
static char path[64];

static void write_file(const char *text) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

#define set_one(before, name, value, after)                           \
        do {                                                          \
                char text[1000] = "";                                 \
                _cleanup_close_ int fd = -1;                          \
                write_file(before);                                   \
                assert_int_equal(env_file_set(path, name, value), 0); \
                fd = open(path, O_RDONLY | O_CLOEXEC);                \
                assert_true(read(fd, text, sizeof(text) - 1) >= 0);   \
                assert_string_equal(text, after);                     \
        } while (0)

static void test_merge(void **state) {
        set_one("", "A", "1", "A=1\n");
        set_one("A=0\n", "A", "1", "A=1\n");
        set_one("A=0\nA=2\n", "A", "1", "A=1\n");
        set_one("B=2\nA=0\nC=3\n", "A", "1", "B=2\nC=3\nA=1\n");
        set_one("AB=2\n", "A", "1", "AB=2\nA=1\n");
        set_one("B=2", "A", "1", "B=2\nA=1\n");
        set_one("B=\n", "A", "1", "B=\nA=1\n");
}

static void test_drops_what_is_not_plain(void **state) {
        set_one("B=2\\\n", "A", "1", "A=1\n"); /* would go on with our line */
        set_one("B=\"2\n", "A", "1", "A=1\n");
        set_one("B='2\n", "A", "1", "A=1\n");
        set_one("b=2\n1B=2\n=2\nB\n # B=2\nB =2\n", "A", "1", "A=1\n");
        set_one("B=\x1b[0m\nB=\xff\n", "A", "1", "A=1\n");
}

static void test_refuses(void **state) {
        assert_int_equal(env_file_set("env", "A", "1"), -EINVAL);
        assert_int_equal(env_file_set("/env/", "A", "1"), -EINVAL);
        assert_int_equal(env_file_set("/nonexistent/env", "A", "1"), -ENOENT);
        assert_int_equal(env_file_set("/dev/null/env", "A", "1"), -ENOTDIR);
}

static int set_up(void **state) {
        if (!mkdtemp(directory))
                return -1;
        snprintf(path, sizeof(path), "%s/env", directory);
        return 0;
}

static int tear_down(void **state) {
        unlink(path);
        return rmdir(directory); /* fails if a temporary file was left */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_merge),
                cmocka_unit_test(test_drops_what_is_not_plain),
                cmocka_unit_test(test_refuses),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
