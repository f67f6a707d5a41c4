/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "apply.h"
#include "load.h"
#include "nearest.h"
#include "objects.h"
#include "problem.h"
#include "sort.h"

#define INHERITANCE_MAX 32

typedef struct Loader {
        Model *m;
        const Host *host;
        Objects objects;
        bool too_many;
} Loader;

/* What a VM takes over: its System= and on, nearest first. */
typedef struct Chain {
        const Object *systems[INHERITANCE_MAX];
        size_t n;
} Chain;

static const Item *last_of_blocks(Block *const *blocks, size_t n, const Key *key, const Block **ret_block) {
        for (size_t i = n; i > 0; i--) {
                const Item *last = NULL;
                for (const Item *item = blocks[i - 1]->first; item; item = item->next)
                        if (item->type == ITEM_SET && item->key == key)
                                last = item;
                if (last) {
                        *ret_block = blocks[i - 1];
                        return last;
                }
        }
        return NULL;
}

static int chain_problem(Subject *s, const Block *b, const Item *item, const char *text) {
        return problem_add(s->model, s->problems, s->n_problems, (Origin){ b->origin.file, item->line },
                        (bool *) &item->reported, "System=%s %s", SHOW(item->value), text);
}

static int cycle_problem(Subject *s, const Block *b, const Item *item, const Chain *chain, size_t first) {
        char text[512] = "makes a circle: ";
        size_t n = strlen(text);

        for (size_t i = first; i < chain->n && n < sizeof(text) - 1; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s -> ", chain->systems[i]->name);
        if (n < sizeof(text) - 1)
                snprintf(text + n, sizeof(text) - n, "%s", chain->systems[first]->name);
        return chain_problem(s, b, item, text);
}

static int unknown_system(const Loader *l, Subject *s, const Block *b, const Item *item, const char *name) {
        Nearest nearest = nearest_init(name);
        char text[256];

        for (size_t i = 0; i < MIN(l->objects.n[KIND_SYSTEM], (size_t) 100); i++)
                nearest_try(&nearest, l->objects.items[KIND_SYSTEM][i].name);
        snprintf(text, sizeof(text), "is not declared anywhere%s", HINT(nearest.best));
        return chain_problem(s, b, item, text);
}

/* self: the System whose chain it is, or NULL for a VM's */
static int find_chain(const Loader *l, Subject *s, const Object *o, Block *const *changes, size_t n_changes,
                Chain *c) {
        const Key *key = key_find(KEYS_VM, "System");
        const Block *b;
        const Item *item;
        int r;

        c->n = 0;
        for (;;) {
                const char *why;
                char *name;
                size_t i;

                item = last_of_blocks(changes, n_changes, key, &b)
                                       ?: last_of_blocks(o->own, o->n_own, key, &b);
                if (!item || !*item->value)
                        return 0;
                r = specifiers_expand(s->model->arena, &s->specifiers, item->value, &name, &why);
                if (r < 0) /* applying says it */
                        return r == -EINVAL ? 0 : r;
                o = objects_find(&l->objects, KIND_SYSTEM, name);
                if (!o)
                        return unknown_system(l, s, b, item, name);
                changes = o->changes;
                n_changes = o->n_changes;
                for (i = 0; i < c->n && c->systems[i] != o; i++)
                        ;
                if (i < c->n)
                        return cycle_problem(s, b, item, c, i);
                if (c->n >= INHERITANCE_MAX)
                        return chain_problem(s, b, item, "is too deep: more than 32 systems in a row");
                c->systems[c->n++] = o;
        }
}

static int apply_all(Subject *s, Block *const *blocks, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                r = apply_block(s, blocks[i]);
        return r;
}

/* Two files that open the same object. */
static int check_owners(Subject *s, const Object *o) {
        for (size_t i = 1; i < o->n_own; i++)
                if (o->own[i]->file != o->own[0]->file)
                        return problem_add(s->model, s->problems, s->n_problems, o->own[i]->origin, NULL,
                                        "%s %s is opened at %s:%u already; what changes it belongs into a drop-in",
                                        kind_name(o->kind), o->name, o->own[0]->origin.file,
                                        o->own[0]->origin.line);
        return 0;
}

/* A VM, or what a System would make of one, without a place in the model. */
static int build_vm(Loader *l, const Object *o, const char *name, Block *const *changes, size_t n_changes,
                VM **ret) {
        VM *vm = arena_alloc(l->m->arena, sizeof(VM));
        Subject s = {
                .model = l->m,
                .specifiers = { l->host, name, "qemu-vm@", ".service" },
                .object = vm,
                .vm = vm,
        };
        Chain chain;
        int r;

        if (!vm)
                return -ENOMEM;
        memcpy(vm, key_set_defaults(KEYS_VM), sizeof(VM));
        vm->name = (char *) name;
        vm->origin = o->origin;
        s.said = &vm->said;
        s.problems = &vm->problems;
        s.n_problems = &vm->n_problems;
        s.passthrough = &vm->passthrough;

        r = find_chain(l, &s, o, changes, n_changes, &chain);
        for (size_t i = chain.n; i > 0 && r >= 0; i--) {
                r = apply_all(&s, chain.systems[i - 1]->own, chain.systems[i - 1]->n_own);
                if (r >= 0)
                        r = apply_all(&s, chain.systems[i - 1]->changes, chain.systems[i - 1]->n_changes);
        }
        if (r >= 0)
                r = apply_all(&s, o->own, o->n_own);
        if (r >= 0)
                r = apply_all(&s, changes, n_changes);
        if (r >= 0)
                r = check_owners(&s, o);
        *ret = vm;
        return r;
}

static int add_vm(Loader *l, VM *vm) {
        VM **slot;

        if (l->m->n_vms >= VMS_MAX) {
                if (!l->too_many)
                        model_problem(l->m, vm->origin, "More than %d virtual machines, ignoring the rest",
                                        VMS_MAX);
                l->too_many = true;
                return 0;
        }
        slot = arena_append(l->m->arena, l->m->vms, l->m->n_vms);
        if (!slot)
                return -ENOMEM;
        *slot = vm;
        return 0;
}

static int add_instance(Loader *l, const Object *o, unsigned k) {
        char *name = arena_printf(l->m->arena, "%s%u", o->name, k);
        Block **changes;
        size_t n;
        VM *vm;
        int r;

        if (!name)
                return -ENOMEM;
        r = overrides_collect(l->objects.overrides, KIND_VM, name, object_stem(o), o->name, &changes, &n);
        if (r < 0)
                return r;
        r = build_vm(l, o, name, changes, n, &vm);
        if (r < 0)
                return r;
        vm->has_instances = true;
        vm->instance = k;
        return add_vm(l, vm);
}

/* Whether the last of them, and with it all, has a valid name; else the VM itself says so in their place. */
static int check_instances(Loader *l, VM *vm) {
        char name[2 * NAME_LENGTH_MAX];
        int r;

        if (!vm->has_instances || vm->instances == 0)
                return 0;
        snprintf(name, sizeof(name), "%s%u", vm->name, vm->instances);
        if (name_is_valid(name))
                return 0;
        r = vm_problem(l->m, vm, said_at(&vm->said, vm->origin, KEYS_VM, "Instances"),
                        "Instances=%u: the name %s is longer than %d characters", vm->instances, name,
                        NAME_LENGTH_MAX);
        vm->has_instances = false;
        return r;
}

static int load_vm(Loader *l, const Object *o) {
        unsigned n;
        VM *vm;
        int r;

        r = build_vm(l, o, o->name, o->changes, o->n_changes, &vm);
        if (r >= 0)
                r = check_instances(l, vm);
        if (r < 0)
                return r;
        if (!vm->has_instances)
                return add_vm(l, vm);
        n = vm->instances;
        for (unsigned k = 1; k <= n && r >= 0 && !l->too_many; k++)
                r = add_instance(l, o, k);
        return r;
}

static int load_system(Loader *l, const Object *o) {
        System *system = arena_alloc(l->m->arena, sizeof(System)), **slot;
        VM *vm;

        if (!system)
                return -ENOMEM;
        *system = (System){ .name = (char *) o->name, .origin = o->origin };
        slot = arena_append(l->m->arena, l->m->systems, l->m->n_systems);
        if (!slot)
                return -ENOMEM;
        *slot = system;
        return build_vm(l, o, o->name, o->changes, o->n_changes,
                        &vm); /* for what is wrong in it, used or not */
}

static int load_switch(Loader *l, const Object *o) {
        Switch *w = arena_alloc(l->m->arena, sizeof(Switch)), **slot;
        Subject s = {
                .model = l->m,
                .specifiers = { l->host, o->name, "qnet-switch@", ".service" },
                .object = w,
        };
        int r;

        slot = w ? arena_append(l->m->arena, l->m->switches, l->m->n_switches) : NULL;
        if (!slot)
                return -ENOMEM;
        *slot = w;
        memcpy(w, key_set_defaults(KEYS_SWITCH), sizeof(Switch));
        w->name = (char *) o->name;
        w->origin = o->origin;
        s.said = &w->said;
        s.problems = &w->problems;
        s.n_problems = &w->n_problems;
        s.passthrough = &w->passthrough;
        r = apply_all(&s, o->own, o->n_own);
        if (r >= 0)
                r = apply_all(&s, o->changes, o->n_changes);
        return r < 0 ? r : check_owners(&s, o);
}

static int load_lab(Loader *l, const Object *o) {
        Lab *lab = arena_alloc(l->m->arena, sizeof(Lab)), **slot;
        Subject s = {
                .model = l->m,
                .specifiers = { l->host, o->name, "qnet-lab@", ".target" },
                .object = lab,
        };
        int r;

        slot = lab ? arena_append(l->m->arena, l->m->labs, l->m->n_labs) : NULL;
        if (!slot)
                return -ENOMEM;
        *slot = lab;
        memcpy(lab, key_set_defaults(KEYS_LAB), sizeof(Lab));
        lab->name = (char *) o->name;
        lab->origin = o->origin;
        s.said = &lab->said;
        s.problems = &lab->problems;
        s.n_problems = &lab->n_problems;
        s.passthrough = &lab->passthrough;
        r = apply_all(&s, o->own, o->n_own);
        if (r >= 0)
                r = apply_all(&s, o->changes, o->n_changes);
        return r < 0 ? r : check_owners(&s, o);
}

/* The blocks of the first file, for a second one that opens it is left out: a reaper that finds some of those who hang
 * is better than none, and so it has no problems that it would fail with. */
static int apply_first_file(Subject *s, const Object *o) {
        int r = 0;

        for (size_t i = 0; i < o->n_own && r >= 0; i++)
                if (o->own[i]->file == o->own[0]->file)
                        r = apply_block(s, o->own[i]);
                else
                        r = model_problem(s->model, o->own[i]->origin,
                                        "[Reaper] is opened at %s:%u already, ignoring this one; what changes it "
                                        "belongs into a drop-in",
                                        o->own[0]->origin.file, o->own[0]->origin.line);
        return r;
}

static int load_reaper(Loader *l, const Object *o) {
        Reaper *reaper = &l->m->reaper;
        Subject s = {
                .model = l->m,
                .specifiers = { l->host, "qnet-reaper", "", ".service" },
                .object = reaper,
                .said = &reaper->said,
                .passthrough = &reaper->passthrough,
        };
        int r;

        reaper->origin = o->origin;
        r = apply_first_file(&s, o);
        return r < 0 ? r : apply_all(&s, o->changes, o->n_changes);
}

static int load_kind(Loader *l, Kind kind) {
        static int (*const loaders[_KIND_MAX])(Loader *, const Object *) = {
                [KIND_VM] = load_vm,
                [KIND_SYSTEM] = load_system,
                [KIND_SWITCH] = load_switch,
                [KIND_LAB] = load_lab,
                [KIND_REAPER] = load_reaper,
        };
        int r = 0;

        for (size_t i = 0; i < l->objects.n[kind] && r >= 0; i++)
                r = loaders[kind](l, l->objects.items[kind] + i);
        return r;
}

/* Instances of a VM come into being while VMs are loaded: only then is it known which VMs a drop-in has to open. */
static int load_vms(Loader *l) {
        int r;

        r = load_kind(l, KIND_VM);
        if (r < 0)
                return r;
        l->objects.items[KIND_VM] = NULL;
        l->objects.n[KIND_VM] = 0;
        r = objects_open_from_dropins(&l->objects, KIND_VM);
        return r < 0 ? r : load_kind(l, KIND_VM);
}

static int compare_vms(const void *x, const void *y) {
        const VM *a = *(VM *const *) x, *b = *(VM *const *) y;

        return strcmp(a->name, b->name)
                               ?: (a->has_instances > b->has_instances) -
                                                  (a->has_instances < b->has_instances);
}

/* One unit per name: of a VM and an instance of the same name the first stays, and says so. */
static int sort_vms(Model *m) {
        size_t n = 0;
        int r;

        sort_items(m->vms, m->n_vms, compare_vms);
        for (size_t i = 0; i < m->n_vms; i++) {
                VM *vm = m->vms[i], *last = n > 0 ? m->vms[n - 1] : NULL;

                if (!last || !streq(last->name, vm->name)) {
                        m->vms[n++] = vm;
                        continue;
                }
                r = vm_problem(m, last, said_at(&vm->said, vm->origin, KEYS_VM, "Instances"),
                                "Instances= makes a second VM %s, the other is at %s:%u", vm->name,
                                last->origin.file, last->origin.line);
                if (r < 0)
                        return r;
        }
        m->n_vms = n;
        return 0;
}

int model_load(Model *m, const Host *host, const ConfFile *files, size_t n_files) {
        static const Kind order[] = { KIND_SYSTEM, KIND_SWITCH, KIND_LAB, KIND_REAPER };
        _cleanup_arena_ Arena *scratch = arena_new();
        Loader l = {
                .m = m,
                .host = host,
                .objects = { .model = m, .files = files, .n_files = n_files, .blocks = { m, scratch } },
        };
        int r;

        if (!scratch)
                return -ENOMEM;
        m->reaper = *(const Reaper *) key_set_defaults(KEYS_REAPER);
        r = objects_read(&l.objects);
        for (size_t i = 0; i < ELEMENTSOF(order) && r >= 0; i++) {
                r = objects_open_from_dropins(&l.objects, order[i]);
                if (r >= 0)
                        r = load_kind(&l, order[i]);
        }
        if (r >= 0)
                r = load_vms(&l);
        if (r >= 0)
                r = sort_vms(m);
        if (r >= 0)
                objects_warn_idle(&l.objects);
        return r;
}
