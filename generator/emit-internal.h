/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One function per kind of unit. Each returns what unit_close() returned and stays silent; emit.c logs
 * (but for warnings about [Install], which have a line of the configuration). */

#include "emit.h"
#include "members.h"

#define VDE_DIR   "/run/qnet/switch/" /* NAME/ctl: where guests plug in */
#define VDE_GROUP "qnet-vde" /* may plug into switches of Type=vde (sysusers.conf) */

int emit_vm(const VM *vm, UnitWriter *w);
int emit_restart_policy(const VM *vm, UnitWriter *w); /* a drop-in, if it differs (emit-policy.c) */
void emit_panic_message(const VM *vm, UnitWriter *w); /* when QEMU has ended */
int emit_tap(const VM *vm, const Interface *i, UnitWriter *w);
int emit_capture(const VM *vm, const Interface *i, UnitWriter *w);
int emit_tap_nat(const VM *vm, const Interface *i, UnitWriter *w);
void emit_vlans(const char *option, const VlanSet *vlans, UnitWriter *w); /* an argument; none of an empty set */
void emit_forwards(const Interface *i, UnitWriter *w); /* arguments of qnet-nat */
int emit_switch(const Switch *s, UnitWriter *w);
int emit_dhcp(const Switch *s, const Members *of_switches, const Members *of_labs, UnitWriter *w);
int emit_nat(const Switch *s, const Members *of_switches, UnitWriter *w);
int emit_uplink(const Switch *s, UnitWriter *w);
int emit_vxlan(const Switch *s, UnitWriter *w);
int emit_trunk(const Trunk *t, UnitWriter *w);
int emit_lab(const Lab *lab, const Members *of_labs, UnitWriter *w);
bool has_health(const VM *vm);
void emit_health_ready(const VM *vm, UnitWriter *w); /* when QEMU runs: opens what it is asked through */
int emit_health(const Model *m, UnitWriter *w); /* one service and timer for all VMs, if any has [Health] */
int emit_reaper(const Reaper *reaper, UnitWriter *w);

/* ExecStart= of a VM: QEMU with all its arguments. */
void emit_qemu(const VM *vm, UnitWriter *w);

/* Network cards (emit-nic.c): what the VM's [Service] needs for them, and QEMU's options. */
void emit_nic_settings(const VM *vm, UnitWriter *w);
void emit_nics(const VM *vm, UnitWriter *w);

/* How a VM's start ends and its stop begins (emit-life.c). */
void emit_ready_settings(const VM *vm, UnitWriter *w);
void emit_ready(const VM *vm, UnitWriter *w);
void emit_power_off(const VM *vm, UnitWriter *w);

/* What of a VM can change while it runs (emit-reload.c). */
void emit_reload_dependencies(const VM *vm, UnitWriter *w);
void emit_reload(const VM *vm, UnitWriter *w);

/* [Serial] and [Share]: what they add to a VM's [Unit], [Service], the commands around QEMU, and its arguments. */
void emit_serial_settings(const VM *vm, UnitWriter *w);
void emit_serial_prepare(const VM *vm, UnitWriter *w);
void emit_serial_release(const VM *vm, UnitWriter *w);
void emit_serial_options(const VM *vm, UnitWriter *w); /* without any [Serial]: the default */
void emit_share_dependencies(const VM *vm, UnitWriter *w);
void emit_share_settings(const VM *vm, UnitWriter *w);
void emit_share_prepare(const VM *vm, UnitWriter *w);
void emit_share_options(const VM *vm, UnitWriter *w);
bool shares_memory(const VM *vm); /* the guest's, with somebody besides QEMU */
/* virtiofsd's, of a share by virtiofs */
int emit_share_socket(const VM *vm, const Share *s, UnitWriter *w);
int emit_share_service(const VM *vm, const Share *s, UnitWriter *w);
/* ReadWritePaths= of path and suffix, if it is there. */
void emit_writable(const char *path, const char *suffix, UnitWriter *w);

/* The machine itself (emit-hardware.c): groups of its options, in the order of the command line. */
void emit_cpus(const VM *vm, UnitWriter *w);
bool has_memory_backend(const VM *vm); /* then -machine says that "memory" is it */
void emit_memory(const VM *vm, UnitWriter *w);
void emit_display(const VM *vm, UnitWriter *w);
void emit_platform(const VM *vm, UnitWriter *w);
void emit_small_devices(const VM *vm, UnitWriter *w);
void emit_debugging(const VM *vm, UnitWriter *w);
void emit_hardware_settings(const VM *vm, UnitWriter *w); /* in [Service] */
void emit_checks(const VM *vm, UnitWriter *w);            /* commands before QEMU */

/* Firmware, TPM, credentials, and the seed of cloud-init (emit-firmware.c): the same. */
void emit_firmware_dependencies(const VM *vm, UnitWriter *w);
void emit_firmware_settings(const VM *vm, UnitWriter *w);
void emit_firmware_prepare(const VM *vm, UnitWriter *w);
void emit_firmware_options(const VM *vm, UnitWriter *w);
void emit_seed_options(const VM *vm, UnitWriter *w); /* a disk, after the others */
int emit_tpm_socket(const VM *vm, UnitWriter *w);
int emit_tpm_service(const VM *vm, UnitWriter *w);

/* Recover=, BlackBox= (emit-recovery.c): units that the reaper starts before it restarts a VM. The VM's own unit is Before=
 * them: by that the reaper knows of them. */
bool has_ladder(const VM *vm); /* something is tried before the restart */
void emit_recovery_dependencies(const VM *vm, UnitWriter *w);
int emit_ladder(const VM *vm, UnitWriter *w);
int emit_black_box(const VM *vm, UnitWriter *w);

/* Links that start a unit, given as kind, name and suffix: in starter's directory ".wants" or ".requires";
 * and those that a passed-through [Install] asks for (emit-install.c). */
int emit_link(UnitWriter *w, const char *starter, const char *directory, const char *unit, const char *name,
                const char *suffix);
int emit_install(UnitWriter *w, const PassthroughList *list, const char *unit, const char *name,
                const char *suffix);

/* The units that a switch has besides its own, those of its trunks included, whichever end says them (emit-switch.c). */
typedef void (*SwitchUnit)(const char *prefix, const char *name, void *userdata);
void each_unit_of_switch(const Switch *s, SwitchUnit f, void *userdata);
/* A guest on the switch wants them, and those of all switches that trunks connect it with. */
void emit_wants_of_switch(const Switch *s, UnitWriter *w);
bool same_segment(const Switch *a, const Switch *b);
static inline bool has_server(const Switch *s) { /* dnsmasq, qnet-dhcp@ */
        return s->dhcp || s->dns || s->router_advertisement;
}

static inline bool stays(const Switch *s) { /* also when nobody needs it */
        return s->autostart || s->kept;
}

/* Shared by all of them (emit.c). */
void emit_oneshot(UnitWriter *w); /* [Service] of what stays as it is until it is stopped */
/* BindsTo= and After= the interface: without it the unit has no use, and ends. */
void emit_device(const char *ifname, UnitWriter *w);
void emit_origin(const Origin *origin, UnitWriter *w); /* Documentation=, SourcePath= */
void emit_part_of(const Lab *lab, UnitWriter *w);      /* PartOf= its target; lab may be NULL */
void emit_passthrough(const PassthroughList *list, UnitWriter *w);
void emit_exec_fail(UnitWriter *w); /* [Service] and "ExecStart=.../qnet-fail" */
void emit_problems(const Problem *problems, size_t n, UnitWriter *w); /* an argument each */
/* Where the host meets a guest with a tap: the bridge, or the tap itself. */
static inline const char *interface_device(const Interface *i) {
        return i->network ? i->network->bridge : i->bridge ?: i->tap;
}
