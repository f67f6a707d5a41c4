/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One VM after another: may it be restarted, do it, and hear how it went. Logs by report.h. */

#include "bus.h"
#include "kill-log.h"
#include "recovery.h"
#include "resolve.h"

/* A restart on its way, from the commit of the intention until its job has ended */
typedef struct Restart {
        Pending pending;
        KillLog *log;
        char *job_path;
        bool recovering; /* the job is that of what comes before the restart */
        bool foreign;    /* meanwhile somebody else has had a job for the VM's unit */
        bool adopted; /* a job that was there already: of a predecessor, or of somebody else, who knows for what */
        bool missing; /* the job, when systemd was asked for it last */
        usec_t since; /* CLOCK_MONOTONIC; adopted: that was when it was found */
        usec_t looked; /* CLOCK_MONOTONIC, when systemd was asked for the job; 0: not yet */
} Restart;

typedef struct Restarts {
        Rtnl *rtnl;
        sd_bus *bus; /* connected when it is first needed */
        sd_event *event;
        usec_t hold_off;
        Restart *list;
        size_t n;
        char **loaded; /* names of the VMs' units, for lines that are names; asked for once per look */
        bool loaded_known;
        bool failed; /* something that the reaper itself should have been able to do */
} Restarts;

void restarts_done(Restarts *r);
bool restarts_has(const Restarts *r, const char *vm);

/* Before the lines of a look: what units there are may have changed. */
void restarts_new_look(Restarts *r);
/* 1, 0: is there such a unit? Only asked for VMs that no tap speaks for. Negative: systemd cannot be asked. */
int restart_is_vm(Restarts *r, const char *vm);

/* 1: *ret is to be committed, then restart_begin() with it; 0: not to be restarted, and said so; negative: systemd cannot be
 * asked. line is the one that target was found for. */
int restart_decide(Restarts *r, Resolver *resolver, const char *log, const KillLogLine *line,
                const Target *target, Pending *ret);

/* The two halves of a restart; of several VMs, all are killed first, but those that have something before the restart.
 * Negative: the bus is gone; the intention stays in the cursor. begin: forgets the address, asks systemd for the restart,
 * or for what comes before it. */
int restart_kill(Restarts *r, const Pending *p);
int restart_begin(Restarts *r, KillLog *log, const Pending *p);
/* For an intention that a dead predecessor left: does what is left of it. */
int restart_resume(Restarts *r, KillLog *log, const Pending *p);

/* To be called now and then. Finds jobs that have ended unheard; gives up waiting for those that take longer than anything
 * sensible, with which systemd goes on. Negative: the bus is gone. */
int restarts_look(Restarts *r);
