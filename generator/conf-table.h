/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every section and every key that a configuration file may have: one table each, and all that knows about keys comes
 * from them: loading, "did you mean", --keys, and by that the man page and the completion. A new key is a row (and a
 * member of a struct in model.h), a new kind of value a parser in conf-parsers.h. Silent; no I/O but --keys. */

#include "conf-parsers.h"
#include "rare.h"

/* What [Kind NAME] opens. */
typedef enum Kind {
        KIND_VM,
        KIND_SWITCH,
        KIND_SYSTEM,
        KIND_LAB,
        KIND_REAPER,
        _KIND_MAX,
        KIND_ANY, /* in records of drop-ins that could not be read: whatever they would have said */
} Kind;

typedef enum SectionType {
        SECTION_OBJECT,      /* opens an object */
        SECTION_PART,        /* of the object above: there may be several */
        SECTION_PASSTHROUGH, /* systemd's own, below the object above */
} SectionType;

typedef enum KeySet {
        KEYS_VM,
        KEYS_INTERFACE,
        KEYS_DISK,
        KEYS_SERIAL,
        KEYS_SHARE,
        KEYS_HEALTH,
        KEYS_SWITCH,
        KEYS_LAB,
        KEYS_REAPER,
        _KEYS_MAX,
        KEYS_NONE
} KeySet;

typedef struct Section {
        const char *name; /* "VM" */
        SectionType type;
        KeySet keys;
        Kind kind;      /* SECTION_OBJECT */
        unsigned below; /* else: 1 << kind of the objects that it may stand below */
} Section;

typedef struct Key {
        KeySet set;
        const char *name;
        KeyParser parse;
        size_t offset; /* of what it fills, in the struct that it is in */
        size_t size;   /* of that; an empty value puts the default back. 0: the parser sees to it */
        const char *help;
        const Rare *rare; /* the struct is that of these; NULL: the object or part itself */
} Key;

const Section *section_find(const char *name); /* NULL when unknown */
const char *section_nearest(const char *name); /* or NULL */
unsigned char section_place(const Section *s); /* in the table, for records that are kept small */
const Section *section_at(unsigned char place);
const Key *key_find(KeySet set, const char *name);
const char *key_nearest(KeySet set, const char *name);
const char *kind_name(Kind kind);                     /* "VM" */
const char *kind_directory(Kind kind);                /* "vm": of vm.d; NULL when it has none */
const Section *passthrough_section(const char *name); /* asserts that it is one */

/* The object or part as it is before any key: what an empty value goes back to. */
const void *key_set_defaults(KeySet set);
size_t key_set_size(KeySet set);
/* What an empty value of the key copies, at key->offset. */
const void *key_defaults(const Key *key);

/* Where a key was said last, or fallback. The key must be of the set. */
Origin said_at(const Said *said, Origin fallback, KeySet set, const char *key);
/* 0 or -ENOMEM */
int said_set(Arena *a, Said *said, const Key *key, Origin origin);

/* "SECTION\tKEY\tHELP" lines, sorted as the table: all (NULL), those of "SECTION", or the one of "SECTION.KEY". -ENOENT if
 * there is no such. [System] has the keys of [VM], and is printed only when asked for. */
int keys_print(FILE *f, const char *which);
/* "SECTION\tobject|part|systemd\tOBJECT,OBJECT" lines: the objects that it may stand below. */
void sections_print(FILE *f);
