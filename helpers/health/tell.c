/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "bus.h"
#include "log.h"
#include "tell.h"

#define TOLD_MAX  20U /* of what comes with every probe of a host that lacks something */
#define LINE_SIZE (NAME_LENGTH_MAX + sizeof(" powerdown\n"))

static void say(int level, const char *message_id, const Check *c, const char *text) {
        const char *name = c->target->name;
        char id[64], vm[NAME_LENGTH_MAX + 16], unit[NAME_LENGTH_MAX + 32], object[NAME_LENGTH_MAX + 64],
                        probe[32], action[32];
        const char *fields[] = { id, vm, unit, object, probe, action, NULL };

        snprintf(id, sizeof(id), "MESSAGE_ID=%s", message_id);
        snprintf(vm, sizeof(vm), "QNET_VM=%s", name);
        snprintf(unit, sizeof(unit), "UNIT=qemu-vm@%s.service", name);
        snprintf(object, sizeof(object), "OBJECT_SYSTEMD_UNIT=qemu-vm@%s.service", name);
        snprintf(probe, sizeof(probe), "QNET_PROBE=%s", probe_to_string(c->target->probe));
        snprintf(action, sizeof(action), "QNET_ACTION=%s", action_to_string(c->target->action));
        log_fields(level, text, fields);
}

bool tell_is_active(Check *c) {
        _cleanup_unit_state_ UnitState state = { 0 };
        char unit[sizeof("qemu-vm@.service") + NAME_LENGTH_MAX];
        int r = 0;

        if (!c->watch->bus)
                r = sd_bus_open_system(&c->watch->bus);
        snprintf(unit, sizeof(unit), "qemu-vm@%s.service", c->target->name);
        if (r >= 0)
                r = bus_get_unit(c->watch->bus, unit, &state);
        if (r < 0) { /* the reaper, whom PID 1 answers in any case, looks again */
                log_debug_errno(r, "Cannot ask systemd for the state of %s, going on: %m", unit);
                c->watch->bus = sd_bus_flush_close_unref(c->watch->bus);
                return true;
        }
        return state.exists && (state.active == UNIT_ACTIVE || state.active == UNIT_RELOADING) &&
               now_monotonic() - state.began >= c->target->start;
}

/* One write(2) to the end, as by any other client. */
static int append(const char *path, const char *line) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        size_t n = strlen(line);
        struct stat st;
        ssize_t k;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EBADFD;
        k = write(fd, line, n);
        return k < 0 ? -errno : (size_t) k < n ? -ENOSPC : 0;
}

int tell_unhealthy(const Check *c) {
        const Target *t = c->target;
        char line[LINE_SIZE], text[512];
        int r;

        snprintf(text, sizeof(text), "VM %s is ill: %s, %u %s in a row%s", t->name, c->why, c->failures,
                        c->failures == 1 ? "time" : "times",
                        t->action == ACTION_NOTIFY ? "; nothing is done, as Action=notify says" : "");
        say(LOG_WARNING, MESSAGE_VM_UNHEALTHY_STR, c, text);
        if (t->action == ACTION_NOTIFY)
                return 0;
        if (t->action == ACTION_RECOVER)
                snprintf(line, sizeof(line), "%s\n", t->name);
        else
                snprintf(line, sizeof(line), "%s %s\n", t->name, action_to_string(t->action));
        r = append(c->watch->kill_log, line);
        if (r < 0)
                log_error_errno(r, "Cannot report VM %s in %s: %m", t->name, c->watch->kill_log);
        return r;
}

void tell_healthy(const Check *c, usec_t ill) {
        char text[256];

        snprintf(text, sizeof(text), "VM %s is well again after %.1f s: it answers %s", c->target->name,
                        (double) ill / (double) USEC_PER_SEC, probe_to_string(c->target->probe));
        say(LOG_NOTICE, MESSAGE_VM_HEALTHY_STR, c, text);
}

void tell_unable(const Check *c) {
        static unsigned told;
        char text[512];

        if (told++ >= TOLD_MAX)
                return;
        snprintf(text, sizeof(text), "Cannot probe VM %s: %s", c->target->name, c->why);
        say(LOG_WARNING, MESSAGE_VM_NOT_PROBED_STR, c, text);
}
