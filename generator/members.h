/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who belongs to what, the other way round than the model says it: the VMs and switches of a lab, the
 * static addresses on a switch. Built once, so that emitting labs and DHCP servers takes no walk over all
 * VMs for each of them. */

#include "model.h"

typedef struct Member {
        const void *of; /* Lab or Switch */
        size_t order;   /* of the model */
        const VM *vm;
        const Switch *network;      /* a switch in a lab; vm is NULL then */
        const Interface *interface; /* on a switch, of vm */
} Member;

typedef struct Members {
        Member *items;
        size_t n, allocated;
} Members;

/* Both in one walk: VMs and switches of labs; of switches the interfaces that have an Address= or Forward=, or all
 * where there is a DNS server, unless the VM is broken. 0 or -ENOMEM. */
int members_collect(const Model *m, Members *ret_of_labs, Members *ret_of_switches);
void members_done(Members *m);
#define _cleanup_members_ _cleanup_(members_done)

/* The first of those that belong to of, and in ret_n how many: they follow each other in the model's
 * order. */
const Member *members_find(const Members *m, const void *of, size_t *ret_n);

/* A VM whose unit only tells what is wrong: with itself, or with a switch that it is on. */
bool vm_is_broken(const VM *vm);
