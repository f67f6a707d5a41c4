/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Blocks of the pcapng format (draft-ietf-opsawg-pcapng), as far as a capture of one Ethernet interface needs them: little
 * or big endian as the machine is, times in nanoseconds. A file is one pcapng_start() and any number of pcapng_packet(), with
 * a pcapng_statistics() at the end or not: after each block it is complete. Each returns the length of what it wrote, a
 * multiple of 4. */

#include <stddef.h>
#include <stdint.h>

#define PCAPNG_SNAPLEN        65535U
#define PCAPNG_START_MAX      1024U
#define PCAPNG_STATISTICS_MAX 64U /* exactly so much */
/* What a packet of n bytes takes */
#define PCAPNG_PACKET_SIZE(n) (32U + (((n) + 3U) & ~3U))

/* The section header and the description of the interface. Strings are cut at 255 bytes. */
size_t pcapng_start(unsigned char buf[static PCAPNG_START_MAX], const char *program, const char *ifname,
                const char *description);
/* buf has room for PCAPNG_PACKET_SIZE(n). length: of the packet on the wire, n of which are here. */
size_t pcapng_packet(unsigned char *buf, uint64_t nsec, const void *data, uint32_t n, uint32_t length);
/* Since the start of the file: packets that passed, those of them that the kernel had no room for, those in the file */
size_t pcapng_statistics(unsigned char buf[static PCAPNG_STATISTICS_MAX], uint64_t nsec, uint64_t passed,
                uint64_t dropped, uint64_t captured);
