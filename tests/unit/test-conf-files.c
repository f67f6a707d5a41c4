/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "conf-files.h"
#include "test.h"

/* A root below $TMPDIR, made by commands of one word and a path. */
typedef struct Root {
        char path[64];
        Arena *arena;
} Root;

static int setup(void **state) {
        Root *t = calloc(1, sizeof(Root));

        strcpy(t->path, "/tmp/test-conf-files.XXXXXX");
        assert_non_null(mkdtemp(t->path));
        t->arena = arena_new();
        *state = t;
        return 0;
}

static int teardown(void **state) {
        Root *t = *state;
        char command[128];

        snprintf(command, sizeof(command), "rm -rf '%s'", t->path);
        assert_int_equal(system(command), 0);
        arena_free(t->arena);
        free(t);
        return 0;
}

static const char *prepare(Root *t, const char *path) {
        char *full = arena_printf(t->arena, "%s%s", t->path, path);

        for (char *p = full + strlen(t->path) + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                mkdir(full, 0755);
                *p = '/';
        }
        return full;
}

static void put(Root *t, const char *path, const char *text) {
        FILE *f = fopen(prepare(t, path), "w");

        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static void put_link(Root *t, const char *path, const char *target) {
        assert_int_equal(symlink(target, prepare(t, path)), 0);
}

/* "/etc/qnet/a.conf=text" lines; "masked", or the error, instead of the text */
static void read_n(Root *t, bool user, const char *expected, const char *file, int line) {
        ConfFile *files;
        size_t n, n_out;
        char *out;
        FILE *f = open_memstream(&out, &n_out);

        assert_int_equal(conf_files_read(t->arena, t->path, user, &files, &n), 0);
        for (size_t i = 0; i < n; i++) {
                fprintf(f, "%d %s %s", (int) files[i].scope, files[i].target, files[i].path);
                if (files[i].masked)
                        fprintf(f, " masked\n");
                else if (files[i].error < 0)
                        fprintf(f, " %s\n", strerrorname_np(-files[i].error));
                else
                        fprintf(f, "=%.*s\n", (int) files[i].size, files[i].text);
        }
        fclose(f);
        _assert_string_equal(out, expected, file, line);
        free(out);
}
#define read_one(t, expected) read_n((t), false, (expected), __FILE__, __LINE__)

static void test_nothing(void **state) {
        read_one(*state, "");
        mkdir(prepare(*state, "/etc/qnet"), 0755);
        read_one(*state, "");
}

static void test_precedence(void **state) {
        put(*state, "/usr/lib/qnet/a.conf", "4");
        read_one(*state, "0 a /usr/lib/qnet/a.conf=4\n");
        put(*state, "/usr/local/lib/qnet/a.conf", "3");
        read_one(*state, "0 a /usr/local/lib/qnet/a.conf=3\n");
        put(*state, "/run/qnet/a.conf", "2");
        read_one(*state, "0 a /run/qnet/a.conf=2\n");
        put(*state, "/etc/qnet/a.conf", "1");
        put(*state, "/run/qnet/b.conf", "b");
        read_one(*state, "0 a /etc/qnet/a.conf=1\n0 b /run/qnet/b.conf=b\n");
}

static void test_other_names(void **state) {
        put(*state, "/etc/qnet/.hidden.conf", "");
        put(*state, "/etc/qnet/.conf", "");
        put(*state, "/etc/qnet/a.conf~", "");
        put(*state, "/etc/qnet/a.conf.dpkg-new", "");
        put(*state, "/etc/qnet/README", "");
        put(*state, "/etc/qnet/other.d/a.conf", "");
        put(*state, "/etc/qnet/a.conf.d/README", "");
        put(*state, "/etc/qnet/.conf.d/a.conf", "");
        put(*state, "/etc/qnet/sub/a.conf", "");
        read_one(*state, "");
}

static void test_names_that_are_no_text(void **state) {
        put(*state, "/etc/qnet/a\nb.conf", "x");
        put(*state, "/etc/qnet/\xff.conf", "x");
        put(*state, "/etc/qnet/x.conf.d/\x1b[1m.conf", "x");
        read_one(*state, "0 a\nb /etc/qnet/a?b.conf EILSEQ\n0 \xff /etc/qnet/?.conf EILSEQ\n"
                         "1 x /etc/qnet/x.conf.d/?[1m.conf EILSEQ\n");
}

static void test_masks(void **state) {
        put(*state, "/usr/lib/qnet/a.conf", "a");
        put(*state, "/usr/lib/qnet/b.conf", "b");
        put(*state, "/usr/lib/qnet/c.conf", "c");
        put_link(*state, "/etc/qnet/a.conf", "/dev/null");
        put_link(*state, "/run/qnet/b.conf", "../../../../../../../../dev/null");
        put(*state, "/etc/qnet/c.conf", ""); /* empty is a file that says nothing, as good as a mask */
        read_one(*state, "0 a /etc/qnet/a.conf masked\n0 b /run/qnet/b.conf masked\n0 c /etc/qnet/c.conf=\n");
}

static void test_no_fall_back(void **state) {
        put(*state, "/usr/lib/qnet/a.conf", "a");
        put(*state, "/usr/lib/qnet/b.conf", "b");
        put(*state, "/usr/lib/qnet/c.conf", "c");
        put(*state, "/usr/lib/qnet/d.conf", "d");
        put_link(*state, "/etc/qnet/a.conf", "nowhere");
        mkdir(prepare(*state, "/etc/qnet/b.conf"), 0755);
        assert_int_equal(mkfifo(prepare(*state, "/etc/qnet/c.conf"), 0644), 0);
        put_link(*state, "/etc/qnet/d.conf", "d.conf");
        read_one(*state, "0 a /etc/qnet/a.conf ENOENT\n0 b /etc/qnet/b.conf EMEDIUMTYPE\n"
                         "0 c /etc/qnet/c.conf EMEDIUMTYPE\n0 d /etc/qnet/d.conf ELOOP\n");
}

static void test_no_directory(void **state) {
        put(*state, "/etc/qnet/a.conf.d", "");
        put(*state, "/etc/qnet/other.d", "");
        assert_int_equal(mkfifo(prepare(*state, "/run/qnet"), 0644), 0);
        put(*state, "/usr/local/lib/file", "");
        put_link(*state, "/usr/local/lib/qnet", "/usr/local/lib/file");
        put(*state, "/usr/lib", ""); /* there can be no /usr/lib/qnet */
        read_one(*state, "4  /etc/qnet/a.conf.d ENOTDIR\n4  /run/qnet ENOTDIR\n4  /usr/local/lib/qnet ENOTDIR\n");
}

static void test_too_large(void **state) {
        put(*state, "/etc/qnet/a.conf", "");
        assert_int_equal(truncate(prepare(*state, "/etc/qnet/a.conf"), (off_t) CONF_FILE_MAX + 1), 0);
        read_one(*state, "0 a /etc/qnet/a.conf EFBIG\n");
}

/* Sizes around the page that most files fit in: all of the text, and room behind it. */
static void test_sizes(void **state) {
        static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 70000 };
        Root *t = *state;

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                char *text = arena_alloc(t->arena, sizes[i] + 1);
                ConfFile *files;
                size_t n;

                memset(text, 'x', sizes[i]);
                put(t, "/etc/qnet/a.conf", text);
                assert_int_equal(conf_files_read(t->arena, t->path, false, &files, &n), 0);
                assert_int_equal(n, 1);
                assert_int_equal(files[0].size, sizes[i]);
                assert_memory_equal(files[0].text, text, sizes[i]);
                files[0].text[files[0].size] = '\0';
        }
}

static void test_links_stay_in_root(void **state) {
        put(*state, "/srv/real.conf", "inside");
        put_link(*state, "/etc/qnet/a.conf", "/srv/real.conf");
        put_link(*state, "/etc/qnet/b.conf", "../../srv/real.conf");
        put(*state, "/srv/drop/x.conf", "x");
        put_link(*state, "/etc/qnet/a.conf.d", "/srv/drop");
        read_one(*state, "0 a /etc/qnet/a.conf=inside\n0 b /etc/qnet/b.conf=inside\n"
                         "1 a /etc/qnet/a.conf.d/x.conf=x\n");
}

static void test_dropins(void **state) {
        put(*state, "/usr/lib/qnet/a.conf.d/20-x.conf", "usr");
        put(*state, "/usr/lib/qnet/a.conf.d/30-z.conf", "z");
        put(*state, "/etc/qnet/a.conf.d/20-x.conf", "etc");
        put(*state, "/run/qnet/a.conf.d/10-y.conf", "run");
        put_link(*state, "/etc/qnet/a.conf.d/30-z.conf", "/dev/null");
        put(*state, "/etc/qnet/lab-.conf.d/p.conf", "p");
        put(*state, "/usr/lib/qnet/vm.d/t.conf", "t");
        put(*state, "/etc/qnet/switch.d/t.conf", "s");
        read_one(*state, "1 a /run/qnet/a.conf.d/10-y.conf=run\n1 a /etc/qnet/a.conf.d/20-x.conf=etc\n"
                         "1 a /etc/qnet/a.conf.d/30-z.conf masked\n2 lab- /etc/qnet/lab-.conf.d/p.conf=p\n"
                         "3 switch /etc/qnet/switch.d/t.conf=s\n3 vm /usr/lib/qnet/vm.d/t.conf=t\n");
}

static void test_unreadable_directory(void **state) {
        put(*state, "/usr/lib/qnet/a.conf", "a");
        put_link(*state, "/etc/qnet", "qnet");
        read_one(*state, "0 a /usr/lib/qnet/a.conf=a\n4  /etc/qnet ELOOP\n");
}

static void test_user(void **state) {
        setenv("XDG_CONFIG_HOME", "/home/me/conf", 1);
        setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
        put(*state, "/etc/qnet/a.conf", "system");
        put(*state, "/usr/lib/qnet/user/a.conf", "4");
        put(*state, "/run/user/7/qnet/a.conf", "3");
        put(*state, "/etc/qnet/user/b.conf", "2");
        put(*state, "/home/me/conf/qnet/c.conf", "1");
        read_n(*state, true,
                        "0 a /run/user/7/qnet/a.conf=3\n0 b /etc/qnet/user/b.conf=2\n"
                        "0 c /home/me/conf/qnet/c.conf=1\n",
                        __FILE__, __LINE__);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_nothing),
                TEST(test_precedence),
                TEST(test_other_names),
                TEST(test_masks),
                TEST(test_names_that_are_no_text),
                TEST(test_no_fall_back),
                TEST(test_no_directory),
                TEST(test_too_large),
                TEST(test_sizes),
                TEST(test_links_stay_in_root),
                TEST(test_dropins),
                TEST(test_user),
                TEST(test_unreadable_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
