/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test.h"
#include "vlan-set.h"

/* n: how many; the first and the last of them */
#define set_one(text, n, first, last)                            \
        do {                                                     \
                VlanSet set;                                     \
                unsigned found = 0;                              \
                assert_int_equal(vlan_set_parse(text, &set), 0); \
                for (unsigned v = 0; v < 4096; v++)              \
                        found += vlan_set_has(&set, v);          \
                assert_int_equal(found, n);                      \
                assert_true(vlan_set_has(&set, first));          \
                assert_true(vlan_set_has(&set, last));           \
        } while (0)
#define bad_one(text, result)                                         \
        do {                                                          \
                VlanSet set = { { 1 } };                              \
                assert_int_equal(vlan_set_parse(text, &set), result); \
                assert_int_equal(set.bits[0], 1);                     \
        } while (0)

static void test_lists(void **state) {
        set_one("1", 1, 1, 1);
        set_one("4094", 1, 4094, 4094);
        set_one("10,20-30", 12, 10, 30);
        set_one("20-30,10,25", 12, 10, 30);
        set_one("7-7", 1, 7, 7);
        set_one("1-4094", 4094, 1, 4094);
        set_one("63,64,127-128", 4, 63, 128);
}

static void test_bad_lists(void **state) {
        bad_one("", -EINVAL);
        bad_one(",", -EINVAL);
        bad_one("10,", -EINVAL);
        bad_one("10, 20", -EINVAL);
        bad_one("10 20", -EINVAL);
        bad_one("30-20", -EINVAL);
        bad_one("10-", -EINVAL);
        bad_one("-10", -EINVAL);
        bad_one("10-20-30", -EINVAL);
        bad_one("0", -ERANGE);
        bad_one("4095", -ERANGE);
        bad_one("1-4095", -ERANGE);
        bad_one("99999999999", -ERANGE);
}

static void test_ports(void **state) {
        PortVlans port = port_vlans_access(10);
        VlanSet tagged;

        assert_true(port.pvid == 10 && vlan_set_has(&port.members, 10) && vlan_set_has(&port.untagged, 10));
        port = port_vlans_access(0);
        assert_true(port.pvid == 0 && vlan_set_is_empty(&port.members));
        assert_int_equal(vlan_set_parse("10,20", &tagged), 0);
        port = port_vlans_trunk(&tagged, 20); /* the native one is without a tag, also if it is in the list */
        assert_true(port.pvid == 20 && vlan_set_has(&port.untagged, 20) && !vlan_set_has(&port.untagged, 10));
        port = port_vlans_trunk(&tagged, 0);
        assert_true(port.pvid == 0 && vlan_set_is_empty(&port.untagged) && vlan_set_has(&port.members, 20));
}

static void test_runs(void **state) {
        unsigned first = 7, last = 7;
        VlanSet set, more;

        assert_int_equal(vlan_set_parse("1,10-12,13,4000-4094", &set), 0);
        assert_true(vlan_set_run(&set, 1, &first, &last) && first == 1 && last == 1);
        assert_true(vlan_set_run(&set, 2, &first, &last) && first == 10 && last == 13);
        assert_true(vlan_set_run(&set, 14, &first, &last) && first == 4000 && last == 4094);
        assert_false(vlan_set_run(&set, 4095, &first, &last));
        assert_int_equal(vlan_set_parse("2-9", &more), 0);
        vlan_set_add_all(&set, &more);
        assert_true(vlan_set_run(&set, 1, &first, &last) && first == 1 && last == 13);
        assert_false(vlan_set_run(&(VlanSet){ 0 }, 1, &first, &last));
        /* the ends of words of bits, and all */
        assert_int_equal(vlan_set_parse("63-64,127,192-255", &set), 0);
        assert_true(vlan_set_run(&set, 1, &first, &last) && first == 63 && last == 64);
        assert_true(vlan_set_run(&set, 64, &first, &last) && first == 64 && last == 64);
        assert_true(vlan_set_run(&set, 65, &first, &last) && first == 127 && last == 127);
        assert_true(vlan_set_run(&set, 128, &first, &last) && first == 192 && last == 255);
        assert_false(vlan_set_run(&set, 256, &first, &last));
        assert_int_equal(vlan_set_parse("1-4094", &set), 0);
        assert_true(vlan_set_run(&set, 1, &first, &last) && first == 1 && last == 4094);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lists),
                cmocka_unit_test(test_bad_lists),
                cmocka_unit_test(test_ports),
                cmocka_unit_test(test_runs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
