/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Switches, and what connects them with the world: uplinks, NAT, tunnels and trunks. Each is a unit of its own, bound to
 * its switch. What units of a kind have in common (sandbox, restart policy) stands in shared drop-ins in units/; here is
 * what makes each of them work, and what differs. */

#include "emit-internal.h"

bool same_segment(const Switch *a, const Switch *b) {
        return a == b || (a->segment && a->segment == b->segment);
}

static bool is_whole(const Trunk *t) {
        return t->self->n_problems == 0 && t->peer->n_problems == 0;
}

/* Those of its trunks that it says itself, or those that others say. */
static void each_trunk(const Switch *s, bool own, SwitchUnit f, void *userdata) {
        for (size_t i = 0; i < s->n_ports; i++)
                if ((s->ports[i]->self == s) == own && is_whole(s->ports[i]))
                        f("qnet-trunk@", s->ports[i]->port, userdata);
}

static void each_own_unit(const Switch *s, SwitchUnit f, void *userdata) {
        if (s->n_problems > 0)
                return;
        if (s->fabric->uplink)
                f("qnet-uplink@", s->name, userdata);
        if (s->vxlan->set)
                f("qnet-vxlan@", s->name, userdata);
        if (s->nat)
                f("qnet-nat@", s->name, userdata);
        if (has_server(s))
                f("qnet-dhcp@", s->name, userdata);
        each_trunk(s, true, f, userdata);
}

void each_unit_of_switch(const Switch *s, SwitchUnit f, void *userdata) {
        each_own_unit(s, f, userdata);
        each_trunk(s, false, f, userdata);
}

static void emit_want(const char *prefix, const char *name, void *userdata) {
        UnitWriter *w = userdata;

        /* Wants=: a guest runs without an address or the world, too, and goes on when one of them is restarted.
         * StopWhenUnneeded= keeps each as long as a guest wants it. */
        unit_dependency(w, "Wants", prefix, name, ".service");
}

void emit_wants_of_switch(const Switch *s, UnitWriter *w) {
        if (!s->segment)
                each_own_unit(s, emit_want, w);
        for (size_t i = 0; i < s->n_segment; i++)
                each_own_unit(s->segment[i], emit_want, w);
}

static void emit_fabric(const Switch *s, UnitWriter *w) {
        const Fabric *f = s->fabric;
        char number[NUMBER_STRING_SIZE];

        if (f->stp)
                unit_arg(w, "--stp");
        if (f->ageing_set)
                unit_arg(w, "--ageing=", format_span(f->ageing, number));
        if (f->hub)
                unit_arg(w, "--hub");
        if (f->group_forward_mask > 0)
                unit_arg(w, "--group-forward-mask=", format_number(f->group_forward_mask, number));
        if (s->filters_vlans)
                unit_arg(w, "--vlan-filtering");
        if (f->uplink) /* what is on it is not in the way */
                unit_arg(w, "--uplink=", f->uplink);
}

static void emit_add(const Switch *s, const char *key, UnitWriter *w) {
        char ip[IP_STRING_SIZE], mtu[NUMBER_STRING_SIZE];

        unit_exec(w, key, "", HELPERDIR "/qnet-switch");
        unit_arg(w, "add");
        unit_arg(w, s->bridge);
        unit_arg(w, "--name=", s->name);
        for (size_t i = 0; i < s->n_addresses; i++)
                unit_arg(w, "--address=", format_ip_prefix(&s->addresses[i], ip));
        if (s->mtu > 0)
                unit_arg(w, "--mtu=", format_number(s->mtu, mtu));
        emit_fabric(s, w);
        unit_exec_end(w);
}

static void emit_bridge(const Switch *s, UnitWriter *w) {
        emit_oneshot(w);
        emit_add(s, "ExecStart", w);
        emit_add(s, "ExecReload", w); /* it brings what is there in line */
        unit_exec(w, "ExecStop", "", HELPERDIR "/qnet-switch");
        unit_arg(w, "del");
        unit_arg(w, s->bridge);
        unit_arg(w, "--name=", s->name);
        unit_exec_end(w);
}

static void emit_vde(const Switch *s, UnitWriter *w) {
        unit_section(w, "Service");
        unit_raw(w, "Type", "forking"); /* it returns when guests can plug in */
        unit_exec(w, "ExecStart", "", VDE_SWITCH);
        unit_option(w, "--daemon");
        unit_option(w, "--rcfile=/dev/null"); /* nothing of the host's own */
        unit_option(w, "--sock=" VDE_DIR, s->name, "/ctl");
        unit_option(w, "--group=" VDE_GROUP);
        unit_option(w, "--dirmode=0770");
        unit_option(w, "--mode=0660");
        unit_option(w, "--mgmt=" VDE_DIR, s->name, "/mgmt");
        unit_option(w, "--mgmtmode=0600");
        unit_option(w, "--numports=256"); /* 32 otherwise */
        if (s->fabric->stp)
                unit_option(w, "--fstp");
        if (s->fabric->hub)
                unit_option(w, "--hub");
        unit_exec_end(w);
}

int emit_switch(const Switch *s, UnitWriter *w) {
        unit_open(w, "qnet-switch@", s->name, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "Switch ", s->name);
        emit_origin(&s->origin, w);
        if (s->n_problems > 0) {
                emit_exec_fail(w);
                emit_problems(s->problems, s->n_problems, w);
                unit_exec_end(w);
                return unit_close(w);
        }
        emit_part_of(s->lab, w);
        if (!stays(s))
                unit_raw(w, "StopWhenUnneeded", "yes");
        if (s->type == SWITCH_VDE)
                emit_vde(s, w);
        else
                emit_bridge(s, w);
        emit_passthrough(&s->passthrough, w);
        return unit_close(w);
}

static void emit_bound(const Switch *s, UnitWriter *w) {
        /* BindsTo=: nothing to do without the bridge, and stopped before it */
        unit_dependency(w, "BindsTo", "qnet-switch@", s->name, ".service");
        emit_part_of(s->lab, w);
}

static void emit_end(bool keep, UnitWriter *w) {
        if (!keep)
                unit_raw(w, "StopWhenUnneeded", "yes");
        emit_oneshot(w);
}

static void emit_del(const char *program, const char *what, UnitWriter *w) {
        /* not ExecStop=, which is left out when adding has failed half way */
        unit_exec(w, "ExecStopPost", "", program);
        unit_arg(w, "del");
        unit_arg(w, what);
        unit_exec_end(w);
}

static void emit_uplink_command(const Switch *s, const char *key, const char *verb, UnitWriter *w) {
        char ip[IP_STRING_SIZE];

        unit_exec(w, key, "", HELPERDIR "/qnet-uplink");
        unit_arg(w, verb);
        unit_arg(w, s->bridge);
        unit_arg(w, "--name=", s->name);
        for (size_t i = 0; i < s->n_addresses; i++) /* what is not of the switch came from the interface */
                unit_arg(w, "--keep-address=", format_ip_prefix(&s->addresses[i], ip));
        if (streq(verb, "add"))
                unit_arg(w, "--device=", s->fabric->uplink);
        unit_exec_end(w);
}

int emit_uplink(const Switch *s, UnitWriter *w) {
        unit_open(w, "qnet-uplink@", s->name, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "Uplink ", s->fabric->uplink, " of switch ", s->name);
        emit_origin(&s->origin, w);
        emit_bound(s, w);
        emit_device(s->fabric->uplink, w);
        emit_end(stays(s), w);
        emit_uplink_command(s, "ExecStart", "add", w);
        emit_uplink_command(s, "ExecReload", "add", w); /* what the interface has got since */
        emit_uplink_command(s, "ExecStopPost", "del", w);
        return unit_close(w);
}

/* Of guests on the switch, and on those that have no NAT of their own. */
static void emit_switch_forwards(const Switch *s, const Members *of_switches, UnitWriter *w) {
        size_t n_switches = s->segment ? s->n_segment : 1, n;

        for (size_t k = 0; k < n_switches; k++) {
                const Switch *one = s->segment ? s->segment[k] : s;
                const Member *members = members_find(of_switches, one, &n);

                for (size_t i = 0; switch_nat(one) == s && i < n; i++)
                        emit_forwards(members[i].interface, w);
        }
}

static void emit_nat_add(const Switch *s, const Members *of_switches, const char *key, UnitWriter *w) {
        char ip[IP_STRING_SIZE];

        unit_exec(w, key, "", HELPERDIR "/qnet-nat");
        unit_arg(w, "add");
        unit_arg(w, s->name);
        unit_arg(w, "--device=", s->bridge);
        for (size_t i = 0; i < s->n_addresses; i++)
                if (!ip_is_link_local(&s->addresses[i]))
                        unit_arg(w, "--address=", format_ip_prefix(&s->addresses[i], ip));
        emit_switch_forwards(s, of_switches, w);
        unit_exec_end(w);
}

int emit_nat(const Switch *s, const Members *of_switches, UnitWriter *w) {
        unit_open(w, "qnet-nat@", s->name, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "NAT of switch ", s->name);
        emit_origin(&s->origin, w);
        emit_bound(s, w);
        if (s->fabric->uplink) /* it looks where the routes lead */
                unit_raw(w, "After", "qnet-uplink@", s->name, ".service");
        emit_end(stays(s), w);
        emit_nat_add(s, of_switches, "ExecStart", w);
        emit_nat_add(s, of_switches, "ExecReload", w);
        emit_del(HELPERDIR "/qnet-nat", s->name, w);
        return unit_close(w);
}

int emit_vxlan(const Switch *s, UnitWriter *w) {
        char ip[IP_STRING_SIZE], number[NUMBER_STRING_SIZE];
        const VXLAN *x = s->vxlan;

        unit_open(w, "qnet-vxlan@", s->name, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "VXLAN of switch ", s->name);
        emit_origin(&s->origin, w);
        emit_bound(s, w);
        if (x->device)
                emit_device(x->device, w);
        if (x->carrier) /* which nothing else might start */
                unit_dependency(w, "BindsTo", "qnet-switch@", x->carrier->name, ".service");
        if (x->carrier && x->carrier->fabric->uplink)
                unit_dependency(w, "Wants", "qnet-uplink@", x->carrier->name, ".service");
        emit_end(stays(s), w);
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-vxlan");
        unit_arg(w, "add");
        unit_arg(w, x->link);
        unit_arg(w, "--bridge=", s->bridge);
        unit_arg(w, "--vni=", format_number(x->vni, number));
        for (size_t i = 0; i < x->n_peers; i++)
                unit_arg(w, "--peer=", format_ip(&x->peers[i], ip));
        if (x->group.family != AF_UNSPEC)
                unit_arg(w, "--group=", format_ip(&x->group, ip));
        if (x->local.family != AF_UNSPEC)
                unit_arg(w, "--local=", format_ip(&x->local, ip));
        if (x->port > 0)
                unit_arg(w, "--port=", format_number(x->port, number));
        if (x->device)
                unit_arg(w, "--device=", x->device);
        unit_exec_end(w);
        emit_del(HELPERDIR "/qnet-vxlan", x->link, w);
        return unit_close(w);
}

int emit_trunk(const Trunk *t, UnitWriter *w) {
        unit_open(w, "qnet-trunk@", t->port, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "Trunk from switch ", t->self->name, " to ", t->peer->name);
        emit_origin(&t->origin, w);
        emit_bound(t->self, w);
        unit_dependency(w, "BindsTo", "qnet-switch@", t->peer->name, ".service");
        if (t->peer->lab != t->self->lab)
                emit_part_of(t->peer->lab, w);
        emit_end(stays(t->self) || stays(t->peer), w);
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-trunk");
        unit_arg(w, "add");
        unit_arg(w, t->port);
        unit_arg(w, t->peer_port);
        unit_arg(w, "--bridge=", t->self->bridge);
        unit_arg(w, "--peer-bridge=", t->peer->bridge);
        if (t->vlans)
                emit_vlans("--vlans=", t->vlans, w);
        unit_exec_end(w);
        emit_del(HELPERDIR "/qnet-trunk", t->port, w);
        return unit_close(w);
}
