/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The descriptions of firmware that distributions install for QEMU, one JSON file each:
 * docs/interop/firmware.json in QEMU's sources has the format and the rules of precedence. Files are in
 * several directories; of those with the same name only the one in the first directory counts, and an
 * empty one, or a link to /dev/null, masks; then the first one in the order of names that suits is taken.
 * Warns about what it cannot use; silent else. */

#include "cleanup.h"

typedef struct FirmwareWanted {
        const char *architecture; /* of qemu-system-* */
        const char *machine;      /* as -machine takes it: options and aliases are seen through */
        bool secure_boot;         /* enforced, with keys enrolled */
} FirmwareWanted;

/* UEFI in two flash devices */
typedef struct FirmwareFound {
        char *descriptor; /* file that describes it */
        char *code;       /* absolute path */
        char *nvram;      /* absolute path of the template */
        bool code_qcow2;  /* else raw */
        bool nvram_qcow2;
} FirmwareFound;

void firmware_found_done(FirmwareFound *f);
#define _cleanup_firmware_ _cleanup_(firmware_found_done)

/* directories: strv, the one that counts most first. 0, -ENOENT when none suits, or another error. */
int firmware_find(char *const *directories, const FirmwareWanted *wanted, FirmwareFound *ret);
