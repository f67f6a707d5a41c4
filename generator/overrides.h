/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which blocks of which drop-ins change an object, and in what order: systemd.unit(5) for objects instead of units.
 *
 * A drop-in concerns an object when its directory does (NAME.conf.d/, PREFIX-.conf.d/, the kind's .d/): then by its
 * sections without a name, [VM]; or when a section of it names the object, [VM host1], whatever its directory.
 * All that concern one object are applied in the order of their file names, regardless of directory; of several with
 * the same file name only those in the most specific directory count (NAME, then the longest PREFIX-, then the
 * directories of others that name the object, then the kind's), be they empty or links to /dev/null. Silent. */

#include "blocks.h"

typedef struct Overrides Overrides;

/* files: sorted as conf_files_read() does, all of them; blocks: all that were read from them, in that order. Both must
 * live as long. */
int overrides_new(Arena *a, const ConfFile *files, size_t n_files, const Blocks *blocks, Overrides **ret);

/* For the object of that kind and name; stem is the file it is declared in, template the name it was multiplied from;
 * both NULL-able. What is returned is marked as used. */
int overrides_collect(Overrides *o, Kind kind, const char *name, const char *stem, const char *template,
                Block ***ret, size_t *ret_n);

/* The blocks that name their object, by kind and name; to find those that nobody used. */
Block *const *overrides_named(const Overrides *o, size_t *ret_n);
/* All others that are for one name; the same. */
bool override_is_idle(const Block *b);
