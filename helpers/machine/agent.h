/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client of QEMU's guest agent (docs/interop/qemu-ga-ref in QEMU): JSON objects, a line each, over the socket on the
 * host of a port in the guest. QEMU keeps what is sent until the agent has opened its port, so an agent that is not there
 * is one that does not answer, and nothing tells the two apart.
 *
 * The peer is hostile: a line is at most AGENT_LINE_MAX bytes, what is longer or is no JSON is skipped, and every wait ends
 * at its deadline (CLOCK_MONOTONIC in microseconds). Silent. */

#include <jansson.h>

#include "cleanup.h"

#define AGENT_LINE_MAX 8192U

typedef struct Agent {
        int fd;
        int64_t id;          /* of every sync */
        unsigned unanswered; /* of them */
        char buffer[AGENT_LINE_MAX];
        size_t n;
        char error[160]; /* of the last -EREMOTEIO, printable */
} Agent;

/* -ENOENT, -ECONNREFUSED: nobody listens; -EAGAIN: too many others do. */
int agent_open(const char *path, Agent *ret);
void agent_close(Agent *a);
#define _cleanup_agent_ _cleanup_(agent_close)

/* A request that only an agent which works answers, with a number of our own: an answer to somebody else's request does
 * not count. -EAGAIN: QEMU takes no more at the moment. */
int agent_send_sync(Agent *a);
/* Until that answer. 0, -ETIMEDOUT, -ECONNRESET. */
int agent_await_sync(Agent *a, usec_t deadline);
/* Takes the answers that are still to come. An agent whose answer nobody takes hangs in its write until somebody connects,
 * and a guest that shuts down then waits for it as long as for any service (90 s with systemd). */
void agent_settle(Agent *a, usec_t deadline);
/* The guest is to shut down. An agent that does so says nothing; 0 after it has been silent until the deadline, or QEMU
 * has gone. -EREMOTEIO: it refuses, a->error says why. */
int agent_shutdown(Agent *a, usec_t deadline);
