/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is behind a network card on the host: the tap or macvtap, and what comes and goes with it: a capture, and NAT for
 * one that is no port of a bridge. The options of a tap stand in ExecReload= once more, which brings a running tap in line
 * with a changed configuration. */

#include <net/if.h>

#include "emit-internal.h"

#define CAPTURE_DIR "/var/lib/qnet/capture/" /* StateDirectory= of the drop-in */

/* Each is needed by its VM alone, and its own companions (PartOf=) do not keep it. */
static void emit_tap_dependencies(const Interface *i, UnitWriter *w) {
        if (i->network)
                unit_dependency(w, "Requires", "qnet-switch@", i->network->name, ".service");
        else if (i->bridge)
                /* somebody else's bridge: wait until udev has it; without it the tap has no use, and BindsTo= tells so */
                emit_device(i->bridge, w);
        else if (i->wire->device)
                emit_device(i->wire->device, w);
        if (i->wire->nat)
                unit_raw(w, "Wants", "qnet-nat@", i->tap, ".service");
        if (i->wire->capture)
                unit_raw(w, "Wants", "qnet-capture@", i->tap, ".service");
}

static void emit_shape(const Shape *s, Direction d, UnitWriter *w) {
        const struct {
                const char *name;
                uint64_t value;
        } words[] = {
                { "rate=", s->rate[d] },
                { "delay=", s->delay[d] },
                { "jitter=", s->jitter[d] },
                { "loss=", s->loss[d] },
                { "duplicate=", s->duplicate[d] },
                { "corrupt=", s->corrupt[d] },
                { "reorder=", s->reorder[d] },
        };
        char number[NUMBER_STRING_SIZE];
        bool any = false;

        for (size_t k = 0; k < ELEMENTSOF(words); k++) {
                if (words[k].value == 0)
                        continue;
                if (!any) {
                        unit_arg_begin(w);
                        unit_arg_add(w, d == TO_GUEST ? "--to-guest=" : "--from-guest=");
                } else
                        unit_arg_add(w, ",");
                unit_arg_add(w, words[k].name);
                unit_arg_add(w, format_number(words[k].value, number));
                any = true;
        }
        if (any)
                unit_arg_end(w);
}

void emit_vlans(const char *option, const VlanSet *vlans, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];
        bool any = false;

        for (unsigned first = 1, last; vlan_set_run(vlans, first, &first, &last); first = last + 1) {
                if (!any) {
                        unit_arg_begin(w);
                        unit_arg_add(w, option);
                } else
                        unit_arg_add(w, ",");
                unit_arg_add(w, format_number(first, number));
                if (last > first) {
                        unit_arg_add(w, "-");
                        unit_arg_add(w, format_number(last, number));
                }
                any = true;
        }
        if (any)
                unit_arg_end(w);
}

/* How a port of a bridge is, and what may leave it. */
static void emit_port(const Interface *i, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE], ip[IP_STRING_SIZE];
        const Wire *wire = i->wire;

        if (wire->vlan > 0)
                unit_arg(w, "--vlan=", format_number(wire->vlan, number));
        emit_vlans("--trunk-vlans=", &wire->trunk_vlans, w);
        if (wire->native_vlan > 0)
                unit_arg(w, "--native-vlan=", format_number(wire->native_vlan, number));
        if (wire->port_security) {
                unit_arg(w, "--port-security");
                for (size_t k = 0; k < i->n_addresses; k++)
                        unit_arg(w, "--allow=", format_ip(&i->addresses[k], ip));
        }
}

/* What few taps have. */
static void emit_wire(const Interface *i, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];
        const Wire *wire = i->wire;

        emit_port(i, w);
        if (wire->queues > 1)
                unit_arg(w, "--queues=", format_number(wire->queues, number));
        if (wire->link_down)
                unit_arg(w, "--link=down");
        emit_shape(&wire->shape, TO_GUEST, w);
        emit_shape(&wire->shape, FROM_GUEST, w);
}

static void emit_arguments(const VM *vm, const Interface *i, UnitWriter *w) {
        char mac[MAC_STRING_SIZE], number[NUMBER_STRING_SIZE], ip[IP_STRING_SIZE];
        const Wire *wire = i->wire;

        unit_arg(w, i->tap);
        unit_arg(w, "--vm=", vm->name);
        unit_arg(w, "--mac=", i->mac_policy == MAC_RANDOM ? "random" : format_mac(&i->mac, mac));
        if (i->type == INTERFACE_MACVTAP) {
                unit_arg(w, "--device=", wire->device);
                unit_arg(w, "--mode=", macvtap_mode_to_string(wire->mode));
        } else if (wire->n_host_addresses == 0)
                unit_arg(w, "--bridge=", interface_device(i));
        for (size_t k = 0; k < wire->n_host_addresses; k++)
                unit_arg(w, "--host-address=", format_ip_prefix(&wire->host_addresses[k], ip));
        if (i->mtu > 0)
                unit_arg(w, "--mtu=", format_number(i->mtu, number));
        if (i->isolated)
                unit_arg(w, "--isolated");
        if (wire != &wire_defaults)
                emit_wire(i, w);
}

static void emit_commands(const VM *vm, const Interface *i, UnitWriter *w) {
        bool macvtap = i->type == INTERFACE_MACVTAP;
        size_t from, to;

        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-tap");
        unit_arg(w, macvtap ? "add-macvtap" : "add");
        from = unit_here(w);
        emit_arguments(vm, i, w);
        to = unit_here(w);
        unit_exec_end(w);
        unit_exec(w, "ExecReload", "", HELPERDIR "/qnet-tap");
        unit_arg(w, macvtap ? "add-macvtap" : "set");
        unit_copy(w, from, to);
        unit_exec_end(w);
}

int emit_tap(const VM *vm, const Interface *i, UnitWriter *w) {
        bool macvtap = i->type == INTERFACE_MACVTAP;

        unit_open(w, "qnet-tap@", i->tap, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", macvtap ? "Macvtap " : "Tap ", i->tap, " of virtual machine ", vm->name);
        emit_origin(&i->origin, w);
        emit_tap_dependencies(i, w);
        /* the tap outlives a restart of its VM, so that links of others do not flap; it goes when the VM
         * is stopped */
        unit_raw(w, "StopWhenUnneeded", "yes");

        emit_oneshot(w);
        emit_commands(vm, i, w);
        /* "+": without the sandbox, whose mounts and filters cost more than all else when many taps stop at once; it drops
         * its privileges itself */
        unit_exec(w, "ExecStop", "+", HELPERDIR "/qnet-tap");
        unit_arg(w, "del");
        unit_arg(w, i->tap);
        unit_exec_end(w);
        return unit_close(w);
}

/* ---- its companions: they start after it and stop before it ---- */

static void emit_part_of_tap(const Interface *i, UnitWriter *w) {
        emit_origin(&i->origin, w);
        /* PartOf=, not BindsTo=, which would make the tap one that is needed, so that it would never stop */
        unit_dependency(w, "PartOf", "qnet-tap@", i->tap, ".service");
}

/* The unit's user is one that systemd makes up: it gets a directory of its own in the administrator's. */
static void emit_capture_directory(const Interface *i, UnitWriter *w) {
        const char *directory = i->wire->capture_directory;
        char below[IFNAMSIZ + 1];

        snprintf(below, sizeof(below), "/%s", i->tap);
        emit_writable(directory, below, w);
        unit_exec(w, "ExecStartPre", "+", HELPERDIR "/qnet-grant");
        unit_arg(w, "own-directory");
        unit_arg(w, directory, below);
        unit_arg(w, "--to-owner-of=" CAPTURE_DIR, i->tap);
        unit_exec_end(w);
}

int emit_capture(const VM *vm, const Interface *i, UnitWriter *w) {
        const Wire *wire = i->wire;
        char number[NUMBER_STRING_SIZE];

        unit_open(w, "qnet-capture@", i->tap, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "Capture of ", i->tap, " of virtual machine ", vm->name);
        emit_part_of_tap(i, w);
        if (wire->capture_directory)
                unit_word(w, "RequiresMountsFor", wire->capture_directory, NULL);
        unit_raw(w, "Before", "qemu-vm@", vm->name, ".service"); /* nothing of the guest is missed */
        unit_section(w, "Service");
        if (wire->capture_directory)
                emit_capture_directory(i, w);
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-capture");
        unit_arg(w, i->tap);
        if (wire->capture_directory)
                unit_arg(w, "--directory=", wire->capture_directory, "/", i->tap);
        else
                unit_arg(w, "--directory=" CAPTURE_DIR, i->tap);
        unit_arg(w, "--size=", format_number(wire->capture_size, number));
        unit_arg(w, "--files=", format_number(wire->capture_files, number));
        unit_exec_end(w);
        return unit_close(w);
}

static bool is_any(const IPAddress *ip) {
        static const unsigned char any[16];

        return memcmp(ip->bytes, any, sizeof(any)) == 0;
}

static void emit_forward_end(const IPAddress *ip, unsigned port, UnitWriter *w) {
        char text[IP_STRING_SIZE], number[NUMBER_STRING_SIZE];

        unit_arg_add(w, ":");
        if (!is_any(ip)) { /* none: all addresses of the host */
                unit_arg_add(w, ip->family == AF_INET6 ? "[" : "");
                unit_arg_add(w, format_ip(ip, text));
                unit_arg_add(w, ip->family == AF_INET6 ? "]" : "");
        }
        unit_arg_add(w, ":");
        unit_arg_add(w, format_number(port, number));
}

void emit_forwards(const Interface *i, UnitWriter *w) {
        for (size_t k = 0; k < i->wire->n_forwards; k++) {
                const Forward *f = i->wire->forwards + k;

                unit_option_begin(w);
                unit_arg_add(w, f->udp ? "--forward=udp" : "--forward=tcp");
                emit_forward_end(&f->host, f->host_port, w);
                emit_forward_end(&f->guest, f->guest_port, w);
                unit_arg_end(w);
        }
}

static void emit_nat_command(const Interface *i, const char *key, UnitWriter *w) {
        char ip[IP_STRING_SIZE];

        unit_exec(w, key, "", HELPERDIR "/qnet-nat");
        unit_arg(w, "add");
        unit_arg(w, i->tap);
        unit_arg(w, "--device=", i->tap);
        for (size_t k = 0; k < i->wire->n_host_addresses; k++)
                if (!ip_is_link_local(&i->wire->host_addresses[k]))
                        unit_arg(w, "--address=", format_ip_prefix(&i->wire->host_addresses[k], ip));
        emit_forwards(i, w);
        unit_exec_end(w);
}

int emit_tap_nat(const VM *vm, const Interface *i, UnitWriter *w) {
        unit_open(w, "qnet-nat@", i->tap, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "NAT of ", i->tap, " of virtual machine ", vm->name);
        emit_part_of_tap(i, w);
        emit_oneshot(w);
        emit_nat_command(i, "ExecStart", w);
        emit_nat_command(i, "ExecReload", w);
        /* not ExecStop=, which is left out when adding has failed half way */
        unit_exec(w, "ExecStopPost", "", HELPERDIR "/qnet-nat");
        unit_arg(w, "del");
        unit_arg(w, i->tap);
        unit_exec_end(w);
        return unit_close(w);
}
