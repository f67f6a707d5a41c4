/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a wire does to the frames on it, in one direction: how fast it is, how long it takes, what it loses.
 * On a command line it is "rate=BITPS,delay=USEC,jitter=USEC,loss=PPM,duplicate=PPM,corrupt=PPM,
 * reorder=PPM", of which only those that are not zero need be there. Silent. */

#include "parse-value.h"

#define SHAPE_PPM_MAX 1000000U

typedef struct Shape {
        uint64_t rate;   /* bits per second, of Ethernet frames without preamble and FCS; 0: as fast as it goes */
        uint64_t delay;  /* microseconds */
        uint64_t jitter; /* microseconds, by which the delay is evenly more or less; at most the delay */
        unsigned loss, duplicate, corrupt, reorder; /* frames of a million; reorder: those that skip the delay */
} Shape;

static inline bool shape_is_empty(const Shape *s) {
        return s->rate == 0 && s->delay == 0 && s->loss == 0 && s->duplicate == 0 && s->corrupt == 0;
}
static inline bool shape_is_rate_only(const Shape *s) {
        return s->rate > 0 && s->delay == 0 && s->loss == 0 && s->duplicate == 0 && s->corrupt == 0;
}

/* -EINVAL: *ret_why says what is wrong, as the end of a sentence "SHAPE ...". */
int shape_parse(const char *text, Shape *ret, const char **ret_why);

/* How many frames must find room: all that are on their way at once, of the smallest size, so that the
 * delay never lowers the rate, and some that wait for the wire. */
uint32_t shape_frames(const Shape *s);
/* Of a wire with a rate only: how many bytes may go at once after a pause, and how many may wait. */
uint32_t shape_burst(const Shape *s, unsigned mtu);
uint32_t shape_backlog(const Shape *s, unsigned mtu);
