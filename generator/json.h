/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The model for programs, as one JSON object. The schema is stable: members may be added, never renamed or removed.
 *
 *     { "version": 1,
 *       "vms": [ { "name", "origin": { "file", "line" }, "unit", "problems": [ { "origin", "text" } ],
 *                  "user", "system", "lab", "autostart", "instance", "description", "architecture", "machine", "cpu",
 *                  "cpus", "memory", "accelerator", "kernel", "initrd", "kernelCommandLine", "display",
 *                  "extraArgs": [ ... ], "ready", "readyPort", "readyText", "readyTimeoutUSec", "stop", "stopTimeoutUSec",
 *                  "interfaces": [ { "index", "label", "origin", "switch", "bridge", "tap", "model", "mac",
 *                                    "macPolicy", "addresses": [ ... ], "isolated", "mtu" } ],
 *                  "disks": [ { "index", "label", "origin", "image", "mode", "format", "size", "bus" } ],
 *                  "passthrough": [ { "section", "key", "value", "origin" } ] } ],
 *       "switches": [ { "name", "origin", "unit", "problems", "bridge", "lab", "autostart", "addresses": [ ... ],
 *                       "dhcp": null | { "first", "last", "leaseUSec" }, "mtu", "passthrough" } ],
 *       "systems": [ { "name", "origin" } ],
 *       "labs": [ { "name", "origin", "unit", "description", "autostart", "passthrough" } ],
 *       "reaper": { "origin", "killLogs": [ ... ], "holdOffUSec", "passthrough" },
 *       "files": [ ... ] }
 *
 * What is not set is null. Sizes are in bytes, 0 is "what the machine, image or bridge has"; times in microseconds,
 * null is no limit. macPolicy is derived, fixed or random; mac is null with the last. "bridge" of an interface is the
 * one it is plugged into, whoever makes it. Silent. */

#include <stdio.h>

#include "model.h"

/* 0, or negative errno. */
int json_print(const Model *m, FILE *f);
