/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The lines of a configuration file, by the grammar of systemd.syntax(7).
 *
 * In: the text of a file in memory, which is cut up in place. Out: one record per section header or assignment, in
 * the order written; what is wrong comes as a record too and reading goes on behind it, so that all mistakes are
 * found at once. Knows nothing of what the sections and keys mean; silent.
 *
 * Beyond systemd.syntax(7): a byte order mark and CR LF line ends are accepted; a line that is not UTF-8, or has
 * control characters (tabs aside), or is longer than 1 MiB, is an error. Comments may hold any bytes. The tabs that
 * indent a continuation line become spaces. */

#include "cleanup.h"

#define INI_LINE_MAX ((size_t) 1024 * 1024)

typedef enum IniType {
        INI_SECTION,    /* name: what stands between the brackets */
        INI_ASSIGNMENT, /* name and value, both without the white space around them; value may be empty */
        INI_ERROR,      /* name: the message; value: the text of the line, NULL when it cannot be shown */
} IniType;

typedef struct IniLine {
        IniType type;
        unsigned line; /* the first, when it was continued */
        const char *name;
        char *value;
} IniLine;

typedef struct IniReader {
        char *next, *end;
        unsigned line;
} IniReader;

/* text[size] must be writable too; text stays the caller's and must outlive the records. */
void ini_open(IniReader *r, char *text, size_t size);
bool ini_next(IniReader *r, IniLine *ret); /* false at the end */
