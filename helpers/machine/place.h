/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file that is there and whole, or not there: it is made under a temporary name in its directory and
 * renamed, and what a run that was killed has left behind is removed by the next. Logs its failures. */

#include "cleanup.h"

typedef struct Place {
        const char *path; /* absolute, of the file; the caller's */
        char *directory;
        char *name;      /* of the file in it */
        char *prefix;    /* of temporary names */
        char *temporary; /* of place_begin() */
        int fd;          /* of the directory, locked against others of us; -1 before place_open() */
} Place;

int place_open(Place *p, const char *path);
/* Picks a temporary name, and writes its whole path. */
int place_begin(Place *p, char **ret_path);
/* The temporary file gets its name, on disk. replace: also when there is one of this name. -EEXIST (silent)
 * else. */
int place_commit(Place *p, bool replace);
void place_done(Place *p); /* removes a temporary file that was not committed */
#define _cleanup_place_ _cleanup_(place_done)
