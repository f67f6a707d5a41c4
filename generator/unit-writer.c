/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In come the text that unit-text.c has put together and names, out go files and links in one directory,
 * or text on a stream. One buffer and one temporary name serve all units: per unit three system calls,
 * open, write, and link or rename, and one more to close some together, nothing else. */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "unit-writer-internal.h"

#define TEMP_FORMAT ".qnet-%016" PRIx64 ".tmp" /* no unit's suffix: systemd does not look at it */

static int writer_new(const char *dir, UnitWriter **ret) {
        _cleanup_unit_writer_ UnitWriter *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        w->dir_fd = -1;
        w->dir = strdup(dir);
        w->allocated = 16 * 1024;
        w->buf = malloc(w->allocated);
        if (!w->dir || !w->buf)
                return -ENOMEM;
        *ret = TAKE_PTR(w);
        return 0;
}

/* Another name for each generator, so that two at a time do not write to one file. */
static int choose_temp(UnitWriter *w) {
        uint64_t random;

        if (getrandom(&random, sizeof(random), GRND_NONBLOCK | GRND_INSECURE) != sizeof(random))
                return -EIO;
        snprintf(w->temp, sizeof(w->temp), TEMP_FORMAT, random);
        return 0;
}

int unit_writer_new(const char *dir, UnitWriter **ret) {
        _cleanup_unit_writer_ UnitWriter *w = NULL;
        int r;

        r = writer_new(dir, &w);
        if (r < 0)
                return r;
        w->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (w->dir_fd < 0)
                return -errno;
        r = choose_temp(w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

int unit_writer_new_stream(FILE *stream, const char *dir, UnitWriter **ret) {
        UnitWriter *w;
        int r;

        r = writer_new(dir, &w);
        if (r < 0)
                return r;
        w->stream = stream;
        *ret = w;
        return 0;
}

UnitWriter *unit_writer_free(UnitWriter *w) {
        if (!w)
                return NULL;
        close_later_done(&w->files);
        safe_close(w->dir_fd);
        free(w->dir);
        free(w->buf);
        free(w);
        return NULL;
}

static void set_name(UnitWriter *w, va_list ap) {
        size_t n = 0;

        w->size = 0;
        w->error = 0;
        FOREACH_PIECE(s, ap) {
                size_t l = strlen(s);

                if (n + l > UNIT_NAME_LENGTH) {
                        unit_fail(w, -ENAMETOOLONG);
                        break;
                }
                memcpy(w->name + n, s, l);
                n += l;
        }
        w->name[n] = 0;
}

void unit_open_pieces(UnitWriter *w, ...) {
        va_list ap;

        va_start(ap, w);
        set_name(w, ap);
        va_end(ap);
}

const char *unit_name(const UnitWriter *w) {
        return w->name;
}

static bool parent_is(const char *parent, const char *name, size_t n) {
        return strncmp(parent, name, n) == 0 && parent[n] == 0;
}

/* The directory that the name is in, unless it was one of the last two already: there is that of what starts units, which
 * many links are in, and between them that of one unit's drop-ins. */
static int make_parent(UnitWriter *w) {
        const char *slash = strrchr(w->name, '/');
        size_t n = slash ? (size_t) (slash - w->name) : 0;
        unsigned other = 1 - w->last_parent;
        char *parent = w->parents[other];

        if (n == 0 || parent_is(w->parents[w->last_parent], w->name, n))
                return 0;
        w->last_parent = other;
        if (parent_is(parent, w->name, n))
                return 0;
        memcpy(parent, w->name, n);
        parent[n] = 0;
        if (mkdirat(w->dir_fd, parent, 0755) < 0 && errno != EEXIST) {
                int r = -errno;

                parent[0] = 0;
                return r;
        }
        return 0;
}

static int write_all(int fd, const char *p, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, p, n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                p += k;
                n -= (size_t) k;
        }
        return 0;
}

static int publish(UnitWriter *w) { /* the temporary file or link under its name */
        if (renameat(w->dir_fd, w->temp, w->dir_fd, w->name) < 0) {
                int r = -errno;

                (void) unlinkat(w->dir_fd, w->temp, 0);
                return r;
        }
        return 0;
}

/* With a temporary name: works everywhere. */
static int write_named(UnitWriter *w) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(w->dir_fd, w->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        r = write_all(fd, w->buf, w->size);
        /* close() is where some file systems tell that there was no space */
        if (close(TAKE_FD(fd)) < 0 && r >= 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(w->dir_fd, w->temp, 0);
                return r;
        }
        return publish(w);
}

static int fill_and_name(UnitWriter *w, int fd) {
        int r;

        r = write_all(fd, w->buf, w->size);
        if (r < 0)
                return r;
        if (linkat(fd, "", w->dir_fd, w->name, AT_EMPTY_PATH) >= 0)
                return 1;
        if (errno != EEXIST)
                return errno == ENOENT || errno == EPERM || errno == EOPNOTSUPP ? 0 : -errno;
        /* only rename() replaces */
        if (linkat(fd, "", w->dir_fd, w->temp, AT_EMPTY_PATH) < 0)
                return -errno;
        r = publish(w);
        return r < 0 ? r : 1;
}

/* Without any name until it is whole: nothing is left of a generator that is killed, and it is the cheaper
 * way (a rename costs as much as opening and closing the file). 1: done; 0: not here, for want of
 * O_TMPFILE in the file system or of CAP_DAC_READ_SEARCH before Linux 6.10. */
static int write_nameless(UnitWriter *w) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(w->dir_fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644);
        if (fd < 0)
                return errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT ? 0
                                                                                                    : -errno;
        r = fill_and_name(w, fd);
        if (r > 0) /* what has failed is not to take up space any longer */
                close_later(&w->files, TAKE_FD(fd));
        return r;
}

static int write_file(UnitWriter *w) {
        int r;

        r = make_parent(w);
        if (r < 0)
                return r;
        if (!w->always_named) {
                r = write_nameless(w);
                if (r != 0)
                        return r < 0 ? r : 0;
                w->always_named = true;
        }
        return write_named(w);
}

int unit_close(UnitWriter *w) {
        if (w->error < 0)
                return w->error;
        if (!w->stream)
                return write_file(w);
        fprintf(w->stream, "# %s/%s\n%.*s\n", w->dir, w->name, (int) w->size, w->buf);
        return ferror(w->stream) ? -EIO : 0;
}

static bool link_is(UnitWriter *w, const char *target) {
        char there[PATH_MAX];
        ssize_t n = readlinkat(w->dir_fd, w->name, there, sizeof(there));

        return n >= 0 && (size_t) n == strlen(target) && memcmp(there, target, (size_t) n) == 0;
}

int unit_link_pieces(UnitWriter *w, const char *target, ...) {
        va_list ap;
        int r;

        va_start(ap, target);
        set_name(w, ap);
        va_end(ap);
        if (w->error < 0)
                return w->error;
        if (w->stream) {
                fprintf(w->stream, "# %s/%s -> %s\n\n", w->dir, w->name, target);
                return ferror(w->stream) ? -EIO : 0;
        }
        r = make_parent(w);
        if (r < 0)
                return r;
        if (symlinkat(target, w->dir_fd, w->name) >= 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        if (link_is(w, target))
                return 0;
        if (symlinkat(target, w->dir_fd, w->temp) < 0)
                return -errno;
        return publish(w);
}
