/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The reaper at work: looks at the logs, decides, commits, acts, waits for the jobs and goes on looking meanwhile, until
 * nothing was new for a moment. The moment keeps the path unit clear of its trigger limit (200 starts in 2 s).
 *
 * A restart is done once however often the process is killed: before anything is done to a VM, the intention and its
 * invocation ID are in the cursor, in the same rename(2) that took the line. A successor that finds another invocation
 * ID knows that the restart has happened; with the same one and a job queued it waits for that job; else it does
 * what is left to do.
 *
 * Logs all messages itself (report.h). */

#include "cleanup.h"

typedef struct ReaperOptions {
        char **logs;
        const char *state;          /* directory */
        const char *link_directory; /* for hard links to the logs; made if it is missing; NULL: the state directory */
        usec_t hold_off;
        usec_t settle;
} ReaperOptions;

/* 0; negative: a log could not be read, the state not written, or systemd not be asked (all said). That a VM did not come
 * up again, or that a line means nothing, is no failure of the reaper. */
int reaper_run(const ReaperOptions *options);
