/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bare-generator PLAN CONFDIR OUTDIR [atomic]: the least that any generator has to do, to measure ours against.
 *
 * Reads every file of CONFDIR (open, read, close) and does nothing with it; then writes into OUTDIR the files,
 * directories and links of PLAN, which run made from the output of qnet-generator (open, write, close; no
 * temporary names, no formatting). With "atomic" a file gets its name when it is whole, in the cheapest way there is,
 * as root. PLAN is mapped, so that the bytes cost no further copy. It is a row of records:
 *
 *     "D PATH\n"   "L PATH\tTARGET\n"   "F SIZE PATH\n" and SIZE bytes */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cleanup.h"

static int read_all(const char *path) {
        static char buffer[65536];
        _cleanup_closedir_ DIR *dir = opendir(path);
        struct dirent *entry;

        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                _cleanup_close_ int fd = -1;
                ssize_t n;

                if (entry->d_type != DT_REG)
                        continue;
                fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
                do
                        n = read(fd, buffer, sizeof(buffer));
                while (n > 0);
                if (n < 0)
                        return -errno;
        }
        return 0;
}

static bool atomic;

static int write_file(int out, const char *path, const char *bytes, size_t size) {
        _cleanup_close_ int fd = atomic ? openat(out, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644)
                                        : openat(out, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        if (fd < 0)
                return -errno;
        if (write(fd, bytes, size) != (ssize_t) size)
                return -EIO;
        return atomic && linkat(fd, "", out, path, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Carries out the record at p, whose line (without the newline) is line; returns the number of bytes that follow it. */
static ssize_t do_record(int out, char *line, const char *after) {
        switch (line[0]) {
        case 'D':
                return mkdirat(out, line + 2, 0755) < 0 ? -errno : 0;
        case 'L': {
                char *target = strchr(line, '\t');

                assert(target);
                *target++ = '\0';
                return symlinkat(target, out, line + 2) < 0 ? -errno : 0;
        }
        default: {
                char *path;
                size_t size = strtoul(line + 2, &path, 10);
                int r = write_file(out, path + 1, after, size);

                return r < 0 ? r : (ssize_t) size;
        }
        }
}

static int write_all(const char *plan, const char *path) {
        _cleanup_close_ int fd = open(plan, O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int out = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || out < 0 || fstat(fd, &st) < 0)
                return -errno;
        char *map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (map == MAP_FAILED)
                return -errno;
        for (char *p = map, *end = map + st.st_size; p < end;) {
                char line[1024], *newline = memchr(p, '\n', (size_t) (end - p));
                ssize_t n;

                assert(newline && (size_t) (newline - p) < sizeof(line));
                memcpy(line, p, (size_t) (newline - p));
                line[newline - p] = '\0';
                n = do_record(out, line, newline + 1);
                if (n < 0)
                        return (int) n;
                p = newline + 1 + n;
        }
        return 0;
}

int main(int argc, char *argv[]) {
        int r;

        if (argc != 4 && !(argc == 5 && streq(argv[4], "atomic")))
                return 2;
        atomic = argc == 5;
        r = read_all(argv[2]);
        if (r >= 0)
                r = write_all(argv[1], argv[3]);
        if (r < 0)
                fprintf(stderr, "bare-generator: %s\n", strerror(-r));
        return r < 0;
}
