/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What of QEMU's command line is found to differ from that of the unit. */

#include "compare.h"
#include "test.h"

/* Words with one space between them; "" for an argument that is empty. */
static char **words_of(const char *text) {
        _cleanup_free_ char *copy = strdup(text);
        char **words = NULL, *rest = copy, *word;

        while ((word = strsep(&rest, " ")))
                assert_true(strv_extend(&words, word) >= 0);
        return words;
}

static Comparison *compared(const char *wanted, const char *running, const char *drives, bool memory) {
        _cleanup_strv_ char **w = words_of(wanted), **r = words_of(running), **d = words_of(drives);
        Comparison *c = NULL;

        assert_int_equal(comparison_new(w, r, d, memory, &c), 0);
        return c;
}

/* expected: the lines, with newlines between them */
static void differ_one(const char *wanted, const char *running, const char *drives, bool memory, const char *expected) {
        _cleanup_comparison_ Comparison *c = compared(wanted, running, drives, memory);
        _cleanup_strv_ char **lines = NULL;
        char text[2048] = "";

        assert_int_equal(comparison_lines(c, &lines), 0);
        STRV_FOREACH (line, lines)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? "\n" : "", *line);
        assert_string_equal(text, expected);
}

static void test_nothing(void **state) {
        differ_one("q", "q", "", false, "");
        differ_one("q -m 1G -S", "q -m 1G -S", "", false, "");
        /* what options are followed by may begin with a dash, too */
        differ_one("q -append -x=1 y", "q -append -x=1 y", "", false, "");
}

static void test_changed(void **state) {
        differ_one("q -m 2G -S", "q -m 1G -S", "", false, "-m 2G, and it runs with -m 1G");
        differ_one("q -S -device a,id=x", "q", "", false, "-S is new\n-device a,id=x is new");
        differ_one("q", "q -S -device a", "", false, "-S is no longer there\n-device a is no longer there");
        differ_one("qemu-a", "qemu-b", "", false, "qemu-a is new\nqemu-b is no longer there");
        differ_one("q -append y -x", "q -append -x=1 y", "", false,
                        "-append y, and it runs with -append\n-x is new\n-x=1 y is no longer there");
}

/* Of two options the one with the same id. */
static void test_which(void **state) {
        differ_one("q -netdev tap,id=n0,q=2 -netdev tap,id=n1,q=2", "q -netdev tap,id=n1,q=1", "", false,
                        "-netdev tap,id=n0,q=2 is new\n-netdev tap,id=n1,q=2, and it runs with -netdev tap,id=n1,q=1");
        differ_one("q -device e1000,netdev=n0", "q -device virtio,netdev=n0", "", false,
                        "-device e1000,netdev=n0, and it runs with -device virtio,netdev=n0");
        differ_one("q -device a,drive=d1", "q -device a,drive=d10", "", false,
                        "-device a,drive=d1 is new\n-device a,drive=d10 is no longer there");
}

static void test_order(void **state) {
        differ_one("q -device a -device b", "q -device b -device a", "", false, "-device b comes in another order");
        differ_one("q -device a -device a -m 1", "q -device a -device a -m 1", "", false, "");
        differ_one("q -device a -device b -S", "q -device b -device a", "", false, "-S is new");
}

/* systemd leaves them to the moment of the start, and QEMU's process has what they were then. */
static void test_variables(void **state) {
        differ_one("q -device v,mac=${M0},x=1", "q -device v,mac=52:54:00:01:02:03,x=1", "", false, "");
        differ_one("q -device v,mac=${M0}", "q -device v,mac=52:54:00:01:02:03", "", false, "");
        differ_one("q -device v,mac=${M0}", "q -device v,mac=52:54:00:01:02:03,x=1", "", false,
                        "-device v,mac=${M0}, and it runs with -device v,mac=52:54:00:01:02:03,x=1");
        differ_one("q -append a$$b$${c}", "q -append a$b${c}", "", false, "");
        differ_one("q -append a$$b", "q -append a$$b", "", false, "-append a$$b, and it runs with -append a$$b");
        differ_one("q -append ${c", "q -append ${c", "", false, "");
}

static void test_media(void **state) {
        differ_one("q -drive if=none,id=d1,format=raw,file=/a,readonly=on", "q -drive if=none,id=d1", "d1", false, "");
        differ_one("q -drive if=none,id=d1", "q -drive if=none,id=d1,format=raw,file=/a,,file=b,readonly=on", "d0 d1", false,
                        "");
        differ_one("q -drive file=/a,id=d1", "q -drive id=d1,file=/b", "d1", false, "");
        differ_one("q -drive id=d1,file=/a,cache=none", "q -drive id=d1,file=/b", "d1", false,
                        "-drive id=d1,cache=none, and it runs with -drive id=d1");
        /* of another drive it counts */
        differ_one("q -drive id=d10,file=/a", "q -drive id=d10,file=/b", "d1", false,
                        "-drive id=d10,file=/a, and it runs with -drive id=d10,file=/b");
        differ_one("q -drive x=1,,id=d1,file=/a", "q -drive x=1,,id=d1,file=/b", "d1", false,
                        "-drive x=1,,id=d1,file=/a, and it runs with -drive x=1,,id=d1,file=/b");
}

static void test_memory(void **state) {
        differ_one("q -m 1G", "q -m 512M", "", true, "");
        differ_one("q -m 1G,slots=2", "q -m 512M,slots=2", "", true, "");
        differ_one("q -m 1G,slots=2", "q -m 512M,slots=3", "", true, "-m ,slots=2, and it runs with -m ,slots=3");
        differ_one("q -object memfd,id=memory,size=1G,share=on", "q -object memfd,id=memory,size=2G,share=on", "", true, "");
        differ_one("q -object memfd,id=other,size=1G", "q -object memfd,id=other,size=2G", "", true,
                        "-object memfd,id=other,size=1G, and it runs with -object memfd,id=other,size=2G");
        differ_one("q -mon a", "q -mon b", "", true, "-mon a, and it runs with -mon b");
}

/* What a process that was taken over says must not reach a terminal. */
static void test_printable(void **state) {
        differ_one("q", "q -x\033[2J\n", "", false, "-x?[2J? is no longer there");
}

/* Nor does it take long, whatever it has put there. */
static void many_one(const char *word) {
        _cleanup_strv_ char **w = words_of("q -m 1"), **r = NULL, **lines = NULL;
        _cleanup_comparison_ Comparison *c = NULL;

        r = calloc(4097, sizeof(char *));
        for (size_t i = 0; i < 4096; i++)
                assert_non_null(r[i] = strdup(word));
        assert_int_equal(comparison_new(w, r, NULL, true, &c), 0);
        assert_true(comparison_same(c, "d2"));
        assert_int_equal(comparison_lines(c, &lines), 0);
}

static void test_many(void **state) {
        many_one("-drive id=d1");
        many_one("-m");
}

static void same_one(const char *wanted, const char *running, const char *id, bool expected) {
        _cleanup_comparison_ Comparison *c = compared(wanted, running, "", false);

        assert_int_equal(comparison_same(c, id), expected);
}

static void test_same(void **state) {
        same_one("q -drive id=d1,f=a -device v,drive=d1", "q -drive id=d1,f=a -device v,drive=d1", "d1", true);
        same_one("q -drive id=d1,f=a -device v,drive=d1", "q -drive id=d1,f=b -device v,drive=d1", "d1", false);
        same_one("q -drive id=d1,f=a -device v,drive=d1", "q -drive id=d1,f=a -device w,drive=d1", "d1", false);
        same_one("q -drive id=d1", "q -drive id=d1 -device w,drive=d1", "d1", false);
        same_one("q -m 1 -netdev t,id=n1 -device v,netdev=n1", "q -m 2 -device v,netdev=n1 -netdev t,id=n1", "n1", true);
        same_one("q -netdev t,id=n1", "q -netdev t,id=n11", "n1", false);
        same_one("q -netdev t,id=n1 -netdev t,id=n2", "q -netdev t,id=n1", "n1", true);
        same_one("q", "q", "n1", true);
}

static void image_one(const char *argv, const char *id, const char *expected) {
        _cleanup_strv_ char **words = words_of(argv);
        _cleanup_free_ char *image = NULL;
        int r = drive_image(words, id, &image);

        assert_int_equal(r, expected ? 0 : -ENOENT);
        if (expected)
                assert_string_equal(image, expected);
}

static void test_drive_image(void **state) {
        image_one("q -drive id=d0,file=/a -drive if=none,file=/b,,c,id=d1,x=1", "d1", "/b,c");
        image_one("q -drive id=d1,file=/a,,", "d1", "/a,");
        image_one("q -drive id=d1,file=", "d1", "");
        image_one("q -drive id=d1 -drive id=d10,file=/a", "d1", NULL);
        image_one("q id=d1,file=/a -drive", "d1", NULL);
        image_one("q -drive x=,,id=d1,file=/a", "d1", NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_changed),
                cmocka_unit_test(test_which),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_variables),
                cmocka_unit_test(test_media),
                cmocka_unit_test(test_memory),
                cmocka_unit_test(test_printable),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_same),
                cmocka_unit_test(test_drive_image),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
