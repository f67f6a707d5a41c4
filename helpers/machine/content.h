/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is in an image, against what the configuration takes it for. The format is never guessed: a guest
 * that writes to a raw image could make it look like any other, one that shows it files of the host. So the
 * content is only ever a reason to refuse. Logs its failures. */

#include <sys/stat.h>

#include "cleanup.h"

typedef struct Content {
        bool qcow2;
        bool vague;    /* lies over an image, and does not say of which format: QEMU would guess */
        uint64_t size; /* of the disk that the guest sees, bytes: whole sectors */
} Content;

/* fd: of image, open for reading. format: "raw", "qcow2", or NULL for raw by default: refused for a file
 * that looks like qcow2. */
int content_check(const char *image, int fd, const struct stat *st, const char *format, Content *ret);
