/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* [Interface]: which keys go with which Type=, and what one interface says against itself or another of its VM. What
 * two VMs want is in validate-unique.c, validate-listen.c and validate-subnets.c. */

#include "conf-table.h"
#include "names.h"
#include "nearest.h"
#include "problem.h"
#include "rare.h"
#include "validate.h"

#define USER_PORT_MIN 1024U              /* below, only root may listen */
#define JITTER_MAX    (2 * USEC_PER_SEC) /* netem keeps it in 31 bits of nanoseconds */

#define interface_problem(m, vm, i, key, ...) \
        vm_problem((m), (vm), said_at(&(i)->said, (i)->origin, KEYS_INTERFACE, (key)), __VA_ARGS__)

#define T(type)     (1U << INTERFACE_##type)
#define ANY         (T(TAP) | T(USER) | T(MACVTAP) | T(VDE) | T(MULTICAST) | T(STREAM) | T(DGRAM))
#define WITH_DEVICE (T(TAP) | T(MACVTAP)) /* of the host's network */

/* ---- which keys have a meaning ---- */

static bool is_shaped(const uint64_t both[]) {
        return both[TO_GUEST] > 0 || both[FROM_GUEST] > 0;
}

static bool is_lossy(const unsigned both[]) {
        return both[TO_GUEST] > 0 || both[FROM_GUEST] > 0;
}

static bool is_said(const LinkEnd *e) {
        return e->path || e->ip.family != AF_UNSPEC;
}

static int check_keys(Model *m, VM *vm, const Interface *i) {
        const Wire *w = i->wire;
        const struct {
                const char *key;
                bool said;
                unsigned types;
        } keys[] = {
                { "Switch", i->switch_name, T(TAP) | T(VDE) },
                { "Bridge", i->bridge, T(TAP) },
                { "Tap", i->tap, WITH_DEVICE },
                { "Model", i->model, ANY },
                { "MACAddress", i->mac_policy != MAC_DERIVED, ANY },
                { "Address", i->n_addresses > 0, WITH_DEVICE | T(USER) },
                { "Isolated", i->isolated, T(TAP) },
                { "MTU", i->mtu > 0, ANY },
                { "Device", w->device, T(MACVTAP) },
                { "Mode", w->mode != MACVTAP_BRIDGE, T(MACVTAP) },
                { "Socket", w->socket, T(VDE) },
                { "Local", is_said(&w->local), T(MULTICAST) | T(STREAM) | T(DGRAM) },
                { "Remote", is_said(&w->remote), T(MULTICAST) | T(STREAM) | T(DGRAM) },
                { "VLAN", w->vlan > 0, T(TAP) },
                { "TrunkVLANs", !vlan_set_is_empty(&w->trunk_vlans), T(TAP) },
                { "NativeVLAN", w->native_vlan > 0, T(TAP) },
                { "PortSecurity", w->port_security, T(TAP) },
                { "Queues", w->queues > 1, T(TAP) },
                { "VHost", w->vhost != VHOST_NO, WITH_DEVICE },
                { "Link", w->link_down, ANY },
                { "Forward", w->n_forwards > 0, T(TAP) | T(USER) },
                { "HostAddress", w->n_host_addresses > 0, T(TAP) },
                { "NAT", w->nat, T(TAP) },
                { "Capture", w->capture, WITH_DEVICE },
                { "CaptureSize", w->capture_size != CAPTURE_SIZE_DEFAULT, WITH_DEVICE },
                { "CaptureFiles", w->capture_files != CAPTURE_FILES_DEFAULT, WITH_DEVICE },
                { "Rate", is_shaped(w->shape.rate), WITH_DEVICE },
                { "Delay", is_shaped(w->shape.delay), WITH_DEVICE },
                { "Jitter", is_shaped(w->shape.jitter), WITH_DEVICE },
                { "Loss", is_lossy(w->shape.loss), WITH_DEVICE },
                { "Duplicate", is_lossy(w->shape.duplicate), WITH_DEVICE },
                { "Corrupt", is_lossy(w->shape.corrupt), WITH_DEVICE },
                { "Reorder", is_lossy(w->shape.reorder), WITH_DEVICE },
        };
        int r = 0;

        for (size_t k = 0; k < ELEMENTSOF(keys) && r >= 0; k++)
                if (keys[k].said && !(keys[k].types & (1U << i->type)))
                        r = interface_problem(m, vm, i, keys[k].key, "%s= has no meaning with Type=%s",
                                        keys[k].key, interface_type_to_string(i->type));
        return r;
}

/* ---- a tap: on a switch, on a bridge of others, or with addresses of the host ---- */

static int unknown_switch(Model *m, VM *vm, const Interface *i) {
        Nearest nearest = nearest_init(i->switch_name);

        for (size_t k = 0; k < MIN(m->n_switches, (size_t) 100); k++)
                nearest_try(&nearest, m->switches[k]->name);
        return interface_problem(m, vm, i, "Switch", "Switch=%s is not declared anywhere%s", i->switch_name,
                        HINT(nearest.best));
}

/* What only a bridge can do */
static int check_without_bridge(Model *m, VM *vm, const Interface *i) {
        const struct {
                const char *key;
                bool said;
        } keys[] = {
                { "Isolated", i->isolated },
                { "VLAN", i->wire->vlan > 0 },
                { "TrunkVLANs", !vlan_set_is_empty(&i->wire->trunk_vlans) },
                { "NativeVLAN", i->wire->native_vlan > 0 },
                { "PortSecurity", i->wire->port_security },
        };
        int r = 0;

        for (size_t k = 0; k < ELEMENTSOF(keys) && r >= 0; k++)
                if (keys[k].said)
                        r = interface_problem(m, vm, i, keys[k].key,
                                        "%s= is for a port of a bridge, and this tap has HostAddress=", keys[k].key);
        return r;
}

static int check_vlans(Model *m, VM *vm, const Interface *i) {
        const Wire *w = i->wire;
        bool trunk = !vlan_set_is_empty(&w->trunk_vlans);

        if (w->vlan > 0 && trunk)
                return interface_problem(m, vm, i, "VLAN",
                                "VLAN= and TrunkVLANs= do not go together; on a trunk, frames without a tag are of "
                                "NativeVLAN=%u",
                                w->vlan);
        if (w->native_vlan > 0 && !trunk)
                return interface_problem(m, vm, i, "NativeVLAN",
                                "NativeVLAN= goes with TrunkVLANs=; without, it is VLAN=%u", w->native_vlan);
        return 0;
}

static int check_host_addresses(Model *m, VM *vm, const Interface *i) {
        char buf[IP_STRING_SIZE];
        int r = 0;

        if (i->switch_name || i->bridge)
                return interface_problem(m, vm, i, "HostAddress",
                                "HostAddress= is for a tap of its own, and this one has %s=; a [Switch] has Address=",
                                i->switch_name ? "Switch" : "Bridge");
        for (size_t k = 0; k < i->wire->n_host_addresses && r >= 0; k++) {
                const IPAddress *ip = i->wire->host_addresses + k;

                if (ip_is_subnet_end(ip, ip))
                        r = interface_problem(m, vm, i, "HostAddress",
                                        "HostAddress=%s is the subnet's own or its broadcast address",
                                        format_ip_prefix(ip, buf));
        }
        if (r >= 0)
                r = check_without_bridge(m, vm, i);
        return r < 0 ? r : validate_addresses(m, vm, i);
}

/* Whether NAT's host has a route to it */
static bool is_known(const Interface *i, const IPAddress *ip) {
        const Switch *w = i->network ? switch_nat(i->network) : NULL;

        return w ? ip_subnet_of(w->addresses, w->n_addresses, ip) != NULL
                 : ip_subnet_of(i->wire->host_addresses, i->wire->n_host_addresses, ip) != NULL;
}

/* Where a port is forwarded to: the guest's address of that family */
static int find_guest(Model *m, VM *vm, const Interface *i, Forward *f) {
        char buf[IP_STRING_SIZE];

        for (size_t k = 0; f->guest.family == AF_UNSPEC && k < i->n_addresses; k++)
                if (i->addresses[k].family == f->host.family)
                        f->guest = i->addresses[k];
        if (f->guest.family == AF_UNSPEC)
                return vm_problem(m, vm, f->origin,
                                "Forward= needs an Address= of the guest, %s, to lead to",
                                f->host.family == AF_INET ? "IPv4" : "IPv6");
        if (f->host.family == AF_INET6 && ip_is_loopback(&f->host))
                return vm_problem(m, vm, f->origin,
                                "Forward= from ::1: Linux does not let that leave the host; 127.0.0.1 does");
        if (f->guest.family != f->host.family)
                return vm_problem(m, vm, f->origin, "Forward= leads from IPv%d to IPv%d",
                                f->host.family == AF_INET ? 4 : 6, f->guest.family == AF_INET ? 4 : 6);
        if (!is_known(i, &f->guest))
                return vm_problem(m, vm, f->origin, "Forward= leads to %s, to which the host of the NAT has no route",
                                format_ip(&f->guest, buf));
        return 0;
}

static int check_tap_forwards(Model *m, VM *vm, Interface *i) {
        int r = 0;

        if (i->wire->n_forwards == 0)
                return 0;
        if (!i->wire->nat && !(i->network && switch_nat(i->network)))
                return interface_problem(m, vm, i, "Forward",
                                "Forward= is for Type=user, or for a tap with NAT=yes: of its [Switch], or with "
                                "HostAddress= its own");
        for (size_t k = 0; k < i->wire->n_forwards && r >= 0; k++)
                r = find_guest(m, vm, i, i->wire->forwards + k);
        return r;
}

/* 1: it is there. */
static int find_switch(Model *m, VM *vm, Interface *i, SwitchType type) {
        i->network = model_switch(m, i->switch_name);
        if (!i->network)
                return unknown_switch(m, vm, i);
        if (i->network->type == type)
                return 1;
        return interface_problem(m, vm, i, "Switch", "Switch=%s (%s:%u) is %s, and needs %s here", i->switch_name,
                        i->network->origin.file, i->network->origin.line,
                        type == SWITCH_VDE ? "a bridge" : "of Type=vde", type == SWITCH_VDE ? "Type=tap" : "Type=vde");
}

static int validate_plug(Model *m, VM *vm, Interface *i) {
        int r;

        r = find_switch(m, vm, i, SWITCH_BRIDGE);
        if (r <= 0)
                return r;
        if (i->wire != &wire_defaults && (i->wire->vlan > 0 || !vlan_set_is_empty(&i->wire->trunk_vlans)))
                i->network->filters_vlans = true;
        return validate_addresses(m, vm, i);
}

static int validate_tap(Model *m, VM *vm, Interface *i) {
        int r = 0;

        if (i->wire != &wire_defaults)
                r = check_vlans(m, vm, i);
        if (r >= 0 && i->wire->n_host_addresses > 0)
                r = check_host_addresses(m, vm, i);
        else if (r >= 0 && i->wire->nat)
                r = interface_problem(m, vm, i, "NAT",
                                "NAT= is for a tap with HostAddress=; of a network it is a matter of the [Switch]");
        if (r >= 0 && !i->bridge && i->wire->n_host_addresses == 0) {
                if (!i->switch_name && vm->n_problems > 0)
                        return 0; /* what seems to be missing may have been refused */
                if (!i->switch_name)
                        return vm_problem(m, vm, i->origin,
                                        "[Interface] has neither Switch= nor Bridge=; or say HostAddress= or another "
                                        "Type=");
                r = validate_plug(m, vm, i);
                if (r < 0 || !i->network)
                        return r;
        }
        return r < 0 ? r : check_tap_forwards(m, vm, i);
}

/* ---- no tap ---- */

static int validate_macvtap(Model *m, VM *vm, Interface *i) {
        if (i->wire->device || vm->n_problems > 0)
                return 0;
        return interface_problem(m, vm, i, "Type", "Type=macvtap needs Device=, an interface of the host");
}

/* SLIRP's network is a /24, where .2 is the host and .3 its DNS server. */
static int check_user_address(Model *m, VM *vm, const Interface *i) {
        const IPAddress *ip = i->addresses;

        if (i->n_addresses == 0)
                return 0;
        if (i->n_addresses > 1 || ip->family != AF_INET)
                return interface_problem(m, vm, i, "Address", "With Type=user, Address= can be one IPv4 address");
        if (ip->bytes[3] <= 3 || ip->bytes[3] == 255)
                return interface_problem(m, vm, i, "Address",
                                "With Type=user, an Address= ends in .4 to .254: the others are QEMU's own");
        return 0;
}

static int check_user_forwards(Model *m, VM *vm, const Interface *i) {
        static const unsigned char network[] = { 10, 0, 2 };
        const unsigned char *net = i->n_addresses > 0 ? i->addresses->bytes : network;
        int r = 0;

        for (size_t k = 0; k < i->wire->n_forwards && r >= 0; k++) {
                const Forward *f = i->wire->forwards + k;

                if (f->host.family == AF_INET6 || f->guest.family == AF_INET6)
                        r = vm_problem(m, vm, f->origin, "Forward= with Type=user is for IPv4");
                else if (f->host_port < USER_PORT_MIN)
                        r = vm_problem(m, vm, f->origin,
                                        "Forward= from port %u: below %u only root may listen, and QEMU is not",
                                        f->host_port, USER_PORT_MIN);
                else if (f->guest.family == AF_INET && memcmp(f->guest.bytes, net, 3) != 0)
                        r = vm_problem(m, vm, f->origin,
                                        "Forward= leads to an address that is not in the guest's network %u.%u.%u.0/24",
                                        net[0], net[1], net[2]);
        }
        return r;
}

static int validate_user(Model *m, VM *vm, Interface *i) {
        int r;

        r = check_user_address(m, vm, i);
        return r < 0 ? r : check_user_forwards(m, vm, i);
}

static int check_local(Model *m, VM *vm, const Interface *i) {
        const LinkEnd *e = &i->wire->local;

        if (e->path)
                return vm_socket_name(vm, e->path)
                                       ? 0
                                       : interface_problem(m, vm, i, "Local",
                                                         "Local=%s: a socket can be in /run/qnet/vm/%s/ only, and have "
                                                         "no name that qnet uses there",
                                                         e->path, vm->name);
        if (is_said(e) && e->port == 0)
                return interface_problem(m, vm, i, "Local", "Local= lacks a port, such as 127.0.0.1:4000");
        if (e->port > 0 && e->port < USER_PORT_MIN)
                return interface_problem(m, vm, i, "Local",
                                "Local= has port %u: below %u only root may listen, and QEMU is not", e->port,
                                USER_PORT_MIN);
        return 0;
}

static int check_remote(Model *m, VM *vm, const Interface *i) {
        const LinkEnd *e = &i->wire->remote;

        if (e->path && path_is_temporary(e->path))
                return interface_problem(m, vm, i, "Remote",
                                "Remote=%s: a VM has a /tmp of its own, use another directory", e->path);
        if (is_said(e) && !e->path && e->port == 0)
                return interface_problem(m, vm, i, "Remote", "Remote= lacks a port, such as 127.0.0.1:4000");
        return 0;
}

static int check_ends(Model *m, VM *vm, const Interface *i) {
        int r;

        r = check_local(m, vm, i);
        return r < 0 ? r : check_remote(m, vm, i);
}

static int validate_stream(Model *m, VM *vm, Interface *i) {
        if (is_said(&i->wire->local) == is_said(&i->wire->remote) && vm->n_problems == 0)
                return interface_problem(m, vm, i, "Type",
                                "Type=stream needs either Local=, to listen at, or Remote=, to connect to");
        return check_ends(m, vm, i);
}

static int validate_dgram(Model *m, VM *vm, Interface *i) {
        const LinkEnd *local = &i->wire->local, *remote = &i->wire->remote;

        if (vm->n_problems == 0 && (!is_said(local) || !is_said(remote)))
                return interface_problem(m, vm, i, "Type", "Type=dgram needs both Local= and Remote=");
        if (is_said(local) && is_said(remote) && local->ip.family != remote->ip.family)
                return interface_problem(m, vm, i, "Remote",
                                "Local= and Remote= are not of one kind: both IPv4, or both paths");
        if (local->ip.family == AF_INET6)
                return interface_problem(m, vm, i, "Local", "Type=dgram is for IPv4, QEMU knows no other");
        return check_ends(m, vm, i);
}

static int validate_multicast(Model *m, VM *vm, Interface *i) {
        const LinkEnd *local = &i->wire->local, *remote = &i->wire->remote;
        bool group = remote->ip.family == AF_INET && (remote->ip.bytes[0] & 0xf0) == 0xe0 && remote->port > 0;

        if (!group && (is_said(remote) || vm->n_problems == 0))
                return interface_problem(m, vm, i, is_said(remote) ? "Remote" : "Type",
                                "Type=multicast needs Remote=GROUP:PORT, with an IPv4 group such as 239.9.0.1:4000");
        if (is_said(local) && (local->ip.family != AF_INET || local->port > 0))
                return interface_problem(m, vm, i, "Local",
                                "With Type=multicast, Local= is an IPv4 address of the host, without a port");
        return 0;
}

static int validate_vde(Model *m, VM *vm, Interface *i) {
        if (i->switch_name && i->wire->socket)
                return interface_problem(m, vm, i, "Socket", "Socket= does not go with Switch=: say one of them");
        if (i->switch_name)
                return MIN(find_switch(m, vm, i, SWITCH_VDE), 0);
        if (!i->wire->socket)
                return vm->n_problems > 0
                                       ? 0
                                       : interface_problem(m, vm, i, "Type",
                                                         "Type=vde needs Switch=, or Socket=, the directory of a "
                                                         "vde_switch of others");
        if (path_is_temporary(i->wire->socket))
                return interface_problem(m, vm, i, "Socket",
                                "Socket=%s: a VM has a /tmp of its own, use another directory", i->wire->socket);
        return 0;
}

static int validate_none(Model *m, VM *vm, Interface *i) {
        if (vm->n_interfaces == 1)
                return 0;
        return interface_problem(m, vm, i, "Type",
                        "Type=none says that VM %s has no network card, and it has %zu [Interface]", vm->name,
                        vm->n_interfaces);
}

/* ---- all of them ---- */

static bool is_virtio(const Interface *i) {
        return streq(i->model, "virtio") || startswith(i->model, "virtio-net-");
}

static int check_model(Model *m, VM *vm, const Interface *i) {
        const Wire *w = i->wire;
        bool replay = vm->hardware->replay != REPLAY_NONE;
        int r = 0;

        if (w->queues > 1 && !is_virtio(i))
                r = interface_problem(m, vm, i, "Queues", "Queues=%u is for Model=virtio, and this is %s", w->queues,
                                i->model);
        if (r >= 0 && w->vhost != VHOST_NO && !is_virtio(i))
                r = interface_problem(m, vm, i, "VHost", "VHost= is for Model=virtio, and this is %s", i->model);
        if (r >= 0 && replay && (w->queues > 1 || w->vhost != VHOST_NO))
                r = interface_problem(m, vm, i, w->queues > 1 ? "Queues" : "VHost",
                                "%s= does not go with Replay=: QEMU would not see all packets",
                                w->queues > 1 ? "Queues" : "VHost");
        if (r >= 0 && i->mtu > 0 && !is_virtio(i) && !(WITH_DEVICE & (1U << i->type)))
                r = interface_problem(m, vm, i, "MTU", "MTU= with Type=%s is for Model=virtio: %s cannot be told",
                                interface_type_to_string(i->type), i->model);
        if (r >= 0 && i->mac_policy == MAC_RANDOM && !(WITH_DEVICE & (1U << i->type)))
                r = interface_problem(m, vm, i, "MACAddress",
                                "MACAddress=random is for Type=tap and macvtap, and this is %s",
                                interface_type_to_string(i->type));
        return r;
}

static int check_shape(Model *m, VM *vm, const Interface *i) {
        const Shape *s = &i->wire->shape;

        for (Direction d = 0; d < _DIRECTION_MAX; d++) {
                const char *way = d == TO_GUEST ? "to" : "from";

                if (s->jitter[d] > s->delay[d])
                        return interface_problem(m, vm, i, "Jitter",
                                        "Jitter= is longer than Delay= %s the guest: a frame cannot come before it is "
                                        "sent",
                                        way);
                if (s->jitter[d] > JITTER_MAX)
                        return interface_problem(m, vm, i, "Jitter", "Jitter= is longer than 2s, the kernel's most");
                if (s->reorder[d] > 0 && s->delay[d] == 0)
                        return interface_problem(m, vm, i, "Reorder",
                                        "Reorder= needs Delay= for frames to overtake, and there is none %s the guest",
                                        way);
        }
        return 0;
}

static int check_capture(Model *m, VM *vm, const Interface *i) {
        const Wire *w = i->wire;
        const char *directory = w->capture_directory;

        if (!w->capture) {
                if (w->capture_size == CAPTURE_SIZE_DEFAULT && w->capture_files == CAPTURE_FILES_DEFAULT)
                        return 0;
                return interface_problem(m, vm, i,
                                w->capture_size != CAPTURE_SIZE_DEFAULT ? "CaptureSize" : "CaptureFiles",
                                "CaptureSize= and CaptureFiles= need Capture=yes, or a directory");
        }
        if (!directory)
                return 0;
        if (path_is_temporary(directory))
                return interface_problem(m, vm, i, "Capture",
                                "Capture=%s: the service has a /tmp of its own, use another directory", directory);
        if (path_is_of_qnet(directory) || path_is_of_kernel(directory))
                return interface_problem(m, vm, i, "Capture",
                                "Capture=%s is a directory of the system's, of qnet's or of a VM", directory);
        return 0;
}

static int validate_interface(Model *m, VM *vm, Interface *i) {
        static int (*const by_type[_INTERFACE_TYPE_MAX])(Model *, VM *, Interface *) = {
                [INTERFACE_TAP] = validate_tap,
                [INTERFACE_USER] = validate_user,
                [INTERFACE_MACVTAP] = validate_macvtap,
                [INTERFACE_VDE] = validate_vde,
                [INTERFACE_MULTICAST] = validate_multicast,
                [INTERFACE_STREAM] = validate_stream,
                [INTERFACE_DGRAM] = validate_dgram,
                [INTERFACE_NONE] = validate_none,
        };
        bool plain = i->type == INTERFACE_TAP && i->wire == &wire_defaults;
        int r = 0;

        if (!plain)
                r = check_keys(m, vm, i);
        if (!i->tap && (WITH_DEVICE & (1U << i->type))) {
                i->tap = derive_tap(m->arena, vm->name, i->index);
                if (!i->tap)
                        return -ENOMEM;
        }
        if (!i->model)
                i->model = (char *) "virtio";
        if (r >= 0)
                r = by_type[i->type](m, vm, i);
        if (r >= 0 && !plain)
                r = check_model(m, vm, i);
        if (r >= 0 && !plain)
                r = check_shape(m, vm, i);
        return r < 0 || plain ? r : check_capture(m, vm, i);
}

int validate_interfaces(Model *m, VM *vm) {
        int r = 0;

        for (size_t k = 0; k < vm->n_interfaces && r >= 0; k++) {
                vm->interfaces[k].index = (unsigned) k;
                r = validate_interface(m, vm, vm->interfaces + k);
        }
        return r;
}
