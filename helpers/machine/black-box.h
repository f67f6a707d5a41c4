/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a guest was found: a new directory, named by the time in UTC, with
 *
 *     about.txt      when, of what, and what could not be had, and why
 *     threads.txt    QEMU's threads from outside: state, wait channel, system call, kernel stack
 *     status.json    what QEMU says of the guest's state: query-status
 *     registers.txt  of all CPUs
 *     screen.png     by QEMU, so in its view of the file system the directory has the same name
 *     console.txt    the last 64 KiB of the unit's output in the journal, of this start
 *     memory.elf     guest memory; "memory.part" while it is written, and for good if the time did not suffice
 *
 * The threads come first, with the privileges that takes (CAP_SYS_PTRACE, CAP_SYS_ADMIN); they are given up before QEMU,
 * which a guest may have taken over, is asked anything. All of it takes 2 s at most. */

#include "cleanup.h"

typedef struct BlackBox {
        const char *path;      /* of the QMP socket */
        const char *directory; /* where boxes are; made if its parent is there */
        const char *unit;
        unsigned keep; /* so many are left, with the new one */
        uint64_t memory; /* bytes; 0: none */
} BlackBox;

/* Logs; tells systemd in STATUS= where the box is ("Saved PATH"). 0 also when only a part could be had. */
int black_box_save(const BlackBox *b);
