/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "names.h"

#define USER_LENGTH_MAX 31

uint64_t digest(const char *text, uint64_t seed) {
        uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

        for (const unsigned char *p = (const unsigned char *) text; *p; p++)
                h = (h ^ *p) * UINT64_C(0x100000001b3);
        h ^= h >> 33;
        h *= UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 33;
        h *= UINT64_C(0xc4ceb9fe1a85ec53);
        return h ^ h >> 33;
}

#define LOW_48_BITS UINT64_C(0xffffffffffff)

char *derive_tap(Arena *a, const char *vm, unsigned index) {
        char buf[NAME_LENGTH_MAX + 32];

        if (index == 0)
                snprintf(buf, sizeof(buf), "tap-%s", vm);
        else
                snprintf(buf, sizeof(buf), "tap%u-%s", index, vm);
        if (ifname_is_valid(buf))
                return arena_strdup(a, buf);
        snprintf(buf, sizeof(buf), "%s/%u", vm, index);
        return arena_printf(a, "tap%012" PRIx64, digest(buf, 0) & LOW_48_BITS);
}

char *derive_bridge(Arena *a, const char *name) {
        return ifname_is_valid(name) ? arena_strdup(a, name)
                                     : arena_printf(a, "sw%012" PRIx64, digest(name, 0) & LOW_48_BITS);
}

char *derive_user(Arena *a, const char *vm) {
        size_t n = strlen(vm);
        bool fits = n + strlen("qnet-") <= USER_LENGTH_MAX &&
                    strspn(vm, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;

        if (fits && !(n == 16 && strspn(vm, "0123456789abcdef") == n))
                return arena_printf(a, "qnet-%s", vm);
        return arena_printf(a, "qnet-%016" PRIx64, digest(vm, 0));
}

struct ether_addr derive_mac(const char *machine_id, const char *vm, unsigned index, unsigned attempt) {
        char buf[NAME_LENGTH_MAX + 128];
        uint64_t h;

        snprintf(buf, sizeof(buf), "%s/%s/%u/%u", machine_id, vm, index, attempt);
        h = digest(buf, 0);
        return (struct ether_addr){
                { 0x52, 0x54, 0x00, (uint8_t) (h >> 16), (uint8_t) (h >> 8), (uint8_t) h },
        };
}
