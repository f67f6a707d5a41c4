/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdarg.h>

#include "report.h"

#define TOLD_MAX   20U
#define FIELDS_MAX 14U

typedef struct Fields {
        char *list[FIELDS_MAX + 1];
        size_t n;
} Fields;

static unsigned told, hidden;

static void fields_done(Fields *f) {
        for (size_t i = 0; i < f->n; i++)
                free(f->list[i]);
}
#define _cleanup_fields_ _cleanup_(fields_done)

static void _printf_(2, 3) add(Fields *f, const char *format, ...) {
        va_list ap;

        assert(f->n < FIELDS_MAX);
        va_start(ap, format);
        if (vasprintf(&f->list[f->n], format, ap) >= 0)
                f->n++;
        va_end(ap);
        f->list[f->n] = NULL;
}

static void add_known(Fields *f, const char *key, const char *value) {
        if (!isempty(value))
                add(f, "%s=%s", key, value);
}

static void add_pending(Fields *f, const char *log, const Pending *p) {
        add(f, "QNET_LOG=%s", log);
        add(f, "QNET_VM=%s", p->vm);
        add(f, "UNIT=qemu-vm@%s.service", p->vm);
        add(f, "OBJECT_SYSTEMD_UNIT=qemu-vm@%s.service", p->vm);
        add_known(f, "QNET_LINE", p->line);
        add_known(f, "QNET_IP", p->ip);
        add_known(f, "QNET_MAC", p->mac);
        add_known(f, "QNET_TAP", p->tap);
        add_known(f, "QNET_BRIDGE", p->bridge);
}

static void say(int level, const char *message_id, Fields *f, const char *format, ...) _printf_(4, 5);
static void say(int level, const char *message_id, Fields *f, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        add(f, "MESSAGE_ID=%s", message_id);
        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                log_oom();
                return;
        }
        log_fields(level, text, (const char *const *) f->list);
}

void report_restarted(const char *log, const Pending *p, usec_t usec, const char *black_box) {
        _cleanup_fields_ Fields f = { 0 };

        add_pending(&f, log, p);
        add_known(&f, "QNET_BLACKBOX", black_box);
        if (usec == USEC_INFINITY) {
                say(LOG_NOTICE, MESSAGE_VM_RESTARTED_STR, &f, "Restarted VM %s: %s was reported in %s", p->vm,
                                p->line, log);
                return;
        }
        add(&f, "QNET_RESTART_USEC=%" PRIu64, usec);
        say(LOG_NOTICE, MESSAGE_VM_RESTARTED_STR, &f, "Restarted VM %s in %.1f s: %s was reported in %s",
                        p->vm, (double) usec / (double) USEC_PER_SEC, p->line, log);
}

void report_recovered(const char *log, const Pending *p, usec_t usec, const char *black_box) {
        _cleanup_fields_ Fields f = { 0 };

        add_pending(&f, log, p);
        add_known(&f, "QNET_BLACKBOX", black_box);
        add(&f, "QNET_RECOVER_USEC=%" PRIu64, usec);
        say(LOG_NOTICE, MESSAGE_VM_RECOVERED_STR, &f,
                        "VM %s is back after a reset, in the same QEMU, in %.1f s: %s was reported in %s", p->vm,
                        (double) usec / (double) USEC_PER_SEC, p->line, log);
}

void report_failed(const char *log, const Pending *p, const char *job_result, const char *why) {
        _cleanup_fields_ Fields f = { 0 };

        add_pending(&f, log, p);
        add_known(&f, "JOB_RESULT", job_result);
        say(LOG_ERR, MESSAGE_VM_FAILED_STR, &f, "Cannot restart VM %s, which was reported as %s in %s: %s",
                        p->vm, p->line, log, why);
}

void report_log(const char *log, int error) {
        _cleanup_fields_ Fields f = { 0 };
        const char *why;

        error = abs(error);
        why = error == ELOOP    ? "it is a symbolic link; name the file itself"
              : error == EISDIR ? "it is a directory"
              : error == EBADFD ? "it is a FIFO, socket or device; a kill log is a regular file"
                                : strerror(error);
        add(&f, "QNET_LOG=%s", log);
        add(&f, "ERRNO=%d", error);
        say(LOG_ERR, MESSAGE_LOG_UNUSABLE_STR, &f, "Cannot read kill log %s: %s", log, why);
}

static bool may_tell(void) {
        if (told >= TOLD_MAX) {
                hidden++;
                return false;
        }
        told++;
        return true;
}

void report_left_alone(const char *log, const Pending *p, const char *why) {
        _cleanup_fields_ Fields f = { 0 };

        if (!may_tell())
                return;
        add_pending(&f, log, p);
        say(LOG_NOTICE, MESSAGE_VM_LEFT_ALONE_STR, &f,
                        "VM %s is left alone, though %s was reported in %s: %s", p->vm, p->line, log, why);
}

void report_unknown(const char *log, const char *line, const char *why, bool refused) {
        _cleanup_fields_ Fields f = { 0 };

        if (!may_tell())
                return;
        add(&f, "QNET_LOG=%s", log);
        add(&f, "QNET_LINE=%s", line);
        if (refused)
                say(LOG_WARNING, MESSAGE_LINE_REFUSED_STR, &f,
                                "%s was reported in %s, but nothing is restarted: %s", line, log, why);
        else
                say(LOG_WARNING, MESSAGE_LINE_UNKNOWN_STR, &f, "No VM for \"%s\" in %s: %s", line, log, why);
}

void report_rest(void) {
        if (hidden > 0)
                log_warning("%u more lines led to no restart; only the first %u are listed", hidden,
                                TOLD_MAX);
        told = hidden = 0;
}
