/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In comes a model, out go arrays sorted by the object that has the members, then by the model's own order. Sorting
 * by the object's address groups only; the order in which labs and switches are emitted is the model's. */

#include "members.h"

static int compare(const void *a, const void *b) {
        const Member *x = a, *y = b;

        if (x->of != y->of)
                return (uintptr_t) x->of < (uintptr_t) y->of ? -1 : 1;
        return x->order < y->order ? -1 : x->order > y->order;
}

static void add(Members *m, Member member) {
        member.order = m->n;
        m->items[m->n++] = member;
}

static int finish(Members *m, Members *ret) {
        if (m->n > 1)
                qsort(m->items, m->n, sizeof(Member), compare);
        *ret = *m;
        return 0;
}

bool vm_is_broken(const VM *vm) {
        if (vm->n_problems > 0)
                return true;
        for (size_t i = 0; i < vm->n_interfaces; i++)
                if (vm->interfaces[i].network && vm->interfaces[i].network->n_problems > 0)
                        return true;
        return false;
}

int members_of_labs(const Model *m, Members *ret) {
        Members members = { .items = calloc(m->n_vms + m->n_switches + 1, sizeof(Member)) };

        if (!members.items)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_switches; i++)
                if (m->switches[i]->lab)
                        add(&members, (Member){ .of = m->switches[i]->lab, .network = m->switches[i] });
        for (size_t i = 0; i < m->n_vms; i++)
                if (m->vms[i]->lab)
                        add(&members, (Member){ .of = m->vms[i]->lab, .vm = m->vms[i] });
        return finish(&members, ret);
}

int members_of_switches(const Model *m, Members *ret) {
        Members members = {};
        size_t n = 0;

        for (size_t i = 0; i < m->n_vms; i++)
                n += m->vms[i]->n_interfaces;
        members.items = calloc(n + 1, sizeof(Member));
        if (!members.items)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_vms; i++) {
                const VM *vm = m->vms[i];

                if (vm_is_broken(vm))
                        continue;
                for (size_t j = 0; j < vm->n_interfaces; j++)
                        if (vm->interfaces[j].network)
                                add(&members, (Member){ .of = vm->interfaces[j].network,
                                                              .vm = vm,
                                                              .interface = &vm->interfaces[j] });
        }
        return finish(&members, ret);
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
        return m->items + low;
}
