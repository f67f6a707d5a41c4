/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For who opens thousands of files one after the other, and does not want to know what close(2) says: they are closed
 * some at a time, those whose numbers follow each other by one system call; most do, as the kernel gives the lowest that
 * is free. */

#include "cleanup.h"

#define CLOSE_LATER_MAX 32

typedef struct CloseLater {
        int fds[CLOSE_LATER_MAX];
        size_t n;
} CloseLater;

static inline void close_later_done(CloseLater *c) {
        for (size_t i = 0, k; i < c->n; i = k) {
                for (k = i + 1; k < c->n && c->fds[k] == c->fds[k - 1] + 1; k++)
                        ;
                if (close_range((unsigned) c->fds[i], (unsigned) c->fds[k - 1], 0) < 0)
                        for (; i < k; i++) /* before Linux 5.9 */
                                (void) close(c->fds[i]);
        }
        c->n = 0;
}

static inline void close_later(CloseLater *c, int fd) {
        if (c->n == CLOSE_LATER_MAX)
                close_later_done(c);
        c->fds[c->n++] = fd;
}
