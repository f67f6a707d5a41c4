/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* frames TAP1 TAP2 SIZE COUNT
 *
 * Holds two taps of a bridge as QEMU would, sends COUNT frames of SIZE bytes from one guest to the other, and prints how
 * many nanoseconds each took, from before the first write to after the last read. The bridge knows both MACs by then. A
 * burst is sent, then it is read: as many as wait in a tap's queue without a loss. */

#include <fcntl.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>

#include "cleanup.h"
#include "parse-value.h"

#define BURST      64U
#define SIZE_MAX_  9000U
#define HEADER     sizeof(struct virtio_net_hdr)
#define PATIENCE   5000 /* ms */
#define ETHERTYPE  0x88b5 /* for experiments, by IEEE 802 */

typedef struct Frame {
        struct virtio_net_hdr header;
        unsigned char to[6], from[6], type[2], payload[SIZE_MAX_];
} __attribute__((packed)) Frame;

static const unsigned char macs[2][6] = { { 0x52, 0x54, 0, 9, 1, 1 }, { 0x52, 0x54, 0, 9, 1, 2 } };

static int fail(const char *what) {
        int r = errno > 0 ? -errno : -EIO;
        fprintf(stderr, "frames: %s: %s\n", what, strerror(-r));
        return r;
}

static int open_tap(const char *name, int *ret) {
        struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
        _cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

        snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
        if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
                return fail(name);
        *ret = TAKE_FD(fd);
        return 0;
}

static Frame frame(unsigned from) {
        Frame f = { .type = { ETHERTYPE >> 8, ETHERTYPE & 0xff } };

        memcpy(f.from, macs[from], 6);
        memcpy(f.to, macs[1 - from], 6);
        return f;
}

/* The next frame of ours, without those that the host itself sends; -ETIMEDOUT. */
static int receive(int fd, unsigned from, int timeout) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        Frame f;

        for (;;) {
                ssize_t n = read(fd, &f, sizeof(f));
                if (n < 0 && errno != EAGAIN)
                        return fail("read");
                if (n >= (ssize_t) (HEADER + 14) && memcmp(f.from, macs[from], 6) == 0)
                        return 0;
                if (n < 0 && poll(&p, 1, timeout) == 0)
                        return -ETIMEDOUT;
        }
}

/* Until the port forwards: there and back, so that the bridge learns both. */
static int introduce(const int fds[2], size_t size) {
        for (unsigned from = 0; from < 2; from++) {
                Frame f = frame(from);
                int r = -ETIMEDOUT;

                for (unsigned i = 0; i < 100 && r == -ETIMEDOUT; i++) {
                        if (write(fds[from], &f, HEADER + size) < 0 && errno != EIO)
                                return fail("write");
                        r = receive(fds[1 - from], from, 50);
                }
                if (r < 0)
                        return r == -ETIMEDOUT ? fail("nothing arrives") : r;
                while (receive(fds[1 - from], from, 0) >= 0) /* what came late */
                        ;
        }
        return 0;
}

static int send_all(const int fds[2], size_t size, unsigned count) {
        Frame f = frame(0);
        int r;

        for (unsigned sent = 0; sent < count;) {
                unsigned n = MIN(BURST, count - sent);

                for (unsigned i = 0; i < n; i++)
                        if (write(fds[0], &f, HEADER + size) != (ssize_t) (HEADER + size))
                                return fail("write");
                for (unsigned i = 0; i < n; i++) {
                        r = receive(fds[1], 0, PATIENCE);
                        if (r < 0)
                                return r == -ETIMEDOUT ? fail("frames are lost") : r;
                }
                sent += n;
        }
        return 0;
}

static double now_nsec(void) {
        struct timespec ts;

        assert(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
        return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}

int main(int argc, char *argv[]) {
        _cleanup_close_ int one = -1, two = -1;
        unsigned size, count;
        double began;

        if (argc != 5 || parse_unsigned(argv[3], 60, SIZE_MAX_, &size) < 0 ||
                        parse_unsigned(argv[4], 1, 100000000, &count) < 0) {
                fprintf(stderr, "usage: frames TAP1 TAP2 SIZE COUNT\n");
                return 2;
        }
        if (open_tap(argv[1], &one) < 0 || open_tap(argv[2], &two) < 0 ||
                        introduce((int[]){ one, two }, size) < 0)
                return 1;
        began = now_nsec();
        if (send_all((int[]){ one, two }, size, count) < 0)
                return 1;
        printf("%.1f\n", (now_nsec() - began) / count);
        return 0;
}
