/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The end of what a unit's processes have printed since it was started, from the journal: the guest's console, for a VM.
 * Silent. */

#include "cleanup.h"

/* At most size bytes into fd, in whole lines. Returns how many. Takes as long as the journal does. */
ssize_t console_tail(const char *unit, size_t size, int fd);
