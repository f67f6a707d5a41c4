/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "knob.h"
#include "parse-value.h"

static int knob_open(int family, const char *device, const char *name, int flags) {
        char path[128];
        int fd;

        snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family == AF_INET ? "ipv4" : "ipv6",
                        device, name);
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int knob_read(int family, const char *device, const char *name) {
        _cleanup_close_ int fd = -1;
        char text[16];
        unsigned value;
        ssize_t n;

        fd = knob_open(family, device, name, O_RDONLY);
        if (fd < 0)
                return fd;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return parse_unsigned(text, 0, INT32_MAX, &value) < 0 ? -ENOENT : (int) value;
}

int knob_write(int family, const char *device, const char *name, unsigned value) {
        _cleanup_close_ int fd = -1;
        char text[16];
        int r;

        r = knob_read(family, device, name);
        if (r == (int) value || r == -ENOENT)
                return 0;
        fd = knob_open(family, device, name, O_WRONLY);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        snprintf(text, sizeof(text), "%u", value);
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}
