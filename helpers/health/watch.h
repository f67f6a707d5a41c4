/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who is asked when, and what follows from the answers: the heart of qnet-health.
 *
 * No state outlives the process, but for one that nobody has to keep: the time. The timer goes off at every tick of the
 * clock, and a machine is due when a multiple of its interval lies at that tick. Who answers is done with until then, and
 * when all have, the process ends. Who does not is asked again after its interval, in the same process, until it
 * answers, has stopped, or has failed as often in a row as is allowed: then it is reported. It goes on being asked
 * for a while, so that the recovery can be told too, and reported again if nothing comes of it. Meanwhile, other machines that become due are asked as well.
 *
 *     IDLE -> QUEUED -> ASKED -> IDLE      it has answered
 *                          \---> WAITING   it has not; after its interval QUEUED again
 *
 * Not more than IN_FLIGHT_MAX are ASKED at a time, so that answers to none are lost for want of buffers.
 *
 * A machine runs when QEMU's monitor socket is in its run-time directory, since the time that the socket was made. The
 * directory is the machine's own: a guest that has taken over its QEMU can pretend to have just started, and so escape
 * being probed. It could as well answer. */

#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "rtnl.h"
#include "target.h"

#define IN_FLIGHT_MAX 128U
#define WATCH_MAX     (10 * 60 * USEC_PER_SEC) /* how long one that was reported is asked on */

typedef enum CheckState { CHECK_IDLE, CHECK_QUEUED, CHECK_ASKED, CHECK_WAITING } CheckState;

typedef struct Watch Watch;

typedef struct Check {
        const Target *target;
        Watch *watch;
        CheckState state;
        struct Check *next; /* QUEUED */

        unsigned attempt;  /* 1, 2, ... since it was IDLE */
        unsigned failures; /* in a row */
        bool reported;     /* and not restarted since */
        unsigned since_report; /* failures */
        usec_t ill_since;  /* CLOCK_MONOTONIC, of the first failure of one that was reported; 0: none was */
        usec_t reported_at;
        int64_t started; /* when the monitor's socket was made, nanoseconds of CLOCK_REALTIME */

        /* of the attempt */
        usec_t asked; /* CLOCK_MONOTONIC */
        int fd;       /* its own socket, or -1 */
        sd_event_source *io, *timer;
        IPAddress ip; /* what is asked */
        int ifindex;
        bool has_mac;
        struct ether_addr mac;
        bool heard, silent, stopped; /* the outcome of "status"; none: it could not be asked */
        usec_t took;
        char why[160]; /* it failed */
} Check;

/* A device to which guests are attached, looked up once per process. */
typedef struct Device {
        char name[IFNAMSIZ];
        int ifindex;
        struct ether_addr mac;
        unsigned char ip[4]; /* of the host there, or 0.0.0.0 */
} Device;

struct Watch {
        const char *run_dir, *kill_log;
        usec_t tick;
        bool once; /* all that run, one time, and nothing is reported */

        sd_event *event;
        Check *checks;
        size_t n;
        size_t n_busy, n_asked; /* not IDLE; ASKED */
        Check *first, *last;    /* QUEUED */
        Check *asked[IN_FLIGHT_MAX];
        uint64_t cookie; /* in what is sent, so that nobody can answer without having seen it */
        bool failed;     /* something could not be done that is not a guest's fault */

        /* shared by the first attempts of all */
        int arp, icmp, icmp6;
        sd_event_source *arp_io, *icmp_io, *icmp6_io;
        Device *devices;
        size_t n_devices;
        Rtnl *rtnl;
        Neighbour *neighbours; /* by MAC; of a moment ago */
        size_t n_neighbours;
        usec_t neighbours_at;
        sd_bus *bus;
};

usec_t now_monotonic(void);

/* targets must outlive it. */
int watch_new(const Target *targets, size_t n, Watch **ret);
Watch *watch_free(Watch *w); /* always NULL */
static inline void watch_freep(Watch **w) {
        watch_free(*w);
}
#define _cleanup_watch_ _cleanup_(watch_freep)

/* Until all are IDLE. 0, or negative: the loop itself failed. w->failed tells the rest. */
int watch_run(Watch *w);

/* ---- for the probes ---- */

/* Asks. 1: and now an answer is awaited; 0: it has failed already, check->why says why; negative: it could not be asked,
 * which is not its fault; check->why says what is missing, or is empty for the error alone. */
int arp_ask(Check *c);
int ping_ask(Check *c);
int tcp_ask(Check *c);
int socket_ask(Check *c); /* agent, heartbeat */

/* The answer is there; or it will not come. Only of one that is ASKED. */
void check_heard(Check *c);
void check_lost(Check *c);
/* Its own socket, which is its from here on in any case; f is called with the Check. */
int check_own_fd(Check *c, int fd, uint32_t events, sd_event_io_handler_t f);
/* One that all share; f is called with the Watch. */
int watch_shared_fd(Watch *w, int fd, sd_event_io_handler_t f, int *fd_member, sd_event_source **source);

/* What has arrived, whoever sent it. Who is heard by it, is told to be: true. */
bool arp_hear(Watch *w, const unsigned char *packet, size_t n, int ifindex);
bool ping_hear(Watch *w, int family, const unsigned char *packet, size_t n, const struct sockaddr_storage *from);
bool socket_hear(Check *c, const char *bytes, size_t n); /* not of none */

/* Where the guest is: fills ip, ifindex, mac. As for asking. */
int find_guest(Check *c, Device **ret);
