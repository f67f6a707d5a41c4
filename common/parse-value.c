/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <net/if.h>
#include <strings.h>

#include "parse-value.h"

int parse_boolean(const char *s, bool *ret) {
        static const char *const yes[] = { "1", "yes", "y", "true", "t", "on" };
        static const char *const no[] = { "0", "no", "n", "false", "f", "off" };

        for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
                bool is_yes = strcasecmp(s, yes[i]) == 0;
                if (is_yes || strcasecmp(s, no[i]) == 0) {
                        *ret = is_yes;
                        return 0;
                }
        }
        return -EINVAL;
}

/* Digits up to what is none; 0, or -ERANGE past 64 bits. *end is where it stopped. */
static int scan_digits(const char *s, uint64_t *ret, const char **end) {
        uint64_t v = 0;

        for (; isdigit((unsigned char) *s); s++)
                if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t) (*s - '0'), &v))
                        return -ERANGE;
        *ret = v;
        *end = s;
        return 0;
}

int parse_uint64(const char *s, uint64_t min, uint64_t max, uint64_t *ret) {
        const char *end;
        uint64_t v;
        int r;

        if (!isdigit((unsigned char) *s))
                return -EINVAL;
        r = scan_digits(s, &v, &end);
        if (r < 0)
                return r;
        if (*end)
                return -EINVAL;
        if (v < min || v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}

int parse_unsigned(const char *s, unsigned min, unsigned max, unsigned *ret) {
        uint64_t v;
        int r;

        r = parse_uint64(s, min, max, &v);
        if (r < 0)
                return r;
        *ret = (unsigned) v;
        return 0;
}

/* (whole + fraction / scale) * unit, cut to a whole number */
static int multiply_fixed(uint64_t unit, uint64_t whole, uint64_t fraction, uint64_t scale, uint64_t *ret) {
        __uint128_t v = (__uint128_t) whole * unit + (__uint128_t) fraction * unit / scale;

        if (v > UINT64_MAX)
                return -ERANGE;
        *ret = (uint64_t) v;
        return 0;
}

/* A number with an optional fraction of at most nine digits; *end behind it, scale is 10^digits. */
static int scan_number(
                const char *s, uint64_t *whole, uint64_t *fraction, uint64_t *scale, const char **end) {
        int r;

        if (!isdigit((unsigned char) *s))
                return -EINVAL;
        r = scan_digits(s, whole, end);
        if (r < 0)
                return r;
        *fraction = 0;
        *scale = 1;
        if (**end != '.')
                return 0;
        s = *end + 1;
        if (!isdigit((unsigned char) *s))
                return -EINVAL;
        r = scan_digits(s, fraction, end);
        if (r < 0)
                return r;
        if (*end - s > 9)
                return -EINVAL;
        for (; s < *end; s++)
                *scale *= 10;
        return 0;
}

int parse_size(const char *s, uint64_t *ret) {
        static const char suffixes[] = "BKMGTPE";
        uint64_t whole, fraction, scale;
        const char *end, *p;
        int r;

        r = scan_number(s, &whole, &fraction, &scale, &end);
        if (r < 0)
                return r;
        if (!*end)
                return fraction ? -EINVAL : (*ret = whole, 0);
        p = strchr(suffixes, *end);
        if (!p || end[1])
                return -EINVAL;
        return multiply_fixed(UINT64_C(1) << (10 * (p - suffixes)), whole, fraction, scale, ret);
}

int parse_sec(const char *s, usec_t *ret) {
        static const struct {
                const char *name;
                usec_t usec;
        } units[] = {
                { "us", 1 },
                { "ms", USEC_PER_MSEC },
                { "s", USEC_PER_SEC },
                { "sec", USEC_PER_SEC },
                { "second", USEC_PER_SEC },
                { "seconds", USEC_PER_SEC },
                { "m", 60 * USEC_PER_SEC },
                { "min", 60 * USEC_PER_SEC },
                { "minute", 60 * USEC_PER_SEC },
                { "minutes", 60 * USEC_PER_SEC },
                { "h", 3600 * USEC_PER_SEC },
                { "hr", 3600 * USEC_PER_SEC },
                { "hour", 3600 * USEC_PER_SEC },
                { "hours", 3600 * USEC_PER_SEC },
                { "d", 86400 * USEC_PER_SEC },
                { "day", 86400 * USEC_PER_SEC },
                { "days", 86400 * USEC_PER_SEC },
        };
        usec_t sum = 0;

        if (streq(s, "infinity")) {
                *ret = USEC_INFINITY;
                return 0;
        }
        do {
                uint64_t whole, fraction, scale, part, unit = 0;
                const char *end;
                size_t n;
                int r;

                r = scan_number(s, &whole, &fraction, &scale, &end);
                if (r < 0)
                        return r;
                while (*end == ' ')
                        end++;
                n = 0;
                while (isalpha((unsigned char) end[n]))
                        n++;
                if (n == 0)
                        unit = USEC_PER_SEC;
                for (size_t i = 0; n > 0 && i < ELEMENTSOF(units); i++)
                        if (strlen(units[i].name) == n && strncmp(units[i].name, end, n) == 0)
                                unit = units[i].usec;
                if (unit == 0)
                        return -EINVAL;
                r = multiply_fixed(unit, whole, fraction, scale, &part);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, part, &sum) || sum == USEC_INFINITY)
                        return -ERANGE;
                s = end + n;
                while (*s == ' ')
                        s++;
        } while (*s);
        *ret = sum;
        return 0;
}

int parse_mac(const char *s, struct ether_addr *ret) {
        static const unsigned char zero[ETH_ALEN];
        struct ether_addr mac;

        if (strlen(s) != MAC_STRING_SIZE - 1)
                return -EINVAL;
        for (size_t i = 0; i < ETH_ALEN; i++, s += 3) {
                unsigned v = 0;
                for (int k = 0; k < 2; k++) {
                        unsigned char c = (unsigned char) s[k];
                        if (!isxdigit(c))
                                return -EINVAL;
                        v = v << 4 | (unsigned) (isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
                }
                if (s[2] != (i + 1 < ETH_ALEN ? ':' : '\0'))
                        return -EINVAL;
                mac.ether_addr_octet[i] = (uint8_t) v;
        }
        if ((mac.ether_addr_octet[0] & 1) || memcmp(&mac, zero, ETH_ALEN) == 0)
                return -EADDRNOTAVAIL;
        *ret = mac;
        return 0;
}

const char *format_mac(const struct ether_addr *mac, char buf[static MAC_STRING_SIZE]) {
        static const char hex[] = "0123456789abcdef";
        char *p = buf;

        for (size_t i = 0; i < ETH_ALEN; i++) {
                *p++ = hex[mac->ether_addr_octet[i] >> 4];
                *p++ = hex[mac->ether_addr_octet[i] & 15];
                *p++ = i + 1 < ETH_ALEN ? ':' : '\0';
        }
        return buf;
}

bool ip_equal(const IPAddress *a, const IPAddress *b) {
        return a->family == b->family && memcmp(a->bytes, b->bytes, ip_size(a->family)) == 0;
}

bool ip_is_loopback(const IPAddress *ip) {
        static const unsigned char v6[16] = { [15] = 1 };

        return ip->family == AF_INET ? ip->bytes[0] == 127
                                     : ip->family == AF_INET6 && memcmp(ip->bytes, v6, sizeof(v6)) == 0;
}

bool ip_is_link_local(const IPAddress *ip) {
        return ip->family == AF_INET6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

int parse_ip(const char *s, IPAddress *ret) {
        IPAddress ip = { .family = strchr(s, ':') ? AF_INET6 : AF_INET };

        if (inet_pton(ip.family, s, ip.bytes) != 1)
                return -EINVAL;
        *ret = ip;
        return 0;
}

int parse_ip_prefix(const char *s, IPAddress *ret) {
        char address[IP_STRING_SIZE];
        const char *slash = strchr(s, '/');
        unsigned prefix;
        IPAddress ip;
        int r;

        if (!slash || (size_t) (slash - s) >= sizeof(address))
                return -EINVAL;
        *stpncpy(address, s, (size_t) (slash - s)) = '\0';
        r = parse_ip(address, &ip);
        if (r < 0)
                return r;
        r = parse_unsigned(slash + 1, 1, ip.family == AF_INET ? 32 : 128, &prefix);
        if (r < 0)
                return r;
        ip.prefix = (unsigned char) prefix;
        *ret = ip;
        return 0;
}

const char *format_ip(const IPAddress *ip, char buf[static IP_STRING_SIZE]) {
        return inet_ntop(ip->family, ip->bytes, buf, IP_STRING_SIZE) ?: strcpy(buf, "?");
}

const char *format_ip_prefix(const IPAddress *ip, char buf[static IP_STRING_SIZE]) {
        size_t n;

        format_ip(ip, buf);
        n = strlen(buf);
        snprintf(buf + n, IP_STRING_SIZE - n, "/%u", ip->prefix);
        return buf;
}

static bool is_name_byte(char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '-' ||
               c == '_' || c == '.';
}

/* How many bytes the name has, 0 when it has others than a name's or more than max. */
static size_t name_length(const char *s, size_t max) {
        size_t n = 0;

        while (n <= max && is_name_byte(s[n]))
                n++;
        return n > max || s[n] ? 0 : n;
}

bool name_is_valid(const char *s) {
        return name_length(s, NAME_LENGTH_MAX) > 0 && s[0] != '-' && s[0] != '_' && s[0] != '.';
}

bool ifname_is_valid(const char *s) {
        /* the first two are directories of /proc/sys/net/ipv4/conf, so the kernel refuses them */
        if (streq(s, "all") || streq(s, "default") || streq(s, "lo"))
                return false;
        return name_length(s, IF_NAMESIZE - 1) > 0 && s[0] != '.' && s[0] != '-';
}

bool path_is_normalized(const char *s) {
        size_t n = strlen(s);

        if (s[0] != '/' || n >= PATH_MAX || (n > 1 && s[n - 1] == '/'))
                return false;
        for (const char *p = s, *end; *p; p = end) {
                end = strchrnul(p + 1, '/');
                size_t k = (size_t) (end - p - 1);
                if ((k == 0 && n > 1) || (k == 1 && p[1] == '.') || (k == 2 && p[1] == '.' && p[2] == '.'))
                        return false;
        }
        return true;
}

size_t utf8_sequence(const unsigned char *p) {
        if (p[0] < 0x80)
                return 1;
        if (p[0] >= 0xc2 && p[0] <= 0xdf)
                return (p[1] & 0xc0) == 0x80 ? 2 : 0;
        if ((p[0] & 0xf0) == 0xe0) {
                if ((p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
                        return 0;
                return (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ? 0 : 3;
        }
        if (p[0] >= 0xf0 && p[0] <= 0xf4) {
                if ((p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80)
                        return 0;
                return (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f) ? 0 : 4;
        }
        return 0;
}

bool text_is_printable(const char *s) {
        for (const unsigned char *p = (const unsigned char *) s; *p;) {
                size_t n = *p < 0x80 ? 1 : utf8_sequence(p);
                if (n == 0 || *p < 32 || *p == 127)
                        return false;
                p += n;
        }
        return true;
}
