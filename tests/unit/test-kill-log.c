/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines exactly once. A reader as the reaper has it runs in a child; "acting" is a line in the file "acted", and where
 * the reaper compares invocation IDs, this one looks whether it is there. The children are killed at every system call
 * that matters, counted by the linker's --wrap, and in the stress test at random. */

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "kill-log.h"
#include "test.h"

/* ---- killing ---- */

static int calls_left = -1; /* -1: for ever */

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

/* ---- a place ---- */

static char directory[] = "/tmp/qnet-test-kill-log-XXXXXX";
static char path[sizeof(directory) + 16];
static unsigned n_cases;
static int state = -1;
static const char *linked = "yes"; /* NULL: the reader keeps no hard links */

static void _printf_(1, 2) shell(const char *format, ...) {
        char command[1024];
        va_list ap;

        va_start(ap, format);
        vsnprintf(command, sizeof(command), format, ap);
        va_end(ap);
        if (system(command) != 0)
                fail_msg("%s", command);
}

static void begin(void) {
        char name[64];

        safe_close(state);
        shell("rm -rf %s/*", directory);
        snprintf(path, sizeof(path), "%s/log", directory);
        snprintf(name, sizeof(name), "%s/state%u", directory, n_cases++);
        assert_int_equal(cursor_open_state(name, true, &state), 0);
}

static int set_up(void **unused) {
        return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **unused) {
        safe_close(state);
        shell("rm -rf %s", directory);
        return 0;
}

/* ---- the reader ---- */

static char *known; /* what is in "acted", read once per child */

static void act(const char *line) {
        char acted[64], needle[80];
        size_t n = 0, k;
        FILE *f;

        snprintf(acted, sizeof(acted), "%s/acted", directory);
        k = (size_t) snprintf(needle, sizeof(needle), "\n%s\n", line);
        f = fopen(acted, "ae+");
        if (!f)
                _exit(9);
        rewind(f);
        if (!known && getdelim(&known, &n, '\0', f) < 0)
                known = strdup("");
        if (!strstr(known, needle)) {
                if (write(fileno(f), needle, k) != (ssize_t) k)
                        _exit(9);
                n = strlen(known);
                known = realloc(known, n + k + 1);
                strcpy(known + n, needle);
        }
        fclose(f);
}

static void must(int r) {
        if (r < 0) {
                fprintf(stderr, "reader: %s\n", strerror(-r));
                _exit(8);
        }
}

static void finish_pending(KillLog *l) {
        while (kill_log_cursor(l)->n_pending > 0) {
                Pending p = kill_log_cursor(l)->pending[0];
                act(p.line);
                cursor_drop_pending(kill_log_cursor(l), p.vm);
                if (kill_log_cursor(l)->n_pending == 0) /* one commit for all, or the stress takes minutes */
                        must(kill_log_commit(l));
        }
}

/* Until nothing is new; returns the exit status. */
static int read_once(void) {
        _cleanup_kill_log_ KillLog *l = NULL;
        bool more = true;

        must(kill_log_new(path, state, linked ? state : -1, &l));
        finish_pending(l);
        while (more) {
                _cleanup_news_ KillLogNews news = { 0 };
                must(kill_log_look(l, &news));
                for (size_t i = 0; i < news.n_lines; i++) {
                        Pending p = { 0 };
                        snprintf(p.vm, sizeof(p.vm), "%.63s", news.lines[i].text);
                        snprintf(p.line, sizeof(p.line), "%.63s", news.lines[i].text);
                        if (cursor_add_pending(kill_log_cursor(l), &p) < 0 && news.lines[i].word)
                                continue; /* twice in one batch is once */
                }
                if (news.changed)
                        must(kill_log_commit(l));
                finish_pending(l);
                more = news.more;
        }
        return 0;
}

/* 1 it was killed, 0 it came to its end */
static int reader(int kill_at) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                calls_left = kill_at;
                _exit(read_once());
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
                return 1;
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        return 0;
}

static char *acted(void) { /* one string, lines joined by spaces, in order */
        static char buf[4096];
        char name[64];
        size_t n;
        FILE *f;

        snprintf(name, sizeof(name), "%s/acted", directory);
        buf[0] = '\0';
        f = fopen(name, "re");
        if (!f)
                return buf;
        n = 0;
        for (int c, last = 0; (c = fgetc(f)) != EOF && n + 1 < sizeof(buf); last = c)
                if (c != '\n')
                        buf[n++] = (char) c;
                else if (last != '\n' && last != 0)
                        buf[n++] = ' ';
        buf[n > 0 ? n - 1 : 0] = '\0';
        fclose(f);
        return buf;
}

static uint64_t lines_taken(void) {
        _cleanup_cursor_ Cursor c = { 0 };

        assert_true(cursor_load(state, path, &c) >= 0);
        return c.lines;
}

static void expect_at(int source_line, const char *what, uint64_t lines) {
        if (!streq(acted(), what) || lines_taken() != lines)
                fail_msg("line %d: acted \"%s\", taken %d; expected \"%s\", %d", source_line, acted(),
                                (int) lines_taken(), what, (int) lines);
}
#define expect(what, lines) expect_at(__LINE__, what, lines)

/* ---- what others do to the log ---- */

static void put(const char *flags_and_text) { /* ">text": truncate, ">>text": append, as a shell does */
        bool append = startswith(flags_and_text, ">>");
        const char *text = flags_and_text + 1 + append;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void take(void) {
        assert_int_equal(reader(-1), 0);
}

static void clear_acted(void) {
        shell("rm -f %s/acted", directory);
}

static void tick(void) { /* the clock of file times goes in steps of up to 10 ms */
        nanosleep(&(struct timespec){ .tv_nsec = 15000000 }, NULL);
}

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
        linked = NULL;
        put(">>a\n");
        take();
        shell("rm %s", path);
        put(">>b\n");
        take();
        linked = "yes";
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
                cmocka_unit_test(test_killed),
                cmocka_unit_test(test_stress),
                cmocka_unit_test(test_stress_rotated),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
