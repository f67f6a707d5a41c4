/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "access.h"
#include "content.h"
#include "guard.h"
#include "locks.h"
#include "log.h"
#include "mounts.h"
#include "trail.h"

/* All checks and the grant are of one inode, whatever happens to the name meanwhile. */
static int open_image(const Guard *g, struct stat *ret_st) {
        _cleanup_close_ int fd = open(g->image, O_PATH | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT)
                return log_error_errno(
                                errno, "Image %s does not exist: put it there, or correct Image=.", g->image);
        if (fd < 0 || fstat(fd, ret_st) < 0)
                return log_error_errno(errno, "Cannot open image %s: %m", g->image);
        if (S_ISDIR(ret_st->st_mode))
                return log_error_errno(
                                EISDIR, "Image %s is a directory; a file or a disk is needed.", g->image);
        if (!S_ISREG(ret_st->st_mode) && !S_ISBLK(ret_st->st_mode))
                return log_error_errno(EINVAL, "Image %s is neither a file nor a disk.", g->image);
        return TAKE_FD(fd);
}

static int refuse_if_host_uses(const Guard *g, const struct stat *st) {
        _cleanup_free_ char *use = NULL;
        int r;

        r = host_uses_disk("", st, g->write, &use);
        if (r < 0)
                return log_error_errno(r, "Cannot find out whether this host uses %s: %m", g->image);
        if (r > 0)
                return log_error_errno(EBUSY, "%s is in use on this host: %s.", g->image, use);
        return 0;
}

static int refuse_if_locked(const Guard *g, int fd) {
        _cleanup_free_ char *holder = NULL;
        int r;

        r = image_is_locked(fd, g->write, &holder);
        if (r < 0)
                return log_error_errno(r, "Cannot find out who uses %s: %m", g->image);
        if (r > 0)
                return log_error_errno(EBUSY, "%s is in use by %s, so it cannot be %s; stop that first.",
                                g->image, holder, g->write ? "written to" : "read safely");
        return 0;
}

/* Only now: a disk that is in use should not even be read from. */
static int look_inside(const Guard *g, int path_fd, const struct stat *st, int *ret_fd) {
        _cleanup_close_ int fd = -1;
        Content content;
        char path[64];
        int r;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return log_error_errno(errno, "Cannot open image %s: %m", g->image);
        r = refuse_if_locked(g, fd);
        if (r >= 0)
                r = content_check(g->image, fd, st, g->format, &content);
        if (r >= 0 && content.vague && !g->explicit_backing)
                return log_error_errno(EMEDIUMTYPE,
                                "Image %s lies over another one and does not say of which format that is: say Backing=, "
                                "or type 'qemu-img rebase -u -b BELOW -F raw|qcow2 %s'.",
                                g->image, g->image);
        if (r >= 0 && ret_fd)
                *ret_fd = TAKE_FD(fd);
        return r;
}

static int get_identity(const Guard *g, Identity *ret) {
        struct stat st;

        if (!g->owner_of) {
                *ret = (Identity){ g->uid, g->uid };
                return 0;
        }
        if (stat(g->owner_of, &st) < 0)
                return log_error_errno(errno, "Cannot tell the virtual machine's user, the owner of %s: %m",
                                g->owner_of);
        *ret = (Identity){ st.st_uid, st.st_gid };
        return 0;
}

static int log_out_of_reach(const Guard *g, const Identity *i, int r, const char *culprit) {
        if (culprit)
                return log_error_errno(r,
                                "Image %s is out of the virtual machine's reach: its user (%u) may not search %s; "
                                "type 'chmod o+x %s', or move the image.",
                                g->image, i->uid, culprit, culprit);
        if (r == -EOPNOTSUPP)
                return log_error_errno(r,
                                "The virtual machine's user (%u) may not open %s, and its file system has no ACLs; "
                                "type 'chmod o+%s %s', or move the image.",
                                i->uid, g->image, g->write ? "rw" : "r", g->image);
        if (r == -EROFS)
                return log_error_errno(r,
                                "Image %s is on a read-only file system; use Mode=overlay or Mode=readonly.",
                                g->image);
        return log_error_errno(
                        r, "Cannot give image %s to the virtual machine's user (%u): %m", g->image, i->uid);
}

static int refuse_on_another_s_word(const Guard *g, const struct stat *st) {
        _cleanup_free_ char *culprit = NULL;
        int r;

        r = trail_check(g->image, st, &culprit);
        if (r == -EREMCHG)
                return log_error_errno(r,
                                "Not giving image %s to the virtual machine: it is of user %u, but %s on the way to it is "
                                "somebody else's, who could put any other file there; type 'chown' to make both theirs "
                                "or root's, or move the image.",
                                g->image, st->st_uid, culprit);
        if (r < 0)
                return log_error_errno(r, "Cannot follow the path of image %s: %m", g->image);
        return 0;
}

/* No entry when the mode bits do: nothing to take back then. */
static int grant(const Guard *g, int fd, const struct stat *st) {
        _cleanup_free_ char *culprit = NULL;
        Identity i;
        int r;

        r = get_identity(g, &i);
        if (r < 0)
                return r;
        r = access_check(&i, g->image, g->write, &culprit);
        if (r >= 0)
                return 0;
        if (r == -EACCES && !culprit) {
                r = refuse_on_another_s_word(g, st);
                if (r < 0)
                        return r;
                r = access_grant(fd, i.uid, g->write);
                if (r >= 0)
                        r = access_check(&i, g->image, g->write, &culprit);
                if (r >= 0)
                        return 0;
        }
        return log_out_of_reach(g, &i, r, culprit);
}

/* ret_path_fd: O_PATH; ret_fd: for reading, may be NULL */
static int check(const Guard *g, struct stat *ret_st, int *ret_path_fd, int *ret_fd) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = open_image(g, ret_st);
        if (fd < 0)
                return fd;
        r = refuse_if_host_uses(g, ret_st);
        if (r >= 0)
                r = look_inside(g, fd, ret_st, ret_fd);
        if (r >= 0)
                *ret_path_fd = TAKE_FD(fd);
        return r;
}

int guard_image(const Guard *g) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        r = check(g, &st, &fd, NULL);
        if (r < 0)
                return r;
        return g->owner_of || g->uid != UINT_MAX ? grant(g, fd, &st) : 0;
}

/* Of the very file that is open, whatever its path leads to by now. */
static int refuse_a_stranger(const Guard *g, const Identity *i, int fd, const struct stat *st) {
        _cleanup_free_ char *culprit = NULL, *ignored = NULL;
        char path[64];
        int r;

        r = access_check(i, g->image, false, &culprit);
        if (r < 0 && (r != -EACCES || culprit))
                return log_out_of_reach(g, i, r, culprit);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return access_check(i, path, false, &ignored) >= 0 ? 0 : refuse_on_another_s_word(g, st);
}

int guard_open(const Guard *g, int *ret_fd) {
        _cleanup_close_ int path_fd = -1, fd = -1;
        struct stat st;
        Identity i;
        int r;

        r = check(g, &st, &path_fd, &fd);
        if (r >= 0)
                r = get_identity(g, &i);
        if (r >= 0)
                r = refuse_a_stranger(g, &i, fd, &st);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int guard_release(const Guard *g) {
        _cleanup_close_ int fd = -1;
        Identity i = { 0 };
        int r;

        r = get_identity(g, &i);
        if (r < 0)
                return r;
        fd = open(g->image, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : log_error_errno(errno, "Cannot open image %s: %m", g->image);
        r = access_revoke(fd, i.uid);
        if (r < 0)
                return log_error_errno(r, "Cannot take image %s from the virtual machine's user (%u): %m",
                                g->image, i.uid);
        return 0;
}
