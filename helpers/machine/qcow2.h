/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The header of a qcow2 image (docs/interop/qcow2.txt in QEMU): enough to tell what it lies over. The file
 * may be hostile: at most one page per field is read, at offsets that are checked. Silent. */

#include "cleanup.h"

typedef struct Qcow2 {
        uint32_t version;
        uint64_t size;            /* of the virtual disk, bytes */
        char backing_file[1024];  /* "" for none */
        char backing_format[32];  /* "" when the image does not say */
} Qcow2;

/* -EMEDIUMTYPE: not a qcow2; -EBADMSG: a broken one */
int qcow2_read(int fd, Qcow2 *ret);
