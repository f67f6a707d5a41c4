/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One rung after the other, until the guest is back: over QMP, and by ARP where the host knows an address of the guest. A
 * rung that QEMU cannot be asked for any more (it hangs) is none; then there is no waiting either. Logs. */

#include "arp-probe.h"
#include "qmp.h"
#include "rung.h"

typedef struct Ladder {
        const char *path; /* of QEMU's QMP socket */
        Rung rungs[_RUNG_MAX];
        size_t n_rungs;
        usec_t timeout; /* of each */
        bool last;      /* no restart follows */
        ArpProbe *probe;

        /* its own */
        Qmp *qmp;
        bool reset, panicked; /* so the events said */
} Ladder;

/* Connects to path until deadline and greets; also while others have the socket, as QEMU serves one at a time. Silent. */
int ladder_attach(const char *path, usec_t deadline, Qmp **ret);

/* EXIT_* of rung.h, or negative. */
int ladder_climb(Ladder *l);
