/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What qnet-reload(8) brings in line in a running QEMU, shared by its files. Everything here logs its failures. */

#include "compare.h"
#include "qmp.h"

/* A cable, a size, an image, a medium: of QEMU's thing with that id. */
typedef struct Setting {
        char *id;
        const char *value;
        uint64_t bytes; /* of a size */
        bool up;        /* a cable */
        int fd;         /* of a medium, open for reading; -1: none, or it is not to be given */
        bool refused;   /* a medium, and why was told */
} Setting;

typedef struct Settings {
        Setting *items;
        size_t n;
} Settings;

typedef struct Reload {
        const char *socket;
        const char *unit; /* NULL: nothing is compared */
        usec_t timeout, deadline;
        Settings links, sizes, backings, media;
        uint64_t memory; /* 0: none */
        char **wanted, **running; /* the command of the unit, and that of QEMU; NULL without a unit */
        Comparison *comparison;   /* NULL without a unit */
        Qmp *qmp;
        json_t *blocks; /* of query-block */
        bool failed;    /* something was refused, and the rest done all the same */
} Reload;

/* Of the unit, as it is loaded now: the argv of its ExecStart=. */
int unit_command(const char *unit, char ***ret);

/* All settings, one after the other, whatever becomes of each: r->failed. Negative: QEMU talks no longer. */
int live_apply(Reload *r);
/* One drive; block: what query-block says of it. */
int live_medium(Reload *r, const Setting *s, json_t *block);
/* A failure that QEMU has answered with, or none, is not the end; anything else is told, and is. */
int live_refused(Reload *r, int e, const char *what, const char *id);
