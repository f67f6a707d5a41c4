/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shape.h"

#define FRAME_MIN    60U  /* linux/if_ether.h ETH_ZLEN */
#define FRAME_USUAL  1514U
#define HEADER_MAX   22U /* Ethernet, two VLAN tags */
#define RATE_MAX     UINT64_C(1000000000000)
#define DELAY_MAX    (3600 * USEC_PER_SEC)
#define JITTER_MAX   UINT64_C(2147483) /* netem keeps it in 31 bits of nanoseconds */
#define FRAMES_RATE  1000000U          /* frames per second that a tap may see without a rate */
#define FRAMES_MIN   1000U             /* what netem has by itself */
#define FRAMES_MAX   1000000U          /* some 2 GB of the host's memory, if all are there */
#define WAITING_MIN  100U
#define WAITING_MSEC 100U
#define BURST_MSEC   20U /* how late the kernel may look without giving less than the rate */

typedef struct Word {
        const char *name;
        uint64_t max;
        uint64_t *value;
        unsigned *share;
        const char *why;
} Word;

static int parse_word(const char *text, const Word *words, size_t n, const char **ret_why) {
        for (const Word *w = words; w < words + n; w++) {
                const char *v = startswith(text, w->name);
                uint64_t value;

                if (!v || *v != '=')
                        continue;
                if (parse_uint64(v + 1, 0, w->max, &value) < 0) {
                        *ret_why = w->why;
                        return -EINVAL;
                }
                if (w->share)
                        *w->share = (unsigned) value;
                else
                        *w->value = value;
                return 0;
        }
        *ret_why = "is not a list of rate=, delay=, jitter=, loss=, duplicate=, corrupt= and reorder=";
        return -EINVAL;
}

static int check(const Shape *s, const char **ret_why) {
        if (s->rate > 0 && s->rate < 8)
                *ret_why = "has a rate below 8 bit/s";
        else if (s->jitter > s->delay)
                *ret_why = "has more jitter than delay; a frame cannot arrive before it was sent";
        else if (s->reorder > 0 && s->delay == 0)
                *ret_why = "has reorder= without delay=, but frames overtake others by skipping their delay";
        else
                return 0;
        return -EINVAL;
}

int shape_parse(const char *text, Shape *ret, const char **ret_why) {
        static const char ppm[] = "has a share that is not a number of frames in a million";
        Shape s = { 0 };
        const Word words[] = {
                { "rate", RATE_MAX, &s.rate, NULL, "has a rate that is not a number of bit/s up to 10^12" },
                { "delay", DELAY_MAX, &s.delay, NULL, "has a delay that is not a number of microseconds up to an hour" },
                { "jitter", JITTER_MAX, &s.jitter, NULL,
                                "has a jitter that is not a number of microseconds up to 2147483" },
                { "loss", SHAPE_PPM_MAX, NULL, &s.loss, ppm },
                { "duplicate", SHAPE_PPM_MAX, NULL, &s.duplicate, ppm },
                { "corrupt", SHAPE_PPM_MAX, NULL, &s.corrupt, ppm },
                { "reorder", SHAPE_PPM_MAX, NULL, &s.reorder, ppm },
        };
        _cleanup_free_ char *copy = strdup(text);
        char *next = copy;
        int r;

        if (!copy)
                return -ENOMEM;
        while (next) {
                r = parse_word(strsep(&next, ","), words, ELEMENTSOF(words), ret_why);
                if (r < 0)
                        return r;
        }
        r = check(&s, ret_why);
        if (r >= 0)
                *ret = s;
        return r;
}

/* n per second, in that time; no overflow with our maxima */
static uint64_t in_time(uint64_t n, uint64_t usec) {
        return n / USEC_PER_SEC * usec + n % USEC_PER_SEC * usec / USEC_PER_SEC;
}

uint32_t shape_frames(const Shape *s) {
        uint64_t per_second = FRAMES_RATE, under_way, waiting;

        if (s->rate > 0)
                per_second = MIN(s->rate / 8 / FRAME_MIN + 1, per_second);
        under_way = in_time(per_second, s->delay + s->jitter);

        if (s->rate == 0)
                {
                under_way = MAX(under_way, (uint64_t) FRAMES_MIN);
                return (uint32_t) MIN(under_way, (uint64_t) FRAMES_MAX);
        }
        waiting = MAX(in_time(s->rate, WAITING_MSEC * 1000) / 8 / FRAME_USUAL, (uint64_t) WAITING_MIN);
        return (uint32_t) MIN(under_way + waiting, (uint64_t) FRAMES_MAX);
}

uint32_t shape_burst(const Shape *s, unsigned mtu) {
        return (uint32_t) MAX(in_time(s->rate, BURST_MSEC * 1000) / 8, (uint64_t) 2 * (mtu + HEADER_MAX));
}

uint32_t shape_backlog(const Shape *s, unsigned mtu) {
        uint64_t bytes = in_time(s->rate, WAITING_MSEC * 1000) / 8;

        bytes = MAX(bytes, (uint64_t) 32 * (mtu + HEADER_MAX));
        return (uint32_t) MIN(bytes, (uint64_t) INT32_MAX);
}
