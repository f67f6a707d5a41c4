/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files and drop-ins, sorted by what they are about: which objects there are, and all that is said about each, in the
 * order in which it counts. Which object a drop-in may open is in load.h. Logs what concerns no object. */

#include "blocks.h"
#include "overrides.h"

/* All that is said about one object, by kind and name. */
typedef struct Object {
        Kind kind;
        const char *name;
        Origin origin; /* of what opened it */
        Block **own;   /* in files, in the order read */
        size_t n_own;
        Block **changes; /* in drop-ins, in the order they count */
        size_t n_changes;
} Object;

typedef struct Objects {
        Model *model;
        const ConfFile *files;
        size_t n_files;
        Blocks blocks;
        Overrides *overrides;
        Object *items[_KIND_MAX]; /* sorted by name */
        size_t n[_KIND_MAX];
} Objects;

/* Those that files open; o is zeroed but for model, files, and the model and arena of blocks, where all of this stands.
 * 0 or -ENOMEM. */
int objects_read(Objects *o);
/* Adds those of the kind that only drop-ins open, by blocks that nobody has used yet. 0 or -ENOMEM. */
int objects_open_from_dropins(Objects *o, Kind kind);
/* Drop-ins that changed nothing are warned about. */
void objects_warn_idle(const Objects *o);

const Object *objects_find(const Objects *o, Kind kind, const char *name); /* or NULL */
/* The file NAME.conf that opened it; NULL when a drop-in did. */
const char *object_stem(const Object *object);
