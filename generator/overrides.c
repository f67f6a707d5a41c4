/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "overrides.h"

/* A file of a drop-in directory and those of its sections that name nobody. */
typedef struct Dropin {
        const ConfFile *file;
        Block **anonymous;
        size_t n_anonymous;
} Dropin;

struct Overrides {
        Arena *arena;
        Dropin *dropins; /* sorted by scope, target, name */
        size_t n_dropins;
        Block **named; /* sorted by kind, name, sequence */
        size_t n_named;
};

/* One block, or the mere presence of a file (block NULL). */
typedef struct Ref {
        const ConfFile *file;
        Block *block;
        unsigned rank;
} Ref;

typedef struct Collection {
        Overrides *o;
        Kind kind;
        const char *name, *template;
        Ref *refs;
        size_t n_refs;
} Collection;

static int compare_named(const void *x, const void *y) {
        const Block *a = *(Block *const *) x, *b = *(Block *const *) y;

        if (a->kind != b->kind)
                return a->kind < b->kind ? -1 : 1;
        return strcmp(a->name, b->name) ?: (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

static int add_block(Overrides *o, Dropin *d, Block *b) {
        Block **slot;

        if (b->name)
                slot = arena_append(o->arena, o->named, o->n_named);
        else
                slot = arena_append(o->arena, d->anonymous, d->n_anonymous);
        if (!slot)
                return -ENOMEM;
        *slot = b;
        return 0;
}

int overrides_new(Arena *a, const ConfFile *files, size_t n_files, const Blocks *blocks, Overrides **ret) {
        Overrides *o = arena_alloc(a, sizeof(Overrides));
        size_t k = 0;
        int r;

        if (!o)
                return -ENOMEM;
        o->arena = a;
        for (size_t i = 0; i < n_files; i++) {
                Dropin *d;

                if (files[i].scope == CONF_MAIN || files[i].scope == CONF_BROKEN)
                        continue;
                d = arena_append(a, o->dropins, o->n_dropins);
                if (!d)
                        return -ENOMEM;
                d->file = files + i;
                while (k < blocks->n && blocks->items[k]->file < d->file)
                        k++;
                for (; k < blocks->n && blocks->items[k]->file == d->file; k++) {
                        r = add_block(o, d, blocks->items[k]);
                        if (r < 0)
                                return r;
                }
        }
        if (o->n_named > 1)
                qsort(o->named, o->n_named, sizeof(Block *), compare_named);
        *ret = o;
        return 0;
}

enum { RANK_NAME, RANK_TEMPLATE, RANK_PREFIX, RANK_OTHER = RANK_PREFIX + 256, RANK_TYPE };

static unsigned rank_of(const Collection *c, const ConfFile *f) {
        switch (f->scope) {
        case CONF_NAME:
                return streq(f->target, c->name)                      ? RANK_NAME
                       : c->template && streq(f->target, c->template) ? RANK_TEMPLATE
                                                                      : RANK_OTHER;
        case CONF_PREFIX:
                return startswith(c->name, f->target) ? RANK_OTHER - (unsigned) strlen(f->target)
                                                      : RANK_OTHER;
        case CONF_TYPE:
                return streq_ptr(f->target, kind_directory(c->kind)) ? RANK_TYPE : RANK_OTHER;
        default:
                return RANK_OTHER;
        }
}

static int add_ref(Collection *c, const ConfFile *file, Block *block) {
        Ref *ref = arena_append(c->o->arena, c->refs, c->n_refs);

        if (!ref)
                return -ENOMEM;
        *ref = (Ref){ file, block, rank_of(c, file) };
        return 0;
}

static int compare_directory(ConfScope scope, const char *target, size_t n, const Dropin *d) {
        if (scope != d->file->scope)
                return scope < d->file->scope ? -1 : 1;
        return strncmp(target, d->file->target, n) ?: d->file->target[n] ? -1 : 0;
}

/* The files of a directory; target has n bytes. only_errors: of those only what could not be read. */
static int add_directory(Collection *c, ConfScope scope, const char *target, size_t n, bool only_errors) {
        const Overrides *o = c->o;
        size_t low = 0, high = o->n_dropins;
        int r;

        while (low < high) { /* the first that is not before it */
                size_t middle = low + (high - low) / 2;
                if (compare_directory(scope, target, n, o->dropins + middle) > 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < o->n_dropins && compare_directory(scope, target, n, o->dropins + low) == 0; low++) {
                const Dropin *d = o->dropins + low;

                r = only_errors ? 0 : add_ref(c, d->file, NULL);
                for (size_t i = 0; r >= 0 && i < d->n_anonymous; i++) {
                        Block *b = d->anonymous[i];
                        if (b->kind == KIND_ANY || (b->kind == c->kind && !only_errors))
                                r = add_ref(c, d->file, b);
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_named(Collection *c, const char *name) {
        const Overrides *o = c->o;
        const Block wanted = { .kind = c->kind, .name = name }, *p = &wanted;
        size_t low = 0, high = o->n_named;
        int r;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (compare_named(&p, o->named + middle) > 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < o->n_named && o->named[low]->kind == c->kind && streq(o->named[low]->name, name);
                        low++) {
                r = add_ref(c, o->named[low]->file, o->named[low]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_all(Collection *c, const char *stem) {
        const char *type = kind_directory(c->kind);
        int r;

        r = add_named(c, c->name);
        if (r >= 0 && c->template)
                r = add_named(c, c->template);
        if (r >= 0)
                r = add_directory(c, CONF_NAME, c->name, strlen(c->name), false);
        if (r >= 0 && c->template)
                r = add_directory(c, CONF_NAME, c->template, strlen(c->template), false);
        if (r >= 0 && stem && !streq(stem, c->name) && !streq_ptr(stem, c->template))
                r = add_directory(c, CONF_NAME, stem, strlen(stem), true);
        for (const char *dash = strchr(c->name, '-'); r >= 0 && dash; dash = strchr(dash + 1, '-'))
                r = add_directory(c, CONF_PREFIX, c->name, (size_t) (dash + 1 - c->name), false);
        if (r >= 0 && type)
                r = add_directory(c, CONF_TYPE, type, strlen(type), false);
        return r;
}

static int compare_refs(const void *x, const void *y) {
        const Ref *a = x, *b = y;
        int r = strcmp(a->file->name, b->file->name);

        if (r != 0)
                return r;
        if (a->rank != b->rank)
                return a->rank < b->rank ? -1 : 1;
        if (!a->block || !b->block)
                return !!a->block - !!b->block;
        return (a->block->sequence > b->block->sequence) - (a->block->sequence < b->block->sequence);
}

int overrides_collect(Overrides *o, Kind kind, const char *name, const char *stem, const char *template,
                Block ***ret, size_t *ret_n) {
        Collection c = { .o = o, .kind = kind, .name = name, .template = template };
        const Ref *best = NULL;
        Block **blocks;
        size_t n = 0;
        int r;

        *ret = NULL;
        *ret_n = 0;
        if (o->n_dropins == 0)
                return 0;
        r = add_all(&c, stem);
        if (r < 0 || c.n_refs == 0)
                return r;
        qsort(c.refs, c.n_refs, sizeof(Ref), compare_refs);
        blocks = arena_new_items(o->arena, Block *, c.n_refs);
        if (!blocks)
                return -ENOMEM;
        for (const Ref *ref = c.refs; ref < c.refs + c.n_refs; ref++) {
                if (!best || !streq(best->file->name, ref->file->name))
                        best = ref;
                if (ref->block)
                        ref->block->used = true;
                if (ref->block && ref->rank == best->rank)
                        blocks[n++] = ref->block;
        }
        *ret = blocks;
        *ret_n = n;
        return 0;
}

Block *const *overrides_named(const Overrides *o, size_t *ret_n) {
        *ret_n = o->n_named;
        return o->named;
}

bool override_is_idle(const Block *b) {
        return !b->used && b->file->scope == CONF_NAME && !b->name;
}
