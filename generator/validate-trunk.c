/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What switches have to do with one another: cables between them (Trunk=), and interfaces of the host that they go over
 * (Uplink=, VXLANDevice=).
 *
 * Loops: a switch with STP=yes finds the loops that it is part of, and takes others for one long cable. So those without
 * must not make a loop among themselves. Cables are looked at in the order in which they are written, and the one that
 * closes a loop is refused. */

#include "arena.h"
#include "conf-table.h"
#include "names.h"
#include "nearest.h"
#include "problem.h"
#include "rare.h"
#include "validate.h"

#define NEAREST_TRIES ((size_t) 100)
#define VXLAN_PORT    4789U /* RFC 7348 */

/* Sets of switches, by their numbers in the model. */
typedef struct Sets {
        size_t *parents;
} Sets;

static size_t set_of(Sets *s, size_t i) {
        while (s->parents[i] != i)
                i = s->parents[i] = s->parents[s->parents[i]];
        return i;
}

/* false: they were in one set before */
static bool join(Sets *s, size_t a, size_t b) {
        a = set_of(s, a);
        b = set_of(s, b);
        s->parents[MAX(a, b)] = MIN(a, b);
        return a != b;
}

static int sets_new(size_t n, Sets *ret) {
        ret->parents = reallocarray(NULL, n, sizeof(size_t));
        if (!ret->parents)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                ret->parents[i] = i;
        return 0;
}

static void sets_done(Sets *s) {
        free(s->parents);
}
#define _cleanup_sets_ _cleanup_(sets_done)

static int compare_trunks(const void *x, const void *y) {
        const Trunk *a = *(Trunk *const *) x, *b = *(Trunk *const *) y;
        int r = strcmp(a->origin.file, b->origin.file);

        if (r != 0)
                return r;
        if (a->origin.line != b->origin.line)
                return a->origin.line < b->origin.line ? -1 : 1;
        if (a->self != b->self)
                return strcmp(a->self->name, b->self->name);
        return (a > b) - (a < b);
}

/* All cables, in the order written. */
static int collect(Model *m, Trunk ***ret, size_t *ret_n) {
        Trunk **all;
        size_t n = 0;

        for (size_t i = 0; i < m->n_switches; i++) {
                m->switches[i]->number = i;
                n += m->switches[i]->n_trunks;
        }
        all = reallocarray(NULL, n + 1, sizeof(Trunk *));
        if (!all)
                return -ENOMEM;
        n = 0;
        for (size_t i = 0; i < m->n_switches; i++)
                for (size_t k = 0; k < m->switches[i]->n_trunks; k++) {
                        all[n] = m->switches[i]->trunks + k;
                        all[n++]->self = m->switches[i];
                }
        if (n > 1)
                qsort(all, n, sizeof(Trunk *), compare_trunks);
        *ret = all;
        *ret_n = n;
        return 0;
}

/* 1: there is such a switch, and it can be. */
static int find_peer(Model *m, Trunk *t) {
        Nearest nearest = nearest_init(t->peer_name);

        t->peer = model_switch(m, t->peer_name);
        if (t->peer == t->self)
                return switch_problem(m, t->self, t->origin, "Trunk=%s leads to the switch itself", t->peer_name);
        if (t->peer && t->peer->type == SWITCH_VDE)
                return switch_problem(m, t->self, t->origin, "Trunk=%s (%s:%u) is of Type=vde, and has no trunks",
                                t->peer_name, t->peer->origin.file, t->peer->origin.line);
        if (t->peer)
                return t->self->type != SWITCH_VDE;
        for (size_t i = 0; i < MIN(m->n_switches, NEAREST_TRIES); i++)
                if (m->switches[i] != t->self)
                        nearest_try(&nearest, m->switches[i]->name);
        return switch_problem(m, t->self, t->origin, "Trunk=%s is not declared anywhere%s", t->peer_name,
                        HINT(nearest.best));
}

static bool connects(const Trunk *t, const Switch *a, const Switch *b) {
        return (t->self == a && t->peer == b) || (t->self == b && t->peer == a);
}

static int refuse_loop(Model *m, const Trunk *t) {
        for (size_t i = 0; i < t->self->n_ports; i++) {
                const Trunk *other = t->self->ports[i];

                if (connects(other, t->self, t->peer))
                        return switch_problem(m, t->self, t->origin,
                                        "Trunk=%s closes a loop, as %s:%u connects %s and %s already: it is enough "
                                        "that one of them says so; a second cable needs STP=yes in one of them",
                                        t->peer_name, other->origin.file, other->origin.line, t->self->name,
                                        t->peer->name);
        }
        return switch_problem(m, t->self, t->origin,
                        "Trunk=%s closes a loop, as %s and %s are connected already; say STP=yes in one of the "
                        "switches of the loop", t->peer_name, t->self->name, t->peer->name);
}

static int plug_in(Model *m, Trunk *t) {
        Trunk **self, **peer;
        unsigned number = 0;

        for (size_t i = 0; i < t->self->n_ports; i++)
                number += connects(t->self->ports[i], t->self, t->peer);
        t->port = derive_trunk_port(m->arena, t->self->name, t->peer->name, number);
        t->peer_port = derive_trunk_port(m->arena, t->peer->name, t->self->name, number);
        self = arena_append(m->arena, t->self->ports, t->self->n_ports);
        peer = arena_append(m->arena, t->peer->ports, t->peer->n_ports);
        if (!t->port || !t->peer_port || !self || !peer)
                return -ENOMEM;
        *self = *peer = t;
        if (t->vlans)
                t->self->filters_vlans = t->peer->filters_vlans = true;
        return 0;
}

/* Of each set with more than one switch, all of them, in the model's order. */
static int make_segments(Model *m, Sets *segments) {
        for (size_t i = 0; i < m->n_switches; i++)
                m->switches[set_of(segments, i)]->n_segment++;
        for (size_t i = 0; i < m->n_switches; i++) {
                Switch *w = m->switches[i], *first = m->switches[set_of(segments, i)];

                if (first == w) { /* the first of its set: the smaller number is the root */
                        if (w->n_segment > 1) {
                                w->segment = arena_new_items(m->arena, Switch *, w->n_segment);
                                if (!w->segment)
                                        return -ENOMEM;
                        }
                        w->n_segment = 0;
                }
                if (first->segment)
                        first->segment[first->n_segment++] = w;
        }
        for (size_t i = 0; i < m->n_switches; i++) {
                const Switch *first = m->switches[set_of(segments, i)];

                m->switches[i]->segment = first->segment;
                m->switches[i]->n_segment = first->n_segment;
        }
        return 0;
}

static int connect_switches(Model *m) {
        _cleanup_sets_ Sets segments = {}, loops = {};
        _cleanup_free_ Trunk **all = NULL;
        size_t n = 0;
        int r;

        r = collect(m, &all, &n);
        if (r < 0 || n == 0)
                return r;
        r = sets_new(m->n_switches, &segments);
        if (r >= 0)
                r = sets_new(m->n_switches, &loops);
        for (size_t i = 0; i < n && r >= 0; i++) {
                Trunk *t = all[i];
                bool stp;

                r = find_peer(m, t);
                if (r <= 0)
                        continue;
                stp = t->self->fabric->stp || t->peer->fabric->stp;
                if (!stp && !join(&loops, t->self->number, t->peer->number))
                        r = refuse_loop(m, t);
                else {
                        join(&segments, t->self->number, t->peer->number);
                        r = plug_in(m, t);
                }
        }
        return r < 0 ? r : make_segments(m, &segments);
}

static int compare_uplinks(const void *x, const void *y) {
        return strcmp((*(Switch *const *) x)->fabric->uplink, (*(Switch *const *) y)->fabric->uplink);
}

static int compare_device(const void *device, const void *item) {
        return strcmp(device, (*(Switch *const *) item)->fabric->uplink);
}

/* The addresses of a port of a bridge are on the bridge. */
static int check_devices(Model *m, Switch **uplinks, size_t n) {
        int r = 0;

        if (n > 1)
                qsort(uplinks, n, sizeof(Switch *), compare_uplinks);
        for (size_t i = 0; i < m->n_switches && n > 0 && r >= 0; i++) {
                Switch *w = m->switches[i], **other;

                if (!w->vxlan->set || !w->vxlan->device)
                        continue;
                other = bsearch(w->vxlan->device, uplinks, n, sizeof(Switch *), compare_device);
                if (other && *other != w)
                        r = switch_problem(m, w, said_at(&w->said, w->origin, KEYS_SWITCH, "VXLANDevice"),
                                        "VXLANDevice=%s is the Uplink= of switch %s (%s:%u), which has its "
                                        "addresses: say VXLANDevice=%s", w->vxlan->device, (*other)->name,
                                        (*other)->origin.file, (*other)->origin.line, (*other)->bridge);
        }
        return r;
}

/* What the kernel tells tunnels apart by: number, port, family (vxlan_config_validate()). */
static int compare_tunnels(const void *x, const void *y) {
        const VXLAN *a = (*(Switch *const *) x)->vxlan, *b = (*(Switch *const *) y)->vxlan;
        int family_a = a->n_peers > 0 ? a->peers->family : a->group.family,
            family_b = b->n_peers > 0 ? b->peers->family : b->group.family;

        if (a->vni != b->vni)
                return a->vni < b->vni ? -1 : 1;
        if ((a->port ?: VXLAN_PORT) != (b->port ?: VXLAN_PORT))
                return (a->port ?: VXLAN_PORT) < (b->port ?: VXLAN_PORT) ? -1 : 1;
        return (family_a > family_b) - (family_a < family_b);
}

static int check_tunnels(Model *m, Switch **tunnels, size_t n) {
        int r = 0;

        if (n > 1)
                qsort(tunnels, n, sizeof(Switch *), compare_tunnels);
        for (size_t i = 1; i < n && r >= 0; i++) {
                Switch *a = tunnels[i - 1], *b = tunnels[i];

                if (compare_tunnels(&a, &b) == 0)
                        r = switch_problem(m, b, said_at(&b->said, b->origin, KEYS_SWITCH, "VXLAN"),
                                        "VXLAN=%u is that of switch %s (%s:%u), too, at the same VXLANPort=",
                                        b->vxlan->vni, a->name, a->origin.file, a->origin.line);
        }
        return r;
}

static int check_links(Model *m) {
        _cleanup_free_ Switch **uplinks = reallocarray(NULL, m->n_switches + 1, sizeof(Switch *)),
                              **tunnels = reallocarray(NULL, m->n_switches + 1, sizeof(Switch *));
        size_t n_uplinks = 0, n_tunnels = 0;
        int r;

        if (!uplinks || !tunnels)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_switches; i++) {
                Switch *w = m->switches[i];
                VXLAN *x;

                if (w->fabric->uplink)
                        uplinks[n_uplinks++] = w;
                if (!w->vxlan->set)
                        continue;
                x = switch_own_vxlan(m->arena, w);
                if (x) {
                        x->link = derive_vxlan(m->arena, w->name);
                        x->carrier = x->device ? model_switch(m, x->device) : NULL;
                }
                if (!x || !x->link)
                        return -ENOMEM;
                if (w->n_problems == 0)
                        tunnels[n_tunnels++] = w;
        }
        r = check_devices(m, uplinks, n_uplinks);
        return r < 0 ? r : check_tunnels(m, tunnels, n_tunnels);
}

int validate_trunks(Model *m) {
        int r = connect_switches(m);

        return r < 0 ? r : check_links(m);
}
