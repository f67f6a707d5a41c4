/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Scope cleanup and the few macros that every file uses. A resource is released where its variable goes out
 * of scope (`_cleanup_free_ char *p = NULL;`); TAKE_PTR() and TAKE_FD() hand it over. Types of libraries have
 * their own header beside the one module that includes the library (helpers/nl-util.h, for example), made with
 * DEFINE_CLEANUP(). */

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f)      __attribute__((cleanup(f)))
#define _printf_(a, b)    __attribute__((format(printf, a, b)))
#define _sentinel_        __attribute__((sentinel))
#define _const_           __attribute__((const))
#define _noinline_        __attribute__((noinline))
#define _unused_          __attribute__((unused))
#define _warn_unused_     __attribute__((warn_unused_result))

/* void name##p(type *p): calls f on what is not the type's null value */
#define DEFINE_CLEANUP(type, f)                                                                              \
        static inline _unused_ void f##p(type *p) {                                                          \
                if (*p)                                                                                      \
                        f(*p);                                                                               \
        }

#define TAKE_PTR(p)                                                                                          \
        ({                                                                                                   \
                __typeof__(p) *_pp = &(p);                                                                   \
                __typeof__(p) _v = *_pp;                                                                     \
                *_pp = NULL;                                                                                 \
                _v;                                                                                          \
        })
#define TAKE_FD(fd)                                                                                          \
        ({                                                                                                   \
                int *_fdp = &(fd);                                                                           \
                int _v = *_fdp;                                                                              \
                *_fdp = -1;                                                                                  \
                _v;                                                                                          \
        })

static inline void freep(void *p) {
        free(*(void **) p);
}
static inline int safe_close(int fd) { /* returns -1, keeps errno */
        if (fd >= 0) {
                int e = errno;
                close(fd);
                errno = e;
        }
        return -1;
}
static inline void closep(int *fd) {
        safe_close(*fd);
}
DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

#define _cleanup_free_     _cleanup_(freep)
#define _cleanup_close_    _cleanup_(closep)
#define _cleanup_fclose_   _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#define MIN(a, b)                                                                                            \
        ({                                                                                                   \
                __typeof__(a) _a = (a);                                                                      \
                __typeof__(b) _b = (b);                                                                      \
                _a < _b ? _a : _b;                                                                           \
        })
#define MAX(a, b)                                                                                            \
        ({                                                                                                   \
                __typeof__(a) _a = (a);                                                                      \
                __typeof__(b) _b = (b);                                                                      \
                _a > _b ? _a : _b;                                                                           \
        })

#define streq(a, b) (strcmp((a), (b)) == 0)
static inline bool streq_ptr(const char *a, const char *b) { /* NULL equals NULL only */
        return a == b || (a && b && streq(a, b));
}
static inline const char *startswith(const char *s, const char *prefix) { /* what follows the prefix, or NULL */
        size_t n = strlen(prefix);
        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}
static inline const char *endswith(const char *s, const char *suffix) { /* where the suffix starts, or NULL */
        size_t n = strlen(s), m = strlen(suffix);
        return n >= m && streq(s + n - m, suffix) ? s + n - m : NULL;
}
static inline bool isempty(const char *s) {
        return !s || !*s;
}
static inline const char *yes_no(bool b) {
        return b ? "yes" : "no";
}

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_INFINITY UINT64_MAX
typedef uint64_t usec_t;
