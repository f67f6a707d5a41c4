/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The machine itself on QEMU's command line: processors, memory, display, small devices, debugging; and what of it the
 * unit must allow or check. Nothing is written for what the configuration does not say. Addresses to listen at are
 * numeric, ids and sockets are ours. SMBIOS= and Device= are QEMU's own lists on purpose. */

#include "emit-internal.h"
#include "qemu-option.h"
#include "strv.h"

#define RUN_DIR   "/run/qnet/vm/"
#define STATE_DIR "/var/lib/qnet/vm/"

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)

static bool is_x86(const VM *vm) {
        return streq(vm->architecture, "x86_64") || streq(vm->architecture, "i386");
}

static bool on_socket(const Endpoint *e) {
        return e->ip.family == AF_UNSPEC;
}

/* "127.0.0.1", "[::1]" */
static void add_ip(const Endpoint *e, bool brackets, UnitWriter *w) {
        char ip[IP_STRING_SIZE];

        brackets = brackets && e->ip.family == AF_INET6;
        if (brackets)
                unit_arg_add(w, "[");
        unit_arg_add(w, format_ip(&e->ip, ip));
        if (brackets)
                unit_arg_add(w, "]");
}

/* ---- processors and memory ---- */

void emit_cpus(const VM *vm, UnitWriter *w) {
        const Hardware *h = vm->hardware;
        char number[NUMBER_STRING_SIZE];

        option_begin(w, "-smp", format_number(vm->cpus, number));
        if (h->cpus_max > 0)
                option_key_number(w, "maxcpus", h->cpus_max);
        if (h->sockets > 0)
                option_key_number(w, "sockets", h->sockets);
        if (h->cores > 0)
                option_key_number(w, "cores", h->cores);
        if (h->threads > 0)
                option_key_number(w, "threads", h->threads);
        option_end(w);
}

/* QEMU takes a number without a suffix for MiB */
static void add_size(uint64_t bytes, UnitWriter *w) {
        bool mebibytes = bytes % MIB == 0;
        char number[NUMBER_STRING_SIZE];

        unit_arg_add(w, format_number(mebibytes ? bytes / MIB : bytes, number));
        unit_arg_add(w, mebibytes ? "M" : "B");
}

bool has_memory_backend(const VM *vm) {
        return vm->hardware->huge_pages || vm->hardware->memory_shared || shares_memory(vm);
}

void emit_memory(const VM *vm, UnitWriter *w) {
        const Hardware *h = vm->hardware;

        if (vm->memory == 0)
                return; /* a board with a fixed size */
        unit_option(w, "-m");
        unit_arg_begin(w);
        add_size(vm->memory, w);
        if (h->memory_max > 0) {
                option_key_number(w, "slots", h->memory_slots);
                unit_arg_add(w, ",maxmem=");
                add_size(h->memory_max, w);
        }
        unit_arg_end(w);
        if (!has_memory_backend(vm))
                return;

        /* not a file: it needs no directory, and is gone with QEMU */
        option_begin(w, "-object", "memory-backend-memfd,id=memory,size=");
        add_size(vm->memory, w);
        option_key(w, "share", h->memory_shared || shares_memory(vm) ? "on" : "off");
        if (h->huge_pages)
                unit_arg_add(w, ",hugetlb=on,prealloc=on"); /* too few: now, not by a signal later */
        if (h->huge_page_size > 0) {
                unit_arg_add(w, ",hugetlbsize=");
                add_size(h->huge_page_size, w);
        }
        option_end(w);
}

/* ---- display ---- */

static void emit_vnc(const VM *vm, UnitWriter *w) {
        const Endpoint *e = &vm->hardware->display;
        char number[NUMBER_STRING_SIZE];

        if (on_socket(e)) {
                unit_option(w, "-vnc");
                unit_arg(w, "unix:" RUN_DIR, vm->name, "/vnc");
                return;
        }
        unit_option(w, "-vnc");
        unit_arg_begin(w);
        add_ip(e, true, w);
        unit_arg_add(w, ":");
        unit_arg_add(w, format_number(e->port - 5900, number));
        unit_arg_end(w);
}

static void emit_spice(const VM *vm, UnitWriter *w) {
        const Endpoint *e = &vm->hardware->display;

        option_begin(w, "-spice", "disable-ticketing=on");
        unit_arg_add(w, ",addr=");
        if (on_socket(e)) {
                unit_arg_add(w, RUN_DIR);
                unit_arg_add(w, vm->name);
                unit_arg_add(w, "/spice,unix=on");
        } else {
                add_ip(e, false, w);
                option_key_number(w, "port", e->port);
        }
        option_end(w);
}

/* What -device calls the card that -vga has under a short name. */
static const char *vga_device(const char *vga) {
        static const struct {
                const char *vga, *device;
        } table[] = {
                { "std", "VGA" },
                { "cirrus", "cirrus-vga" },
                { "vmware", "vmware-svga" },
                { "qxl", "qxl-vga" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq(table[i].vga, vga))
                        return table[i].device;
        return vga;
}

/* Where a BIOS wants the registers of a VGA, too. */
static bool has_virtio_vga(const VM *vm) {
        return streq(virtio_transport(vm), "pci") && (is_x86(vm) || streq(vm->architecture, "ppc64"));
}

static void emit_vga(const VM *vm, UnitWriter *w) {
        const Hardware *h = vm->hardware;
        char number[NUMBER_STRING_SIZE];

        if (!h->vga) {
                if (h->width > 0) { /* Open Firmware boards with a screen of their own */
                        unit_option(w, "-g");
                        unit_arg_begin(w);
                        unit_arg_add(w, format_number(h->width, number));
                        unit_arg_add(w, "x");
                        unit_arg_add(w, format_number(h->height, number));
                        unit_arg_end(w);
                }
                return;
        }
        if (!streq(h->vga, "virtio"))
                option_begin(w, "-device", vga_device(h->vga));
        else if (has_virtio_vga(vm))
                option_begin(w, "-device", "virtio-vga");
        else
                option_begin_virtio(vm, "gpu", w);
        if (h->width > 0) {
                option_key_number(w, "xres", h->width);
                option_key_number(w, "yres", h->height);
        }
        option_end(w);
}

/* A pointer that is where the viewer's is, and a keyboard unless the board has one. */
static void emit_input(const VM *vm, UnitWriter *w) {
        bool ps2 = is_x86(vm) || starts_with_word(vm->machine, "malta");

        if (!vm->hardware->vga || starts_with_word(vm->machine, "isapc"))
                return;
        if (!streq(virtio_transport(vm), "pci")) {
                option_begin_virtio(vm, "keyboard", w);
                option_end(w);
                option_begin_virtio(vm, "tablet", w);
                option_end(w);
                return;
        }
        option(w, "-device", "qemu-xhci,id=input");
        if (!ps2)
                option(w, "-device", "usb-kbd,bus=input.0");
        option(w, "-device", "usb-tablet,bus=input.0");
}

/* Ports that programs in the guest talk through: of virtio-serial, which all of them share. */
static void emit_channels(const VM *vm, UnitWriter *w) {
        bool spice = vm->display == DISPLAY_SPICE && vm->hardware->vga, agent = vm->hardware->guest_agent;
        bool heartbeat = has_health(vm) && vm->health->probe == PROBE_HEARTBEAT;
        bool notify = vm->life->ready == READY_NOTIFY;

        if (!spice && !agent && !heartbeat && !notify)
                return;
        option_begin_virtio(vm, "serial", w);
        unit_arg_add(w, ",id=channels");
        option_end(w);
        if (spice) {
                option(w, "-chardev", "spicevmc,id=vdagent,name=vdagent");
                option(w, "-device", "virtserialport,bus=channels.0,chardev=vdagent,name=com.redhat.spice.0");
        }
        if (agent) {
                unit_option(w, "-chardev");
                unit_arg(w, "socket,id=agent,path=" RUN_DIR, vm->name, "/agent,server=on,wait=off");
                option(w, "-device",
                                "virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0");
        }
        if (heartbeat) {
                unit_option(w, "-chardev");
                unit_arg(w, "socket,id=heartbeat,path=" RUN_DIR, vm->name, "/heartbeat,server=on,wait=off");
                option(w, "-device", "virtserialport,bus=channels.0,chardev=heartbeat,name=qnet.heartbeat");
        }
        if (notify) {
                unit_option(w, "-chardev");
                unit_arg(w, "socket,id=notify,path=" RUN_DIR, vm->name, "/notify,server=on,wait=off");
                option(w, "-device", "virtserialport,bus=channels.0,chardev=notify,name=qnet.notify");
        }
}

void emit_display(const VM *vm, UnitWriter *w) {
        /* windows are none of a service's business: both servers are besides */
        option(w, "-display", "none");
        if (vm->display == DISPLAY_VNC)
                emit_vnc(vm, w);
        else if (vm->display == DISPLAY_SPICE)
                emit_spice(vm, w);
        emit_vga(vm, w);
        emit_input(vm, w);
        if (vm->hardware->keyboard)
                option(w, "-k", vm->hardware->keyboard);
        emit_channels(vm, w);
}

/* ---- what the firmware and the kernel see ---- */

void emit_platform(const VM *vm, UnitWriter *w) {
        const Hardware *h = vm->hardware;

        if (h == &hardware_defaults)
                return;
        if (h->boot_order || h->boot_menu) {
                unit_option(w, "-boot");
                unit_arg_begin(w);
                if (h->boot_order) {
                        unit_arg_add(w, "order=");
                        unit_arg_add(w, h->boot_order);
                }
                if (h->boot_menu)
                        unit_arg_add(w, h->boot_order ? ",menu=on" : "menu=on");
                unit_arg_end(w);
        }
        if (h->device_tree)
                option(w, "-dtb", h->device_tree);
        if (h->clock) {
                option_begin(w, "-rtc", "base=");
                unit_arg_add(w, h->clock);
                option_end(w);
        }
        if (h->uuid)
                option(w, "-uuid", h->uuid);
        STRV_FOREACH (fields, h->smbios)
                option(w, "-smbios", *fields);
}

/* ---- small devices ---- */

static void emit_actions(const VM *vm, UnitWriter *w) {
        const Hardware *h = vm->hardware;

        /* by default QEMU would end as if the guest had powered off, and the unit not be failed */
        if (h->panic) {
                unit_option(w, "-action");
                unit_arg(w, "panic=", panic_action_to_string(h->panic_action));
        }
        if (h->watchdog_action != WATCHDOG_RESET) {
                unit_option(w, "-action");
                unit_arg(w, "watchdog=", watchdog_action_to_string(h->watchdog_action));
        }
}

void emit_small_devices(const VM *vm, UnitWriter *w) {
        const Hardware *h = vm->hardware;

        if (h == &hardware_defaults)
                return;
        if (h->rng) {
                option(w, "-object", "rng-builtin,id=rng");
                option_begin_virtio(vm, "rng", w);
                unit_arg_add(w, ",rng=rng");
                option_end(w);
        }
        if (h->balloon) {
                option_begin_virtio(vm, "balloon", w);
                unit_arg_add(w, ",id=balloon,free-page-reporting=on");
                option_end(w);
        }
        if (h->watchdog)
                option(w, "-device", h->watchdog);
        if (h->panic)
                option(w, "-device", is_x86(vm) ? "pvpanic" : "pvpanic-pci");
        emit_actions(vm, w);
        STRV_FOREACH (device, h->devices)
                option(w, "-device", *device);
}

/* ---- debugging ---- */

static void emit_gdb(const VM *vm, UnitWriter *w) {
        const Endpoint *e = &vm->hardware->gdb_at;

        option_begin(w, "-chardev", "socket,id=gdb,server=on,wait=off");
        if (on_socket(e)) {
                unit_arg_add(w, ",path=" RUN_DIR);
                unit_arg_add(w, vm->name);
                unit_arg_add(w, "/gdb");
        } else {
                unit_arg_add(w, ",nodelay=on,host=");
                add_ip(e, false, w);
                option_key_number(w, "port", e->port);
        }
        option_end(w);
        option(w, "-gdb", "chardev:gdb");
}

void emit_debugging(const VM *vm, UnitWriter *w) {
        const Hardware *h = vm->hardware;

        if (h == &hardware_defaults)
                return;
        if (h->gdb)
                emit_gdb(vm, w);
        if (h->start_paused)
                unit_option(w, "-S");
        if (h->replay == REPLAY_NONE)
                return;
        unit_option(w, "-icount");
        unit_arg(w, "shift=auto,rr=", replay_to_string(h->replay), ",rrfile=" STATE_DIR, vm->name,
                        "/replay.bin");
}

/* ---- the unit ---- */

static void allow_listening(const Endpoint *e, UnitWriter *w) {
        bool loopback = e->ip.family == AF_INET ? e->ip.bytes[0] == 127
                                                : memcmp(e->ip.bytes, &in6addr_loopback, 16) == 0;

        if (on_socket(e))
                return;
        /* beyond what the shared drop-in has; a server on the loopback cannot be reached, nor reach, from elsewhere */
        unit_raw(w, "RestrictAddressFamilies", e->ip.family == AF_INET ? "AF_INET" : "AF_INET6");
        unit_raw(w, "IPAddressAllow", loopback ? "localhost" : "any");
}

void emit_hardware_settings(const VM *vm, UnitWriter *w) {
        if (vm->hardware == &hardware_defaults)
                return;
        allow_listening(&vm->hardware->display, w);
        allow_listening(&vm->hardware->gdb_at, w);
}

static void begin_check(const char *what, UnitWriter *w) {
        unit_exec(w, "ExecStartPre", "", HELPERDIR "/qnet-check");
        unit_arg(w, what);
}

/* What only the host can tell, and QEMU or systemd would tell in words that do not help. */
void emit_checks(const VM *vm, UnitWriter *w) {
        const Hardware *h = vm->hardware;
        char number[NUMBER_STRING_SIZE];

        if (h->package) {
                begin_check("program", w);
                unit_arg(w, QEMU_BINDIR "/qemu-system-", vm->architecture);
                unit_arg(w, "--package=", h->package);
                unit_exec_end(w);
        }
        if (vm->accelerator == ACCELERATOR_KVM) {
                begin_check("kvm", w);
                unit_exec_end(w);
        }
        for (size_t i = 0; i < vm->n_interfaces; i++)
                if (vm->interfaces[i].wire->vhost == VHOST_YES) {
                        begin_check("vhost", w);
                        unit_exec_end(w);
                        break; /* the same for all */
                }
        if (h->huge_pages) {
                begin_check("hugepages", w);
                unit_arg(w, format_number(vm->memory, number));
                if (h->huge_page_size > 0)
                        unit_arg(w, "--page-size=", format_number(h->huge_page_size, number));
                unit_exec_end(w);
        }
}
