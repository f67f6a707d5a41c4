/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* [Interface]: what a network card is connected to, and what the wire does. */

#include "conf-parsers.h"

#define QUEUES_MAX        256 /* the kernel's MAX_TAP_QUEUES */
#define CAPTURE_SIZE_MIN  (UINT64_C(64) * 1024)
#define CAPTURE_FILES_MAX 1000
#define RATE_MIN          UINT64_C(8)             /* bit/s */
#define RATE_MAX          UINT64_C(1000000000000) /* a terabit */
#define DELAY_MAX         (UINT64_C(60) * USEC_PER_SEC)
#define MILLION           1000000U

/* A copy to take apart: the value itself is read again, for the next VM of a [System]. */
static int expand_copy(Setting *s, char *value, char **ret) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        *ret = arena_strdup(s->arena, text);
        return *ret ? 0 : -ENOMEM;
}

/* ---- where it leads ---- */

int parse_link_end(Setting *s, char *value, void *member) {
        LinkEnd end = { 0 };
        char *text;
        int r;

        r = expand_copy(s, value, &text);
        if (r < 0)
                return r;
        if (*text == '/') {
                if (!path_is_normalized(text))
                        return setting_refuse(s, "is not an absolute path without \"//\", \".\" and \"..\" in it");
                end.path = text;
        } else if (parse_ip(text, &end.ip) < 0 && !split_endpoint(text, &end.ip, &end.port))
                return setting_refuse(s, "is not IP:PORT, [IPv6]:PORT, a port, an IP address, or the path of a socket");
        *(LinkEnd *) member = end;
        return 0;
}

/* "tcp:[::1]:80:[fd00::5]:8080": fields between colons that are not in brackets; at most max of them. */
static size_t split_fields(char *text, char *fields[], size_t max) {
        size_t n = 0;
        bool inside = false;

        fields[n++] = text;
        for (char *p = text; *p; p++) {
                if (*p == '[' || *p == ']')
                        inside = *p == '[';
                else if (*p == ':' && !inside) {
                        *p = '\0';
                        if (n == max)
                                return 0;
                        fields[n++] = p + 1;
                }
        }
        return n;
}

static bool parse_field_ip(char *text, IPAddress *ip) {
        size_t n = strlen(text);

        if (text[0] != '[')
                return parse_ip(text, ip) >= 0 && ip->family == AF_INET;
        if (text[n - 1] != ']')
                return false;
        text[n - 1] = '\0';
        return parse_ip(text + 1, ip) >= 0 && ip->family == AF_INET6;
}

static bool parse_field_port(const char *text, unsigned *port) {
        return parse_unsigned(text, 1, 65535, port) >= 0;
}

/* PROTOCOL:[IP:]PORT:[IP:]PORT; a single address is the host's if it is in the second place. */
static bool parse_forward(char *text, Forward *f) {
        char *fields[5], **p = fields + 1;
        size_t n = split_fields(text, fields, ELEMENTSOF(fields));

        if (n < 3 || !(streq(fields[0], "tcp") || streq(fields[0], "udp")))
                return false;
        f->udp = *fields[0] == 'u';
        if ((n == 5 || (n == 4 && strpbrk(*p, ".["))) && !parse_field_ip(*p++, &f->host))
                return false;
        if (!parse_field_port(*p++, &f->host_port))
                return false;
        if (p - fields + 2 == (ptrdiff_t) n && !parse_field_ip(*p++, &f->guest))
                return false;
        if (!parse_field_port(*p++, &f->guest_port))
                return false;
        if (f->host.family == AF_UNSPEC)
                f->host.family = f->guest.family == AF_INET6 ? AF_INET6 : AF_INET; /* all that there are */
        return true;
}

int parse_forwards(Setting *s, char *value, void *member) {
        Wire *wire = member;
        size_t n_before = wire->n_forwards;
        char *text, *save = NULL;
        int r;

        if (!*value) {
                wire->forwards = NULL;
                wire->n_forwards = 0;
                return 0;
        }
        r = expand_copy(s, value, &text);
        if (r < 0)
                return r;
        for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                Forward f = { .origin = s->origin }, *slot;

                if (!parse_forward(word, &f)) {
                        wire->n_forwards = n_before;
                        return setting_refuse(s, "is not tcp or udp, :[IP:]PORT of the host, and :[IP:]PORT of the "
                                                 "guest, such as tcp:8080:80 or udp:127.0.0.1:5353:10.9.0.5:53");
                }
                slot = arena_append(s->arena, wire->forwards, wire->n_forwards);
                if (!slot)
                        return -ENOMEM;
                *slot = f;
        }
        return 0;
}

int parse_host_addresses(Setting *s, char *value, void *member) {
        Wire *wire = member;

        return setting_addresses(s, value, parse_ip_prefix, "an IP address with a prefix, such as 10.9.0.1/24",
                        &wire->host_addresses, &wire->n_host_addresses);
}

/* ---- the port ---- */

int parse_vlan(Setting *s, char *value, void *member) {
        return setting_number(s, value, 1, VLAN_MAX, member);
}

int parse_trunk_vlans(Setting *s, char *value, void *member) {
        VlanSet *all = member, sum = *all;
        char *text, *save = NULL;
        int r;

        r = expand_copy(s, value, &text);
        if (r < 0)
                return r;
        for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                VlanSet some;

                r = vlan_set_parse(word, &some);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        return setting_refuse(s, "is not a list of VLANs from 1 to %u, such as 10 20-30", VLAN_MAX);
                vlan_set_add_all(&sum, &some);
        }
        *all = sum;
        return 0;
}

int parse_queues(Setting *s, char *value, void *member) {
        return setting_number(s, value, 1, QUEUES_MAX, member);
}

int parse_vhost(Setting *s, char *value, void *member) {
        VHost *vhost = member;
        bool b;

        if (parse_boolean(value, &b) >= 0)
                *vhost = b ? VHOST_YES : VHOST_NO;
        else if (streq(value, "auto"))
                *vhost = VHOST_AUTO;
        else
                return setting_refuse(s, "is neither yes, no nor auto");
        return 0;
}

int parse_link_state(Setting *s, char *value, void *member) {
        bool down = streq(value, "down");

        if (!down && !streq(value, "up"))
                return setting_refuse(s, "is neither up nor down");
        *(bool *) member = down;
        return 0;
}

/* ---- what is captured ---- */

int parse_capture(Setting *s, char *value, void *member) {
        Wire *wire = member;
        char *directory = NULL;
        bool b = *value;
        int r;

        if (*value == '/' || *value == '%') {
                r = parse_path(s, value, &directory);
                if (r < 0)
                        return r;
        } else if (*value && parse_boolean(value, &b) < 0)
                return setting_refuse(s, "is neither yes, no nor a directory");
        wire->capture = b;
        wire->capture_directory = directory;
        return 0;
}

int parse_capture_size(Setting *s, char *value, void *member) {
        return setting_bytes(s, value, CAPTURE_SIZE_MIN, "64K", member);
}

int parse_capture_files(Setting *s, char *value, void *member) {
        return setting_number(s, value, 1, CAPTURE_FILES_MAX, member);
}

/* ---- what the wire does: VALUE for both directions, or TO/FROM the guest. A percent sign is no specifier here. ---- */

static int parse_both(Setting *s, const char *value, int (*parse)(const char *, uint64_t *), const char *what,
                uint64_t ret[static _DIRECTION_MAX]) {
        char *text = arena_strdup(s->arena, value), *slash = text ? strchr(text, '/') : NULL;
        uint64_t both[_DIRECTION_MAX];

        if (!text)
                return -ENOMEM;
        if (slash)
                *slash = '\0';
        if (parse(text, &both[TO_GUEST]) < 0 || parse(slash ? slash + 1 : text, &both[FROM_GUEST]) < 0)
                return setting_refuse(s, "is not %s", what);
        memcpy(ret, both, sizeof(both));
        return 0;
}

static int parse_rate(const char *text, uint64_t *ret) {
        static const struct {
                const char *suffix;
                uint64_t factor;
        } suffixes[] = { { "K", 1000 }, { "M", 1000000 }, { "G", 1000000000 } };
        size_t n = strlen(text);
        uint64_t factor = 1, v;
        char digits[32];

        if (streq(text, "infinity")) {
                *ret = 0;
                return 0;
        }
        for (size_t i = 0; n > 0 && i < ELEMENTSOF(suffixes); i++)
                if (text[n - 1] == *suffixes[i].suffix)
                        factor = suffixes[i].factor;
        if (factor > 1)
                n--;
        if (n == 0 || n >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, text, n);
        digits[n] = '\0';
        if (parse_uint64(digits, 1, RATE_MAX / factor, &v) < 0 || v * factor < RATE_MIN)
                return -EINVAL;
        *ret = v * factor;
        return 0;
}

int parse_rates(Setting *s, char *value, void *member) {
        return parse_both(s, value, parse_rate,
                        "a rate of 8 to 1000G bit/s, such as 10M, or two, to and from the guest: 10M/infinity",
                        member);
}

static int parse_delay(const char *text, uint64_t *ret) {
        usec_t v;

        if (parse_sec(text, &v) < 0 || v > DELAY_MAX)
                return -EINVAL;
        *ret = v;
        return 0;
}

int parse_delays(Setting *s, char *value, void *member) {
        return parse_both(s, value, parse_delay,
                        "a time span of at most 60s, such as 20ms, or two, to and from the guest: 20ms/0",
                        member);
}

/* "1%", "0.25%": of a million */
static int parse_percent(const char *text, uint64_t *ret) {
        uint64_t whole, part = 0, unit = MILLION / 100;
        size_t n = strlen(text), n_whole = strspn(text, "0123456789");
        char digits[8];

        if (streq(text, "0")) {
                *ret = 0;
                return 0;
        }
        if (n == 0 || text[n - 1] != '%' || n_whole == 0 || n_whole >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, text, n_whole);
        digits[n_whole] = '\0';
        if (parse_uint64(digits, 0, 100, &whole) < 0)
                return -EINVAL;
        if (text[n_whole] == '.') {
                size_t i = n_whole + 1;

                if (text[i] == '%')
                        return -EINVAL;
                for (; text[i] >= '0' && text[i] <= '9'; i++) {
                        if (unit == 1)
                                return -EINVAL;
                        unit /= 10;
                        part += (uint64_t) (text[i] - '0') * unit;
                }
                n_whole = i;
        }
        if (n_whole != n - 1 || whole * (MILLION / 100) + part > MILLION)
                return -EINVAL;
        *ret = whole * (MILLION / 100) + part;
        return 0;
}

int parse_percents(Setting *s, char *value, void *member) {
        unsigned *parts = member;
        uint64_t both[_DIRECTION_MAX];
        int r;

        r = parse_both(s, value, parse_percent,
                        "a share from 0% to 100%, such as 0.25%, or two, to and from the guest: 1%/0%",
                        both);
        for (size_t i = 0; i < _DIRECTION_MAX && r >= 0; i++)
                parts[i] = (unsigned) both[i];
        return r;
}
