/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of a capture: IFNAME-0001.pcapng and on, counted further at each start, in one directory. Of these the newest are
 * kept, no more than so many, each no larger than so much. At any moment each is a pcapng file: it comes into being with its
 * header in it, and whole blocks are added.
 *
 * What waits is written when it is enough, or when ring_flush() is called. Without room on the disk what waits is lost, sooner
 * or later, and a file never ends within a block; that is logged once, and again when there is room. All other failures are
 * logged and returned. */

#include "cleanup.h"

typedef struct Ring Ring;

#define RING_SIZE_MIN  (UINT64_C(64) * 1024)
#define RING_FILES_MAX 1000U

/* description: of the interface, for the reader of the files. Makes the first file. */
int ring_open(const char *directory, const char *ifname, const char *description, uint64_t size, unsigned n_files,
                Ring **ret);
Ring *ring_free(Ring *ring); /* always NULL; what still waits is lost */
DEFINE_CLEANUP(Ring *, ring_free)

/* The next packet of the interface; n bytes of it, as it was length bytes long. */
int ring_add(Ring *ring, uint64_t nsec, const void *data, uint32_t n, uint32_t length);
/* Does anything wait, and since when? On CLOCK_MONOTONIC; USEC_INFINITY for no. */
usec_t ring_waits_since(const Ring *ring);
int ring_flush(Ring *ring);
/* How many packets the kernel had no room for, in all */
void ring_set_dropped(Ring *ring, uint64_t dropped);
/* Writes what waits, and the end of the last file. */
int ring_finish(Ring *ring);
/* The name of the file that is being written; "" for none */
const char *ring_file(const Ring *ring);
uint64_t ring_lost(const Ring *ring); /* packets, for lack of room on the disk */
