/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether another QEMU uses an image. Every QEMU and qemu-img of 2.10 and later keeps OFD locks on single
 * bytes of what it has open: byte 100 + N for a permission that it uses, 200 + N for one that it denies to
 * others; N is 1 for writing. (Measured with QEMU 7.2: a writer holds 100-101 and 201; a backing file or
 * read-only disk 100 and 201.) Silent. */

#include "cleanup.h"

/* fd: open for reading. 1 when a process that writes to the image (write: or reads it and denies writing)
 * is in the way; *ret_holder: "process 123 (qemu-system-x86, qemu-vm@a.service)". 0 when nobody is. */
int image_is_locked(int fd, bool write, char **ret_holder);
