/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "kill-log.h"
#include "log-file.h"

#define LINE_BYTES_MAX 1024U
#define LOOK_LINES_MAX 4096U
#define LOOK_BYTES_MAX (UINT64_C(1) << 20)
#define SKIP_BYTES_MAX (UINT64_C(16) << 20)
#define LOOK_TRIES     5 /* a log that is rewritten under our eyes is read again so often */
#define SETTLE_TRIES   20

struct KillLog {
        char *path;
        int state_fd, link_fd;
        Cursor saved, next;          /* as on disk; as it will be after the commit */
        int current_fd, previous_fd; /* of the files of next.current and next.previous, -1 when not open */
};

void kill_log_news_done(KillLogNews *n) {
        free(n->lines);
        *n = (KillLogNews){ 0 };
}

const char *kill_log_path(const KillLog *l) {
        return l->path;
}

Cursor *kill_log_cursor(KillLog *l) {
        return &l->next;
}

KillLog *kill_log_free(KillLog *l) {
        if (!l)
                return NULL;
        cursor_done(&l->saved);
        cursor_done(&l->next);
        safe_close(l->current_fd);
        safe_close(l->previous_fd);
        free(l->path);
        free(l);
        return NULL;
}

/* ---- lines ---- */

/* What a person can read of it: printable ASCII as it is, the rest as \xNN, cut with "..." */
static void show(const char *s, size_t n, char buf[static KILL_LOG_TEXT_MAX]) {
        size_t k = 0;

        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char) s[i];
                if (k + 4 + sizeof("...") > KILL_LOG_TEXT_MAX) {
                        k += (size_t) sprintf(buf + k, "...");
                        break;
                }
                if (c >= 32 && c < 127 && c != '\\')
                        buf[k++] = (char) c;
                else
                        k += (size_t) sprintf(buf + k, "\\x%02x", c);
        }
        buf[k] = '\0';
}

static size_t word_length(const char *s, size_t n) {
        size_t k = 0;

        while (k < n && s[k] > 32 && s[k] < 127)
                k++;
        return k;
}

/* What follows the address: nothing, or what to do about it. */
static bool parse_rung(const char *s, size_t n, KillLogLine *line) {
        char word[16] = "";
        int rung;

        if (n == 0)
                return true;
        if (!isblank((unsigned char) *s))
                return false;
        while (n > 0 && isblank((unsigned char) *s))
                s++, n--;
        if (n == 0 || n >= sizeof(word))
                return false;
        memcpy(word, s, n);
        if (memchr(word, '\0', n))
                return false;
        if (streq(word, "recover"))
                return true;
        rung = rung_from_string(word);
        if (rung < 0)
                return false;
        line->has_rung = true;
        line->rung = (Rung) rung;
        return true;
}

void kill_log_parse_line(const char *s, size_t n, KillLogLine *ret) {
        size_t length = word_length(s, n);

        *ret = (KillLogLine){ 0 };
        ret->word = length > 0 && length < WORD_MAX && parse_rung(s + length, n - length, ret);
        if (ret->word)
                *(char *) mempcpy(ret->text, s, length) = '\0';
        else
                show(s, n, ret->text);
}

static int add_line(KillLogNews *news, const char *s, size_t n, bool overlong) {
        KillLogLine *line;

        while (n > 0 && isspace((unsigned char) s[0]))
                s++, n--;
        while (n > 0 && isspace((unsigned char) s[n - 1]))
                n--;
        if (n == 0 && !overlong)
                return 0;

        if (news->n_lines >= news->allocated) {
                size_t m = MAX(news->allocated * 2, (size_t) 16);
                line = reallocarray(news->lines, m, sizeof(KillLogLine));
                if (!line)
                        return -ENOMEM;
                news->lines = line;
                news->allocated = m;
        }
        line = news->lines + news->n_lines++;
        if (overlong) {
                *line = (KillLogLine){ 0 };
                show(s, n, line->text);
        } else
                kill_log_parse_line(s, n, line);
        return 0;
}

/* Complete lines of a piece that begins at t->offset; moves the offset behind them. Returns how many bytes of an
 * incomplete line are left, or negative errno. */
static ssize_t take_lines(Tail *t, uint64_t *lines, const char *buf, size_t n, KillLogNews *news) {
        const char *p = buf, *end = buf + n, *newline;
        int r;

        while (p < end && news->n_lines < LOOK_LINES_MAX && (newline = memchr(p, '\n', (size_t) (end - p)))) {
                size_t length = (size_t) (newline - p);
                if (!t->skipping) { /* of an overlong one, the news have had the start already */
                        r = add_line(news, p, MIN(length, (size_t) LINE_BYTES_MAX), length > LINE_BYTES_MAX);
                        if (r < 0)
                                return r;
                }
                t->skipping = false;
                t->offset += length + 1;
                (*lines)++;
                p = newline + 1;
        }
        if (p < end && (t->skipping || (size_t) (end - p) > LINE_BYTES_MAX) &&
                        !memchr(p, '\n', (size_t) (end - p))) {
                if (!t->skipping) {
                        r = add_line(news, p, LINE_BYTES_MAX, true);
                        if (r < 0)
                                return r;
                }
                t->skipping = true;
                t->offset += (size_t) (end - p);
                p = end;
        }
        return end - p;
}

/* From the offset to size, within the bounds of a look. */
static int read_lines(int fd, Tail *t, uint64_t *lines, uint64_t size, KillLogNews *news) {
        static char buf[64 * 1024];
        uint64_t start = t->offset;
        ssize_t n, rest = 0;

        while (t->offset + (size_t) rest < size) {
                if (news->n_lines >= LOOK_LINES_MAX ||
                                t->offset - start >= (t->skipping ? SKIP_BYTES_MAX : LOOK_BYTES_MAX)) {
                        news->more = true;
                        return 0;
                }
                n = pread(fd, buf, MIN(size - t->offset, sizeof(buf)), (off_t) t->offset);
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0; /* truncated meanwhile; the caller sees it */
                rest = take_lines(t, lines, buf, (size_t) n, news);
                if (rest < 0)
                        return (int) rest;
        }
        if (news->n_lines >= LOOK_LINES_MAX && rest > 0)
                news->more = true;
        return 0;
}

/* ---- one file ---- */

static int take_fingerprint(int fd, Tail *t) {
        size_t n = MIN(t->offset, (uint64_t) FINGERPRINT_MAX);

        t->n_fingerprint = (unsigned) n;
        return file_read_exactly(fd, t->fingerprint, n, t->offset - n);
}

/* 1 the bytes before the offset are those that were taken, 0 they are not */
static int check_fingerprint(int fd, const Tail *t) {
        unsigned char bytes[FINGERPRINT_MAX];
        int r;

        r = file_read_exactly(fd, bytes, t->n_fingerprint, t->offset - t->n_fingerprint);
        if (r == -ESTALE)
                return 0;
        return r < 0 ? r : memcmp(bytes, t->fingerprint, t->n_fingerprint) == 0;
}

/* Is this still the file that the tail was read from, as far as its offset? See the header for the rules. times_unknown:
 * the time of the last access may be that of our own reading, so it tells nothing. */
static int tail_is_valid(int fd, const Tail *t, const FileState *st, bool times_unknown) {
        bool written = st->mtime_sec != t->mtime_sec || st->mtime_nsec != t->mtime_nsec;
        bool touched = !times_unknown && st->atime_sec == st->mtime_sec && st->atime_nsec == st->mtime_nsec;

        if (st->size < t->offset || st->size < t->size)
                return 0;
        if (t->offset > 0 && t->offset <= FINGERPRINT_MAX && st->size == t->size && written && !touched)
                return 0;
        return check_fingerprint(fd, t);
}

/* A write in progress has set the time already, but not the size: for a moment, an append looks like the same length
 * written again. Both calls here wait for the end of a write, on one file system or another, as they take the
 * inode's lock (ext4, btrfs and tmpfs for lseek, XFS for read); whoever set the time that was seen is done then. */
static int file_state_settled(int fd, const Tail *t, FileState *ret) {
        FileState st = { 0 }, next;
        char byte;
        int r;

        r = file_state(fd, &st);
        for (int i = 0; r >= 0 && i < SETTLE_TRIES; i++) {
                if (st.size != t->size || (st.mtime_sec == t->mtime_sec && st.mtime_nsec == t->mtime_nsec))
                        break;
                if (pread(fd, &byte, 1, 0) < 0)
                        return -errno;
                (void) lseek(fd, 0, SEEK_HOLE);
                r = file_state(fd, &next);
                if (r < 0)
                        return r;
                /* that of the last access may be our own */
                next.atime_sec = st.atime_sec;
                next.atime_nsec = st.atime_nsec;
                if (next.mtime_sec == st.mtime_sec && next.mtime_nsec == st.mtime_nsec) {
                        st = next;
                        break;
                }
                st = next;
        }
        if (r >= 0)
                *ret = st;
        return r;
}

static void tail_rewind(Tail *t) {
        t->offset = t->size = 0;
        t->n_fingerprint = 0;
        t->skipping = false;
}

static bool tail_equal(const Tail *a, const Tail *b) {
        return a->offset == b->offset && a->size == b->size && a->skipping == b->skipping &&
               a->mtime_sec == b->mtime_sec && a->mtime_nsec == b->mtime_nsec;
}

/* One attempt on one file; -ESTALE: it was truncated while it was read. Changes its arguments only when done. */
static int tail_try(int fd, Tail *tail, uint64_t *lines, KillLogNews *news, bool times_unknown) {
        size_t before = news->n_lines;
        uint64_t n = *lines;
        FileState st = { 0 }, after = { 0 };
        Tail t = *tail;
        int r;

        r = file_state_settled(fd, &t, &st);
        if (r < 0)
                return r;
        if (st.size == t.size && st.mtime_sec == t.mtime_sec && st.mtime_nsec == t.mtime_nsec &&
                        t.offset == t.size)
                return 0;
        r = tail_is_valid(fd, &t, &st, times_unknown);
        if (r < 0)
                return r;
        if (r == 0)
                tail_rewind(&t);
        r = read_lines(fd, &t, &n, st.size, news);
        if (r >= 0)
                r = take_fingerprint(fd, &t);
        if (r >= 0)
                r = file_state(fd, &after);
        if (r >= 0 && (after.size < st.size ||
                                      (after.size == st.size &&
                                                      (after.mtime_sec != st.mtime_sec ||
                                                                      after.mtime_nsec != st.mtime_nsec))))
                r = -ESTALE;
        if (r < 0) {
                news->n_lines = before;
                return r;
        }
        t.size = st.size;
        t.mtime_sec = st.mtime_sec;
        t.mtime_nsec = st.mtime_nsec;
        news->more |= after.size > st.size;
        news->changed |= !tail_equal(&t, tail);
        *tail = t;
        *lines = n;
        return 0;
}

static int tail_look(int fd, Tail *t, uint64_t *lines, KillLogNews *news) {
        int r = -ESTALE;

        for (int i = 0; i < LOOK_TRIES && r == -ESTALE; i++)
                r = tail_try(fd, t, lines, news, i > 0);
        if (r == -ESTALE) { /* not committed, so nothing is lost; the next look comes soon */
                news->more = true;
                return 0;
        }
        return r;
}

/* ---- which files ---- */

/* Another file is at the path now (fd, id): the one that was there is followed as the previous one. Before that the one
 * that was previous is left; what it had was read in earlier looks. */
static void rotate(KillLog *l, int fd, const FileId *id) {
        Cursor *c = &l->next;

        if (c->current.set) {
                l->previous_fd = safe_close(l->previous_fd);
                c->previous = c->current;
                l->previous_fd = TAKE_FD(l->current_fd);
        }
        c->current = (Tail){ .set = true, .id = *id };
        l->current_fd = fd;
}

static void swap_files(KillLog *l, int fd) {
        Tail t = l->next.current;

        l->next.current = l->next.previous;
        l->next.previous = t;
        l->next.previous.name[0] = '\0';
        safe_close(l->previous_fd);
        l->previous_fd = l->current_fd;
        l->current_fd = fd;
}

/* Opens what is at the path, if that is another file than before. */
static int open_current(KillLog *l, KillLogNews *news) {
        Cursor *c = &l->next;
        FileId id;
        int fd, r;

        r = file_open(AT_FDCWD, l->path, l->current_fd, &fd, &id);
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r <= 0) /* 0: the descriptor that we have is still right */
                return r;
        if (c->current.set && l->current_fd < 0 && file_id_equal(&c->current.id, &id)) {
                l->current_fd = fd;
                return 0;
        }
        if (c->previous.set && file_id_equal(&c->previous.id, &id))
                swap_files(l, fd); /* renamed back */
        else
                rotate(l, fd, &id);
        news->changed = true;
        return 0;
}

/* Finds files of the cursor that are not at the path any more. A previous one that is not to be found is forgotten. */
static void open_rotated(KillLog *l, KillLogNews *news) {
        Cursor *c = &l->next;
        char name[NAME_MAX + 1] = "";

        if (c->current.set && l->current_fd < 0)
                l->current_fd = file_find(l->path, l->link_fd, &c->current.id, name);
        if (!c->previous.set || l->previous_fd >= 0)
                return;
        l->previous_fd = file_find(l->path, l->link_fd, &c->previous.id, c->previous.name);
        if (l->previous_fd < 0) {
                c->previous = (Tail){ 0 };
                news->changed = true;
        }
}

int kill_log_look(KillLog *l, KillLogNews *ret) {
        Cursor *c = &l->next;
        int r, k;

        kill_log_news_done(ret);
        k = open_current(l, ret);
        open_rotated(l, ret);
        if (c->previous.set) {
                r = tail_look(l->previous_fd, &c->previous, &c->lines, ret);
                if (r < 0 && k >= 0)
                        k = r;
        }
        if (c->current.set && l->current_fd >= 0) {
                r = tail_look(l->current_fd, &c->current, &c->lines, ret);
                if (r < 0 && k >= 0)
                        k = r;
        }
        return k;
}

int kill_log_commit(KillLog *l) {
        Cursor copy;
        int r;

        r = cursor_copy(&l->next, &copy);
        if (r < 0)
                return r;
        r = cursor_save(l->state_fd, l->path, &copy);
        if (r < 0) {
                cursor_done(&copy);
                return r;
        }
        if (l->link_fd >= 0 && l->current_fd >= 0 && !file_id_equal(&copy.current.id, &l->saved.current.id))
                file_keep_links(l->path, l->link_fd, l->current_fd, &copy);
        cursor_done(&l->saved);
        l->saved = copy;
        return 0;
}

/* ---- a log ---- */

/* The cursor cannot be trusted: lines that are there were taken or not, nobody knows. A tester reports again what is
 * still frozen; a restart of what is not would do harm. */
static int start_at_end(KillLog *l) {
        char name[NAME_MAX + 1], bad[NAME_MAX + 8];
        _cleanup_news_ KillLogNews news = { 0 };
        int r;

        r = cursor_file_name(l->path, name);
        if (r < 0)
                return r;
        snprintf(bad, sizeof(bad), "%s.bad", name);
        if (renameat(l->state_fd, name, l->state_fd, bad) < 0)
                return -errno;
        do {
                r = kill_log_look(l, &news);
        } while (r >= 0 && news.more);
        r = kill_log_commit(l);
        return r < 0 ? r : 1;
}

static int allocate(const char *path, int state_fd, int link_fd, KillLog **ret) {
        _cleanup_kill_log_ KillLog *l = NULL;

        l = calloc(1, sizeof(KillLog));
        if (!l)
                return -ENOMEM;
        l->state_fd = state_fd;
        l->link_fd = link_fd;
        l->current_fd = l->previous_fd = -1;
        l->path = strdup(path);
        if (!l->path)
                return -ENOMEM;
        *ret = TAKE_PTR(l);
        return 0;
}

int kill_log_new(const char *path, int state_fd, int link_fd, KillLog **ret) {
        _cleanup_kill_log_ KillLog *l = NULL;
        bool bad;
        int r;

        r = allocate(path, state_fd, link_fd, &l);
        if (r < 0)
                return r;
        r = cursor_load(state_fd, path, &l->saved);
        bad = r == -EBADMSG;
        if (r < 0 && !bad)
                return r;
        r = cursor_copy(&l->saved, &l->next);
        if (r >= 0 && bad)
                r = start_at_end(l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return bad;
}

void kill_log_status_done(KillLogStatus *s) {
        cursor_done(&s->cursor);
}

int kill_log_get_status(const char *path, int state_fd, KillLogStatus *ret) {
        _cleanup_status_ KillLogStatus s = { 0 };
        _cleanup_kill_log_ KillLog *l = NULL;
        _cleanup_news_ KillLogNews news = { 0 };
        int r;

        r = cursor_load(state_fd, path, &s.cursor);
        s.damaged = r == -EBADMSG;
        if (r < 0 && !s.damaged)
                return r;
        r = allocate(path, state_fd, -1, &l);
        if (r >= 0)
                r = cursor_copy(&s.cursor, &l->next);
        if (r < 0)
                return r;
        s.error = kill_log_look(l, &news);
        s.waiting = l->next.lines - s.cursor.lines;
        s.more = news.more;
        *ret = s;
        s.cursor = (Cursor){ 0 };
        return 0;
}
