/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What few objects say stands in a struct apart, so that the many that do not say it stay small: the object, or the
 * part of one, has a pointer to const there, never NULL, which is to defaults that all share until the first key of
 * the struct is set, or validate derives something in it. Who reads follows the pointer; who writes asks for the
 * object's own copy first, and the compiler sees to it. Who would look at many of its members, for each object that there
 * is, asks first whether the pointer is to the defaults.
 *
 * Another such struct is, for a Switch's Tunnel say: a member "const Tunnel *tunnel" in model.h; here and in rare.c its
 * defaults, its Rare and, if others than the table's rows write to it, a function like vm_own_hardware(); the pointer to
 * the defaults among those of the Switch in conf-table.c; and rows with RARE_ROW() there. */

#include "arena.h"
#include "model.h"

typedef struct Rare {
        size_t pointer;       /* where in the object the pointer is */
        size_t size;          /* of the struct */
        const void *defaults; /* that all share */
} Rare;

extern const Firmware firmware_defaults; /* those of Hardware and Wire are in model.h */
extern const Recovery recovery_defaults;
extern const Life life_defaults;
extern const Fabric fabric_defaults;
extern const VXLAN vxlan_defaults;
extern const Rare rare_hardware, rare_firmware, rare_wire, rare_recovery, rare_life, rare_fabric, rare_vxlan;

/* The struct as the object's own, to write to; NULL when out of memory. */
void *rare_own(Arena *a, void *object, const Rare *rare);

static inline Hardware *vm_own_hardware(Arena *a, VM *vm) {
        return rare_own(a, vm, &rare_hardware);
}
static inline Wire *interface_own_wire(Arena *a, Interface *i) {
        return rare_own(a, i, &rare_wire);
}

static inline VXLAN *switch_own_vxlan(Arena *a, Switch *s) {
        return rare_own(a, s, &rare_vxlan);
}
