/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two flash devices of UEFI firmware, as raw images: its code, the same for all and never written to,
 * and its variables, the machine's own. Runs as the machine's user. Logs its failures. */

#include "descriptor.h"

/* path: a link to the code, or, if that is qcow2, a raw copy; made anew each time. */
int firmware_place_code(const FirmwareFound *f, const char *path);
/* path: a copy of the template, unless it is there already: then it stays as it is, as long as it has the
 * size that this firmware wants. Whatever ends the process in between, it is there and whole, or not
 * there. */
int firmware_place_nvram(const FirmwareFound *f, const char *path);
