/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "log.h"
#include "place.h"

void place_done(Place *p) {
        if (p->temporary)
                unlinkat(p->fd, p->temporary, 0);
        free(p->directory);
        free(p->name);
        free(p->prefix);
        free(p->temporary);
        p->fd = safe_close(p->fd);
}

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

/* The kernel drops the lock however we end. */
int place_open(Place *p, const char *path) {
        const char *slash = strrchr(path, '/');

        p->path = path;
        p->directory = strndup(path, slash == path ? 1 : (size_t) (slash - path));
        p->name = strdup(slash + 1);
        if (!p->directory || !p->name || asprintf(&p->prefix, ".%s.new-", p->name) < 0)
                return log_oom();
        p->fd = open(p->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (p->fd < 0 || flock(p->fd, LOCK_EX) < 0)
                return log_error_errno(errno, "Cannot open directory %s to make %s in it: %m", p->directory,
                                p->name);
        remove_stale(p);
        return 0;
}

int place_begin(Place *p, char **ret_path) {
        uint64_t random;

        /* never the same name twice: a qemu-img whose parent was killed may still write to an old one */
        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return log_error_errno(errno, "Cannot get random bytes: %m");
        if (asprintf(&p->temporary, "%s%016" PRIx64, p->prefix, random) < 0) {
                p->temporary = NULL;
                return log_oom();
        }
        return asprintf(ret_path, "%s/%s", p->directory, p->temporary) < 0 ? log_oom() : 0;
}

/* On disk before it has its name, the name on disk before we say so. */
int place_commit(Place *p, bool replace) {
        _cleanup_close_ int fd = openat(p->fd, p->temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0 || fsync(fd) < 0 ||
                        renameat2(p->fd, p->temporary, p->fd, p->name, replace ? 0 : RENAME_NOREPLACE) < 0)
                return errno == EEXIST ? -EEXIST
                                       : log_error_errno(errno, "Cannot put %s in place: %m", p->path);
        free(TAKE_PTR(p->temporary));
        return fsync(p->fd) < 0 ? log_error_errno(errno, "Cannot put %s on disk: %m", p->path) : 0;
}
