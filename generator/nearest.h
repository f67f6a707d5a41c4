/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* "Did you mean ...": which of some known names is nearest to one that was written. Nearness is the number of
 * insertions, deletions, replacements and swaps of neighbours (optimal string alignment), case aside; further than a
 * third of the length is no likeness. Bounded work whatever the names; silent.
 *
 *     Nearest n = nearest_init("Memroy");
 *     nearest_try(&n, "Memory");    for each that is known
 *     n.best                        "Memory", or NULL */

#include "cleanup.h"

#define NEAREST_LENGTH_MAX 64

typedef struct Nearest {
        const char *wanted;
        const char *best;
        unsigned distance; /* only what is nearer than this is taken */
} Nearest;

Nearest nearest_init(const char *wanted);
void nearest_try(Nearest *n, const char *candidate);

/* " (did you mean X?)" for a message, or "" */
#define NEAREST_HINT_SIZE (NEAREST_LENGTH_MAX + 32)
const char *nearest_hint(const char *best, char buf[static NEAREST_HINT_SIZE]);
#define HINT(best) nearest_hint((best), (char[NEAREST_HINT_SIZE]){ 0 })
