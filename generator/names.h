/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names and addresses that nobody wrote down: made from the name of the object, the same at every run. Those that do
 * not fit where they go are replaced by a digest (FNV-1a with a final mix: stable, well spread, no cryptography).
 * Silent; NULL is out of memory. */

#include "arena.h"
#include "parse-value.h"

uint64_t digest(const char *text);

/* "tap-host1", "tap1-host1" for index 1; else "tap" and 12 hex digits. */
char *derive_tap(Arena *a, const char *vm, unsigned index);
/* The name itself; else "sw" and 12 hex digits. */
char *derive_bridge(Arena *a, const char *name);
/* Of a cable from one switch to another, the number-th between the two: the end on self. "tr-s1-s2"; else "tr" and 12
 * hex digits. */
char *derive_trunk_port(Arena *a, const char *self, const char *peer, unsigned number);
/* "vx-s1"; else "vx" and 12 hex digits. */
char *derive_vxlan(Arena *a, const char *name);
/* "qnet-host1": a user name of at most 31 bytes of [a-z0-9_-]; else "qnet-" and 16 hex digits. Never the same for two
 * VMs: a name that looks like such a digest gets one too. */
char *derive_user(Arena *a, const char *vm);
/* 52:54:00 and three bytes of a digest, by what of it is the same for all VMs of a host; attempt tells a second choice from
 * the first. */
uint64_t derive_mac_seed(const char *machine_id);
struct ether_addr derive_mac(uint64_t seed, const char *vm, unsigned index, unsigned attempt);
