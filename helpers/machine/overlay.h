/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The overlay of a disk: a qcow2 image in the virtual machine's state directory that holds what the guest
 * has written; the rest it reads from the image below. Runs as the machine's user. Logs its failures. */

#include "cleanup.h"

typedef struct Overlay {
        const char *path;    /* absolute, of the overlay */
        const char *backing; /* absolute, of the image */
        const char *format;  /* of the image: "raw" or "qcow2" */
        uint64_t size;       /* of the disk, bytes; 0: as large as the image */
} Overlay;

/* Makes it unless it is there, and then checks that it lies over that image. Whatever ends the process in
 * between, the overlay is there and whole, or not there. */
int overlay_prepare(const Overlay *o);
