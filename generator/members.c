/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In comes a model, out go arrays sorted by the object that has the members, then by the model's own
 * order. Sorting by the object's address groups only; the order in which labs and switches are emitted is
 * the model's. */

#include "members.h"
#include "sort.h"

static int compare(const void *a, const void *b) {
        const Member *x = a, *y = b;

        if (x->of != y->of)
                return (uintptr_t) x->of < (uintptr_t) y->of ? -1 : 1;
        return x->order < y->order ? -1 : x->order > y->order;
}

static int add(Members *m, Member member) {
        if (m->n == m->allocated) {
                size_t n = MAX(m->allocated * 2, (size_t) 64);
                Member *items = reallocarray(m->items, n, sizeof(Member));

                if (!items)
                        return -ENOMEM;
                m->items = items;
                m->allocated = n;
        }
        member.order = m->n;
        m->items[m->n++] = member;
        return 0;
}

static void sort(Members *m) {
        sort_items(m->items, m->n, compare);
}

bool vm_is_broken(const VM *vm) {
        if (vm->n_problems > 0)
                return true;
        for (size_t i = 0; i < vm->n_interfaces; i++)
                if (vm->interfaces[i].network && vm->interfaces[i].network->n_problems > 0)
                        return true;
        return false;
}

/* A server for the switch that tells names. */
static bool has_names(const Switch *s) {
        for (size_t i = 0; i < s->n_segment; i++)
                if (s->segment[i]->dns)
                        return true;
        return s->dns;
}

static int add_addresses(Members *m, const VM *vm) {
        for (size_t i = 0; i < vm->n_interfaces; i++) {
                const Interface *interface = &vm->interfaces[i];
                int r;

                if (!interface->network ||
                                (interface->n_addresses == 0 && interface->wire->n_forwards == 0 &&
                                                !has_names(interface->network)) ||
                                vm_is_broken(vm))
                        continue;
                r = add(m, (Member){ .of = interface->network, .vm = vm, .interface = interface });
                if (r < 0)
                        return r;
        }
        return 0;
}

int members_collect(const Model *m, Members *ret_of_labs, Members *ret_of_switches) {
        _cleanup_members_ Members of_labs = {}, of_switches = {};
        int r;

        for (size_t i = 0; i < m->n_switches; i++)
                if (m->switches[i]->lab) {
                        r = add(&of_labs, (Member){ .of = m->switches[i]->lab, .network = m->switches[i] });
                        if (r < 0)
                                return r;
                }
        for (size_t i = 0; i < m->n_vms; i++) {
                const VM *vm = m->vms[i];

                r = vm->lab ? add(&of_labs, (Member){ .of = vm->lab, .vm = vm }) : 0;
                if (r >= 0)
                        r = add_addresses(&of_switches, vm);
                if (r < 0)
                        return r;
        }
        sort(&of_labs);
        sort(&of_switches);
        *ret_of_labs = of_labs;
        *ret_of_switches = of_switches;
        of_labs = of_switches = (Members){};
        return 0;
}

void members_done(Members *m) {
        free(m->items);
        *m = (Members){};
}

const Member *members_find(const Members *m, const void *of, size_t *ret_n) {
        size_t low = 0, high = m->n, n = 0;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if ((uintptr_t) m->items[middle].of < (uintptr_t) of)
                        low = middle + 1;
                else
                        high = middle;
        }
        while (low + n < m->n && m->items[low + n].of == of)
                n++;
        *ret_n = n;
        return n > 0 ? m->items + low : NULL;
}
