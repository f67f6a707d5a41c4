/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The whole, and all objects but VMs, which are in json-vm.c. */

#include "json-internal.h"

static json_t *dhcp(Builder *b, const Switch *w) {
        char buf[IP_STRING_SIZE];
        json_t *j, *ranges;

        if (!w->dhcp || w->n_problems > 0)
                return json_null();
        j = json_object();
        ranges = json_array();
        for (size_t i = 0; i < w->n_ranges; i++) {
                json_t *range = json_object();

                put(b, range, "first", text(format_ip(&w->ranges[i].first, buf)));
                put(b, range, "last", text(format_ip(&w->ranges[i].last, buf)));
                append(b, ranges, range);
        }
        put(b, j, "ranges", ranges);
        put(b, j, "leaseUSec", span(w->dhcp_lease));
        return j;
}

static json_t *one_address(const IPAddress *ip) {
        char buf[IP_STRING_SIZE];

        return ip->family == AF_UNSPEC ? json_null() : text(format_ip(ip, buf));
}

static json_t *vxlan(Builder *b, const VXLAN *x) {
        json_t *j;

        if (!x->set)
                return json_null();
        j = json_object();
        put(b, j, "vni", number(x->vni));
        put(b, j, "interface", text(x->link));
        put(b, j, "peers", addresses(b, x->peers, x->n_peers));
        put(b, j, "group", one_address(&x->group));
        put(b, j, "local", one_address(&x->local));
        put(b, j, "port", number(x->port ?: 4789));
        put(b, j, "device", text(x->device));
        return j;
}

static json_t *trunks(Builder *b, const Switch *w) {
        json_t *list = json_array();

        for (size_t i = 0; i < w->n_trunks; i++) {
                const Trunk *t = w->trunks + i;
                json_t *j = json_object();

                put(b, j, "origin", origin(b, t->origin));
                put(b, j, "switch", text(t->peer_name));
                put(b, j, "vlans", t->vlans ? trunk_vlans(b, t->vlans) : json_null());
                put(b, j, "interface", text(t->port));
                put(b, j, "peerInterface", text(t->peer_port));
                append(b, list, j);
        }
        return list;
}

static json_t *switch_object(Builder *b, const Switch *w) {
        const Fabric *f = w->fabric;
        json_t *j = json_object();

        put(b, j, "name", text(w->name));
        put(b, j, "origin", origin(b, w->origin));
        put(b, j, "unit", unit("qnet-switch@", w->name, ".service"));
        put(b, j, "problems", problems(b, w->problems, w->n_problems));
        put(b, j, "type", text(switch_type_to_string(w->type)));
        put(b, j, "bridge", text(w->type == SWITCH_BRIDGE ? w->bridge : NULL));
        put(b, j, "lab", text(w->lab_name));
        put(b, j, "autostart", json_boolean(w->autostart));
        put(b, j, "addresses", addresses(b, w->addresses, w->n_addresses));
        put(b, j, "dhcp", dhcp(b, w));
        put(b, j, "dns", json_boolean(w->dns));
        put(b, j, "domain", text(w->domain));
        put(b, j, "routerAdvertisement", json_boolean(w->router_advertisement));
        put(b, j, "nat", json_boolean(w->nat));
        put(b, j, "uplink", text(f->uplink));
        put(b, j, "mtu", number(w->mtu));
        put(b, j, "stp", json_boolean(f->stp));
        put(b, j, "hub", json_boolean(f->hub));
        put(b, j, "ageingUSec", f->ageing_set ? number(f->ageing) : json_null());
        put(b, j, "groupForwardMask", number(f->group_forward_mask));
        put(b, j, "vlanFiltering", json_boolean(w->filters_vlans));
        put(b, j, "trunks", trunks(b, w));
        put(b, j, "vxlan", vxlan(b, w->vxlan));
        put(b, j, "passthrough", passthrough(b, &w->passthrough));
        return j;
}

static json_t *system_object(Builder *b, const System *s) {
        json_t *j = json_object();

        put(b, j, "name", text(s->name));
        put(b, j, "origin", origin(b, s->origin));
        return j;
}

static json_t *lab_object(Builder *b, const Lab *l) {
        json_t *j = json_object();

        put(b, j, "name", text(l->name));
        put(b, j, "origin", origin(b, l->origin));
        put(b, j, "unit", unit("qnet-lab@", l->name, ".target"));
        put(b, j, "problems", problems(b, l->problems, l->n_problems));
        put(b, j, "description", text(l->description));
        put(b, j, "autostart", json_boolean(l->autostart));
        put(b, j, "passthrough", passthrough(b, &l->passthrough));
        return j;
}

static json_t *reaper_object(Builder *b, const Reaper *r) {
        json_t *j = json_object();

        put(b, j, "origin", origin(b, r->origin));
        put(b, j, "killLogs", strings(b, r->kill_logs, r->n_kill_logs));
        put(b, j, "listen", strings(b, r->listens, r->n_listens));
        put(b, j, "allow", strings(b, r->allows, r->n_allows));
        put(b, j, "holdOffUSec", span(r->hold_off));
        put(b, j, "passthrough", passthrough(b, &r->passthrough));
        return j;
}

int json_print(const Model *m, FILE *f) {
        json_t *j = json_object(), *vms = json_array(), *switches = json_array(), *systems = json_array(),
               *labs = json_array();
        Builder b = { .failed = !j };
        int r;

        for (size_t i = 0; i < m->n_vms; i++)
                append(&b, vms, vm_object(&b, m->vms[i]));
        for (size_t i = 0; i < m->n_switches; i++)
                append(&b, switches, switch_object(&b, m->switches[i]));
        for (size_t i = 0; i < m->n_systems; i++)
                append(&b, systems, system_object(&b, m->systems[i]));
        for (size_t i = 0; i < m->n_labs; i++)
                append(&b, labs, lab_object(&b, m->labs[i]));
        put(&b, j, "version", number(1));
        put(&b, j, "vms", vms);
        put(&b, j, "switches", switches);
        put(&b, j, "systems", systems);
        put(&b, j, "labs", labs);
        put(&b, j, "reaper", reaper_object(&b, &m->reaper));
        put(&b, j, "files", strings(&b, m->files, m->n_files));

        errno = 0;
        r = b.failed                                                        ? -ENOMEM
            : json_dumpf(j, f, JSON_INDENT(2)) < 0 || fputc('\n', f) == EOF ? -(errno ?: EIO)
                                                                            : 0;
        json_decref(j);
        return r;
}
