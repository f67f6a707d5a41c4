/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Type=stream between VMs of ours: QEMU connects once, when it starts, so that who connects starts after who listens. A
 * ring of VMs that wait for each other is refused. */

#include "conf-table.h"
#include "problem.h"
#include "rare.h"
#include "validate.h"

typedef struct Link {
        VM *vm;
        Interface *interface;
        VM *peer; /* of who connects */
        enum { NEW, ON_THE_WAY, DONE } state;
        size_t next;
} Link;

typedef struct Links {
        Link *items; /* on the heap */
        size_t n;
} Links;

static void links_done(Links *l) {
        free(l->items);
}

static bool listens(const Interface *i) {
        return i->wire->local.path || i->wire->local.port > 0;
}

static int collect(Model *m, bool listening, Links *l) {
        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t k = 0; k < m->vms[v]->n_interfaces; k++) {
                        Interface *i = m->vms[v]->interfaces + k;
                        Link *items;

                        if (i->type != INTERFACE_STREAM || listens(i) != listening || m->vms[v]->n_problems > 0)
                                continue;
                        items = reallocarray(l->items, l->n + 1, sizeof(Link));
                        if (!items)
                                return -ENOMEM;
                        l->items = items;
                        l->items[l->n++] = (Link){ .vm = m->vms[v], .interface = i };
                }
        return 0;
}

static int compare_ports(const void *x, const void *y) {
        const Link *a = x, *b = y;
        const LinkEnd *p = &a->interface->wire->local, *q = &b->interface->wire->local;

        if (p->port != q->port)
                return p->port < q->port ? -1 : 1;
        return p->path && q->path ? strcmp(p->path, q->path) : 0;
}

static bool leads_to(const LinkEnd *remote, const LinkEnd *local) {
        static const unsigned char any[16];

        if (remote->path)
                return local->path && streq(remote->path, local->path);
        return ip_equal(&remote->ip, &local->ip) || memcmp(local->ip.bytes, any, sizeof(any)) == 0;
}

/* Those with one port stand together; of a path, the port is 0. */
static VM *find_peer(const Links *servers, const LinkEnd *remote) {
        size_t low = 0, high = servers->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (servers->items[middle].interface->wire->local.port < remote->port)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < servers->n && servers->items[low].interface->wire->local.port == remote->port; low++)
                if (leads_to(remote, &servers->items[low].interface->wire->local))
                        return servers->items[low].vm;
        return NULL;
}

/* The first link of those that the VM connects: they are in the order of the model, which is that of names. */
static size_t first_of(const Links *clients, const VM *vm) {
        size_t low = 0, high = clients->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(clients->items[middle].vm->name, vm->name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static int report_ring(Model *m, const Link *l) {
        return vm_problem(m, l->vm, said_at(&l->interface->said, l->interface->origin, KEYS_INTERFACE, "Remote"),
                        "Remote=: VM %s would start after %s, which listens there, and that one, by links of its own, "
                        "after %s; let %s listen here, and %s connect",
                        l->vm->name, l->peer->name, l->vm->name, l->vm->name, l->peer->name);
}

/* From each link on to those that its peer connects; one that is on the way already closes a ring. */
static int walk(Model *m, const Links *clients, Link *start, Link **way) {
        size_t depth = 0;
        int r = 0;

        way[depth++] = start;
        start->next = first_of(clients, start->peer);
        start->state = ON_THE_WAY;
        while (depth > 0 && r >= 0) {
                Link *l = way[depth - 1], *next = clients->items + l->next;

                if (l->next == clients->n || next->vm != l->peer) {
                        l->state = DONE;
                        depth--;
                        continue;
                }
                l->next++;
                if (next->state == ON_THE_WAY)
                        r = report_ring(m, l);
                else if (next->state == NEW && next->peer) {
                        next->next = first_of(clients, next->peer);
                        next->state = ON_THE_WAY;
                        way[depth++] = next;
                }
        }
        return r;
}

static int check_rings(Model *m, Links *clients) {
        _cleanup_free_ Link **way = calloc(clients->n, sizeof(Link *));
        int r = 0;

        if (!way)
                return -ENOMEM;
        for (size_t k = 0; k < clients->n && r >= 0; k++)
                if (clients->items[k].state == NEW && clients->items[k].peer)
                        r = walk(m, clients, clients->items + k, way);
        return r;
}

int validate_links(Model *m) {
        _cleanup_(links_done) Links servers = { 0 }, clients = { 0 };
        int r;

        r = collect(m, false, &clients);
        if (r >= 0 && clients.n > 0)
                r = collect(m, true, &servers);
        if (r < 0 || servers.n == 0)
                return r;
        qsort(servers.items, servers.n, sizeof(Link), compare_ports);
        for (size_t k = 0; k < clients.n; k++) {
                Link *l = clients.items + k;
                Wire *wire = interface_own_wire(m->arena, l->interface);

                if (!wire)
                        return -ENOMEM;
                l->peer = find_peer(&servers, &wire->remote);
                if (l->peer == l->vm)
                        l->peer = NULL; /* QEMU takes care of itself */
                wire->peer = l->peer;
        }
        return check_rings(m, &clients);
}
