/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <sys/wait.h>

#include "copy-file.h"
#include "log.h"

extern char **environ;

static int write_all(int fd, const char *buf, size_t n) {
        while (n > 0) {
                ssize_t m = write(fd, buf, n);

                if (m < 0)
                        return -errno;
                buf += m;
                n -= (size_t) m;
        }
        return 0;
}

static int copy(int from, int to, uint64_t max) {
        char buf[64 * 1024];
        uint64_t done = 0;
        ssize_t n;
        int r = 0;

        while (r >= 0 && (n = read(from, buf, sizeof(buf))) != 0) {
                if (n < 0)
                        return -errno;
                done += (uint64_t) n;
                r = done > max ? -EFBIG : write_all(to, buf, (size_t) n);
        }
        return r;
}

int copy_to_new(int from, const char *source, uint64_t max, const char *path) {
        _cleanup_close_ int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r;

        if (to < 0)
                return log_error_errno(errno, "Cannot create %s: %m", path);
        r = copy(from, to, max);
        if (r == -EFBIG)
                return log_error_errno(r, "%s has more than %" PRIu64 " bytes.", source, max);
        return r < 0 ? log_error_errno(r, "Cannot copy %s to %s: %m", source, path) : 0;
}

int run_program(char *const argv[], const char *what) {
        int r, status;
        pid_t pid;

        r = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
        if (r != 0)
                return log_error_errno(r, "Cannot run %s to %s: %m", argv[0], what);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "Cannot wait for %s: %m", argv[0]);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return log_error_errno(EIO, "%s failed to %s, see above.", argv[0], what);
        return 0;
}
