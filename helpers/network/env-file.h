/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One assignment in an EnvironmentFile= (systemd.exec(5)) that lies in a directory of an unprivileged user, while we run
 * as root. That user may have put anything there: a link to a file of the system, a FIFO, a directory, a line that
 * would swallow ours. So the directory is opened without following a link, the old file is read only if it is a small
 * regular file, only its plain assignments ("NAME=text" without quotes or backslashes) are kept, and the new file is a
 * new one, renamed over the old. A reader sees the file before or after, never between. */

#include "cleanup.h"

/* path: absolute. value: printable, without quotes or backslashes. Silent; negative errno. */
int env_file_set(const char *path, const char *name, const char *value);
