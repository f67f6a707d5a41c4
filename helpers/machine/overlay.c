/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "access.h"
#include "log.h"
#include "overlay.h"
#include "qcow2.h"

extern char **environ;

typedef struct Place {
        char *directory;
        char *name;   /* of the overlay in it */
        char *prefix; /* of temporary names */
        int fd;       /* of the directory, locked */
} Place;

static void place_done(Place *p) {
        free(p->directory);
        free(p->name);
        free(p->prefix);
        safe_close(p->fd);
}
#define _cleanup_place_ _cleanup_(place_done)

/* The lock keeps two of us apart; the kernel drops it however we end. */
static int place_open(Place *p, const char *path) {
        const char *slash = strrchr(path, '/');

        p->directory = strndup(path, slash == path ? 1 : (size_t) (slash - path));
        p->name = strdup(slash + 1);
        if (!p->directory || !p->name || asprintf(&p->prefix, ".%s.new-", p->name) < 0)
                return log_oom();
        p->fd = open(p->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (p->fd < 0 || flock(p->fd, LOCK_EX) < 0)
                return log_error_errno(errno, "Cannot open %s for the overlay %s: %m", p->directory, p->name);
        return 0;
}

/* What a run that was killed has left behind */
static void remove_stale(const Place *p) {
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *e;
        int fd;

        fd = openat(p->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                safe_close(fd);
                return;
        }
        while ((e = readdir(dir)))
                if (startswith(e->d_name, p->prefix) && unlinkat(p->fd, e->d_name, 0) < 0)
                        log_warning_errno(
                                        errno, "Cannot remove %s/%s, ignoring: %m", p->directory, e->d_name);
}

static int log_no_access(const Overlay *o, int r) {
        Identity me = { geteuid(), getegid() };
        _cleanup_free_ char *culprit = NULL;

        if (r == -ENOENT)
                return log_error_errno(r, "Image %s does not exist.", o->backing);
        if (r != -EACCES)
                return log_error_errno(r, "Cannot open image %s: %m", o->backing);
        (void) access_check(&me, o->backing, false, &culprit);
        if (culprit)
                return log_error_errno(r,
                                "Image %s is out of the virtual machine's reach: its user (%u) may not search %s; "
                                "type 'chmod o+x %s', or move the image.",
                                o->backing, me.uid, culprit, culprit);
        return log_error_errno(r,
                        "Image %s is not readable for the virtual machine's user (%u); type 'chmod o+r %s'.",
                        o->backing, me.uid, o->backing);
}

/* ret_size: of the disk that the image holds */
static int check_backing(const Overlay *o, int fd, const struct stat *st, uint64_t *ret_size) {
        Qcow2 q;
        int r;

        r = qcow2_read(fd, &q);
        if (streq(o->format, "qcow2")) {
                if (r == -EMEDIUMTYPE)
                        return log_error_errno(
                                        r, "Image %s is not a qcow2 image; is it Format=raw?", o->backing);
                if (r < 0)
                        return log_error_errno(r, "Image %s is damaged: its qcow2 header makes no sense.",
                                        o->backing);
                *ret_size = q.size;
                return 0;
        }
        if (r >= 0)
                log_warning("Image %s has Format=raw, but looks like qcow2; the guest sees it as it is.",
                                o->backing);
        if (S_ISBLK(st->st_mode)) {
                off_t end = lseek(fd, 0, SEEK_END);

                *ret_size = end > 0 ? (uint64_t) end : 0;
        } else
                *ret_size = (uint64_t) st->st_size;
        return 0;
}

static int open_backing(const Overlay *o, struct stat *ret_st, uint64_t *ret_size) {
        _cleanup_close_ int fd = open(o->backing, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0)
                return log_no_access(o, -errno);
        if (fstat(fd, ret_st) < 0)
                return log_error_errno(errno, "Cannot stat image %s: %m", o->backing);
        if (!S_ISREG(ret_st->st_mode) && !S_ISBLK(ret_st->st_mode))
                return log_error_errno(EINVAL, "Image %s is neither a file nor a disk.", o->backing);
        return check_backing(o, fd, ret_st, ret_size);
}

/* An image written to after the overlay was made shows the guest a mix of both. Not an error: "touch" does
 * the same. */
static void warn_if_newer(const Overlay *o, int fd, const struct stat *backing) {
        struct statx x;

        if (S_ISBLK(backing->st_mode) || statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &x) < 0 ||
                        !(x.stx_mask & STATX_BTIME))
                return;
        if (backing->st_mtim.tv_sec > x.stx_btime.tv_sec)
                log_warning("Image %s was changed after the overlay %s was made from it; "
                            "the guest may see a damaged disk. "
                            "Remove the overlay to start afresh.",
                                o->backing, o->path);
}

static int check_existing(const Overlay *o, int fd, const struct stat *backing) {
        Qcow2 q;
        int r;

        r = qcow2_read(fd, &q);
        if (r < 0)
                return log_error_errno(r,
                                "%s is not a qcow2 image, or a damaged one; "
                                "remove it to start with a fresh overlay of %s.",
                                o->path, o->backing);
        if (!streq(q.backing_file, o->backing))
                return log_error_errno(ESTALE,
                                "%s is an overlay of %s, but the disk is to be one of %s; "
                                "remove %s to start afresh with that, "
                                "or correct Image=.",
                                o->path, q.backing_file[0] ? q.backing_file : "nothing", o->backing, o->path);
        if (q.backing_format[0] && !streq(q.backing_format, o->format))
                return log_error_errno(ESTALE,
                                "%s takes %s for a %s image, but Format= now says %s; "
                                "remove %s to start afresh, or correct Format=.",
                                o->path, o->backing, q.backing_format, o->format, o->path);
        if (o->size && o->size != q.size)
                log_warning("%s stays at %" PRIu64
                            " bytes, Size= is for a new overlay; 'qemu-img resize' makes this one larger.",
                                o->path, q.size);
        warn_if_newer(o, fd, backing);
        return 0;
}

static int run_qemu_img(const Overlay *o, const char *path) {
        char size[32], *argv[16];
        size_t n = 0;
        int r, status;
        pid_t pid;

        argv[n++] = (char *) "qemu-img";
        argv[n++] = (char *) "create";
        argv[n++] = (char *) "-q";
        argv[n++] = (char *) "-f";
        argv[n++] = (char *) "qcow2";
        argv[n++] = (char *) "-F";
        argv[n++] = (char *) o->format;
        argv[n++] = (char *) "-b";
        /* absolute, so that QEMU takes no "protocol:" and no "json:" from it */
        argv[n++] = (char *) o->backing;
        argv[n++] = (char *) path;
        if (o->size) {
                snprintf(size, sizeof(size), "%" PRIu64, o->size);
                argv[n++] = size;
        }
        argv[n] = NULL;

        r = posix_spawn(&pid, QEMU_IMG, NULL, NULL, argv, environ);
        if (r != 0)
                return log_error_errno(r, "Cannot run %s: %m", QEMU_IMG);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "Cannot wait for %s: %m", QEMU_IMG);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return log_error_errno(EIO, "Cannot make the overlay %s of %s: qemu-img failed, see above.",
                                o->path, o->backing);
        return 0;
}

/* On disk before it has its name, the name on disk before we say so. */
static int put_in_place(const Overlay *o, const Place *p, const char *temporary) {
        _cleanup_close_ int fd = openat(p->fd, temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0 || fsync(fd) < 0 || renameat2(p->fd, temporary, p->fd, p->name, RENAME_NOREPLACE) < 0 ||
                        fsync(p->fd) < 0)
                return log_error_errno(errno, "Cannot put the overlay %s in place: %m", o->path);
        return 0;
}

static int make(const Overlay *o, const Place *p) {
        _cleanup_free_ char *temporary = NULL, *path = NULL;
        uint64_t random;
        int r;

        /* never the same name twice: a qemu-img whose parent was killed may still write to an old one */
        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return log_error_errno(errno, "Cannot get random bytes: %m");
        if (asprintf(&temporary, "%s%016" PRIx64, p->prefix, random) < 0 ||
                        asprintf(&path, "%s/%s", p->directory, temporary) < 0)
                return log_oom();

        r = run_qemu_img(o, path);
        if (r >= 0)
                r = put_in_place(o, p, temporary);
        if (r < 0)
                unlinkat(p->fd, temporary, 0);
        return r;
}

int overlay_prepare(const Overlay *o) {
        _cleanup_place_ Place place = { .fd = -1 };
        _cleanup_close_ int fd = -1;
        struct stat backing;
        uint64_t size = 0;
        int r;

        umask(0077); /* what a guest writes is for its user alone */
        r = open_backing(o, &backing, &size);
        if (r < 0)
                return r;
        if (o->size && o->size < size)
                return log_error_errno(ERANGE,
                                "Size= of %" PRIu64 " bytes is less than the %" PRIu64 " of image %s.",
                                o->size, size, o->backing);
        r = place_open(&place, o->path);
        if (r < 0)
                return r;
        remove_stale(&place);

        fd = openat(place.fd, place.name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0)
                return check_existing(o, fd, &backing);
        if (errno != ENOENT)
                return log_error_errno(errno, "Cannot open the overlay %s: %m", o->path);
        return make(o, &place);
}
