/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdlib.h>
#include <time.h>

#include "ladder.h"
#include "log.h"

/* A QEMU that has not greeted by then hangs; its main loop answers in milliseconds. */
#define ANSWER_TIMEOUT (2 * USEC_PER_SEC)
#define ASK_INTERVAL   (250 * USEC_PER_MSEC)
#define PRESS_INTERVAL USEC_PER_SEC
#define RETRY_INTERVAL 5000000 /* nanoseconds */

static void on_event(const char *name, json_t *data, void *userdata) {
        Ladder *l = userdata;

        l->reset |= streq(name, "RESET");
        l->panicked |= streq(name, "GUEST_PANICKED");
}

int ladder_attach(const char *path, usec_t deadline, Qmp **ret) {
        _cleanup_qmp_ Qmp *q = NULL;
        int fd, r;

        while ((fd = qmp_socket(path)) == -EAGAIN) {
                if (now_monotonic() >= deadline)
                        return -ETIMEDOUT;
                nanosleep(&(struct timespec){ .tv_nsec = RETRY_INTERVAL }, NULL);
        }
        if (fd < 0)
                return fd;
        r = qmp_new(fd, &q);
        if (r >= 0)
                r = qmp_negotiate(q, deadline);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(q);
        return 0;
}

/* ---- reset ---- */

/* A black box may still be writing the guest's memory, which is to be that from before the reset. */
static int wait_for_dump(Ladder *l, usec_t deadline) {
        for (;;) {
                json_auto_t *reply = NULL;
                const char *status;
                int r;

                r = qmp_command(l->qmp, "query-dump", deadline, &reply);
                status = json_string_value(json_object_get(reply, "status"));
                if (r < 0 || !status || !streq(status, "active"))
                        return r == -EREMOTEIO ? 0 : r;
                do
                        r = qmp_wait_event(l->qmp, MIN(deadline, deadline_after(ASK_INTERVAL)));
                while (r == 0);
                if (r != -ETIMEDOUT || now_monotonic() >= deadline)
                        return r;
        }
}

/* After a reset, a guest that had panicked or was paused waits for somebody to let it go on. 1: it runs */
static int let_run(Ladder *l, usec_t deadline) {
        json_auto_t *reply = NULL;
        const char *status;
        int r;

        r = qmp_command(l->qmp, "query-status", deadline, &reply);
        if (r < 0)
                return r;
        status = json_string_value(json_object_get(reply, "status")) ?: "";
        if (streq(status, "running"))
                return 1;
        r = qmp_command(l->qmp, "cont", deadline, NULL);
        if (r == -EREMOTEIO)
                log_warning("The guest is reset, but QEMU refuses to let it run: %s", qmp_error(l->qmp));
        return r < 0 ? r : 1;
}

/* 1 it answers, 0 not in time, -ECONNRESET QEMU has ended */
static int wait_for_answer(Ladder *l, usec_t deadline) {
        int r;

        while (now_monotonic() < deadline && !l->panicked) {
                r = arp_probe_ask(l->probe, MIN(deadline, deadline_after(ASK_INTERVAL)));
                if (r != 0)
                        return r;
                do /* what QEMU has said meanwhile */
                        r = qmp_wait_event(l->qmp, deadline_after(USEC_PER_MSEC));
                while (r == 0);
                if (r != -ETIMEDOUT)
                        return r;
        }
        return 0;
}

static int reset(Ladder *l, usec_t deadline) {
        int r;

        r = wait_for_dump(l, deadline);
        if (r < 0)
                return r;
        l->reset = l->panicked = false;
        r = qmp_command(l->qmp, "system_reset", deadline, NULL);
        while (r >= 0 && !l->reset)
                r = qmp_wait_event(l->qmp, deadline);
        if (r < 0)
                return r;
        if (l->probe)
                arp_probe_flush(l->probe);
        r = let_run(l, deadline);
        if (r <= 0)
                return r;
        if (!l->probe || arp_probe_count(l->probe) == 0) {
                log_info("The guest is reset and runs. The host knows no IPv4 address of it, so nothing was asked of it.");
                return 1;
        }
        r = wait_for_answer(l, deadline);
        if (r > 0)
                log_info("The guest answers again after a reset.");
        else if (r == 0)
                log_warning(l->panicked ? "The guest was reset, and has panicked again."
                                        : "The guest was reset, but does not answer ARP in time.");
        return r;
}

/* ---- powerdown ---- */

/* Pressed again and again, as a guest that does not listen yet loses it (qnet-monitor(8)). */
static int power_down(Ladder *l, usec_t deadline) {
        for (;;) {
                usec_t next = MIN(deadline_after(PRESS_INTERVAL), deadline);
                int r;

                r = qmp_command(l->qmp, "system_powerdown", deadline, NULL);
                if (r < 0 && r != -EREMOTEIO)
                        return r;
                do
                        r = qmp_wait_event(l->qmp, next);
                while (r == 0);
                if (r != -ETIMEDOUT)
                        return r;
                if (now_monotonic() >= deadline) {
                        log_warning("The guest does not power down in time.");
                        return 0;
                }
        }
}

/* ---- all of them ---- */

static int climb(Ladder *l) {
        for (size_t i = 0; i < l->n_rungs; i++) {
                usec_t deadline = deadline_after(l->timeout);
                int r;

                log_info("Trying: %s", rung_to_string(l->rungs[i]));
                r = l->rungs[i] == RUNG_RESET ? reset(l, deadline) : power_down(l, deadline);
                if (r > 0)
                        return EXIT_RECOVERED;
                if (r == -ECONNRESET) {
                        log_info("QEMU has ended.");
                        return EXIT_QEMU_ENDED;
                }
                if (r == -EREMOTEIO)
                        log_warning("QEMU refuses: %s", qmp_error(l->qmp));
                else if (r == -ETIMEDOUT) {
                        log_warning("QEMU does not answer any more.");
                        break;
                } else if (r < 0)
                        return log_error_errno(r, "Cannot talk to QEMU or its guest: %m");
        }
        return l->last ? EXIT_GIVEN_UP : EXIT_FAILURE;
}

int ladder_climb(Ladder *l) {
        int r;

        if (l->n_rungs == 0)
                return EXIT_FAILURE;
        r = ladder_attach(l->path, deadline_after(MIN(l->timeout, ANSWER_TIMEOUT)), &l->qmp);
        if (r >= 0) {
                qmp_set_event(l->qmp, on_event, l);
                r = climb(l);
                l->qmp = qmp_free(l->qmp);
                return r;
        }
        if (r == -ENOENT || r == -ECONNREFUSED)
                return log_error_errno(r, "Nobody listens on %s: QEMU does not run.", l->path);
        if (r != -ETIMEDOUT)
                return log_error_errno(r, "Cannot talk to QEMU on %s: %m", l->path);
        log_warning("QEMU does not answer on %s: it hangs, or another client is connected. No rung can be tried.", l->path);
        return l->last ? EXIT_GIVEN_UP : EXIT_FAILURE;
}
