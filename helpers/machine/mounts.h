/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether the host itself uses a disk or an image: mounted, swap, part of a volume, attached to a loop
 * device. Comes in: what stat(2) says of it. Reads libmount's tables of the caller's mount namespace,
 * sysfs, and, for mounts of other namespaces, tries to open the device exclusively, as the kernel's own
 * users do. Changes nothing. Silent. */

#include <sys/stat.h>

#include "cleanup.h"

/* 1 when used such that a guest must not read it (write: must not write to it), and *ret_use is a clause
 * that ends a sentence, "its partition /dev/sda1 is mounted on /mnt: type 'umount /mnt' first"; 0 when
 * free. Reading what the host has mounted read-only is fine. root: "", or in tests where /sys, /proc and
 * /dev are. */
int host_uses_disk(const char *root, const struct stat *st, bool write, char **ret_use);
