/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The disks of a VM: what they add to its [Unit] and [Service], the commands around QEMU, and QEMU's
 * arguments. */

#include "model.h"
#include "unit-writer.h"

void emit_disk_dependencies(const VM *vm, UnitWriter *w);
void emit_disk_settings(const VM *vm, UnitWriter *w);
void emit_disk_prepare(const VM *vm, UnitWriter *w);
void emit_disk_release(const VM *vm, UnitWriter *w);
void emit_disk_options(const VM *vm, UnitWriter *w);
