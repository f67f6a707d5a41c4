/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-report: takes reports of frozen guests from sockets and appends them to the kill log, so that what comes over a
 * socket goes the way of what comes through the file: none lost, none twice, judged in one place.
 *
 *     datagrams   qnet-report.service: every datagram that waits on the socket of systemd's (sd_listen_fds(3)), then
 *                 it ends; the next datagram starts it again
 *     stream      qnet-report-tcp@.service: the connection on standard input, a line each, an answer to each
 *     send        for people and testers: reports over the datagram socket
 *
 * Everything that comes in is hostile: a line is bounded, printable and nothing else, and means nothing here.
 *
 * Privilege: the group that may append to the kill log. */

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "program.h"
#include "report-line.h"

#define DEFAULT_LOG    "/run/qnet/kill.log"
#define DEFAULT_SOCKET "/run/qnet/kill.sock"
#define DATAGRAM_MAX   65536
#define LINGER_MSEC    200   /* or each datagram of a series would be a start of its own */
#define IDLE_MSEC      10000 /* of a connection */
#define LINES_MAX      1000U /* of a connection */
#define PEERS_MAX      256U
#define REFUSED_SHOWN  5U

typedef struct Arguments {
        const char *log, *socket;
        ReportPeer peers[PEERS_MAX];
        size_t n_peers;
} Arguments;

/* ---- the kill log ---- */

static int open_log(const char *path) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return log_error_errno(errno, "Cannot open kill log %s: %m", path);
        if (fstat(fd, &st) < 0)
                return log_error_errno(errno, "Cannot look at kill log %s: %m", path);
        if (!S_ISREG(st.st_mode))
                return log_error("Kill log %s is not a regular file", path), -EINVAL;
        return TAKE_FD(fd);
}

/* One write, so that lines of others stay whole. What a full disk has cut gets no newline: it could be another's address;
 * with the next line behind it, it is nobody's. */
static int append(int log, const char *path, const char *line, size_t n) {
        char buf[REPORT_LINE_MAX + 1];
        ssize_t k;

        memcpy(buf, line, n);
        buf[n] = '\n';
        k = write(log, buf, n + 1);
        if (k < 0)
                return log_error_errno(errno, "Cannot append to kill log %s: %m", path);
        if ((size_t) k != n + 1)
                return log_error("Kill log %s took only a part of a line: no space is left", path), -ENOSPC;
        return 0;
}

/* One line of whomever: 1 appended, 0 blank, -EMSGSIZE, -EILSEQ not a line (not logged), else the log failed. */
static int take(int log, const Arguments *a, const char *line, size_t n, const char *from) {
        const char *start = NULL;
        size_t length = 0;
        int r;

        r = report_line(line, n, &start, &length);
        if (r <= 0)
                return r;
        r = append(log, a->log, start, length);
        if (r < 0)
                return r;
        log_notice("%s reported %.*s", from, (int) length, start);
        return 1;
}

static bool is_refusal(int r) {
        return r == -EMSGSIZE || r == -EILSEQ;
}

static const char *refusal(int r) {
        return r == -EMSGSIZE ? "it is longer than a line may be" : "it is not printable text";
}

/* ---- datagrams ---- */

static void describe_sender(const struct msghdr *m, char *buf, size_t size) {
        struct ucred *u = NULL;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *) (uintptr_t) m, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
                        u = (struct ucred *) (void *) CMSG_DATA(c);
        if (u)
                snprintf(buf, size, "User %u (process %d)", u->uid, (int) u->pid);
        else
                snprintf(buf, size, "Somebody");
}

static int take_datagram(int log, const Arguments *a, char *data, size_t n, const char *from, unsigned *refused) {
        for (char *p = data, *end = data + n; p < end;) {
                char *newline = memchr(p, '\n', (size_t) (end - p));
                int r = take(log, a, p, (size_t) ((newline ?: end) - p), from);
                if (is_refusal(r) && (*refused)++ < REFUSED_SHOWN)
                        log_warning("%s sent something that is no report: %s", from, refusal(r));
                else if (r < 0 && !is_refusal(r))
                        return r;
                p = newline ? newline + 1 : end;
        }
        return 0;
}

static int verb_datagrams(char *words[], void *userdata) {
        static char data[DATAGRAM_MAX];
        const Arguments *a = userdata;
        _cleanup_close_ int log = -1;
        unsigned refused = 0;
        int r;

        if (sd_listen_fds(true) != 1 ||
                        sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_DGRAM, -1, NULL, 0) <= 0)
                return log_error("Standing alone: systemd hands over one datagram socket (qnet-report.socket)"), -EINVAL;
        log = open_log(a->log); /* first: what is received is gone from the socket */
        if (log < 0)
                return log;
        for (;;) {
                union {
                        char bytes[CMSG_SPACE(sizeof(struct ucred))];
                        struct cmsghdr align;
                } control;
                struct iovec iov = { data, sizeof(data) };
                struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                                    .msg_controllen = sizeof(control) };
                struct pollfd p = { .fd = SD_LISTEN_FDS_START, .events = POLLIN };
                char from[64];
                ssize_t n;

                if (poll(&p, 1, LINGER_MSEC) == 0)
                        break;
                n = recvmsg(SD_LISTEN_FDS_START, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        continue;
                if (n < 0)
                        return log_error_errno(errno, "Cannot receive reports: %m");
                describe_sender(&m, from, sizeof(from));
                r = take_datagram(log, a, data, (size_t) n, from, &refused);
                if (r < 0)
                        return r;
        }
        if (refused > REFUSED_SHOWN)
                log_warning("%u more things were no reports", refused - REFUSED_SHOWN);
        return 0;
}

/* ---- a connection ---- */

/* The answer is a courtesy: one who does not read it has reported all the same. */
static void answer(const char *text) {
        (void) send(STDOUT_FILENO, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int check_peer(const Arguments *a, char from[static REPORT_PEER_SIZE]) {
        struct sockaddr_storage peer = { 0 };
        socklen_t size = sizeof(peer);

        if (getpeername(STDIN_FILENO, (struct sockaddr *) &peer, &size) < 0)
                return log_error_errno(errno, "Standard input is not a connection: %m");
        report_peer_format((struct sockaddr *) &peer, from);
        if (report_peer_allowed((struct sockaddr *) &peer, a->peers, a->n_peers))
                return 0;
        answer("error: you may not report\n");
        log_warning("%s wanted to report, and is not one of Allow=", from);
        return -EACCES;
}

/* Whole lines at the start of data; returns how many bytes they were, or negative errno. */
static ssize_t take_lines(int log, const Arguments *a, const char *data, size_t n, const char *from, unsigned *lines) {
        const char *p = data, *newline;

        while ((newline = memchr(p, '\n', n - (size_t) (p - data)))) {
                int r;

                if (++*lines > LINES_MAX) {
                        answer("error: too many reports\n");
                        return log_error("%s sent more than %u reports at once", from, LINES_MAX), -E2BIG;
                }
                r = take(log, a, p, (size_t) (newline - p), from);
                if (r > 0)
                        answer("ok\n");
                else if (is_refusal(r))
                        answer("error: not a report\n");
                else if (r < 0) {
                        answer("error: the kill log cannot be written\n");
                        return r;
                }
                p = newline + 1;
        }
        return p - data;
}

static int verb_stream(char *words[], void *userdata) {
        const Arguments *a = userdata;
        char data[REPORT_LINE_MAX + 2], from[REPORT_PEER_SIZE];
        _cleanup_close_ int log = -1;
        unsigned lines = 0;
        size_t have = 0;
        int r;

        r = check_peer(a, from);
        if (r < 0)
                return r;
        log = open_log(a->log);
        if (log < 0)
                return log;
        for (;;) {
                struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
                ssize_t n;

                if (poll(&p, 1, IDLE_MSEC) == 0) {
                        answer("error: timed out\n");
                        return log_warning("%s said nothing for %d s", from, IDLE_MSEC / 1000), -ETIMEDOUT;
                }
                n = recv(STDIN_FILENO, data + have, sizeof(data) - have, MSG_DONTWAIT);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        continue;
                if (n < 0)
                        return log_warning_errno(errno, "Connection of %s: %m", from);
                if (n == 0) {
                        if (have > 0) /* cut, perhaps: 10.9.0.1 may have been 10.9.0.17 */
                                answer("error: no newline at the end\n");
                        return 0;
                }
                have += (size_t) n;
                n = take_lines(log, a, data, have, from, &lines);
                if (n < 0)
                        return (int) n;
                have -= (size_t) n;
                memmove(data, data + n, have);
                if (have == sizeof(data)) {
                        answer("error: not a report\n");
                        return log_warning("%s sent something that is no report: %s", from, refusal(-EMSGSIZE)), -EMSGSIZE;
                }
        }
}

/* ---- send ---- */

static int verb_send(char *words[], void *userdata) {
        const Arguments *a = userdata;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -1;
        const char *start = NULL;
        size_t n = 0;

        if (strlen(a->socket) >= sizeof(address.sun_path))
                return program_usage("--socket=%s is longer than a socket's name can be", a->socket);
        strcpy(address.sun_path, a->socket);
        for (char **w = words; *w; w++)
                if (report_line(*w, strlen(*w), &start, &n) <= 0)
                        return program_usage("'%s' is not an address or a name", *w);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return log_error_errno(errno, "Cannot make a socket: %m");
        for (char **w = words; *w; w++)
                if (sendto(fd, *w, strlen(*w), 0, (struct sockaddr *) &address, sizeof(address)) < 0)
                        return log_error_errno(errno, "Cannot report %s over %s: %m%s", *w, a->socket,
                                        errno == EACCES ? "; who reports is in the group qnet" :
                                        errno == ENOENT || errno == ECONNREFUSED ?
                                        "; is qnet-report.socket active?" : "");
        return 0;
}

/* ---- argv ---- */

enum { OPTION_LOG = PROGRAM_OPTION_FIRST, OPTION_ALLOW, OPTION_SOCKET };
static const ProgramOption options[] = {
        { OPTION_LOG, "log", "FILE", "The kill log to append to; default: " DEFAULT_LOG },
        { OPTION_ALLOW, "allow", "IP[/PREFIX]|cid:N", "Who may report over a connection; may be given several times" },
        { OPTION_SOCKET, "socket", "FILE", "The socket to send to; default: " DEFAULT_SOCKET },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        Arguments *a = userdata;

        switch (option) {
        case OPTION_LOG:
                a->log = value;
                return path_is_normalized(value) ? 0 : program_usage("--log=%s is not an absolute path", value);
        case OPTION_SOCKET:
                a->socket = value;
                return 0;
        case OPTION_ALLOW:
                if (a->n_peers == PEERS_MAX)
                        return program_usage("--allow= was given more than %u times", PEERS_MAX);
                if (report_peer_parse(value, a->peers + a->n_peers) < 0)
                        return program_usage("--allow=%s is not an IP address, a network IP/PREFIX, or cid:N", value);
                a->n_peers++;
                return 0;
        }
        return PROGRAM_USAGE;
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "datagrams", 0, 0, "", "take what waits on systemd's datagram socket", verb_datagrams,
                        .options = BIT(OPTION_LOG) },
        { "stream", 0, 0, "", "take lines from the connection on standard input", verb_stream,
                        .options = BIT(OPTION_LOG) | BIT(OPTION_ALLOW) },
        { "send", 1, PROGRAM_WORDS_MAX, "ADDRESS|VM...", "report frozen guests", verb_send,
                        .options = BIT(OPTION_SOCKET) },
        {},
};

static const Program program = {
        .about = "Take reports of frozen guests from sockets to the kill log, or send them.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        static Arguments a = { .log = DEFAULT_LOG, .socket = DEFAULT_SOCKET };

        log_setup("qnet-report");
        return program_exit_status(program_run(&program, argc, argv, &a));
}
