/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "program.h"

int program_usage(const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r >= 0)
                log_error("%s", text);
        log_error("Try '%s --help'.", log_program());
        return PROGRAM_USAGE;
}

int program_version(void) {
        printf("%s %s\n", log_program(), QNET_VERSION);
        return 0;
}

int program_help(const char *text) {
        fputs(text, stdout);
        return 0;
}

int program_exit_status(int r) {
        if (fflush(stdout) != 0 && r >= 0) { /* a full disk or a closed pipe must not look like success */
                log_error_errno(errno, "Cannot write to standard output: %m");
                return EXIT_FAILURE;
        }
        return r == PROGRAM_USAGE ? EXIT_USAGE : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
