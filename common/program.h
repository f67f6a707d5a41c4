/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every main() has in common. Exit status: 0 done, 1 failed, 2 wrong usage (EXIT_USAGE).
 *
 *     int main(int argc, char *argv[]) {
 *             log_setup("qnet-tap");
 *             return program_exit_status(run(argc, argv));
 *     }
 *
 * run() returns negative errno for a failure that it has logged, 0 or positive when done, and what program_usage()
 * returned for bad arguments. */

#include <getopt.h>

#include "log.h"

#define EXIT_USAGE 2
#define PROGRAM_USAGE (-0x51AE) /* no errno is that large */

/* Long options that every program has; short ones are "h" only. Put first in the program's table, so that the
 * values below do not clash with its own (use values from PROGRAM_OPTION_FIRST on). */
enum { PROGRAM_OPTION_VERSION = 0x1000, PROGRAM_OPTION_FIRST };
#define PROGRAM_OPTIONS                                                                                      \
        { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, PROGRAM_OPTION_VERSION }

/* Logs the text at error level, adds "Try 'PROGRAM --help'.", returns PROGRAM_USAGE. */
int program_usage(const char *format, ...) _printf_(1, 2);

/* Prints "qnet-x 0.1.0" (--version) or the text (--help) to stdout; 0. */
int program_version(void);
int program_help(const char *text);

int program_exit_status(int r);
