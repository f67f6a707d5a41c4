/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a configuration says, once read: plain data between the half that reads (conf-files, ini, conf-table, load,
 * validate) and the half that writes (emit-*, unit-writer, json). Loading fills it, validate completes it (derived
 * names, MACs, references), emitters only read it. After validate every string that is not said to be NULL-able is set
 * and legal, so emitters assert and never check.
 *
 * All strings and arrays belong to the Model and live until model_free(). */

#include "parse-value.h"
#include "rung.h"
#include "vlan-set.h"

typedef struct VM VM;
typedef struct Switch Switch;
typedef struct System System;
typedef struct Lab Lab;

/* Where something was said. file is interned in the Model, as the path that the user would open. */
typedef struct Origin {
        const char *file;
        unsigned line;
} Origin;

/* Where each key of an object or sub-section was said last, for messages: some lines of one file, as most objects say
 * few keys and all in one. keys are places in the table; line 0: said again elsewhere. */
#define SAID_MAX 9
typedef struct SaidIn {
        struct SaidIn *next;
        const char *file;
        unsigned lines[SAID_MAX];
        unsigned char keys[SAID_MAX];
        unsigned char n;
} SaidIn;

typedef struct Said {
        SaidIn *files;
} Said;

/* A message about one object, "host1.conf:7: Memory=lots is not a size"; the file as a path. */
typedef struct Problem {
        Origin origin;
        char *text; /* without the origin */
} Problem;

/* A line of [Unit], [Service] or [Install] below an object: goes into the unit as it is, in the order written. */
typedef struct Passthrough {
        const char *section; /* "Unit", "Service" or "Install" */
        char *key;
        char *value; /* raw: systemd's own quoting and specifiers, may be empty (a reset) */
        Origin origin;
} Passthrough;

typedef struct PassthroughList {
        Passthrough *items;
        size_t n;
} PassthroughList;

typedef enum Accelerator { ACCELERATOR_AUTO, ACCELERATOR_KVM, ACCELERATOR_TCG, _ACCELERATOR_MAX } Accelerator;
typedef enum Display { DISPLAY_NONE, DISPLAY_VNC, DISPLAY_SPICE, _DISPLAY_MAX } Display;
typedef enum WatchdogAction {
        WATCHDOG_RESET,
        WATCHDOG_SHUTDOWN,
        WATCHDOG_POWEROFF,
        WATCHDOG_PAUSE,
        WATCHDOG_INJECT_NMI,
        WATCHDOG_DEBUG,
        WATCHDOG_NONE,
        _WATCHDOG_ACTION_MAX
} WatchdogAction;
typedef enum PanicAction {
        PANIC_EXIT_FAILURE,
        PANIC_SHUTDOWN,
        PANIC_PAUSE,
        PANIC_NONE,
        _PANIC_ACTION_MAX
} PanicAction;
typedef enum Replay { REPLAY_NONE, REPLAY_RECORD, REPLAY_REPLAY, _REPLAY_MAX } Replay;
typedef enum Ready {
        READY_RUNNING,
        READY_ADDRESS,
        READY_TCP,
        READY_AGENT,
        READY_NOTIFY,
        READY_CONSOLE,
        _READY_MAX
} Ready;
typedef enum Stop { STOP_POWERDOWN, STOP_AGENT, STOP_QUIT, _STOP_MAX } Stop;
typedef enum DiskMode {
        DISK_OVERLAY,
        DISK_PERSISTENT,
        DISK_EPHEMERAL,
        DISK_READONLY,
        _DISK_MODE_MAX,
        DISK_MODE_UNSET, /* until validate */
} DiskMode;
typedef enum DiskMedia {
        MEDIA_UNSET, /* until validate */
        MEDIA_DISK,
        MEDIA_CDROM,
        MEDIA_FLOPPY,
        _DISK_MEDIA_MAX
} DiskMedia;
typedef enum DiskCache {
        CACHE_DEFAULT, /* QEMU's: writeback */
        CACHE_NONE,
        CACHE_WRITEBACK,
        CACHE_WRITETHROUGH,
        CACHE_DIRECTSYNC,
        CACHE_UNSAFE,
        _DISK_CACHE_MAX
} DiskCache;
typedef enum DiskFormat { DISK_RAW, DISK_QCOW2, _DISK_FORMAT_MAX } DiskFormat;
typedef enum SerialType {
        SERIAL_CONSOLE,
        SERIAL_JOURNAL,
        SERIAL_FILE,
        SERIAL_PTY,
        SERIAL_TTY,
        SERIAL_TCP,
        SERIAL_TELNET,
        SERIAL_UNIX,
        SERIAL_PIPE,
        _SERIAL_TYPE_MAX
} SerialType;
typedef enum ShareType { SHARE_9P, SHARE_VIRTIOFS, _SHARE_TYPE_MAX } ShareType;
typedef enum SecurityModel {
        SECURITY_MAPPED_XATTR,
        SECURITY_MAPPED_FILE,
        SECURITY_PASSTHROUGH,
        SECURITY_NONE,
        _SECURITY_MODEL_MAX
} SecurityModel;
typedef enum HealthProbe {
        PROBE_ARP,
        PROBE_PING,
        PROBE_TCP,
        PROBE_AGENT,
        PROBE_HEARTBEAT,
        PROBE_NONE, /* what a [System] says does not count */
        _HEALTH_PROBE_MAX
} HealthProbe;
typedef enum HealthAction {
        HEALTH_RECOVER,
        HEALTH_RESTART,
        HEALTH_RESET,
        HEALTH_POWERDOWN,
        HEALTH_NOTIFY,
        _HEALTH_ACTION_MAX
} HealthAction;
typedef enum InterfaceType {
        INTERFACE_TAP,
        INTERFACE_USER,
        INTERFACE_MACVTAP,
        INTERFACE_VDE,
        INTERFACE_MULTICAST,
        INTERFACE_STREAM,
        INTERFACE_DGRAM,
        INTERFACE_NONE,
        _INTERFACE_TYPE_MAX
} InterfaceType;
typedef enum MacvtapMode { MACVTAP_BRIDGE, MACVTAP_PRIVATE, MACVTAP_VEPA, MACVTAP_PASSTHRU, _MACVTAP_MODE_MAX } MacvtapMode;
typedef enum VHost { VHOST_NO, VHOST_YES, VHOST_AUTO, _VHOST_MAX } VHost;
typedef enum MACPolicy { MAC_DERIVED, MAC_FIXED, MAC_RANDOM, _MAC_POLICY_MAX } MACPolicy;

typedef enum SwitchType { SWITCH_BRIDGE, SWITCH_VDE, _SWITCH_TYPE_MAX } SwitchType;

const char *accelerator_to_string(Accelerator v);
int accelerator_from_string(const char *s);
const char *display_to_string(Display v);
int display_from_string(const char *s);
const char *watchdog_action_to_string(WatchdogAction v);
int watchdog_action_from_string(const char *s);
const char *panic_action_to_string(PanicAction v);
int panic_action_from_string(const char *s);
const char *replay_to_string(Replay v);
int replay_from_string(const char *s);
const char *ready_to_string(Ready v);
int ready_from_string(const char *s);
const char *stop_to_string(Stop v);
int stop_from_string(const char *s);
const char *disk_mode_to_string(DiskMode v);
int disk_mode_from_string(const char *s);
const char *serial_type_to_string(SerialType v);
int serial_type_from_string(const char *s);
const char *share_type_to_string(ShareType v);
int share_type_from_string(const char *s);
const char *security_model_to_string(SecurityModel v);
int security_model_from_string(const char *s);
const char *health_probe_to_string(HealthProbe v);
int health_probe_from_string(const char *s);
const char *health_action_to_string(HealthAction v);
int health_action_from_string(const char *s);
const char *interface_type_to_string(InterfaceType v);
int interface_type_from_string(const char *s);
const char *macvtap_mode_to_string(MacvtapMode v);
int macvtap_mode_from_string(const char *s);
const char *vhost_to_string(VHost v);
int vhost_from_string(const char *s);
const char *disk_format_to_string(DiskFormat v);
int disk_format_from_string(const char *s);
const char *disk_media_to_string(DiskMedia v);
int disk_media_from_string(const char *s);
const char *disk_cache_to_string(DiskCache v); /* NULL for the default */
int disk_cache_from_string(const char *s);
const char *switch_type_to_string(SwitchType v);
int switch_type_from_string(const char *s);

/* Where one end of a link between QEMUs is: an address and a port, or a socket in the file system. */
typedef struct LinkEnd {
        IPAddress ip; /* AF_UNSPEC: path says it, or nothing is said */
        unsigned port;
        char *path; /* absolute, NULL-able */
} LinkEnd;

/* A port of the host that leads to one of the guest. */
typedef struct Forward {
        Origin origin;
        bool udp;
        IPAddress host; /* 0.0.0.0 and ::: all that the host has */
        unsigned host_port;
        IPAddress guest; /* AF_UNSPEC until validate; with Type=user it may stay so */
        unsigned guest_port;
} Forward;

/* What a link does to frames, in each direction; 0: nothing of that. */
typedef enum Direction { TO_GUEST, FROM_GUEST, _DIRECTION_MAX } Direction;
typedef struct Shape {
        uint64_t rate[_DIRECTION_MAX];                                  /* bit/s */
        usec_t delay[_DIRECTION_MAX], jitter[_DIRECTION_MAX];           /* microseconds */
        unsigned loss[_DIRECTION_MAX], duplicate[_DIRECTION_MAX];       /* of a million */
        unsigned corrupt[_DIRECTION_MAX], reorder[_DIRECTION_MAX];
} Shape;

#define CAPTURE_SIZE_DEFAULT  (UINT64_C(16) * 1024 * 1024)
#define CAPTURE_FILES_DEFAULT 4U

/* What few interfaces say of how they are connected. */
typedef struct Wire {
        char *device; /* Device=: of the host, with Type=macvtap */
        MacvtapMode mode;
        VM *peer;     /* of ours, that listens at remote: it starts first; set by validate, NULL-able */
        char *socket; /* Socket=: directory of a vde_switch of others, absolute; NULL-able */
        LinkEnd local, remote;

        unsigned vlan, native_vlan; /* 0: none */
        VlanSet trunk_vlans;
        bool port_security;
        unsigned queues; /* 0: one */
        VHost vhost;
        bool link_down;
        Forward *forwards;
        size_t n_forwards;
        IPAddress *host_addresses; /* with prefix */
        size_t n_host_addresses;
        bool nat;
        bool capture;
        char *capture_directory; /* absolute; NULL: below /var/lib/qnet */
        uint64_t capture_size;   /* bytes, of each file */
        unsigned capture_files;
        Shape shape;
} Wire;

/* [Interface]: a NIC of the VM, and what it is connected to: of a tap, exactly one of network, a foreign bridge, and
 * addresses of the host. */
typedef struct Interface {
        Origin origin;
        Said said;
        unsigned index; /* 0, 1, ... in the order written */
        InterfaceType type;
        char *label;       /* of [Interface LABEL], NULL-able */
        bool is_short;     /* made by Switch= or Bridge= in [VM] itself */
        bool isolated;     /* Isolated=: frames to other isolated ports are not forwarded */
        unsigned mtu;      /* MTU=, 0: the bridge's */
        char *switch_name; /* Switch=, NULL when bridge is set */
        Switch *network;   /* the switch of that name, set by validate */
        char *bridge;      /* Bridge=: a bridge that somebody else makes; NULL when network is set */
        char *tap;         /* Tap=, else derived from VM and index; at most 15 bytes; NULL: neither tap nor macvtap */
        char *model;       /* Model=: "virtio" or a QEMU NIC model */
        MACPolicy mac_policy;
        struct ether_addr mac; /* unless MAC_RANDOM */
        IPAddress *addresses;  /* Address=: static addresses of the guest, no prefix */
        size_t n_addresses;
        const Wire *wire; /* rare.h */
} Interface;

#define DISK_BACKING_MAX 16

/* What an image lies over. */
typedef struct BackingFile {
        char *path; /* absolute */
        DiskFormat format;
        bool format_set;
} BackingFile;

/* [Disk]: an image, a disk that is blank at first (no image, but a size), or an empty drive (neither). */
typedef struct Disk {
        Origin origin;
        Said said;
        unsigned index;
        char *label;   /* of [Disk LABEL], NULL-able */
        bool is_short; /* made by Image= in [VM] itself */
        char *image;   /* Image=, absolute; NULL-able */
        DiskMode mode;
        DiskFormat format; /* of the image; from its name's ending unless Format= says it */
        bool format_set;
        uint64_t size; /* Size=: of the disk, bytes; 0: the image's */
        bool size_auto; /* Size=auto: by the partition table of the image, which is raw */
        DiskMedia media;
        DiskCache cache;
        bool discard; /* what the guest no longer needs goes back to the host */
        char *serial; /* Serial=: that the guest sees; NULL-able */
        bool boot_index_set;
        unsigned boot_index;
        BackingFile *backing; /* Backing=: what image lies over, from the top; none: by its own header */
        size_t n_backing;
        char *bus;     /* Bus=: "virtio", "ide", "scsi", "nvme", ... */
} Disk;

/* [Serial]: a serial port, or another device that characters go through, and where they go on the host. */
typedef struct Serial {
        Origin origin;
        Said said;
        unsigned index;
        char *label; /* NULL-able */
        SerialType type;
        char *path;        /* Path=, or by default in a directory of the VM; set for file, tty, unix, pipe */
        IPAddress address; /* Address=: for tcp and telnet, where to listen */
        unsigned port;
        char *device; /* Device=: "serial", "parallel", or a device of QEMU's that takes a chardev */
} Serial;

#define SHARE_TAG_MAX 31 /* 9p: 32 with its end; virtiofs would take 36 */

/* [Share]: a directory of the host that the guest can mount. */
typedef struct Share {
        Origin origin;
        Said said;
        unsigned index;
        char *label; /* NULL-able */
        char *path;  /* Path=, absolute */
        char *tag;   /* Tag=: what the guest mounts it by; unique in the VM */
        ShareType type;
        bool read_only;
        SecurityModel security; /* of 9p */
} Share;

/* [Health]: how qnet-health finds out whether the guest still works, and what is to be done if not. */
typedef struct Health {
        Origin origin;
        Said said;
        unsigned index; /* 0: there is one at most */
        char *label;    /* NULL */
        HealthProbe probe;
        unsigned port; /* with PROBE_TCP */
        HealthAction action;
        unsigned failures; /* in a row, until it is said to be ill */
        usec_t interval, timeout, start;
} Health;

/* Where QEMU listens: a socket in the VM's run-time directory, unless there is an address. */
typedef struct Endpoint {
        IPAddress ip; /* AF_UNSPEC: the socket */
        unsigned port;
} Endpoint;

/* What of a VM's hardware most VMs do not say: nothing of it is emitted then. */
typedef struct Hardware {
        unsigned cpus_max, sockets, cores, threads; /* 0: QEMU's choice */

        uint64_t memory_max;   /* MemoryMax=, bytes; 0: no more than memory */
        unsigned memory_slots; /* for DIMMs that are plugged in later; set with memory_max */
        bool huge_pages;
        uint64_t huge_page_size; /* bytes; 0: the host's default */
        bool memory_shared;      /* with other processes: vhost-user devices need it */

        Endpoint display; /* with VNC: port is the TCP port, 5900 and up */
        char *vga;        /* VGA=, or what the machine has by default when there is a display; NULL-able */
        unsigned width, height;
        char *keyboard;   /* QEMU's name of a layout, NULL-able */
        char *boot_order; /* letters of QEMU's -boot order=, NULL-able */
        bool boot_menu;
        char *device_tree; /* absolute, NULL-able */
        char *clock;       /* of -rtc base=, NULL-able */
        char *uuid;        /* lower case, NULL-able */
        char **smbios;     /* strv of -smbios, NULL when empty */
        size_t n_smbios;

        bool rng, balloon, panic, guest_agent;
        PanicAction panic_action;
        char *watchdog; /* device, NULL-able */
        WatchdogAction watchdog_action;

        bool start_paused;
        bool gdb;
        Endpoint gdb_at;
        Replay replay;
        char **devices; /* strv of -device, NULL when empty */
        size_t n_devices;

        const char *package; /* Debian's, with the VM's qemu-system-*; NULL: it comes with qnet */
} Hardware;

/* What all point to that say nothing of it (rare.h): then there is nothing to look at. */
extern const Hardware hardware_defaults;
extern const Wire wire_defaults;

typedef enum FirmwareType { FIRMWARE_BIOS, FIRMWARE_UEFI, FIRMWARE_FILE, _FIRMWARE_TYPE_MAX } FirmwareType;

/* A secret for the guest's system manager (systemd.system-credentials(7)). */
typedef struct Credential {
        char *name;
        char *path; /* absolute: of the file with the value */
} Credential;

/* The files of cloud-init's NoCloud seed. */
typedef enum SeedFile { SEED_USER_DATA, SEED_META_DATA, SEED_NETWORK_CONFIG, SEED_VENDOR_DATA, _SEED_FILE_MAX } SeedFile;

const char *seed_file_to_string(SeedFile v);
int seed_file_from_string(const char *s);

/* What runs before the guest's own code, which is what QEMU brings for the board unless it is said, and what is laid
 * out for the guest to find. */
typedef struct Firmware {
        FirmwareType type;
        char *path;       /* absolute, with FIRMWARE_FILE */
        bool secure_boot; /* with FIRMWARE_UEFI */
        bool tpm;
        Credential *credentials;
        size_t n_credentials;
        char *seed[_SEED_FILE_MAX]; /* absolute paths, each NULL-able; all NULL: no seed */
} Firmware;

/* What is done about a guest that was reported to hang, besides killing QEMU and starting it again. */
typedef struct Recovery {
        Rung rungs[_RUNG_MAX]; /* tried one after the other; restart is the last one if it is there */
        size_t n_rungs;        /* 0: restart */
        usec_t timeout;        /* of each rung */
        unsigned black_boxes;  /* so many are kept, the newest; 0: none is made */
        uint64_t memory;       /* bytes of the guest's memory in each, at most */
} Recovery;

/* How a start ends, and a stop begins. */
typedef struct Life {
        Ready ready;
        unsigned ready_port; /* with READY_TCP */
        char *ready_text;    /* with READY_CONSOLE: what the guest prints then */
        Stop stop;
} Life;

struct VM {
        char *name;
        Origin origin; /* of the [VM] line */
        Said said;
        char *user;        /* "qnet-host1", or with a digest: a user name of at most 31 bytes */
        Problem *problems; /* any: the unit says them and fails at start */
        size_t n_problems;

        char *system_name; /* System=, NULL-able */
        System *system;
        char *lab_name; /* Lab=, NULL-able */
        Lab *lab;
        bool autostart;
        bool registered; /* with systemd-machined */
        bool has_instances; /* made by Instances=, number instance of them */
        unsigned instances;
        unsigned instance;

        char *description;  /* NULL-able */
        char *architecture; /* "x86_64": qemu-system-x86_64 */
        char *machine;      /* "q35" */
        char *cpu;          /* NULL: QEMU's default */
        unsigned cpus;
        uint64_t memory; /* bytes; 0: what the machine has by itself */
        Accelerator accelerator;
        char *kernel;              /* absolute, NULL-able */
        char *initrd;              /* absolute, NULL-able */
        char *kernel_command_line; /* NULL-able; kernel is set then */
        Display display;
        char **extra_args; /* strv, NULL when empty: each one argv element of QEMU */
        size_t n_extra_args;
        usec_t ready_timeout; /* microseconds */
        usec_t stop_timeout;  /* until QEMU is ended although the guest has not powered down */
        const Life *life;     /* rare.h */
        const Firmware *firmware; /* rare.h */
        const Hardware *hardware; /* rare.h */
        const Recovery *recovery; /* rare.h */

        Interface *interfaces;
        size_t n_interfaces;
        Disk *disks;
        size_t n_disks;
        Serial *serials; /* none: the first serial port is the unit's output */
        size_t n_serials;
        Share *shares;
        size_t n_shares;
        Health *health; /* NULL when n_health is 0; else one */
        size_t n_health;
        PassthroughList passthrough;
};

/* Addresses that a DHCP server gives away. */
typedef struct DHCPRange {
        Origin origin;
        IPAddress first, last; /* of one family */
        unsigned prefix;       /* of the subnet, set by validate */
} DHCPRange;

/* Trunk=: a cable to another switch. Its ends belong to two switches, it stands with the one that says it. */
typedef struct Trunk {
        Origin origin;
        char *peer_name;
        Switch *self, *peer; /* set by validate */
        VlanSet *vlans;      /* that it carries, with their tags; NULL: all that there is */
        char *port;          /* name of the end on self, and of the unit */
        char *peer_port;
} Trunk;

/* VXLAN=: a tunnel to switches of other hosts. Either peers or a group. */
typedef struct VXLAN {
        bool set;
        unsigned vni;
        IPAddress *peers;
        size_t n_peers;
        IPAddress group, local; /* AF_UNSPEC: none */
        unsigned port;          /* of UDP */
        char *device;           /* that it goes over, NULL-able */
        Switch *carrier;        /* whose bridge that is, if it is one; set by validate */
        char *link;             /* name of the interface, set by validate */
} VXLAN;

/* What few switches say of the frames on them. */
typedef struct Fabric {
        bool stp;
        bool hub;        /* every frame goes to every port */
        bool ageing_set; /* said; else the kernel's */
        usec_t ageing;   /* how long a silent MAC address is remembered */
        unsigned group_forward_mask;
        char *uplink; /* the host's interface that is a port of it, NULL-able */
} Fabric;

struct Switch {
        char *name;
        Origin origin;
        Said said;
        Problem *problems;
        size_t n_problems;
        char *bridge;   /* interface name: the switch's, or with a digest if that is too long */
        char *lab_name; /* NULL-able */
        Lab *lab;
        bool autostart;
        bool kept;            /* by validate: not stopped when no unit needs it */
        IPAddress *addresses; /* of the host on the bridge, with prefix */
        size_t n_addresses;
        SwitchType type;
        bool dhcp;           /* there are ranges */
        bool dhcp_any;       /* DHCP=yes: validate finds a range of IPv4 where none was said */
        DHCPRange *ranges;
        size_t n_ranges;
        usec_t dhcp_lease;   /* microseconds */
        bool dns, router_advertisement, nat;
        char *domain;        /* NULL-able */
        unsigned mtu;        /* 0: the kernel's default */
        bool filters_vlans;  /* some port of it is in VLANs */
        const Fabric *fabric; /* rare.h */
        const VXLAN *vxlan;
        Trunk *trunks; /* that it says */
        size_t n_trunks;
        Trunk **ports; /* of its trunks, those that others say included; set by validate */
        size_t n_ports;
        Switch **segment; /* all switches that trunks connect it with, itself among them; NULL: none but itself */
        size_t n_segment;
        size_t number; /* its place in the model, set by validate */
        PassthroughList passthrough;
};

/* [System] is only replayed into its VMs while loading; what is left of it here serves --json. */
struct System {
        char *name;
        Origin origin;
};

struct Lab {
        char *name;
        Origin origin; /* file NULL when only joined by Lab=, never opened as [Lab NAME] */
        Said said;
        Problem *problems; /* any: starting it fails, and starts nobody */
        size_t n_problems;
        char *description; /* NULL-able */
        bool autostart;
        PassthroughList passthrough;
};

typedef struct Reaper {
        Origin origin; /* of the first [Reaper], file NULL when there is none */
        Said said;
        char **kill_logs; /* strv, NULL when empty: besides the built-in one */
        size_t n_kill_logs;
        char **listens; /* strv of ListenStream= (systemd.socket(5)), NULL when empty: where others report over TCP, vsock */
        size_t n_listens;
        char **allows; /* strv of IP, IP/PREFIX, cid:N, NULL when empty: who may */
        size_t n_allows;
        usec_t hold_off;
        PassthroughList passthrough;
} Reaper;

typedef struct Model {
        struct Arena *arena; /* where all of it stands */

        /* sorted by name, so that output does not depend on the order of files */
        VM **vms;
        size_t n_vms;
        Switch **switches;
        size_t n_switches;
        System **systems;
        size_t n_systems;
        Lab **labs;
        size_t n_labs;
        Reaper reaper;
        char **files; /* strv: every file read, for --json */
        size_t n_files;
        unsigned n_errors; /* logged so far, of whatever object */
        unsigned n_warnings;
} Model;

Model *model_new(void);      /* empty, NULL when out of memory */
Model *model_free(Model *m); /* always NULL */
DEFINE_CLEANUP(Model *, model_free)
#define _cleanup_model_ _cleanup_(model_freep)

/* The first interface by which the host sees the guest's packets, NULL when there is none. */
const Interface *vm_first_tap(const VM *vm);
/* The switch whose NAT is that of guests on w: itself, or another that trunks connect it with; or NULL. */
const Switch *switch_nat(const Switch *w);
/* By name; NULL when there is none. */
VM *model_vm(const Model *m, const char *name);
Switch *model_switch(const Model *m, const char *name);
System *model_system(const Model *m, const char *name);
Lab *model_lab(const Model *m, const char *name);
