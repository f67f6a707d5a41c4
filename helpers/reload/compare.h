/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What of QEMU's command line is not as the unit has it now: "-device X" that is new, gone or different. In come the
 * command of the unit, as systemd tells it (with "${VARIABLES}" and "$$", systemd.service(5)), and that of the process;
 * both lists of options with their values, whose order among themselves does not count unless nothing else differs.
 *
 * What is brought in line while QEMU runs is left out: the medium of the drives that are named, and sizes of memory. Silent;
 * what it tells of the process is printable. */

#include "strv.h"

typedef struct Comparison Comparison;

Comparison *comparison_free(Comparison *c); /* always NULL */
DEFINE_CLEANUP(Comparison *, comparison_free)
#define _cleanup_comparison_ _cleanup_(comparison_freep)

/* wanted, running: argv; drives: ids of those whose medium does not count. */
int comparison_new(char *const *wanted, char *const *running, char *const *drives, bool memory, Comparison **ret);
/* Whether all that is, or refers to, the thing of QEMU's with this id is the same: if not, what runs under that id may be
 * something else altogether. */
bool comparison_same(const Comparison *c, const char *id);
/* The image that a "-drive" of argv names for the drive with this id; -ENOENT: none. */
int drive_image(char *const *argv, const char *id, char **ret);
/* A line for each difference: "-m 256M, and it runs with -m 128M". NULL when there is none. */
int comparison_lines(const Comparison *c, char ***ret);
