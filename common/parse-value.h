/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Strings to values, for configuration and argv alike. Input is hostile: whole strings only, no surrounding white
 * space, no silent wrap-around. All parsers are silent, return 0 or negative errno (-EINVAL not of the form, -ERANGE
 * out of range), and write *ret on success only. */

#include <net/ethernet.h>
#include <netinet/in.h>

#include "cleanup.h"

/* systemd.syntax(7): 1 yes y true t on, 0 no n false f off, any case. */
int parse_boolean(const char *s, bool *ret);
/* Decimal, no sign, min..max inclusive. */
int parse_uint64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
int parse_unsigned(const char *s, unsigned min, unsigned max, unsigned *ret);
/* Bytes: "512M", "1.5G"; suffixes B K M G T P E to the base of 1024 (systemd.syntax(7)). */
int parse_size(const char *s, uint64_t *ret);
/* Time span to microseconds: "5", "5s", "1min 30s", "500ms", "infinity"; a bare number is seconds (systemd.time(7)). */
int parse_sec(const char *s, usec_t *ret);

/* "52:54:00:12:34:56", either case; multicast (I/G bit) and all-zero addresses are -EADDRNOTAVAIL. */
int parse_mac(const char *s, struct ether_addr *ret);
#define MAC_STRING_SIZE sizeof("52:54:00:12:34:56")
const char *format_mac(const struct ether_addr *mac, char buf[static MAC_STRING_SIZE]); /* lower case; returns buf */
static inline bool mac_equal(const struct ether_addr *a, const struct ether_addr *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}

/* An IP address with its family; bytes in network order. prefix is 0 when none was given or allowed. */
typedef struct IPAddress {
        int family; /* AF_INET or AF_INET6; AF_UNSPEC is "none" */
        unsigned char bytes[16];
        unsigned char prefix;
} IPAddress;

static inline size_t ip_size(int family) {
        return family == AF_INET ? 4 : 16;
}
bool ip_equal(const IPAddress *a, const IPAddress *b); /* family and bytes; prefix does not count */
bool ip_is_loopback(const IPAddress *ip); /* 127.0.0.0/8, ::1 */
bool ip_is_link_local(const IPAddress *ip); /* of IPv6: each link has its own, and routes are not asked */
/* "10.9.0.1", "fd00::1"; no prefix, no scope, no leading zeros or short forms of inet_aton(3). */
int parse_ip(const char *s, IPAddress *ret);
/* "10.9.0.1/24": the prefix must be there, 1..32 or 1..128. */
int parse_ip_prefix(const char *s, IPAddress *ret);
#define IP_STRING_SIZE (INET6_ADDRSTRLEN + sizeof("/128"))
const char *format_ip(const IPAddress *ip, char buf[static IP_STRING_SIZE]);        /* without the prefix */
const char *format_ip_prefix(const IPAddress *ip, char buf[static IP_STRING_SIZE]); /* with it */

/* Names of VMs, switches, systems and labs: [A-Za-z0-9][A-Za-z0-9_.-]*, at most 63 bytes, so that unit instances need
 * no escaping (systemd.unit(5)) and aliases and host names can carry them. */
#define NAME_LENGTH_MAX 63
bool name_is_valid(const char *s);
/* linux/netdevice.h dev_valid_name(): 1..15 bytes, no '/', ':', white space, not "." or ".."; and, ours, only bytes that
 * need no escaping in a unit's instance. */
bool ifname_is_valid(const char *s);
/* Absolute, no "//", "/./", "/../", no trailing slash, shorter than PATH_MAX. */
bool path_is_normalized(const char *s);
/* Well-formed UTF-8 without control characters (0-31, 127). */
bool text_is_printable(const char *s);
/* Length of the UTF-8 sequence at p, 0 when malformed (RFC 3629: no overlong forms, surrogates, or past U+10FFFF). Reads
 * as far as a NUL at most. */
size_t utf8_sequence(const unsigned char *p);
