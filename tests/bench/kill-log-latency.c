/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* kill-log-latency LOG LINE SERVICE UNIT: appends LINE to LOG, which makes systemd start SERVICE, which restarts UNIT.
 * Prints what follows, in microseconds since just before the append: "FORKED KILLED JOB DONE".
 *
 *     FORKED  PID 1 has forked what becomes SERVICE (its ExecMainStartTimestampMonotonic)
 *     KILLED  the unit has left the active state (its ActiveExitTimestampMonotonic): the guest is gone
 *     JOB     the signal JobNew for the unit has come here: somebody has asked for the restart
 *     DONE    the signal JobRemoved has come: the unit runs again
 *
 * Runs as root beside the systemd in question. Gives up after 10 s. */

#include <fcntl.h>
#include <inttypes.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "cleanup.h"

#define SYSTEMD  "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
#define PATIENCE (10 * USEC_PER_SEC)

typedef struct Seen {
        const char *unit;
        usec_t job, done; /* 0: not yet */
} Seen;

static usec_t now_usec(void) {
        struct timespec ts;

        assert(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

/* JobNew(u id, o job, s unit) */
static int on_new(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Seen *seen = userdata;
        const char *path, *unit;
        uint32_t id;

        if (sd_bus_message_read(m, "uos", &id, &path, &unit) >= 0 && streq(unit, seen->unit) &&
                        seen->job == 0)
                seen->job = now_usec();
        return 0;
}

/* JobRemoved(u id, o job, s unit, s result) */
static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Seen *seen = userdata;
        const char *path, *unit, *result;
        uint32_t id;

        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0 || !streq(unit, seen->unit))
                return 0;
        if (!streq(result, "done"))
                return -EPROTO;
        seen->done = now_usec();
        return 0;
}

static int append(const char *log, const char *line) {
        _cleanup_close_ int fd = open(log, O_WRONLY | O_APPEND | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return dprintf(fd, "%s\n", line) < 0 ? -EIO : 0;
}

static int wait_for(sd_bus *bus, const Seen *seen, usec_t start) {
        while (!seen->done) {
                int r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                if (now_usec() - start > PATIENCE)
                        return -ETIME;
                r = sd_bus_wait(bus, USEC_PER_SEC);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int open_bus(Seen *seen, sd_bus **ret) {
        int r;

        r = sd_bus_open_system(ret);
        if (r >= 0)
                r = sd_bus_match_signal(*ret, NULL, SYSTEMD, "JobNew", on_new, seen);
        if (r >= 0)
                r = sd_bus_match_signal(*ret, NULL, SYSTEMD, "JobRemoved", on_removed, seen);
        if (r >= 0)
                r = sd_bus_call_method(*ret, SYSTEMD, "Subscribe", NULL, NULL, NULL);
        return r;
}

static int get_timestamp(
                sd_bus *bus, const char *unit, const char *interface, const char *property, usec_t *ret) {
        sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = sd_bus_call_method(bus, SYSTEMD, "GetUnit", NULL, &reply, "s", unit);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = sd_bus_get_property_trivial(
                                bus, "org.freedesktop.systemd1", path, interface, property, NULL, 't', ret);
        sd_bus_message_unref(reply);
        return r;
}

static int run(const char *log, const char *line, const char *service, const char *unit) {
        Seen seen = { .unit = unit };
        sd_bus *bus = NULL;
        usec_t start, killed = 0, forked = 0;
        int r;

        r = open_bus(&seen, &bus);
        if (r < 0)
                return r;
        start = now_usec();
        r = append(log, line);
        if (r >= 0)
                r = wait_for(bus, &seen, start);
        if (r >= 0)
                r = get_timestamp(bus, unit, "org.freedesktop.systemd1.Unit", "ActiveExitTimestampMonotonic",
                                &killed);
        if (r >= 0)
                r = get_timestamp(bus, service, "org.freedesktop.systemd1.Service",
                                "ExecMainStartTimestampMonotonic", &forked);
        sd_bus_flush_close_unref(bus);
        if (r < 0)
                return r;
        printf("%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", (int64_t) (forked - start),
                        (int64_t) (killed - start), (int64_t) (seen.job - start),
                        (int64_t) (seen.done - start));
        return 0;
}

int main(int argc, char *argv[]) {
        int r;

        if (argc != 5)
                return 2;
        r = run(argv[1], argv[2], argv[3], argv[4]);
        if (r < 0)
                fprintf(stderr, "kill-log-latency: %s\n", strerror(-r));
        return r < 0;
}
