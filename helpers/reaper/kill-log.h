/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A kill log as a source of lines: in come a path and what others do to the file behind it (append, truncate, rename,
 * delete, make anew, all at any time); out comes every complete line once. The file is never written to.
 *
 *   1. kill_log_look() collects what is new. Nothing is taken by that: whoever ends here, or cannot commit, has changed
 *      nothing, and the next process finds the same lines.
 *   2. The caller decides, and notes in the cursor (kill_log_cursor()) what it is going to do.
 *   3. kill_log_commit() saves position, count and intentions in one rename(2). Only now the lines are taken.
 *   4. Then the caller acts, and commits again without the intention.
 *
 * Which bytes are new:
 *   the same file, longer, the bytes before the offset as they were   -> what follows the offset
 *   the same file, but shorter or with other bytes there              -> truncated: all of it
 *   the same file, as long as before, written to since                -> truncated, and the same written again ("echo
 *        10.9.0.5 >log", twice): all of it. touch(1) also changes the time of modification, but sets that of the last
 *        access to the very same value; a write leaves that one alone. So touch is told apart, "touch -m" is not.
 *        Two such writes within one tick of the file system's clock (4 ms before Linux 6.13) are one.
 *        Only of logs of at most 256 bytes taken: on a full disk an append that fails changes the time too, and lines
 *        that were acted on long ago must not come again by that. Nobody writes a long log anew, byte by byte the same.
 *   another file     -> first the rest of the old one, if it is still to be found: renamed in the same directory, or by
 *        our own hard link to it; then the new one from its start. A rotated file is followed as long as it can be
 *        found, as writers may still have it open.
 *
 * The last line of a file waits for its newline. A line of more than 1024 bytes counts as one and is dropped. A look reads 1 MiB
 * (16 MiB inside an overlong line) and takes 4096 lines at most. Only regular files are opened; links, FIFOs, devices
 * and directories are refused without touching them.
 *
 * Silent; messages are the caller's. */

#include "cursor.h"

#define KILL_LOG_TEXT_MAX 84 /* a line for a message, at most */

typedef struct KillLogLine {
        bool word;                    /* text is its first word, fit to be looked up; the line has no other but a rung */
        char text[KILL_LOG_TEXT_MAX]; /* else: what can be shown of the line, unprintable bytes as \xNN */
        bool has_rung;                /* "10.9.0.17 reset"; "recover" is the VM's own, so none */
        Rung rung;
} KillLogLine;

/* Of n bytes without a newline, trimmed. */
void kill_log_parse_line(const char *s, size_t n, KillLogLine *ret);

typedef struct KillLogNews {
        KillLogLine *lines; /* blank ones are counted, but not here */
        size_t n_lines, allocated;
        bool changed; /* there is something to commit */
        bool more;    /* the look ended before the log did */
} KillLogNews;
void kill_log_news_done(KillLogNews *n);
#define _cleanup_news_ _cleanup_(kill_log_news_done)

typedef struct KillLog KillLog;

/* state_fd: locked state directory; link_fd: where to keep hard links, may be -1; both must stay open. Returns 1 with
 * *ret set when the cursor was not readable: it was renamed to *.bad, and the log begins at its present end. */
int kill_log_new(const char *path, int state_fd, int link_fd, KillLog **ret);
KillLog *kill_log_free(KillLog *l); /* always NULL */
static inline void kill_log_freep(KillLog **l) {
        kill_log_free(*l);
}
#define _cleanup_kill_log_ _cleanup_(kill_log_freep)

const char *kill_log_path(const KillLog *l);
/* To be changed between look and commit. */
Cursor *kill_log_cursor(KillLog *l);

/* 0, also when there is no such log; or: -ELOOP it is a symbolic link, -EISDIR, -EBADFD another kind of thing that is
 * not a regular file, -EACCES, ... What could be collected nevertheless is in *ret. */
int kill_log_look(KillLog *l, KillLogNews *ret);
int kill_log_commit(KillLog *l);

/* What stands, without lock or commit. Lines that wait are counted as far as one look goes. */
typedef struct KillLogStatus {
        Cursor cursor; /* as saved */
        uint64_t waiting;
        bool more;    /* at least that many */
        bool damaged; /* the cursor cannot be read; the reaper will put it aside */
        int error;    /* of kill_log_look() */
} KillLogStatus;
void kill_log_status_done(KillLogStatus *s);
#define _cleanup_status_ _cleanup_(kill_log_status_done)
int kill_log_get_status(const char *path, int state_fd, KillLogStatus *ret);
