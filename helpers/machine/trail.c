/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>

#include "trail.h"

#define LINKS_MAX 40 /* as many as the kernel follows */

typedef struct Walk {
        uid_t owner;         /* of the file that it must lead to */
        int fd;              /* where we are */
        char done[PATH_MAX]; /* and its path, for the culprit */
        char left[PATH_MAX]; /* what is still to go */
        unsigned links;
} Walk;

static void walk_done(Walk *w) {
        safe_close(w->fd);
}

/* Takes the next component off what is left; "": there is none. */
static int take_name(Walk *w, char name[static NAME_MAX + 1]) {
        const char *start = w->left + strspn(w->left, "/");
        size_t n = strcspn(start, "/");

        if (n > NAME_MAX)
                return -ENAMETOOLONG;
        *(char *) mempcpy(name, start, n) = '\0';
        memmove(w->left, start + n, strlen(start + n) + 1);
        return 0;
}

static int go_to_root(Walk *w) {
        safe_close(w->fd);
        w->done[0] = '\0';
        w->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return w->fd < 0 ? -errno : 0;
}

static int follow(Walk *w, int link_fd) {
        char target[PATH_MAX], rest[PATH_MAX];
        ssize_t n;

        if (++w->links > LINKS_MAX)
                return -ELOOP;
        n = readlinkat(link_fd, "", target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        strcpy(rest, w->left);
        if (snprintf(w->left, sizeof(w->left), "%s%s", target, rest) >= (int) sizeof(w->left))
                return -ENAMETOOLONG;
        return target[0] == '/' ? go_to_root(w) : 0;
}

static int step(Walk *w, const char *name, struct stat *ret_st, char **ret_culprit) {
        size_t n = strlen(w->done);
        _cleanup_close_ int fd = -1;

        fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, ret_st) < 0)
                return -errno;
        if (snprintf(w->done + n, sizeof(w->done) - n, "/%s", name) >= (int) (sizeof(w->done) - n))
                return -ENAMETOOLONG;
        if (ret_st->st_uid != 0 && ret_st->st_uid != w->owner) {
                *ret_culprit = strdup(w->done);
                return *ret_culprit ? -EREMCHG : -ENOMEM;
        }
        if (S_ISLNK(ret_st->st_mode)) {
                w->done[n] = '\0';
                return follow(w, fd);
        }
        safe_close(w->fd);
        w->fd = TAKE_FD(fd);
        return 0;
}

int trail_check(const char *path, const struct stat *st, char **ret_culprit) {
        _cleanup_(walk_done) Walk w = { .owner = st->st_uid, .fd = -1 };
        char name[NAME_MAX + 1];
        struct stat last = { 0 };
        int r;

        if (snprintf(w.left, sizeof(w.left), "%s", path) >= (int) sizeof(w.left))
                return -ENAMETOOLONG;
        r = go_to_root(&w);
        while (r >= 0) {
                r = take_name(&w, name);
                if (r < 0 || !*name)
                        break;
                r = step(&w, name, &last, ret_culprit);
        }
        if (r < 0)
                return r;
        return last.st_dev == st->st_dev && last.st_ino == st->st_ino ? 0 : -ESTALE;
}
