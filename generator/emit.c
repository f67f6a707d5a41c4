/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In comes a validated model, out go all of its units, in the model's order. This file knows which units
 * and links there are; what stands in them is in emit-*.c, but for labs. The only emitter that logs: one
 * message per unit that could not be written, and the next one is tried. */

#include "emit-internal.h"
#include "log.h"

typedef struct Emit {
        UnitWriter *w;
        Members of_labs, of_switches;
        int error; /* the first */
} Emit;

static void check(Emit *e, int r) {
        if (r >= 0)
                return;
        log_error_errno(r, "Failed to write %s: %m", unit_name(e->w));
        if (e->error == 0)
                e->error = r;
}

void emit_origin(const Origin *origin, UnitWriter *w) {
        unit_raw(w, "Documentation", "man:qnet.conf(5)");
        /* "systemctl status" warns when this file is newer than the last daemon-reload */
        if (origin->file)
                unit_text(w, "SourcePath", origin->file);
}

void emit_part_of(const Lab *lab, UnitWriter *w) {
        /* stopping or restarting a lab is stopping or restarting all in it; never the other way round */
        if (lab)
                unit_raw(w, "PartOf", "qnet-lab@", lab->name, ".target");
}

void emit_oneshot(UnitWriter *w) {
        unit_section(w, "Service");
        unit_raw(w, "Type", "oneshot");
        unit_raw(w, "RemainAfterExit", "yes");
}

void emit_device(const char *ifname, UnitWriter *w) {
        _cleanup_free_ char *device = unit_name_escape_path(ifname);

        unit_dependency(w, "BindsTo", "sys-subsystem-net-devices-", device ?: "", ".device");
}

void emit_passthrough(const PassthroughList *list, UnitWriter *w) {
        const char *section = NULL;

        for (size_t i = 0; i < list->n; i++) {
                const Passthrough *p = &list->items[i];

                /* last in the unit, so that what the user says about a setting is what counts; a section
                 * that comes a second time continues the first one (systemd.syntax(7)) */
                if (!section || !streq(section, p->section)) {
                        section = p->section;
                        unit_section(w, section);
                }
                unit_raw(w, p->key, p->value);
        }
}

void emit_exec_fail(UnitWriter *w) {
        unit_section(w, "Service");
        /* oneshot: "systemctl start" waits for it and tells that it failed */
        unit_raw(w, "Type", "oneshot");
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-fail");
}

void emit_problems(const Problem *problems, size_t n, UnitWriter *w) {
        char line[NUMBER_STRING_SIZE];

        for (size_t i = 0; i < n; i++)
                if (problems[i].origin.file)
                        unit_option(w, problems[i].origin.file, ":",
                                        format_number(problems[i].origin.line, line), ": ", problems[i].text);
                else
                        unit_option(w, problems[i].text);
}

static void emit_lab_head(const Lab *lab, const char *suffix, UnitWriter *w) {
        unit_open(w, "qnet-lab@", lab->name, suffix);
        unit_section(w, "Unit");
        if (lab->description)
                unit_text(w, "Description", lab->description);
        else
                unit_text(w, "Description", "Lab ", lab->name);
        emit_origin(&lab->origin, w);
}

/* A target runs nothing that could fail: a service of the same name does it for it. */
static int emit_broken_lab(const Lab *lab, UnitWriter *w) {
        emit_lab_head(lab, ".target", w);
        unit_dependency(w, "Requires", "qnet-lab@", lab->name, ".service");
        return unit_close(w);
}

static int emit_lab_fail(const Lab *lab, UnitWriter *w) {
        emit_lab_head(lab, ".service", w);
        emit_exec_fail(w);
        emit_problems(lab->problems, lab->n_problems, w);
        unit_exec_end(w);
        return unit_close(w);
}

static void emit_member(const char *prefix, const char *name, void *w) {
        unit_raw(w, "Wants", prefix, name, ".service");
}

int emit_lab(const Lab *lab, const Members *of_labs, UnitWriter *w) {
        size_t n;
        const Member *members = members_find(of_labs, lab, &n);

        if (lab->n_problems > 0)
                return emit_broken_lab(lab, w);
        emit_lab_head(lab, ".target", w);
        /* Wants=, not Requires=: one broken VM does not take the lab down. A target is After= what it
         * wants by itself (systemd.target(5)), so that "systemctl start" of it returns when all are up. */
        for (size_t i = 0; i < n; i++)
                if (members[i].vm)
                        unit_raw(w, "Wants", "qemu-vm@", members[i].vm->name, ".service");
                else {
                        unit_raw(w, "Wants", "qnet-switch@", members[i].network->name, ".service");
                        each_unit_of_switch(members[i].network, emit_member, w);
                }
        emit_passthrough(&lab->passthrough, w);
        return unit_close(w);
}

static void emit_autostart(Emit *e, bool autostart, const char *unit, const char *name, const char *suffix) {
        if (autostart)
                check(e, emit_link(e->w, "qnet.target", ".wants", unit, name, suffix));
}

/* A unit that only tells what is wrong must not be run in the sandbox and by the restart policy of one
 * that works: the shared drop-in is masked for it, by one of the same name in the directory of the
 * instance (systemd.unit(5)). */
static void emit_mask_drop_in(Emit *e, const char *unit, const char *name) {
        check(e, unit_link(e->w, "/dev/null", unit, name, ".service.d/10-qnet.conf"));
}

static void emit_start(const char *prefix, const char *name, void *e) {
        emit_autostart(e, true, prefix, name, ".service");
}

/* What all vde_switches share is another drop-in than that of bridges. */
static void emit_vde_drop_in(Emit *e, const Switch *s) {
        check(e, unit_link(e->w, UNITDIR "/qnet-vde@.service.d/10-qnet.conf", "qnet-switch@", s->name,
                                ".service.d/10-qnet.conf"));
}

static void emit_network(Emit *e, const Switch *s) {
        check(e, emit_switch(s, e->w));
        emit_autostart(e, s->autostart, "qnet-switch@", s->name, ".service");
        check(e, emit_install(e->w, &s->passthrough, "qnet-switch@", s->name, ".service"));
        if (s->n_problems > 0) {
                emit_mask_drop_in(e, "qnet-switch@", s->name);
                return;
        }
        if (s->type == SWITCH_VDE)
                emit_vde_drop_in(e, s);
        if (s->fabric->uplink)
                check(e, emit_uplink(s, e->w));
        if (s->vxlan->set)
                check(e, emit_vxlan(s, e->w));
        if (s->nat)
                check(e, emit_nat(s, &e->of_switches, e->w));
        if (has_server(s))
                check(e, emit_dhcp(s, &e->of_switches, &e->of_labs, e->w));
        for (size_t i = 0; i < s->n_trunks; i++)
                if (s->trunks[i].peer->n_problems == 0)
                        check(e, emit_trunk(s->trunks + i, e->w));
        /* without it the first VM would start them, and guests of others on the bridge had none before */
        if (s->autostart)
                each_unit_of_switch(s, emit_start, e);
}

static void emit_interface(Emit *e, const VM *vm, const Interface *i) {
        if (!i->tap)
                return;
        check(e, emit_tap(vm, i, e->w));
        if (i->wire->capture)
                check(e, emit_capture(vm, i, e->w));
        if (i->wire->nat)
                check(e, emit_tap_nat(vm, i, e->w));
}

static void emit_machine(Emit *e, const VM *vm) {
        check(e, emit_vm(vm, e->w));
        emit_autostart(e, vm->autostart, "qemu-vm@", vm->name, ".service");
        check(e, emit_install(e->w, &vm->passthrough, "qemu-vm@", vm->name, ".service"));
        if (vm_is_broken(vm)) {
                emit_mask_drop_in(e, "qemu-vm@", vm->name);
                return;
        }
        check(e, emit_restart_policy(vm, e->w));
        for (size_t i = 0; i < vm->n_interfaces; i++)
                emit_interface(e, vm, vm->interfaces + i);
        if (has_ladder(vm))
                check(e, emit_ladder(vm, e->w));
        if (vm->recovery->black_boxes > 0)
                check(e, emit_black_box(vm, e->w));
        if (vm->firmware->tpm) {
                check(e, emit_tpm_socket(vm, e->w));
                check(e, emit_tpm_service(vm, e->w));
        }
        for (size_t i = 0; i < vm->n_shares; i++)
                if (vm->shares[i].type == SHARE_VIRTIOFS) {
                        check(e, emit_share_socket(vm, &vm->shares[i], e->w));
                        check(e, emit_share_service(vm, &vm->shares[i], e->w));
                }
}

static void emit_group(Emit *e, const Lab *lab) {
        check(e, emit_lab(lab, &e->of_labs, e->w));
        if (lab->n_problems > 0)
                check(e, emit_lab_fail(lab, e->w));
        emit_autostart(e, lab->autostart, "qnet-lab@", lab->name, ".target");
        check(e, emit_install(e->w, &lab->passthrough, "qnet-lab@", lab->name, ".target"));
}

int emit_all(const Model *m, UnitWriter *w) {
        Emit e = { .w = w };

        if (members_collect(m, &e.of_labs, &e.of_switches) < 0)
                return log_oom();
        for (size_t i = 0; i < m->n_switches; i++)
                emit_network(&e, m->switches[i]);
        for (size_t i = 0; i < m->n_vms; i++)
                emit_machine(&e, m->vms[i]);
        for (size_t i = 0; i < m->n_labs; i++)
                emit_group(&e, m->labs[i]);
        check(&e, emit_reaper(&m->reaper, w));
        check(&e, emit_health(m, w));
        members_done(&e.of_labs);
        members_done(&e.of_switches);
        return e.error;
}
