/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ways to bring a guest back that hangs, from the gentle to the sure one: what Recover= lists, what a line in a kill log may
 * ask for, and how "qnet-recover run" tells the reaper what came of them. */

typedef enum Rung {
        RUNG_RESET,     /* the machine is reset; QEMU stays */
        RUNG_POWERDOWN, /* its power button is pressed; QEMU ends, and is started again */
        RUNG_RESTART,   /* QEMU is killed, and started again: the reaper's own */
        _RUNG_MAX
} Rung;
const char *rung_to_string(Rung v);
int rung_from_string(const char *s);

/* Exit status of "qnet-recover run"; 1 and 2 as ever (program.h): nothing has helped, restart. */
#define EXIT_RECOVERED  0
#define EXIT_QEMU_ENDED 3 /* on a rung, so it is to be started again */
#define EXIT_GIVEN_UP   4 /* nothing has helped, and a restart is not wanted */
