/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The decisions of resolve.c over tables that stand here in place of the kernel's; tests/reaper/resolve.py has the real
 * ones. Two bridges, s1 (10) and s2 (20); taps of VMs a (11) and b (12) on s1, c (21) on s2; port 13 is a
 * stranger's. With VLANs, the host is in 1 on s1 and in 42 by s1.42 (14). */

#include <net/if.h>

#include "resolve.h"
#include "test.h"

static struct ether_addr mac_of(unsigned char n) {
        return (struct ether_addr){ { 0x52, 0x54, 0, 0, 0, n } };
}

static Neighbour neighbours[8]; /* of IP addresses, and without one: FDB entries */
static size_t n_neighbours;
static int kernel_error;
static bool vlans, dumped;

static void link_one(
                Link *l, int ifindex, int master, const char *name, const char *kind, const char *alias) {
        *l = (Link){ .ifindex = ifindex, .master = master };
        strcpy(l->name, name);
        strcpy(l->kind, kind);
        (void) alias_parse(alias, &l->alias);
}

int link_list(Rtnl *rtnl, const LinkFilter *filter, Link **ret, size_t *ret_n) {
        Link *l = calloc(3, sizeof(Link));

        assert_non_null(l);
        *ret = l;
        if (filter->kind) {
                assert_string_equal(filter->kind, "vlan");
                *ret_n = vlans ? 1 : 0;
                link_one(l, 14, 0, "s1.42", "vlan", NULL);
                l->lower = 10;
                l->vlan = 42;
                return 0;
        }
        assert_int_equal(filter->alias, ALIAS_TAP);
        link_one(l, 11, 10, "tap-a", "tun", "qnet:vm=a mac=52:54:00:00:00:0a");
        link_one(l + 1, 12, 10, "tap-b", "tun", "qnet:vm=b mac=52:54:00:00:00:0b");
        link_one(l + 2, 21, 20, "tap-c", "tun", "qnet:vm=c");
        *ret_n = 3;
        return 0;
}

int link_get(Rtnl *rtnl, int ifindex, Link *ret) {
        if (ifindex != 10 && ifindex != 20 && ifindex != 13)
                return -ENODEV;
        link_one(ret, ifindex, 0, ifindex == 10 ? "s1" : ifindex == 20 ? "s2" : "eth0", "bridge", NULL);
        ret->bridge.filters_vlans = vlans && ifindex == 10;
        return 0;
}

int port_get_vlans(Rtnl *rtnl, int ifindex, PortVlans *ret) {
        assert_int_equal(ifindex, 10);
        *ret = (PortVlans){ .pvid = 1 };
        return 0;
}

int neighbour_get(Rtnl *rtnl, int ifindex, const IPAddress *ip, Neighbour *ret) {
        for (size_t i = 0; i < n_neighbours && !kernel_error; i++)
                if (neighbours[i].ifindex == ifindex && ip_equal(&neighbours[i].ip, ip)) {
                        *ret = neighbours[i];
                        return 0;
                }
        return kernel_error ?: -ENOENT;
}

int neighbour_list(Rtnl *rtnl, int family, int ifindex, const struct ether_addr *mac, Neighbour **ret,
                size_t *ret_n) {
        *ret = calloc(ELEMENTSOF(neighbours), sizeof(Neighbour));
        *ret_n = 0;
        for (size_t i = 0; i < n_neighbours; i++)
                if (neighbours[i].ip.family == family && neighbours[i].ifindex == ifindex &&
                                mac_equal(&neighbours[i].mac, mac))
                        (*ret)[(*ret_n)++] = neighbours[i];
        return 0;
}

int fdb_get(Rtnl *rtnl, int bridge, const struct ether_addr *mac, uint16_t vlan, Neighbour *ret) {
        for (size_t i = 0; i < n_neighbours; i++)
                if (neighbours[i].ip.family == AF_UNSPEC && neighbours[i].master == bridge &&
                                neighbours[i].vlan == vlan && mac_equal(&neighbours[i].mac, mac)) {
                        *ret = neighbours[i];
                        return 0;
                }
        return -ENOENT;
}

int fdb_list(Rtnl *rtnl, int bridge, const struct ether_addr *mac, Neighbour **ret, size_t *ret_n) {
        assert_true(vlans);
        dumped = true;
        *ret = calloc(ELEMENTSOF(neighbours), sizeof(Neighbour));
        *ret_n = 0;
        for (size_t i = 0; i < n_neighbours; i++)
                if (neighbours[i].ip.family == AF_UNSPEC && neighbours[i].master == bridge &&
                                mac_equal(&neighbours[i].mac, mac))
                        (*ret)[(*ret_n)++] = neighbours[i];
        return 0;
}

const char *neighbour_state_to_string(uint16_t state) {
        return state == NUD_FAILED ? "FAILED" : "?";
}

static void have_ip(const char *ip, int device, unsigned char mac, uint16_t state) {
        Neighbour *n = neighbours + n_neighbours++;

        *n = (Neighbour){ .ifindex = device, .state = state, .has_mac = mac != 0, .mac = mac_of(mac) };
        assert_int_equal(parse_ip(ip, &n->ip), 0);
}

static void have_port(unsigned char mac, int bridge, int port) {
        neighbours[n_neighbours++] = (Neighbour){
                .ifindex = port, .master = bridge, .has_mac = true, .mac = mac_of(mac)
        };
}

static void have_port_in(unsigned char mac, uint16_t vlan, int port) {
        have_port(mac, 10, port);
        neighbours[n_neighbours - 1].vlan = vlan;
}

/* expected: the VM, or NULL with the error and a part of the reason. Begins anew after it. */
static void resolve_at(int line, const char *word, const char *expected, int error, const char *reason) {
        _cleanup_resolver_ Resolver *resolver = NULL;
        _cleanup_free_ char *why = NULL;
        Target t = { 0 };
        int r;

        assert_int_equal(resolver_new(NULL, &resolver), 0);
        r = resolve(resolver, word, &t, &why);
        if (r >= 0)
                r = resolve_check_claim(resolver, &t, &why);
        if (r != error || (expected && !streq(t.vm, expected)) || (reason && !(why && strstr(why, reason))))
                fail_msg("line %d: %s: %d, VM \"%s\", %s", line, word, r, t.vm, why ?: "no reason");
        n_neighbours = 0;
        kernel_error = 0;
}
#define found(word, vm)           resolve_at(__LINE__, word, vm, 0, NULL)
#define lost(word, error, reason) resolve_at(__LINE__, word, NULL, error, reason)

static void test_words(void **unused) {
        found("52:54:00:00:00:0A", "a");
        found("52:54:00:00:00:0b", "b");
        found("c", "c");
        found("not-there", "not-there"); /* whether it is a VM, systemd knows */
        lost("52:54:00:00:00:0c", -ENOENT, "belongs to no VM");
        lost("ff:ff:ff:ff:ff:ff", -EINVAL, "no address of a single station");
        lost("10.9.0.5/24", -EINVAL, "neither");
        lost("10.9.0.5%s1", -EINVAL, "neither");
        lost("fe80::1%", -EINVAL, "neither");
        lost("-x", -EINVAL, "neither");
        lost("10.9.0.5", -ENOENT, "not in the neighbour table");
}

static void test_addresses(void **unused) {
        have_ip("10.9.0.5", 10, 0xa, NUD_STALE);
        found("10.9.0.5", "a");
        have_ip("fe80::1", 10, 0xa, NUD_STALE), have_ip("fe80::1", 20, 0xc, NUD_STALE),
                        have_port(0xc, 20, 21);
        found("fe80::1%s2", "c");
        have_ip("fe80::1", 10, 0xa, NUD_STALE), have_ip("fe80::1", 20, 0xc, NUD_STALE),
                        have_port(0xc, 20, 21);
        lost("fe80::1", -ENOTUNIQ, "is VM a on s1 and VM c on s2");
        have_ip("10.9.0.5", 10, 0, NUD_FAILED);
        lost("10.9.0.5", -ENOENT, "is FAILED and has no MAC address any more");
        have_ip("10.9.0.5", 10, 0xee, NUD_REACHABLE);
        lost("10.9.0.5", -ENOENT, "no port there has heard it lately");
        kernel_error = -EPERM;
        lost("10.9.0.5", -EPERM, NULL);
}

static void test_liars(void **unused) {
        have_ip("10.9.0.5", 10, 0xa, NUD_STALE), have_port(0xa, 10, 12);
        lost("10.9.0.5", -ENOTUNIQ, "last heard it on tap-b, the port of VM b");
        have_ip("10.9.0.5", 10, 0xa, NUD_PERMANENT), have_port(0xa, 10, 13);
        lost("10.9.0.5", -ENOTUNIQ, "last heard it on eth0");
        have_ip("10.9.0.6", 10, 0xa, NUD_STALE), have_ip("10.9.0.5", 10, 0xa, NUD_PERMANENT);
        lost("10.9.0.6", -ENOTUNIQ, "claims to be at");
        have_ip("10.9.0.6", 10, 0xa, NUD_PERMANENT), have_ip("10.9.0.5", 10, 0xa, NUD_PERMANENT);
        found("10.9.0.6", "a");
        have_port(0xa, 10, 12);
        lost("52:54:00:00:00:0a", -ENOTUNIQ, "last heard it on tap-b");
}

static void test_vlans(void **unused) {
        vlans = true;
        have_ip("10.9.0.5", 14, 0xee, NUD_STALE), have_port_in(0xee, 42, 12);
        found("10.9.0.5", "b");
        assert_false(dumped);
        have_ip("10.9.0.5", 10, 0xee, NUD_STALE), have_port_in(0xee, 42, 12), have_port_in(0xee, 1, 11);
        found("10.9.0.5", "a");
        assert_false(dumped);
        have_ip("fe80::5", 14, 0xa, NUD_STALE), have_port_in(0xa, 42, 11);
        found("fe80::5%s1.42", "a");
        have_ip("fe80::5", 14, 0xa, NUD_STALE), have_port_in(0xa, 42, 11);
        lost("fe80::5%s1", -ENOENT, "not in the neighbour table");
        have_ip("10.9.0.5", 14, 0xa, NUD_STALE), have_port_in(0xa, 42, 12);
        lost("10.9.0.5", -ENOTUNIQ, "last heard it on tap-b, the port of VM b");
        have_ip("10.9.0.5", 10, 0xa, NUD_STALE), have_ip("10.9.0.5", 14, 0xb, NUD_STALE);
        lost("10.9.0.5", -ENOTUNIQ, "is VM a on s1 and VM b on s1.42");
        /* in no VLAN of the host's: pinned on the bridge, and heard where only a dump finds it */
        have_ip("10.9.0.5", 10, 0xa, NUD_PERMANENT), have_port_in(0xa, 7, 11);
        found("10.9.0.5", "a");
        have_ip("10.9.0.5", 10, 0xa, NUD_PERMANENT), have_port_in(0xa, 7, 11), have_port_in(0xa, 8, 12);
        lost("10.9.0.5", -ENOTUNIQ, "last heard it on tap-b");
        have_port_in(0xee, 7, 12);
        found("52:54:00:00:00:ee", "b");
        have_port_in(0xa, 7, 11);
        found("52:54:00:00:00:0a", "a");
        vlans = false;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_liars),
                cmocka_unit_test(test_vlans),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
