/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Network cards on QEMU's command line, and what the VM's unit needs for those that have no tap: sockets. A tap is there
 * and on its bridge already when QEMU starts. */

#include "emit-internal.h"
#include "qemu-option.h"

/* systemd passes descriptors from here on, sd_listen_fds(3) */
#define FIRST_DESCRIPTOR 3U

/* ---- the unit ---- */

/* What the sandbox must let through, all interfaces together; it adds to what the shared drop-in allows. */
typedef struct Access {
        bool v4, v6, localhost, any;
        unsigned n_macvtap;
} Access;

static void add_address(Access *a, const IPAddress *ip) {
        bool loopback = ip->family != AF_UNSPEC && ip_is_loopback(ip);

        a->v4 |= ip->family == AF_INET;
        a->v6 |= ip->family == AF_INET6;
        a->localhost |= loopback;
        a->any |= ip->family != AF_UNSPEC && !loopback;
}

static void add_interface(Access *a, const Interface *i) {
        switch (i->type) {
        case INTERFACE_USER:
                a->v4 = a->v6 = a->any = true;
                break;
        case INTERFACE_MULTICAST:
                a->v4 = a->localhost = true;
                add_address(a, &i->wire->local.ip);
                break;
        case INTERFACE_STREAM:
        case INTERFACE_DGRAM:
                add_address(a, &i->wire->local.ip);
                add_address(a, &i->wire->remote.ip);
                break;
        case INTERFACE_MACVTAP:
                a->n_macvtap++;
                break;
        default:
                break;
        }
}

static void emit_vde_access(const Switch *s, UnitWriter *w) {
        unit_raw(w, "SupplementaryGroups", VDE_GROUP);
        unit_raw(w, "ReadWritePaths", VDE_DIR, s->name, "/ctl");
}

void emit_nic_settings(const VM *vm, UnitWriter *w) {
        char text[IP_STRING_SIZE];
        Access a = { 0 };

        for (size_t k = 0; k < vm->n_interfaces; k++) {
                add_interface(&a, vm->interfaces + k);
                /* QEMU makes a socket of its own there */
                if (vm->interfaces[k].wire->socket)
                        emit_writable(vm->interfaces[k].wire->socket, "", w);
                if (vm->interfaces[k].type == INTERFACE_VDE && vm->interfaces[k].network)
                        emit_vde_access(vm->interfaces[k].network, w);
        }
        if (a.v4 || a.v6)
                unit_raw(w, "RestrictAddressFamilies", a.v4 ? "AF_INET" : "", a.v4 && a.v6 ? " " : "",
                                a.v6 ? "AF_INET6" : "");
        if (a.any || a.localhost)
                unit_raw(w, "IPAddressAllow", a.any ? "any" : "localhost");
        for (size_t k = 0; k < vm->n_interfaces && !a.any; k++)
                if (vm->interfaces[k].type == INTERFACE_MULTICAST)
                        unit_raw(w, "IPAddressAllow", format_ip(&vm->interfaces[k].wire->remote.ip, text));
        if (a.n_macvtap == 0)
                return;
        /* "qnet-tap own" opens the device and leaves it with systemd, which hands it to QEMU */
        unit_raw(w, "DeviceAllow", "char-macvtap rw");
        unit_raw(w, "NotifyAccess", "exec");
        unit_raw(w, "FileDescriptorStoreMax", format_number(a.n_macvtap, text));
}

/* ---- what a card is connected to ---- */

static void add_key(UnitWriter *w, const char *prefix, const char *key) {
        unit_arg_add(w, ",");
        unit_arg_add(w, prefix);
        unit_arg_add(w, key);
}

static void option_link_end(const char *prefix, const LinkEnd *e, UnitWriter *w) {
        char ip[IP_STRING_SIZE], port[NUMBER_STRING_SIZE];

        if (e->path) {
                add_key(w, prefix, ".type=unix");
                add_key(w, prefix, ".path=");
                unit_arg_add_commas_doubled(w, e->path);
                return;
        }
        add_key(w, prefix, ".type=inet");
        add_key(w, prefix, ".host=");
        unit_arg_add(w, format_ip(&e->ip, ip));
        add_key(w, prefix, ".port=");
        unit_arg_add(w, format_number(e->port, port));
}

static void option_vhost(const Interface *i, UnitWriter *w) {
        char variable[32];

        if (i->wire->vhost == VHOST_YES)
                unit_arg_add(w, ",vhost=on,vhostforce=on");
        if (i->wire->vhost != VHOST_AUTO)
                return;
        /* QEMU would do without if there is none, but some versions crash then: "qnet-tap own" has a look */
        snprintf(variable, sizeof(variable), "QNET_VHOST%u", i->index);
        unit_arg_add(w, ",vhost=");
        unit_arg_add_variable(w, variable);
}

static void option_tap(const Interface *i, UnitWriter *w) {
        option_key(w, "ifname", i->tap);
        /* the tap is there and on its bridge already; QEMU may not start programs anyway */
        unit_arg_add(w, ",script=no,downscript=no");
        if (i->wire->queues > 1)
                option_key_number(w, "queues", i->wire->queues);
        option_vhost(i, w);
}

/* systemd.service(5), FileDescriptorStoreMax=: what came last is first. */
static void option_macvtap(const VM *vm, const Interface *i, UnitWriter *w) {
        unsigned after = 0;

        for (size_t k = i->index + 1; k < vm->n_interfaces; k++)
                after += vm->interfaces[k].type == INTERFACE_MACVTAP;
        option_key_number(w, "fd", FIRST_DESCRIPTOR + after);
        option_vhost(i, w);
}

static void option_forward(const Forward *f, UnitWriter *w) {
        char ip[IP_STRING_SIZE], number[NUMBER_STRING_SIZE];

        unit_arg_add(w, f->udp ? ",hostfwd=udp:" : ",hostfwd=tcp:");
        unit_arg_add(w, format_ip(&f->host, ip));
        unit_arg_add(w, ":");
        unit_arg_add(w, format_number(f->host_port, number));
        unit_arg_add(w, "-");
        if (f->guest.family != AF_UNSPEC)
                unit_arg_add(w, format_ip(&f->guest, ip));
        unit_arg_add(w, ":");
        unit_arg_add(w, format_number(f->guest_port, number));
}

static void option_user(const Interface *i, UnitWriter *w) {
        char ip[IP_STRING_SIZE];

        if (i->n_addresses > 0) {
                IPAddress net = i->addresses[0];

                net.bytes[3] = 0;
                net.prefix = 24;
                option_key(w, "net", format_ip_prefix(&net, ip));
                option_key(w, "dhcpstart", format_ip(&i->addresses[0], ip)); /* the first guest gets the first address */
        }
        for (size_t k = 0; k < i->wire->n_forwards; k++)
                option_forward(i->wire->forwards + k, w);
}

static void option_multicast(const Wire *wire, UnitWriter *w) {
        char ip[IP_STRING_SIZE], port[NUMBER_STRING_SIZE];

        option_key(w, "mcast", format_ip(&wire->remote.ip, ip));
        unit_arg_add(w, ":");
        unit_arg_add(w, format_number(wire->remote.port, port));
        /* which interface: without one, that of the route to the group, and there may be none */
        option_key(w, "localaddr", wire->local.ip.family == AF_UNSPEC ? "127.0.0.1" : format_ip(&wire->local.ip, ip));
}

static void option_stream(const Wire *wire, UnitWriter *w) {
        bool listens = wire->local.path || wire->local.port > 0;

        unit_arg_add(w, listens ? ",server=on" : ",server=off");
        option_link_end("addr", listens ? &wire->local : &wire->remote, w);
}

static void option_backend(const VM *vm, const Interface *i, const char *option_name, UnitWriter *w) {
        static const char *const types[_INTERFACE_TYPE_MAX] = {
                [INTERFACE_TAP] = "tap",
                [INTERFACE_USER] = "user",
                [INTERFACE_MACVTAP] = "tap",
                [INTERFACE_VDE] = "vde",
                [INTERFACE_MULTICAST] = "socket",
                [INTERFACE_STREAM] = "stream",
                [INTERFACE_DGRAM] = "dgram",
        };

        option_begin(w, option_name, types[i->type]);
        option_key_id(w, "id", "net", i->index);
        switch (i->type) {
        case INTERFACE_TAP:
                option_tap(i, w);
                break;
        case INTERFACE_MACVTAP:
                option_macvtap(vm, i, w);
                break;
        case INTERFACE_USER:
                option_user(i, w);
                break;
        case INTERFACE_VDE:
                if (i->network) {
                        unit_arg_add(w, ",sock=" VDE_DIR);
                        unit_arg_add(w, i->network->name);
                        unit_arg_add(w, "/ctl");
                } else
                        option_key(w, "sock", i->wire->socket);
                unit_arg_add(w, ",mode=0777"); /* whoever may enter the directory; the switch is another user */
                break;
        case INTERFACE_MULTICAST:
                option_multicast(i->wire, w);
                break;
        case INTERFACE_STREAM:
                option_stream(i->wire, w);
                break;
        case INTERFACE_DGRAM:
                option_link_end("local", &i->wire->local, w);
                option_link_end("remote", &i->wire->remote, w);
                break;
        default:
                assert(false); /* none has no card */
        }
}

/* ---- the card ---- */

/* Soldered to the board: the machine makes them, and takes its parameters from -nic. Whatever else Model=
 * says is a device to be plugged in. */
static bool is_on_board(const char *model) {
        static const char *const models[] = { "allwinner-emac", "allwinner-sun8i-emac", "cadence_gem",
                "dp83932", "etraxfs-eth", "ftgmac100", "imx.enet", "imx.fec", "lan9118", "lance", "mcf_fec",
                "mipsnet", "msf2-emac", "mv88w8618", "npcm7xx-emc", "open_eth", "smc91c111", "stellaris",
                "xgmac", "xlnx.xps-ethernetlite" };

        for (size_t i = 0; i < ELEMENTSOF(models); i++)
                if (streq(models[i], model))
                        return true;
        return false;
}

/* PCI cards with a boot ROM that may be left out. */
static bool has_rom(const char *model) {
        static const char *const models[] = { "e1000", "e1000e", "i82550", "i82551", "i82557b", "i82559er",
                "igb", "ne2k_pci", "pcnet", "rtl8139", "tulip", "virtio-net-pci", "vmxnet3" };

        for (size_t i = 0; i < ELEMENTSOF(models); i++)
                if (streq(models[i], model))
                        return true;
        return false;
}

static void option_mac(const Interface *i, const char *key, UnitWriter *w) {
        char variable[32], mac[MAC_STRING_SIZE];

        add_key(w, key, "=");
        if (i->mac_policy != MAC_RANDOM) {
                unit_arg_add(w, format_mac(&i->mac, mac));
                return;
        }
        /* chosen by "qnet-tap own" just before, see EnvironmentFile= */
        snprintf(variable, sizeof(variable), "QNET_MAC%u", i->index);
        unit_arg_add_variable(w, variable);
}

/* A pair of vectors for each pair of queues, one for changes, one to control */
static void option_queues(const VM *vm, const Interface *i, UnitWriter *w) {
        if (i->wire->queues <= 1)
                return;
        unit_arg_add(w, ",mq=on");
        if (streq(virtio_transport(vm), "pci"))
                option_key_number(w, "vectors", 2 * (uint64_t) i->wire->queues + 2);
}

static void emit_plugged_nic(const VM *vm, const Interface *i, UnitWriter *w) {
        bool virtio = streq(i->model, "virtio"),
             rom = virtio ? streq(virtio_transport(vm), "pci") : has_rom(i->model);
        unsigned mtu = i->mtu ?: i->network ? i->network->mtu : 0;

        option_backend(vm, i, "-netdev", w);
        option_end(w);
        if (virtio)
                option_begin_virtio(vm, "net", w);
        else
                option_begin(w, "-device", i->model);
        option_key_id(w, "netdev", "net", i->index);
        option_mac(i, "mac", w);
        if (virtio && mtu > 0)
                option_key_number(w, "host_mtu", mtu); /* the guest takes it over by itself */
        option_queues(vm, i, w);
        /* there is something to boot from: no network boot ROM, which takes half a second */
        if (rom && (vm->kernel || vm->n_disks > 0))
                unit_arg_add(w, ",romfile=");
        option_end(w);
}

/* What arrives is part of the run that is recorded. */
static void emit_replay_filter(const Interface *i, UnitWriter *w) {
        option_begin(w, "-object", "filter-replay");
        option_key_id(w, "id", "replay", i->index);
        option_key_id(w, "netdev", "net", i->index);
        option_end(w);
}

/* -nic knows some types only, -net all that -netdev knows. */
static void emit_soldered_nic(const VM *vm, const Interface *i, UnitWriter *w) {
        bool tap = i->type == INTERFACE_TAP;

        option_backend(vm, i, tap ? "-nic" : "-netdev", w);
        if (!tap) {
                option_end(w);
                option_begin(w, "-net", "nic");
                option_key_id(w, "netdev", "net", i->index);
        }
        option_key(w, "model", i->model);
        option_mac(i, tap ? "mac" : "macaddr", w);
        option_end(w);
}

static void emit_nic(const VM *vm, const Interface *i, UnitWriter *w) {
        if (i->type == INTERFACE_NONE) {
                option(w, "-nic", "none");
                return;
        }
        if (!streq(i->model, "virtio") && is_on_board(i->model))
                emit_soldered_nic(vm, i, w);
        else
                emit_plugged_nic(vm, i, w);
        if (vm->hardware->replay != REPLAY_NONE)
                emit_replay_filter(i, w);
}

void emit_nics(const VM *vm, UnitWriter *w) {
        for (size_t k = 0; k < vm->n_interfaces; k++)
                emit_nic(vm, vm->interfaces + k, w);
}
