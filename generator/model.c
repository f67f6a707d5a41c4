/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "arena.h"
#include "model.h"
#include "string-table.h"

static const char *const accelerator_table[_ACCELERATOR_MAX] = {
        [ACCELERATOR_AUTO] = "auto",
        [ACCELERATOR_KVM] = "kvm",
        [ACCELERATOR_TCG] = "tcg",
};
DEFINE_STRING_TABLE(accelerator, Accelerator)

static const char *const display_table[_DISPLAY_MAX] = {
        [DISPLAY_NONE] = "none",
        [DISPLAY_VNC] = "vnc",
        [DISPLAY_SPICE] = "spice",
};
DEFINE_STRING_TABLE(display, Display)

static const char *const watchdog_action_table[_WATCHDOG_ACTION_MAX] = {
        [WATCHDOG_RESET] = "reset",
        [WATCHDOG_SHUTDOWN] = "shutdown",
        [WATCHDOG_POWEROFF] = "poweroff",
        [WATCHDOG_PAUSE] = "pause",
        [WATCHDOG_INJECT_NMI] = "inject-nmi",
        [WATCHDOG_DEBUG] = "debug",
        [WATCHDOG_NONE] = "none",
};
DEFINE_STRING_TABLE(watchdog_action, WatchdogAction)

static const char *const panic_action_table[_PANIC_ACTION_MAX] = {
        [PANIC_EXIT_FAILURE] = "exit-failure",
        [PANIC_SHUTDOWN] = "shutdown",
        [PANIC_PAUSE] = "pause",
        [PANIC_NONE] = "none",
};
DEFINE_STRING_TABLE(panic_action, PanicAction)

static const char *const replay_table[_REPLAY_MAX] = {
        [REPLAY_NONE] = "none",
        [REPLAY_RECORD] = "record",
        [REPLAY_REPLAY] = "replay",
};
DEFINE_STRING_TABLE(replay, Replay)

static const char *const interface_type_table[_INTERFACE_TYPE_MAX] = {
        [INTERFACE_TAP] = "tap",
        [INTERFACE_USER] = "user",
        [INTERFACE_MACVTAP] = "macvtap",
        [INTERFACE_VDE] = "vde",
        [INTERFACE_MULTICAST] = "multicast",
        [INTERFACE_STREAM] = "stream",
        [INTERFACE_DGRAM] = "dgram",
        [INTERFACE_NONE] = "none",
};
DEFINE_STRING_TABLE(interface_type, InterfaceType)

static const char *const macvtap_mode_table[_MACVTAP_MODE_MAX] = {
        [MACVTAP_BRIDGE] = "bridge",
        [MACVTAP_PRIVATE] = "private",
        [MACVTAP_VEPA] = "vepa",
        [MACVTAP_PASSTHRU] = "passthru",
};
DEFINE_STRING_TABLE(macvtap_mode, MacvtapMode)

static const char *const vhost_table[_VHOST_MAX] = {
        [VHOST_NO] = "no",
        [VHOST_YES] = "yes",
        [VHOST_AUTO] = "auto",
};
DEFINE_STRING_TABLE(vhost, VHost)

static const char *const ready_table[_READY_MAX] = {
        [READY_RUNNING] = "running",
        [READY_ADDRESS] = "address",
        [READY_TCP] = "tcp",
        [READY_AGENT] = "agent",
        [READY_NOTIFY] = "notify",
        [READY_CONSOLE] = "console",
};
DEFINE_STRING_TABLE(ready, Ready)

static const char *const stop_table[_STOP_MAX] = {
        [STOP_POWERDOWN] = "powerdown",
        [STOP_AGENT] = "agent",
        [STOP_QUIT] = "quit",
};
DEFINE_STRING_TABLE(stop, Stop)

static const char *const disk_mode_table[_DISK_MODE_MAX] = {
        [DISK_OVERLAY] = "overlay",
        [DISK_PERSISTENT] = "persistent",
        [DISK_EPHEMERAL] = "ephemeral",
        [DISK_READONLY] = "readonly",
};
DEFINE_STRING_TABLE(disk_mode, DiskMode)

static const char *const serial_type_table[_SERIAL_TYPE_MAX] = {
        [SERIAL_CONSOLE] = "console",
        [SERIAL_JOURNAL] = "journal",
        [SERIAL_FILE] = "file",
        [SERIAL_PTY] = "pty",
        [SERIAL_TTY] = "tty",
        [SERIAL_TCP] = "tcp",
        [SERIAL_TELNET] = "telnet",
        [SERIAL_UNIX] = "unix",
        [SERIAL_PIPE] = "pipe",
};
DEFINE_STRING_TABLE(serial_type, SerialType)

static const char *const share_type_table[_SHARE_TYPE_MAX] = {
        [SHARE_9P] = "9p",
        [SHARE_VIRTIOFS] = "virtiofs",
};
DEFINE_STRING_TABLE(share_type, ShareType)

static const char *const health_probe_table[_HEALTH_PROBE_MAX] = {
        [PROBE_ARP] = "arp",
        [PROBE_PING] = "ping",
        [PROBE_TCP] = "tcp",
        [PROBE_AGENT] = "agent",
        [PROBE_HEARTBEAT] = "heartbeat",
        [PROBE_NONE] = "none",
};
DEFINE_STRING_TABLE(health_probe, HealthProbe)

static const char *const health_action_table[_HEALTH_ACTION_MAX] = {
        [HEALTH_RECOVER] = "recover",
        [HEALTH_RESTART] = "restart",
        [HEALTH_RESET] = "reset",
        [HEALTH_POWERDOWN] = "powerdown",
        [HEALTH_NOTIFY] = "notify",
};
DEFINE_STRING_TABLE(health_action, HealthAction)

static const char *const security_model_table[_SECURITY_MODEL_MAX] = {
        /* as QEMU calls them */
        [SECURITY_MAPPED_XATTR] = "mapped-xattr",
        [SECURITY_MAPPED_FILE] = "mapped-file",
        [SECURITY_PASSTHROUGH] = "passthrough",
        [SECURITY_NONE] = "none",
};
DEFINE_STRING_TABLE(security_model, SecurityModel)

static const char *const disk_format_table[_DISK_FORMAT_MAX] = {
        [DISK_RAW] = "raw",
        [DISK_QCOW2] = "qcow2",
};
DEFINE_STRING_TABLE(disk_format, DiskFormat)

static const char *const disk_media_table[_DISK_MEDIA_MAX] = {
        [MEDIA_DISK] = "disk",
        [MEDIA_CDROM] = "cdrom",
        [MEDIA_FLOPPY] = "floppy",
};
DEFINE_STRING_TABLE(disk_media, DiskMedia)

static const char *const disk_cache_table[_DISK_CACHE_MAX] = {
        [CACHE_NONE] = "none",
        [CACHE_WRITEBACK] = "writeback",
        [CACHE_WRITETHROUGH] = "writethrough",
        [CACHE_DIRECTSYNC] = "directsync",
        [CACHE_UNSAFE] = "unsafe",
};
DEFINE_STRING_TABLE(disk_cache, DiskCache)

static const char *const seed_file_table[_SEED_FILE_MAX] = {
        [SEED_USER_DATA] = "user-data",
        [SEED_META_DATA] = "meta-data",
        [SEED_NETWORK_CONFIG] = "network-config",
        [SEED_VENDOR_DATA] = "vendor-data",
};
DEFINE_STRING_TABLE(seed_file, SeedFile)

static const char *const switch_type_table[_SWITCH_TYPE_MAX] = {
        [SWITCH_BRIDGE] = "bridge",
        [SWITCH_VDE] = "vde",
};
DEFINE_STRING_TABLE(switch_type, SwitchType)

Model *model_new(void) {
        Arena *a = arena_new();
        Model *m = a ? arena_alloc(a, sizeof(Model)) : NULL;

        if (!m) {
                arena_free(a);
                return NULL;
        }
        m->arena = a;
        return m;
}

Model *model_free(Model *m) {
        if (m)
                arena_free(m->arena);
        return NULL;
}

const Interface *vm_first_tap(const VM *vm) {
        for (size_t i = 0; i < vm->n_interfaces; i++)
                if (vm->interfaces[i].type == INTERFACE_TAP)
                        return vm->interfaces + i;
        return NULL;
}

/* Every object begins with its name, and the arrays are sorted by it. */
static int compare_name(const void *name, const void *item) {
        return strcmp(name, **(const char *const *const *) item);
}

static void *find(const char *name, const void *items, size_t n) {
        void *const *p = n > 0 ? bsearch(name, items, n, sizeof(void *), compare_name) : NULL;

        return p ? *p : NULL;
}

static_assert(offsetof(VM, name) == 0 && offsetof(Switch, name) == 0 && offsetof(System, name) == 0 &&
                                offsetof(Lab, name) == 0,
                "find() takes the name to be first");

const Switch *switch_nat(const Switch *w) {
        if (w->nat)
                return w;
        for (size_t i = 0; i < w->n_segment; i++)
                if (w->segment[i]->nat)
                        return w->segment[i];
        return NULL;
}

VM *model_vm(const Model *m, const char *name) {
        return find(name, m->vms, m->n_vms);
}

Switch *model_switch(const Model *m, const char *name) {
        return find(name, m->switches, m->n_switches);
}

System *model_system(const Model *m, const char *name) {
        return find(name, m->systems, m->n_systems);
}

Lab *model_lab(const Model *m, const char *name) {
        return find(name, m->labs, m->n_labs);
}
