/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which configuration files there are, by the rules of systemd.unit(5), and their text.
 *
 * Files are NAME.conf in /etc/qnet, /run/qnet, /usr/local/lib/qnet and /usr/lib/qnet; of one file name the first
 * directory's counts, alone, and if that is a link to /dev/null there is no such file. One that cannot be read is an
 * error, and never a reason to take the one below it.
 *
 * Drop-ins are *.conf files in directories beside them, merged from all four; of one file name the first counts:
 *
 *     NAME.conf.d/   for the file NAME.conf and for the objects that are called NAME, wherever they are declared
 *     PREFIX-.conf.d/   for what is called PREFIX-...
 *     vm.d/, switch.d/, system.d/, lab.d/   for every object of the kind
 *
 * Everything is read here, one open and one read per file, and nothing after. Silent; mistakes are in the records. */

#include "arena.h"

#define CONF_FILE_MAX ((size_t) 16 * 1024 * 1024)

typedef enum ConfScope {
        CONF_MAIN,   /* NAME.conf; target is NAME */
        CONF_NAME,   /* in NAME.conf.d/; target is NAME */
        CONF_PREFIX, /* in PREFIX-.conf.d/; target is "PREFIX-" */
        CONF_TYPE,   /* in vm.d/ and so on; target is "vm" */
        CONF_BROKEN, /* a directory that cannot be read: only path and error are set */
} ConfScope;

typedef struct ConfFile {
        ConfScope scope;
        const char *target;
        const char *name; /* basename, "10-memory.conf" */
        const char *path; /* without the root: as the user would open it */
        bool masked;      /* a link to /dev/null: no text, but in the way of others of the name */
        int error;  /* negative errno: could not be read; -EFBIG: larger than CONF_FILE_MAX; -EMEDIUMTYPE: no
                             regular file; -EILSEQ: its name, and so path, is no text, path has '?' in it */
        char *text; /* size bytes and one more that is writable */
        size_t size;
} ConfFile;

/* root: NULL, or a directory that stands before all paths; links in it are followed within it. user: the search path
 * of the user manager. Sorted by scope, target and name. 0 or -ENOMEM. */
int conf_files_read(Arena *a, const char *root, bool user, ConfFile **ret, size_t *ret_n);
