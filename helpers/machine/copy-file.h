/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What preparing a machine's files takes: copies, and programs that make them. Both log their failures. */

#include "cleanup.h"

/* To a file that must not be there yet, mode 0600. -EFBIG: from has more than max bytes. source: for messages. */
int copy_to_new(int from, const char *source, uint64_t max, const char *path);
/* argv[0] is an absolute path; its messages go where ours go. what: "make ...", for messages. */
int run_program(char *const argv[], const char *what);
