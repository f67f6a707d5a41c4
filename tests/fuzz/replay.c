/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* replay DIRECTORY: runs the fuzz target that it is linked with over every file in it. */

#include <fcntl.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "log.h"

static int replay_file(int dir_fd, const char *name) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        _cleanup_free_ uint8_t *data = NULL;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return log_error_errno(errno, "Cannot open %s: %m", name);
        data = malloc(MAX((size_t) st.st_size, (size_t) 1)); /* exactly so large, that a byte too far is noticed */
        if (!data)
                return log_oom();
        if (read(fd, data, (size_t) st.st_size) != st.st_size)
                return log_error("Cannot read %s", name), -EIO;
        LLVMFuzzerTestOneInput(data, (size_t) st.st_size);
        return 0;
}

int main(int argc, char *argv[]) {
        _cleanup_closedir_ DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
        unsigned n = 0;

        if (!d) {
                fprintf(stderr, "Usage: %s DIRECTORY\n", argv[0]);
                return 2;
        }
        for (struct dirent *de; (de = readdir(d));) {
                if (de->d_name[0] == '.')
                        continue;
                if (replay_file(dirfd(d), de->d_name) < 0)
                        return EXIT_FAILURE;
                n++;
        }
        printf("%u inputs\n", n);
        return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
