/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which chains forwarded packets pass, whether one drops ours, and what its owner has the user type. */

#include "firewall.h"

typedef struct Chain {
        const char *family, *table, *name;
} Chain;

static bool has_chain(json_t *table, const char *name) {
        json_t *c;
        size_t i = 0;

        while ((c = nft_next(table, "chain", &i)))
                if (streq_ptr(json_string_value(json_object_get(c, "name")), name))
                        return true;
        return false;
}

/* ---- what to type ---- */

static int advise_iptables(const Chain *c, const char *chain, const char *device, char ***list) {
        const char *program = streq(c->family, "ip6") ? "ip6tables" : "iptables";

        return strv_extendf(list,
                        "The table %s %s drops what is forwarded for the guests behind %s; to let it pass: "
                        "%s -I %s -i %s -j ACCEPT; %s -I %s -o %s -m conntrack --ctstate RELATED,ESTABLISHED,DNAT "
                        "-j ACCEPT",
                        c->family, c->table, device, program, chain, device, program, chain, device);
}

static int advise(json_t *table, const Chain *c, const char *device, char ***list) {
        if (has_chain(table, "DOCKER-USER"))
                return advise_iptables(c, "DOCKER-USER", device, list);
        if (has_chain(table, "ufw-before-forward") || has_chain(table, "ufw6-before-forward"))
                return strv_extendf(list,
                                "ufw drops what is forwarded for the guests behind %s; to let it pass: ufw route allow "
                                "in on %s",
                                device, device);
        if (streq(c->table, "firewalld"))
                return strv_extendf(list,
                                "firewalld rejects what is forwarded for the guests behind %s; to let it pass: "
                                "firewall-cmd --permanent --zone=trusted --add-interface=%s; firewall-cmd --reload",
                                device, device);
        if (streq(c->table, "filter") && streq(c->name, "FORWARD") && !streq(c->family, "inet"))
                return advise_iptables(c, "FORWARD", device, list);
        return strv_extendf(list,
                        "The chain %s of the table %s %s drops what is forwarded for the guests behind %s; to let it "
                        "pass: nft insert rule %s %s %s iifname %s accept; nft insert rule %s %s %s oifname %s ct state "
                        "established,related accept",
                        c->name, c->family, c->table, device, c->family, c->table, c->name, device, c->family,
                        c->table, c->name, device);
}

/* ---- which chains ---- */

static bool drops(json_t *table, const Chain *c, const char *device, bool ipv6) {
        const FirewallPacket out = { .ipv6 = ipv6, .in = device },
                             back = { .ipv6 = ipv6, .out = device, .is_answer = true };

        return firewall_chain_drops(table, c->name, &out) > 0 || firewall_chain_drops(table, c->name, &back) > 0;
}

/* It becomes part of a command. */
static bool is_plain(const char *name) {
        return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/")] == '\0';
}

static int check_chain(Nft *nft, const Chain *c, const char *device, bool ipv4, bool ipv6, char ***list) {
        _cleanup_json_ json_t *table = NULL;
        char command[320];
        int r;

        ipv4 = ipv4 && !streq(c->family, "ip6");
        ipv6 = ipv6 && !streq(c->family, "ip");
        if ((!ipv4 && !ipv6) || strlen(c->table) > 255 || !is_plain(c->table))
                return 0;
        snprintf(command, sizeof(command), "list table %s %s", c->family, c->table);
        r = nft_query(nft, command, &table);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if ((ipv4 && drops(table, c, device, false)) || (ipv6 && drops(table, c, device, true)))
                return advise(table, c, device, list);
        return 0;
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

int firewall_check(Nft *nft, const char *device, bool ipv4, bool ipv6, char ***ret_sentences) {
        _cleanup_json_ json_t *chains = NULL;
        _cleanup_strv_ char **list = NULL;
        json_t *chain;
        size_t i = 0;
        Chain c;
        int r;

        r = nft_query(nft, "list chains", &chains);
        if (r < 0)
                return r;
        while ((chain = nft_next(chains, "chain", &i))) {
                if (!is_on_the_way(chain, &c))
                        continue;
                r = check_chain(nft, &c, device, ipv4, ipv6, &list);
                if (r < 0)
                        return r;
        }
        *ret_sentences = TAKE_PTR(list);
        return 0;
}
