/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who can decide what a path leads to. Whoever owns a directory or a symbolic link on the way can have it
 * lead elsewhere at any time, to a file of root's for example; so root must not give access to what a path
 * leads to on their word, unless it is theirs anyway. Silent. */

#include <sys/stat.h>

#include "cleanup.h"

/* 0: path, which is absolute, leads to the file of st, and every directory and link on the way belongs to
 * root or to the owner of that file. -EREMCHG: *ret_culprit does not. -ESTALE: path leads to another file by
 * now. Or what else stands against it. */
int trail_check(const char *path, const struct stat *st, char **ret_culprit);
