/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "log.h"
#include "tell.h"
#include "watch.h"

#define TIMER_ACCURACY (5 * USEC_PER_MSEC)
#define NSEC_PER_SEC   INT64_C(1000000000)

static int next_ones(Watch *w);

static usec_t now_of(clockid_t clock) {
        struct timespec t;

        clock_gettime(clock, &t);
        return (usec_t) t.tv_sec * USEC_PER_SEC + (usec_t) t.tv_nsec / 1000;
}

usec_t now_monotonic(void) {
        return now_of(CLOCK_MONOTONIC);
}

/* ---- does it run? ---- */

/* Nanoseconds of the start; 0: it does not run */
static int64_t started_at(const Check *c) {
        char path[PATH_MAX];
        struct stat st;

        if (snprintf(path, sizeof(path), "%s/%s/qnet.qmp", c->watch->run_dir, c->target->name) >=
                                        (int) sizeof(path) ||
                        lstat(path, &st) < 0)
                return 0;
        return MAX((int64_t) st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec, INT64_C(1));
}

/* Long enough to be expected to answer. A start that lies in the future is of before the clock was set back; one that
 * seems to be long ago may be of before it was set forward: tell_is_active() looks again, by systemd's monotonic clock. */
static bool is_grown_up(const Check *c, int64_t started) {
        usec_t since = (usec_t) started / 1000, now = now_of(CLOCK_REALTIME);

        return c->watch->once || since > now || now - since >= c->target->start;
}

/* ---- states ---- */

static void to_idle(Check *c) {
        if (c->state != CHECK_IDLE)
                c->watch->n_busy--;
        c->state = CHECK_IDLE;
        c->attempt = c->failures = c->since_report = 0;
        c->reported = false;
        c->ill_since = c->reported_at = 0;
        c->started = 0;
        if (c->timer)
                (void) sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
}

static void to_queue(Check *c) {
        Watch *w = c->watch;

        assert(c->state == CHECK_IDLE || c->state == CHECK_WAITING);
        if (c->state == CHECK_IDLE)
                w->n_busy++;
        c->state = CHECK_QUEUED;
        c->next = NULL;
        if (w->last)
                w->last->next = c;
        else
                w->first = c;
        w->last = c;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata);

static int set_timer(Check *c, usec_t when) {
        int r;

        if (!c->timer)
                return sd_event_add_time(c->watch->event, &c->timer, CLOCK_MONOTONIC, when, TIMER_ACCURACY, on_timer,
                                c);
        r = sd_event_source_set_time(c->timer, when);
        return r < 0 ? r : sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static void to_waiting(Check *c) {
        usec_t next = c->asked + c->target->interval;

        c->state = CHECK_WAITING;
        if (set_timer(c, MAX(next, now_monotonic() + USEC_PER_MSEC)) < 0) {
                log_oom();
                to_idle(c);
        }
}

static void close_own(Check *c) {
        c->io = sd_event_source_disable_unref(c->io);
        c->fd = safe_close(c->fd);
}

static void no_longer_asked(Check *c) {
        Watch *w = c->watch;

        assert(c->state == CHECK_ASKED);
        close_own(c);
        for (size_t i = 0; i < w->n_asked; i++)
                if (w->asked[i] == c) {
                        w->asked[i] = w->asked[--w->n_asked];
                        break;
                }
}

/* ---- outcomes ---- */

void check_heard(Check *c) {
        usec_t now = now_monotonic();

        c->took = now - c->asked;
        c->heard = true;
        no_longer_asked(c);
        if (c->ill_since > 0)
                tell_healthy(c, now - c->ill_since);
        else if (c->failures > 0)
                log_info("VM %s answers again, after %u failed %s", c->target->name, c->failures,
                                c->failures == 1 ? "probe" : "probes");
        to_idle(c);
        if (next_ones(c->watch) < 0)
                (void) sd_event_exit(c->watch->event, -EIO);
}

/* As often as is allowed: the reaper shall know. */
static void report(Check *c) {
        if (!tell_is_active(c)) {
                log_debug("VM %s is being started or stopped, and may be silent", c->target->name);
                to_idle(c);
                return;
        }
        c->reported = true;
        c->since_report = 0;
        c->reported_at = now_monotonic();
        if (c->ill_since == 0)
                c->ill_since = c->reported_at;
        if (tell_unhealthy(c) < 0)
                c->watch->failed = true;
}

/* Nothing has come of it: the reaper may have left it alone, or it was reset and hangs again. */
static bool is_overdue(Check *c) {
        return ++c->since_report >= c->target->failures && c->target->action != ACTION_NOTIFY &&
               now_monotonic() - c->reported_at >= c->target->start;
}

static void failed(Check *c) {
        c->failures++;
        if (c->watch->once) {
                c->silent = true;
                to_idle(c);
                return;
        }
        if (!c->reported) {
                log_info("VM %s: %s (%u of %u)", c->target->name, c->why, c->failures, c->target->failures);
                if (c->failures >= c->target->failures)
                        report(c);
        } else if (is_overdue(c))
                report(c);
        if (c->state == CHECK_IDLE)
                return;
        if (c->reported && now_monotonic() - c->reported_at >= WATCH_MAX)
                to_idle(c);
        else
                to_waiting(c);
}

void check_lost(Check *c) {
        no_longer_asked(c);
        failed(c);
        if (next_ones(c->watch) < 0)
                (void) sd_event_exit(c->watch->event, -EIO);
}

/* ---- asking ---- */

static int ask(Check *c) {
        switch (c->target->probe) {
        case PROBE_ARP:
                return arp_ask(c);
        case PROBE_PING:
                return ping_ask(c);
        case PROBE_TCP:
                return tcp_ask(c);
        case PROBE_AGENT:
        case PROBE_HEARTBEAT:
                return socket_ask(c);
        case _PROBE_MAX:
                break;
        }
        return -EINVAL;
}

/* What is awaited comes at any time within: a guest that beats has the whole interval. */
static usec_t patience(const Check *c) {
        return c->target->probe == PROBE_HEARTBEAT && !c->watch->once ? c->target->interval : c->target->timeout;
}

static void unable(Check *c, int error) {
        if (!*c->why)
                snprintf(c->why, sizeof(c->why), "%s", strerror(-error));
        if (!c->watch->once)
                tell_unable(c);
        to_idle(c);
}

static void begin(Check *c) {
        Watch *w = c->watch;
        int r;

        c->state = CHECK_ASKED;
        c->attempt++;
        c->asked = now_monotonic();
        c->why[0] = '\0';
        w->asked[w->n_asked++] = c;
        r = ask(c);
        if (r > 0)
                r = set_timer(c, c->asked + patience(c)) < 0 ? -ENOMEM : 1;
        if (r > 0)
                return;
        no_longer_asked(c);
        if (r < 0)
                unable(c, r);
        else
                failed(c);
}

static bool forgets(Check *c, int64_t started) {
        if (c->started != 0 && started != c->started) { /* another life, with failures of its own */
                c->failures = 0;
                c->reported = false;
        }
        c->started = started;
        return c->ill_since == 0 || now_monotonic() - c->reported_at >= WATCH_MAX;
}

/* Its turn: one that has stopped, or has just started, is left alone; but of one that was reported it is awaited that
 * it comes back. */
static void turn(Check *c) {
        int64_t started = started_at(c);

        if (started > 0 && is_grown_up(c, started)) {
                (void) forgets(c, started);
                begin(c);
        } else if (forgets(c, started)) {
                snprintf(c->why, sizeof(c->why), "it does not run");
                to_idle(c);
        } else {
                c->asked = now_monotonic();
                to_waiting(c);
        }
}

static int next_ones(Watch *w) {
        while (w->first && w->n_asked < IN_FLIGHT_MAX) {
                Check *c = w->first;

                w->first = c->next;
                if (!w->first)
                        w->last = NULL;
                turn(c);
        }
        return w->n_busy == 0 ? sd_event_exit(w->event, 0) : 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Check *c = userdata;

        if (c->state == CHECK_ASKED) {
                if (!*c->why)
                        snprintf(c->why, sizeof(c->why), "no answer within %.3g s",
                                        (double) patience(c) / (double) USEC_PER_SEC);
                check_lost(c);
        } else if (c->state == CHECK_WAITING) {
                to_queue(c);
                return next_ones(c->watch);
        }
        return 0;
}

/* ---- due ---- */

/* t is a tick's: whether a multiple of the interval lies between it and the tick before */
static bool is_due(const Watch *w, const Target *t, usec_t at) {
        return w->once || at / t->interval != (at - w->tick) / t->interval;
}

static void queue_due(Watch *w, usec_t at) {
        for (size_t i = 0; i < w->n; i++) {
                Check *c = w->checks + i;
                int64_t started;

                if (c->state != CHECK_IDLE || !is_due(w, c->target, at))
                        continue;
                started = started_at(c);
                c->stopped = started == 0;
                if (started > 0 && is_grown_up(c, started))
                        to_queue(c);
        }
}

/* To the next tick. By the monotonic clock: set back by an hour, the other would let nobody be asked for that long. */
static usec_t next_tick(const Watch *w) {
        return now_monotonic() + w->tick - now_of(CLOCK_REALTIME) % w->tick;
}

/* While some are asked again, the ticks are this process's to keep: the timer does not start a second one. */
static int on_tick(sd_event_source *s, uint64_t usec, void *userdata) {
        Watch *w = userdata;
        int r;

        queue_due(w, (now_of(CLOCK_REALTIME) + w->tick / 2) / w->tick * w->tick);
        /* the clocks differ by a little: not the same tick once more */
        r = sd_event_source_set_time(s, MAX(next_tick(w), usec + w->tick / 2));
        if (r >= 0)
                r = sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return r < 0 ? r : next_ones(w);
}

int watch_run(Watch *w) {
        _cleanup_(sd_event_source_disable_unrefp) sd_event_source *tick = NULL;
        int r;

        queue_due(w, now_of(CLOCK_REALTIME) / w->tick * w->tick);
        if (w->n_busy == 0)
                return 0;
        if (!w->once) {
                r = sd_event_add_time(w->event, &tick, CLOCK_MONOTONIC, next_tick(w), TIMER_ACCURACY, on_tick, w);
                if (r < 0)
                        return r;
        }
        r = next_ones(w);
        return r < 0 ? r : sd_event_loop(w->event);
}

/* ---- the whole ---- */

int check_own_fd(Check *c, int fd, uint32_t events, sd_event_io_handler_t f) {
        int r;

        close_own(c);
        c->fd = fd;
        r = sd_event_add_io(c->watch->event, &c->io, fd, events, f, c);
        return r < 0 ? r : sd_event_source_set_priority(c->io, SD_EVENT_PRIORITY_IMPORTANT);
}

int watch_shared_fd(Watch *w, int fd, sd_event_io_handler_t f, int *fd_member, sd_event_source **source) {
        int r;

        *fd_member = fd;
        r = sd_event_add_io(w->event, source, fd, EPOLLIN, f, w);
        /* before time-outs: after a stop of the whole machine, both are there at once */
        return r < 0 ? r : sd_event_source_set_priority(*source, SD_EVENT_PRIORITY_IMPORTANT);
}

int watch_new(const Target *targets, size_t n, Watch **ret) {
        _cleanup_watch_ Watch *w = calloc(1, sizeof(Watch));
        int r;

        if (!w)
                return -ENOMEM;
        w->arp = w->icmp = w->icmp6 = -1;
        w->tick = USEC_PER_SEC;
        w->checks = calloc(n + 1, sizeof(Check));
        if (!w->checks)
                return -ENOMEM;
        w->n = n;
        for (size_t i = 0; i < n; i++)
                w->checks[i] = (Check){ .target = targets + i, .watch = w, .fd = -1 };
        if (getrandom(&w->cookie, sizeof(w->cookie), 0) != sizeof(w->cookie))
                return -errno;
        r = sd_event_new(&w->event);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

Watch *watch_free(Watch *w) {
        if (!w)
                return NULL;
        for (size_t i = 0; i < w->n; i++) {
                close_own(w->checks + i);
                sd_event_source_disable_unref(w->checks[i].timer);
        }
        free(w->checks);
        sd_event_source_disable_unref(w->arp_io);
        sd_event_source_disable_unref(w->icmp_io);
        sd_event_source_disable_unref(w->icmp6_io);
        safe_close(w->arp);
        safe_close(w->icmp);
        safe_close(w->icmp6);
        free(w->devices);
        free(w->neighbours);
        rtnl_free(w->rtnl);
        sd_bus_flush_close_unref(w->bus);
        sd_event_unref(w->event);
        free(w);
        return NULL;
}
