/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "alias.h"
#include "test.h"

#define alias_one(text, result, expected_kind, expected_name, expected_mac)                  \
        do {                                                                                 \
                char buf[MAC_STRING_SIZE];                                                   \
                Alias a;                                                                     \
                assert_int_equal(alias_parse(text, &a), result);                             \
                assert_int_equal(a.kind, expected_kind);                                     \
                assert_string_equal(a.name, expected_name);                                  \
                assert_string_equal(a.has_mac ? format_mac(&a.mac, buf) : "", expected_mac); \
        } while (0)
#define foreign_one(text, result) alias_one(text, result, ALIAS_FOREIGN, "", "")

#define NAME_63 "a23456789012345678901234567890123456789012345678901234567890123"

static void test_ours(void **state) {
        alias_one("qnet:vm=host1", 0, ALIAS_TAP, "host1", "");
        alias_one("qnet:vm=host1 mac=52:54:00:aa:bb:cc", 0, ALIAS_TAP, "host1", "52:54:00:aa:bb:cc");
        alias_one("qnet:switch=s1", 0, ALIAS_SWITCH, "s1", "");
        alias_one("qnet:vm=" NAME_63, 0, ALIAS_TAP, NAME_63, "");
        /* of a later version */
        alias_one("qnet:vm=a x=1 mac=52:54:00:aa:bb:cc y z=", 0, ALIAS_TAP, "a", "52:54:00:aa:bb:cc");
        alias_one("qnet:switch=s1 ", 0, ALIAS_SWITCH, "s1", "");
        alias_one("qnet:trunk=s1-s2", 0, ALIAS_TRUNK, "s1-s2", "");
        alias_one("qnet:vxlan=s1", 0, ALIAS_VXLAN, "s1", "");
        alias_one("qnet:wire=tap-a", 0, ALIAS_WIRE, "tap-a", "");
        alias_one("qnet:wire=_t", 0, ALIAS_WIRE, "_t", ""); /* no name of ours, but one of an interface */
}

static void test_foreign(void **state) {
        foreign_one(NULL, -ENOENT);
        foreign_one("", -ENOENT);
        foreign_one("uplink", -ENOENT);
        foreign_one("qnet", -ENOENT);
        foreign_one(" qnet:vm=a", -ENOENT);
        foreign_one("Qnet:vm=a", -ENOENT);
        foreign_one("qnet:", -EINVAL);
        foreign_one("qnet:vm", -EINVAL);
        foreign_one("qnet:vm=", -EINVAL);
        foreign_one("qnet:vm=../a", -EINVAL);
        foreign_one("qnet:=a", -EINVAL);
        foreign_one("qnet:trunk=s1/s2", -EINVAL);
        foreign_one("qnet:vm=a\n", -EINVAL);
        foreign_one("qnet:wire=a/b", -EINVAL);
        foreign_one("qnet:wire=a234567890123456", -EINVAL);
        foreign_one("qnet:vm=" NAME_63 "4", -EINVAL);
        foreign_one("qnet: vm=a", -EINVAL);
        foreign_one("qnet:mac=52:54:00:aa:bb:cc vm=a", -EINVAL);
        foreign_one("qnet:vm=a mac=", -EINVAL);
        foreign_one("qnet:vm=a mac=ff:ff:ff:ff:ff:ff", -EINVAL);
        foreign_one("qnet:vm=a mac=52:54:00:aa:bb:cc:dd", -EINVAL);
}

#define uplink_one(text, down, former)                                                       \
        do {                                                                                 \
                Alias a;                                                                     \
                assert_int_equal(alias_parse(text, &a), 0);                                  \
                assert_int_equal(a.kind, ALIAS_UPLINK);                                      \
                assert_int_equal(a.was_down, down);                                          \
                assert_string_equal(a.was > 0 ? (const char *) (text) + a.was : "", former); \
        } while (0)

static void test_uplink(void **state) {
        uplink_one("qnet:uplink=s1", false, "");
        uplink_one("qnet:uplink=s1 down", true, "");
        uplink_one("qnet:uplink=s1 was=nic of mine", false, "nic of mine");
        uplink_one("qnet:uplink=s1 down was= x", true, " x");
        uplink_one("qnet:uplink=s1 was=was=down was=", false, "was=down was=");
        uplink_one("qnet:uplink=s1 later=1 down", true, "");
        uplink_one("qnet:uplink=s1 was=", false, "");
        foreign_one("qnet:uplink=", -EINVAL);
        foreign_one("qnet:uplink= was=x", -EINVAL);
}

#define format_one(text)                                          \
        do {                                                      \
                char buf[ALIAS_SIZE];                             \
                Alias a;                                          \
                assert_int_equal(alias_parse(text, &a), 0);       \
                assert_string_equal(alias_format(&a, buf), text); \
        } while (0)

static void test_format(void **state) {
        format_one("qnet:vm=host1");
        format_one("qnet:vm=" NAME_63 " mac=52:54:00:aa:bb:cc");
        format_one("qnet:switch=" NAME_63);
        format_one("qnet:uplink=" NAME_63 " down");
        format_one("qnet:trunk=s1-s2");
        format_one("qnet:vxlan=s1");
}

static void test_too_long(void **state) {
        char text[1000];
        Alias a;

        memset(text, 'x', sizeof(text));
        memcpy(text, "qnet:vm=a ", 10);
        text[sizeof(text) - 1] = '\0';
        assert_int_equal(alias_parse(text, &a), -EINVAL);
        assert_int_equal(a.kind, ALIAS_FOREIGN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ours),
                cmocka_unit_test(test_foreign),
                cmocka_unit_test(test_uplink),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_too_long),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
