/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A loaded Model made complete and consistent, so that whoever writes units asserts and never checks.
 *
 *     validate.c          defaults and derived names; references between objects; what one object says against itself
 *     validate-ports.c     serial ports and shared directories
 *     validate-network.c  switches: subnets, DHCP ranges; addresses of guests
 *     validate-mac.c      MAC addresses: derived ones that no other has, fixed ones that two have
 *     validate-unique.c   what only one may have: taps and bridges, IP addresses, images that are written to
 *
 * Mistakes are logged, counted, and attached to the VMs and switches that cannot be used because of them; a VM on a
 * broken switch is broken too. A broken object keeps its name, origin and problems; the rest of it may be missing. */

#include "model.h"
#include "specifier.h"

/* 0 or -ENOMEM */
int model_validate(Model *m, const Host *host);

/* The steps, in this order; the same results. */
int validate_switch(Model *m, Switch *w);
int validate_addresses(Model *m, VM *vm, const Interface *i); /* i is on a switch of ours */
int validate_serials(Model *m, VM *vm);
int validate_shares(Model *m, VM *vm);
int validate_macs(Model *m, const Host *host);
int validate_unique(Model *m);
