/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Several configuration files in one text, for tests: what conf_files_read() would give, without any file.
 *
 *     --- /etc/qnet/host1.conf
 *     [VM]
 *     --- /etc/qnet/host1.conf.d/10-memory.conf
 *     [VM]
 *     Memory=1G
 *     --- /etc/qnet/vm.d/10-memory.conf -> /dev/null
 *
 * Paths are absolute and end in .conf, others are left out. Text before the first such line is /etc/qnet/test.conf. */

#include "conf-files.h"

/* text is copied. 0 or -ENOMEM. */
int conf_text_split(Arena *a, const char *text, size_t size, ConfFile **ret, size_t *ret_n);
