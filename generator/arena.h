/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory that lives as long as the Model: the text of the files, and all that is made of it; and what is only needed to
 * load it, in another. Nothing in it is freed alone; arena_free() frees it at once. All memory comes zeroed; NULL is "out of memory". */

#include "cleanup.h"

typedef struct Arena Arena;

Arena *arena_new(void);
Arena *arena_free(Arena *a); /* always NULL */
DEFINE_CLEANUP(Arena *, arena_free)
#define _cleanup_arena_ _cleanup_(arena_freep)

void *arena_alloc(Arena *a, size_t size);
#define arena_new_items(a, type, n) ((type *) arena_alloc_items((a), (n), sizeof(type)))
void *arena_alloc_items(Arena *a, size_t n, size_t size); /* NULL when n * size overflows, too */
char *arena_strndup(Arena *a, const char *s, size_t n);
char *arena_strdup(Arena *a, const char *s);
char *arena_printf(Arena *a, const char *format, ...) _printf_(2, 3);

/* Arrays that grow, without a field for their capacity: it is the power of two that n has reached. They must have
 * been made by this alone. arena_append() counts n up and returns the new, zeroed last item, NULL when out of
 * memory (n as before). */
void *arena_grow(Arena *a, void *items, size_t n, size_t size);
#define arena_append(a, items, n)                                                           \
        ({                                                                                  \
                __typeof__(*(items)) *_i = arena_grow((a), (items), (n), sizeof(*(items))); \
                if (_i) {                                                                   \
                        (items) = _i;                                                       \
                        _i += (n)++;                                                        \
                        memset(_i, 0, sizeof(*_i));                                         \
                }                                                                           \
                _i;                                                                         \
        })
