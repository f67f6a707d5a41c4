/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "log.h"

typedef enum Target {
        TARGET_STDERR,
        TARGET_TTY,
        TARGET_JOURNAL,
        TARGET_KMSG,
} Target;

static const char *arg_program = "qnet";
static int max_level = LOG_INFO;
static Target target = TARGET_STDERR;
static int kmsg_fd = -1;

/* systemd.exec(5), $JOURNAL_STREAM: "device:inode" of the stream that stderr is connected to */
static bool stderr_is_journal(const struct stat *st) {
        const char *e = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;

        return e && sscanf(e, "%llu:%llu", &dev, &ino) == 2 && dev == st->st_dev && ino == st->st_ino;
}

static bool is_dev_null(const struct stat *st) {
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

void log_setup(const char *program) {
        static const char *const names[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };
        const char *e = getenv("QNET_LOG_LEVEL");
        struct stat st;

        arg_program = program;
        target = TARGET_STDERR;
        for (int i = 0; e && i < (int) ELEMENTSOF(names); i++)
                if (streq(e, names[i]) || (e[0] == '0' + i && !e[1]))
                        max_level = i;

        if (fstat(STDERR_FILENO, &st) < 0)
                return;
        if (stderr_is_journal(&st))
                target = TARGET_JOURNAL;
        else if (is_dev_null(&st)) {
                kmsg_fd = open("/dev/kmsg", O_WRONLY | O_NOCTTY | O_CLOEXEC | O_APPEND);
                target = kmsg_fd >= 0 ? TARGET_KMSG : TARGET_STDERR;
        } else if (isatty(STDERR_FILENO))
                target = TARGET_TTY;
}

void log_set_max_level(int level) {
        max_level = level;
}

int log_get_max_level(void) {
        return max_level;
}

const char *log_program(void) {
        return arg_program;
}

/* The text alone, one write(2) per message so that those of several processes do not mix. journald knows the unit of its
 * stream from systemd; that of other messages it looks up by the sender's PID, too late for one who ends right after. */
static void write_text(int level, const char *text) {
        const char *colour = "", *off = "";
        char *line = NULL;
        int n;

        if (target == TARGET_TTY && level <= LOG_WARNING) {
                colour = level <= LOG_ERR ? "\x1b[1;31m" : "\x1b[1;33m";
                off = "\x1b[0m";
        }

        if (target == TARGET_KMSG) /* LOG_DAEMON is facility 3; the kernel cuts records at some 976 bytes */
                n = asprintf(&line, "<%d>%s[%d]: %.900s\n", LOG_DAEMON | level, arg_program, (int) getpid(), text);
        else if (target == TARGET_JOURNAL) /* sd-daemon(3) */
                n = asprintf(&line, "<%d>%s\n", level, text);
        else
                n = asprintf(&line, "%s: %s%s%s\n", arg_program, colour, text, off);
        if (n < 0)
                return;
        if (write(target == TARGET_KMSG ? kmsg_fd : STDERR_FILENO, line, (size_t) n) < 0) {
                /* nowhere left to tell it */
        }
        free(line);
}

/* Looked up when there is something to tell: libsystemd comes with five more libraries, and loading them is a fifth of
 * what a helper takes that makes a tap. */
static int journal_send(const struct iovec *iov, int n) {
        void *library = dlopen("libsystemd.so.0", RTLD_LAZY);
        void *symbol = library ? dlsym(library, "sd_journal_sendv") : NULL;
        __typeof__(sd_journal_sendv) *f;

        if (!symbol)
                return -ELIBACC;
        memcpy(&f, &symbol, sizeof(f));
        return f(iov, n);
}

void log_fields(int level, const char *message, const char *const *fields) {
        struct iovec iov[40];
        size_t n = 0;
        char *text = NULL, priority[32], ident[128];

        if (level > max_level)
                return;
        if (target != TARGET_JOURNAL) {
                write_text(level, message);
                return;
        }

        if (asprintf(&text, "MESSAGE=%s", message) < 0)
                return;
        snprintf(priority, sizeof(priority), "PRIORITY=%d", level);
        snprintf(ident, sizeof(ident), "SYSLOG_IDENTIFIER=%s", arg_program);
        iov[n++] = (struct iovec) { text, strlen(text) };
        iov[n++] = (struct iovec) { priority, strlen(priority) };
        iov[n++] = (struct iovec) { ident, strlen(ident) };
        for (; fields && *fields && n < ELEMENTSOF(iov); fields++)
                iov[n++] = (struct iovec) { (char *) *fields, strlen(*fields) };
        if (journal_send(iov, (int) n) < 0)
                write_text(level, message); /* stderr is the journal's stream: the text at least */
        free(text);
}

int log_internal(int level, int err, const char *file, unsigned line, const char *format, ...) {
        char *text = NULL, *full = NULL;
        va_list ap;
        int r;

        err = abs(err);
        if (level > max_level)
                return -err;

        errno = err;
        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                return -err;

        if (file && asprintf(&full, "%s:%u: %s", file, line, text) < 0)
                full = NULL;
        write_text(level, full ?: text);
        free(text);
        free(full);
        return -err;
}
