/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "blocks.h"
#include "ini.h"
#include "nearest.h"
#include "problem.h"

/* One file while it is read. */
typedef struct Reading {
        Blocks *blocks;
        const ConfFile *file;
        Block *block;           /* that the lines belong to; NULL: none */
        const Section *section; /* NULL: lines up to the next header are skipped */
        bool skipping;          /* no block since the header of one was refused */
        Block *early, *lost;    /* errors that stand under no object: before the first header, behind it */
        size_t n_headers, n_opened;
} Reading;

static Origin origin_at(const Reading *r, unsigned line) {
        return (Origin){ r->file->path, line };
}

static Block *new_block(Reading *r, Kind kind, const char *name, unsigned line) {
        Block *b = arena_alloc(r->blocks->arena, sizeof(Block));

        if (b)
                *b = (Block){ .kind = kind, .name = name, .origin = origin_at(r, line), .file = r->file };
        return b;
}

static int publish(Reading *r, Block *b) {
        Blocks *blocks = r->blocks;
        Block **slot = arena_append(blocks->arena, blocks->items, blocks->n);

        if (!slot)
                return -ENOMEM;
        b->sequence = blocks->n;
        *slot = b;
        return 0;
}

static Item *add_item(Reading *r, Block *b, ItemType type, unsigned line) {
        Item *i = arena_alloc(r->blocks->arena, sizeof(Item));

        if (!i)
                return NULL;
        i->type = (unsigned char) type;
        i->line = line;
        if (b->last)
                b->last->next = i;
        else
                b->first = i;
        b->last = i;
        return i;
}

/* A problem of the object above, or of nobody that is known yet. */
static int add_error(Reading *r, unsigned line, const char *message, const char *text) {
        Arena *a = r->blocks->model->arena;
        Block **b = r->block ? &r->block : r->n_headers > 0 ? &r->lost : &r->early;
        Item *i;

        if (!*b) {
                *b = new_block(r, KIND_ANY, NULL, line);
                if (!*b)
                        return -ENOMEM;
        }
        i = add_item(r, *b, ITEM_ERROR, line);
        if (!i)
                return -ENOMEM;
        i->value = text ? arena_printf(a, "%s: %s", message, SHOW(text)) : arena_strdup(a, message);
        return i->value ? 0 : -ENOMEM;
}

static int open_object(Reading *r, const Section *s, const char *name, unsigned line) {
        const char *stem = r->file->scope == CONF_MAIN ? r->file->target : NULL;
        Block *b;
        int k;

        r->block = NULL;
        r->skipping = true;
        if (s->kind == KIND_REAPER) {
                if (name)
                        return add_error(r, line, "There is but one [Reaper], and it has no name", name);
                name = "";
        } else if (name && !name_is_valid(name))
                return add_error(r, line,
                                "Name is not made of letters, digits, '_', '.' and '-', a letter or digit "
                                "first, at most 63",
                                name);
        else if (!name && stem && !name_is_valid(stem))
                return add_error(r, line, "Section needs a name, for the file's is none", s->name);
        b = new_block(r, s->kind, name ?: stem, line);
        if (!b)
                return -ENOMEM;
        k = publish(r, b);
        if (k < 0)
                return k;
        r->block = b;
        r->section = s;
        r->skipping = false;
        r->n_opened++;
        return 0;
}

/* [Interface], [Service] and so on, below an object */
static int open_below(Reading *r, const Section *s, const char *name, unsigned line) {
        Item *i;

        if (!r->block)
                return r->skipping ? 0
                                   : add_error(r, line, "Section stands below no object, such as [VM]",
                                                     s->name);
        if (!(s->below & 1U << r->block->kind)) {
                char message[64];
                snprintf(message, sizeof(message), "A %s has no such section", kind_name(r->block->kind));
                return add_error(r, line, message, s->name);
        }
        if (s->type == SECTION_PASSTHROUGH && name)
                return add_error(r, line, "Section takes no name", name);
        if (s->type == SECTION_PART) {
                i = add_item(r, r->block, ITEM_PART, line);
                if (!i)
                        return -ENOMEM;
                i->section = section_place(s);
                i->name = name;
        }
        r->section = s;
        return 0;
}

/* One that was meant to open an object takes what is below it along. */
static void skip_unknown(Reading *r, const char *name, unsigned line) {
        const char *nearest = section_nearest(name);

        if (startswith(name, "X-"))
                return;
        model_warning(r->blocks->model, origin_at(r, line), "Unknown section [%s]%s, ignoring", SHOW(name),
                        HINT(nearest));
        if (nearest && section_find(nearest)->type == SECTION_OBJECT) {
                r->block = NULL;
                r->skipping = true;
        }
}

/* header: "Kind" or "Kind NAME"; cut at the white space */
static int read_header(Reading *r, char *header, unsigned line) {
        size_t n = strcspn(header, " \t");
        const char *name = header[n] ? header + n + strspn(header + n, " \t") : NULL;
        const Section *s;

        header[n] = '\0';
        r->section = NULL;
        r->n_headers++;
        s = section_find(header);
        if (!s) {
                skip_unknown(r, header, line);
                return 0;
        }
        return s->type == SECTION_OBJECT ? open_object(r, s, name, line) : open_below(r, s, name, line);
}

/* "[VM host1" without its bracket: the lines below it are about host1 all the same. */
static int guess_header(Reading *r, const char *text, unsigned line) {
        size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.- ");
        char *header, *kind;

        while (n > 0 && text[n - 1] == ' ')
                n--;
        header = arena_strndup(r->blocks->model->arena, text, n);
        kind = arena_strndup(r->blocks->model->arena, text, strcspn(text, " \t]["));
        if (!header || !kind)
                return -ENOMEM;
        r->section = NULL;
        r->n_headers++;
        return section_find(kind) ? read_header(r, header, line) : 0;
}

static int read_error(Reading *r, const IniLine *l) {
        int k;

        if (l->value && l->value[0] == '[') {
                k = guess_header(r, l->value + 1, l->line);
                if (k < 0)
                        return k;
        }
        return add_error(r, l->line, l->name, l->value);
}

static bool passthrough_key_is_valid(const char *key) {
        return key[strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

static int read_assignment(Reading *r, const IniLine *l) {
        const Section *s = r->section;
        const Key *key = NULL;
        Item *i;

        if (!s) /* of a section that was refused, or is none of ours */
                return r->n_headers > 0 ? 0
                                        : add_error(r, l->line, "Assignment stands in no section", l->name);
        if (s->type == SECTION_PASSTHROUGH) {
                if (!passthrough_key_is_valid(l->name))
                        return add_error(r, l->line, "Not a key of systemd's", l->name);
        } else {
                key = key_find(s->keys, l->name);
                if (!key) {
                        if (!startswith(l->name, "X-"))
                                model_warning(r->blocks->model, origin_at(r, l->line),
                                                "Unknown key %s= in [%s]%s, ignoring", SHOW(l->name), s->name,
                                                HINT(key_nearest(s->keys, l->name)));
                        return 0;
                }
        }
        i = add_item(r, r->block, key ? ITEM_SET : ITEM_PASSTHROUGH, l->line);
        if (!i)
                return -ENOMEM;
        i->section = section_place(s);
        if (key)
                i->key = key;
        else
                i->name = l->name;
        i->value = l->value;
        return 0;
}

static void prepend(Block *b, Block *errors) {
        errors->last->next = b->first;
        b->first = errors->first;
        b->last = b->last ?: errors->last;
}

/* Errors under no object go to one that will say them, see the header. */
static int settle(Reading *r, Block *errors, size_t first_block) {
        if (!errors)
                return 0;
        if (r->n_opened > 0 && errors == r->early) {
                prepend(r->blocks->items[first_block], errors);
                return 0;
        }
        if (r->n_opened == 0 && r->file->scope == CONF_MAIN && name_is_valid(r->file->target)) {
                errors->kind = KIND_VM;
                errors->name = r->file->target;
                return publish(r, errors);
        }
        if (r->n_opened == 0 && r->file->scope != CONF_MAIN && r->file->scope != CONF_BROKEN)
                return publish(r, errors);
        for (Item *i = errors->first; i; i = i->next)
                model_problem(r->blocks->model, origin_at(r, i->line), "%s", i->value);
        return 0;
}

static int settle_all(Reading *r, size_t first_block) {
        int k;

        k = settle(r, r->early, first_block);
        return k < 0 ? k : settle(r, r->lost, first_block);
}

static const char *error_text(int error) {
        return error == -EMEDIUMTYPE ? "it is not a regular file"
               : error == -ENOTDIR   ? "it is not a directory"
               : error == -EFBIG     ? "it is larger than 16 MiB"
               : error == -EILSEQ    ? "its name has control characters or is not UTF-8"
                                     : strerror(-error);
}

int blocks_read(Blocks *b, const ConfFile *file) {
        Reading r = { .blocks = b, .file = file };
        size_t first_block = b->n;
        IniReader reader;
        IniLine l;
        int k;

        if (file->masked)
                return 0;
        if (file->error < 0) {
                k = add_error(&r, 1,
                                file->scope == CONF_BROKEN ? "Directory cannot be read"
                                                           : "File cannot be read",
                                error_text(file->error));
                return k < 0 ? k : settle_all(&r, first_block);
        }
        ini_open(&reader, file->text, file->size);
        while (ini_next(&reader, &l)) {
                k = l.type == INI_SECTION ? read_header(&r, (char *) l.name, l.line)
                    : l.type == INI_ERROR ? read_error(&r, &l)
                                          : read_assignment(&r, &l);
                if (k < 0)
                        return k;
        }
        return settle_all(&r, first_block);
}
