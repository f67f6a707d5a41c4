/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table "filter" of iptables-legacy, in the words of libnftables-json(5), as far as firewall-walk.c understands them.
 *
 * The kernel gives the table as one block (linux/netfilter_ipv4/ip_tables.h): entries one behind the other, each with what
 * it asks of a packet, and a target. A chain of the user's begins with an entry whose target ERROR has its name; a jump is
 * the offset of the entry behind that. A built-in chain begins at hook_entry[], and its policy is the entry at
 * underflow[]. The block of IPv6 is the same but for the addresses in each entry. */

#include <net/if.h>
#include <sys/socket.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "firewall.h"

#define SIZE_MAX_READ (64U * 1024 * 1024)

typedef struct Block {
        bool ipv6;
        unsigned forward, underflow; /* offsets */
        size_t size;
        const char *bytes;
} Block;

/* What both families have in common of an entry */
typedef struct Entry {
        const char *in, *out, *in_mask, *out_mask;
        unsigned char inverse; /* IPT_INV_* */
        bool is_goto, asks_more; /* asks_more: for addresses, protocols, matches */
        size_t target, next; /* offsets in the entry */
} Entry;

typedef int (*entry_t)(const Block *b, size_t offset, const Entry *e, const struct xt_entry_target *t, void *userdata);

static bool is_zero(const void *p, size_t n) {
        for (const char *c = p; n > 0; n--)
                if (*c++)
                        return false;
        return true;
}

static Entry entry_of_ipv4(const struct ipt_entry *e) {
        return (Entry){
                .in = e->ip.iniface,
                .out = e->ip.outiface,
                .in_mask = (const char *) e->ip.iniface_mask,
                .out_mask = (const char *) e->ip.outiface_mask,
                .inverse = e->ip.invflags,
                .is_goto = e->ip.flags & IPT_F_GOTO,
                .asks_more = e->ip.proto != 0 || e->ip.flags & IPT_F_FRAG || e->target_offset > sizeof(*e) ||
                             !is_zero(&e->ip.smsk, sizeof(e->ip.smsk)) || !is_zero(&e->ip.dmsk, sizeof(e->ip.dmsk)),
                .target = e->target_offset,
                .next = e->next_offset,
        };
}

static Entry entry_of_ipv6(const struct ip6t_entry *e) {
        return (Entry){
                .in = e->ipv6.iniface,
                .out = e->ipv6.outiface,
                .in_mask = (const char *) e->ipv6.iniface_mask,
                .out_mask = (const char *) e->ipv6.outiface_mask,
                .inverse = e->ipv6.invflags,
                .is_goto = e->ipv6.flags & IP6T_F_GOTO,
                .asks_more = e->ipv6.proto != 0 || e->ipv6.flags & IP6T_F_TOS || e->target_offset > sizeof(*e) ||
                             !is_zero(&e->ipv6.smsk, sizeof(e->ipv6.smsk)) ||
                             !is_zero(&e->ipv6.dmsk, sizeof(e->ipv6.dmsk)),
                .target = e->target_offset,
                .next = e->next_offset,
        };
}

/* f of each entry, until it returns other than 0 */
static int each_entry(const Block *b, entry_t f, void *userdata) {
        const size_t fixed = b->ipv6 ? sizeof(struct ip6t_entry) : sizeof(struct ipt_entry);
        int r;

        for (size_t offset = 0; offset < b->size;) {
                const void *p = b->bytes + offset;
                const struct xt_entry_target *t;
                Entry e;

                if (b->size - offset < fixed)
                        return -EBADMSG;
                e = b->ipv6 ? entry_of_ipv6(p) : entry_of_ipv4(p);
                if (e.target < fixed || e.next < e.target + sizeof(*t) || e.next > b->size - offset)
                        return -EBADMSG;
                t = (const void *) (b->bytes + offset + e.target);
                r = f(b, offset, &e, t, userdata);
                if (r != 0)
                        return r;
                offset += e.next;
        }
        return 0;
}

/* ---- chains ---- */

/* NULL: that is no head of a chain of the user's. */
static const char *chain_name(const Entry *e, const struct xt_entry_target *t) {
        const struct xt_error_target *error = (const void *) t;

        if (!streq(t->u.user.name, XT_ERROR_TARGET) || e->next - e->target < sizeof(*error) ||
                        !memchr(error->errorname, 0, sizeof(error->errorname)))
                return NULL;
        return error->errorname;
}

typedef struct Search {
        size_t offset;
        const char *name;
} Search;

static int find_head(const Block *b, size_t offset, const Entry *e, const struct xt_entry_target *t, void *userdata) {
        Search *s = userdata;

        if (offset + e->next == s->offset)
                s->name = chain_name(e, t);
        return s->name != NULL;
}

static const char *chain_at(const Block *b, size_t offset) {
        Search s = { .offset = offset };

        return each_entry(b, find_head, &s) > 0 ? s.name : NULL;
}

/* ---- rules ---- */

/* As iptables(8) has it: all of the name with its NUL, or only so many letters of it, for "eth+" */
static json_t *device_match(const char *key, const char *name, const char *mask, bool inverse) {
        size_t n = 0;
        char text[IFNAMSIZ + 2];

        while (n < IFNAMSIZ && mask[n])
                n++;
        if (n == 0)
                return NULL;
        snprintf(text, sizeof(text), "%.*s%s", (int) n, name, strnlen(name, IFNAMSIZ) < n ? "" : "*");
        return json_pack("{s:{s:s, s:{s:{s:s}}, s:s}}", "match", "op", inverse ? "!=" : "==", "left", "meta", "key",
                        key, "right", text);
}

static json_t *verdict(const Block *b, size_t offset, const Entry *e, const struct xt_entry_target *t) {
        const struct xt_standard_target *standard = (const void *) t;
        const char *chain;

        if (streq(t->u.user.name, "REJECT"))
                return json_pack("{s:n}", "reject");
        if (*t->u.user.name || e->next - e->target < sizeof(*standard))
                return NULL;
        switch (standard->verdict) {
        case -NF_ACCEPT - 1:
                return json_pack("{s:n}", "accept");
        case -NF_DROP - 1:
                return json_pack("{s:n}", "drop");
        case XT_RETURN:
                return json_pack("{s:n}", "return");
        }
        if (standard->verdict < 0 || (size_t) standard->verdict == offset + e->next)
                return NULL; /* to user space; or no target at all: on to the next */
        chain = chain_at(b, (size_t) standard->verdict);
        return chain ? json_pack("{s:{s:s}}", e->is_goto ? "goto" : "jump", "target", chain) : NULL;
}

static int append(json_t *array, json_t *element) { /* takes it over; NULL is none */
        return !element || json_array_append_new(array, element) >= 0 ? 0 : -ENOMEM;
}

static json_t *rule(const Block *b, size_t offset, const Entry *e, const struct xt_entry_target *t, const char *chain) {
        json_t *expr = json_array();

        if (append(expr, device_match("iifname", e->in, e->in_mask, e->inverse & IPT_INV_VIA_IN)) < 0 ||
                        append(expr, device_match("oifname", e->out, e->out_mask, e->inverse & IPT_INV_VIA_OUT)) < 0 ||
                        append(expr, e->asks_more ? json_pack("{s:{s:s}}", "xt", "type", "match") : NULL) < 0 ||
                        append(expr, verdict(b, offset, e, t)) < 0) {
                json_decref(expr);
                return NULL;
        }
        return json_pack("{s:{s:s, s:o}}", "rule", "chain", chain, "expr", expr);
}

typedef struct Conversion {
        json_t *table;
        const char *chain; /* in which we are; NULL: one that nothing forwarded passes */
} Conversion;

static int convert(const Block *b, size_t offset, const Entry *e, const struct xt_entry_target *t, void *userdata) {
        const struct xt_standard_target *policy = (const void *) t;
        const char *name = chain_name(e, t);
        Conversion *c = userdata;
        json_t *element;

        if (offset == b->forward)
                c->chain = "FORWARD";
        if (name) {
                c->chain = name;
                element = json_pack("{s:{s:s}}", "chain", "name", name);
        } else if (offset == b->underflow) {
                c->chain = NULL;
                element = json_pack("{s:{s:s, s:s}}", "chain", "name", "FORWARD", "policy",
                                policy->verdict == -NF_DROP - 1 ? "drop" : "accept");
        } else if (c->chain)
                element = rule(b, offset, e, t, c->chain);
        else
                return 0;
        return !element || json_array_append_new(c->table, element) < 0 ? -ENOMEM : 0;
}

/* ---- the kernel ---- */

/* Only for root; and asking for a table that is not there would make it. */
static bool table_exists(bool ipv6) {
        _cleanup_fclose_ FILE *f = fopen(ipv6 ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names", "re");
        char line[64];

        while (f && fgets(line, sizeof(line), f))
                if (streq(line, "filter\n"))
                        return true;
        return false;
}

/* IPT_SO_GET_INFO and IP6T_SO_GET_INFO are one number, and so are the others. */
static int get(int fd, bool ipv6, int what, void *request, size_t size) {
        socklen_t length = (socklen_t) size;

        return getsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, what, request, &length) < 0 ? -errno : 0;
}

/* Another may change the table meanwhile: then the size is wrong, and -EAGAIN. */
static int read_block(int fd, bool ipv6, Block *ret, void **ret_memory) {
        struct ipt_getinfo info = { .name = "filter" };
        _cleanup_free_ struct ipt_get_entries *entries = NULL;
        size_t size;
        int r;

        r = get(fd, ipv6, IPT_SO_GET_INFO, &info, sizeof(info));
        if (r < 0)
                return r;
        if (info.size > SIZE_MAX_READ)
                return -E2BIG;
        size = sizeof(*entries) + info.size;
        entries = calloc(1, size);
        if (!entries)
                return -ENOMEM;
        memcpy(entries->name, info.name, sizeof(entries->name));
        entries->size = info.size;
        r = get(fd, ipv6, IPT_SO_GET_ENTRIES, entries, size);
        if (r < 0)
                return r;
        *ret = (Block){
                .ipv6 = ipv6,
                .forward = info.hook_entry[NF_INET_FORWARD],
                .underflow = info.underflow[NF_INET_FORWARD],
                .size = info.size,
                .bytes = (const char *) entries->entrytable,
        };
        *ret_memory = TAKE_PTR(entries);
        return 0;
}

int firewall_legacy_table(bool ipv6, json_t **ret) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ void *memory = NULL;
        Conversion c = { 0 };
        Block b;
        int r = -EAGAIN;

        if (!table_exists(ipv6))
                return -ENOENT;
        fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -ENOENT;
        for (unsigned i = 0; i < 5 && r == -EAGAIN; i++)
                r = read_block(fd, ipv6, &b, &memory);
        if (r < 0)
                return r == -EPERM ? -ENOENT : r;
        c.table = json_array();
        r = c.table ? each_entry(&b, convert, &c) : -ENOMEM;
        if (r < 0) {
                json_decref(c.table);
                return r;
        }
        *ret = c.table;
        return 0;
}
