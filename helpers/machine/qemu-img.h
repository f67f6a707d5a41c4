/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* qemu-img(1), for what is more than a header to read: making a qcow2 image and making one larger. It opens
 * no file but the one it is told: neither what lies below the image nor what the image's header names as
 * that. Logs its failures. */

#include "cleanup.h"

/* path: a new one. backing: absolute, with its format; or NULL for an image that lies over nothing. */
int qemu_img_create(const char *path, const char *backing, const char *backing_format, uint64_t size);
/* path: absolute, of a qcow2 image. */
int qemu_img_grow(const char *path, uint64_t size);
