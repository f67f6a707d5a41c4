/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "log-file.h"

int file_state(int fd, FileState *ret) {
        struct statx sx;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_MTIME | STATX_ATIME, &sx) < 0)
                return -errno;
        *ret = (FileState){
                .size = sx.stx_size,
                .mtime_sec = sx.stx_mtime.tv_sec,
                .mtime_nsec = sx.stx_mtime.tv_nsec,
                .atime_sec = sx.stx_atime.tv_sec,
                .atime_nsec = sx.stx_atime.tv_nsec,
        };
        return 0;
}

static int regular_or_error(mode_t mode) {
        return S_ISREG(mode) ? 0 : S_ISLNK(mode) ? -ELOOP : S_ISDIR(mode) ? -EISDIR : -EBADFD;
}

static int file_id(int fd, FileId *ret) {
        union {
                struct file_handle handle;
                char space[sizeof(struct file_handle) + HANDLE_MAX];
        } u = { .handle.handle_bytes = HANDLE_MAX };
        struct statx sx;
        int mount_id;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO | STATX_BTIME, &sx) < 0)
                return -errno;
        *ret = (FileId){ .device = makedev(sx.stx_dev_major, sx.stx_dev_minor), .inode = sx.stx_ino };
        if (sx.stx_mask & STATX_BTIME) {
                ret->birth_sec = sx.stx_btime.tv_sec;
                ret->birth_nsec = sx.stx_btime.tv_nsec;
        }
        /* not every file system has handles (overlayfs); those with longer ones do without */
        if (name_to_handle_at(fd, "", &u.handle, &mount_id, AT_EMPTY_PATH) == 0) {
                ret->handle_type = u.handle.handle_type;
                ret->n_handle = u.handle.handle_bytes;
                memcpy(ret->handle, u.handle.f_handle, u.handle.handle_bytes);
        }
        return regular_or_error(sx.stx_mode);
}

/* O_PATH looks without opening: a FIFO's writers would notice that it was opened, a tape would rewind. */
int file_open(int directory_fd, const char *path, int known_fd, int *ret_fd, FileId *ret_id) {
        char self[sizeof("/proc/self/fd/") + 11];
        _cleanup_close_ int path_fd = -1;
        struct stat st, known;
        FileId id;
        int fd, r;

        path_fd = openat(directory_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (path_fd < 0)
                return -errno;
        if (known_fd >= 0) {
                if (fstat(path_fd, &st) < 0 || fstat(known_fd, &known) < 0)
                        return -errno;
                if (st.st_dev == known.st_dev && st.st_ino == known.st_ino)
                        return 0;
        }
        r = file_id(path_fd, &id);
        if (r < 0)
                return r;
        snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
        /* without O_NOATIME our own reading would change the time that tells touch(1) from a write; only the
         * owner may use it, and in /tmp that is somebody else */
        fd = open(self, O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NOATIME);
        if (fd < 0 && errno == EPERM)
                fd = open(self, O_RDONLY | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        *ret_id = id;
        return 1;
}

static int open_if_same(int directory_fd, const char *name, const FileId *id) {
        _cleanup_close_ int fd = -1;
        FileId found;
        int r;

        r = file_open(directory_fd, name, -1, &fd, &found);
        if (r < 0)
                return r;
        return file_id_equal(&found, id) ? TAKE_FD(fd) : -ENOENT;
}

/* Names of our links: cursor file, '.', inode. */
static int link_prefix(const char *path, char prefix[static NAME_MAX + 1]) {
        int r;

        r = cursor_file_name(path, prefix);
        if (r >= 0)
                strcat(prefix, ".link-"); /* cursor_file_name() leaves room for that and the digits */
        return r;
}

static int find_link(const char *path, int link_fd, const FileId *id) {
        char name[NAME_MAX + 1];
        int r;

        if (link_fd < 0)
                return -ENOENT;
        r = link_prefix(path, name);
        if (r < 0)
                return r;
        sprintf(name + strlen(name), "%" PRIx64, id->inode);
        return open_if_same(link_fd, name, id);
}

static int open_directory_of(const char *path) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *directory = NULL;
        int fd;

        directory = slash ? strndup(path, MAX((size_t) (slash - path), (size_t) 1)) : strdup(".");
        if (!directory)
                return -ENOMEM;
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* d_ino of a file that something is mounted over, or on overlayfs, may differ from st_ino: such a file is not found. */
static int find_in_directory(DIR *d, const FileId *id, char name[static NAME_MAX + 1]) {
        struct dirent *e;
        int fd;

        while ((e = readdir(d))) {
                if (e->d_ino != id->inode || (e->d_type != DT_REG && e->d_type != DT_UNKNOWN))
                        continue;
                fd = open_if_same(dirfd(d), e->d_name, id);
                if (fd >= 0) {
                        strcpy(name, e->d_name);
                        return fd;
                }
        }
        return -ENOENT;
}

int file_find(const char *path, int link_fd, const FileId *id, char name[static NAME_MAX + 1]) {
        _cleanup_closedir_ DIR *d = NULL;
        int directory_fd, fd;

        fd = find_link(path, link_fd, id);
        if (fd >= 0) {
                name[0] = '\0';
                return fd;
        }
        directory_fd = open_directory_of(path);
        if (directory_fd < 0)
                return directory_fd;
        d = fdopendir(directory_fd);
        if (!d) {
                safe_close(directory_fd);
                return -ENOMEM;
        }
        if (name[0]) {
                fd = open_if_same(dirfd(d), name, id);
                if (fd >= 0)
                        return fd;
        }
        return find_in_directory(d, id, name);
}

void file_keep_links(const char *path, int link_fd, int current_fd, const Cursor *c) {
        char prefix[NAME_MAX + 1], name[NAME_MAX + 1], self[sizeof("/proc/self/fd/") + 11];
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *e;
        int fd;

        if (link_prefix(path, prefix) < 0)
                return;
        snprintf(name, sizeof(name), "%.230s%" PRIx64, prefix, c->current.id.inode);
        snprintf(self, sizeof(self), "/proc/self/fd/%d", current_fd);
        (void) linkat(AT_FDCWD, self, link_fd, name, AT_SYMLINK_FOLLOW);

        fd = openat(link_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd < 0 ? NULL : fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return;
        }
        while ((e = readdir(d))) {
                const char *number = startswith(e->d_name, prefix);
                uint64_t inode;
                if (!number || sscanf(number, "%" SCNx64, &inode) != 1)
                        continue;
                if (inode != c->current.id.inode && !(c->previous.set && inode == c->previous.id.inode))
                        (void) unlinkat(link_fd, e->d_name, 0);
        }
}

int file_read_exactly(int fd, void *buf, size_t n, uint64_t offset) {
        while (n > 0) {
                ssize_t k = pread(fd, buf, n, (off_t) offset);
                if (k < 0)
                        return -errno;
                if (k == 0)
                        return -ESTALE;
                buf = (char *) buf + k;
                n -= (size_t) k;
                offset += (size_t) k;
        }
        return 0;
}
