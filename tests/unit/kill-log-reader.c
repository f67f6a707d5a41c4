/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "kill-log-reader.h"

int calls_left = -1;

/* ---- a place ---- */

char directory[] = "/tmp/qnet-test-kill-log-XXXXXX";
char path[sizeof(directory) + 16];
static unsigned n_cases;
int state = -1;
bool linked = true;

void shell(const char *format, ...) {
        char command[1024];
        va_list ap;

        va_start(ap, format);
        vsnprintf(command, sizeof(command), format, ap);
        va_end(ap);
        if (system(command) != 0)
                fail_msg("%s", command);
}

void begin(void) {
        char name[64];

        safe_close(state);
        shell("rm -rf %s/*", directory);
        snprintf(path, sizeof(path), "%s/log", directory);
        snprintf(name, sizeof(name), "%s/state%u", directory, n_cases++);
        assert_int_equal(cursor_open_state(name, true, &state), 0);
}

int set_up(void **unused) {
        return mkdtemp(directory) ? 0 : -1;
}

int tear_down(void **unused) {
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

void must(int r) {
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

int read_once(void) {
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

int reader(int kill_at) {
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

char *acted(void) {
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

uint64_t lines_taken(void) {
        _cleanup_cursor_ Cursor c = { 0 };

        assert_true(cursor_load(state, path, &c) >= 0);
        return c.lines;
}

void expect_at(int source_line, const char *what, uint64_t lines) {
        if (!streq(acted(), what) || lines_taken() != lines)
                fail_msg("line %d: acted \"%s\", taken %d; expected \"%s\", %d", source_line, acted(),
                                (int) lines_taken(), what, (int) lines);
}

/* ---- what others do to the log ---- */

void put(const char *flags_and_text) {
        bool append = startswith(flags_and_text, ">>");
        const char *text = flags_and_text + 1 + append;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

void take(void) {
        assert_int_equal(reader(-1), 0);
}

void clear_acted(void) {
        shell("rm -f %s/acted", directory);
}

void tick(void) {
        nanosleep(&(struct timespec){ .tv_nsec = 15000000 }, NULL);
}
