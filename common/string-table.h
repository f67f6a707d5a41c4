/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One table of words per enum; both directions come from it.
 *
 *     static const char *const disk_mode_table[_DISK_MODE_MAX] = { [DISK_OVERLAY] = "overlay", ... };
 *     DEFINE_STRING_TABLE(disk_mode, DiskMode);
 *
 * gives const char *disk_mode_to_string(DiskMode) and int disk_mode_from_string(const char *), which is
 * -EINVAL for a word that is not in the table. */

#include "cleanup.h"

#define DECLARE_STRING_TABLE(name, type)                                                                     \
        const char *name##_to_string(type v) _const_;                                                        \
        int name##_from_string(const char *s)

#define DEFINE_STRING_TABLE(name, type)                                                                      \
        const char *name##_to_string(type v) {                                                               \
                return (size_t) v < ELEMENTSOF(name##_table) ? name##_table[v] : NULL;                       \
        }                                                                                                    \
        int name##_from_string(const char *s) {                                                              \
                for (size_t i = 0; i < ELEMENTSOF(name##_table); i++)                                        \
                        if (name##_table[i] && streq(name##_table[i], s))                                    \
                                return (int) i;                                                              \
                return -EINVAL;                                                                              \
        }
