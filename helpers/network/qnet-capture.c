/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-capture: what passes an interface, as pcapng files. ExecStart= of qnet-capture@.service. In: the packets of a ring
 * that the kernel and libpcap share (packet(7)), in batches, at most some 200 ms after they passed. Out: files in a directory
 * (capture-ring.h), at most a second after. It ends with SIGTERM, or when the interface is gone; one that is down only has
 * nothing to tell.
 *
 * Privilege: CAP_NET_RAW. */

#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "capture-ring.h"
#include "describe.h"
#include "pcapng.h"
#include "program.h"

#define KERNEL_MSEC  200 /* how long the kernel may keep a batch that is not full */
#define KERNEL_SIZE  (4 * 1024 * 1024)
#define DOWN_MSEC    500 /* between two looks at an interface that is down */
#define WAIT_USEC    (USEC_PER_SEC / 2) /* how long packets may wait here */
#define DRAIN_USEC   (USEC_PER_SEC * KERNEL_MSEC * 3 / 2 / 1000)
#define SIZE_DEFAULT (UINT64_C(16) * 1024 * 1024)

static struct {
        const char *directory;
        uint64_t size;
        unsigned files;
} arg = { .size = SIZE_DEFAULT, .files = 4 };

DEFINE_CLEANUP(pcap_t *, pcap_close)

typedef struct Capture {
        const char *ifname;
        int ifindex;
        pcap_t *pcap;
        Ring *ring;
        int result; /* of the ring, within pcap_dispatch() */
} Capture;

static void capture_done(Capture *c) {
        if (c->pcap)
                pcap_close(c->pcap);
        ring_free(c->ring);
}

static usec_t now_monotonic(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (usec_t) t.tv_sec * USEC_PER_SEC + (usec_t) t.tv_nsec / 1000;
}

static int find_interface(const char *ifname, int *ret_ifindex, char description[static LINK_DESCRIPTION_SIZE]) {
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        Link link;
        int r;

        r = rtnl_new(&rtnl);
        if (r >= 0)
                r = link_get_by_name(rtnl, ifname, &link);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no interface %s to capture from", ifname);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m", ifname);
        link_describe(&link, description);
        *ret_ifindex = link.ifindex;
        return 0;
}

/* Not promiscuous: a tap gives all, and a port of a bridge is so already. Silently: -ENETDOWN, it must
 * be up for that; -ENODEV, it is gone. */
static int open_capture(const char *ifname, pcap_t **ret) {
        char reason[PCAP_ERRBUF_SIZE];
        _cleanup_(pcap_closep) pcap_t *p = pcap_create(ifname, reason);
        int r;

        if (!p) {
                log_error("Cannot capture from %s: %s", ifname, reason);
                return -EIO;
        }
        pcap_set_snaplen(p, PCAPNG_SNAPLEN);
        pcap_set_promisc(p, 0);
        pcap_set_timeout(p, KERNEL_MSEC);
        pcap_set_buffer_size(p, KERNEL_SIZE);
        pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
        r = pcap_activate(p);
        if (r == PCAP_ERROR_IFACE_NOT_UP || r == PCAP_ERROR_NO_SUCH_DEVICE)
                return r == PCAP_ERROR_IFACE_NOT_UP ? -ENETDOWN : -ENODEV;
        if (r == PCAP_ERROR_PERM_DENIED) {
                log_error("Cannot capture from %s without CAP_NET_RAW: %s", ifname, pcap_geterr(p));
                return -EPERM;
        }
        if (r < 0) {
                log_error("Cannot capture from %s: %s: %s", ifname, pcap_statustostr(r), pcap_geterr(p));
                return -EIO;
        }
        if (pcap_datalink(p) != DLT_EN10MB) {
                log_error("Cannot capture from %s: it is no Ethernet interface", ifname);
                return -EPROTONOSUPPORT;
        }
        if (pcap_setnonblock(p, 1, reason) < 0) {
                log_error("Cannot capture from %s: %s", ifname, reason);
                return -EIO;
        }
        *ret = TAKE_PTR(p);
        return 0;
}

static void take_packet(unsigned char *user, const struct pcap_pkthdr *h, const unsigned char *data) {
        Capture *c = (Capture *) (void *) user;
        uint64_t nsec = (uint64_t) h->ts.tv_sec * 1000 * USEC_PER_SEC + (uint64_t) h->ts.tv_usec;

        c->result = ring_add(c->ring, nsec, data, h->caplen, h->len);
        if (c->result < 0)
                pcap_breakloop(c->pcap);
}

/* All that the kernel has; -ENODEV: the interface is gone. libpcap reports one that went down as well, once. */
static int read_packets(Capture *c) {
        struct pcap_stat stat;
        int n;

        do
                n = pcap_dispatch(c->pcap, -1, take_packet, (unsigned char *) c);
        while (n > 0);
        if (c->result < 0)
                return c->result;
        if (pcap_stats(c->pcap, &stat) >= 0)
                ring_set_dropped(c->ring, stat.ps_drop);
        if (n == PCAP_ERROR) {
                if ((int) if_nametoindex(c->ifname) != c->ifindex)
                        return -ENODEV;
                log_debug("%s: %s", c->ifname, pcap_geterr(c->pcap));
        }
        return 0;
}

/* Not longer than until what waits must be written, nor than until deadline. */
static int wait_for(const Capture *c, int signals, usec_t deadline) {
        struct pollfd p[] = {
                { .fd = pcap_get_selectable_fd(c->pcap), .events = POLLIN },
                { .fd = signals, .events = POLLIN },
        };
        const struct timeval *most = pcap_get_required_select_timeout(c->pcap); /* while it is down */
        usec_t since = ring_waits_since(c->ring), now = now_monotonic(), left;
        int r;

        if (since != USEC_INFINITY)
                deadline = MIN(deadline, since + WAIT_USEC);
        if (most)
                deadline = MIN(deadline, now + WAIT_USEC);
        left = deadline > now ? deadline - now : 0;
        r = poll(p, signals >= 0 ? 2 : 1, deadline == USEC_INFINITY ? -1 : (int) (left / 1000) + (left > 0));
        if (r < 0 && errno != EINTR)
                return log_error_errno(errno, "Cannot wait for packets: %m");
        return r > 0 && signals >= 0 && p[1].revents ? 1 : 0;
}

static int flush_if_due(Capture *c) {
        usec_t since = ring_waits_since(c->ring);

        return since != USEC_INFINITY && now_monotonic() >= since + WAIT_USEC ? ring_flush(c->ring) : 0;
}

/* What has passed by now is in the kernel's ring, but it hands over a batch only when its time has come. */
static int drain(Capture *c) {
        usec_t end = now_monotonic() + DRAIN_USEC;
        int r;

        while (now_monotonic() < end) {
                r = wait_for(c, -1, end);
                if (r >= 0)
                        r = read_packets(c);
                if (r == -ENODEV) { /* which it goes on to say */
                        const struct timespec a_moment = { .tv_nsec = 10 * 1000 * 1000 };
                        nanosleep(&a_moment, NULL);
                } else if (r < 0)
                        return r;
        }
        return 0;
}

static void tell_file(const Capture *c, char told[static 64]) {
        const char *file = ring_file(c->ring);

        if (streq(file, told))
                return;
        snprintf(told, 64, "%s", file);
        if (*file)
                sd_notifyf(0, "READY=1\nSTATUS=Writing %s/%s.", arg.directory, file);
        else
                sd_notifyf(0, "READY=1\nSTATUS=Waiting for room in %s.", arg.directory);
}

/* Until the interface is up; 1: ended by a signal, -ENODEV: by the interface. */
static int wait_until_up(Capture *c, int signals) {
        struct pollfd p = { .fd = signals, .events = POLLIN };
        int r;

        while (!c->pcap) {
                sd_notifyf(0, "READY=1\nSTATUS=Waiting until %s is up.", c->ifname);
                r = poll(&p, 1, DOWN_MSEC);
                if (r > 0)
                        return 1;
                if ((int) if_nametoindex(c->ifname) != c->ifindex)
                        return -ENODEV;
                r = open_capture(c->ifname, &c->pcap);
                if (r < 0 && r != -ENETDOWN)
                        return r;
        }
        return 0;
}

static int loop(Capture *c, int signals) {
        char told[64] = "-";
        int r;

        for (;;) {
                tell_file(c, told);
                r = wait_for(c, signals, USEC_INFINITY);
                if (r != 0)
                        break;
                r = read_packets(c);
                if (r >= 0)
                        r = flush_if_due(c);
                if (r < 0)
                        break;
        }
        if (r > 0 || r == -ENODEV)
                r = drain(c);
        return r;
}

static int finish(Capture *c) {
        struct pcap_stat stat;
        int r;

        if (c->pcap && pcap_stats(c->pcap, &stat) >= 0) {
                ring_set_dropped(c->ring, stat.ps_drop);
                if (stat.ps_drop > 0)
                        log_warning("%u packets of %s are missing: they came faster than they could be written",
                                        stat.ps_drop, c->ifname);
        }
        r = ring_finish(c->ring);
        if (ring_lost(c->ring) > 0)
                log_warning("%lu packets of %s are missing: there was no room in %s",
                                (unsigned long) ring_lost(c->ring), c->ifname, arg.directory);
        return r;
}

static int run(Capture *c, int signals) {
        int r, q;

        r = wait_until_up(c, signals);
        if (r == 0)
                r = loop(c, signals);
        (void) sd_notify(0, "STOPPING=1");
        q = finish(c);
        return r < 0 && r != -ENODEV ? r : q;
}

static int open_signals(void) {
        sigset_t set;
        int fd;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigprocmask(SIG_BLOCK, &set, NULL);
        fd = signalfd(-1, &set, SFD_CLOEXEC);
        return fd < 0 ? log_error_errno(errno, "Cannot wait for signals: %m") : fd;
}

static int verb_capture(char *words[], void *userdata) {
        char description[LINK_DESCRIPTION_SIZE];
        _cleanup_close_ int signals = -1;
        _cleanup_(capture_done) Capture c = { .ifname = words[0] };
        int r;

        if (!ifname_is_valid(c.ifname))
                return program_usage("%s is not a valid interface name", c.ifname);
        signals = open_signals();
        if (signals < 0)
                return signals;
        r = find_interface(c.ifname, &c.ifindex, description);
        if (r < 0)
                return r;
        r = open_capture(c.ifname, &c.pcap);
        if (r < 0 && r != -ENETDOWN)
                return r == -ENODEV ? 0 : r; /* gone since a moment ago */
        r = ring_open(arg.directory, c.ifname, description, arg.size, arg.files, &c.ring);
        return r < 0 ? r : run(&c, signals);
}

enum { OPTION_DIRECTORY = PROGRAM_OPTION_FIRST, OPTION_SIZE, OPTION_FILES };
static const ProgramOption options[] = {
        { OPTION_DIRECTORY, "directory", "DIR", "Where the files are written" },
        { OPTION_SIZE, "size", "BYTES", "Of each file at most, such as 16M, the default" },
        { OPTION_FILES, "files", "N", "How many are kept; default: 4" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        switch (option) {
        case OPTION_DIRECTORY:
                arg.directory = value;
                return path_is_normalized(value)
                                       ? 0
                                       : program_usage("--directory=%s is not a plain absolute path", value);
        case OPTION_SIZE:
                if (parse_size(value, &arg.size) < 0 || arg.size < RING_SIZE_MIN || arg.size > INT64_MAX)
                        return program_usage("--size=%s is not a size of 64K or more", value);
                return 0;
        case OPTION_FILES:
                return parse_unsigned(value, 1, RING_FILES_MAX, &arg.files) >= 0
                                       ? 0
                                       : program_usage("--files=%s is not a number from 1 to %u", value,
                                                         RING_FILES_MAX);
        }
        return PROGRAM_USAGE;
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { NULL, 1, 1, "IFNAME", NULL, verb_capture, .required = BIT(OPTION_DIRECTORY),
                        .options = BIT(OPTION_SIZE) | BIT(OPTION_FILES) },
        {},
};

static const Program program = {
        .about = "Write what passes an interface to files IFNAME-0001.pcapng and on, until it is gone or SIGTERM comes.",
        .notes = "When a file is full, the next one begins, and the oldest goes. Wireshark, tshark and tcpdump read them.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        log_setup("qnet-capture");
        return program_exit_status(program_run(&program, argc, argv, NULL));
}
