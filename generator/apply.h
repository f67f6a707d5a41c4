/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What blocks say, done to an object: values are parsed, parts opened or found again, systemd's own lines collected,
 * mistakes attached. Logs each mistake once, however many VMs share the line. */

#include "blocks.h"
#include "specifier.h"

typedef struct Subject {
        Model *model;
        Specifiers specifiers;
        void *object; /* VM, Switch, Lab, Reaper */
        Said *said;
        VM *vm;             /* object, when it is one */
        Problem **problems; /* NULL: they are logged only */
        size_t *n_problems;
        PassthroughList *passthrough;
} Subject;

#define PARTS_MAX 64 /* interfaces of a VM, and disks */

/* 0 or -ENOMEM */
int apply_block(Subject *s, const Block *b);
