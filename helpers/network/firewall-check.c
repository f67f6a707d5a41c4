/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which chains forwarded packets pass, whether one drops ours, and what its owner has the user type. */

#include "firewall.h"

typedef struct Chain {
        const char *family, *table, *name;
        bool is_legacy;
} Chain;

typedef struct Check {
        Nft *nft;
        FirewallWay way;
        const char *device;
        bool ipv4, ipv6;
        char **list;
} Check;

static bool has_chain(json_t *table, const char *name) {
        json_t *c;
        size_t i = 0;

        while ((c = nft_next(table, "chain", &i)))
                if (streq_ptr(json_string_value(json_object_get(c, "name")), name))
                        return true;
        return false;
}

/* ---- what to type ---- */

/* What it does, with "behind" or "of" and the device */
#define ROUTED  "what is forwarded for the guests behind"
#define BRIDGED "what guests send to each other over"
#define WHY     ", to which br_netfilter hands it (net.bridge.bridge-nf-call-iptables)"

static int advise_iptables(const Check *k, const Chain *c, const char *chain, char ***list) {
        const char *legacy = c->is_legacy ? "-legacy" : "", *six = streq(c->family, "ip6") ? "6" : "", *device = k->device;

        if (k->way == FIREWALL_BRIDGED)
                return strv_extendf(list,
                                "The table %s %s%s drops " BRIDGED " %s" WHY
                                "; to let it pass: ip%stables%s -I %s -i %s -o %s -j ACCEPT",
                                c->family, c->table, c->is_legacy ? " of iptables-legacy" : "", device, six, legacy,
                                chain, device, device);
        return strv_extendf(list,
                        "The table %s %s%s drops " ROUTED " %s; to let it pass: "
                        "ip%stables%s -I %s -i %s -j ACCEPT; ip%stables%s -I %s -o %s -m conntrack --ctstate "
                        "RELATED,ESTABLISHED,DNAT -j ACCEPT",
                        c->family, c->table, c->is_legacy ? " of iptables-legacy" : "", device, six, legacy, chain,
                        device, six, legacy, chain, device);
}

static int advise_ufw(const Check *k, char ***list) {
        if (k->way == FIREWALL_BRIDGED)
                return strv_extendf(list,
                                "ufw drops " BRIDGED " %s" WHY "; to let it pass: ufw route allow in on %s out on %s",
                                k->device, k->device, k->device);
        return strv_extendf(list, "ufw drops " ROUTED " %s; to let it pass: ufw route allow in on %s", k->device,
                        k->device);
}

static int advise_firewalld(const Check *k, char ***list) {
        return strv_extendf(list,
                        "firewalld rejects %s %s%s; to let it pass: firewall-cmd --permanent --zone=trusted "
                        "--add-interface=%s; firewall-cmd --reload",
                        k->way == FIREWALL_BRIDGED ? BRIDGED : ROUTED, k->device,
                        k->way == FIREWALL_BRIDGED ? WHY : "", k->device);
}

static int advise_nft(const Check *k, const Chain *c, char ***list) {
        if (k->way == FIREWALL_BRIDGED)
                return strv_extendf(list,
                                "The chain %s of the table %s %s drops " BRIDGED " %s" WHY
                                "; to let it pass: nft insert rule %s %s %s iifname %s oifname %s accept",
                                c->name, c->family, c->table, k->device, c->family, c->table, c->name, k->device,
                                k->device);
        return strv_extendf(list,
                        "The chain %s of the table %s %s drops " ROUTED " %s; to let it "
                        "pass: nft insert rule %s %s %s iifname %s accept; nft insert rule %s %s %s oifname %s ct state "
                        "established,related accept",
                        c->name, c->family, c->table, k->device, c->family, c->table, c->name, k->device, c->family,
                        c->table, c->name, k->device);
}

static int advise(const Check *k, json_t *table, const Chain *c, char ***list) {
        if (has_chain(table, "DOCKER-USER"))
                return advise_iptables(k, c, "DOCKER-USER", list);
        if (has_chain(table, "ufw-before-forward") || has_chain(table, "ufw6-before-forward"))
                return advise_ufw(k, list);
        if (streq(c->table, "firewalld"))
                return advise_firewalld(k, list);
        if (streq(c->table, "filter") && streq(c->name, "FORWARD") && !streq(c->family, "inet"))
                return advise_iptables(k, c, "FORWARD", list);
        return advise_nft(k, c, list);
}

/* ---- which chains ---- */

static bool drops(const Check *k, json_t *table, const Chain *c, bool ipv6) {
        const bool bridged = k->way == FIREWALL_BRIDGED;
        const FirewallPacket out = { .ipv6 = ipv6, .in = k->device, .out = bridged ? k->device : NULL, .is_bridged = bridged },
                             back = { .ipv6 = ipv6, .in = bridged ? k->device : NULL, .out = k->device, .is_answer = true,
                                     .is_bridged = bridged };

        return firewall_chain_drops(table, c->name, &out) > 0 || firewall_chain_drops(table, c->name, &back) > 0;
}

static int check_table(Check *k, json_t *table, const Chain *c) {
        bool ipv4 = k->ipv4 && !streq(c->family, "ip6"), ipv6 = k->ipv6 && !streq(c->family, "ip");

        if ((ipv4 && drops(k, table, c, false)) || (ipv6 && drops(k, table, c, true)))
                return advise(k, table, c, &k->list);
        return 0;
}

/* It becomes part of a command. */
static bool is_plain(const char *name) {
        return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/")] == '\0';
}

static int check_chain(Check *k, const Chain *c) {
        _cleanup_json_ json_t *table = NULL;
        char command[320];
        int r;

        if ((!k->ipv4 && streq(c->family, "ip")) || (!k->ipv6 && streq(c->family, "ip6")) ||
                        strlen(c->table) > 255 || !is_plain(c->table))
                return 0;
        snprintf(command, sizeof(command), "list table %s %s", c->family, c->table);
        r = nft_query(k->nft, command, &table);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return check_table(k, table, c);
}

static bool is_on_the_way(json_t *chain, Chain *ret) {
        const char *hook = json_string_value(json_object_get(chain, "hook"));

        *ret = (Chain){
                .family = json_string_value(json_object_get(chain, "family")),
                .table = json_string_value(json_object_get(chain, "table")),
                .name = json_string_value(json_object_get(chain, "name")),
        };
        return hook && streq(hook, "forward") && ret->family && ret->table && ret->name &&
               (streq(ret->family, "ip") || streq(ret->family, "ip6") || streq(ret->family, "inet")) &&
               !startswith(ret->table, "qnet-");
}

static int check_nft(Check *k) {
        _cleanup_json_ json_t *chains = NULL;
        json_t *chain;
        size_t i = 0;
        Chain c;
        int r;

        r = nft_query(k->nft, "list chains", &chains);
        while (r >= 0 && (chain = nft_next(chains, "chain", &i)))
                if (is_on_the_way(chain, &c))
                        r = check_chain(k, &c);
        return r;
}

static int check_legacy(Check *k, bool ipv6) {
        const Chain c = { .family = ipv6 ? "ip6" : "ip", .table = "filter", .name = "FORWARD", .is_legacy = true };
        _cleanup_json_ json_t *table = NULL;
        int r;

        r = firewall_legacy_table(ipv6, &table);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return check_table(k, table, &c);
}

int firewall_check(Nft *nft, FirewallWay way, const char *device, bool ipv4, bool ipv6, char ***ret_sentences) {
        Check k = { .nft = nft, .way = way, .device = device, .ipv4 = ipv4, .ipv6 = ipv6 };
        int r = 0;

        if (nft)
                r = check_nft(&k);
        if (r >= 0 && ipv4)
                r = check_legacy(&k, false);
        if (r >= 0 && ipv6)
                r = check_legacy(&k, true);
        if (r < 0) {
                strv_free(k.list);
                return r;
        }
        *ret_sentences = k.list;
        return 0;
}
