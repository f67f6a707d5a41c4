/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a virtual machine's user may open an image, and giving it to that user: one POSIX ACL entry
 * (acl(5)) for its user id, taken away again when the machine stops. The rights of everybody else stay as
 * they are. Silent. */

#include <sys/types.h>

#include "cleanup.h"

typedef struct Identity {
        uid_t uid;
        gid_t gid;
} Identity;

/* 0 when i may open path; else -EACCES or whatever stands against it, and *ret_culprit is the directory on
 * the way that may not be searched, or NULL when it is the file itself. Needs root, but for one's own
 * identity. */
int access_check(const Identity *i, const char *path, bool write, char **ret_culprit);

/* fd: of the image, also O_PATH. grant: adds or changes the entry; revoke: removes it, fine when there is
 * none. -EOPNOTSUPP: the file system has no ACLs. */
int access_grant(int fd, uid_t uid, bool write);
int access_revoke(int fd, uid_t uid);
