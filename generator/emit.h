/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a validated Model to units: which units there are, and what stands in them. Emitters give keys and
 * values to the unit-writer; they know neither quoting nor paths of output, look at nothing but the model,
 * and produce the same bytes for the same model.
 *
 *     emit.c          all of it in order; labs; links that start things; pass-through sections
 *     emit-vm.c       qemu-vm@NAME.service
 *     emit-qemu.c     its ExecStart=, the command line of QEMU
 *     emit-switch.c   qnet-switch@, qnet-uplink@, qnet-nat@, qnet-vxlan@, qnet-trunk@
 *     emit-dhcp.c     qnet-dhcp@
 *     emit-reaper.c   drop-ins of the reaper's units */

#include "model.h"
#include "unit-writer.h"

/* Every unit and link of the model. Logs each that fails, goes on with the next, and returns the first
 * error, else 0. */
int emit_all(const Model *m, UnitWriter *w);
