/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every parser of common/parse-value.h, the link alias and lists of VLANs: the first byte says which, the rest is the string. What must
 * hold besides no crash: nothing is written when a parser refuses, and what it takes is the same after it was
 * formatted and parsed again. */

#include "alias.h"
#include "fuzz.h"
#include "parse-value.h"
#include "vlan-set.h"

#define MUST(condition)           \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)

static void numbers(const char *s) {
        uint64_t u = 4711, size = 4711;
        unsigned n = 4711;
        bool b = true;
        char text[32];

        if (parse_uint64(s, 10, 1000000, &u) < 0)
                MUST(u == 4711);
        else {
                MUST(u >= 10 && u <= 1000000);
                snprintf(text, sizeof(text), "%llu", (unsigned long long) u);
                MUST(parse_uint64(text, 0, UINT64_MAX, &size) == 0 && size == u);
        }
        if (parse_unsigned(s, 1, 4095, &n) < 0)
                MUST(n == 4711);
        else
                MUST(n >= 1 && n <= 4095);
        MUST(parse_boolean(s, &b) == 0 || b);
}

static void sizes_and_spans(const char *s) {
        uint64_t size = 4711, again;
        usec_t t = 4711;
        char text[32];

        if (parse_size(s, &size) < 0)
                MUST(size == 4711);
        else {
                snprintf(text, sizeof(text), "%llu", (unsigned long long) size);
                MUST(parse_size(text, &again) == 0 && again == size);
        }
        if (parse_sec(s, &t) < 0)
                MUST(t == 4711);
        else if (t != USEC_INFINITY) {
                snprintf(text, sizeof(text), "%lluus", (unsigned long long) t);
                MUST(parse_sec(text, &again) == 0 && again == t);
        }
}

static void addresses(const char *s) {
        static const struct ether_addr no_mac;
        struct ether_addr mac = no_mac, mac_again;
        char text[IP_STRING_SIZE], mac_text[MAC_STRING_SIZE];
        IPAddress ip = { 0 }, again;

        if (parse_mac(s, &mac) < 0)
                MUST(mac_equal(&mac, &no_mac));
        else
                MUST(parse_mac(format_mac(&mac, mac_text), &mac_again) == 0 && mac_equal(&mac, &mac_again));
        if (parse_ip(s, &ip) >= 0)
                MUST(ip.prefix == 0 && parse_ip(format_ip(&ip, text), &again) == 0 && ip_equal(&ip, &again));
        else
                MUST(ip.family == AF_UNSPEC);
        ip = (IPAddress){ 0 };
        if (parse_ip_prefix(s, &ip) >= 0) {
                MUST(ip.prefix > 0 && parse_ip_prefix(format_ip_prefix(&ip, text), &again) == 0);
                MUST(ip_equal(&ip, &again) && ip.prefix == again.prefix);
        } else
                MUST(ip.family == AF_UNSPEC);
}

static void names(const char *s) {
        size_t n = strlen(s);

        if (name_is_valid(s))
                MUST(n > 0 && n <= NAME_LENGTH_MAX && !strpbrk(s, "/ %:,;\"'\\\n") && text_is_printable(s));
        if (ifname_is_valid(s))
                MUST(n > 0 && n < 16 && !strpbrk(s, "/ %:,;\"'\\\n") && text_is_printable(s));
        if (path_is_normalized(s))
                MUST(s[0] == '/' && !strstr(s, "//") && !strstr(s, "/../"));
        if (text_is_printable(s))
                MUST(!strpbrk(s, "\n\r\t\x7f"));
}

static void aliases(const char *s) {
        char text[ALIAS_SIZE];
        Alias alias, again;

        if (alias_parse(s, &alias) < 0) {
                MUST(alias.kind == ALIAS_FOREIGN);
                return;
        }
        MUST(alias.kind == ALIAS_WIRE ? ifname_is_valid(alias.name) : name_is_valid(alias.name));
        MUST(alias_parse(alias_format(&alias, text), &again) >= 0 && again.kind == alias.kind);
        MUST(streq(again.name, alias.name) && again.has_mac == alias.has_mac);
        MUST(!alias.has_mac || mac_equal(&again.mac, &alias.mac));
        MUST(again.was_down == alias.was_down && alias.was < strlen(s));
}

static void vlans(const char *s) {
        VlanSet set = { { 1 } };

        if (vlan_set_parse(s, &set) < 0)
                MUST(set.bits[0] == 1);
        else
                MUST(!vlan_set_is_empty(&set) && !vlan_set_has(&set, 0) && !vlan_set_has(&set, 4095));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const targets[])(
                        const char *) = { numbers, sizes_and_spans, addresses, names, aliases, vlans };
        _cleanup_free_ char *s = size > 0 ? strndup((const char *) data + 1, size - 1) : NULL;

        if (s)
                targets[data[0] % ELEMENTSOF(targets)](s);
        return 0;
}
