/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "arena.h"
#include "conf-table.h"
#include "names.h"
#include "problem.h"
#include "validate.h"

typedef struct Owner {
        VM *vm;
        const Interface *iface;
} Owner;

/* Open addressing; never more than half full. */
typedef struct Table {
        Owner *slots;
        size_t mask;
} Table;

static uint64_t mac_number(const struct ether_addr *mac) {
        uint64_t v = 0;

        for (size_t i = 0; i < ETH_ALEN; i++)
                v = v << 8 | mac->ether_addr_octet[i];
        return v;
}

/* The slot of the address, or the free one where it would go. */
static Owner *find_slot(const Table *t, const struct ether_addr *mac) {
        size_t i = (size_t) (mac_number(mac) * UINT64_C(0x9e3779b97f4a7c15) >> 20);

        for (i &= t->mask; t->slots[i].vm && !mac_equal(&t->slots[i].iface->mac, mac); i = (i + 1) & t->mask)
                ;
        return t->slots + i;
}

static Origin mac_origin(const Owner *o) {
        return said_at(&o->iface->said, o->iface->origin, KEYS_INTERFACE, "MACAddress");
}

static int report_duplicate(Model *m, const Owner *a, const Owner *b) {
        Origin oa = mac_origin(a), ob = mac_origin(b);
        char buf[MAC_STRING_SIZE];
        bool said = false;
        int r = 0;

        format_mac(&a->iface->mac, buf);
        for (int i = 0; i < 2 && r >= 0; i++)
                r = problem_add(m, i == 0 ? &b->vm->problems : &a->vm->problems,
                                i == 0 ? &b->vm->n_problems : &a->vm->n_problems, i == 0 ? ob : oa, &said,
                                "MACAddress=%s is that of two: VM %s (%s:%u) and VM %s (%s:%u)", buf,
                                a->vm->name, oa.file, oa.line, b->vm->name, ob.file, ob.line);
        return r;
}

static int claim_fixed(Model *m, Table *t) {
        int r;

        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t i = 0; i < m->vms[v]->n_interfaces; i++) {
                        Owner own = { m->vms[v], m->vms[v]->interfaces + i }, *slot;

                        if (own.iface->mac_policy != MAC_FIXED)
                                continue;
                        slot = find_slot(t, &own.iface->mac);
                        if (slot->vm) {
                                r = report_duplicate(m, slot, &own);
                                if (r < 0)
                                        return r;
                        } else
                                *slot = own;
                }
        return 0;
}

static void derive_all(Model *m, Table *t, const char *machine_id) {
        uint64_t seed = derive_mac_seed(machine_id);

        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t i = 0; i < m->vms[v]->n_interfaces; i++) {
                        VM *vm = m->vms[v];
                        Interface *iface = vm->interfaces + i;
                        Owner *slot;

                        if (iface->mac_policy != MAC_DERIVED)
                                continue;
                        for (unsigned attempt = 0;; attempt++) {
                                iface->mac = derive_mac(seed, vm->name, iface->index, attempt);
                                slot = find_slot(t, &iface->mac);
                                if (!slot->vm)
                                        break;
                        }
                        *slot = (Owner){ vm, iface };
                }
}

int validate_macs(Model *m, const Host *host) {
        size_t n = 0, size = 16;
        bool any_derived = false;
        Table t;
        int r;

        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t i = 0; i < m->vms[v]->n_interfaces; i++, n++)
                        any_derived = any_derived || m->vms[v]->interfaces[i].mac_policy == MAC_DERIVED;
        while (size < 2 * n)
                size *= 2;
        t = (Table){ arena_new_items(m->arena, Owner, size), size - 1 };
        if (!t.slots)
                return -ENOMEM;
        r = claim_fixed(m, &t);
        if (r < 0)
                return r;
        if (any_derived && !host->machine_id[0])
                model_warning(m, (Origin){ 0 },
                                "There is no machine ID: MAC addresses come from names alone, and are those of other hosts "
                                "with the same names");
        derive_all(m, &t, host->machine_id);
        return 0;
}
