/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "apply.h"
#include "problem.h"

/* What an Interface, a Disk and so on have in common, at their start. */
typedef struct Part {
        Origin origin;
        Said said;
        unsigned index;
        char *label;
} Part;

#define PART_OF(type)                                                                     \
        static_assert(offsetof(type, origin) == offsetof(Part, origin) &&                 \
                                        offsetof(type, said) == offsetof(Part, said) &&   \
                                        offsetof(type, index) == offsetof(Part, index) && \
                                        offsetof(type, label) == offsetof(Part, label),   \
                        #type " does not begin like a Part")
PART_OF(Interface);
PART_OF(Disk);
PART_OF(Serial);
PART_OF(Share);
PART_OF(Health);

/* Where the keys of the lines that follow go. */
typedef struct Cursor {
        KeySet set;
        Origin section;
        size_t from, to; /* parts; unused for the object itself */
} Cursor;

/* Where in a VM the parts of a set are. */
static const struct {
        size_t items, n;
} part_lists[_KEYS_MAX] = {
        [KEYS_INTERFACE] = { offsetof(VM, interfaces), offsetof(VM, n_interfaces) },
        [KEYS_DISK] = { offsetof(VM, disks), offsetof(VM, n_disks) },
        [KEYS_SERIAL] = { offsetof(VM, serials), offsetof(VM, n_serials) },
        [KEYS_SHARE] = { offsetof(VM, shares), offsetof(VM, n_shares) },
        [KEYS_HEALTH] = { offsetof(VM, health), offsetof(VM, n_health) },
};

static char **part_items(VM *vm, KeySet set) {
        return (char **) (void *) ((char *) vm + part_lists[set].items);
}

static void *part_at(VM *vm, KeySet set, size_t i) {
        return *part_items(vm, set) + i * key_set_size(set);
}

static size_t *part_count(VM *vm, KeySet set) {
        assert(part_lists[set].n > 0);
        return (size_t *) (void *) ((char *) vm + part_lists[set].n);
}

static int append_part(Model *m, VM *vm, KeySet set, const char *label, Origin origin) {
        size_t size = key_set_size(set);
        char *items = arena_grow(m->arena, *part_items(vm, set), *part_count(vm, set), size);
        Part *p;

        if (!items)
                return -ENOMEM;
        *part_items(vm, set) = items;
        p = part_at(vm, set, (*part_count(vm, set))++);
        memcpy(p, key_set_defaults(set), size);
        p->origin = origin;
        p->label = (char *) label;
        return 0;
}

static bool part_is_called(VM *vm, KeySet set, size_t i, const char *label) {
        const Part *p = part_at(vm, set, i);

        return streq_ptr(p->label, label) ||
               (set == KEYS_INTERFACE && streq_ptr(vm->interfaces[i].tap, label));
}

static int refuse_label(Subject *s, const Item *item, Origin origin, const Section *section) {
        return problem_add(s->model, s->problems, s->n_problems, origin, (bool *) &item->reported,
                               "[%s %s]: there is only one, write [%s]", section->name, SHOW(item->name),
                               section->name)
                               ?: -ENOENT;
}

/* Which parts the header [Interface LABEL] means: *from..*to, of which the last may have to be made. */
static int find_parts(Subject *s, const Item *item, Origin origin, size_t *from, size_t *to) {
        const Section *section = section_at(item->section);
        KeySet set = section->keys;
        size_t n = *part_count(s->vm, set);
        const char *label = item->name;
        unsigned index;

        *from = n;
        *to = n + 1;
        if (set == KEYS_HEALTH) { /* there is one: said again, it is continued */
                *from = 0;
                *to = 1;
                return !label || streq(label, "*") ? 0 : refuse_label(s, item, origin, section);
        }
        if (!label)
                return 0;
        if (streq(label, "*")) {
                *from = 0;
                *to = n;
                return 0;
        }
        if (strspn(label, "0123456789") == strlen(label)) {
                if (parse_unsigned(label, 0, (unsigned) n, &index) < 0)
                        return problem_add(s->model, s->problems, s->n_problems, origin,
                                               (bool *) &item->reported,
                                               "[%s %s]: there is no number %s, the next would be %zu",
                                               section->name, SHOW(label), SHOW(label), n)
                                               ?: -ENOENT;
                *from = index;
                *to = *from + 1;
                return 0;
        }
        if (!name_is_valid(label))
                return problem_add(s->model, s->problems, s->n_problems, origin, (bool *) &item->reported,
                                       "[%s %s]: not a number or name", section->name, SHOW(label))
                                       ?: -ENOENT;
        for (size_t i = 0; i < n; i++)
                if (part_is_called(s->vm, set, i, label)) {
                        *from = i;
                        *to = i + 1;
                }
        return 0;
}

static int open_part(Subject *s, const Item *item, Origin origin, Cursor *c) {
        KeySet set = section_at(item->section)->keys;
        const char *label = item->name;
        int r;

        c->set = set;
        c->section = origin;
        c->from = c->to = 0;
        r = find_parts(s, item, origin, &c->from, &c->to);
        if (r == -ENOENT) { /* said; its keys are skipped */
                c->from = c->to = 0;
                return 0;
        }
        if (r < 0 || c->to <= *part_count(s->vm, set))
                return r;
        if (c->from >= PARTS_MAX) {
                c->from = c->to = 0;
                return problem_add(s->model, s->problems, s->n_problems, origin, (bool *) &item->reported,
                                "[%s]: more than %d of them", section_at(item->section)->name, PARTS_MAX);
        }
        if (label && isdigit((unsigned char) label[0]) && strspn(label, "0123456789") == strlen(label))
                label = NULL;
        return append_part(s->model, s->vm, set, label, origin);
}

static int set_key(Subject *s, Item *item, const Cursor *c, Origin origin, void *base, Said *said) {
        const Key *key = item->key;
        Setting setting = {
                .arena = s->model->arena,
                .specifiers = &s->specifiers,
                .vm = s->vm,
                .said = said,
                .origin = origin,
                .section = c->section,
        };
        int r;

        if (key->rare)
                base = rare_own(setting.arena, base, key->rare);
        if (!base)
                return -ENOMEM;
        if (!*item->value && key->size > 0) {
                memcpy((char *) base + key->offset, (const char *) key_defaults(key) + key->offset,
                                key->size);
                r = 0;
        } else
                r = key->parse(&setting, item->value, (char *) base + key->offset);
        if (r == -EINVAL)
                return problem_add(s->model, s->problems, s->n_problems, origin, &item->reported, "%s=%s %s",
                                key->name, SHOW(item->value), setting.why);
        if (r >= 0 && setting.warning && !item->reported) {
                model_warning(s->model, origin, "%s=%s %s", key->name, SHOW(item->value), setting.warning);
                item->reported = true;
        }
        return r < 0 ? r : said_set(s->model->arena, said, key, origin);
}

static int set_all(Subject *s, Item *item, const Cursor *c, Origin origin) {
        int r;

        if (section_at(item->section)->type == SECTION_OBJECT)
                return set_key(s, item, c, origin, s->object, s->said);
        for (size_t i = c->from; i < c->to; i++) {
                Part *p = part_at(s->vm, c->set, i);

                r = set_key(s, item, c, origin, p, &p->said);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_passthrough(Subject *s, Item *item, Origin origin) {
        Passthrough *p;

        if (!text_is_printable(item->value)) /* the unit could not hold it as it is */
                return problem_add(s->model, s->problems, s->n_problems, origin, &item->reported,
                                "%s=%s has a tab; write a space, or \\t where quoting is known",
                                SHOW(item->name), SHOW(item->value));
        p = arena_append(s->model->arena, s->passthrough->items, s->passthrough->n);
        if (!p)
                return -ENOMEM;
        *p = (Passthrough){
                .section = section_at(item->section)->name,
                .key = (char *) item->name,
                .value = item->value,
                .origin = origin,
        };
        return 0;
}

int apply_block(Subject *s, const Block *b) {
        Cursor c = { .section = b->origin };
        int r = 0;

        for (Item *item = b->first; item && r >= 0; item = item->next) {
                Origin origin = { b->origin.file, item->line };

                switch ((ItemType) item->type) {
                case ITEM_PART:
                        r = open_part(s, item, origin, &c);
                        break;
                case ITEM_SET:
                        r = set_all(s, item, &c, origin);
                        break;
                case ITEM_PASSTHROUGH:
                        r = add_passthrough(s, item, origin);
                        break;
                case ITEM_ERROR:
                        r = problem_add(s->model, s->problems, s->n_problems, origin, &item->reported, "%s",
                                        item->value);
                        break;
                }
        }
        return r;
}
