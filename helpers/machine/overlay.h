/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A disk in the virtual machine's state directory: a qcow2 image that holds what the guest has written; the
 * rest it reads from the image below, or it is zero. Runs as the machine's user. Logs its failures. */

#include "disk-size.h"

typedef struct Overlay {
        const char *path;    /* absolute, of the overlay */
        const char *backing; /* absolute, of the image; NULL: a disk that is blank at first */
        const char *format;  /* of the image: "raw" or "qcow2" */
        DiskSize size;       /* not said: as large as the image */
        bool fresh;          /* forget what the guest has written */
} Overlay;

/* Makes it unless it is there, and then checks that it lies over that image, and makes it larger if it is
 * smaller than it should be. Whatever ends the process in between, the overlay is there and whole, or not
 * there. */
int overlay_prepare(const Overlay *o);
