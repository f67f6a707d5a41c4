/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "pcapng.h"

enum {
        BLOCK_SECTION = 0x0a0d0d0a,
        BLOCK_INTERFACE = 1,
        BLOCK_STATISTICS = 5,
        BLOCK_PACKET = 6,
};
enum {
        OPTION_END = 0,
        OPTION_USER_APPLICATION = 4, /* of the section */
        OPTION_IF_NAME = 2,          /* of the interface */
        OPTION_IF_DESCRIPTION = 3,
        OPTION_IF_TSRESOL = 9,
        OPTION_IF_RECEIVED = 4, /* of the statistics */
        OPTION_OS_DROPPED = 7,
        OPTION_CAPTURED = 8,
};
#define BYTE_ORDER_MAGIC  0x1a2b3c4dU
#define LINKTYPE_ETHERNET 1U
#define STRING_MAX        255U

static size_t put16(unsigned char *p, uint16_t v) {
        memcpy(p, &v, sizeof(v));
        return sizeof(v);
}

static size_t put32(unsigned char *p, uint32_t v) {
        memcpy(p, &v, sizeof(v));
        return sizeof(v);
}

static size_t put64(unsigned char *p, uint64_t v) {
        memcpy(p, &v, sizeof(v));
        return sizeof(v);
}

/* A time is two words of 32 bits, the higher one first, whatever the byte order. */
static size_t put_time(unsigned char *p, uint64_t nsec) {
        size_t n = put32(p, (uint32_t) (nsec >> 32));
        return n + put32(p + n, (uint32_t) nsec);
}

/* With zeroes up to a multiple of 4 */
static size_t put_bytes(unsigned char *p, const void *data, size_t n) {
        size_t padding = -n & 3;

        memcpy(p, data, n);
        memset(p + n, 0, padding);
        return n + padding;
}

static size_t put_option(unsigned char *p, uint16_t code, const void *data, size_t n) {
        size_t k = put16(p, code);

        k += put16(p + k, (uint16_t) n);
        return k + put_bytes(p + k, data, n);
}

static size_t put_string(unsigned char *p, uint16_t code, const char *s) {
        return put_option(p, code, s, strnlen(s, STRING_MAX));
}

static size_t begin(unsigned char *p, uint32_t type) {
        size_t n = put32(p, type);
        return n + put32(p + n, 0); /* end() fills it in */
}

/* The length stands at both ends of a block. */
static size_t end(unsigned char *p, size_t n) {
        n += put32(p + n, (uint32_t) (n + 4));
        put32(p + 4, (uint32_t) n);
        return n;
}

static size_t put_section(unsigned char *p, const char *program) {
        size_t n = begin(p, BLOCK_SECTION);

        n += put32(p + n, BYTE_ORDER_MAGIC);
        n += put16(p + n, 1);
        n += put16(p + n, 0);
        n += put64(p + n, UINT64_MAX); /* how long it gets is not known */
        n += put_string(p + n, OPTION_USER_APPLICATION, program);
        n += put_option(p + n, OPTION_END, "", 0);
        return end(p, n);
}

static size_t put_interface(unsigned char *p, const char *ifname, const char *description) {
        static const unsigned char nanoseconds = 9;
        size_t n = begin(p, BLOCK_INTERFACE);

        n += put16(p + n, LINKTYPE_ETHERNET);
        n += put16(p + n, 0);
        n += put32(p + n, PCAPNG_SNAPLEN);
        n += put_string(p + n, OPTION_IF_NAME, ifname);
        n += put_string(p + n, OPTION_IF_DESCRIPTION, description);
        n += put_option(p + n, OPTION_IF_TSRESOL, &nanoseconds, 1);
        n += put_option(p + n, OPTION_END, "", 0);
        return end(p, n);
}

size_t pcapng_start(unsigned char buf[static PCAPNG_START_MAX], const char *program, const char *ifname,
                const char *description) {
        size_t n = put_section(buf, program);
        return n + put_interface(buf + n, ifname, description);
}

size_t pcapng_packet(unsigned char *buf, uint64_t nsec, const void *data, uint32_t n, uint32_t length) {
        size_t k = begin(buf, BLOCK_PACKET);

        k += put32(buf + k, 0);
        k += put_time(buf + k, nsec);
        k += put32(buf + k, n);
        k += put32(buf + k, length);
        k += put_bytes(buf + k, data, n);
        return end(buf, k);
}

size_t pcapng_statistics(unsigned char buf[static PCAPNG_STATISTICS_MAX], uint64_t nsec, uint64_t passed,
                uint64_t dropped, uint64_t captured) {
        size_t n = begin(buf, BLOCK_STATISTICS);

        n += put32(buf + n, 0);
        n += put_time(buf + n, nsec);
        n += put_option(buf + n, OPTION_IF_RECEIVED, &passed, sizeof(passed));
        n += put_option(buf + n, OPTION_OS_DROPPED, &dropped, sizeof(dropped));
        n += put_option(buf + n, OPTION_CAPTURED, &captured, sizeof(captured));
        n += put_option(buf + n, OPTION_END, "", 0);
        return end(buf, n);
}
