/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How large a disk is to be: as the configuration says, or to the end of its partition table. And making a
 * persistent image, and making one larger: both leave a whole image behind at any moment. Logs its
 * failures. */

#include "content.h"

typedef struct DiskSize {
        uint64_t bytes; /* 0: not said */
        bool automatic; /* to the partition table's end */
} DiskSize;

/* The size of image, open as fd, when it is made as large as wanted says: never less than it is now,
 * whole sectors. */
int disk_size_resolve(
                const DiskSize *wanted, const char *image, int fd, const Content *content, uint64_t *ret);

/* Makes image, unless there is something of this name. format: "raw" or "qcow2", NULL for raw. Its owner is
 * who calls, its mode 0600. */
int image_create(const char *image, const char *format, uint64_t size);
/* Makes image as large as wanted, if it is smaller. */
int image_grow(const char *image, const char *format, const DiskSize *wanted);
