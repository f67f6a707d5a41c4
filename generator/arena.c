/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"

/* Chunks double from the one to the other. */
#define CHUNK_SIZE_MIN ((size_t) 16 * 1024)
#define CHUNK_SIZE_MAX ((size_t) 1024 * 1024)
/* Those from here on are above malloc's mmap threshold: zeroed by the kernel, and only when they are touched. */
#define CHUNK_SIZE_MAPPED ((size_t) 128 * 1024)

typedef struct Chunk {
        struct Chunk *next;
        size_t used, size;
        max_align_t data[];
} Chunk;

struct Arena {
        Chunk *chunks; /* the first is the one that is filled */
};

Arena *arena_new(void) {
        return calloc(1, sizeof(Arena));
}

Arena *arena_free(Arena *a) {
        Chunk *next;

        if (!a)
                return NULL;
        for (Chunk *c = a->chunks; c; c = next) {
                next = c->next;
                free(c);
        }
        free(a);
        return NULL;
}

/* All pages of it at once, which is much cheaper than one by one as they are touched. A matter of speed only: older
 * kernels than 5.14 cannot. */
static void populate(Chunk *c) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);
        uintptr_t from = ((uintptr_t) c + page - 1) / page * page,
                  to = ((uintptr_t) c->data + c->size) / page * page;

        (void) madvise((void *) from, to - from, MADV_POPULATE_WRITE);
}

static Chunk *add_chunk(Arena *a, size_t size) {
        size_t n = a->chunks ? MIN(a->chunks->size * 2, CHUNK_SIZE_MAX) : CHUNK_SIZE_MIN;
        bool own = size > n / 4;
        Chunk *c;

        if (own)
                n = size;
        c = calloc(1, sizeof(Chunk) + n);
        if (!c)
                return NULL;
        c->size = n;
        if (!own && n >= CHUNK_SIZE_MAPPED)
                populate(c);
        if (own && a->chunks) { /* large ones go behind the one that is being filled */
                c->next = a->chunks->next;
                a->chunks->next = c;
        } else {
                c->next = a->chunks;
                a->chunks = c;
        }
        return c;
}

void *arena_alloc(Arena *a, size_t size) {
        const size_t align = sizeof(void *);
        Chunk *c = a->chunks;
        void *p;

        if (size > PTRDIFF_MAX - CHUNK_SIZE_MAX)
                return NULL;
        size = (size + align - 1) / align * align;
        if (!c || c->size - c->used < size) {
                c = add_chunk(a, size);
                if (!c)
                        return NULL;
        }
        p = (char *) c->data + c->used;
        c->used += size;
        return p;
}

void *arena_alloc_items(Arena *a, size_t n, size_t size) {
        size_t total;

        return __builtin_mul_overflow(n, size, &total) ? NULL : arena_alloc(a, total);
}

char *arena_strndup(Arena *a, const char *s, size_t n) {
        char *p = arena_alloc(a, n + 1);

        return p ? memcpy(p, s, n) : NULL;
}

char *arena_strdup(Arena *a, const char *s) {
        return arena_strndup(a, s, strlen(s));
}

char *arena_printf(Arena *a, const char *format, ...) {
        char buf[256], *p;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(buf, sizeof(buf), format, ap);
        va_end(ap);
        if (n < 0)
                return NULL;
        if ((size_t) n < sizeof(buf))
                return arena_strndup(a, buf, (size_t) n);
        p = arena_alloc(a, (size_t) n + 1);
        if (!p)
                return NULL;
        va_start(ap, format);
        vsnprintf(p, (size_t) n + 1, format, ap);
        va_end(ap);
        return p;
}

void *arena_grow(Arena *a, void *items, size_t n, size_t size) {
        void *p;

        if (n > 0 && (n & (n - 1)) != 0)
                return items;
        p = arena_alloc_items(a, n > 0 ? 2 * n : 1, size);
        if (p && n > 0)
                memcpy(p, items, n * size);
        return p;
}
