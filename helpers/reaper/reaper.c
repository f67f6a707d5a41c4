/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "reaper.h"
#include "report.h"
#include "restart.h"

#define WAIT_TICK (200 * USEC_PER_MSEC) /* while jobs are waited for; news of logs and jobs come at once */
#define AGAIN     50000000 /* nanoseconds between attempts while PID 1 cannot be reached */
#define AGAIN_N   600
#define SEEN_SIZE 8192U                 /* a power of two, at least twice the lines of a look */

typedef struct Watched {
        struct Reaper *reaper;
        KillLog *log;
        sd_event_source *source; /* of its directory */
        const char *name;        /* in that */
        int error;               /* that was reported last */
} Watched;

typedef struct Reaper {
        const ReaperOptions *options;
        Watched *logs;
        size_t n_logs;
        Restarts restarts;
        sd_event *event;
        sd_event_source *timer, *again;
        bool failed;
} Reaper;

/* ---- the lines of one look ---- */

/* Has this line been in this look already? By open addressing; news->lines stay where they are. */
static bool seen_before(const KillLogNews *news, uint16_t *table, size_t index) {
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

        for (const char *p = news->lines[index].text; *p; p++)
                h = (h ^ (unsigned char) *p) * UINT64_C(0x100000001b3);
        for (size_t i = (size_t) h & (SEEN_SIZE - 1);; i = (i + 1) & (SEEN_SIZE - 1)) {
                if (table[i] == 0) {
                        table[i] = (uint16_t) (index + 1);
                        return false;
                }
                if (streq(news->lines[table[i] - 1].text, news->lines[index].text))
                        return true;
        }
}

static int handle_line(Reaper *r, Watched *w, Resolver *resolver, const KillLogLine *line, char ***decided) {
        const char *path = kill_log_path(w->log);
        _cleanup_free_ char *why = NULL;
        Target target;
        Pending p;
        int k;

        if (!line->word) {
                report_unknown(path, line->text,
                                "neither an IP address, nor a MAC address, nor the name of a VM", false);
                return 0;
        }
        k = resolve(resolver, line->text, &target, &why);
        if (k < 0) { /* also when the kernel refused the request: the other lines must not wait for this one */
                report_unknown(path, line->text, why ?: strerror(-k), k == -ENOTUNIQ);
                return k == -ENOMEM ? log_oom() : 0;
        }
        if (!target.tap[0]) {
                k = restart_is_vm(&r->restarts, target.vm);
                if (k == 0)
                        report_unknown(path, line->text,
                                        "it is no address, and no VM of that name is running", false);
                if (k <= 0)
                        return k;
        }
        if (strv_contains(*decided, target.vm) || restarts_has(&r->restarts, target.vm))
                return 0;
        k = strv_extend(decided, target.vm);
        if (k < 0)
                return log_oom();
        k = restart_decide(&r->restarts, resolver, path, line, &target, &p);
        if (k <= 0)
                return k;
        k = cursor_add_pending(kill_log_cursor(w->log), &p);
        return k == -EEXIST || k >= 0 ? 0 : log_error_errno(k, "Cannot note the restart of VM %s: %m", p.vm);
}

static int handle_lines(Reaper *r, Watched *w, const KillLogNews *news) {
        _cleanup_resolver_ Resolver *resolver = NULL;
        _cleanup_free_ uint16_t *table = NULL;
        _cleanup_strv_ char **decided = NULL;
        int k;

        if (news->n_lines == 0)
                return 0;
        table = calloc(SEEN_SIZE, sizeof(uint16_t));
        if (!table)
                return log_oom();
        restarts_new_look(&r->restarts);
        k = resolver_new(r->restarts.rtnl, &resolver);
        if (k < 0)
                return log_error_errno(k, "Cannot list the network links: %m");
        for (size_t i = 0; i < news->n_lines; i++) {
                if (seen_before(news, table, i))
                        continue;
                k = handle_line(r, w, resolver, news->lines + i, &decided);
                if (k < 0)
                        return k;
        }
        return 0;
}

/* What is in the cursor and not on its way yet, in two rounds, so that VMs die side by side. A predecessor may have done
 * some of it, then one by one. The list is copied: a restart that fails at once leaves the cursor. */
static int begin_pending(Reaper *r, Watched *w, bool resume) {
        _cleanup_cursor_ Cursor c = { 0 };
        int k;

        k = cursor_copy(kill_log_cursor(w->log), &c);
        if (k < 0)
                return log_oom();
        for (size_t i = 0; i < c.n_pending; i++)
                if (!resume && c.pending[i].step == STEP_RESTART && !restarts_has(&r->restarts, c.pending[i].vm)) {
                        k = restart_kill(&r->restarts, c.pending + i);
                        if (k < 0)
                                return k;
                }
        for (size_t i = 0; i < c.n_pending; i++) {
                if (restarts_has(&r->restarts, c.pending[i].vm))
                        continue;
                k = resume ? restart_resume(&r->restarts, w->log, c.pending + i)
                           : restart_begin(&r->restarts, w->log, c.pending + i);
                if (k < 0)
                        return k;
        }
        return 0;
}

/* 1 there was something, 0 nothing; *more: there is more. Negative: no use to go on. */
static int look(Reaper *r, Watched *w, bool *more) {
        _cleanup_news_ KillLogNews news = { 0 };
        int k;

        k = kill_log_look(w->log, &news);
        if (k < 0) {
                if (k != w->error)
                        report_log(kill_log_path(w->log), k);
                r->failed = true;
        }
        w->error = k;
        if (!news.changed) {
                *more |= news.more;
                return 0;
        }
        k = handle_lines(r, w, &news);
        if (k < 0)
                return k;
        k = kill_log_commit(w->log);
        if (k < 0)
                return log_error_errno(k,
                                "Cannot save the state of kill log %s, nothing of it is acted on: %m",
                                kill_log_path(w->log));
        k = begin_pending(r, w, false);
        if (k < 0)
                return k;
        *more |= news.more;
        return 1;
}

/* ---- the loop ---- */

static int wait_from_now(Reaper *r) {
        usec_t span = r->restarts.n > 0 ? MAX(WAIT_TICK, r->options->settle) : r->options->settle;
        int k;

        k = sd_event_source_set_time_relative(r->timer, span);
        return k < 0 ? k : sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

/* All logs, one look each; the rest of a long one when the others and the jobs had their turn. */
static int look_at_all(Reaper *r, bool *ret_news) {
        bool more = false;
        int k;

        *ret_news = false;
        for (size_t i = 0; i < r->n_logs; i++) {
                k = look(r, r->logs + i, &more);
                if (k < 0)
                        return k;
                *ret_news |= k > 0;
        }
        *ret_news |= more;
        return sd_event_source_set_enabled(r->again, more ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int look_and_wait(Reaper *r) {
        bool news;
        int k;

        k = look_at_all(r, &news);
        if (k < 0)
                return sd_event_exit(r->event, k);
        return news ? wait_from_now(r) : 0;
}

static int on_again(sd_event_source *s, void *userdata) {
        return look_and_wait(userdata);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Reaper *r = userdata;
        bool news;
        int k;

        k = restarts_look(&r->restarts);
        if (k >= 0)
                k = look_at_all(r, &news);
        if (k < 0)
                return sd_event_exit(r->event, k);
        if (!news && r->restarts.n == 0)
                return sd_event_exit(r->event, 0);
        return wait_from_now(r);
}

/* The directory, as that tells of the file at the path, of new ones there and of rotated ones, all by name. */
static int on_directory(sd_event_source *s, const struct inotify_event *e, void *userdata) {
        Watched *w = userdata;

        if (!(e->mask & (IN_Q_OVERFLOW | IN_IGNORED)) && (e->len == 0 || !startswith(e->name, w->name)))
                return 0;
        return look_and_wait(w->reaper);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(s), 0); /* the rest is in the cursor */
}

static int watch(Reaper *r, Watched *w) {
        const char *path = kill_log_path(w->log), *slash = strrchr(path, '/');
        _cleanup_free_ char *directory = strndup(path, MAX((size_t) (slash - path), (size_t) 1));
        int k;

        if (!directory)
                return log_oom();
        w->name = slash + 1;
        /* kept: given no place for it, libsystemd 252 makes a source that refers to the loop and that nobody frees */
        k = sd_event_add_inotify(r->event, &w->source, directory,
                        IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE,
                        on_directory, w);
        if (k < 0) /* it is looked at when the time is over, and the path unit goes on watching after that */
                log_debug_errno(k, "Cannot watch %s, ignoring: %m", directory);
        return 0;
}

static int set_up_events(Reaper *r) {
        sigset_t signals;
        int k;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        k = sd_event_new(&r->event);
        if (k >= 0)
                k = sd_event_add_signal(r->event, NULL, SIGTERM, on_signal, r);
        if (k >= 0)
                k = sd_event_add_signal(r->event, NULL, SIGINT, on_signal, r);
        if (k >= 0)
                k = sd_event_add_time_relative(
                                r->event, &r->timer, CLOCK_MONOTONIC, r->options->settle, 1000, on_timer, r);
        if (k >= 0)
                k = sd_event_add_defer(r->event, &r->again, on_again, r);
        if (k < 0)
                return log_error_errno(k, "Cannot set up the event loop: %m");
        r->restarts.event = r->event;
        return 0;
}

static int open_logs(Reaper *r, int state_fd, int link_fd) {
        int k;

        r->logs = calloc(strv_length(r->options->logs), sizeof(Watched));
        if (!r->logs)
                return log_oom();
        STRV_FOREACH (path, r->options->logs) {
                Watched *w = r->logs + r->n_logs;
                k = kill_log_new(*path, state_fd, link_fd, &w->log);
                if (k < 0)
                        return log_error_errno(k, "Cannot load the state of kill log %s: %m", *path);
                r->n_logs++;
                w->reaper = r;
                if (k > 0)
                        log_warning("The state of kill log %s was damaged and is put aside; lines that are in the log now "
                                    "are not acted on, later ones are",
                                        *path);
                k = watch(r, w);
                if (k < 0)
                        return k;
        }
        return 0;
}

static void reaper_done(Reaper *r) {
        restarts_done(&r->restarts);
        for (size_t i = 0; i < r->n_logs; i++) {
                sd_event_source_unref(r->logs[i].source);
                kill_log_free(r->logs[i].log);
        }
        free(r->logs);
        sd_event_source_unref(r->timer);
        sd_event_source_unref(r->again);
        sd_event_unref(r->event);
        rtnl_free(r->restarts.rtnl);
}

/* Watches first, then what predecessors left, then a first look (the deferred source): nothing falls between. */
static int work(Reaper *r, int state_fd, int link_fd) {
        int k;

        k = set_up_events(r);
        if (k >= 0)
                k = open_logs(r, state_fd, link_fd);
        if (k < 0)
                return k;
        k = rtnl_new(&r->restarts.rtnl);
        if (k < 0)
                return log_error_errno(k, "Cannot open a netlink socket: %m");
        for (size_t i = 0; i < r->n_logs; i++) {
                k = begin_pending(r, r->logs + i, true);
                if (k < 0)
                        return k;
        }
        k = sd_event_loop(r->event);
        report_rest();
        return k < 0 ? k : r->failed || r->restarts.failed ? -EIO : 0;
}

static int run_once(const ReaperOptions *options) {
        _cleanup_(reaper_done) Reaper r = { .options = options, .restarts.hold_off = options->hold_off };
        _cleanup_close_ int state_fd = -1, link_fd = -1;
        int k;

        k = cursor_open_state(options->state, true, &state_fd);
        if (k < 0)
                return log_error_errno(k, "Cannot open state directory %s: %m", options->state);
        if (options->link_directory) {
                (void) mkdir(options->link_directory, 0700);
                if (cursor_open_state(options->link_directory, false, &link_fd) < 0)
                        link_fd = -1; /* without links, then */
        }
        return work(&r, state_fd, link_fd >= 0 ? link_fd : state_fd);
}

/* A systemd that executes itself anew (systemctl daemon-reexec) drops its connections, and for a moment nobody answers. All
 * that was begun is in the cursor: on it goes as a successor would, from the start. */
int reaper_run(const ReaperOptions *options) {
        int k;

        for (unsigned i = 0; k = run_once(options), bus_is_gone(k) && i < AGAIN_N; i++) {
                if (i == 0)
                        log_notice("Systemd does not answer just now; going on as soon as it does");
                nanosleep(&(struct timespec){ .tv_nsec = AGAIN }, NULL);
        }
        return bus_is_gone(k) ? log_error_errno(k, "Cannot reach systemd: %m") : k;
}
