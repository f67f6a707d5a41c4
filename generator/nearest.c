/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "nearest.h"

Nearest nearest_init(const char *wanted) {
        size_t n = strnlen(wanted, NEAREST_LENGTH_MAX + 1);

        return (Nearest){ .wanted = wanted, .distance = n > NEAREST_LENGTH_MAX ? 0 : (unsigned) n / 3 + 2 };
}

static unsigned distance(const char *a, size_t n, const char *b, size_t m) {
        unsigned rows[3][NEAREST_LENGTH_MAX + 1], *before = rows[0], *last = rows[1], *now = rows[2];

        for (size_t j = 0; j <= m; j++)
                last[j] = (unsigned) j;
        for (size_t i = 1; i <= n; i++) {
                unsigned *t;
                now[0] = (unsigned) i;
                for (size_t j = 1; j <= m; j++) {
                        bool same = tolower((unsigned char) a[i - 1]) == tolower((unsigned char) b[j - 1]);
                        now[j] = MIN(last[j], now[j - 1]) + 1;
                        now[j] = MIN(now[j], last[j - 1] + !same);
                        if (i > 1 && j > 1 &&
                                        tolower((unsigned char) a[i - 1]) ==
                                                        tolower((unsigned char) b[j - 2]) &&
                                        tolower((unsigned char) a[i - 2]) ==
                                                        tolower((unsigned char) b[j - 1]))
                                now[j] = MIN(now[j], before[j - 2] + 1);
                }
                t = before;
                before = last;
                last = now;
                now = t;
        }
        return last[m];
}

void nearest_try(Nearest *n, const char *candidate) {
        size_t a = strnlen(n->wanted, NEAREST_LENGTH_MAX), b = strnlen(candidate, NEAREST_LENGTH_MAX + 1);
        unsigned d;

        if (b > NEAREST_LENGTH_MAX || (a > b ? a - b : b - a) >= n->distance)
                return;
        d = distance(n->wanted, a, candidate, b);
        if (d < n->distance && d < MAX(a, b)) {
                n->distance = d;
                n->best = candidate;
        }
}

const char *nearest_hint(const char *best, char buf[static NEAREST_HINT_SIZE]) {
        snprintf(buf, NEAREST_HINT_SIZE, best ? " (did you mean %s?)" : "%s", best ?: "");
        return buf;
}
