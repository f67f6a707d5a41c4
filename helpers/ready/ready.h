/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What all ways to wait for a guest share: the time, QEMU's process, and what is told if it was in vain.
 *
 * A way is a function: 0 when the guest is ready; -ETIMEDOUT, -ECONNRESET (QEMU has gone), both told by the caller; or
 * another error that it has logged itself. While it waits, ready->why is kept up to date: what has come of it so far. */

#include "parse-value.h"
#include "qmp.h"

typedef struct Ready {
        char what[160]; /* that is awaited, as in "Waiting for ..." */
        char why[256];  /* not yet; "": nothing is known */
        usec_t timeout, deadline;
        int pidfd; /* of QEMU, or -1 when nobody told us */

        const char *path; /* of the socket of a port in the guest */
        const char *text; /* that the guest prints */
        struct ether_addr mac;
        const char *dev; /* the host's, that leads to the guest */
        unsigned port;
} Ready;

/* Sleeps until events are there at fd (1), which may be -1, or it is that late (0). Else as above. */
int ready_sleep(const Ready *r, int fd, short events, usec_t until);
/* STATUS= of the unit. */
void ready_status(const char *format, ...) _printf_(1, 2);
/* Nobody's rights from here on, but for those of a group (NULL: none), if it was root that started us. Logs. */
int ready_drop_privileges(const char *group);

int wait_address(Ready *r);
int wait_tcp(Ready *r);
int wait_agent(Ready *r);
int wait_notify(Ready *r);
int wait_console(Ready *r);
