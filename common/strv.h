/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* NULL-terminated arrays of strings, both array and strings on the heap; NULL is the empty list. */

#include "cleanup.h"

char **strv_free(char **l); /* always NULL */
static inline void strv_freep(char ***l) {
        strv_free(*l);
}
#define _cleanup_strv_ _cleanup_(strv_freep)

size_t strv_length(char *const *l);
bool strv_contains(char *const *l, const char *s);

/* Both return 0 or -ENOMEM. consume takes s over in any case, also NULL (then -ENOMEM). */
int strv_extend(char ***l, const char *s);
int strv_consume(char ***l, char *s);
int strv_extendf(char ***l, const char *format, ...) _printf_(2, 3);

#define STRV_FOREACH(s, l) for (char *const *s = (char *const *) (l); s && *s; s++)
