/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "log.h"
#include "recovery.h"

#define RUNG_DIRECTORY "/run/qnet/recover" /* the generated units name it, too */
#define BOX_DIRECTORY  "/var/lib/qnet/vm/"

typedef char RecoveryUnit[sizeof("qnet-blackbox@.service") + NAME_LENGTH_MAX];

static const char *unit_of(const char *vm, Step step, RecoveryUnit buf) {
        snprintf(buf, sizeof(RecoveryUnit), "qnet-%s@%s.service", step == STEP_LADDER ? "recover" : "blackbox", vm);
        return buf;
}

/* ---- the rung that was asked for ---- */

static const char *rung_path(const char *vm, char buf[static sizeof(RUNG_DIRECTORY) + 1 + NAME_LENGTH_MAX]) {
        sprintf(buf, RUNG_DIRECTORY "/%s", vm);
        return buf;
}

/* systemd.exec(5), EnvironmentFile=; also takes away what a report before this one has left */
static int write_rung(const Pending *p) {
        char path[sizeof(RUNG_DIRECTORY) + 1 + NAME_LENGTH_MAX];
        _cleanup_close_ int fd = -1;

        rung_path(p->vm, path);
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        if (!p->has_rung)
                return 0;
        if (mkdir(RUNG_DIRECTORY, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || dprintf(fd, "QNET_RECOVER=%s\n", rung_to_string(p->rung)) < 0)
                return -errno;
        return 0;
}

/* ---- beginning ---- */

int recovery_plan(sd_bus *bus, const UnitState *vm, usec_t hold_off, usec_t now, Pending *p) {
        _cleanup_unit_state_ UnitState s = { 0 };
        RecoveryUnit unit;
        int r;

        p->step = STEP_RESTART;
        if (vm->before_ladder && !(p->has_rung && p->rung == RUNG_RESTART))
                p->step = STEP_LADDER;
        else if (vm->before_black_box)
                p->step = STEP_BLACK_BOX;
        if (p->step == STEP_RESTART)
                return 0;
        r = bus_get_unit(bus, unit_of(p->vm, p->step, unit), &s);
        if (r < 0)
                return r;
        if (!s.exists) { /* not of this configuration */
                p->step = STEP_RESTART;
                return 0;
        }
        p->before = s.invocation;
        return p->step == STEP_LADDER && s.ended > 0 && now - s.ended < hold_off;
}

int recovery_start(sd_bus *bus, const Pending *p, char **ret_job_path) {
        RecoveryUnit unit;
        int r;

        r = p->step == STEP_LADDER ? write_rung(p) : 0;
        return r < 0 ? r : bus_start_unit(bus, unit_of(p->vm, p->step, unit), ret_job_path);
}

/* ---- ending ---- */

static RecoveryEnd judge(sd_bus *bus, const Pending *p, const char *unit) {
        int status;

        if (p->step == STEP_BLACK_BOX || bus_get_exit_status(bus, unit, &status) < 0)
                return RECOVERY_RESTART;
        return status == EXIT_RECOVERED    ? RECOVERY_DONE
               : status == EXIT_QEMU_ENDED ? RECOVERY_START
               : status == EXIT_GIVEN_UP   ? RECOVERY_GIVEN_UP
                                           : RECOVERY_RESTART;
}

int recovery_get_unit(sd_bus *bus, const Pending *p, UnitState *ret) {
        RecoveryUnit unit;

        return bus_get_unit(bus, unit_of(p->vm, p->step, unit), ret);
}

RecoveryEnd recovery_end(sd_bus *bus, const Pending *p, const char *job_result) {
        RecoveryUnit unit;

        /* others mean that it has not run, and the exit status is one of long ago */
        if (!streq(job_result, "done") && !streq(job_result, "failed"))
                return RECOVERY_RESTART;
        return judge(bus, p, unit_of(p->vm, p->step, unit));
}

int recovery_look(sd_bus *bus, const Pending *p, RecoveryEnd *ret, char **ret_job_path) {
        _cleanup_unit_state_ UnitState s = { 0 };
        RecoveryUnit unit;
        int r;

        r = recovery_get_unit(bus, p, &s);
        if (r < 0)
                return r;
        if (s.job != 0) {
                *ret_job_path = TAKE_PTR(s.job_path);
                *ret = RECOVERY_UNDER_WAY;
        } else if (sd_id128_equal(s.invocation, p->before))
                *ret = s.exists ? RECOVERY_NOT_BEGUN : RECOVERY_RESTART;
        else
                *ret = judge(bus, p, unit_of(p->vm, p->step, unit));
        return 0;
}

/* The text comes from a process of the VM's own user: only a path where boxes are is believed. */
char *recovery_black_box(sd_bus *bus, const Pending *p) {
        _cleanup_free_ char *text = NULL;
        char prefix[sizeof(BOX_DIRECTORY) + NAME_LENGTH_MAX + sizeof("/blackbox/")];
        const char *path, *name;
        RecoveryUnit unit;

        if (p->step == STEP_RESTART ||
                        bus_get_status_text(bus, unit_of(p->vm, STEP_BLACK_BOX, unit), &text) < 0)
                return NULL;
        sprintf(prefix, BOX_DIRECTORY "%s/blackbox/", p->vm);
        path = startswith(text, "Saved ");
        name = path ? startswith(path, prefix) : NULL;
        if (isempty(name) || strspn(name, "0123456789TZ.") != strlen(name))
                return NULL;
        return strdup(path);
}

void recovery_clean(sd_bus *bus, const Pending *p) {
        char path[sizeof(RUNG_DIRECTORY) + 1 + NAME_LENGTH_MAX];
        RecoveryUnit unit;

        if (p->step == STEP_RESTART)
                return;
        if (p->has_rung && unlink(rung_path(p->vm, path)) < 0 && errno != ENOENT)
                log_warning_errno(errno, "Cannot delete %s, ignoring: %m", path);
        /* a failed unit says nothing that the journal does not */
        (void) bus_reset_failed_unit(bus, unit_of(p->vm, STEP_LADDER, unit));
        (void) bus_reset_failed_unit(bus, unit_of(p->vm, STEP_BLACK_BOX, unit));
}
