/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <time.h>

#include "log.h"
#include "report.h"
#include "restart.h"

#define DEATH_POLLS     20
#define DEATH_POLL_NSEC 1000000
#define JOB_WAIT_MAX    (15 * 60 * USEC_PER_SEC) /* the time-outs of the unit end a job long before */
#define JOB_LOOK        (2 * USEC_PER_SEC)

static usec_t now_monotonic(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

typedef char UnitName[sizeof("qemu-vm@.service") + NAME_LENGTH_MAX];

static const char *unit_of(const char *vm, UnitName buf) {
        snprintf(buf, sizeof(UnitName), "qemu-vm@%s.service", vm);
        return buf;
}

static int get_unit(const Restarts *r, const char *vm, UnitState *ret) {
        UnitName unit;

        return bus_get_unit(r->bus, unit_of(vm, unit), ret);
}

static void restart_done(Restart *s) {
        free(s->job_path);
}

void restarts_done(Restarts *r) {
        for (size_t i = 0; i < r->n; i++)
                restart_done(r->list + i);
        free(r->list);
        restarts_new_look(r);
        r->bus = sd_bus_flush_close_unref(r->bus);
        r->list = NULL;
        r->n = 0;
}

bool restarts_has(const Restarts *r, const char *vm) {
        for (size_t i = 0; i < r->n; i++)
                if (streq(r->list[i].pending.vm, vm))
                        return true;
        return false;
}

/* ---- the end ---- */

/* The intention leaves the cursor. If that cannot be written, a successor finds the new invocation ID, and reports again. */
static void forget(Restarts *r, KillLog *log, const Pending *p) {
        int k;

        recovery_clean(r->bus, p);
        if (!cursor_drop_pending(kill_log_cursor(log), p->vm))
                return;
        k = kill_log_commit(log);
        if (k < 0) {
                log_error_errno(k, "Cannot save the state of kill log %s: %m", kill_log_path(log));
                r->failed = true;
        }
}

static void restart_reported(Restarts *r, const Restart *s, usec_t usec) {
        _cleanup_free_ char *box = recovery_black_box(r->bus, &s->pending);

        report_restarted(kill_log_path(s->log), &s->pending, usec, box);
}

/* Of a restart whose job was not ours: was it one? */
static void adopted_ended(Restarts *r, const Restart *s) {
        _cleanup_unit_state_ UnitState state = { 0 };
        UnitName unit;

        if (bus_get_unit(r->bus, unit_of(s->pending.vm, unit), &state) >= 0 && state.active == UNIT_ACTIVE &&
                        !sd_id128_equal(state.invocation, s->pending.invocation))
                restart_reported(r, s, USEC_INFINITY);
        else
                report_left_alone(kill_log_path(s->log), &s->pending, "it was stopped meanwhile");
}

static void restart_ended(Restarts *r, const Restart *s, const char *result) {
        const char *log = kill_log_path(s->log);
        _cleanup_free_ char *why = NULL;

        if (streq(result, "done") && !s->adopted)
                restart_reported(r, s, now_monotonic() - s->since);
        else if (streq(result, "done"))
                adopted_ended(r, s);
        else if (streq(result, "canceled"))
                report_left_alone(log, &s->pending, "another job for its unit took the place of the restart");
        else {
                if (asprintf(&why, "the job of systemd ended with \"%s\"; see systemctl status qemu-vm@%s",
                                    result, s->pending.vm) < 0)
                        why = NULL;
                report_failed(log, &s->pending, result, why ?: result);
        }
        forget(r, s->log, &s->pending);
}

static int recovery_ended(Restarts *r, const Restart *s, const char *result);

static void remove_from_list(Restarts *r, size_t index) {
        memmove(r->list + index, r->list + index + 1, (r->n - index - 1) * sizeof(Restart));
        r->n--;
}

static void job_ended(Restarts *r, size_t index, const char *result) {
        Restart s = r->list[index];

        remove_from_list(r, index);
        if (!s.recovering)
                restart_ended(r, &s, result);
        else if (recovery_ended(r, &s, result) < 0)
                r->failed = true; /* the intention stays in the cursor */
        restart_done(&s);
}

static void job_removed(const char *unit, const char *job_path, const char *result, void *userdata) {
        Restarts *r = userdata;
        UnitName name;

        for (size_t i = 0; i < r->n; i++) {
                Restart *s = r->list + i;

                if (streq(s->job_path, job_path)) {
                        job_ended(r, i, result);
                        return;
                }
                s->foreign |= s->recovering && streq(unit, unit_of(s->pending.vm, name));
        }
}

/* Is the job still there? News of its end may have been missed, as PID 1 sends none while it is off the bus. Only what is
 * missing twice has ended: until then the news may be on its way. */
static int look_at_job(Restarts *r, size_t index) {
        _cleanup_unit_state_ UnitState state = { 0 };
        Restart s = r->list[index];
        int k;

        r->list[index].looked = now_monotonic();
        k = s.recovering ? recovery_get_unit(r->bus, &s.pending, &state) : get_unit(r, s.pending.vm, &state);
        if (k < 0)
                return k;
        if (state.job_path && streq(state.job_path, s.job_path)) {
                r->list[index].missing = false;
                return 0;
        }
        if (!s.missing) {
                r->list[index].missing = true;
                return 0;
        }
        remove_from_list(r, index);
        k = restart_resume(r, s.log, &s.pending);
        restart_done(&s);
        return k;
}

int restarts_look(Restarts *r) {
        usec_t now = now_monotonic();
        int k;

        if (r->n > 0 && sd_bus_is_open(r->bus) <= 0)
                return log_notice("The connection to systemd is lost"), -ECONNRESET;
        for (size_t i = r->n; i > 0; i--) {
                Restart *s = r->list + i - 1;
                if (!s->recovering && now - s->since > JOB_WAIT_MAX)
                        job_ended(r, i - 1, "timeout");
                else if (now - MAX(s->looked, s->since) > JOB_LOOK) {
                        k = look_at_job(r, i - 1);
                        if (k < 0)
                                return log_error_errno(k, "Cannot ask systemd for a job: %m");
                }
        }
        return 0;
}

/* ---- the beginning ---- */

static int need_bus(Restarts *r) {
        int k;

        if (r->bus)
                return 0;
        k = bus_open(job_removed, r, &r->bus);
        if (k >= 0)
                k = sd_bus_attach_event(r->bus, r->event, SD_EVENT_PRIORITY_NORMAL);
        if (k < 0) {
                r->bus = sd_bus_flush_close_unref(r->bus);
                log_debug_errno(k, "Cannot reach systemd: %m");
                return -ENOTCONN; /* however it is not there; said by reaper_run(), once */
        }
        return 0;
}

void restarts_new_look(Restarts *r) {
        r->loaded = strv_free(r->loaded);
        r->loaded_known = false;
}

/* One list for all names of a look: PID 1 would go through the file system for each that does not exist. */
int restart_is_vm(Restarts *r, const char *vm) {
        UnitName unit;
        int k;

        k = need_bus(r);
        if (k < 0)
                return k;
        if (!r->loaded_known) {
                k = bus_list_units(r->bus, "qemu-vm@*.service", &r->loaded);
                if (k < 0)
                        return log_error_errno(k, "Cannot ask systemd for the VMs: %m");
                r->loaded_known = true;
        }
        return strv_contains(r->loaded, unit_of(vm, unit));
}

/* Why the unit is not to be restarted; NULL: it is. */
static const char *why_not(const Restarts *r, const UnitState *s, char **buf) {
        if (s->auto_restart)
                return "systemd is about to restart it anyway";
        if (s->job != 0)
                return "systemd is already working on its unit";
        if (s->active != UNIT_ACTIVE && s->active != UNIT_RELOADING) {
                if (asprintf(buf, "its unit is %s, not active", active_state_to_string(s->active)) < 0)
                        *buf = NULL;
                return *buf ?: "its unit is not active";
        }
        if (r->hold_off > 0 && now_monotonic() - s->started < r->hold_off) {
                if (asprintf(buf, "it was started only %.1f s ago",
                                    (double) (now_monotonic() - s->started) / (double) USEC_PER_SEC) < 0)
                        *buf = NULL;
                return *buf ?: "it was started only just now";
        }
        return NULL;
}

static void describe(const Target *t, const KillLogLine *line, Pending *ret) {
        *ret = (Pending){ 0 };
        strcpy(ret->vm, t->vm);
        strcpy(ret->line, line->text);
        ret->has_rung = line->has_rung;
        ret->rung = line->rung;
        strcpy(ret->tap, t->tap);
        strcpy(ret->bridge, t->bridge);
        if (t->ip.family != AF_UNSPEC)
                format_ip(&t->ip, ret->ip);
        if (t->has_mac)
                format_mac(&t->mac, ret->mac);
}

/* 1, 0 as restart_decide() */
static int plan(Restarts *r, const char *log, const UnitState *state, Pending *p) {
        int k;

        k = recovery_plan(r->bus, state, r->hold_off, now_monotonic(), p);
        if (k < 0 && bus_is_gone(k))
                return log_error_errno(k, "Cannot ask systemd how to recover VM %s: %m", p->vm);
        if (k < 0) {
                log_warning_errno(k, "Cannot ask systemd how to recover VM %s, restarting it: %m", p->vm);
                p->step = STEP_RESTART;
        }
        if (k > 0) {
                report_left_alone(log, p, "it was recovered only just now");
                return 0;
        }
        if (p->has_rung && p->rung != RUNG_RESTART && p->step != STEP_LADDER)
                log_notice("VM %s has no Recover=, so it is restarted where \"%s\" was asked for", p->vm,
                                rung_to_string(p->rung));
        return 1;
}

int restart_decide(Restarts *r, Resolver *resolver, const char *log, const KillLogLine *line,
                const Target *target, Pending *ret) {
        _cleanup_unit_state_ UnitState state = { 0 };
        _cleanup_free_ char *buf = NULL;
        const char *why;
        UnitName unit;
        Pending p;
        int k;

        describe(target, line, &p);
        k = need_bus(r);
        if (k < 0)
                return k;
        k = bus_get_unit(r->bus, unit_of(target->vm, unit), &state);
        if (k < 0 && bus_is_gone(k))
                return log_error_errno(k, "Cannot ask systemd for %s: %m", unit);
        if (k < 0) {
                report_failed(log, &p, NULL, strerror(-k));
                return 0;
        }
        if (!state.exists) {
                report_unknown(log, line->text, "its tap is there, but systemd knows no unit of the VM", false);
                return 0;
        }
        why = why_not(r, &state, &buf);
        if (why) {
                report_left_alone(log, &p, why);
                return 0;
        }
        k = resolve_check_claim(resolver, target, &buf);
        if (k < 0) {
                report_unknown(log, line->text, buf ?: strerror(-k), true);
                return 0;
        }
        p.invocation = state.invocation;
        k = plan(r, log, &state, &p);
        if (k > 0)
                *ret = p;
        return k;
}

/* 0 also when there was nothing. */
static int forget_on(Restarts *r, int ifindex, const Pending *p) {
        _cleanup_free_ Neighbour *list = NULL;
        struct ether_addr mac;
        size_t n = 0;
        IPAddress ip;
        int k = 0;

        if (parse_ip(p->ip, &ip) >= 0)
                k = neighbour_delete(r->rtnl, ifindex, &ip);
        else if (parse_mac(p->mac, &mac) >= 0)
                k = neighbour_list(r->rtnl, AF_UNSPEC, ifindex, &mac, &list, &n);
        for (size_t i = 0; i < n; i++)
                if (!(list[i].state & NUD_PERMANENT))
                        (void) neighbour_delete(r->rtnl, ifindex, &list[i].ip);
        return k == -ENOENT || k == -ENODEV ? 0 : k;
}

/* The guest's address is forgotten, so that what comes up now is looked for anew. A static Address= is
 * entered again by the unit, a lease when the guest asks for it. */
static void forget_address(Restarts *r, const Pending *p) {
        _cleanup_free_ Link *vlans = NULL;
        size_t n = 0;
        Link device;
        int k;

        k = link_get_by_name(r->rtnl, p->bridge[0] ? p->bridge : p->tap, &device);
        if (k >= 0)
                k = forget_on(r, device.ifindex, p);
        if (k >= 0)
                k = link_list(r->rtnl, &(LinkFilter){ .kind = "vlan" }, &vlans, &n);
        for (size_t i = 0; i < n && k >= 0; i++)
                if (vlans[i].lower == device.ifindex)
                        k = forget_on(r, vlans[i].ifindex, p);
        if (k < 0 && k != -ENODEV)
                log_warning_errno(k, "Cannot delete the neighbour entry of VM %s, ignoring: %m", p->vm);
}

typedef enum Job { JOB_RESTART, JOB_ADOPTED, JOB_RECOVERY } Job;

/* Adds what waits for job_path (taken over); also frees it on failure. */
static int add_restart(
                Restarts *r, KillLog *log, const Pending *p, char *job_path, Job job, usec_t since) {
        Restart *list = reallocarray(r->list, r->n + 1, sizeof(Restart));

        if (!list) {
                free(job_path);
                return log_oom();
        }
        r->list = list;
        list[r->n++] = (Restart){
                .pending = *p,
                .log = log,
                .job_path = job_path,
                .recovering = job == JOB_RECOVERY,
                .adopted = job == JOB_ADOPTED,
                .since = since,
        };
        return 0;
}

int restart_kill(Restarts *r, const Pending *p) {
        UnitName unit;
        int k;

        unit_of(p->vm, unit);
        /* "systemctl freeze" would outlive the processes in the eyes of systemd, and hang the next stop; it can only be
         * undone while the unit is active */
        (void) bus_thaw_unit(r->bus, unit);
        k = bus_kill_unit(r->bus, unit);
        if (k < 0 && bus_is_gone(k))
                return log_error_errno(k, "Cannot ask systemd to kill %s: %m", unit);
        if (k < 0)
                log_warning_errno(k, "Cannot kill %s, restarting it the gentle way: %m", unit);
        return 0;
}

/* Until PID 1 knows of the death; not for long, as a large guest takes its time. A restart that is asked for in the very
 * moment of that news would be put off by RestartSec= (service_start() of systemd returns EAGAIN then). */
static void wait_for_death(Restarts *r, const char *unit) {
        for (int i = 0; i < DEATH_POLLS; i++) {
                _cleanup_unit_state_ UnitState s = { 0 };
                if (bus_get_unit(r->bus, unit, &s) < 0 ||
                                (s.active != UNIT_ACTIVE && s.active != UNIT_RELOADING))
                        return;
                nanosleep(&(struct timespec){ .tv_nsec = DEATH_POLL_NSEC }, NULL);
        }
}

/* QEMU is dead, or dying. */
static int begin_restart(Restarts *r, KillLog *log, const Pending *p, usec_t since) {
        char *job_path = NULL;
        UnitName unit;
        int k;

        wait_for_death(r, unit_of(p->vm, unit));
        if (p->tap[0])
                forget_address(r, p);
        k = bus_restart_unit(r->bus, unit, &job_path);
        if (k < 0 && bus_is_gone(k))
                return log_error_errno(k, "Cannot ask systemd to restart %s: %m", unit);
        if (k < 0) {
                report_failed(kill_log_path(log), p, NULL, strerror(-k));
                r->failed = true;
                forget(r, log, p);
                return 0;
        }
        return add_restart(r, log, p, job_path, JOB_RESTART, since);
}

static int kill_and_restart(Restarts *r, KillLog *log, const Pending *p, usec_t since) {
        int k = restart_kill(r, p);

        return k < 0 ? k : begin_restart(r, log, p, since);
}

static int begin_recovery(Restarts *r, KillLog *log, const Pending *p) {
        usec_t since = now_monotonic();
        char *job_path = NULL;
        int k;

        k = recovery_start(r->bus, p, &job_path);
        if (k >= 0)
                return add_restart(r, log, p, job_path, JOB_RECOVERY, since);
        log_error_errno(k, "Cannot begin the recovery of VM %s%s: %m", p->vm,
                        bus_is_gone(k) ? "" : ", restarting it");
        return bus_is_gone(k) ? k : kill_and_restart(r, log, p, since);
}

int restart_begin(Restarts *r, KillLog *log, const Pending *p) {
        return p->step == STEP_RESTART ? begin_restart(r, log, p, now_monotonic()) : begin_recovery(r, log, p);
}

/* ---- after a recovery, or a predecessor ---- */

/* QEMU lives, or systemd does not know yet of its death. */
static int go_on(Restarts *r, KillLog *log, const Pending *p, RecoveryEnd end, bool alive, usec_t since) {
        _cleanup_free_ char *box = NULL;

        switch (end) {
        case RECOVERY_RESTART:
                return alive ? kill_and_restart(r, log, p, since) : begin_restart(r, log, p, since);
        case RECOVERY_START: /* no kill: that would hit what cleans up after QEMU */
                return begin_restart(r, log, p, since);
        case RECOVERY_NOT_BEGUN:
                return alive ? begin_recovery(r, log, p) : begin_restart(r, log, p, since);
        case RECOVERY_DONE:
                if (!alive) /* it crashed just after */
                        return begin_restart(r, log, p, since);
                box = recovery_black_box(r->bus, p);
                report_recovered(kill_log_path(log), p, now_monotonic() - since, box);
                break;
        default:
                report_failed(kill_log_path(log), p, NULL,
                                "nothing of what Recover= lists has helped, and it does not end with restart");
        }
        forget(r, log, p);
        return 0;
}

/* Somebody has stopped it since the report; after a kill, too, of which the stop makes a failed unit. */
static bool stopped_meanwhile(const UnitState *s, RecoveryEnd end, bool foreign) {
        return (s->active == UNIT_INACTIVE && (end != RECOVERY_START || foreign)) ||
               (s->active == UNIT_FAILED && foreign);
}

/* Does what is left to do, by what the VM's unit has come to. foreign: somebody else has had a job for it. */
static int finish(Restarts *r, KillLog *log, const Pending *p, RecoveryEnd end, bool foreign, usec_t since) {
        Restart s = { .pending = *p, .log = log };
        _cleanup_unit_state_ UnitState state = { 0 };
        UnitName unit;
        bool same;
        int k;

        k = bus_get_unit(r->bus, unit_of(p->vm, unit), &state);
        if (k < 0)
                return log_error_errno(k, "Cannot ask systemd for %s: %m", unit);
        if (state.job != 0)
                return add_restart(r, log, p, TAKE_PTR(state.job_path), JOB_ADOPTED, now_monotonic());
        same = sd_id128_equal(state.invocation, p->invocation) || sd_id128_is_null(state.invocation);
        if (!state.exists || (same && stopped_meanwhile(&state, end, foreign)))
                report_left_alone(kill_log_path(log), p, "it was stopped meanwhile");
        else if (same)
                return go_on(r, log, p, end, state.active == UNIT_ACTIVE || state.active == UNIT_RELOADING, since);
        else if (state.active == UNIT_FAILED)
                report_failed(kill_log_path(log), p, NULL, "it did not come up again");
        else
                restart_reported(r, &s, USEC_INFINITY);
        forget(r, log, p);
        return 0;
}

static int recovery_ended(Restarts *r, const Restart *s, const char *result) {
        if (streq(result, "canceled")) {
                report_left_alone(kill_log_path(s->log), &s->pending, "its recovery was stopped");
                forget(r, s->log, &s->pending);
                return 0;
        }
        return finish(r, s->log, &s->pending, recovery_end(r->bus, &s->pending, result), s->foreign, s->since);
}

int restart_resume(Restarts *r, KillLog *log, const Pending *p) {
        RecoveryEnd end = RECOVERY_RESTART;
        char *job_path = NULL;
        int k;

        k = need_bus(r);
        if (k < 0)
                return k;
        if (p->step != STEP_RESTART) {
                k = recovery_look(r->bus, p, &end, &job_path);
                if (k < 0)
                        return log_error_errno(k, "Cannot ask systemd for the recovery of VM %s: %m", p->vm);
        }
        if (end == RECOVERY_UNDER_WAY)
                return add_restart(r, log, p, job_path, JOB_RECOVERY, now_monotonic());
        return finish(r, log, p, end, false, now_monotonic());
}
