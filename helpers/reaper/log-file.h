/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files behind a kill log, as the kernel shows them: opening without side effects, telling one from another, and
 * finding one again after it was renamed or deleted. Silent. */

#include "cursor.h"

typedef struct FileState {
        uint64_t size;
        int64_t mtime_sec, atime_sec;
        uint32_t mtime_nsec, atime_nsec;
} FileState;
int file_state(int fd, FileState *ret);

/* Opens a regular file for reading, relative to directory_fd. A FIFO, device, socket or directory is not opened, not even
 * for a moment, and a symbolic link as last component not followed. 1 opened; 0: it is the file that known_fd (may be -1)
 * has open; -ELOOP a symbolic link, -EISDIR a directory, -EBADFD something else that is not a regular file. */
int file_open(int directory_fd, const char *path, int known_fd, int *ret_fd, FileId *ret_id);

/* Looks for that file among our links, then in the directory of path, first under the name that name holds. Returns a
 * descriptor, and the name in name ("" for a link of ours); or negative errno. */
int file_find(const char *path, int link_fd, const FileId *id, char name[static NAME_MAX + 1]);

/* Makes a hard link to the log's current file in link_fd, so that it can be read to its end even if it is deleted, and
 * deletes those to files that the cursor does not know any more. Where that cannot be (another file system, somebody
 * else's file), there is none. */
void file_keep_links(const char *path, int link_fd, int current_fd, const Cursor *c);

int file_read_exactly(int fd, void *buf, size_t n, uint64_t offset); /* -ESTALE: the file ended before */
