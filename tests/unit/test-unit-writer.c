/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test.h"
#include "unit-writer.h"

/* ---- text ---- */

typedef struct Text {
        char *s;
        size_t n;
        FILE *f;
        UnitWriter *w;
} Text;

static void text_begin(Text *t) {
        *t = (Text){};
        t->f = open_memstream(&t->s, &t->n);
        assert_non_null(t->f);
        assert_int_equal(unit_writer_new_stream(t->f, "/out", &t->w), 0);
        unit_open(t->w, "x.service");
}

static void text_end(Text *t, int result, const char *expected) {
        assert_int_equal(unit_close(t->w), result);
        unit_writer_free(t->w);
        fclose(t->f);
        if (result == 0) {
                assert_memory_equal(t->s, "# /out/x.service\n", 17);
                assert_string_equal(t->s + 17, expected);
        } else
                assert_int_equal(t->n, 0);
        free(t->s);
}

#define text_one(text, result, expected)                    \
        do {                                                \
                Text t;                                     \
                text_begin(&t);                             \
                unit_text(t.w, "K", text);                  \
                text_end(&t, result, "K=" expected "\n\n"); \
        } while (0)

/* What is copied because the source says so must be what is copied when it is not known. */
static void test_plain(void **state) {
        assert_int_equal(PIECE("").plain, 0);
        assert_int_equal(PIECE("a%b").plain, 0);
#ifdef __OPTIMIZE__
        assert_int_equal(PIECE("qnet-tap@").plain, 9);
#endif
        for (int c = 1; c < 256; c++) {
                char one[] = { (char) c, 'x', 0 }, line[32];
                Text t;

                if (plain_length(one) == 0)
                        continue;
                snprintf(line, sizeof(line), "K=%s\nK=/p %s\n\n", one, one);
                text_begin(&t);
                unit_text(t.w, "K", one);
                unit_exec(t.w, "K", "", "/p");
                unit_arg(t.w, one);
                unit_exec_end(t.w);
                text_end(&t, 0, line);
        }
}

static void test_text(void **state) {
        text_one("plain", 0, "plain");
        text_one("", 0, "");
        text_one("50% of %i", 0, "50%% of %%i");
        text_one("$HOME \"quoted\" 'single'", 0, "$HOME \"quoted\" 'single'");
        text_one("back\\slash", 0, "back\\slash");
        text_one("ends in one\\", 0, "ends in one\\ ");
        text_one("ends in two\\\\", 0, "ends in two\\\\");
        text_one("ends in three\\\\\\", 0, "ends in three\\\\\\ ");
        text_one("\\", 0, "\\ ");
        text_one("; # =", 0, "; # =");
        text_one("G\xc3\xbc\xc3\x9f Gott", 0, "G\xc3\xbc\xc3\x9f Gott");
        text_one("two\nlines", -EINVAL, "");
        text_one("tab\t", -EINVAL, "");
        text_one("\x1b[0m", -EINVAL, "");
        text_one("\x7f", -EINVAL, "");
        text_one("latin \xe4", -EINVAL, "");
        text_one(" before", -EINVAL, "");
        text_one("after ", -EINVAL, "");
}

#define raw_one(text, result, expected)                     \
        do {                                                \
                Text t;                                     \
                text_begin(&t);                             \
                unit_raw(t.w, "K", text);                   \
                text_end(&t, result, "K=" expected "\n\n"); \
        } while (0)

static void test_raw(void **state) {
        raw_one("/run/%i/$X", 0, "/run/%i/$X");
        raw_one("", 0, "");
        raw_one("\"a b\" \\x20\\", 0, "\"a b\" \\x20\\ ");
        raw_one("x\n[Service]\nExecStart=/bin/evil", -EINVAL, "");
}

#define arg_one(text, result, expected)                         \
        do {                                                    \
                Text t;                                         \
                text_begin(&t);                                 \
                unit_exec(t.w, "E", "+", "/p");                 \
                unit_arg(t.w, text);                            \
                unit_exec_end(t.w);                             \
                text_end(&t, result, "E=+/p " expected "\n\n"); \
        } while (0)

static void test_arg(void **state) {
        arg_one("plain,a=b:c/d{e}*?~!@^&|<>()`", 0, "plain,a=b:c/d{e}*?~!@^&|<>()`");
        arg_one("", 0, "\"\"");
        arg_one("two words", 0, "\"two words\"");
        arg_one("  ", 0, "\"  \"");
        arg_one("%n", 0, "%%n");
        arg_one("$HOME", 0, "$$HOME");
        arg_one("${HOME} x", 0, "\"$${HOME} x\"");
        arg_one("$", 0, "$$");
        arg_one(";", 0, "\";\"");
        arg_one("#x", 0, "\"#x\"");
        arg_one("a\"b", 0, "\"a\\\"b\"");
        arg_one("it's", 0, "\"it's\"");
        arg_one("C:\\dir\\", 0, "\"C:\\\\dir\\\\\"");
        arg_one("\\x41", 0, "\"\\\\x41\"");
        arg_one("-", 0, "-");
        arg_one("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8e", 0, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8e");
        arg_one("a\nb", -EINVAL, "");
        arg_one("\xff", -EINVAL, "");
        arg_one("\xc0\x80", -EINVAL, "");
}

static void test_command(void **state) {
        Text t;

        text_begin(&t);
        unit_section(t.w, "Service");
        unit_exec(t.w, "ExecStart", "", "/usr/bin/my program");
        unit_option(t.w, "-m");
        unit_arg(t.w, "5", "12", "M");
        unit_option(t.w, ";comment");
        unit_option_begin(t.w);
        unit_arg_add(t.w, "file=");
        unit_arg_add_commas_doubled(t.w, "a,b %,$,\\,");
        unit_arg_add(t.w, ",mac=");
        unit_arg_add_variable(t.w, "QNET_MAC0");
        unit_arg_end(t.w);
        unit_exec_end(t.w);
        unit_word(t.w, "ReadWritePaths", "/a $b %c", NULL);
        unit_word(t.w, "DeviceAllow", "/dev/sdb", "rw");
        unit_section(t.w, "Install");
        text_end(&t, 0,
                        "[Service]\n"
                        "ExecStart=\"/usr/bin/my program\" \\\n"
                        "        -m 512M \\\n"
                        "        \";comment\" \\\n"
                        "        \"file=a,,b %%,,$$,,\\\\,,,mac=${QNET_MAC0}\"\n"
                        "ReadWritePaths=\"/a $b %%c\"\n"
                        "DeviceAllow=/dev/sdb rw\n"
                        "\n"
                        "[Install]\n\n");
}

/* As the rules have it, a byte at a time. */
static void write_argument(char *to, const char *s, bool list) {
        bool quoted = strpbrk(s, " \"#';\\");

        if (quoted)
                *to++ = '"';
        for (; *s; s++) {
                if (strchr("%$", *s) || (list && *s == ','))
                        *to++ = *s;
                if (strchr("\"\\", *s))
                        *to++ = '\\';
                *to++ = *s;
        }
        if (quoted)
                *to++ = '"';
        *to = '\0';
}

/* The writer looks at some bytes at once, and no byte of any class may get past it, wherever it stands. */
static void one_byte(size_t length, size_t at, int c, bool list) {
        char text[32] = { 0 }, argument[80], line[96];
        bool refused = c < 32 || c > 126;
        Text t;

        memset(text, 'x', length);
        text[at] = (char) c;
        write_argument(argument, text, list);
        snprintf(line, sizeof(line), "E=/p %s\n\n", argument);
        text_begin(&t);
        unit_exec(t.w, "E", "", "/p");
        unit_arg_begin(t.w);
        if (list)
                unit_arg_add_commas_doubled(t.w, text);
        else
                unit_arg_add(t.w, text);
        unit_arg_end(t.w);
        unit_exec_end(t.w);
        text_end(&t, refused ? -EINVAL : 0, line);
}

static void test_each_byte(void **state) {
        static const size_t lengths[] = { 1, 3, 4, 6, 7, 8, 9, 17 };

        for (size_t i = 0; i < ELEMENTSOF(lengths); i++)
                for (size_t at = 0; at < lengths[i]; at++)
                        for (int c = 1; c < 256; c++) {
                                one_byte(lengths[i], at, c, false);
                                one_byte(lengths[i], at, c, true);
                        }
}

/* What is said twice is written once and copied; the buffer grows on the way. */
static void test_copy(void **state) {
        _cleanup_free_ char *name = malloc(20001), *expected = malloc(50000);
        size_t from, to;
        Text t;

        memset(name, 'n', 20000);
        name[20000] = 0;
        snprintf(expected, 50000, "Requires=%s.service\nAfter=%s.service\n\n", name, name);
        text_begin(&t);
        unit_dependency(t.w, "Requires", name, ".service");
        text_end(&t, 0, expected);

        text_begin(&t);
        unit_dependency(t.w, "Wants", "a\\"); /* with all that its end needs */
        unit_exec(t.w, "ExecStart", "", "/p");
        unit_arg(t.w, "add");
        from = unit_here(t.w);
        unit_arg(t.w, "50% x");
        unit_option_named(t.w, "-m");
        unit_arg_add(t.w, "a;b");
        unit_arg_end(t.w);
        to = unit_here(t.w);
        unit_exec_end(t.w);
        unit_exec(t.w, "ExecReload", "", "/p");
        unit_copy(t.w, from, to);
        unit_exec_end(t.w);
        text_end(&t, 0,
                        "Wants=a\\ \nAfter=a\\ \n"
                        "ExecStart=/p add \"50%% x\" \\\n        -m \"a;b\"\n"
                        "ExecReload=/p \"50%% x\" \\\n        -m \"a;b\"\n\n");

        text_begin(&t);
        unit_dependency(t.w, "Wants", "a\nb");
        text_end(&t, -EINVAL, "");
}

/* An error is of its unit alone, and the buffer grows. */
static void test_again(void **state) {
        _cleanup_free_ char *s = NULL, *long_text = malloc(100001);
        size_t n = 0;
        FILE *f = open_memstream(&s, &n);
        UnitWriter *w;

        memset(long_text, '%', 100000);
        long_text[100000] = 0;
        assert_int_equal(unit_writer_new_stream(f, "/out", &w), 0);
        unit_open(w, "bad.service");
        unit_text(w, "K", "\n");
        assert_int_equal(unit_close(w), -EINVAL);
        assert_string_equal(unit_name(w), "bad.service");
        unit_open(w, "good", ".", "service");
        unit_text(w, "K", long_text);
        assert_int_equal(unit_close(w), 0);
        assert_int_equal(unit_link(w, "../x", "a.wants", "/x"), 0);
        unit_open(w, long_text);
        assert_int_equal(unit_close(w), -ENAMETOOLONG);
        unit_writer_free(w);
        fclose(f);
        assert_int_equal(n, strlen("# /out/good.service\nK=\n\n") + 200000 +
                                            strlen("# /out/a.wants/x -> ../x\n\n"));
}

#define span_one(t, expected)                                       \
        do {                                                        \
                char buf[NUMBER_STRING_SIZE];                       \
                assert_string_equal(format_span(t, buf), expected); \
        } while (0)

static void test_span(void **state) {
        span_one(0, "0s");
        span_one(90 * USEC_PER_SEC, "90s");
        span_one(1500 * USEC_PER_MSEC, "1500ms");
        span_one(1, "1us");
        span_one(UINT64_MAX - 1, "18446744073709551614us");
        span_one(USEC_INFINITY, "infinity");
}

/* systemd-escape(1) is asked in tests/generator */
#define escape_one(path, expected)                                    \
        do {                                                          \
                _cleanup_free_ char *s = unit_name_escape_path(path); \
                assert_string_equal(s, expected);                     \
        } while (0)

static void test_escape(void **state) {
        escape_one("br0", "br0");
        escape_one("sys/class/net/tap-a", "sys-class-net-tap\\x2da");
        escape_one("a.b_c:d", "a.b_c:d");
        escape_one(".a", "\\x2ea");
        escape_one("\xc3\xa4 \\", "\\xc3\\xa4\\x20\\x5c");
}

/* ---- the directory ---- */

static char dir[] = "/tmp/test-unit-writer.XXXXXX";

static int setup(void **state) {
        strcpy(dir + strlen(dir) - 6, "XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state) {
        _cleanup_free_ char *command = NULL;

        return asprintf(&command, "rm -rf '%s'", dir) < 0 || system(command) != 0;
}

static void file_is(const char *name, const char *expected) {
        _cleanup_free_ char *path = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        char buf[4096];
        size_t n;

        assert_true(asprintf(&path, "%s/%s", dir, name) >= 0);
        f = fopen(path, "re");
        assert_non_null(f);
        n = fread(buf, 1, sizeof(buf) - 1, f);
        buf[n] = 0;
        assert_string_equal(buf, expected);
}

static void link_to(const char *name, const char *expected) {
        _cleanup_free_ char *path = NULL;
        char buf[4096];
        ssize_t n;

        assert_true(asprintf(&path, "%s/%s", dir, name) >= 0);
        n = readlink(path, buf, sizeof(buf) - 1);
        assert_true(n >= 0);
        buf[n] = 0;
        assert_string_equal(buf, expected);
}

static unsigned count_entries(void) { /* of the directory itself; whatever is there was meant to be */
        _cleanup_closedir_ DIR *d = opendir(dir);
        unsigned n = 0;

        for (struct dirent *e; (e = readdir(d));)
                n += !streq(e->d_name, ".") && !streq(e->d_name, "..");
        return n;
}

static void write_unit(UnitWriter *w, const char *name, const char *value, int result) {
        unit_open(w, name);
        unit_text(w, "K", value);
        assert_int_equal(unit_close(w), result);
}

static void test_directory(void **state) {
        _cleanup_unit_writer_ UnitWriter *w = NULL;

        assert_int_equal(unit_writer_new("/nonexistent", &w), -ENOENT);
        assert_int_equal(unit_writer_new(dir, &w), 0);
        write_unit(w, "a.service", "one", 0);
        write_unit(w, "a.service", "two", 0);
        write_unit(w, "b.path.d/50-qnet.conf", "three", 0);
        write_unit(w, "c.service", "\n", -EINVAL);
        file_is("a.service", "K=two\n");
        file_is("b.path.d/50-qnet.conf", "K=three\n");
        assert_int_equal(unit_link(w, "../a.service", "q.target.wants", "/a.service"), 0);
        assert_int_equal(unit_link(w, "../a.service", "q.target.wants", "/a.service"), 0);
        link_to("q.target.wants/a.service", "../a.service");
        assert_int_equal(unit_link(w, "/dev/null", "q.target.wants", "/a.service"), 0);
        link_to("q.target.wants/a.service", "/dev/null");
        /* another writer's file becomes a link */
        assert_int_equal(unit_link(w, "/dev/null", "a.service"), 0);
        link_to("a.service", "/dev/null");
        /* ... and the link a file, not what it points to */
        write_unit(w, "a.service", "four", 0);
        file_is("a.service", "K=four\n");
        assert_int_equal(count_entries(), 3);
}

/* Directories in turns, as those of what starts units and of drop-ins are. */
static void test_parents(void **state) {
        static const char *const names[] = { "a.wants/1", "b.d/1", "a.wants/2", "c.d/1", "a.wants/3", "b.d/2", "b/1",
                "b.d/3", "b.d.d/1", "b.d/4", "c.d/2", "a.wants/4" };
        _cleanup_unit_writer_ UnitWriter *w = NULL;

        assert_int_equal(unit_writer_new(dir, &w), 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                write_unit(w, names[i], names[i], 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char text[64];

                snprintf(text, sizeof(text), "K=%s\n", names[i]);
                file_is(names[i], text);
        }
        assert_int_equal(count_entries(), 5);
}

/* A directory where the unit should be: told, and no temporary file left. */
static void test_in_the_way(void **state) {
        _cleanup_unit_writer_ UnitWriter *w = NULL;

        assert_int_equal(unit_writer_new(dir, &w), 0);
        write_unit(w, "a.service/b.service", "x", 0);
        write_unit(w, "a.service", "x", -EISDIR);
        assert_int_equal(unit_link(w, "y", "a.service"), -EISDIR);
        assert_int_equal(count_entries(), 1);
        write_unit(w, "c.service", "x", 0);
        write_unit(w, "c.service/d.service", "x", -ENOTDIR);
        assert_int_equal(count_entries(), 2);
}

/* As on a full disk: write(2) takes a part, then fails. */
static void test_no_space(void **state) {
        static const struct rlimit limit = { 10, RLIM_INFINITY }, none = { RLIM_INFINITY, RLIM_INFINITY };
        _cleanup_unit_writer_ UnitWriter *w = NULL;
        void (*old)(int) = signal(SIGXFSZ, SIG_IGN);

        assert_int_equal(unit_writer_new(dir, &w), 0);
        write_unit(w, "a.service", "old", 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        write_unit(w, "a.service", "too long for ten bytes", -EFBIG);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
        signal(SIGXFSZ, old);
        file_is("a.service", "K=old\n");
        assert_int_equal(count_entries(), 1);
}

static unsigned count_descriptors(void) {
        _cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        while (readdir(d))
                n++;
        return n;
}

/* All are closed in the end, and nobody else's. */
static void test_descriptors(void **state) {
        unsigned before = count_descriptors();
        UnitWriter *w;
        char name[32];
        int other = -1;

        assert_int_equal(unit_writer_new(dir, &w), 0);
        for (unsigned i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "%u.service", i);
                write_unit(w, name, "x", 0);
                if (i == 40)
                        other = open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        unit_writer_free(w);
        assert_true(other >= 0 && fcntl(other, F_GETFD) >= 0);
        close(other);
        assert_int_equal(count_descriptors(), before);
        assert_int_equal(count_entries(), 100);
}

/* From here on this process has a system call that fails with error. */
static void forbid(unsigned call, int error) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t) error),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = { ELEMENTSOF(code), code };

        assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
}

/* On an older kernel, or without a capability. */
static void forbidden_one(unsigned call, int error, void (*test)(void **state), void **state) {
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                forbid(call, error);
                test(state);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* Where a file cannot be made without a name: with a temporary name. */
static void test_named(void **state) {
        forbidden_one(SYS_linkat, ENOENT, test_directory, state);
}

static void test_named_in_the_way(void **state) {
        forbidden_one(SYS_linkat, EPERM, test_in_the_way, state);
}

static void test_named_no_space(void **state) {
        forbidden_one(SYS_linkat, ENOENT, test_no_space, state);
}

static void test_closed_one_by_one(void **state) {
        forbidden_one(SYS_close_range, ENOSYS, test_descriptors, state);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_raw),
                cmocka_unit_test(test_arg),
                cmocka_unit_test(test_command),
                cmocka_unit_test(test_each_byte),
                cmocka_unit_test(test_copy),
                cmocka_unit_test(test_again),
                cmocka_unit_test(test_span),
                cmocka_unit_test(test_escape),
                cmocka_unit_test_setup_teardown(test_directory, setup, teardown),
                cmocka_unit_test_setup_teardown(test_parents, setup, teardown),
                cmocka_unit_test_setup_teardown(test_in_the_way, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_space, setup, teardown),
                cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
                cmocka_unit_test_setup_teardown(test_closed_one_by_one, setup, teardown),
                cmocka_unit_test_setup_teardown(test_named, setup, teardown),
                cmocka_unit_test_setup_teardown(test_named_in_the_way, setup, teardown),
                cmocka_unit_test_setup_teardown(test_named_no_space, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
