/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Stands between a virtual machine and a disk that somebody else uses, and hands the disk to the machine's
 * user. Runs as root, in the host's namespaces. Logs its failures. */

#include "cleanup.h"

typedef struct Guard {
        const char *image;     /* absolute */
        const char *format;    /* "raw" or "qcow2"; NULL: raw, and refused if it looks like qcow2 */
        bool explicit_backing; /* QEMU is told what lies below, and need not ask the image */
        bool write;
        const char *owner_of; /* a directory, whose owner gets access; or NULL */
        unsigned uid;         /* instead of that, for release; UINT_MAX: not given */
} Guard;

int guard_image(const Guard *g);
/* The same checks, and the same question whether the owner of owner_of may have it; instead of an entry for that user,
 * *ret_fd is the image, open for reading. */
int guard_open(const Guard *g, int *ret_fd);
int guard_release(const Guard *g);
