/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "tcp:192.0.2.1:8080:10.9.0.7:80", "udp::53:10.9.0.7:53", "tcp:[2001:db8::1]:8080:[fd00::7]:80" */

#include <arpa/inet.h>

#include "nat.h"

/* An address as far as the colon behind it, IPv6 in brackets; moves *p behind that colon. 0: none stands there. */
static int take_ip(const char **p, IPAddress *ret) {
        const char *start = *p, *end;
        char text[INET6_ADDRSTRLEN + 1];
        bool bracket = *start == '[';
        size_t n;
        int r;

        start += bracket;
        end = strchr(start, bracket ? ']' : ':');
        if (!end || (bracket && end[1] != ':'))
                return -EINVAL;
        n = (size_t) (end - start);
        *p = end + (bracket ? 2 : 1);
        if (n == 0 && !bracket)
                return 0;
        if (n >= sizeof(text))
                return -EINVAL;
        memcpy(text, start, n);
        text[n] = '\0';
        r = parse_ip(text, ret);
        if (r < 0)
                return r;
        return (ret->family == AF_INET6) == bracket ? 1 : -EINVAL;
}

/* As far as the next colon, or the end */
static int take_port(const char **p, unsigned *ret) {
        size_t n = strcspn(*p, ":");
        char text[8];
        int r;

        if (n == 0 || n >= sizeof(text))
                return -EINVAL;
        memcpy(text, *p, n);
        text[n] = '\0';
        r = parse_unsigned(text, 1, 65535, ret);
        *p += n + ((*p)[n] == ':');
        return r;
}

static bool is_any(const IPAddress *ip) {
        for (size_t i = 0; i < ip_size(ip->family); i++)
                if (ip->bytes[i])
                        return false;
        return true;
}

int nat_forward_parse(const char *s, NatForward *ret) {
        NatForward w = { 0 };
        const char *p;
        int r;

        if ((p = startswith(s, "udp:")))
                w.udp = true;
        else if (!(p = startswith(s, "tcp:")))
                return -EINVAL;
        r = take_ip(&p, &w.host);
        if (r >= 0)
                r = take_port(&p, &w.host_port);
        if (r >= 0)
                r = take_ip(&p, &w.guest);
        if (r == 0 || (r > 0 && p[strcspn(p, ":")]))
                return -EINVAL;
        if (r > 0)
                r = take_port(&p, &w.guest_port);
        if (r < 0)
                return r;
        if (is_any(&w.guest) || (w.host.family != AF_UNSPEC && w.host.family != w.guest.family))
                return -EINVAL;
        if (w.host.family != AF_UNSPEC && is_any(&w.host))
                w.host = (IPAddress){ .family = AF_UNSPEC };
        *ret = w;
        return 0;
}
