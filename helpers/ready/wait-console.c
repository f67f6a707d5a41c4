/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A text on the guest's console, as the journal has it: of QEMU's own process, in this invocation of the unit, so that
 * neither an earlier boot nor our own messages count. The journal has lines: a prompt without a newline is not in it. */

#include <poll.h>
#include <systemd/sd-journal.h>

#include "log.h"
#include "ready.h"

static int add_match(sd_journal *j, const char *field, const char *variable) {
        _cleanup_free_ char *match = NULL;
        const char *value = getenv(variable);

        if (!value || !*value)
                return log_error_errno(ENODATA, "$%s is not set: this is a command of a unit's ExecStartPost=", variable);
        if (asprintf(&match, "%s=%s", field, value) < 0)
                return log_oom();
        return sd_journal_add_match(j, match, 0);
}

static int open_journal(sd_journal **ret) {
        _cleanup_(sd_journal_closep) sd_journal *j = NULL;
        int r;

        r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
        if (r < 0)
                return log_error_errno(r, "Cannot open the journal: %m");
        r = add_match(j, "_SYSTEMD_INVOCATION_ID", "INVOCATION_ID");
        if (r >= 0)
                r = add_match(j, "_PID", "MAINPID");
        if (r < 0)
                return r;
        r = sd_journal_seek_head(j);
        if (r < 0)
                return log_error_errno(r, "Cannot read the journal: %m");
        *ret = TAKE_PTR(j);
        return 0;
}

/* 1: an entry since the last look has the text */
static int look(sd_journal *j, const char *text) {
        int r;

        while ((r = sd_journal_next(j)) > 0) {
                const void *data;
                size_t n, skip = strlen("MESSAGE=");

                if (sd_journal_get_data(j, "MESSAGE", &data, &n) >= 0 && n > skip &&
                                memmem((const char *) data + skip, n - skip, text, strlen(text)))
                        return 1;
        }
        return r;
}

int wait_console(Ready *r) {
        _cleanup_(sd_journal_closep) sd_journal *j = NULL;
        int e, fd;

        e = ready_drop_privileges("systemd-journal");
        if (e >= 0)
                e = open_journal(&j);
        if (e < 0)
                return e;
        fd = sd_journal_get_fd(j);
        if (fd < 0)
                return log_error_errno(fd, "Cannot watch the journal: %m");
        for (;;) {
                e = look(j, r->text);
                if (e != 0)
                        return e > 0 ? 0 : log_error_errno(e, "Cannot read the journal: %m");
                e = ready_sleep(r, fd, POLLIN, deadline_after(USEC_PER_SEC)); /* no watch is perfect */
                if (e < 0)
                        return e;
                (void) sd_journal_process(j);
        }
}
