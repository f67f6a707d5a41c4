/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <systemd/sd-journal.h>

#include "console-tail.h"

/* PID 1 keeps it there for journald, systemd-journald(8); "" if there is none */
static void read_invocation(const char *unit, char ret[static 64]) {
        char path[PATH_MAX];
        ssize_t n;

        snprintf(path, sizeof(path), "/run/systemd/units/invocation:%s", unit);
        n = readlink(path, ret, 63);
        ret[MAX(n, (ssize_t) 0)] = '\0';
}

static int add_match(sd_journal *j, const char *field, const char *value) {
        char match[512];

        snprintf(match, sizeof(match), "%s=%s", field, value);
        return sd_journal_add_match(j, match, 0);
}

/* What the processes print, not what our helpers log by themselves in the same unit. */
static int select_console(sd_journal *j, const char *unit) {
        char invocation[64];
        int r;

        read_invocation(unit, invocation);
        r = add_match(j, "_SYSTEMD_UNIT", unit);
        if (r >= 0 && *invocation)
                r = add_match(j, "_SYSTEMD_INVOCATION_ID", invocation);
        return r < 0 ? r : add_match(j, "_TRANSPORT", "stdout");
}

/* From the end of buf to its start, as lines come newest first; where they begin is returned. */
static size_t collect(sd_journal *j, char *buf, size_t size) {
        size_t start = size, n;
        const void *data;

        while (sd_journal_previous(j) > 0) {
                const char *text;

                if (sd_journal_get_data(j, "MESSAGE", &data, &n) < 0)
                        continue;
                text = (const char *) data + strlen("MESSAGE=");
                n -= strlen("MESSAGE=");
                if (n + 1 > start)
                        break;
                buf[--start] = '\n';
                start -= n;
                memcpy(buf + start, text, n);
        }
        return start;
}

ssize_t console_tail(const char *unit, size_t size, int fd) {
        _cleanup_free_ char *buf = malloc(size);
        sd_journal *j = NULL;
        size_t start;
        ssize_t n;
        int r;

        if (!buf)
                return -ENOMEM;
        r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
        if (r < 0)
                return r;
        r = select_console(j, unit);
        if (r >= 0)
                r = sd_journal_seek_tail(j);
        start = r < 0 ? size : collect(j, buf, size);
        sd_journal_close(j);
        if (r < 0)
                return r;
        n = write(fd, buf + start, size - start);
        return n < 0 ? -errno : n;
}
