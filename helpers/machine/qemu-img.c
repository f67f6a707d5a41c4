/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <jansson.h>
#include <spawn.h>
#include <sys/wait.h>

#include "log.h"
#include "qemu-img.h"

extern char **environ;

static int run(const char *const *argv, const char *what, const char *path) {
        int r, status;
        pid_t pid;

        r = posix_spawn(&pid, QEMU_IMG, NULL, NULL, (char **) argv, environ);
        if (r != 0)
                return log_error_errno(r, "Cannot run %s: %m", QEMU_IMG);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "Cannot wait for %s: %m", QEMU_IMG);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return log_error_errno(EIO, "Cannot %s %s: qemu-img failed, see above.", what, path);
        return 0;
}

int qemu_img_create(const char *path, const char *backing, const char *backing_format, uint64_t size) {
        const char *argv[16] = { "qemu-img", "create", "-q", "-f", "qcow2" };
        char number[32];
        size_t n = 5;

        if (backing) {
                argv[n++] = "-u"; /* it is there, and how large it is we know */
                argv[n++] = "-F";
                argv[n++] = backing_format;
                argv[n++] = "-b";
                /* absolute, so that QEMU takes no "protocol:" and no "json:" from it */
                argv[n++] = backing;
        }
        argv[n++] = path;
        snprintf(number, sizeof(number), "%" PRIu64, size);
        argv[n++] = number;
        return run(argv, "make", path);
}

int qemu_img_grow(const char *path, uint64_t size) {
        _cleanup_free_ char *image = NULL;
        char number[32];
        json_t *j;

        /* a description instead of a name: no format is probed, and what lies below is left alone */
        j = json_pack("{ss sn s{ss ss}}", "driver", "qcow2", "backing", "file", "driver", "file", "filename",
                        path);
        image = j ? json_dumps(j, JSON_COMPACT) : NULL;
        json_decref(j);
        if (image) {
                char *name = NULL;

                if (asprintf(&name, "json:%s", image) < 0)
                        name = NULL;
                free(image);
                image = name;
        }
        if (!image)
                return log_oom();
        snprintf(number, sizeof(number), "%" PRIu64, size);
        return run((const char *const[]){ "qemu-img", "resize", "-q", image, number, NULL }, "enlarge", path);
}
