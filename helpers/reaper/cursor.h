/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The reaper's only memory, one small text file per kill log: where in which file the first line that was not taken
 * yet begins, how many were taken, and which restarts were decided on but not seen through. All of that changes in one
 * rename(2), so a reader that dies anywhere has either taken a line and remembers what to do about it, or not taken it.
 *
 * This module reads and writes that file and knows nothing of logs. It is silent. The state directory is given as a
 * descriptor, locked by whoever writes (cursor_open_state()); reading needs no lock.
 *
 *     qnet-reaper-cursor 1
 *     log %2Frun%2Fqnet%2Fkill.log                 names in the file and of the file are percent-encoded
 *     lines 42
 *     current DEVICE INODE BIRTH HANDLE OFFSET SIZE MTIME SKIPPING NAME BYTES
 *     previous ...                                 the file that was rotated away, until it is gone
 *     pending VM INVOCATION-ID LINE IP MAC TAP BRIDGE RUNG STEP BEFORE      "-" for none; the last three may be missing
 *     end */

#include <net/if.h>
#include <systemd/sd-id128.h>

#include "parse-value.h"
#include "rung.h"
#include "strv.h"

#define FINGERPRINT_MAX 256U
#define HANDLE_MAX      64U /* ext4 and tmpfs need 8 to 12, btrfs and XFS up to 40 */
#define WORD_MAX \
        64U /* the longest line that means anything, with its NUL: a name, or an IPv6 address%scope */

/* Which file it is. Inode numbers are used again at once by ext4: the birth time and the generation in the file handle
 * (name_to_handle_at(2)) tell such files apart. */
typedef struct FileId {
        uint64_t device, inode;
        int64_t birth_sec; /* both 0: not known */
        uint32_t birth_nsec;
        int handle_type;
        unsigned n_handle; /* 0: not known */
        unsigned char handle[HANDLE_MAX];
} FileId;
bool file_id_equal(const FileId *a, const FileId *b);

typedef struct Tail {
        bool set;
        FileId id;
        uint64_t offset;   /* of the first byte that was not consumed */
        uint64_t size;     /* of the file when it was last read */
        int64_t mtime_sec; /* likewise */
        uint32_t mtime_nsec;
        bool skipping; /* the offset is inside an overlong line that is being dropped */
        unsigned n_fingerprint;
        unsigned char fingerprint[FINGERPRINT_MAX]; /* the bytes just before the offset, at most 256 */
        char name[NAME_MAX +
                        1]; /* previous: its name in the log's directory when it was last seen; "": not known */
} Tail;

/* What a restart begins with; but for the restart itself: recovery.h. */
typedef enum Step { STEP_RESTART, STEP_LADDER, STEP_BLACK_BOX, _STEP_MAX } Step;
const char *step_to_string(Step v);
int step_from_string(const char *s);

/* A restart that was decided on. What the invocation ID says by the time of a second attempt, the rest says in the
 * journal. Empty strings for what is not known. */
typedef struct Pending {
        char vm[NAME_LENGTH_MAX + 1];
        sd_id128_t invocation;
        char line[WORD_MAX], ip[IP_STRING_SIZE], mac[MAC_STRING_SIZE], tap[IFNAMSIZ], bridge[IFNAMSIZ];
        bool has_rung; /* the line named one */
        Rung rung;
        Step step;
        sd_id128_t before; /* with a step before the restart: the invocation ID that its unit had before it was started */
} Pending;

typedef struct Cursor {
        uint64_t lines; /* taken so far, over all files that the log ever was */
        Tail current, previous;
        Pending *pending;
        size_t n_pending;
} Cursor;

void cursor_done(Cursor *c);
#define _cleanup_cursor_ _cleanup_(cursor_done)
int cursor_copy(const Cursor *c, Cursor *ret);
/* A second entry for the same VM is -EEXIST. */
int cursor_add_pending(Cursor *c, const Pending *p);
bool cursor_drop_pending(Cursor *c, const char *vm); /* whether it was there */

/* Opens the directory, makes it if its parent is there. lock: also waits until no other reaper has it. */
int cursor_open_state(const char *directory, bool lock, int *ret_fd);
/* The name of the log's file in the state directory: percent-encoded, a digest for very long ones. */
int cursor_file_name(const char *log, char ret[static NAME_MAX + 1]);
/* 1; 0: there is none yet, *ret is empty; -EBADMSG: there is one, but not of this form. */
int cursor_load(int state_fd, const char *log, Cursor *ret);
int cursor_save(int state_fd, const char *log, const Cursor *c);
/* The logs that have a cursor here. */
int cursor_list(int state_fd, char ***ret_logs);
