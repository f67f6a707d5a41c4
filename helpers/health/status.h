/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "watch.h"

/* The table that PID 1 would give to qnet-health.service, in a stream. Logs. */
int status_read_table(FILE **ret);
/* Of those that were asked (none named: all), what came of it. Returns 1 if all that run have
 * answered, 0 if not. Logs. */
int status_print(const Watch *w, bool json);
