/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <time.h>

#include "capture-ring.h"
#include "log.h"
#include "parse-value.h"
#include "pcapng.h"

#define BUFFER_SIZE (256U * 1024U)
#define SUFFIX      ".pcapng"

struct Ring {
        int directory; /* descriptor */
        const char *path, *ifname, *description;
        uint64_t size;
        unsigned n_files;

        int fd; /* -1: no file now, for lack of room */
        unsigned number;
        char name[64];
        uint64_t written;           /* bytes in the file */
        uint64_t passed, captured; /* packets, since the file began */
        uint64_t dropped;          /* by the kernel, in all */
        uint64_t dropped_before;   /* until the file began */
        uint64_t last;              /* time of the last packet */

        unsigned char buffer[BUFFER_SIZE];
        size_t n;          /* bytes that wait */
        unsigned n_packets; /* packets among them */
        usec_t since;

        bool full; /* the disk is, and we said so */
        uint64_t lost;
};

static usec_t now_monotonic(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (usec_t) t.tv_sec * USEC_PER_SEC + (usec_t) t.tv_nsec / 1000;
}

static bool is_lack_of_room(int r) {
        return r == -ENOSPC || r == -EDQUOT;
}

/* ---- names ---- */

static bool parse_name(const char *ifname, const char *file, unsigned *ret) {
        const char *p = startswith(file, ifname);
        char digits[16];
        size_t n;

        if (!p || *p != '-')
                return false;
        n = strspn(p + 1, "0123456789");
        if (n < 4 || n >= sizeof(digits) || !streq(p + 1 + n, SUFFIX))
                return false;
        memcpy(digits, p + 1, n);
        digits[n] = '\0';
        return parse_unsigned(digits, 1, UINT32_MAX - 1, ret) >= 0;
}

static void make_name(Ring *ring, unsigned number, char buf[static 64]) {
        snprintf(buf, 64, "%s-%04u" SUFFIX, ring->ifname, number);
}

static int compare(const void *a, const void *b) {
        unsigned x = *(const unsigned *) a, y = *(const unsigned *) b;
        return x < y ? -1 : x > y;
}

/* The numbers of the files that are there, in order; *ret is for free(3). */
static int list(const Ring *ring, unsigned **ret, size_t *ret_n) {
        _cleanup_free_ unsigned *numbers = NULL;
        _cleanup_closedir_ DIR *d = NULL;
        size_t n = 0, allocated = 0;
        unsigned number;
        int fd;

        fd = openat(ring->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd < 0 ? NULL : fdopendir(fd);
        if (!d) {
                int r = -errno;
                safe_close(fd);
                return r;
        }
        for (struct dirent *e; (e = readdir(d));) {
                if (!parse_name(ring->ifname, e->d_name, &number))
                        continue;
                if (n == allocated) {
                        unsigned *p = reallocarray(numbers, allocated = allocated * 2 + 16, sizeof(*p));
                        if (!p)
                                return -ENOMEM;
                        numbers = p;
                }
                numbers[n++] = number;
        }
        if (n > 0)
                qsort(numbers, n, sizeof(*numbers), compare);
        *ret = TAKE_PTR(numbers);
        *ret_n = n;
        return 0;
}

/* So that no more than keep are left; and what the highest number is, 0 for none. */
static int remove_oldest(Ring *ring, size_t keep, unsigned *ret_highest) {
        _cleanup_free_ unsigned *numbers = NULL;
        char name[64];
        size_t n = 0;
        int r;

        r = list(ring, &numbers, &n);
        if (r < 0)
                return log_error_errno(r, "Cannot read directory %s: %m", ring->path);
        for (size_t i = 0; i + keep < n; i++) {
                make_name(ring, numbers[i], name);
                if (unlinkat(ring->directory, name, 0) < 0 && errno != ENOENT)
                        return log_error_errno(errno, "Cannot remove %s/%s: %m", ring->path, name);
        }
        *ret_highest = n > 0 ? numbers[n - 1] : 0;
        return 0;
}

/* ---- writing ---- */

static int tell_full(Ring *ring, int r) {
        if (!ring->full)
                log_warning_errno(r, "Cannot write to %s: %m. The capture goes on when there is room", ring->path);
        ring->full = true;
        return r;
}

static void tell_room(Ring *ring) {
        if (ring->full)
                log_info("There is room in %s again, the capture goes on; %" PRIu64 " packets of %s are missing",
                                ring->path, ring->lost, ring->ifname);
        ring->full = false;
}

/* How many bytes of whole blocks are within the first n. Their length is the second word of each. */
static size_t whole_blocks(const unsigned char *p, size_t n, unsigned *ret_blocks) {
        size_t at = 0;
        uint32_t size;

        *ret_blocks = 0;
        while (n - at >= PCAPNG_PACKET_SIZE(0)) {
                memcpy(&size, p + at + sizeof(size), sizeof(size));
                if (size > n - at)
                        break;
                at += size;
                (*ret_blocks)++;
        }
        return at;
}

/* How many got there, and then why no more */
static size_t write_bytes(int fd, uint64_t at, const unsigned char *p, size_t n, int *ret_error) {
        size_t done = 0;

        *ret_error = 0;
        while (done < n) {
                ssize_t k = pwrite(fd, p + done, n - done, (off_t) (at + done));
                if (k > 0)
                        done += (size_t) k;
                else if (k == 0 || errno != EINTR) {
                        *ret_error = k == 0 ? -EIO : -errno;
                        break;
                }
        }
        return done;
}

/* All or nothing */
static int write_block(int fd, uint64_t at, const unsigned char *p, size_t n) {
        int r;

        if (write_bytes(fd, at, p, n, &r) < n)
                (void) ftruncate(fd, (off_t) at);
        return r;
}

static void lose_what_waits(Ring *ring) {
        ring->lost += ring->n_packets;
        ring->n = ring->n_packets = 0;
        ring->since = USEC_INFINITY;
}

/* What waits may have to wait on: -ENOSPC and its like, told, but nothing is lost yet. */
static int flush(Ring *ring) {
        unsigned packets;
        size_t n;
        int r;

        if (ring->n == 0)
                return 0;
        n = write_bytes(ring->fd, ring->written, ring->buffer, ring->n, &r);
        if (r < 0) {
                n = whole_blocks(ring->buffer, n, &packets);
                (void) ftruncate(ring->fd, (off_t) (ring->written + n));
        } else
                packets = ring->n_packets;
        ring->written += n;
        ring->captured += packets;
        ring->n -= n;
        ring->n_packets -= packets;
        memmove(ring->buffer, ring->buffer + n, ring->n);
        if (is_lack_of_room(r))
                return tell_full(ring, r);
        if (r < 0)
                return log_error_errno(r, "Cannot write to %s/%s: %m", ring->path, ring->name);
        ring->since = USEC_INFINITY;
        tell_room(ring);
        return 0;
}

/* Its end, if there is room for it: ring_add() left some. */
static int end_file(Ring *ring) {
        uint64_t dropped = ring->dropped - ring->dropped_before;
        unsigned char block[PCAPNG_STATISTICS_MAX];
        size_t n;
        int r;

        if (ring->fd < 0)
                return 0;
        r = flush(ring);
        if (is_lack_of_room(r))
                lose_what_waits(ring);
        else if (r < 0)
                return r;
        else {
                n = pcapng_statistics(block, ring->last, ring->passed + dropped, dropped, ring->captured);
                (void) write_block(ring->fd, ring->written, block, n);
        }
        ring->fd = safe_close(ring->fd);
        return 0;
}

/* Under a name that is nobody's until the header is in it: who looks finds a whole file, also if we are killed. */
static int make_file(Ring *ring, const char *name, size_t *ret_size) {
        unsigned char header[PCAPNG_START_MAX];
        _cleanup_close_ int fd = -1;
        char temporary[64];
        size_t n;
        int r;

        snprintf(temporary, sizeof(temporary), ".%s.new", ring->ifname);
        if (unlinkat(ring->directory, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(ring->directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
        if (fd < 0)
                return -errno;
        n = pcapng_start(header, "qnet-capture " QNET_VERSION, ring->ifname, ring->description);
        r = write_block(fd, 0, header, n);
        if (r >= 0 && renameat(ring->directory, temporary, ring->directory, name) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(ring->directory, temporary, 0);
                return r;
        }
        *ret_size = n;
        return TAKE_FD(fd);
}

static int next_file(Ring *ring) {
        unsigned highest = 0, number;
        char name[64];
        size_t size;
        int r;

        r = end_file(ring);
        if (r >= 0)
                r = remove_oldest(ring, ring->n_files - 1, &highest);
        if (r < 0)
                return r;
        number = MAX(ring->number, highest) + 1;
        make_name(ring, number, name);
        r = make_file(ring, name, &size);
        if (is_lack_of_room(r))
                return tell_full(ring, r);
        if (r < 0)
                return log_error_errno(r, "Cannot make %s/%s: %m", ring->path, name);
        ring->fd = r;
        ring->number = number;
        memcpy(ring->name, name, sizeof(name));
        ring->written = size;
        ring->passed = ring->captured = 0;
        ring->dropped_before = ring->dropped;
        return 0;
}

/* ---- what others see ---- */

Ring *ring_free(Ring *ring) {
        if (!ring)
                return NULL;
        safe_close(ring->fd);
        safe_close(ring->directory);
        free(ring);
        return NULL;
}

int ring_open(const char *directory, const char *ifname, const char *description, uint64_t size, unsigned n_files,
                Ring **ret) {
        _cleanup_(ring_freep) Ring *ring = calloc(1, sizeof(*ring));
        int r;

        if (!ring)
                return log_oom();
        ring->fd = -1;
        ring->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (ring->directory < 0)
                return log_error_errno(errno, "Cannot open directory %s: %m", directory);
        ring->path = directory;
        ring->ifname = ifname;
        ring->description = description;
        ring->size = size;
        ring->n_files = n_files;
        ring->since = USEC_INFINITY;
        r = next_file(ring);
        if (r < 0 && !is_lack_of_room(r))
                return r;
        *ret = TAKE_PTR(ring);
        return 0;
}

/* 0: there is none, for lack of room. */
static int have_room_in_file(Ring *ring, size_t n) {
        int r = 0;

        if (ring->fd >= 0 && ring->written + ring->n + n + PCAPNG_STATISTICS_MAX <= ring->size)
                return 1;
        if (ring->fd >= 0 || !ring->full) /* else ring_flush() tries, once in a while */
                r = next_file(ring);
        if (r < 0)
                return is_lack_of_room(r) ? 0 : r;
        return ring->fd >= 0;
}

int ring_add(Ring *ring, uint64_t nsec, const void *data, uint32_t n, uint32_t length) {
        uint32_t most = (uint32_t) MIN(ring->size - PCAPNG_START_MAX - PCAPNG_STATISTICS_MAX - PCAPNG_PACKET_SIZE(0),
                        (uint64_t) PCAPNG_SNAPLEN);
        int r;

        n = MIN(n, most & ~3U);
        ring->last = nsec;
        r = have_room_in_file(ring, PCAPNG_PACKET_SIZE(n));
        if (r < 0)
                return r;
        ring->passed++;
        if (r == 0) {
                ring->lost++;
                if (ring->since == USEC_INFINITY)
                        ring->since = now_monotonic(); /* to try again */
                return 0;
        }
        if (ring->n + PCAPNG_PACKET_SIZE(n) > sizeof(ring->buffer)) {
                r = flush(ring);
                if (is_lack_of_room(r))
                        lose_what_waits(ring);
                else if (r < 0)
                        return r;
        }
        if (ring->n == 0)
                ring->since = now_monotonic();
        ring->n += pcapng_packet(ring->buffer + ring->n, nsec, data, n, length);
        ring->n_packets++;
        return 0;
}

usec_t ring_waits_since(const Ring *ring) {
        return ring->since;
}

int ring_flush(Ring *ring) {
        int r;

        if (ring->since == USEC_INFINITY)
                return 0;
        if (ring->fd >= 0)
                r = flush(ring);
        else {
                r = next_file(ring);
                if (r >= 0)
                        tell_room(ring);
        }
        ring->since = r < 0 ? now_monotonic() : USEC_INFINITY;
        return is_lack_of_room(r) ? 0 : r;
}

void ring_set_dropped(Ring *ring, uint64_t dropped) {
        ring->dropped = dropped;
}

int ring_finish(Ring *ring) {
        ring->since = USEC_INFINITY;
        return end_file(ring);
}

const char *ring_file(const Ring *ring) {
        return ring->fd >= 0 ? ring->name : "";
}

uint64_t ring_lost(const Ring *ring) {
        return ring->lost;
}
