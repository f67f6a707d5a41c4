/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The text of a file as blocks: what it says about one object, as long as it goes on about it. Here sections and keys
 * get their meaning, values do not yet: a [System] is read once and its values are taken once per VM.
 *
 * A block is opened by [Kind NAME] or [Kind]; [Interface], [Disk], [Unit], [Service] and [Install] below it are items
 * of it. Lines that cannot be read become items too, so that they are problems of the object they stand under. When
 * not even that is known, they become the problems of the first object of the file; of the VM that is called like the
 * file when there is none; and in a drop-in of whatever the drop-in would have changed.
 *
 * Logs unknown sections and keys as warnings, and errors that reach no object. */

#include "arena.h"
#include "conf-files.h"
#include "conf-table.h"

typedef enum ItemType {
        ITEM_PART,        /* [Interface LABEL]: name is the label, NULL without one */
        ITEM_SET,         /* key=value */
        ITEM_PASSTHROUGH, /* name=value of section */
        ITEM_ERROR,       /* value is the message */
} ItemType;

typedef struct Item { /* as small as can be: there is one for each line */
        struct Item *next;
        union {
                const Key *key;   /* ITEM_SET */
                const char *name; /* ITEM_PART, ITEM_PASSTHROUGH */
        };
        char *value;
        unsigned line;
        unsigned char type;    /* ItemType */
        unsigned char section; /* its place, for section_at() */
        bool reported;      /* its problem is in the log */
} Item;

typedef struct Block {
        Kind kind;        /* KIND_ANY: only errors */
        const char *name; /* NULL in a drop-in: of whom the drop-in is for; "" for [Reaper] */
        Origin origin;    /* of the header */
        const ConfFile *file;
        size_t sequence; /* in the order read */
        Item *first, *last;
        bool used; /* of a drop-in: changed something */
} Block;

typedef struct Blocks {
        Model *model; /* for the strings, and for counting what is logged */
        Arena *arena; /* for blocks and items, which nobody needs when the model is loaded */
        Block **items;
        size_t n;
} Blocks;

/* file is unreadable, masked, or has its text, which is cut up. 0 or -ENOMEM. */
int blocks_read(Blocks *b, const ConfFile *file);
