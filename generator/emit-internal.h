/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One function per kind of unit. Each returns what unit_close() returned and stays silent; emit.c logs
 * (but for warnings about [Install], which have a line of the configuration). */

#include "emit.h"
#include "members.h"

int emit_vm(const VM *vm, UnitWriter *w);
int emit_tap(const VM *vm, const Interface *i, UnitWriter *w);
int emit_switch(const Switch *s, UnitWriter *w);
int emit_dhcp(const Switch *s, const Members *of_switches, UnitWriter *w);
int emit_lab(const Lab *lab, const Members *of_labs, UnitWriter *w);
int emit_reaper(const Reaper *reaper, UnitWriter *w);

/* ExecStart= of a VM: QEMU with all its arguments. */
void emit_qemu(const VM *vm, UnitWriter *w);

/* Links that start a unit, given as kind, name and suffix: in starter's directory ".wants" or ".requires";
 * and those that a passed-through [Install] asks for (emit-install.c). */
int emit_link(UnitWriter *w, const char *starter, const char *directory, const char *unit, const char *name,
                const char *suffix);
int emit_install(UnitWriter *w, const PassthroughList *list, const char *unit, const char *name,
                const char *suffix);

/* Shared by all of them (emit.c). */
void emit_origin(const Origin *origin, UnitWriter *w); /* Documentation=, SourcePath= */
void emit_part_of(const Lab *lab, UnitWriter *w);      /* PartOf= its target; lab may be NULL */
void emit_passthrough(const PassthroughList *list, UnitWriter *w);
void emit_exec_fail(UnitWriter *w); /* [Service] and "ExecStart=.../qnet-fail" */
void emit_problems(const Problem *problems, size_t n, UnitWriter *w); /* an argument each */
static inline const char *interface_bridge(const Interface *i) {
        return i->network ? i->network->bridge : i->bridge;
}
