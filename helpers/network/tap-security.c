/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rules, in the language of nft(8). The kernel takes one VLAN tag off a frame before it comes to the chain, so a
 * tagged frame is judged by what is inside; one with two tags, or with IP in an 802.2 envelope, cannot be looked into and
 * is dropped.
 *
 * MACs and addresses stand in sets, so that they change without the rules. Each IPv6 address is there twice: as an address,
 * and as the number that nft takes for the target of a neighbour advertisement. */

#include "log.h"
#include "nft.h"
#include "tap-security.h"

#define TABLE_SIZE (sizeof("qnet-tap-") + IFNAMSIZ)

const char *const tap_security_counters[] = {
        "wrong-mac",
        "arp-spoof",
        "ip-spoof",
        "ip6-spoof",
        "nd-spoof",
        "dhcp-server",
        "router-advert",
        "encapsulated",
        NULL,
};

static const char *table_name(const char *ifname, char buf[static TABLE_SIZE]) {
        snprintf(buf, TABLE_SIZE, "qnet-tap-%s", ifname);
        return buf;
}

static int has_table(const char *ifname) {
        char table[TABLE_SIZE];
        int r = nft_netdev_table_exists(table_name(ifname, table));

        return r < 0 ? log_error_errno(r, "Cannot tell whether %s has port security: %m", ifname) : r;
}

/* ---- commands ---- */

/* What is written so far is run in one transaction by script_run(). */
typedef struct Script {
        FILE *f;
        char *text;
        size_t size;
        char table[TABLE_SIZE];
} Script;

static void script_done(Script *s) {
        if (s->f)
                fclose(s->f);
        free(s->text);
}
#define _cleanup_script_ _cleanup_(script_done)

static int script_open(Script *s, const char *ifname) {
        table_name(ifname, s->table);
        s->f = open_memstream(&s->text, &s->size);
        return s->f ? 0 : log_oom();
}

/* "VERB netdev TABLE REST" */
static void put(const Script *s, const char *verb, const char *rest) {
        fprintf(s->f, "%s netdev %s %s\n", verb, s->table, rest);
}

static void rule(const Script *s, const char *chain, const char *text) {
        fprintf(s->f, "add rule netdev %s %s %s\n", s->table, chain, text);
}

static int script_run(Script *s, const char *ifname) {
        _cleanup_nft_ Nft *nft = NULL;
        int r;

        r = fclose(s->f);
        s->f = NULL;
        if (r != 0)
                return log_oom();
        r = nft_new(&nft);
        if (r < 0)
                return log_error_errno(r, "Cannot use libnftables: %m");
        r = nft_run(nft, s->text);
        if (r < 0)
                return log_error_errno(
                                r, "Cannot change the port security of %s: %m%s", ifname, nft_reason(nft));
        return 0;
}

/* ---- sets ---- */

/* An address as one number: the lowest or highest of its network */
static const char *format_number(const IPAddress *ip, bool highest, char buf[static sizeof("0x") + 32]) {
        unsigned prefix = ip->prefix > 0 ? ip->prefix : 128;
        size_t n = (size_t) snprintf(buf, sizeof("0x"), "0x");

        for (unsigned i = 0; i < 16; i++) {
                unsigned mask = prefix >= 8 * (i + 1) ? 0 : prefix <= 8 * i ? 0xff : 0xffU >> (prefix - 8 * i);
                unsigned byte = highest ? ip->bytes[i] | mask : ip->bytes[i] & ~mask;

                n += (size_t) snprintf(buf + n, sizeof("ff"), "%02x", byte & 0xff);
        }
        return buf;
}

static void element(const Script *s, const char *verb, const char *set, const char *a, const char *b) {
        fprintf(s->f, "%s element netdev %s %s { %s%s%s }\n", verb, s->table, set, a, *b ? "-" : "", b);
}

static void put_allowed(const Script *s, const IPAddress *ip) {
        char text[IP_STRING_SIZE], low[35], high[35];

        if (ip->prefix > 0)
                format_ip_prefix(ip, text);
        else
                format_ip(ip, text);
        element(s, "add", ip->family == AF_INET ? "allowed4" : "allowed6", text, "");
        if (ip->family == AF_INET6)
                element(s, "add", "targets6", format_number(ip, false, low), format_number(ip, true, high));
}

static void put_lease(const Script *s, const char *verb, const IPAddress *ip) {
        char text[IP_STRING_SIZE], number[35];
        IPAddress host = *ip;

        host.prefix = 0;
        element(s, verb, ip->family == AF_INET ? "leases4" : "leases6", format_ip(ip, text), "");
        if (ip->family == AF_INET6)
                element(s, verb, "lease-targets6", format_number(&host, false, number), "");
}

static void put_mac(const Script *s, const struct ether_addr *mac) {
        char text[MAC_STRING_SIZE], number[sizeof("0x525400000000")];
        const uint8_t *m = mac ? mac->ether_addr_octet : NULL;

        put(s, "flush set", "mac");
        put(s, "flush set", "mac-number");
        if (!mac)
                return;
        snprintf(number, sizeof(number), "0x%02x%02x%02x%02x%02x%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
        element(s, "add", "mac", format_mac(mac, text), "");
        element(s, "add", "mac-number", number, "");
}

static void flush_leases(const Script *s) {
        static const char *const sets[] = { "leases4", "leases6", "lease-targets6" };

        for (size_t i = 0; i < ELEMENTSOF(sets); i++)
                put(s, "flush set", sets[i]);
}

static void put_sets(const Script *s, const TapSecurity *t) {
        static const IPAddress link_local = { .family = AF_INET6, .bytes = { 0xfe, 0x80 }, .prefix = 10 };
        static const char *const allowed[] = { "allowed4", "allowed6", "targets6" };

        put(s, "add set", "mac { type ether_addr; }");
        put(s, "add set", "mac-number { typeof @th,208,48; }");
        put(s, "add set", "allowed4 { type ipv4_addr; flags interval; auto-merge; }");
        put(s, "add set", "allowed6 { type ipv6_addr; flags interval; auto-merge; }");
        put(s, "add set", "targets6 { typeof @th,64,128; flags interval; auto-merge; }");
        put(s, "add set", "leases4 { type ipv4_addr; }");
        put(s, "add set", "leases6 { type ipv6_addr; }");
        put(s, "add set", "lease-targets6 { typeof @th,64,128; }");
        for (size_t i = 0; i < ELEMENTSOF(allowed); i++)
                put(s, "flush set", allowed[i]);
        put_mac(s, t->mac);
        put_allowed(s, &link_local); /* nobody else knows which one a guest makes up */
        for (size_t i = 0; i < t->n_allowed; i++)
                put_allowed(s, &t->allowed[i]);
        for (size_t i = 0; i < t->n_leases; i++)
                put_lease(s, "add", &t->leases[i]);
}

/* ---- rules ---- */

#define DROP(counter) " counter name \"" counter "\" drop"

static void put_arp_rules(const Script *s, const TapSecurity *t) {
        /* only this form has its addresses where they are looked for */
#define ARP "arp htype 1 arp ptype 0x0800 arp hlen 6 arp plen 4 arp saddr ether @mac "
        if (t->judge_addresses) {
                rule(s, "judge-arp", ARP "arp saddr ip @allowed4 return");
                rule(s, "judge-arp", ARP "arp saddr ip @leases4 return");
                rule(s, "judge-arp", ARP "arp saddr ip 0.0.0.0 return"); /* RFC 5227: is the address free? */
        } else
                rule(s, "judge-arp", ARP "return");
        rule(s, "judge-arp", DROP("arp-spoof"));
#undef ARP
}

static void put_ip_rules(const Script *s, const TapSecurity *t) {
        /* who receives it is a client */
        rule(s, "judge-ip", "udp dport 68" DROP("dhcp-server"));
        if (!t->judge_addresses)
                return;
        rule(s, "judge-ip", "ip saddr @allowed4 return");
        rule(s, "judge-ip", "ip saddr @leases4 return");
        rule(s, "judge-ip", "ip saddr 0.0.0.0 udp sport 68 udp dport 67 return");
        rule(s, "judge-ip", "ip saddr 0.0.0.0 ip protocol igmp return"); /* RFC 3376, section 4.2.13 */
        rule(s, "judge-ip", DROP("ip-spoof"));
}

static void put_ip6_rules(const Script *s, const TapSecurity *t) {
        rule(s, "judge-ip6", "udp dport 546" DROP("dhcp-server"));
        rule(s, "judge-ip6", "icmpv6 type nd-router-advert" DROP("router-advert"));
        rule(s, "judge-ip6", "icmpv6 type nd-redirect" DROP("nd-spoof"));
        /* RFC 6980: neighbour discovery is never in pieces; in one, its type could hide in the second */
        rule(s, "judge-ip6", "ip6 saddr fe80::/10 exthdr frag exists" DROP("nd-spoof"));
        /* the link-layer address that comes with them, if it is the first option */
        rule(s, "judge-ip6",
                        "icmpv6 type nd-neighbor-solicit @th,192,16 0x0101 @th,208,48 != @mac-number" DROP("nd-spoof"));
        rule(s, "judge-ip6",
                        "icmpv6 type nd-neighbor-advert @th,192,16 0x0201 @th,208,48 != @mac-number" DROP("nd-spoof"));
        if (!t->judge_addresses)
                return;
        rule(s, "judge-ip6",
                        "icmpv6 type nd-neighbor-advert @th,64,128 != @targets6 @th,64,128 != @lease-targets6" DROP(
                                        "nd-spoof"));
        rule(s, "judge-ip6", "ip6 saddr @allowed6 return");
        rule(s, "judge-ip6", "ip6 saddr @leases6 return");
        /* RFC 4862 and RFC 3810: before it has an address */
        rule(s, "judge-ip6",
                        "ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, "
                        "mld-listener-done, mld2-listener-report } return");
        rule(s, "judge-ip6", DROP("ip6-spoof"));
}

static void put_chains(const Script *s, const TapSecurity *t) {
        static const char *const chains[] = { "judge-arp", "judge-ip", "judge-ip6", "ingress" };

        fprintf(s->f,
                        "add chain netdev %s ingress { type filter hook ingress device \"%s\" priority filter; "
                        "policy accept; }\n",
                        s->table, t->ifname);
        for (size_t i = 0; i < 3; i++)
                put(s, "add chain", chains[i]);
        for (size_t i = 0; i < ELEMENTSOF(chains); i++)
                put(s, "flush chain", chains[i]);
        put_arp_rules(s, t);
        put_ip_rules(s, t);
        put_ip6_rules(s, t);
        rule(s, "ingress", "ether saddr != @mac" DROP("wrong-mac"));
        rule(s, "ingress", "meta protocol { 0x8100, 0x88a8 }" DROP("encapsulated"));
        rule(s, "ingress", "meta protocol 0x0004 @nh,0,24 0xaaaa03" DROP("encapsulated"));
        rule(s, "ingress", "meta protocol arp jump judge-arp");
        rule(s, "ingress", "meta protocol ip jump judge-ip");
        rule(s, "ingress", "meta protocol ip6 jump judge-ip6");
        if (t->wire) /* from there it comes back behind this chain */
                fprintf(s->f, "add rule netdev %s ingress fwd to \"%s\"\n", s->table, t->wire);
}

int tap_security_set(const TapSecurity *t, bool fresh) {
        _cleanup_script_ Script s = { 0 };
        int r;

        r = script_open(&s, t->ifname);
        if (r < 0)
                return r;
        put(&s, "add table", "");
        if (fresh) {
                put(&s, "delete table", "");
                put(&s, "add table", "");
        }
        for (const char *const *c = tap_security_counters; *c; c++)
                put(&s, "add counter", *c);
        put_sets(&s, t);
        put_chains(&s, t);
        return script_run(&s, t->ifname);
}

int tap_security_remove(const char *ifname) {
        _cleanup_script_ Script s = { 0 };
        int r;

        r = has_table(ifname);
        if (r <= 0)
                return r;
        r = script_open(&s, ifname);
        if (r < 0)
                return r;
        put(&s, "add table", ""); /* it may be gone by now */
        put(&s, "delete table", "");
        return script_run(&s, ifname);
}

int tap_security_set_mac(const char *ifname, const struct ether_addr *mac) {
        _cleanup_script_ Script s = { 0 };
        int r;

        r = has_table(ifname);
        if (r <= 0)
                return r;
        r = script_open(&s, ifname);
        if (r < 0)
                return r;
        flush_leases(&s);
        put_mac(&s, mac);
        return script_run(&s, ifname);
}

int tap_security_lease(const char *ifname, const IPAddress *ip, bool is_over) {
        _cleanup_script_ Script s = { 0 };
        int r;

        r = has_table(ifname);
        if (r <= 0)
                return r;
        r = script_open(&s, ifname);
        if (r < 0)
                return r;
        put_lease(&s, "add", ip);
        if (is_over)
                put_lease(&s, "delete", ip);
        return script_run(&s, ifname);
}
