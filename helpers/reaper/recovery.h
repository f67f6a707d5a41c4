/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What comes before a restart, or takes its place, for VMs that have it: units that the generator writes for Recover= and
 * BlackBox=. The VM's unit is Before= them, by which it is known that they are there.
 *
 *     qnet-blackbox@NAME.service   saves how the guest was found
 *     qnet-recover@NAME.service    after that one, reset or power-down; its exit status tells what came of it (rung.h).
 *                                  A rung that the report itself named is passed in /run/qnet/recover/NAME.
 *
 * One of them is started for a report, once: its invocation ID from before is in the cursor, so a successor of a reaper
 * that died knows whether that has happened. The VM's unit keeps theirs in memory (Before=), a failed one stays anyway.
 *
 * Silent, but for what cannot be cleaned up. */

#include "bus.h"
#include "cursor.h"

typedef enum RecoveryEnd {
        RECOVERY_RESTART,  /* nothing has helped, or nothing was tried: kill and restart */
        RECOVERY_START,    /* QEMU has ended on the way: it is to be started again */
        RECOVERY_DONE,     /* the guest is back, in the same QEMU */
        RECOVERY_GIVEN_UP, /* nothing has helped, and a restart is not wanted */
        RECOVERY_NOT_BEGUN,
        RECOVERY_UNDER_WAY, /* *ret_job_path is set */
} RecoveryEnd;

/* Decides on the step for a VM in that state, by its units and p->rung, and fills p->step and p->before. 0; 1: a recovery
 * ended less than hold_off ago, leave it alone. now: CLOCK_MONOTONIC */
int recovery_plan(sd_bus *bus, const UnitState *vm, usec_t hold_off, usec_t now, Pending *p);
/* Only of a Pending whose step is not STEP_RESTART. */
int recovery_start(sd_bus *bus, const Pending *p, char **ret_job_path);
/* The unit that recovery_start() starts */
int recovery_get_unit(sd_bus *bus, const Pending *p, UnitState *ret);
/* How far it is, for one that took over. */
int recovery_look(sd_bus *bus, const Pending *p, RecoveryEnd *ret, char **ret_job_path);
/* What came of it, when its job has ended with this result. */
RecoveryEnd recovery_end(sd_bus *bus, const Pending *p, const char *job_result);
/* Where its black box is; NULL: there is none. */
char *recovery_black_box(sd_bus *bus, const Pending *p);
/* It is over: nothing of it stays but the black box. */
void recovery_clean(sd_bus *bus, const Pending *p);
