/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cursor.h"
#include "string-table.h"

#define HEADER      "qnet-reaper-cursor 1\n"
#define FILE_MAX    (1024U * 1024U)
#define PENDING_MAX 4096U

static const char *const step_table[_STEP_MAX] = {
        [STEP_RESTART] = "restart",
        [STEP_LADDER] = "ladder",
        [STEP_BLACK_BOX] = "black-box",
};
DEFINE_STRING_TABLE(step, Step)

bool file_id_equal(const FileId *a, const FileId *b) {
        bool born = (a->birth_sec || a->birth_nsec) && (b->birth_sec || b->birth_nsec);
        bool handles = a->n_handle > 0 && b->n_handle > 0;

        if (a->inode != b->inode)
                return false;
        if (born && (a->birth_sec != b->birth_sec || a->birth_nsec != b->birth_nsec))
                return false;
        if (handles && (a->handle_type != b->handle_type || a->n_handle != b->n_handle ||
                                       memcmp(a->handle, b->handle, a->n_handle) != 0))
                return false;
        /* device numbers may change over a reboot; with birth time or generation the same, it is the same file */
        return a->device == b->device || born || handles;
}

void cursor_done(Cursor *c) {
        free(c->pending);
        *c = (Cursor){ 0 };
}

int cursor_copy(const Cursor *c, Cursor *ret) {
        Cursor copy = *c;

        copy.pending = NULL;
        if (c->n_pending > 0) {
                copy.pending = reallocarray(NULL, c->n_pending, sizeof(Pending));
                if (!copy.pending)
                        return -ENOMEM;
                memcpy(copy.pending, c->pending, c->n_pending * sizeof(Pending));
        }
        *ret = copy;
        return 0;
}

int cursor_add_pending(Cursor *c, const Pending *p) {
        Pending *list;

        for (size_t i = 0; i < c->n_pending; i++)
                if (streq(c->pending[i].vm, p->vm))
                        return -EEXIST;
        if (c->n_pending >= PENDING_MAX)
                return -ENOBUFS;
        list = reallocarray(c->pending, c->n_pending + 1, sizeof(Pending));
        if (!list)
                return -ENOMEM;
        list[c->n_pending++] = *p;
        c->pending = list;
        return 0;
}

bool cursor_drop_pending(Cursor *c, const char *vm) {
        for (size_t i = 0; i < c->n_pending; i++)
                if (streq(c->pending[i].vm, vm)) {
                        memmove(c->pending + i, c->pending + i + 1, (c->n_pending - i - 1) * sizeof(Pending));
                        c->n_pending--;
                        return true;
                }
        return false;
}

int cursor_open_state(const char *directory, bool lock, int *ret_fd) {
        _cleanup_close_ int fd = -1;

        if (lock && mkdir(directory, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        while (lock && flock(fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* RFC 3986 percent-encoding of all but letters, digits, '.', '_' and '-'; -ENAMETOOLONG when it does not fit */
static int percent_encode(const char *s, char *buf, size_t size) {
        size_t n = 0;

        for (; *s; s++) {
                unsigned char c = (unsigned char) *s;
                bool plain = isascii(c) && (isalnum(c) || (c && strchr("._-", c)));
                if (n + 4 > size)
                        return -ENAMETOOLONG;
                if (plain)
                        buf[n++] = (char) c;
                else
                        n += (size_t) sprintf(buf + n, "%%%02X", c);
        }
        buf[n] = '\0';
        return 0;
}

/* "-" stands for the empty string; whatever else percent_encode() makes; -EBADMSG */
static int percent_decode(const char *s, char *buf, size_t size) {
        size_t n = 0;

        if (streq(s, "-"))
                s = "";
        for (; *s; s++) {
                unsigned c = (unsigned char) *s;
                if (c == '%') {
                        if (!isxdigit((unsigned char) s[1]) || sscanf(s + 1, "%2X", &c) != 1 || c == 0)
                                return -EBADMSG;
                        s += 2;
                }
                if (n + 1 >= size)
                        return -EBADMSG;
                buf[n++] = (char) c;
        }
        buf[n] = '\0';
        return 0;
}

int cursor_file_name(const char *log, char ret[static NAME_MAX + 1]) {
        uint64_t digest = UINT64_C(0xcbf29ce484222325); /* FNV-1a; the file itself names its log in full */

        /* leaves room for the suffixes of temporary files and links */
        if (percent_encode(log, ret, NAME_MAX - 40) == 0)
                return 0;
        for (const char *p = log; *p; p++)
                digest = (digest ^ (unsigned char) *p) * UINT64_C(0x100000001b3);
        sprintf(ret, "log-%016" PRIx64, digest);
        return 0;
}

/* ---- reading ---- */

static int hex_decode(const char *s, unsigned char *buf, size_t size, unsigned *ret_n) {
        size_t n = 0;

        if (streq(s, "-")) {
                *ret_n = 0;
                return 0;
        }
        for (; *s; s += 2) {
                unsigned v;
                if (n >= size || !isxdigit((unsigned char) s[0]) || !isxdigit((unsigned char) s[1]) ||
                                sscanf(s, "%2x", &v) != 1)
                        return -EBADMSG;
                buf[n++] = (unsigned char) v;
        }
        *ret_n = (unsigned) n;
        return 0;
}

static int parse_tail(const char *s, Tail *ret) {
        char birth_handle[2 * HANDLE_MAX + 1], name[3 * NAME_MAX + 1], bytes[2 * FINGERPRINT_MAX + 1];
        Tail t = { .set = true };
        unsigned skipping;
        int n = -1;

        if (sscanf(s,
                            "%" SCNu64 " %" SCNu64 " %" SCNd64 ".%" SCNu32 " %d:%128s %" SCNu64 " %" SCNu64
                            " %" SCNd64 ".%" SCNu32 " %u %765s %512s%n",
                            &t.id.device, &t.id.inode, &t.id.birth_sec, &t.id.birth_nsec, &t.id.handle_type,
                            birth_handle, &t.offset, &t.size, &t.mtime_sec, &t.mtime_nsec, &skipping, name,
                            bytes, &n) != 13 ||
                        n < 0 || s[n] || skipping > 1)
                return -EBADMSG;
        t.skipping = skipping;
        if (hex_decode(birth_handle, t.id.handle, sizeof(t.id.handle), &t.id.n_handle) < 0 ||
                        hex_decode(bytes, t.fingerprint, sizeof(t.fingerprint), &t.n_fingerprint) < 0 ||
                        percent_decode(name, t.name, sizeof(t.name)) < 0 || strchr(t.name, '/') ||
                        t.n_fingerprint != MIN(t.offset, (uint64_t) FINGERPRINT_MAX))
                return -EBADMSG;
        *ret = t;
        return 0;
}

static int parse_step(const char *s, Pending *ret) {
        char rung[16], step[16], before[SD_ID128_STRING_MAX];
        int n = -1, r;

        if (sscanf(s, " %15s %15s %32s%n", rung, step, before, &n) != 3 || n < 0 || s[n] ||
                        sd_id128_from_string(before, &ret->before) < 0)
                return -EBADMSG;
        r = step_from_string(step);
        if (r < 0)
                return -EBADMSG;
        ret->step = (Step) r;
        if (streq(rung, "-"))
                return 0;
        r = rung_from_string(rung);
        if (r < 0)
                return -EBADMSG;
        ret->has_rung = true;
        ret->rung = (Rung) r;
        return 0;
}

static int parse_pending(const char *s, Pending *ret) {
        char invocation[SD_ID128_STRING_MAX],
                        *fields[] = { ret->line, ret->ip, ret->mac, ret->tap, ret->bridge };
        int n = -1, r;

        *ret = (Pending){ 0 };
        if (sscanf(s, "%63s %32s %63s %50s %17s %15s %15s%n", ret->vm, invocation, ret->line, ret->ip,
                            ret->mac, ret->tap, ret->bridge, &n) != 7 ||
                        n < 0 || !name_is_valid(ret->vm) ||
                        sd_id128_from_string(invocation, &ret->invocation) < 0)
                return -EBADMSG;
        r = s[n] ? parse_step(s + n, ret) : 0;
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (streq(fields[i], "-"))
                        *fields[i] = '\0';
        return 0;
}

/* One line of the file; *ended once "end" was seen, after which there may be nothing. */
static int parse_line(const char *line, const char *log, Cursor *c, bool *ended) {
        char path[PATH_MAX];
        const char *s;
        Pending p;
        int r;

        if (*ended)
                return -EBADMSG;
        if ((s = startswith(line, "log ")))
                return percent_decode(s, path, sizeof(path)) < 0 || !streq(path, log) ? -EBADMSG : 0;
        if ((s = startswith(line, "lines ")))
                return parse_uint64(s, 0, UINT64_MAX, &c->lines) < 0 ? -EBADMSG : 0;
        if ((s = startswith(line, "current ")))
                return parse_tail(s, &c->current);
        if ((s = startswith(line, "previous ")))
                return parse_tail(s, &c->previous);
        if ((s = startswith(line, "pending "))) {
                r = parse_pending(s, &p);
                return r < 0 ? r : cursor_add_pending(c, &p) == -ENOMEM ? -ENOMEM : 0;
        }
        *ended = streq(line, "end");
        return *ended ? 0 : -EBADMSG;
}

static int read_cursor(FILE *f, const char *log, Cursor *c) {
        _cleanup_free_ char *line = NULL;
        size_t allocated = 0, sum = 0;
        bool ended = false;
        ssize_t n;
        int r;

        for (bool first = true; (n = getline(&line, &allocated, f)) > 0; first = false) {
                sum += (size_t) n;
                if (line[n - 1] != '\n' || memchr(line, '\0', (size_t) n) || sum > FILE_MAX)
                        return -EBADMSG;
                if (first) {
                        if (!streq(line, HEADER))
                                return -EBADMSG;
                        continue;
                }
                line[n - 1] = '\0';
                r = parse_line(line, log, c, &ended);
                if (r < 0)
                        return r;
        }
        if (ferror(f))
                return -EIO;
        return ended ? 1 : -EBADMSG;
}

int cursor_load(int state_fd, const char *log, Cursor *ret) {
        _cleanup_fclose_ FILE *f = NULL;
        _cleanup_cursor_ Cursor c = { 0 };
        _cleanup_close_ int fd = -1;
        char name[NAME_MAX + 1];
        int r;

        r = cursor_file_name(log, name);
        if (r < 0)
                return r;
        fd = openat(state_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno != ENOENT)
                return -errno;
        if (fd >= 0) {
                f = fdopen(fd, "re");
                if (!f)
                        return -errno;
                TAKE_FD(fd);
                r = read_cursor(f, log, &c);
                if (r < 0)
                        return r;
        } else
                r = 0;
        *ret = c;
        c = (Cursor){ 0 };
        return r;
}

static int add_log(int state_fd, const char *name, char ***logs) {
        char header[sizeof(HEADER)], encoded[3 * PATH_MAX + 1], path[PATH_MAX], expected[NAME_MAX + 1];
        _cleanup_fclose_ FILE *f = NULL;
        int fd;

        fd = openat(state_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        f = fd < 0 ? NULL : fdopen(fd, "re");
        if (!f) {
                safe_close(fd);
                return 0; /* replaced meanwhile, or somebody else's */
        }
        if (!fgets(header, sizeof(header), f) || !streq(header, HEADER) ||
                        fscanf(f, "log %12288s", encoded) != 1 ||
                        percent_decode(encoded, path, sizeof(path)) < 0)
                return 0;
        if (cursor_file_name(path, expected) < 0 ||
                        !streq(expected, name)) /* not a temporary one, or one put aside */
                return 0;
        return strv_extend(logs, path);
}

int cursor_list(int state_fd, char ***ret_logs) {
        _cleanup_closedir_ DIR *d = NULL;
        _cleanup_strv_ char **logs = NULL;
        struct dirent *e;
        int fd, r;

        fd = openat(state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return -ENOMEM;
        }
        while ((e = readdir(d))) {
                r = e->d_type == DT_REG || e->d_type == DT_UNKNOWN ? add_log(state_fd, e->d_name, &logs) : 0;
                if (r < 0)
                        return r;
        }
        *ret_logs = TAKE_PTR(logs);
        return 0;
}

/* ---- writing ---- */

static void write_hex(FILE *f, const unsigned char *p, size_t n) {
        if (n == 0)
                fputc('-', f);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%02x", p[i]);
}

static void write_tail(FILE *f, const char *key, const Tail *t) {
        char name[3 * NAME_MAX + 1];

        if (!t->set)
                return;
        if (percent_encode(t->name, name, sizeof(name)) < 0)
                name[0] = '\0';
        fprintf(f, "%s %" PRIu64 " %" PRIu64 " %" PRId64 ".%" PRIu32 " %d:", key, t->id.device, t->id.inode,
                        t->id.birth_sec, t->id.birth_nsec, t->id.handle_type);
        write_hex(f, t->id.handle, t->id.n_handle);
        fprintf(f, " %" PRIu64 " %" PRIu64 " %" PRId64 ".%" PRIu32 " %d %s ", t->offset, t->size,
                        t->mtime_sec, t->mtime_nsec, t->skipping, isempty(name) ? "-" : name);
        write_hex(f, t->fingerprint, t->n_fingerprint);
        fputc('\n', f);
}

static const char *or_dash(const char *s) {
        return isempty(s) ? "-" : s;
}

static int write_cursor(FILE *f, const char *log, const Cursor *c) {
        char path[3 * PATH_MAX + 1], id[SD_ID128_STRING_MAX];

        if (percent_encode(log, path, sizeof(path)) < 0)
                return -ENAMETOOLONG;
        fprintf(f, HEADER "log %s\nlines %" PRIu64 "\n", path, c->lines);
        write_tail(f, "current", &c->current);
        write_tail(f, "previous", &c->previous);
        for (size_t i = 0; i < c->n_pending; i++) {
                const Pending *p = c->pending + i;
                fprintf(f, "pending %s %s %s %s %s %s %s", p->vm, sd_id128_to_string(p->invocation, id), p->line,
                                or_dash(p->ip), or_dash(p->mac), or_dash(p->tap), or_dash(p->bridge));
                fprintf(f, " %s %s %s\n", p->has_rung ? rung_to_string(p->rung) : "-", step_to_string(p->step),
                                sd_id128_to_string(p->before, id));
        }
        fputs("end\n", f);
        return fflush(f) != 0 ? -errno : 0;
}

int cursor_save(int state_fd, const char *log, const Cursor *c) {
        char name[NAME_MAX + 1], temporary[NAME_MAX + 8];
        _cleanup_fclose_ FILE *f = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        r = cursor_file_name(log, name);
        if (r < 0)
                return r;
        snprintf(temporary, sizeof(temporary), "%s.new", name);
        /* the directory is locked: what is there under this name was left by one that died */
        fd = openat(state_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        f = fdopen(fd, "we");
        if (!f)
                return -errno;
        fd = -1;
        r = write_cursor(f, log, c);
        if (r >= 0 && fdatasync(fileno(f)) < 0)
                r = -errno;
        if (r >= 0 && (renameat(state_fd, temporary, state_fd, name) < 0 || fsync(state_fd) < 0))
                r = -errno;
        if (r < 0) {
                unlinkat(state_fd, temporary, 0);
                return r;
        }
        return 0;
}
