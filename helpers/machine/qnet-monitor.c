/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a unit asks of QEMU's monitor: wait until the guest runs, plug a cable in or pull it, power the guest down, quit. Comes in: the path of
 * the socket that is qnet's own (QEMU serves one client per socket at a time), and, from systemd, QEMU's
 * process in $MAINPID, so that nobody waits for a QEMU that has died. Changes nothing but the guest. */

#include <inttypes.h>
#include <poll.h>
#include <sys/syscall.h>

#include "agent.h"
#include "parse-value.h"
#include "program.h"
#include "qmp.h"

/* Between attempts to connect; QEMU makes its socket 15 to 30 ms after it was started. */
#define RETRY_MIN (2 * USEC_PER_MSEC)
#define RETRY_MAX (20 * USEC_PER_MSEC)
/* How often a guest that does not run yet is asked again; QEMU's RESUME event usually comes first. */
#define STATUS_INTERVAL (250 * USEC_PER_MSEC)
/* What a guest that has not powered down costs more: QEMU is asked to end, and writes back what it still has of disks. */
#define QUIT_TIMEOUT (5 * USEC_PER_SEC)
/* An agent that is there answers within a moment; the power button is better than to wait for one that is not. */
#define AGENT_TIMEOUT (5 * USEC_PER_SEC)
#define AGENT_REFUSAL (500 * USEC_PER_MSEC)

typedef struct Monitor {
        const char *path;
        const char *agent; /* socket of the guest agent; NULL: none is asked */
        int pidfd;      /* of QEMU, or -1 when nobody told us */
        usec_t timeout; /* 0: the verb's own */
        usec_t deadline;
        usec_t repeat;
        bool paused;
        bool main_gone;
        const char *link; /* QEMU's name of a network card or its other side */
        bool up;
        Qmp *qmp;
} Monitor;

static void show_event(const char *name, json_t *data, void *userdata) {
        const char *reason = json_string_value(json_object_get(data, "reason"));

        if (streq(name, "SHUTDOWN"))
                log_info("The guest shuts down (%.40s).", reason ?: "no reason given");
        else if (streq(name, "GUEST_PANICKED"))
                log_warning("The guest has panicked.");
        else
                log_debug("Event %.40s.", name);
}

/* systemd sets $MAINPID for ExecStartPost= and ExecStop=. Without one, or an old kernel: do without. */
static void open_main(Monitor *m) {
        const char *e = getenv("MAINPID");
        unsigned pid;

        if (!e || parse_unsigned(e, 1, INT32_MAX, &pid) < 0)
                return;
        m->pidfd = (int) syscall(SYS_pidfd_open, (pid_t) pid, 0);
        if (m->pidfd < 0 && errno == ESRCH)
                m->main_gone = true;
}

/* Sleeps; true as soon as QEMU is known to have gone. */
static bool main_gone(Monitor *m, usec_t span) {
        struct pollfd p = { .fd = m->pidfd, .events = POLLIN };
        struct timespec ts = { .tv_sec = (time_t) (span / USEC_PER_SEC),
                .tv_nsec = (long) (span % USEC_PER_SEC * 1000) };

        if (!m->main_gone && ppoll(&p, m->pidfd >= 0 ? 1 : 0, &ts, NULL) > 0)
                m->main_gone = true;
        return m->main_gone;
}

static bool nobody_listens(int r) {
        return r == -ENOENT || r == -ECONNREFUSED;
}

/* Connects and greets until the deadline; the socket itself may come later when may_come. */
static int attach(Monitor *m, bool may_come) {
        usec_t pause = RETRY_MIN;
        int fd, r;

        for (;;) {
                if (main_gone(m, 0))
                        return -ECONNRESET;
                fd = qmp_socket(m->path);
                if (fd >= 0)
                        break;
                if (fd != -EAGAIN && !(may_come && nobody_listens(fd)))
                        return fd;
                if (now_monotonic() + pause >= m->deadline)
                        return fd == -EAGAIN ? -EBUSY : -ETIMEDOUT;
                if (main_gone(m, pause))
                        return -ECONNRESET;
                pause = MIN(pause * 2, RETRY_MAX);
        }

        r = qmp_new(fd, &m->qmp);
        if (r < 0)
                return r;
        qmp_set_event(m->qmp, show_event, m);
        r = qmp_negotiate(m->qmp, m->deadline);
        return r == -ETIMEDOUT ? -EBUSY : r;
}

/* Says what r means; the messages that every verb shares. */
static int log_failure(const Monitor *m, int r) {
        switch (r) {
        case -EBUSY:
                return log_error_errno(r,
                                "QEMU does not answer on %s: it hangs, or another client is connected.",
                                m->path);
        case -ETIMEDOUT:
                return log_error_errno(r, "Timed out waiting for QEMU on %s.", m->path);
        case -ECONNRESET:
                return log_error_errno(r, "QEMU has ended; its last words are in the journal of the unit.");
        case -ENOENT:
        case -ECONNREFUSED:
                return log_error_errno(r, "Nobody listens on %s: QEMU does not run.", m->path);
        case -EPROTO:
        case -EMSGSIZE:
                return log_error_errno(r, "What listens on %s does not speak QMP.", m->path);
        case -EREMOTEIO:
                return log_error_errno(r, "QEMU refuses: %s", qmp_error(m->qmp));
        default:
                return log_error_errno(r, "Cannot talk to QEMU on %s: %m", m->path);
        }
}

/* 1 the guest runs, 0 not yet, negative: it never will. The words are QEMU's RunState
 * (qapi/run-state.json). */
static int judge_status(const Monitor *m, const char *status) {
        static const char *const hopeless[] = { "internal-error", "io-error", "guest-panicked", "shutdown",
                "watchdog" };

        if (streq(status, "running") || streq(status, "suspended"))
                return 1;
        if (m->paused && (streq(status, "prelaunch") || streq(status, "paused")))
                return 1;
        for (size_t i = 0; i < ELEMENTSOF(hopeless); i++)
                if (streq(status, hopeless[i]))
                        return log_error_errno(EIO, "QEMU does not run the guest: %s.", status);
        return 0;
}

static int monitor_wait(Monitor *m) {
        char status[41] = "";
        int r;

        r = attach(m, true);
        if (r < 0)
                return log_failure(m, r);
        for (;;) {
                json_auto_t *reply = NULL;

                r = qmp_command(m->qmp, "query-status", m->deadline, &reply);
                if (r < 0)
                        break;
                snprintf(status, sizeof(status), "%.40s",
                                json_string_value(json_object_get(reply, "status")) ?: "?");
                r = judge_status(m, qmp_printable(status));
                if (r != 0)
                        return r;
                r = qmp_wait_event(m->qmp, MIN(m->deadline, deadline_after(STATUS_INTERVAL)));
                if (r < 0 && (r != -ETIMEDOUT || now_monotonic() >= m->deadline))
                        break;
        }
        if (r == -ETIMEDOUT && status[0])
                return log_error_errno(r, "Timed out: QEMU answers, but the guest is %s.", status);
        return log_failure(m, r);
}

/* The socket is closed a moment before the process ends; systemd would send SIGTERM into that moment. */
static int wait_gone(Monitor *m) {
        while (m->pidfd >= 0 && now_monotonic() < m->deadline)
                if (main_gone(m, MIN(m->deadline - now_monotonic(), USEC_PER_SEC)))
                        break;
        return 0;
}

/* 1: the guest's agent shuts it down. 0: not, and why is told. The connection stays, as agent_settle() says why. */
static int ask_agent(const Monitor *m, Agent *agent) {
        usec_t deadline = MIN(m->deadline, deadline_after(AGENT_TIMEOUT));
        int r;

        if (!m->agent)
                return 0;
        r = agent_open(m->agent, agent);
        if (r >= 0)
                r = agent_send_sync(agent);
        if (r >= 0)
                r = agent_await_sync(agent, deadline);
        if (r >= 0)
                r = agent_shutdown(agent, MIN(m->deadline, deadline_after(AGENT_REFUSAL)));
        if (r >= 0) {
                log_info("The guest's agent shuts it down.");
                return 1;
        }
        if (r == -ETIMEDOUT)
                log_warning("The guest's agent does not answer; pressing the power button.");
        else if (r == -EREMOTEIO)
                log_warning("The guest's agent refuses to shut it down, pressing the power button: %s", agent->error);
        else
                log_warning_errno(r, "Cannot ask the guest's agent on %s, pressing the power button: %m", m->agent);
        return 0;
}

/* Until QEMU has gone or time is up, without another word to the guest. */
static int watch_until_gone(Monitor *m) {
        int r;

        do
                r = qmp_wait_event(m->qmp, m->deadline);
        while (r == 0);
        return r;
}

/* Until QEMU has gone or time is up; each press is a command, what happens between is events. */
static int press_until_gone(Monitor *m) {
        for (;;) {
                usec_t next = MIN(m->deadline, deadline_after(m->repeat));
                int r;

                r = qmp_command(m->qmp, "system_powerdown", m->deadline, NULL);
                if (r == -EREMOTEIO)
                        log_warning("QEMU refuses to power down, trying again: %s", qmp_error(m->qmp));
                else if (r < 0)
                        return r;
                do
                        r = qmp_wait_event(m->qmp, next);
                while (r == 0);
                if (r != -ETIMEDOUT || now_monotonic() >= m->deadline)
                        return r;
        }
}

/* QEMU, as it ends, flushes its disks; -ECONNRESET: it has gone */
static int quit(Monitor *m) {
        int r;

        r = qmp_command(m->qmp, "quit", m->deadline, NULL);
        return r < 0 ? r : watch_until_gone(m);
}

static int monitor_powerdown(Monitor *m) {
        _cleanup_agent_ Agent agent = { .fd = -1 };
        int r;

        r = attach(m, false);
        if (nobody_listens(r)) /* gone already: systemd runs ExecStop= then, too */
                return wait_gone(m);
        if (r >= 0)
                r = ask_agent(m, &agent) > 0 ? watch_until_gone(m) : press_until_gone(m);
        if (r == -ETIMEDOUT && m->qmp) {
                log_warning("The guest did not power down in time; QEMU is ended.");
                m->deadline = deadline_after(QUIT_TIMEOUT);
                r = quit(m);
        }
        if (r == -ECONNRESET)
                return wait_gone(m);

        /* Not a failure: systemd goes on with SIGTERM, and the unit's result stays what that makes it. */
        if (r == -ETIMEDOUT)
                log_warning("QEMU does not end by itself; it gets a signal.");
        else if (r == -EBUSY)
                log_warning("QEMU does not answer on %s, it hangs or another client is connected; it is ended.",
                                m->path);
        else
                log_warning_errno(r, "Cannot power the guest down, QEMU is ended: %m");
        return 0;
}

static int monitor_quit(Monitor *m) {
        int r;

        r = attach(m, false);
        if (nobody_listens(r))
                return wait_gone(m);
        if (r >= 0)
                r = quit(m);
        return r == -ECONNRESET ? wait_gone(m) : log_failure(m, r);
}

static int monitor_link(Monitor *m) {
        json_auto_t *arguments = json_pack("{s:s, s:b}", "name", m->link, "up", m->up);
        int r;

        r = attach(m, false);
        if (r >= 0)
                r = qmp_command_with(m->qmp, "set_link", arguments, m->deadline, NULL);
        return r < 0 ? log_failure(m, r) : 0;
}

enum { OPTION_TIMEOUT = PROGRAM_OPTION_FIRST, OPTION_REPEAT, OPTION_AGENT, OPTION_PAUSED };
static const ProgramOption options[] = {
        { OPTION_TIMEOUT, "timeout", "SPAN", "In all (default: 90s, powerdown 60s, others 10s; or infinity)" },
        { OPTION_REPEAT, "repeat", "SPAN", "Between presses of the power button (default: 1s)" },
        { OPTION_AGENT, "agent", "SOCKET",
                        "Ask the guest's agent first; the power button if it does not answer" },
        { OPTION_PAUSED, "paused", NULL, "A guest that was started paused (-S) is good enough" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        Monitor *m = userdata;

        switch (option) {
        case OPTION_TIMEOUT:
                if (parse_sec(value, &m->timeout) < 0 || m->timeout == 0)
                        return program_usage("--timeout=%s is not a time span.", value);
                return 0;
        case OPTION_REPEAT:
                if (parse_sec(value, &m->repeat) < 0 || m->repeat < 10 * USEC_PER_MSEC)
                        return program_usage("--repeat=%s is not a time span of 10ms or more.", value);
                return 0;
        case OPTION_AGENT:
                m->agent = value;
                return 0;
        case OPTION_PAUSED:
                m->paused = true;
                return 0;
        }
        return PROGRAM_USAGE;
}

static int with_socket(const char *path, Monitor *m, usec_t timeout, int (*f)(Monitor *m)) {
        _cleanup_close_ int pidfd = -1;
        _cleanup_qmp_ Qmp *qmp = NULL;
        int r;

        m->path = path;
        m->deadline = deadline_after(m->timeout > 0 ? m->timeout : timeout);
        open_main(m);
        pidfd = m->pidfd;
        r = f(m);
        qmp = m->qmp;
        return r;
}

static int verb_wait(char *words[], void *userdata) {
        return with_socket(words[0], userdata, 90 * USEC_PER_SEC, monitor_wait);
}

static int verb_link(char *words[], void *userdata) {
        Monitor *m = userdata;

        m->link = words[1];
        m->up = streq(words[2], "up");
        if (!m->up && !streq(words[2], "down"))
                return program_usage("%s is neither up nor down.", words[2]);
        return with_socket(words[0], m, 10 * USEC_PER_SEC, monitor_link);
}

static int verb_powerdown(char *words[], void *userdata) {
        return with_socket(words[0], userdata, 60 * USEC_PER_SEC, monitor_powerdown);
}

static int verb_quit(char *words[], void *userdata) {
        return with_socket(words[0], userdata, 10 * USEC_PER_SEC, monitor_quit);
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "wait", 1, 1, "SOCKET", "until QEMU, which may not have made its socket yet, runs the guest",
                        verb_wait, .options = BIT(OPTION_TIMEOUT) | BIT(OPTION_PAUSED) },
        { "link", 3, 3, "SOCKET NAME up|down", "plug the cable of a network card in, or pull it", verb_link,
                        .options = BIT(OPTION_TIMEOUT) },
        { "powerdown", 1, 1, "SOCKET",
                        "press the power button, again and again, until QEMU has gone; when it\n"
                        "has not in time, warn and end it, as quit does (exit status 0)",
                        verb_powerdown, .options = BIT(OPTION_TIMEOUT) | BIT(OPTION_REPEAT) | BIT(OPTION_AGENT) },
        { "quit", 1, 1, "SOCKET", "end QEMU at once", verb_quit, .options = BIT(OPTION_TIMEOUT) },
        {},
};

static const Program program = {
        .about = "Ask QEMU's monitor for what its unit wants: to run the guest, to pull a cable, to power it down, to end.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        Monitor m = { .pidfd = -1, .repeat = USEC_PER_SEC };

        log_setup("qnet-monitor");
        return program_exit_status(program_run(&program, argc, argv, &m));
}
