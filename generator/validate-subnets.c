/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Subnets of two switches, or of taps with addresses of the host, that overlap: the host's route to an address leads to
 * one interface only. Two subnets are apart or one is within the other, so that in the order of addresses, the larger
 * first, those that a subnet is within are the last ones before it that have not ended: a stack of at most one for each
 * length of a prefix. */

#include "conf-table.h"
#include "problem.h"
#include "validate.h"

#define PREFIXES 129

typedef struct Subnet {
        IPAddress net; /* the first address, with prefix */
        const IPAddress *host;
        Switch *network; /* one of these has it */
        VM *vm;
        const Interface *interface; /* of the VM */
        Origin origin;
        size_t sequence;
} Subnet;

typedef struct Subnets {
        Subnet *items; /* on the heap */
        size_t n;
} Subnets;

static void subnets_done(Subnets *s) {
        free(s->items);
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

static int attach(Model *m, const Subnet *s, bool *said, const char *text) {
        return s->vm ? problem_add(m, &s->vm->problems, &s->vm->n_problems, s->origin, said, "%s", text)
                     : problem_add(m, &s->network->problems, &s->network->n_problems, s->origin, said, "%s", text);
}

/* One message, for both. */
static int report(Model *m, const Subnet *a, const Subnet *b) {
        char outer[IP_STRING_SIZE], inner[IP_STRING_SIZE];
        _cleanup_free_ char *text = NULL;
        bool said = false;
        int r;

        format_ip_prefix(&a->net, outer);
        format_ip_prefix(&b->net, inner);
        if (asprintf(&text, "Subnets overlap: %s of %s %s (%s:%u) and %s of %s %s (%s:%u)", outer,
                            a->vm ? "VM" : "Switch", a->vm ? a->vm->name : a->network->name, a->origin.file,
                            a->origin.line, inner, b->vm ? "VM" : "Switch",
                            b->vm ? b->vm->name : b->network->name, b->origin.file, b->origin.line) < 0)
                return -ENOMEM;
        r = attach(m, b, &said, text);
        return r < 0 ? r : attach(m, a, &said, text);
}

static bool same_link(const Subnet *a, const Subnet *b) {
        return a->network == b->network && a->interface == b->interface;
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
                        if (!same_link(around[k - 1], s))
                                other = around[k - 1];
                /* that two have the same address was told already */
                if (other && !ip_equal(other->host, s->host))
                        r = report(m, other, s);
                if (depth == 0 || around[depth - 1]->net.prefix != s->net.prefix)
                        around[depth++] = s;
        }
        return r;
}

static void add(Subnets *s, const IPAddress *ips, size_t n, Subnet of) {
        for (size_t i = 0; i < n; i++) {
                Subnet *new = s->items + s->n;

                if (ip_is_link_local(ips + i))
                        continue;
                *new = of;
                new->net = ips[i];
                new->host = ips + i;
                new->sequence = s->n++;
                mask(&new->net);
        }
}

static size_t count(const Model *m) {
        size_t n = 0;

        for (size_t i = 0; i < m->n_switches; i++)
                n += m->switches[i]->n_addresses;
        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t i = 0; i < m->vms[v]->n_interfaces; i++)
                        n += m->vms[v]->interfaces[i].wire->n_host_addresses;
        return n;
}

int validate_subnets(Model *m) {
        _cleanup_(subnets_done) Subnets s = { 0 };
        size_t n_max = count(m);

        if (n_max < 2)
                return 0;
        s.items = calloc(n_max, sizeof(Subnet));
        if (!s.items)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_switches; i++) {
                Switch *w = m->switches[i];

                add(&s, w->addresses, w->n_addresses,
                                (Subnet){ .network = w, .origin = said_at(&w->said, w->origin, KEYS_SWITCH, "Address") });
        }
        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t i = 0; i < m->vms[v]->n_interfaces; i++) {
                        const Interface *f = m->vms[v]->interfaces + i;

                        if (f->wire->n_host_addresses > 0)
                                add(&s, f->wire->host_addresses, f->wire->n_host_addresses,
                                                (Subnet){ .vm = m->vms[v],
                                                                .interface = f,
                                                                .origin = said_at(&f->said, f->origin, KEYS_INTERFACE,
                                                                                "HostAddress") });
                }
        if (s.n > 1)
                qsort(s.items, s.n, sizeof(Subnet), compare_subnets);
        return check_sorted(m, s.items, s.n);
}
