/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Logging for all programs. Where a message goes is decided once, in log_setup():
 *
 *   stderr is the journal ($JOURNAL_STREAM names it)  -> the journal: its stream, or if there are fields its socket
 *   stderr is /dev/null (a generator under PID 1)     -> /dev/kmsg, with the priority; the journal picks it up
 *   else                                              -> stderr, "program: text"; colour on a terminal only
 *
 * $QNET_LOG_LEVEL (a number or a name of syslog(3)) sets the most verbose level shown; default is info.
 * Libraries and modules stay silent unless their header says that they log; one message per failure. */

#include <errno.h>
#include <syslog.h>

#include "cleanup.h"

void log_setup(const char *program);
void log_set_max_level(int level);
int log_get_max_level(void);
const char *log_program(void);

/* One message. err: 0, or an errno (either sign), which %m then prints. file and line: of the configuration, put
 * before the text as "file:line: "; NULL for none.
 * Returns -|err|, so that "return log_error_errno(r, ...)" reads well. */
int log_internal(int level, int err, const char *file, unsigned line, const char *format, ...) _printf_(5, 6);

#define log_error(...)           log_internal(LOG_ERR, 0, NULL, 0, __VA_ARGS__)
#define log_warning(...)         log_internal(LOG_WARNING, 0, NULL, 0, __VA_ARGS__)
#define log_notice(...)          log_internal(LOG_NOTICE, 0, NULL, 0, __VA_ARGS__)
#define log_info(...)            log_internal(LOG_INFO, 0, NULL, 0, __VA_ARGS__)
#define log_debug(...)           log_internal(LOG_DEBUG, 0, NULL, 0, __VA_ARGS__)
#define log_error_errno(e, ...)   log_internal(LOG_ERR, (e), NULL, 0, __VA_ARGS__)
#define log_warning_errno(e, ...) log_internal(LOG_WARNING, (e), NULL, 0, __VA_ARGS__)
#define log_debug_errno(e, ...)   log_internal(LOG_DEBUG, (e), NULL, 0, __VA_ARGS__)
#define log_oom()                log_internal(LOG_ERR, ENOMEM, NULL, 0, "Out of memory")

/* One message with journal fields: message is the MESSAGE= text; then "FIELD=value" strings, the last NULL.
 * Outside the journal only the text is shown. Fields with NULL values are left out by the caller. */
void log_fields(int level, const char *message, const char *const *fields);
