/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "objects.h"
#include "problem.h"
#include "sort.h"

static int compare_blocks(const void *x, const void *y) {
        const Block *a = *(Block *const *) x, *b = *(Block *const *) y;

        return strcmp(a->name, b->name) ?: (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

const char *object_stem(const Object *object) {
        return object->n_own > 0 ? object->own[0]->file->target : NULL;
}

/* Room for n more of a kind. */
static int reserve(Objects *o, Kind kind, size_t n) {
        Object *items = arena_new_items(o->blocks.arena, Object, o->n[kind] + n);

        if (!items)
                return -ENOMEM;
        if (o->n[kind] > 0)
                memcpy(items, o->items[kind], o->n[kind] * sizeof(Object));
        o->items[kind] = items;
        return 0;
}

static int add_object(Objects *o, Kind kind, Block **own, size_t n_own, const Block *opener) {
        Object *object = o->items[kind] + o->n[kind]++;

        *object = (Object){
                .kind = kind,
                .name = opener->name,
                .origin = opener->origin,
                .own = own,
                .n_own = n_own,
        };
        return overrides_collect(o->overrides, kind, object->name, object_stem(object), NULL,
                        &object->changes, &object->n_changes);
}

/* The blocks of a kind in files, by name. */
static int sort_blocks(Objects *o, Kind kind, Block ***ret, size_t *ret_n) {
        size_t n = 0, k = 0;
        Block **own;

        for (size_t i = 0; i < o->blocks.n; i++)
                n += o->blocks.items[i]->kind == kind && o->blocks.items[i]->file->scope == CONF_MAIN;
        own = arena_new_items(o->blocks.arena, Block *, n);
        if (!own)
                return -ENOMEM;
        for (size_t i = 0; i < o->blocks.n; i++)
                if (o->blocks.items[i]->kind == kind && o->blocks.items[i]->file->scope == CONF_MAIN)
                        own[k++] = o->blocks.items[i];
        sort_items(own, n, compare_blocks);
        *ret = own;
        *ret_n = n;
        return 0;
}

/* The objects of a kind that files open: runs of blocks of one name. */
static int group_blocks(Objects *o, Kind kind) {
        size_t n, n_objects = 0, k;
        Block **own;
        int r;

        r = sort_blocks(o, kind, &own, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                n_objects += i == 0 || !streq(own[i]->name, own[i - 1]->name);
        r = reserve(o, kind, n_objects);
        for (size_t i = 0; i < n && r >= 0; i += k) {
                for (k = 1; i + k < n && streq(own[i + k]->name, own[i]->name); k++)
                        ;
                r = add_object(o, kind, own + i, k, own[i]);
        }
        return r;
}

static int compare_object_name(const void *name, const void *object) {
        return strcmp(name, ((const Object *) object)->name);
}

const Object *objects_find(const Objects *o, Kind kind, const char *name) {
        return o->n[kind] == 0 ? NULL
                               : bsearch(name, o->items[kind], o->n[kind], sizeof(Object),
                                                 compare_object_name);
}

static int compare_main(const void *stem, const void *file) {
        const ConfFile *f = file;

        return f->scope != CONF_MAIN ? -1 : strcmp(stem, f->target);
}

/* A drop-in opens an object when it stands beside the file that could have; labs and the reaper are there anyway. */
static bool may_open(const Objects *o, const Block *b) {
        const ConfFile *f;

        if (b->kind == KIND_LAB || b->kind == KIND_REAPER)
                return true;
        if (b->file->scope != CONF_NAME)
                return false;
        f = bsearch(b->file->target, o->files, o->n_files, sizeof(ConfFile), compare_main);
        return f && !f->masked;
}

static int compare_objects(const void *x, const void *y) {
        const Object *a = x, *b = y;

        return strcmp(a->name, b->name);
}

static bool opens(const Objects *o, Kind kind, const Block *b) {
        return b->kind == kind && !b->used && may_open(o, b);
}

/* The block that opens it is applied as a change, with the rest. */
int objects_open_from_dropins(Objects *o, Kind kind) {
        size_t n, n_opening = 0;
        Block *const *named = overrides_named(o->overrides, &n);
        int r;

        for (size_t i = 0; i < n; i++)
                n_opening += opens(o, kind, named[i]);
        if (n_opening == 0)
                return 0;
        r = reserve(o, kind, n_opening);
        for (size_t i = 0; i < n && r >= 0; i++)
                if (opens(o, kind, named[i]))
                        r = add_object(o, kind, NULL, 0,
                                        named[i]); /* which marks all blocks about it as used */
        if (r >= 0)
                sort_items(o->items[kind], o->n[kind], compare_objects);
        return r;
}

void objects_warn_idle(const Objects *o) {
        for (size_t i = 0; i < o->blocks.n; i++) {
                const Block *b = o->blocks.items[i];

                if (b->file->scope == CONF_MAIN || b->used)
                        continue;
                if (b->name)
                        model_warning(o->model, b->origin,
                                        "No file declares a %s %s that this could change, ignoring",
                                        kind_name(b->kind), b->name);
                else if (override_is_idle(b))
                        model_warning(o->model, b->origin,
                                        "No %s is called %s that this could change, ignoring",
                                        b->kind == KIND_ANY ? "object" : kind_name(b->kind), b->file->target);
        }
}

static int read_all(Objects *o) {
        int r;

        for (size_t i = 0; i < o->n_files; i++) {
                const ConfFile *f = o->files + i;

                if (!f->masked && f->scope != CONF_BROKEN) {
                        char **slot = arena_append(o->model->arena, o->model->files, o->model->n_files);
                        if (!slot)
                                return -ENOMEM;
                        *slot = (char *) f->path;
                }
                r = blocks_read(&o->blocks, f);
                if (r < 0)
                        return r;
        }
        return 0;
}

int objects_read(Objects *o) {
        int r;

        r = read_all(o);
        if (r >= 0)
                r = overrides_new(o->blocks.arena, o->files, o->n_files, &o->blocks, &o->overrides);
        for (Kind kind = 0; kind < _KIND_MAX && r >= 0; kind++)
                r = group_blocks(o, kind);
        return r;
}
