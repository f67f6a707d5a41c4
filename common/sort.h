/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* qsort(3) for what is most often in order already, as it was made from what is: then it is one comparison an item. */

#include <stdlib.h>

#define sort_items(items, n, compare) sort_sized((items), (n), sizeof(*(items)), (compare))

static inline void sort_sized(
                void *items, size_t n, size_t size, int (*compare)(const void *, const void *)) {
        for (size_t i = 1; i < n; i++)
                if (compare((char *) items + (i - 1) * size, (char *) items + i * size) > 0) {
                        qsort(items, n, size, compare);
                        return;
                }
}
