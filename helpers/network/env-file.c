/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "env-file.h"
#include "parse-value.h"

#define ENV_FILE_MAX (64U * 1024U)

static int open_directory(const char *path, const char **ret_name, int *ret_fd) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *dir = NULL;
        int fd;

        if (!slash || slash == path || !slash[1])
                return -EINVAL;
        dir = strndup(path, (size_t) (slash - path));
        if (!dir)
                return -ENOMEM;
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_name = slash + 1;
        *ret_fd = fd;
        return 0;
}

/* The text of the file, "" for none or for one that cannot be ours. O_NONBLOCK: a FIFO must not hold us up. */
static int read_old(int dir_fd, const char *name, char **ret) {
        _cleanup_free_ char *text = calloc(1, ENV_FILE_MAX + 1);
        _cleanup_close_ int fd = -1;
        struct stat st;
        size_t n = 0;
        ssize_t k;

        if (!text)
                return -ENOMEM;
        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &st) >= 0 && S_ISREG(st.st_mode))
                while (n < ENV_FILE_MAX && (k = read(fd, text + n, ENV_FILE_MAX - n)) > 0)
                        n += (size_t) k;
        text[n] = '\0';
        *ret = TAKE_PTR(text);
        return 0;
}

/* [A-Z_][A-Z0-9_]*=, then nothing that systemd's parser takes for more than text */
static bool is_plain_assignment(const char *line) {
        size_t n = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

        return n > 0 && !(line[0] >= '0' && line[0] <= '9') && line[n] == '=' &&
               !strpbrk(line, "\\\"'`$#;") && text_is_printable(line);
}

static int merge(char *old, const char *name, const char *value, char **ret) {
        size_t name_length = strlen(name), size = 0;
        _cleanup_free_ char *text = NULL;
        FILE *f = open_memstream(&text, &size);
        char *line;

        if (!f)
                return -ENOMEM;
        while ((line = strsep(&old, "\n")))
                if (is_plain_assignment(line) &&
                                !(strncmp(line, name, name_length) == 0 && line[name_length] == '='))
                        fprintf(f, "%s\n", line);
        fprintf(f, "%s=%s\n", name, value);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

static int write_all(int fd, const char *text) {
        size_t left = strlen(text);
        ssize_t n;

        while (left > 0) {
                n = write(fd, text, left);
                if (n < 0)
                        return -errno;
                text += n;
                left -= (size_t) n;
        }
        return 0;
}

/* A name that cannot be made beforehand to get in our way */
static int replace(int dir_fd, const char *name, const char *text) {
        _cleanup_close_ int fd = -1;
        char temporary[64];
        uint64_t random;
        int r;

        if (getrandom(&random, sizeof(random), 0) != (ssize_t) sizeof(random))
                return -errno;
        snprintf(temporary, sizeof(temporary), ".#env%016" PRIx64, random);
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text);
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dir_fd, temporary, 0);
        return r;
}

int env_file_set(const char *path, const char *name, const char *value) {
        _cleanup_free_ char *old = NULL, *text = NULL;
        _cleanup_close_ int dir_fd = -1;
        const char *file = NULL;
        int r;

        r = open_directory(path, &file, &dir_fd);
        if (r < 0)
                return r;
        r = read_old(dir_fd, file, &old);
        if (r < 0)
                return r;
        r = merge(old, name, value, &text);
        if (r < 0)
                return r;
        return replace(dir_fd, file, text);
}
