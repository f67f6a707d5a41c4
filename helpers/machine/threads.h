/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel shows of the threads of all processes of a user, proc(5): state, wait channel, system call and kernel
 * stack. What may not be read is left out. Silent. */

#include <sys/types.h>

#include "cleanup.h"

/* All but the caller. Returns how many processes were written to f. */
int threads_write(uid_t user, FILE *f);

/* Gives up all capabilities, for good. */
int capabilities_drop(void);
