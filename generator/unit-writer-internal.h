/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the two files of the unit-writer share: unit-text.c fills the buffer, unit-writer.c takes it to the
 * disk. */

#include <stdarg.h>

#include "close-later.h"
#include "unit-writer.h"

#define UNIT_NAME_LENGTH 511 /* "x.service.d/50-qnet.conf": two names of 255 bytes at most */

struct UnitWriter {
        int dir_fd;
        char *dir;
        FILE *stream; /* instead of dir_fd */

        char name[UNIT_NAME_LENGTH + 1];
        char parents[2][UNIT_NAME_LENGTH + 1]; /* the last subdirectories known to be there, or "" */
        unsigned last_parent; /* which of them was needed last */
        char temp[sizeof(".qnet-0123456789abcdef.tmp")];

        bool always_named; /* nameless files do not work here */
        CloseLater files;  /* nameless ones, that have their names now */

        char *buf;
        size_t size, allocated;
        int error;        /* of this unit, the first one; 0 or negative errno */
        size_t arg_start; /* offset of the argument being written */
        bool arg_quoted;  /* ... and whether it needs quotes */
};

void unit_fail(UnitWriter *w, int error); /* the first one sticks */

#define FOREACH_PIECE(s, ap) for (const char *s = va_arg(ap, const char *); s; s = va_arg(ap, const char *))
