/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <systemd/sd-login.h>

#include "locks.h"

#define LOCK_USES_WRITE   101
#define LOCK_DENIES_WRITE 201

/* Would we, locking that byte for us alone, collide? */
static int byte_is_locked(int fd, off_t byte) {
        struct flock f = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

        if (fcntl(fd, F_OFD_GETLK, &f) < 0)
                return errno == EINVAL || errno == ENOLCK || errno == EOPNOTSUPP ? 0 : -errno;
        return f.l_type != F_UNLCK;
}

/* proc(5), /proc/PID/fdinfo: "lock:  1: OFDLCK  ADVISORY  READ -1 fe:00:12 100 101" */
static bool holds_byte(int fdinfo, const char *fd, off_t byte) {
        _cleanup_fclose_ FILE *f = NULL;
        char line[256];
        int n;

        n = openat(fdinfo, fd, O_RDONLY | O_CLOEXEC);
        f = n >= 0 ? fdopen(n, "re") : NULL;
        if (!f) {
                safe_close(n);
                return false;
        }
        while (fgets(line, sizeof(line), f)) {
                long long first, last;

                if (sscanf(line, "lock: %*d: OFDLCK %*s %*s %*d %*s %lld %lld", &first, &last) == 2 &&
                                first <= byte && byte <= last)
                        return true;
        }
        return false;
}

static bool same_file(int fds, const char *fd, const struct stat *image) {
        struct stat st;

        if (fstatat(fds, fd, &st, AT_NO_AUTOMOUNT) < 0)
                return false;
        return S_ISBLK(image->st_mode) ? S_ISBLK(st.st_mode) && st.st_rdev == image->st_rdev
                                       : st.st_dev == image->st_dev && st.st_ino == image->st_ino;
}

static bool process_holds(int process, const struct stat *image, off_t byte) {
        _cleanup_closedir_ DIR *fds = NULL;
        _cleanup_close_ int fdinfo = -1;
        struct dirent *e;
        int fd;

        fdinfo = openat(process, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fds = fd >= 0 ? fdopendir(fd) : NULL;
        if (!fds) {
                safe_close(fd);
                return false;
        }
        while ((e = readdir(fds)))
                if (isdigit((unsigned char) e->d_name[0]) && same_file(dirfd(fds), e->d_name, image) &&
                                holds_byte(fdinfo, e->d_name, byte))
                        return true;
        return false;
}

static int describe_process(int process, const char *pid, char **ret) {
        _cleanup_free_ char *unit = NULL;
        char comm[64] = "?";
        int fd;

        fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
                ssize_t n = read(fd, comm, sizeof(comm) - 1);

                comm[n > 0 ? n - 1 : 0] = '\0'; /* without the newline */
                safe_close(fd);
        }
        if (sd_pid_get_unit((pid_t) atoi(pid), &unit) < 0)
                unit = NULL;
        if (asprintf(ret, "process %s (%s%s%s)", pid, comm, unit ? ", " : "", unit ?: "") < 0)
                return -ENOMEM;
        return 1;
}

static int find_holder(int fd, off_t byte, char **ret) {
        _cleanup_closedir_ DIR *proc = opendir("/proc");
        struct stat image;
        struct dirent *e;

        if (!proc || fstat(fd, &image) < 0)
                return -errno;
        while ((e = readdir(proc))) {
                _cleanup_close_ int process = -1;

                if (!isdigit((unsigned char) e->d_name[0]))
                        continue;
                process = openat(dirfd(proc), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (process >= 0 && process_holds(process, &image, byte))
                        return describe_process(process, e->d_name, ret);
        }
        /* on another host (a network file system), or gone in this moment, or not visible to us */
        *ret = strdup("a process that is not visible here");
        return *ret ? 1 : -ENOMEM;
}

int image_is_locked(int fd, bool write, char **ret_holder) {
        static const off_t bytes[] = { LOCK_USES_WRITE, LOCK_DENIES_WRITE };

        for (size_t i = 0; i < (write ? 2 : 1); i++) {
                int r = byte_is_locked(fd, bytes[i]);

                if (r < 0)
                        return r;
                if (r > 0)
                        return find_holder(fd, bytes[i], ret_holder);
        }
        return 0;
}
