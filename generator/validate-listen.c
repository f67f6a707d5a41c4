/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ports that servers within QEMU listen at: displays, GDB, serial ports, links between guests; and those of the host that
 * are forwarded to a guest. Two cannot have one address, and who
 * listens at 0.0.0.0 has the port at all IPv4 addresses, at [::] at all there are (ipv6(7), bindv6only). */

#include "conf-table.h"
#include "problem.h"
#include "validate.h"

typedef struct Listener {
        Endpoint at;
        bool udp;
        bool one_family; /* [::] is not all of IPv4, too: NAT knows them apart */
        VM *vm;
        Origin origin;
        size_t sequence;
} Listener;

typedef struct Listeners {
        Listener *items; /* on the heap */
        size_t n, n_allocated;
} Listeners;

static void listeners_done(Listeners *l) {
        free(l->items);
}

static int add(Listeners *l, VM *vm, Listener listener) {
        if (listener.at.port == 0)
                return 0;
        if (l->n == l->n_allocated) {
                size_t n = MAX(2 * l->n_allocated, (size_t) 16);
                Listener *items = reallocarray(l->items, n, sizeof(Listener));
                if (!items)
                        return -ENOMEM;
                l->items = items;
                l->n_allocated = n;
        }
        listener.vm = vm;
        listener.sequence = l->n;
        l->items[l->n++] = listener;
        return 0;
}

static int add_interface(Listeners *l, VM *vm, const Interface *i) {
        const Wire *w = i->wire;
        int r = 0;

        if (i->type == INTERFACE_STREAM || i->type == INTERFACE_DGRAM)
                r = add(l, vm, (Listener){ .at = { w->local.ip, w->local.port },
                                               .udp = i->type == INTERFACE_DGRAM,
                                               .origin = said_at(&i->said, i->origin, KEYS_INTERFACE, "Local") });
        for (size_t k = 0; k < w->n_forwards && r >= 0; k++) {
                const Forward *f = w->forwards + k;

                r = add(l, vm, (Listener){ .at = { f->host, f->host_port },
                                               .udp = f->udp,
                                               .one_family = i->type == INTERFACE_TAP,
                                               .origin = f->origin });
        }
        return r;
}

static int add_servers(Listeners *l, VM *vm) {
        const Hardware *h = vm->hardware;
        int r;

        r = add(l, vm, (Listener){ .at = h->display, .origin = said_at(&vm->said, vm->origin, KEYS_VM, "Display") });
        return r < 0 ? r : add(l, vm, (Listener){ .at = h->gdb_at,
                                                          .origin = said_at(&vm->said, vm->origin, KEYS_VM, "GDB") });
}

static int add_all(Listeners *l, VM *vm) {
        int r = 0;

        if (vm->hardware != &hardware_defaults)
                r = add_servers(l, vm);
        for (size_t i = 0; i < vm->n_serials && r >= 0; i++) {
                const Serial *s = vm->serials + i;

                r = add(l, vm, (Listener){ .at = { s->address, s->port },
                                               .origin = said_at(&s->said, s->origin, KEYS_SERIAL, "Address") });
        }
        for (size_t i = 0; i < vm->n_interfaces && r >= 0; i++)
                if (vm->interfaces[i].wire != &wire_defaults)
                        r = add_interface(l, vm, vm->interfaces + i);
        return r;
}

static bool is_wildcard(const IPAddress *ip) {
        static const unsigned char zero[16];

        return memcmp(ip->bytes, zero, ip_size(ip->family)) == 0;
}

static int rank(const IPAddress *ip) {
        return !is_wildcard(ip) ? 2 : ip->family == AF_INET ? 1 : 0;
}

/* By port; in it, who has most addresses first. */
static int compare_listeners(const void *x, const void *y) {
        const Listener *a = x, *b = y;
        int r;

        if (a->udp != b->udp)
                return a->udp ? 1 : -1;
        if (a->at.port != b->at.port)
                return a->at.port < b->at.port ? -1 : 1;
        r = rank(&a->at.ip) - rank(&b->at.ip);
        if (r == 0)
                r = a->at.ip.family - b->at.ip.family;
        if (r == 0)
                r = memcmp(a->at.ip.bytes, b->at.ip.bytes, ip_size(a->at.ip.family));
        return r ?: (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

static bool takes_in(const Listener *a, const Listener *b) {
        if (a->at.port != b->at.port || a->udp != b->udp)
                return false;
        if (ip_equal(&a->at.ip, &b->at.ip))
                return true;
        return is_wildcard(&a->at.ip) && (a->at.ip.family == b->at.ip.family ||
                                                         (a->at.ip.family == AF_INET6 && !a->one_family));
}

static const char *format_listener(const Listener *l, char *buf, size_t size) {
        char ip[IP_STRING_SIZE];

        format_ip(&l->at.ip, ip);
        snprintf(buf, size, l->at.ip.family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip, l->at.port);
        return buf;
}

/* One message, for both. */
static int report(Model *m, const Listener *a, const Listener *b) {
        char first[IP_STRING_SIZE + 16], second[IP_STRING_SIZE + 16];
        bool said = false, same = ip_equal(&a->at.ip, &b->at.ip);
        int r = 0;

        format_listener(a, first, sizeof(first));
        format_listener(b, second, sizeof(second));
        for (size_t i = 0; i < 2 && r >= 0; i++) {
                const Listener *l = i == 0 ? b : a;

                if (i > 0 && a->vm == b->vm && a->origin.line == b->origin.line)
                        break;
                r = problem_add(m, &l->vm->problems, &l->vm->n_problems, l->origin, &said,
                                "Address %s is that of two: VM %s (%s:%u) and VM %s (%s:%u%s%s)", first,
                                a->vm->name, a->origin.file, a->origin.line, b->vm->name, b->origin.file,
                                b->origin.line, same ? "" : ", ", same ? "" : second);
        }
        return r;
}

/* Each against one that has its address: the first with all addresses, the first with all of IPv4, the first with the
 * very same. */
static int check_sorted(Model *m, const Listeners *l) {
        const Listener *owners[3] = { l->items, l->items, l->items };
        int r = 0;

        for (size_t i = 1; i < l->n && r >= 0; i++) {
                const Listener *b = l->items + i, *a = NULL;

                for (size_t k = 0; k < ELEMENTSOF(owners) && !a; k++)
                        if (takes_in(owners[k], b))
                                a = owners[k];
                if (a)
                        r = report(m, a, b);
                if (!takes_in(owners[rank(&b->at.ip)], b))
                        owners[rank(&b->at.ip)] = b;
        }
        return r;
}

int validate_listeners(Model *m) {
        _cleanup_(listeners_done) Listeners l = { 0 };
        int r = 0;

        for (size_t i = 0; i < m->n_vms && r >= 0; i++)
                r = add_all(&l, m->vms[i]);
        if (r < 0 || l.n < 2)
                return r;
        qsort(l.items, l.n, sizeof(Listener), compare_listeners);
        return check_sorted(m, &l);
}
