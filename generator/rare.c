/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "rare.h"

/* a struct in all objects of a type, by the member that points to it */
#define RARE(type, member, all)                                                              \
        {                                                                                    \
                .pointer = offsetof(type, member), .size = sizeof(*((type *) NULL)->member), \
                .defaults = (1 ? &(all) : ((type *) NULL)->member) /* of the same type */    \
        }

const Hardware hardware_defaults;
const Rare rare_hardware = RARE(VM, hardware, hardware_defaults);

const Firmware firmware_defaults;
const Rare rare_firmware = RARE(VM, firmware, firmware_defaults);

const Wire wire_defaults = { .capture_size = CAPTURE_SIZE_DEFAULT, .capture_files = CAPTURE_FILES_DEFAULT };
const Rare rare_wire = RARE(Interface, wire, wire_defaults);

const Recovery recovery_defaults = { .timeout = 30 * USEC_PER_SEC };
const Rare rare_recovery = RARE(VM, recovery, recovery_defaults);

const Life life_defaults;
const Rare rare_life = RARE(VM, life, life_defaults);

const Fabric fabric_defaults;
const Rare rare_fabric = RARE(Switch, fabric, fabric_defaults);

const VXLAN vxlan_defaults;
const Rare rare_vxlan = RARE(Switch, vxlan, vxlan_defaults);

void *rare_own(Arena *a, void *object, const Rare *rare) {
        void **pointer = (void **) (void *) ((char *) object + rare->pointer);
        void *own;

        assert(*pointer);
        if (*pointer != rare->defaults)
                return *pointer;
        own = arena_alloc(a, rare->size);
        if (!own)
                return NULL;
        return *pointer = memcpy(own, rare->defaults, rare->size);
}
