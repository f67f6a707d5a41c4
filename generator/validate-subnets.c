/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Subnets of two switches that overlap: the host's route to an address leads to one bridge only. Two subnets are
 * apart or one is within the other, so that in the order of addresses, the larger first, those that a subnet is
 * within are the last ones before it that have not ended: a stack of at most one for each length of a prefix. */

#include "conf-table.h"
#include "problem.h"
#include "validate.h"

#define PREFIXES 129

typedef struct Subnet {
        IPAddress net; /* the first address, with prefix */
        const IPAddress *host;
        Switch *network;
        size_t sequence;
} Subnet;

bool ip_is_link_local(const IPAddress *ip) {
        return ip->family == AF_INET6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

static void mask(IPAddress *net) {
        for (size_t i = 0; i < ip_size(net->family); i++) {
                unsigned bits = net->prefix > 8 * i ? (unsigned) (net->prefix - 8 * i) : 0;

                if (bits < 8)
                        net->bytes[i] &= (unsigned char) (0xff00 >> bits);
        }
}

static bool is_within(const IPAddress *net, const IPAddress *outer) {
        IPAddress wider = *net;

        if (net->family != outer->family || net->prefix < outer->prefix)
                return false;
        wider.prefix = outer->prefix;
        mask(&wider);
        return memcmp(wider.bytes, outer->bytes, ip_size(outer->family)) == 0;
}

static int compare_subnets(const void *x, const void *y) {
        const Subnet *a = x, *b = y;
        int r;

        if (a->net.family != b->net.family)
                return a->net.family < b->net.family ? -1 : 1;
        r = memcmp(a->net.bytes, b->net.bytes, ip_size(a->net.family));
        if (r != 0)
                return r;
        if (a->net.prefix != b->net.prefix)
                return a->net.prefix < b->net.prefix ? -1 : 1;
        return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

static int report(Model *m, const Subnet *a, const Subnet *b) {
        Origin at = said_at(&a->network->said, a->network->origin, KEYS_SWITCH, "Address"),
               bt = said_at(&b->network->said, b->network->origin, KEYS_SWITCH, "Address");
        char outer[IP_STRING_SIZE], inner[IP_STRING_SIZE];
        bool said = false;
        int r = 0;

        format_ip_prefix(&a->net, outer);
        format_ip_prefix(&b->net, inner);
        for (size_t i = 0; i < 2 && r >= 0; i++) {
                Switch *w = i == 0 ? b->network : a->network;

                r = problem_add(m, &w->problems, &w->n_problems, i == 0 ? bt : at, &said,
                                "Subnets overlap: %s of Switch %s (%s:%u) and %s of Switch %s (%s:%u)", outer,
                                a->network->name, at.file, at.line, inner, b->network->name, bt.file,
                                bt.line);
        }
        return r;
}

static int check_sorted(Model *m, const Subnet *subnets, size_t n) {
        const Subnet *around[PREFIXES];
        size_t depth = 0;
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                const Subnet *s = subnets + i, *other = NULL;

                while (depth > 0 && !is_within(&s->net, &around[depth - 1]->net))
                        depth--;
                for (size_t k = depth; k > 0 && !other; k--)
                        if (around[k - 1]->network != s->network)
                                other = around[k - 1];
                /* that two have the same address was told already */
                if (other && !ip_equal(other->host, s->host))
                        r = report(m, other, s);
                if (depth == 0 || around[depth - 1]->net.prefix != s->net.prefix)
                        around[depth++] = s;
        }
        return r;
}

int validate_subnets(Model *m) {
        _cleanup_free_ Subnet *subnets = NULL;
        size_t n = 0, n_max = 0;

        for (size_t i = 0; i < m->n_switches; i++)
                n_max += m->switches[i]->n_addresses;
        if (n_max < 2)
                return 0;
        subnets = calloc(n_max, sizeof(Subnet));
        if (!subnets)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_switches; i++)
                for (size_t k = 0; k < m->switches[i]->n_addresses; k++) {
                        const IPAddress *host = m->switches[i]->addresses + k;

                        if (ip_is_link_local(host))
                                continue;
                        subnets[n] = (Subnet){ *host, host, m->switches[i], n };
                        mask(&subnets[n++].net);
                }
        if (n > 1)
                qsort(subnets, n, sizeof(Subnet), compare_subnets);
        return check_sorted(m, subnets, n);
}
