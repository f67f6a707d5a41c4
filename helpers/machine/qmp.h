/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client of QEMU's monitor protocol (docs/interop/qmp-spec.txt in QEMU): one JSON object per line, a
 * greeting, then replies to numbered commands with events between them.
 *
 * The peer is hostile: a guest may have taken QEMU over. A line is at most QMP_LINE_MAX bytes, every wait
 * ends at its deadline, whatever arrives meanwhile, and what is not a JSON object ends the connection.
 *
 * Deadlines are CLOCK_MONOTONIC in microseconds, USEC_INFINITY for none. Silent. Errors: -ETIMEDOUT,
 * -ECONNRESET (the peer has gone), -EPROTO (not QMP), -EMSGSIZE (a line too long), -EREMOTEIO (QEMU refused
 * the command; qmp_error() says why). After -EPROTO and -EMSGSIZE only qmp_free() makes sense. */

#include <jansson.h>

#include "cleanup.h"

#define QMP_LINE_MAX ((size_t) 1024 * 1024)

typedef struct Qmp Qmp;
/* data is borrowed and may be NULL; name and texts in data are not to be trusted with a terminal
 * (qmp_printable()) */
typedef void (*qmp_event_t)(const char *name, json_t *data, void *userdata);

usec_t now_monotonic(void);
usec_t deadline_after(usec_t span); /* now + span; infinity stays infinity */

/* A socket connected to path, non-blocking. -ENOENT and -ECONNREFUSED: nobody
 * listens; -EAGAIN: so many others wait already that the kernel refuses. Does not wait for the peer. */
int qmp_socket(const char *path);

Qmp *qmp_free(Qmp *q);
DEFINE_CLEANUP(Qmp *, qmp_free)
#define _cleanup_qmp_ _cleanup_(qmp_freep)

/* Takes fd over in any case. */
int qmp_new(int fd, Qmp **ret);
void qmp_set_event(Qmp *q, qmp_event_t f, void *userdata);
/* Greeting and qmp_capabilities. -ETIMEDOUT here often means that another client has the socket: QEMU
 * serves one. */
int qmp_negotiate(Qmp *q, usec_t deadline);
/* ret: what "return" held, a new reference; may be NULL. */
int qmp_command(Qmp *q, const char *command, usec_t deadline, json_t **ret);
/* The same with arguments, which stay the caller's; NULL: -ENOMEM, as from the function that made them. */
int qmp_command_with(Qmp *q, const char *command, json_t *arguments, usec_t deadline, json_t **ret);
/* Gives the peer a duplicate of fd, in a set of its own: /dev/fdset/N is a file name to QEMU then. opaque stays with it
 * ("query-fdsets"). */
int qmp_add_fd(Qmp *q, int fd, const char *opaque, usec_t deadline, json_int_t *ret_set);
/* Reads events until the deadline (-ETIMEDOUT) or until the peer has gone (-ECONNRESET). Stops early with 0
 * after each event, so that the caller can look again. */
int qmp_wait_event(Qmp *q, usec_t deadline);
/* QEMU's words for the last -EREMOTEIO, printable. */
const char *qmp_error(const Qmp *q);

/* In place: control characters become '?'. Returns s. */
char *qmp_printable(char *s);
