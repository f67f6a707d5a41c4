/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is taken of a kill log, whatever others do to it, and what is refused. */

#include "kill-log-reader.h"

static void test_append(void **unused) {
        begin();
        take();
        expect("", 0); /* no log */
        put(">>");
        take();
        put(">>a\nb\nc");
        take();
        expect("a b", 2);
        take();
        expect("a b", 2);
        put(">>c\n\n \t\r\n  d \r\n");
        take();
        expect("a b cc d", 6);
        put(">>e\ne\ne\n");
        take();
        expect("a b cc d e", 9);
}

static void test_truncated(void **unused) {
        begin();
        put(">>10.9.0.15\n10.9.0.16\n");
        take();
        clear_acted();
        put(">10.9.0.17\n"); /* shorter */
        take();
        expect("10.9.0.17", 3);
        put(">10.9.0.18\n"); /* as long, others bytes */
        take();
        expect("10.9.0.17 10.9.0.18", 4);
        tick();
        clear_acted();
        put(">10.9.0.18\n"); /* the same again */
        take();
        expect("10.9.0.18", 5);
        put(">10.9.0.180\n"); /* longer */
        take();
        expect("10.9.0.18 10.9.0.180", 6);
        put(">");
        take();
        put(">10.9.0.180\nx\n");
        take();
        expect("10.9.0.18 10.9.0.180 x", 8);
}

static void test_touched(void **unused) {
        begin();
        put(">>a\n");
        take();
        clear_acted();
        for (int i = 0; i < 3; i++) {
                tick();
                shell("touch %s", path);
                take();
        }
        expect("", 1);
        shell("touch -d 2001-01-01 %s", path);
        take();
        expect("", 1);
        put(">>b\n");
        take();
        expect("b", 2);
}

/* An append that fails on a full disk changes the time of modification and nothing else, as "touch -m" does. */
static void test_failed_append(void **unused) {
        begin();
        shell("for i in $(seq 100); do echo 10.9.0.7 >>%s; done", path);
        take();
        clear_acted();
        tick();
        shell("touch -m %s", path);
        take();
        expect("", 100);
        shell("printf 10.9. >>%s", path); /* one that came half through */
        take();
        tick();
        shell("touch -m %s", path);
        take();
        put(">>0.8\n");
        take();
        expect("10.9.0.8", 101);
}

static void test_rotated(void **unused) {
        begin();
        put(">>a\n");
        take();
        put(">>b\n");
        shell("mv %s %s.1", path, path);
        put(">>c\n");
        shell("echo d >>%s.1", path); /* a writer that had it open */
        take();
        expect("a b d c", 4);
        shell("echo e >>%s.1", path);
        put(">>f\n");
        take();
        expect("a b d c e f", 6);
        shell("mv %s.1 %s.2; mv %s %s.1; echo g >>%s.1", path, path, path, path, path);
        take(); /* there is none now */
        expect("a b d c e f g", 7);
        put(">>h\n");
        take();
        expect("a b d c e f g h", 8);
        shell("mv %s.1 %s", path, path); /* renamed back, over the new one */
        put(">>i\n");
        take();
        expect("a b d c e f g h i", 9);
}

static void test_deleted(void **unused) {
        begin();
        put(">>a\n");
        take();
        put(">>b\n");
        shell("rm %s", path);
        take(); /* by our hard link */
        expect("a b", 2);
        put(">>c\n");
        take();
        expect("a b c", 3);
        put(">>d\n");
        shell("rm %s", path);
        put(">>a\nb\nc\n"); /* deleted and made anew in between */
        clear_acted();
        take();
        expect("d a b c", 7);
        shell("test $(ls %s/state*/*link* | wc -l) -le 2", directory);

        begin();
        linked = false;
        put(">>a\n");
        take();
        shell("rm %s", path);
        put(">>b\n");
        take();
        linked = true;
        expect("a b", 2);
}

static void test_long_and_binary(void **unused) {
        _cleanup_kill_log_ KillLog *l = NULL;
        _cleanup_news_ KillLogNews news = { 0 };

        begin();
        shell("{ head -c 1000 /dev/zero | tr '\\0' x; echo; head -c 3000000 /dev/zero | tr '\\0' y; echo; "
              "printf 'a\\0b\\n\\377\\n10.9.0.5\\n'; } >>%s",
                        path);
        assert_int_equal(kill_log_new(path, state, -1, &l), 0);
        for (int i = 0; i < 10 && (i == 0 || news.more); i++) {
                assert_int_equal(kill_log_look(l, &news), 0);
                if (i == 0) {
                        assert_int_equal(strlen(news.lines[0].text), KILL_LOG_TEXT_MAX - 1 - 3);
                        assert_false(news.lines[1].word);
                }
        }
        assert_false(news.more);
        assert_int_equal(kill_log_cursor(l)->lines, 5);
        assert_string_equal(news.lines[news.n_lines - 3].text, "a\\x00b");
        assert_false(news.lines[news.n_lines - 3].word);
        assert_string_equal(news.lines[news.n_lines - 2].text, "\\xff");
        assert_string_equal(news.lines[news.n_lines - 1].text, "10.9.0.5");
        assert_true(news.lines[news.n_lines - 1].word);
}

static void line_one(const char *line, const char *text, int rung) {
        KillLogLine l;

        kill_log_parse_line(line, strlen(line), &l);
        if (!l.word != !text || (text && !streq(l.text, text)) || l.has_rung != (rung >= 0) ||
                        (rung >= 0 && (int) l.rung != rung))
                fail_msg("\"%s\": %s \"%s\" %d", line, l.word ? "word" : "no word", l.text,
                                l.has_rung ? (int) l.rung : -1);
}

static void test_line(void **unused) {
        line_one("10.9.0.5", "10.9.0.5", -1);
        line_one("10.9.0.5 reset", "10.9.0.5", RUNG_RESET);
        line_one("host1 \t powerdown", "host1", RUNG_POWERDOWN);
        line_one("fe80::5%s1 restart", "fe80::5%s1", RUNG_RESTART);
        line_one("host1 recover", "host1", -1);
        line_one("host1 reset now", NULL, -1);
        line_one("host1 Reset", NULL, -1);
        line_one("host1 10.9.0.5", NULL, -1);
        line_one("host1\x0breset", NULL, -1);
        line_one("host1 resetresetresetreset", NULL, -1);
        line_one("host1\xffreset", NULL, -1);
        line_one("0123456789012345678901234567890123456789012345678901234567890123 reset", NULL, -1);
        line_one("", NULL, -1);
}

/* An overlong line without end is not read again and again. */
static void test_endless(void **unused) {
        _cleanup_kill_log_ KillLog *l = NULL;
        _cleanup_news_ KillLogNews news = { 0 };
        int looks = 0;

        begin();
        shell("truncate -s 1G %s", path); /* sparse */
        assert_int_equal(kill_log_new(path, state, -1, &l), 0);
        do
                assert_int_equal(kill_log_look(l, &news), 0);
        while (news.more && ++looks < 1000);
        assert_in_range(looks, 1, 70);
        assert_int_equal(kill_log_cursor(l)->current.offset, 1 << 30);
        put(">>\nok\n");
        assert_int_equal(kill_log_look(l, &news), 0);
        assert_int_equal(news.n_lines, 1);
        assert_string_equal(news.lines[0].text, "ok");
        assert_int_equal(kill_log_cursor(l)->lines, 2);
}

static void refuse_one(const char *how, int error) {
        _cleanup_kill_log_ KillLog *l = NULL;
        _cleanup_news_ KillLogNews news = { 0 };

        begin();
        setenv("LOG", path, true);
        shell("%s", how);
        assert_int_equal(kill_log_new(path, state, -1, &l), 0);
        assert_int_equal(kill_log_look(l, &news), error);
        assert_int_equal(news.n_lines, 0);
        shell("rm -rf %s", path);
        put(">>a\n"); /* and it recovers */
        assert_int_equal(kill_log_look(l, &news), 0);
        assert_int_equal(news.n_lines, 1);
}

static void test_refused(void **unused) {
        refuse_one("mkfifo $LOG", -EBADFD);
        refuse_one("mkdir $LOG", -EISDIR);
        refuse_one("ln -s /etc/passwd $LOG", -ELOOP);
        refuse_one("ln -s nowhere $LOG", -ELOOP);
        if (geteuid() == 0)
                refuse_one("mknod $LOG c 1 5", -EBADFD);
        else
                refuse_one("echo a >$LOG; chmod 0 $LOG", -EACCES);
}

static void test_damaged(void **unused) {
        _cleanup_kill_log_ KillLog *l = NULL;
        _cleanup_news_ KillLogNews news = { 0 };

        begin();
        put(">>a\nb\n");
        shell("d=$(ls -d %s/state*); f=$(echo %s | sed 's,/,%%2F,g'); echo junk >$d/$f; echo $f >%s/name",
                        directory, path, directory);
        assert_int_equal(kill_log_new(path, state, -1, &l), 1);
        shell("test -e \"$(ls -d %s/state*)/$(cat %s/name).bad\"", directory, directory);
        assert_int_equal(kill_log_look(l, &news), 0);
        assert_int_equal(news.n_lines, 0);
        put(">>c\n");
        assert_int_equal(kill_log_look(l, &news), 0);
        assert_int_equal(news.n_lines, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_line),
                cmocka_unit_test(test_append),
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_touched),
                cmocka_unit_test(test_failed_append),
                cmocka_unit_test(test_rotated),
                cmocka_unit_test(test_deleted),
                cmocka_unit_test(test_long_and_binary),
                cmocka_unit_test(test_endless),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_damaged),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
