/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A loaded Model made complete and consistent, so that whoever writes units asserts and never checks.
 *
 *     validate.c          defaults and derived names; references between objects; what one object says against itself
 *     validate-ports.c     serial ports and shared directories
 *     validate-hardware.c the machine itself
 *     validate-disk.c     disks: what goes with what, and how many there can be
 *     validate-firmware.c firmware, TPM
 *     validate-health.c   what can be asked of the guest at all
 *     validate-interface.c  interfaces: which keys go with which Type=
 *     validate-links.c    links between guests: who starts first
 *     validate-network.c  switches: subnets, DHCP ranges; addresses of guests
 *     validate-switch.c   switches: which keys go together
 *     validate-trunk.c    what switches have to do with one another: trunks, uplinks, tunnels
 *     validate-subnets.c  subnets of two switches that overlap
 *     validate-listen.c   TCP ports that two would listen at
 *     validate-report.c   who may report to the reaper
 *     validate-command.c  the length of QEMU's command line
 *     validate-mac.c      MAC addresses: derived ones that no other has, fixed ones that two have
 *     validate-unique.c   what only one may have: taps and bridges, IP addresses, files that are written to
 *
 * Mistakes are logged, counted, and attached to the VMs and switches that cannot be used because of them; a VM on a
 * broken switch is broken too. A broken object keeps its name, origin and problems; the rest of it may be missing. */

#include "model.h"
#include "specifier.h"

/* qemu-system-* of the host that this is built for */
#if defined(__x86_64__)
#define HOST_ARCHITECTURE "x86_64"
#elif defined(__i386__)
#define HOST_ARCHITECTURE "i386"
#elif defined(__aarch64__)
#define HOST_ARCHITECTURE "aarch64"
#elif defined(__arm__)
#define HOST_ARCHITECTURE "arm"
#elif defined(__powerpc64__)
#define HOST_ARCHITECTURE "ppc64"
#elif defined(__riscv) && __riscv_xlen == 64
#define HOST_ARCHITECTURE "riscv64"
#elif defined(__s390x__)
#define HOST_ARCHITECTURE "s390x"
#elif defined(__loongarch64)
#define HOST_ARCHITECTURE "loongarch64"
#else
#error "which qemu-system-* runs the guests of this host?"
#endif

/* 0 or -ENOMEM */
int model_validate(Model *m, const Host *host);

/* The steps, in this order; the same results. */
int validate_disk(Model *m, VM *vm, Disk *d); /* the disks before it are valid */
int validate_switch(Model *m, Switch *w);
int validate_switch_keys(Model *m, Switch *w);
int validate_trunks(Model *m); /* all switches are valid by themselves */
int validate_interfaces(Model *m, VM *vm);
int validate_addresses(Model *m, VM *vm, const Interface *i); /* i is on a switch of ours, or has host addresses */
int validate_serials(Model *m, VM *vm);
int validate_shares(Model *m, VM *vm);
int validate_health(Model *m, VM *vm);
int validate_life(Model *m, VM *vm);
int validate_hardware(Model *m, VM *vm); /* after all other parts of the VM */
int validate_firmware(Model *m, VM *vm);
int validate_macs(Model *m, const Host *host);
int validate_command(Model *m, VM *vm);
int validate_links(Model *m); /* after validate_listeners() */
int validate_subnets(Model *m);
int validate_listeners(Model *m);
int validate_report(Model *m);
/* The subnet's own address or its broadcast address: no station has it. /31 and /32 have none (RFC 3021). */
bool ip_is_subnet_end(const IPAddress *ip, const IPAddress *net);
/* The first of the subnets that the address is in, or NULL. */
const IPAddress *ip_subnet_of(const IPAddress *nets, size_t n, const IPAddress *ip);
bool path_is_temporary(const char *path); /* PrivateTmp=: a path there would be another one for the VM */
bool path_is_of_qnet(const char *path);   /* what qnet and other VMs keep there is not for this one */
bool path_is_of_kernel(const char *path); /* /, /dev, /proc, /sys and what is below */
/* The name of a socket in the VM's own directory, the only place where its user can make one, if no other setting makes
 * it; NULL otherwise. */
const char *vm_socket_name(const VM *vm, const char *path);
int validate_unique(Model *m);
