/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A packet's way through the rules of one table, as libnftables-json(5) describes them. */

#include <fnmatch.h>

#include "firewall.h"

#define DEPTH_MAX 16 /* the kernel's NFT_JUMP_STACK_SIZE */

typedef enum Match {
        MATCH_NO,
        MATCH_MAYBE,
        MATCH_YES,
} Match;

typedef enum Verdict {
        VERDICT_NONE, /* the end of the chain */
        VERDICT_RETURN,
        VERDICT_ACCEPT,
        VERDICT_DROP,
        VERDICT_END, /* a goto came back: no further rule of this chain */
} Verdict;

typedef struct Walk {
        json_t *table;
        const FirewallPacket *packet;
        unsigned depth;
} Walk;

/* ---- matches ---- */

/* right: "eth0", "br-*", ["new", "established"], {"set": [...]}; "@name" and ranges are not looked into. */
static Match contains(json_t *right, const char *value) {
        const char *word = json_string_value(right);
        Match found = MATCH_NO, one;
        json_t *element;
        size_t i;

        if (word)
                return word[0] == '@' ? MATCH_MAYBE : fnmatch(word, value, 0) == 0 ? MATCH_YES : MATCH_NO;
        if (json_is_object(right)) {
                element = json_object_get(right, "set");
                return element ? contains(element, value) : MATCH_MAYBE;
        }
        if (!json_is_array(right))
                return MATCH_MAYBE;
        json_array_foreach(right, i, element) {
                one = contains(element, value);
                found = MAX(found, one);
        }
        return found;
}

/* What the packet has there; NULL: cannot be told. *ret_never: such a packet has no such thing. */
static const char *packet_field(const FirewallPacket *p, json_t *left, bool *ret_never) {
        const char *meta = json_string_value(json_object_get(json_object_get(left, "meta"), "key"));
        const char *ct = json_string_value(json_object_get(json_object_get(left, "ct"), "key"));
        const char *protocol = json_string_value(json_object_get(json_object_get(left, "payload"), "protocol"));

        if (protocol)
                *ret_never = p->ipv6 ? streq(protocol, "ip") || streq(protocol, "icmp")
                                     : streq(protocol, "ip6") || streq(protocol, "icmpv6");
        if (meta && (streq(meta, "iifname") || streq(meta, "iif")))
                return p->in;
        if (meta && (streq(meta, "oifname") || streq(meta, "oif")))
                return p->out;
        if (meta && streq(meta, "nfproto"))
                return p->ipv6 ? "ipv6" : "ipv4";
        if (meta && streq(meta, "protocol"))
                return p->ipv6 ? "ip6" : "ip";
        if (ct && streq(ct, "state"))
                return p->is_answer ? "established" : "new";
        if (ct && streq(ct, "status"))
                return "";
        return NULL;
}

static bool is_of_device(json_t *m) {
        const char *key = json_string_value(
                        json_object_get(json_object_get(json_object_get(m, "left"), "meta"), "key"));

        return key && (startswith(key, "iif") || startswith(key, "oif"));
}

/* The device that is not known is any but the one that is. */
static bool is_the_other(const Walk *w, json_t *m) {
        return is_of_device(m) && streq_ptr(json_string_value(json_object_get(m, "right")), w->packet->in ?: w->packet->out);
}

static Match match(const Walk *w, json_t *m) {
        const char *op = json_string_value(json_object_get(m, "op")) ?: "", *field;
        bool never = false;
        Match found;

        field = packet_field(w->packet, json_object_get(m, "left"), &never);
        if (never)
                return MATCH_NO;
        if (!field && !is_the_other(w, m))
                return MATCH_MAYBE;
        found = !field ? MATCH_NO : contains(json_object_get(m, "right"), field);
        if (streq(op, "!="))
                return found == MATCH_MAYBE ? found : found == MATCH_YES ? MATCH_NO : MATCH_YES;
        return streq(op, "==") || streq(op, "in") ? found : MATCH_MAYBE;
}

/* Does the match name the packet's own device? */
static bool names_device(const Walk *w, json_t *m) {
        return is_of_device(m) && match(w, m) == MATCH_YES &&
               streq_ptr(json_string_value(json_object_get(m, "op")), "==");
}

/* ---- statements and chains ---- */

static Verdict walk_chain(Walk *w, const char *chain);

static Verdict walk_target(Walk *w, json_t *target, bool is_goto) {
        const char *chain = json_string_value(json_object_get(target, "target"));
        Verdict v = VERDICT_NONE;

        if (chain && w->depth < DEPTH_MAX) {
                w->depth++;
                v = walk_chain(w, chain);
                w->depth--;
        }
        if (v == VERDICT_ACCEPT || v == VERDICT_DROP)
                return v;
        return is_goto ? VERDICT_END : VERDICT_NONE;
}

/* {"accept": null}, {"jump": {"target": "x"}} ... */
static Verdict verdict_of(Walk *w, json_t *statement) {
        json_t *target;

        if (json_object_get(statement, "accept"))
                return VERDICT_ACCEPT;
        if (json_object_get(statement, "drop") || json_object_get(statement, "reject"))
                return VERDICT_DROP;
        if (json_object_get(statement, "return"))
                return VERDICT_RETURN;
        if ((target = json_object_get(statement, "jump")))
                return walk_target(w, target, false);
        if ((target = json_object_get(statement, "goto")))
                return walk_target(w, target, true);
        return VERDICT_NONE;
}

/* {"key": {...}, "data": {"set": [["established", {"accept": null}], ...]}} */
static Verdict verdict_of_map(Walk *w, json_t *map) {
        json_t *pairs = json_object_get(json_object_get(map, "data"), "set"), *pair;
        bool never = false;
        const char *field = packet_field(w->packet, json_object_get(map, "key"), &never);
        size_t i;

        if (!field || never)
                return VERDICT_NONE;
        json_array_foreach(pairs, i, pair) if (contains(json_array_get(pair, 0), field) == MATCH_YES)
                return verdict_of(w, json_array_get(pair, 1));
        return VERDICT_NONE;
}

/* What iptables-nft did not put into words of nftables: {"type": "match", "name": "physdev"}. One that asks for the port of
 * a bridge is there for bridged packets. *ret_drops: it is the target REJECT. */
static Match match_xt(const Walk *w, json_t *xt, bool *ret_drops) {
        const char *type = json_string_value(json_object_get(xt, "type")) ?: "",
                   *name = json_string_value(json_object_get(xt, "name")) ?: "";

        *ret_drops = streq(type, "target") && streq(name, "REJECT");
        if (streq(type, "target"))
                return MATCH_YES;
        if (streq(name, "physdev"))
                return w->packet->is_bridged ? MATCH_YES : MATCH_MAYBE;
        return MATCH_MAYBE;
}

/* A rule that asks for more than can be told here counts if it accepts answers from anywhere, or names the device; not if
 * it drops. */
static Verdict walk_rule(Walk *w, json_t *rule) {
        json_t *statement, *m;
        Match all = MATCH_YES, one;
        bool named = false, elsewhere = false, rejects = false;
        Verdict v;
        size_t i;

        json_array_foreach(json_object_get(rule, "expr"), i, statement) {
                if ((m = json_object_get(statement, "match"))) {
                        one = match(w, m);
                        all = MIN(all, one);
                        named = named || names_device(w, m);
                        elsewhere = elsewhere || (one == MATCH_MAYBE && is_of_device(m));
                } else if ((m = json_object_get(statement, "xt"))) {
                        one = match_xt(w, m, &rejects);
                        all = MIN(all, one);
                }
                if (all == MATCH_NO)
                        return VERDICT_NONE;
                m = json_object_get(statement, "vmap");
                v = m         ? verdict_of_map(w, m)
                    : rejects ? VERDICT_DROP
                              : verdict_of(w, statement);
                if (v == VERDICT_NONE)
                        continue;
                if (all == MATCH_YES || (v == VERDICT_ACCEPT && (named || (w->packet->is_answer && !elsewhere))))
                        return v;
                return VERDICT_NONE;
        }
        return VERDICT_NONE;
}

static Verdict walk_chain(Walk *w, const char *chain) {
        json_t *rule;
        size_t i = 0;
        Verdict v;

        while ((rule = nft_next(w->table, "rule", &i))) {
                if (!streq_ptr(json_string_value(json_object_get(rule, "chain")), chain))
                        continue;
                v = walk_rule(w, rule);
                if (v != VERDICT_NONE)
                        return v;
        }
        return VERDICT_NONE;
}

int firewall_chain_drops(json_t *table, const char *chain, const FirewallPacket *packet) {
        Walk w = { .table = table, .packet = packet };
        json_t *c;
        size_t i = 0;

        switch (walk_chain(&w, chain)) {
        case VERDICT_ACCEPT:
                return 0;
        case VERDICT_DROP:
                return 1;
        default:
                while ((c = nft_next(table, "chain", &i)))
                        if (streq_ptr(json_string_value(json_object_get(c, "name")), chain))
                                return streq_ptr(json_string_value(json_object_get(c, "policy")), "drop");
                return 0;
        }
}
