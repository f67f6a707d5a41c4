/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <systemd/sd-id128.h>

#include "switch-mac.h"

/* Locally administered (IEEE 802); FNV-1a. */
struct ether_addr switch_mac(const char *name) {
        static const sd_id128_t application = SD_ID128_MAKE(
                        6f, 1d, 2a, 83, 0c, 57, 4e, 9b, a2, 64, d0, 3e, 91, b8, 7c, 15);
        struct ether_addr mac;
        sd_id128_t machine;
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        if (sd_id128_get_machine_app_specific(application, &machine) < 0)
                machine = application;
        for (size_t i = 0; i < sizeof(machine.bytes); i++)
                h = (h ^ machine.bytes[i]) * UINT64_C(0x100000001b3);
        for (const char *p = name; *p; p++)
                h = (h ^ (unsigned char) *p) * UINT64_C(0x100000001b3);
        for (size_t i = 0; i < sizeof(mac.ether_addr_octet); i++)
                mac.ether_addr_octet[i] = (uint8_t) (h >> (8 * i + 8));
        mac.ether_addr_octet[0] = (uint8_t) ((mac.ether_addr_octet[0] & 0xfc) | 0x02);
        return mac;
}

static bool is_half_made(const Link *link, const char *name) {
        struct ether_addr mac = switch_mac(name);

        return !*link->alias_text && !(link->flags & IFF_UP) && link->has_mac && mac_equal(&link->mac, &mac);
}

bool switch_has(const Link *link, const char *name) {
        return link_is_bridge(link) &&
               ((link->alias.kind == ALIAS_SWITCH && streq(link->alias.name, name)) || is_half_made(link, name));
}
