/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <net/if.h>

#include "names.h"

#define USER_LENGTH_MAX 31

#define LOW_48_BITS  UINT64_C(0xffffffffffff)
#define DIGEST_START UINT64_C(0xcbf29ce484222325)

/* No printf(3) here: at each reload these names are made for every VM. */

static uint64_t digest_add(uint64_t h, const char *text) {
        for (const unsigned char *p = (const unsigned char *) text; *p; p++)
                h = (h ^ *p) * UINT64_C(0x100000001b3);
        return h;
}

static uint64_t digest_add_number(uint64_t h, unsigned n) {
        char buf[16], *p = buf + sizeof(buf) - 1;

        *p = '\0';
        do
                *--p = (char) ('0' + n % 10);
        while ((n /= 10) > 0);
        return digest_add(h, p);
}

static uint64_t digest_end(uint64_t h) {
        h ^= h >> 33;
        h *= UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 33;
        h *= UINT64_C(0xc4ceb9fe1a85ec53);
        return h ^ h >> 33;
}

uint64_t digest(const char *text) {
        return digest_end(digest_add(DIGEST_START, text));
}

static char *join(Arena *a, const char *prefix, const char *name) {
        size_t n = strlen(prefix), m = strlen(name);
        char *p = arena_alloc(a, n + m + 1);

        if (p)
                memcpy(mempcpy(p, prefix, n), name, m);
        return p;
}

char *derive_tap(Arena *a, const char *vm, unsigned index) {
        char prefix[32] = "tap-";
        uint64_t h;

        if (index > 0)
                snprintf(prefix, sizeof(prefix), "tap%u-", index);
        if (strlen(prefix) + strlen(vm) < IF_NAMESIZE) /* a VM's name has no bytes that a tap's has not */
                return join(a, prefix, vm);
        h = digest_end(digest_add_number(digest_add(digest_add(DIGEST_START, vm), "/"), index));
        return arena_printf(a, "tap%012" PRIx64, h & LOW_48_BITS);
}

char *derive_bridge(Arena *a, const char *name) {
        return ifname_is_valid(name) ? arena_strdup(a, name)
                                     : arena_printf(a, "sw%012" PRIx64, digest(name) & LOW_48_BITS);
}

/* With a '-' in a name, two pairs of switches could come to the same. */
char *derive_trunk_port(Arena *a, const char *self, const char *peer, unsigned number) {
        uint64_t h;

        if (number == 0 && strlen("tr--") + strlen(self) + strlen(peer) < IF_NAMESIZE && !strchr(self, '-') &&
                        !strchr(peer, '-'))
                return arena_printf(a, "tr-%s-%s", self, peer);
        h = digest_add(digest_add(digest_add(digest_add(DIGEST_START, self), "/"), peer), "/");
        return arena_printf(a, "tr%012" PRIx64, digest_end(digest_add_number(h, number)) & LOW_48_BITS);
}

char *derive_vxlan(Arena *a, const char *name) {
        return strlen("vx-") + strlen(name) < IF_NAMESIZE
                               ? join(a, "vx-", name)
                               : arena_printf(a, "vx%012" PRIx64, digest(name) & LOW_48_BITS);
}

char *derive_user(Arena *a, const char *vm) {
        size_t n = strlen(vm), n_hex = 0, n_fit = 0;

        for (size_t i = 0; i < n; i++) {
                bool digit = vm[i] >= '0' && vm[i] <= '9';
                n_hex += digit || (vm[i] >= 'a' && vm[i] <= 'f');
                n_fit += digit || (vm[i] >= 'a' && vm[i] <= 'z') || vm[i] == '_' || vm[i] == '-';
        }
        if (n_fit == n && n + strlen("qnet-") <= USER_LENGTH_MAX && !(n == 16 && n_hex == n))
                return join(a, "qnet-", vm);
        return arena_printf(a, "qnet-%016" PRIx64, digest(vm));
}

uint64_t derive_mac_seed(const char *machine_id) {
        return digest_add(digest_add(DIGEST_START, machine_id), "/");
}

struct ether_addr derive_mac(uint64_t seed, const char *vm, unsigned index, unsigned attempt) {
        uint64_t h = digest_add(seed, vm);

        h = digest_end(digest_add_number(
                        digest_add(digest_add_number(digest_add(h, "/"), index), "/"), attempt));
        return (struct ether_addr){
                { 0x52, 0x54, 0x00, (uint8_t) (h >> 16), (uint8_t) (h >> 8), (uint8_t) h },
        };
}
