/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines exactly once. The readers are killed at every system call that matters, counted by the linker's --wrap, and in
 * the stress test at random. */

#include "kill-log-reader.h"

/* ---- killing ---- */

static void maybe_die(void) {
        if (calls_left > 0 && --calls_left == 0)
                raise(SIGKILL);
}

/* dies before the call, and with the next number after it */
#define WRAP(type, name, parameters, arguments)   \
        type __real_##name parameters;            \
        type __wrap_##name parameters;            \
        type __wrap_##name parameters {           \
                type result;                      \
                maybe_die();                      \
                result = __real_##name arguments; \
                maybe_die();                      \
                return result;                    \
        }
WRAP(ssize_t, pread64, (int fd, void *buf, size_t n, off_t o), (fd, buf, n, o))
WRAP(int, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, linkat, (int a, const char *b, int c, const char *d, int e), (a, b, c, d, e))
WRAP(int, unlinkat, (int a, const char *b, int c), (a, b, c))

/* ---- killed at every point ---- */

static void before_append(void) {
        put(">>a\n");
}
static void then_append(void) {
        put(">>b\nc\nhalf");
}
static void then_rotate(void) {
        put(">>b\n");
        shell("mv %s %s.1", path, path);
        put(">>c\n");
}
static void then_rewrite(void) {
        put(">b\nc\n");
}
static void then_delete(void) {
        put(">>b\n");
        shell("rm %s", path);
        put(">>c\n");
}

static void kill_one(void (*before)(void), void (*then)(void), const char *what, unsigned lines) {
        int at, killed = 1;

        for (at = 1; killed; at++) {
                begin();
                before();
                take();
                then();
                killed = reader(at);
                if (killed && at % 3 == 0) /* and its successor too, on the way */
                        (void) reader(at / 3);
                take();
                if (!streq(acted(), what) || lines_taken() != lines)
                        fail_msg("killed at %d: acted \"%s\", taken %d", at, acted(), (int) lines_taken());
        }
        assert_in_range(at, 10, 1000); /* there were points at all */
}

static void test_killed(void **unused) {
        kill_one(before_append, then_append, "a b c", 3);
        kill_one(before_append, then_rotate, "a b c", 3);
        kill_one(before_append, then_rewrite, "a b c", 3);
        kill_one(before_append, then_delete, "a b c", 3);
}

/* ---- and at random, while others append ---- */

#define WRITERS 10
#define LINES   1000

static void writer(int k) {
        unsigned seed = (unsigned) k;
        char line[32];

        for (int i = 0; i < LINES; i++) {
                int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
                    n = snprintf(line, sizeof(line), "w%d-%d\n", k, i);
                if (fd < 0 || write(fd, line, (size_t) n) != n)
                        _exit(7);
                close(fd);
                if (rand_r(&seed) % 4 == 0)
                        nanosleep(&(struct timespec){ .tv_nsec = rand_r(&seed) % 1000000 }, NULL);
        }
        _exit(0);
}

static void check_all_acted(void) {
        static unsigned char seen[WRITERS][LINES];
        char name[64];
        int w, i, n = 0;
        FILE *f;

        memset(seen, 0, sizeof(seen));
        snprintf(name, sizeof(name), "%s/acted", directory);
        f = fopen(name, "re");
        assert_non_null(f);
        while (fscanf(f, " w%d-%d", &w, &i) == 2) {
                assert_in_range(w, 0, WRITERS - 1);
                assert_in_range(i, 0, LINES - 1);
                assert_int_equal(seen[w][i]++, 0);
                n++;
        }
        fclose(f);
        assert_int_equal(n, WRITERS * LINES);
}

static void stress(bool rotate) {
        pid_t writers[WRITERS];
        int alive = WRITERS, kills = 0;
        unsigned seed = 1;

        begin();
        put(">>");
        for (int k = 0; k < WRITERS; k++) {
                writers[k] = fork();
                assert_true(writers[k] >= 0);
                if (writers[k] == 0)
                        writer(k);
        }
        for (int round = 0; alive > 0; round++) {
                int status;
                pid_t pid = fork();
                assert_true(pid >= 0);
                if (pid == 0)
                        for (;;)
                                must(read_once());
                nanosleep(&(struct timespec){ .tv_nsec = rand_r(&seed) % 5000000 }, NULL);
                kill(pid, SIGKILL);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status));
                kills++;
                for (int k = 0; k < WRITERS; k++)
                        if (writers[k] > 0 && waitpid(writers[k], &status, WNOHANG) == writers[k]) {
                                assert_int_equal(status, 0);
                                writers[k] = 0;
                                alive--;
                        }
                if (rotate && round % 10 == 9) { /* the reader has seen the new one before the next comes */
                        take();
                        shell("mv %s %s.1", path, path);
                        put(">>");
                        take();
                }
        }
        take();
        assert_int_equal(lines_taken(), WRITERS * LINES);
        check_all_acted();
        print_message("           %d kills, %d lines\n", kills, WRITERS * LINES);
}

static void test_stress(void **unused) {
        stress(false);
}
static void test_stress_rotated(void **unused) {
        stress(true);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_killed),
                cmocka_unit_test(test_stress),
                cmocka_unit_test(test_stress_rotated),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
