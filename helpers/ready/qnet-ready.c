/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-ready: the last command of a start. It ends when the guest is ready, in the way that Ready= says, when the time is
 * over, or when QEMU has died; meanwhile the unit's STATUS= says what is awaited. This file reads the arguments, keeps
 * time, and talks to systemd; how a guest shows that it is ready is in the other files here.
 *
 * Privilege: what waits on the network opens a packet socket first, what reads the journal needs its group; the rest of
 * the program runs as nobody. */

#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>

#include "program.h"
#include "ready.h"

#define NOBODY 65534U

int ready_sleep(const Ready *r, int fd, short events, usec_t until) {
        struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = r->pidfd, .events = POLLIN } };
        usec_t now = now_monotonic(), end = MIN(until, r->deadline);
        struct timespec ts = { 0 };

        if (now < end && end != USEC_INFINITY)
                ts = (struct timespec){ .tv_sec = (time_t) ((end - now) / USEC_PER_SEC),
                        .tv_nsec = (long) ((end - now) % USEC_PER_SEC * 1000) };
        if (ppoll(p, 2, end == USEC_INFINITY ? NULL : &ts, NULL) < 0 && errno != EINTR)
                return log_error_errno(errno, "Cannot wait: %m");
        if (p[1].revents)
                return -ECONNRESET;
        if (now_monotonic() >= r->deadline)
                return -ETIMEDOUT;
        return p[0].revents ? 1 : 0;
}

void ready_status(const char *format, ...) {
        char text[512];
        va_list args;
        int n;

        n = snprintf(text, sizeof(text), "STATUS=");
        va_start(args, format);
        vsnprintf(text + n, sizeof(text) - (size_t) n, format, args);
        va_end(args);
        (void) sd_notify(false, text); /* nobody may be listening */
}

int ready_drop_privileges(const char *group) {
        struct group *g = group ? getgrnam(group) : NULL;
        gid_t gid = g ? g->gr_gid : NOBODY;

        if (geteuid() != 0)
                return 0;
        if (setgroups(1, &gid) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return log_error_errno(errno, "Cannot give up privileges: %m");
        return 0;
}

/* systemd sets $MAINPID for ExecStartPost=. Without one, or an old kernel: do without. */
static int open_main(Ready *r) {
        const char *e = getenv("MAINPID");
        unsigned pid;

        if (!e || parse_unsigned(e, 1, INT32_MAX, &pid) < 0)
                return 0;
        r->pidfd = (int) syscall(SYS_pidfd_open, (pid_t) pid, 0);
        return r->pidfd < 0 && errno == ESRCH ? -ECONNRESET : 0;
}

static int log_failure(const Ready *r, int e) {
        if (e == -ECONNRESET)
                return log_error_errno(e, "QEMU has ended while its guest was waited for; its last words are in the "
                                          "journal of the unit.");
        if (e == -ETIMEDOUT)
                return log_error_errno(e, "Waited %" PRIu64 ".%" PRIu64 " s in vain for %s%s%s.", r->timeout / USEC_PER_SEC,
                                r->timeout / (USEC_PER_SEC / 10) % 10, r->what, *r->why ? ": " : "", r->why);
        return e;
}

static int run(Ready *r, int (*wait)(Ready *r)) {
        _cleanup_close_ int pidfd = -1;
        int e;

        r->deadline = deadline_after(r->timeout);
        ready_status("Waiting for %s", r->what);
        e = open_main(r);
        pidfd = r->pidfd;
        if (e >= 0)
                e = wait(r);
        ready_status("%s", "");
        return e < 0 ? log_failure(r, e) : 0;
}

static int verb_address(char *words[], void *userdata) {
        Ready *r = userdata;

        if (parse_mac(words[0], &r->mac) < 0)
                return program_usage("%s is not a MAC address", words[0]);
        snprintf(r->what, sizeof(r->what), "an address of %s on %s that answers", words[0], r->dev);
        return run(r, wait_address);
}

static int verb_tcp(char *words[], void *userdata) {
        Ready *r = userdata;

        if (parse_unsigned(words[0], 1, UINT16_MAX, &r->port) < 0)
                return program_usage("%s is not a port", words[0]);
        if (parse_mac(words[1], &r->mac) < 0)
                return program_usage("%s is not a MAC address", words[1]);
        snprintf(r->what, sizeof(r->what), "TCP port %u of %s on %s", r->port, words[1], r->dev);
        return run(r, wait_tcp);
}

static int verb_agent(char *words[], void *userdata) {
        Ready *r = userdata;

        r->path = words[0];
        snprintf(r->what, sizeof(r->what), "the guest's agent");
        return run(r, wait_agent);
}

static int verb_notify(char *words[], void *userdata) {
        Ready *r = userdata;

        r->path = words[0];
        snprintf(r->what, sizeof(r->what), "READY=1 from the guest");
        return run(r, wait_notify);
}

static int verb_console(char *words[], void *userdata) {
        Ready *r = userdata;

        r->text = words[0];
        snprintf(r->what, sizeof(r->what), "\"%.100s\" on the guest's console", words[0]);
        return *words[0] ? run(r, wait_console) : program_usage("An empty text is always there");
}

enum { OPTION_DEV = PROGRAM_OPTION_FIRST, OPTION_TIMEOUT };
static const ProgramOption options[] = {
        { OPTION_DEV, "dev", "IF", "The bridge or tap that leads to the guest" },
        { OPTION_TIMEOUT, "timeout", "SPAN", "How long to wait (default: 90s; or infinity)" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        Ready *r = userdata;

        if (option == OPTION_DEV) {
                if (!ifname_is_valid(value))
                        return program_usage("--dev=%s is not the name of a network interface", value);
                r->dev = value;
                return 0;
        }
        if (parse_sec(value, &r->timeout) < 0 || r->timeout == 0)
                return program_usage("--timeout=%s is not a time span", value);
        return 0;
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "address", 1, 1, "MAC", "until an IPv4 address of the guest answers ARP", verb_address,
                        .required = BIT(OPTION_DEV), .options = BIT(OPTION_TIMEOUT) },
        { "tcp", 2, 2, "PORT MAC", "until it takes connections to a port", verb_tcp, .required = BIT(OPTION_DEV),
                        .options = BIT(OPTION_TIMEOUT) },
        { "agent", 1, 1, "SOCKET", "until its QEMU guest agent answers", verb_agent, .options = BIT(OPTION_TIMEOUT) },
        { "notify", 1, 1, "SOCKET",
                        "until it writes READY=1 to the port with that socket; what it writes as\n"
                        "STATUS=... becomes the status of the unit",
                        verb_notify, .options = BIT(OPTION_TIMEOUT) },
        { "console", 1, 1, "TEXT", "until the journal of this invocation has a line of QEMU's with the text", verb_console,
                        .options = BIT(OPTION_TIMEOUT) },
        {},
};

static const Program program = {
        .about = "Wait until a guest is ready.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        Ready r = { .pidfd = -1, .timeout = 90 * USEC_PER_SEC };

        log_setup("qnet-ready");
        return program_exit_status(program_run(&program, argc, argv, &r));
}
