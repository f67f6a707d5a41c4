/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf-parsers.h"
#include "conf-table.h"

#define DOMAIN_LENGTH_MAX 253 /* RFC 1035 */
#define LABEL_LENGTH_MAX  63
#define AGEING_MAX        (24 * 3600 * USEC_PER_SEC) /* of qnet-switch(8) */

int parse_switch_type(Setting *s, char *value, void *member) {
        int type = switch_type_from_string(value);

        if (type < 0)
                return setting_refuse(s, "is neither bridge nor vde");
        *(SwitchType *) member = (SwitchType) type;
        return 0;
}

/* The words of a value, in a copy to cut up: the value itself is read again, where it stands for several objects. */
static int copy_words(Setting *s, char *value, char **ret) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        *ret = arena_strdup(s->arena, text);
        return *ret ? 0 : -ENOMEM;
}

/* "10.9.0.100-10.9.0.200": of one family, the first not behind the last */
static bool parse_range(const char *text, IPAddress *first, IPAddress *last) {
        const char *dash = strchr(text, '-');
        char start[IP_STRING_SIZE];

        if (!dash || (size_t) (dash - text) >= sizeof(start))
                return false;
        memcpy(start, text, (size_t) (dash - text));
        start[dash - text] = '\0';
        return parse_ip(start, first) >= 0 && parse_ip(dash + 1, last) >= 0 &&
               first->family == last->family &&
               memcmp(first->bytes, last->bytes, ip_size(first->family)) <= 0;
}

static int add_ranges(Setting *s, char *words, Switch *w) {
        char *save = NULL;

        for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                DHCPRange range = { .origin = s->origin }, *slot;

                if (!parse_range(word, &range.first, &range.last))
                        return setting_refuse(s, "is neither yes nor no nor a range of addresses, "
                                                 "such as 10.9.0.100-10.9.0.200");
                slot = arena_append(s->arena, w->ranges, w->n_ranges);
                if (!slot)
                        return -ENOMEM;
                *slot = range;
        }
        return 0;
}

int parse_dhcp(Setting *s, char *value, void *member) {
        Switch *w = member;
        size_t n_before = w->n_ranges;
        char *words;
        bool b = false;
        int r;

        if (!*value || parse_boolean(value, &b) >= 0) {
                if (!b) {
                        w->ranges = NULL;
                        w->n_ranges = 0;
                }
                w->dhcp = w->dhcp_any = b;
                return 0;
        }
        r = copy_words(s, value, &words);
        if (r >= 0)
                r = add_ranges(s, words, w);
        if (r < 0) {
                w->n_ranges = n_before;
                return r;
        }
        w->dhcp = true;
        return 0;
}

/* What dnsmasq takes: it makes less than two minutes two, and counts in 32 bits, of which the last number is its
 * "infinite". */
int parse_dhcp_lease(Setting *s, char *value, void *member) {
        usec_t lease;
        int r;

        r = parse_time_span(s, value, &lease);
        if (r < 0)
                return r;
        if (lease < 120 * USEC_PER_SEC)
                return setting_refuse(s, "is less than 2 minutes, the shortest lease of dnsmasq's");
        if (lease != USEC_INFINITY && lease / USEC_PER_SEC >= UINT32_MAX)
                return setting_refuse(s, "is more than 136 years, the longest lease of dnsmasq's; say infinity");
        *(usec_t *) member = lease;
        return 0;
}

/* Labels as RFC 1123 has them for hosts: what a resolver would not take is of no use to guests. */
static bool domain_is_valid(const char *s) {
        size_t n;

        if (strlen(s) > DOMAIN_LENGTH_MAX)
                return false;
        for (;; s += n + 1) {
                n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
                if (n == 0 || n > LABEL_LENGTH_MAX || s[0] == '-' || s[n - 1] == '-')
                        return false;
                if (!s[n])
                        return true;
                if (s[n] != '.')
                        return false;
        }
}

int parse_domain(Setting *s, char *value, void *member) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (!domain_is_valid(text))
                return setting_refuse(s, "is not a domain, such as lab.example: letters, digits and '-', dots between");
        *(char **) member = text;
        return 0;
}

int parse_ageing(Setting *s, char *value, void *member) {
        Fabric *f = member;
        usec_t t;
        int r;

        if (!*value) {
                f->ageing_set = false;
                return 0;
        }
        r = parse_time_span(s, value, &t);
        if (r < 0)
                return r;
        if (t > AGEING_MAX)
                return setting_refuse(s, "is more than a day");
        f->ageing = t;
        f->ageing_set = true;
        return 0;
}

/* Decimal, or as ip(8) and systemd.netdev(5) show it, 0x4000. */
static int parse_mask(const char *text, unsigned *ret) {
        size_t n;

        if (!startswith(text, "0x"))
                return parse_unsigned(text, 0, UINT16_MAX, ret);
        n = strspn(text + 2, "0123456789abcdefABCDEF");
        if (n == 0 || n > 4 || text[2 + n])
                return -EINVAL;
        *ret = (unsigned) strtoul(text + 2, NULL, 16);
        return 0;
}

int parse_group_forward_mask(Setting *s, char *value, void *member) {
        unsigned mask;
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (parse_mask(text, &mask) < 0)
                return setting_refuse(s, "is not a number from 0 to 65535 (0xffff)");
        if (mask & 7)
                return setting_refuse(s, "has one of the bits 1, 2 and 4 (STP, pause frames, LACP), which Linux never "
                                         "forwards");
        *(unsigned *) member = mask;
        return 0;
}

/* "s2", or "s2:10,20-30" */
static int parse_cable(Setting *s, char *word, Trunk *ret) {
        char *vlans = strchr(word, ':');
        int r;

        if (vlans) {
                *vlans++ = '\0';
                ret->vlans = arena_alloc(s->arena, sizeof(VlanSet));
                if (!ret->vlans)
                        return -ENOMEM;
                r = vlan_set_parse(vlans, ret->vlans);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        return setting_refuse(s, "is not SWITCH:VLANS, such as s2:10,20-30; VLANs are from 1 to 4094");
        }
        if (!name_is_valid(word))
                return setting_refuse(s, "is not SWITCH or SWITCH:VLANS, such as s2:10,20-30");
        ret->peer_name = word;
        ret->origin = s->origin;
        return 0;
}

int parse_trunk(Setting *s, char *value, void *member) {
        Switch *w = member;
        size_t n_before = w->n_trunks;
        char *words, *save = NULL;
        int r;

        if (!*value) {
                w->trunks = NULL;
                w->n_trunks = 0;
                return 0;
        }
        r = copy_words(s, value, &words);
        for (char *word = r < 0 ? NULL : strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                Trunk *t = arena_append(s->arena, w->trunks, w->n_trunks);

                r = t ? parse_cable(s, word, t) : -ENOMEM;
                if (r < 0)
                        break;
        }
        if (r < 0)
                w->n_trunks = n_before;
        return r;
}

int parse_vxlan(Setting *s, char *value, void *member) {
        VXLAN *x = member;
        char *text;
        int r;

        if (!*value) {
                x->set = false;
                return 0;
        }
        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (parse_unsigned(text, 0, 16777215, &x->vni) < 0)
                return setting_refuse(s, "is not the number of a VXLAN, from 0 to 16777215");
        x->set = true;
        return 0;
}

int parse_vxlan_peers(Setting *s, char *value, void *member) {
        VXLAN *x = member;

        return setting_addresses(s, value, parse_ip,
                        "the IP address of a host, such as 192.0.2.7 or 2001:db8::7", &x->peers, &x->n_peers);
}

static int parse_one_address(Setting *s, char *value, IPAddress *ret) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        return parse_ip(text, ret) < 0 ? setting_refuse(s, "is not an IP address") : 0;
}

int parse_multicast_group(Setting *s, char *value, void *member) {
        IPAddress ip;
        int r;

        r = parse_one_address(s, value, &ip);
        if (r < 0)
                return r;
        if (ip.family == AF_INET ? (ip.bytes[0] & 0xf0) != 0xe0 : ip.bytes[0] != 0xff)
                return setting_refuse(s, "is not a multicast group, such as 239.1.1.1 or ff05::100");
        *(IPAddress *) member = ip;
        return 0;
}

int parse_station(Setting *s, char *value, void *member) {
        IPAddress ip;
        int r;

        r = parse_one_address(s, value, &ip);
        if (r < 0)
                return r;
        if (!ip_is_station(&ip))
                return setting_refuse(s, "is not the address of one host");
        *(IPAddress *) member = ip;
        return 0;
}

int parse_port(Setting *s, char *value, void *member) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        return parse_unsigned(text, 1, 65535, member) < 0 ? setting_refuse(s, "is not a port, from 1 to 65535") : 0;
}
