/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>

#include "conf-table.h"
#include "nearest.h"

#define BELOW_VM      (1U << KIND_VM | 1U << KIND_SYSTEM)
#define BELOW_SERVICE (BELOW_VM | 1U << KIND_SWITCH | 1U << KIND_REAPER)

static const Section sections[] = {
        { "VM", SECTION_OBJECT, KEYS_VM, KIND_VM },
        { "System", SECTION_OBJECT, KEYS_VM, KIND_SYSTEM },
        { "Switch", SECTION_OBJECT, KEYS_SWITCH, KIND_SWITCH },
        { "Lab", SECTION_OBJECT, KEYS_LAB, KIND_LAB },
        { "Reaper", SECTION_OBJECT, KEYS_REAPER, KIND_REAPER },
        { "Interface", SECTION_PART, KEYS_INTERFACE, .below = BELOW_VM },
        { "Disk", SECTION_PART, KEYS_DISK, .below = BELOW_VM },
        { "Serial", SECTION_PART, KEYS_SERIAL, .below = BELOW_VM },
        { "Share", SECTION_PART, KEYS_SHARE, .below = BELOW_VM },
        { "Health", SECTION_PART, KEYS_HEALTH, .below = BELOW_VM },
        { "Unit", SECTION_PASSTHROUGH, KEYS_NONE, .below = BELOW_SERVICE | 1U << KIND_LAB },
        { "Service", SECTION_PASSTHROUGH, KEYS_NONE, .below = BELOW_SERVICE },
        { "Install", SECTION_PASSTHROUGH, KEYS_NONE, .below = BELOW_VM | 1U << KIND_SWITCH | 1U << KIND_LAB },
};

/* one member of the struct of the set, or the struct as a whole */
#define ROW(set, type, key, member, parse, help) \
        { set, key, parse, offsetof(type, member), sizeof(((type *) NULL)->member), help }
#define WHOLE(set, key, parse, help) \
        { set, key, parse, 0, 0, help }
#define VM_ROW(key, member, parse, help) ROW(KEYS_VM, VM, key, member, parse, help)
/* the same in a struct that few objects have, see rare.h */
#define RARE_ROW(set, rare, type, key, member, parse, help) \
        { set, key, parse, offsetof(type, member), sizeof(((type *) NULL)->member), help, &(rare) }
#define RARE_WHOLE(set, rare, key, parse, help) \
        { set, key, parse, 0, 0, help, &(rare) }
#define HARDWARE_ROW(key, member, parse, help) \
        RARE_ROW(KEYS_VM, rare_hardware, Hardware, key, member, parse, help)
#define HARDWARE(key, parse, help)              RARE_WHOLE(KEYS_VM, rare_hardware, key, parse, help)
#define FIRMWARE_ROW(key, member, parse, help) \
        RARE_ROW(KEYS_VM, rare_firmware, Firmware, key, member, parse, help)
#define FIRMWARE(key, parse, help)              RARE_WHOLE(KEYS_VM, rare_firmware, key, parse, help)
#define LIFE_ROW(key, member, parse, help)      RARE_ROW(KEYS_VM, rare_life, Life, key, member, parse, help)
#define LIFE(key, parse, help)                  RARE_WHOLE(KEYS_VM, rare_life, key, parse, help)
#define RECOVERY_ROW(key, member, parse, help) \
        RARE_ROW(KEYS_VM, rare_recovery, Recovery, key, member, parse, help)
#define RECOVERY(key, parse, help)              RARE_WHOLE(KEYS_VM, rare_recovery, key, parse, help)
#define INTERFACE_ROW(key, member, parse, help) ROW(KEYS_INTERFACE, Interface, key, member, parse, help)
#define WIRE_ROW(key, member, parse, help) \
        RARE_ROW(KEYS_INTERFACE, rare_wire, Wire, key, member, parse, help)
#define WIRE(key, parse, help)                  RARE_WHOLE(KEYS_INTERFACE, rare_wire, key, parse, help)
#define DISK_ROW(key, member, parse, help)      ROW(KEYS_DISK, Disk, key, member, parse, help)
#define SERIAL_ROW(key, member, parse, help)    ROW(KEYS_SERIAL, Serial, key, member, parse, help)
#define SHARE_ROW(key, member, parse, help)     ROW(KEYS_SHARE, Share, key, member, parse, help)
#define HEALTH_ROW(key, member, parse, help)    ROW(KEYS_HEALTH, Health, key, member, parse, help)
#define SWITCH_ROW(key, member, parse, help)    ROW(KEYS_SWITCH, Switch, key, member, parse, help)
#define FABRIC_ROW(key, member, parse, help) \
        RARE_ROW(KEYS_SWITCH, rare_fabric, Fabric, key, member, parse, help)
#define FABRIC(key, parse, help)               RARE_WHOLE(KEYS_SWITCH, rare_fabric, key, parse, help)
#define VXLAN_ROW(key, member, parse, help)    RARE_ROW(KEYS_SWITCH, rare_vxlan, VXLAN, key, member, parse, help)
#define VXLAN_WHOLE(key, parse, help)          RARE_WHOLE(KEYS_SWITCH, rare_vxlan, key, parse, help)

/* clang-format off */
static const Key keys[] = { /* those of a set together */
        VM_ROW("Description",     description,   parse_text,         "what the unit is called in listings"),
        VM_ROW("System",          system_name,   parse_object_name,  "the [System] whose settings come before the VM's own"),
        VM_ROW("Lab",             lab_name,      parse_object_name,  "the lab it is started and stopped with"),
        WHOLE(KEYS_VM, "Instances",              parse_instances,    "so many VMs, NAME1, NAME2, ..., instead of one"),
        VM_ROW("Autostart",       autostart,     parse_switch_flag,  "started with qnet.target, at boot"),
        VM_ROW("Register",        registered,    parse_switch_flag,  "machinectl lists it"),
        VM_ROW("Architecture",    architecture,  parse_architecture, "which qemu-system-* runs it; the host's by default"),
        VM_ROW("Machine",         machine,       parse_qemu_options, "QEMU's board; q35 or virt by default"),
        VM_ROW("CPU",             cpu,           parse_qemu_options, "QEMU's CPU model, with features"),
        WHOLE(KEYS_VM, "CPUs",                   parse_cpus,         "number of CPUs, or N,sockets=N,cores=N,threads=N,max=N"),
        VM_ROW("Memory",          memory,        parse_memory,       "size of the guest's memory: 512M, 2G"),
        HARDWARE_ROW("MemoryMax",   memory_max,      parse_memory,           "up to what more can be plugged in"),
        HARDWARE_ROW("MemorySlots", memory_slots,    parse_memory_slots,     "for so many modules, 8 by default"),
        HARDWARE("HugePages",                    parse_huge_pages,   "yes, or 2M, 1G: memory in huge pages of the host"),
        HARDWARE_ROW("MemoryShared", memory_shared,  parse_switch_flag,      "memory that other processes can map"),
        VM_ROW("Accelerator",     accelerator,   parse_accelerator,  "kvm, tcg, or auto: KVM where it can"),
        FIRMWARE("Firmware",                     parse_firmware,     "bios, uefi, or a firmware image; the board's by default"),
        FIRMWARE_ROW("SecureBoot",  secure_boot,     parse_switch_flag,  "the firmware starts only what Microsoft's keys have signed"),
        FIRMWARE_ROW("TPM",         tpm,             parse_switch_flag,  "a TPM 2.0, by swtpm"),
        FIRMWARE("Credentials",                  parse_credentials,  "NAME:PATH, secrets for the guest's systemd; an empty one resets"),
        FIRMWARE("CloudInit",                    parse_cloud_init,   "user-data:PATH, meta-data:PATH, ...: a seed for cloud-init; an empty one resets"),
        VM_ROW("Kernel",          kernel,        parse_path,         "kernel or ELF image that QEMU loads itself"),
        VM_ROW("Initrd",          initrd,        parse_path,         "initial RAM disk, with Kernel="),
        WHOLE(KEYS_VM, "KernelCommandLine",      parse_kernel_command_line, "kernel arguments; several are joined, an empty one resets"),
        WHOLE(KEYS_VM, "Image",                  parse_short_image,  "disk image: short for a first [Disk] with Image="),
        WHOLE(KEYS_VM, "Switch",                 parse_short_switch, "switch: short for a first [Interface] with Switch="),
        WHOLE(KEYS_VM, "Bridge",                 parse_short_bridge, "bridge of others: short for a first [Interface] with Bridge="),
        HARDWARE_ROW("DeviceTree",  device_tree,     parse_path,             "device tree that QEMU hands to the kernel"),
        HARDWARE("Boot",                         parse_boot,         "what to boot from, in order: disk cdrom network floppy; menu"),
        WHOLE(KEYS_VM, "Display",                parse_display,      "none, or vnc, spice: on a socket, or vnc:IP:DISPLAY, spice:IP:PORT"),
        HARDWARE_ROW("VGA",         vga,             parse_word,             "std, virtio, qxl, cirrus, vmware, none, or a device"),
        HARDWARE("ScreenSize",                   parse_screen_size,  "what the screen has at first: 1280x800"),
        HARDWARE_ROW("Keyboard",    keyboard,        parse_keyboard,         "layout of the viewer's keyboard: de, fr, en-us"),
        HARDWARE_ROW("Clock",       clock,           parse_clock,            "of the hardware: utc, localtime, or a date to start from"),
        HARDWARE_ROW("UUID",        uuid,            parse_uuid,             "the machine's UUID"),
        HARDWARE("SMBIOS",                       parse_smbios,       "fields of DMI tables, type=N,key=value; an empty one resets"),
        HARDWARE_ROW("RNG",         rng,             parse_switch_flag,      "random numbers of the host for the guest"),
        HARDWARE_ROW("Balloon",     balloon,         parse_switch_flag,      "free memory of the guest goes back to the host"),
        HARDWARE_ROW("Watchdog",    watchdog,        parse_watchdog,         "yes, or a watchdog of QEMU's"),
        HARDWARE_ROW("WatchdogAction", watchdog_action, parse_watchdog_action,  "when it bites: reset, shutdown, poweroff, pause, ..."),
        HARDWARE_ROW("Panic",       panic,           parse_switch_flag,      "the guest's kernel can say that it panics"),
        HARDWARE_ROW("PanicAction", panic_action,    parse_panic_action,     "what then: exit-failure, shutdown, pause, none"),
        HARDWARE_ROW("GuestAgent",  guest_agent,     parse_switch_flag,      "a channel to QEMU's guest agent"),
        HARDWARE("GDB",                          parse_gdb,          "yes, or IP:PORT: a stub for GDB"),
        HARDWARE_ROW("StartPaused", start_paused,    parse_switch_flag,      "the guest waits for GDB or the monitor"),
        HARDWARE_ROW("Replay",      replay,          parse_replay,           "record a run, or replay it"),
        HARDWARE("Device",                       parse_device,       "more devices of QEMU's, with properties; an empty one resets"),
        WHOLE(KEYS_VM, "ExtraArgs",              parse_extra_args,   "more arguments of QEMU, quoted words; an empty one resets"),
        LIFE("Ready",                            parse_ready,        "when starting is done: running, address, tcp:PORT, agent, notify, console:TEXT"),
        VM_ROW("ReadyTimeoutSec", ready_timeout, parse_time_span,    "how long that may take"),
        LIFE_ROW("Stop",          stop,          parse_stop,         "how it is stopped: powerdown, agent, quit"),
        VM_ROW("StopTimeoutSec",  stop_timeout,  parse_time_span,    "how long that may take, before QEMU is ended"),
        RECOVERY("Recover",                      parse_recover,      "what is tried when the guest hangs, in order: reset powerdown restart"),
        RECOVERY_ROW("RecoverTimeoutSec", timeout, parse_recover_timeout, "how long each of them may take"),
        RECOVERY_ROW("BlackBox",    black_boxes,     parse_black_box,    "yes, or N: screen, registers, console are saved before; the last N are kept"),
        RECOVERY_ROW("BlackBoxMemory", memory,       parse_black_box_memory, "so much of the guest's memory too: 512M"),

        INTERFACE_ROW("Type",     type,          parse_interface_type,  "tap, user, macvtap, vde, multicast, stream, dgram, none"),
        WHOLE(KEYS_INTERFACE, "Switch",          parse_network_switch,  "the [Switch] it is plugged into"),
        WHOLE(KEYS_INTERFACE, "Bridge",          parse_network_bridge,  "or a bridge that somebody else makes"),
        INTERFACE_ROW("Tap",      tap,           parse_interface_name,  "name of the tap on the host; tap-NAME by default"),
        INTERFACE_ROW("Model",    model,         parse_word,            "QEMU's model of the NIC; virtio by default"),
        WHOLE(KEYS_INTERFACE, "MACAddress",      parse_mac_address,     "the guest's MAC address, or random: another at each start"),
        WHOLE(KEYS_INTERFACE, "Address",         parse_guest_addresses, "fixed IP addresses of the guest; an empty one resets"),
        INTERFACE_ROW("Isolated", isolated,      parse_switch_flag,     "no frames to and from other isolated interfaces"),
        INTERFACE_ROW("MTU",      mtu,           parse_mtu,             "largest packet; the bridge's by default"),

        WIRE_ROW("Device",        device,        parse_interface_name,  "macvtap: the interface of the host that it is on"),
        WIRE_ROW("Mode",          mode,          parse_macvtap_mode,    "macvtap: bridge, private, vepa, passthru"),
        WIRE_ROW("Socket",        socket,        parse_path,            "vde: directory of a switch that somebody else runs"),
        WIRE_ROW("Local",         local,         parse_link_end,        "stream, dgram: IP:PORT of this end; multicast: IP"),
        WIRE_ROW("Remote",        remote,        parse_link_end,        "stream, dgram: IP:PORT of the other end; multicast: GROUP:PORT"),
        WIRE_ROW("VLAN",          vlan,          parse_vlan,            "the VLAN it is in, 1 to 4094; the guest sees no tags"),
        WIRE_ROW("TrunkVLANs",    trunk_vlans,   parse_trunk_vlans,     "VLANs that the guest has by their tags: 10 20-30; an empty one resets"),
        WIRE_ROW("NativeVLAN",    native_vlan,   parse_vlan,            "with TrunkVLANs=: the VLAN of frames without a tag"),
        WIRE_ROW("PortSecurity",  port_security, parse_switch_flag,     "nothing leaves the port but from the guest's own addresses"),
        WIRE_ROW("Queues",        queues,        parse_queues,          "pairs of queues of a virtio card, 1 by default"),
        WIRE_ROW("VHost",         vhost,         parse_vhost,           "yes, no, auto: packets by the kernel's vhost-net"),
        WIRE_ROW("Link",          link_down,     parse_link_state,      "up, or down: the guest sees no carrier"),
        WIRE("Forward",                          parse_forwards,        "tcp|udp:[IP:]PORT:[IP:]PORT, of the host to the guest; an empty one resets"),
        WIRE("HostAddress",                      parse_host_addresses,  "no bridge: addresses of the host on the tap, with prefix; an empty one resets"),
        WIRE_ROW("NAT",           nat,           parse_switch_flag,     "with HostAddress=: the guest reaches out by the host's addresses"),
        WIRE("Capture",                          parse_capture,         "yes, or a directory: what passes, as pcapng files"),
        WIRE_ROW("CaptureSize",   capture_size,  parse_capture_size,    "size of each, 16M by default"),
        WIRE_ROW("CaptureFiles",  capture_files, parse_capture_files,   "how many are kept, 4 by default"),
        WIRE_ROW("Rate",          shape.rate,    parse_rates,           "bit/s, 10M, or TO/FROM the guest: 10M/1M"),
        WIRE_ROW("Delay",         shape.delay,   parse_delays,          "of each frame: 20ms, or TO/FROM"),
        WIRE_ROW("Jitter",        shape.jitter,  parse_delays,          "by which the delay differs: 5ms, or TO/FROM"),
        WIRE_ROW("Loss",          shape.loss,    parse_percents,        "of frames: 0.5%, or TO/FROM"),
        WIRE_ROW("Duplicate",     shape.duplicate, parse_percents,      "frames that come twice: 1%, or TO/FROM"),
        WIRE_ROW("Corrupt",       shape.corrupt, parse_percents,        "frames with a wrong bit: 1%, or TO/FROM"),
        WIRE_ROW("Reorder",       shape.reorder, parse_percents,        "frames that overtake others: 1%, or TO/FROM"),

        DISK_ROW("Image",         image,         parse_path,         "image file or block device; without: a blank disk, or an empty drive"),
        DISK_ROW("Mode",          mode,          parse_disk_mode,    "where writes go: overlay, persistent, ephemeral, readonly"),
        WHOLE(KEYS_DISK, "Format",               parse_disk_format,  "raw or qcow2; by the ending of the image's name"),
        WHOLE(KEYS_DISK, "Backing",              parse_disk_backing, "what the image lies over, from the top; an empty one resets"),
        WHOLE(KEYS_DISK, "Size",                 parse_disk_size,    "of the disk: made so, made larger; auto: by its partition table"),
        DISK_ROW("Media",         media,         parse_disk_media,   "disk, cdrom or floppy"),
        DISK_ROW("Bus",           bus,           parse_word,         "virtio, ide, sata, scsi, nvme, usb, sd, floppy, ...; virtio by default"),
        DISK_ROW("Cache",         cache,         parse_disk_cache,   "none, writeback, writethrough, directsync, unsafe"),
        DISK_ROW("Discard",       discard,       parse_switch_flag,  "what the guest no longer needs goes back to the host"),
        DISK_ROW("Serial",        serial,        parse_disk_serial,  "serial number of the drive, up to 20 letters"),
        WHOLE(KEYS_DISK, "BootIndex",            parse_boot_index,   "its place in the order of booting"),

        SERIAL_ROW("Type",        type,          parse_serial_type,  "console, journal, file, pty, tty, tcp, telnet, unix, pipe"),
        SERIAL_ROW("Path",        path,          parse_path,         "of the file, socket, pipe, or the host's serial port"),
        WHOLE(KEYS_SERIAL, "Address",            parse_listen_address, "PORT or IP:PORT to listen at; on 127.0.0.1 by default"),
        SERIAL_ROW("Device",      device,        parse_word,         "what it is in the guest: serial, parallel, virtconsole, ..."),

        SHARE_ROW("Path",         path,          parse_path,         "directory of the host"),
        SHARE_ROW("Tag",          tag,           parse_share_tag,    "what the guest mounts it by; the label, or shareN"),
        SHARE_ROW("Type",         type,          parse_share_type,   "9p: as the VM's user; virtiofs: by virtiofsd, as root"),
        SHARE_ROW("ReadOnly",     read_only,     parse_switch_flag,  "the guest cannot write to it"),
        SHARE_ROW("SecurityModel", security,     parse_security_model, "9p: mapped-xattr, mapped-file, passthrough, none"),

        WHOLE(KEYS_HEALTH, "Probe",              parse_health_probe,   "what it has to answer: arp, ping, tcp:PORT, agent, heartbeat, or none"),
        HEALTH_ROW("IntervalSec", interval,      parse_health_interval, "how often it is asked; 30 s by default"),
        HEALTH_ROW("Failures",    failures,      parse_health_failures, "so often in a row without an answer, and it is ill; 3 by default"),
        HEALTH_ROW("TimeoutSec",  timeout,       parse_health_timeout, "how long it may take to answer; 1 s by default"),
        HEALTH_ROW("Action",      action,        parse_health_action,  "what then: recover, restart, reset, powerdown, notify"),
        HEALTH_ROW("StartSec",    start,         parse_time_span,      "how long it is left alone after a start; 1 min by default"),

        SWITCH_ROW("Type",        type,          parse_switch_type,  "bridge, the kernel's; or vde: a vde_switch"),
        WHOLE(KEYS_SWITCH, "Address",            parse_switch_addresses, "addresses of the host on it, with prefix; an empty one resets"),
        WHOLE(KEYS_SWITCH, "DHCP",               parse_dhcp,         "yes, or FIRST-LAST ...: addresses for the guests; an empty one resets"),
        SWITCH_ROW("DHCPLeaseSec", dhcp_lease,   parse_dhcp_lease,   "how long a lease lasts, 1 h by default"),
        SWITCH_ROW("DNS",         dns,           parse_switch_flag,  "names of VMs are resolved, others asked of the host's resolver"),
        SWITCH_ROW("Domain",      domain,        parse_domain,       "DNS domain of the guests"),
        SWITCH_ROW("RouterAdvertisement", router_advertisement, parse_switch_flag, "guests make themselves IPv6 addresses (SLAAC)"),
        SWITCH_ROW("NAT",         nat,           parse_switch_flag,  "guests reach the world by the host's addresses, and nobody them"),
        FABRIC_ROW("Uplink",      uplink,        parse_interface_name, "an interface of the host that joins it, with its addresses and routes"),
        SWITCH_ROW("MTU",         mtu,           parse_mtu,          "largest packet; the kernel's by default"),
        FABRIC_ROW("STP",         stp,           parse_switch_flag,  "spanning tree protocol: loops of switches do no harm"),
        FABRIC("AgeingSec",                      parse_ageing,       "how long a silent MAC address is remembered, 5 min by default"),
        FABRIC_ROW("GroupForwardMask", group_forward_mask, parse_group_forward_mask, "which link-local multicasts (LLDP, 802.1X ...) are forwarded"),
        FABRIC_ROW("Hub",         hub,           parse_switch_flag,  "every frame goes to every port"),
        WHOLE(KEYS_SWITCH, "Trunk",              parse_trunk,        "SWITCH or SWITCH:VLANS ...: cables to other switches; an empty one resets"),
        VXLAN_WHOLE("VXLAN",                     parse_vxlan,        "number of a tunnel to switches of other hosts"),
        VXLAN_WHOLE("VXLANPeer",                 parse_vxlan_peers,  "addresses of those hosts; an empty one resets"),
        VXLAN_ROW("VXLANGroup",   group,         parse_multicast_group, "or a multicast group of theirs, with VXLANDevice="),
        VXLAN_ROW("VXLANLocal",   local,         parse_station,      "the host's own address in the tunnel"),
        VXLAN_ROW("VXLANPort",    port,          parse_port,         "UDP port, 4789 by default"),
        VXLAN_ROW("VXLANDevice",  device,        parse_interface_name, "the host's interface that the tunnel goes over"),
        SWITCH_ROW("Lab",         lab_name,      parse_object_name,  "the lab it is started and stopped with"),
        SWITCH_ROW("Autostart",   autostart,     parse_switch_flag,  "made at boot, and kept without any VM"),

        ROW(KEYS_LAB, Lab, "Description", description, parse_text,   "what the target is called in listings"),
        ROW(KEYS_LAB, Lab, "Autostart", autostart, parse_switch_flag, "started with qnet.target, at boot"),

        WHOLE(KEYS_REAPER, "KillLog",            parse_kill_logs,    "more files that clients write IP addresses to; an empty one resets"),
        WHOLE(KEYS_REAPER, "Listen",             parse_report_listen, "IP:PORT, or vsock:PORT, where clients elsewhere may report; an empty one resets"),
        WHOLE(KEYS_REAPER, "Allow",              parse_report_allow, "IP, IP/PREFIX or cid:N, who may report there; an empty one resets"),
        ROW(KEYS_REAPER, Reaper, "HoldoffSec", hold_off, parse_time_span, "how long a VM just restarted is left alone, 10 s by default"),
};
/* clang-format on */

static const VM vm_defaults = {
        .cpus = 1,
        .ready_timeout = 90 * USEC_PER_SEC,
        .stop_timeout = 90 * USEC_PER_SEC,
        .firmware = &firmware_defaults,
        .hardware = &hardware_defaults,
        .life = &life_defaults,
        .recovery = &recovery_defaults,
};
static const Interface interface_defaults = { .mac_policy = MAC_DERIVED, .wire = &wire_defaults };
static const Disk disk_defaults = { .mode = DISK_MODE_UNSET };
static const Serial serial_defaults = { .type = SERIAL_CONSOLE };
static const Share share_defaults = { .type = SHARE_9P };
static const Health health_defaults = {
        .probe = PROBE_ARP,
        .failures = 3,
        .interval = 30 * USEC_PER_SEC,
        .timeout = USEC_PER_SEC,
        .start = 60 * USEC_PER_SEC,
};
static const Switch switch_defaults = {
        .dhcp_lease = 3600 * USEC_PER_SEC,
        .fabric = &fabric_defaults,
        .vxlan = &vxlan_defaults,
};
static const Lab lab_defaults = { .autostart = false };
static const Reaper reaper_defaults = { .hold_off = 10 * USEC_PER_SEC };

static const struct {
        const void *defaults;
        size_t size;
        const char *section;
} key_sets[_KEYS_MAX] = {
        [KEYS_VM] = { &vm_defaults, sizeof(VM), "VM" },
        [KEYS_INTERFACE] = { &interface_defaults, sizeof(Interface), "Interface" },
        [KEYS_DISK] = { &disk_defaults, sizeof(Disk), "Disk" },
        [KEYS_SERIAL] = { &serial_defaults, sizeof(Serial), "Serial" },
        [KEYS_SHARE] = { &share_defaults, sizeof(Share), "Share" },
        [KEYS_HEALTH] = { &health_defaults, sizeof(Health), "Health" },
        [KEYS_SWITCH] = { &switch_defaults, sizeof(Switch), "Switch" },
        [KEYS_LAB] = { &lab_defaults, sizeof(Lab), "Lab" },
        [KEYS_REAPER] = { &reaper_defaults, sizeof(Reaper), "Reaper" },
};

const void *key_set_defaults(KeySet set) {
        return key_sets[set].defaults;
}

size_t key_set_size(KeySet set) {
        return key_sets[set].size;
}

const void *key_defaults(const Key *key) {
        return key->rare ? key->rare->defaults : key_set_defaults(key->set);
}

const Section *section_find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(sections); i++)
                if (streq(sections[i].name, name))
                        return sections + i;
        return NULL;
}

unsigned char section_place(const Section *s) {
        static_assert(ELEMENTSOF(sections) <= UCHAR_MAX, "a section's place is a byte");
        return (unsigned char) (s - sections);
}

const Section *section_at(unsigned char place) {
        return sections + place;
}

const Section *passthrough_section(const char *name) {
        const Section *s = section_find(name);

        assert(s && s->type == SECTION_PASSTHROUGH);
        return s;
}

const char *section_nearest(const char *name) {
        Nearest n = nearest_init(name);

        for (size_t i = 0; i < ELEMENTSOF(sections); i++)
                nearest_try(&n, sections[i].name);
        return n.best;
}

/* the rows of a set: first one, and how many */
static const Key *set_rows(KeySet set, size_t *ret_n) {
        static struct {
                const Key *first;
                size_t n;
        } ranges[_KEYS_MAX];

        if (!ranges[set].first) {
                for (size_t i = ELEMENTSOF(keys); i > 0; i--)
                        if (keys[i - 1].set == set) {
                                ranges[set].first = keys + i - 1;
                                ranges[set].n++;
                        }
        }
        *ret_n = ranges[set].n;
        return ranges[set].first;
}

/* By the first two letters: chains of rows, made at the first look; a place is 1 + a row's, 0 the end. */
#define KEY_BUCKETS 64

static unsigned key_bucket(const char *name) {
        return ((unsigned char) name[0] * 5U + (unsigned char) name[1]) % KEY_BUCKETS;
}

const Key *key_find(KeySet set, const char *name) {
        static unsigned char heads[_KEYS_MAX][KEY_BUCKETS], next[ELEMENTSOF(keys)];
        static bool ready;

        static_assert(ELEMENTSOF(keys) < UCHAR_MAX, "a row's place is a byte");
        if (!ready) {
                for (size_t i = ELEMENTSOF(keys); i > 0; i--) {
                        unsigned char *head = &heads[keys[i - 1].set][key_bucket(keys[i - 1].name)];
                        next[i - 1] = *head;
                        *head = (unsigned char) i;
                }
                ready = true;
        }
        if (!name[0])
                return NULL;
        for (unsigned i = heads[set][key_bucket(name)]; i > 0; i = next[i - 1])
                if (streq(keys[i - 1].name, name))
                        return keys + i - 1;
        return NULL;
}

const char *key_nearest(KeySet set, const char *name) {
        Nearest best = nearest_init(name);
        size_t n;
        const Key *rows = set_rows(set, &n);

        for (size_t i = 0; i < n; i++)
                nearest_try(&best, rows[i].name);
        return best.best;
}

const char *kind_name(Kind kind) {
        static const char *const names[_KIND_MAX] = {
                [KIND_VM] = "VM",
                [KIND_SWITCH] = "Switch",
                [KIND_SYSTEM] = "System",
                [KIND_LAB] = "Lab",
                [KIND_REAPER] = "Reaper",
        };

        return names[kind];
}

const char *kind_directory(Kind kind) {
        static const char *const names[_KIND_MAX] = {
                [KIND_VM] = "vm",
                [KIND_SWITCH] = "switch",
                [KIND_SYSTEM] = "system",
                [KIND_LAB] = "lab",
        };

        return names[kind];
}

Origin said_at(const Said *said, Origin fallback, KeySet set, const char *name) {
        const Key *key = key_find(set, name);
        ptrdiff_t place = key - keys;

        assert(key);
        for (const SaidIn *in = said->files; in; in = in->next)
                for (unsigned i = 0; i < in->n; i++)
                        if (in->keys[i] == place && in->lines[i] > 0)
                                return (Origin){ in->file, in->lines[i] };
        return fallback;
}

int said_set(Arena *a, Said *said, const Key *key, Origin origin) {
        ptrdiff_t place = key - keys;
        SaidIn *room = NULL;
        unsigned *here = NULL;

        for (SaidIn *in = said->files; in; in = in->next) {
                const unsigned char *at = memchr(in->keys, (int) place, in->n); /* once at most */

                if (at) {
                        in->lines[at - in->keys] = 0;
                        if (in->file == origin.file) /* one place per key and file, however often it is said */
                                here = in->lines + (at - in->keys);
                }
                if (in->file == origin.file && in->n < SAID_MAX)
                        room = in;
        }
        if (here) {
                *here = origin.line;
                return 0;
        }
        if (!room) {
                room = arena_alloc(a, sizeof(SaidIn));
                if (!room)
                        return -ENOMEM;
                room->file = origin.file;
                room->next = said->files;
                said->files = room;
        }
        room->keys[room->n] = (unsigned char) place;
        room->lines[room->n++] = origin.line;
        return 0;
}

static void print_key(FILE *f, const char *section, const Key *key) {
        fprintf(f, "%s\t%s\t%s\n", section, key->name, key->help);
}

int keys_print(FILE *f, const char *which) {
        const char *dot = which ? strchr(which, '.') : NULL;
        const Section *section = NULL;
        bool found = !dot;

        for (size_t i = 0; which && i < ELEMENTSOF(sections) && !section; i++)
                if (streq(sections[i].name, which) ||
                                (dot && strlen(sections[i].name) == (size_t) (dot - which) &&
                                                startswith(which, sections[i].name)))
                        section = &sections[i];
        if (which && !section)
                return -ENOENT;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                if (!section)
                        print_key(f, key_sets[keys[i].set].section, &keys[i]);
                else if (keys[i].set == section->keys && (!dot || streq(dot + 1, keys[i].name))) {
                        print_key(f, section->name, &keys[i]);
                        found = true;
                }
        }
        return found ? 0 : -ENOENT;
}

void sections_print(FILE *f) {
        for (const Section *s = sections; s < sections + ELEMENTSOF(sections); s++) {
                bool first = true;

                fprintf(f, "%s\t%s\t", s->name,
                                s->type == SECTION_OBJECT ? "object" : s->type == SECTION_PART ? "part" : "systemd");
                for (Kind kind = 0; kind < _KIND_MAX; kind++)
                        if (s->below & (1U << kind)) {
                                fprintf(f, "%s%s", first ? "" : ",", kind_name(kind));
                                first = false;
                        }
                fputc('\n', f);
        }
}
