/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "parse-value.h"
#include "test.h"

#define size_one(s, result, value)                                                                           \
        do {                                                                                                 \
                uint64_t v = 4711;                                                                           \
                assert_int_equal(parse_size(s, &v), result);                                                 \
                assert_int_equal(v, (result) < 0 ? 4711 : (value));                                          \
        } while (0)

static void test_size(void **state) {
        size_one("0", 0, 0);
        size_one("512M", 0, 512 << 20);
        size_one("1.5G", 0, UINT64_C(3) << 29);
        size_one("1K", 0, 1024);
        size_one("7B", 0, 7);
        size_one("15E", 0, UINT64_C(15) << 60);
        size_one("16E", -ERANGE, 0);
        size_one("18446744073709551616", -ERANGE, 0);
        size_one("99999999999999999999999G", -ERANGE, 0);
        size_one("lots", -EINVAL, 0);
        size_one("", -EINVAL, 0);
        size_one("-1", -EINVAL, 0);
        size_one("1.5", -EINVAL, 0);
        size_one("1.M", -EINVAL, 0);
        size_one("1MB", -EINVAL, 0);
        size_one(" 1M", -EINVAL, 0);
        size_one("1M ", -EINVAL, 0);
        size_one("1m", -EINVAL, 0);
        size_one("0x10", -EINVAL, 0);
}

#define sec_one(s, result, value)                                                                            \
        do {                                                                                                 \
                usec_t v = 4711;                                                                             \
                assert_int_equal(parse_sec(s, &v), result);                                                  \
                assert_int_equal(v, (result) < 0 ? 4711 : (value));                                          \
        } while (0)

static void test_sec(void **state) {
        sec_one("5", 0, 5 * USEC_PER_SEC);
        sec_one("5s", 0, 5 * USEC_PER_SEC);
        sec_one("5 s", 0, 5 * USEC_PER_SEC);
        sec_one("1min 30s", 0, 90 * USEC_PER_SEC);
        sec_one("1min30s", 0, 90 * USEC_PER_SEC);
        sec_one("500ms", 0, 500 * USEC_PER_MSEC);
        sec_one("0.5s", 0, 500 * USEC_PER_MSEC);
        sec_one("2h", 0, 7200 * USEC_PER_SEC);
        sec_one("infinity", 0, USEC_INFINITY);
        sec_one("0", 0, 0);
        sec_one("", -EINVAL, 0);
        sec_one("s", -EINVAL, 0);
        sec_one("5 parsecs", -EINVAL, 0);
        sec_one("-5s", -EINVAL, 0);
        sec_one("5s x", -EINVAL, 0);
        sec_one("99999999999999999d", -ERANGE, 0);
}

#define boolean_one(s, result, value)                                                                        \
        do {                                                                                                 \
                bool v = !(value);                                                                           \
                assert_int_equal(parse_boolean(s, &v), result);                                              \
                assert_int_equal(v, (result) < 0 ? !(value) : (value));                                      \
        } while (0)

static void test_boolean(void **state) {
        boolean_one("yes", 0, true);
        boolean_one("On", 0, true);
        boolean_one("1", 0, true);
        boolean_one("no", 0, false);
        boolean_one("F", 0, false);
        boolean_one("", -EINVAL, false);
        boolean_one("2", -EINVAL, false);
        boolean_one("yes ", -EINVAL, false);
}

#define mac_one(s, result, text)                                                                             \
        do {                                                                                                 \
                struct ether_addr mac = { 0 };                                                               \
                char buf[MAC_STRING_SIZE];                                                                   \
                assert_int_equal(parse_mac(s, &mac), result);                                                \
                assert_string_equal(format_mac(&mac, buf), text);                                            \
        } while (0)

static void test_mac(void **state) {
        const char *none = "00:00:00:00:00:00";

        mac_one("52:54:00:12:34:56", 0, "52:54:00:12:34:56");
        mac_one("52:54:00:AB:cD:eF", 0, "52:54:00:ab:cd:ef");
        mac_one("01:00:5e:00:00:01", -EADDRNOTAVAIL, none);
        mac_one("ff:ff:ff:ff:ff:ff", -EADDRNOTAVAIL, none);
        mac_one("00:00:00:00:00:00", -EADDRNOTAVAIL, none);
        mac_one("52:54:00:12:34", -EINVAL, none);
        mac_one("52:54:00:12:34:5", -EINVAL, none);
        mac_one("52-54-00-12-34-56", -EINVAL, none);
        mac_one("52:54:00:12:34:5g", -EINVAL, none);
        mac_one("52:54:00:12:34:56:", -EINVAL, none);
}

#define ip_one(parse, format, s, result, text)                                                               \
        do {                                                                                                 \
                IPAddress ip = { .family = AF_INET };                                                        \
                char buf[IP_STRING_SIZE];                                                                    \
                assert_int_equal(parse(s, &ip), result);                                                     \
                assert_string_equal(format(&ip, buf), (result) < 0 ? format(&(IPAddress) { AF_INET }, (char[IP_STRING_SIZE]) { 0 }) : (text)); \
        } while (0)

static void test_ip(void **state) {
        ip_one(parse_ip, format_ip, "10.9.0.1", 0, "10.9.0.1");
        ip_one(parse_ip, format_ip, "fd00::1", 0, "fd00::1");
        ip_one(parse_ip, format_ip, "FD00:0::0001", 0, "fd00::1");
        ip_one(parse_ip, format_ip, "10.9.1", -EINVAL, "");
        ip_one(parse_ip, format_ip, "10.9.0.256", -EINVAL, "");
        ip_one(parse_ip, format_ip, "10.9.0.1/24", -EINVAL, "");
        ip_one(parse_ip, format_ip, "fe80::1%eth0", -EINVAL, "");
        ip_one(parse_ip, format_ip, "", -EINVAL, "");
        ip_one(parse_ip_prefix, format_ip_prefix, "10.9.0.1/24", 0, "10.9.0.1/24");
        ip_one(parse_ip_prefix, format_ip_prefix, "fd00::1/64", 0, "fd00::1/64");
        ip_one(parse_ip_prefix, format_ip_prefix, "10.9.0.1", -EINVAL, "");
        ip_one(parse_ip_prefix, format_ip_prefix, "10.9.0.1/0", -ERANGE, "");
        ip_one(parse_ip_prefix, format_ip_prefix, "10.9.0.1/33", -ERANGE, "");
        ip_one(parse_ip_prefix, format_ip_prefix, "10.9.0.1/", -EINVAL, "");
}

static void test_names(void **state) {
        assert_true(name_is_valid("host1"));
        assert_true(name_is_valid("9.A_b-c"));
        assert_true(name_is_valid("a23456789012345678901234567890123456789012345678901234567890123"));
        assert_false(name_is_valid("a234567890123456789012345678901234567890123456789012345678901234"));
        assert_false(name_is_valid(""));
        assert_false(name_is_valid("-a"));
        assert_false(name_is_valid(".a"));
        assert_false(name_is_valid("a/b"));
        assert_false(name_is_valid("a b"));
        assert_false(name_is_valid("h\xc3\xb6st"));

        assert_true(ifname_is_valid("tap-host1"));
        assert_true(ifname_is_valid("abcdefghijklmno"));
        assert_false(ifname_is_valid("abcdefghijklmnop"));
        assert_false(ifname_is_valid(""));
        assert_false(ifname_is_valid("."));
        assert_false(ifname_is_valid("all"));
        assert_false(ifname_is_valid("default"));
        assert_false(ifname_is_valid("lo"));
        assert_true(ifname_is_valid("lo1"));
        assert_false(ifname_is_valid("a:b"));
        assert_false(ifname_is_valid("a%d"));
        assert_false(ifname_is_valid("--help"));
}

static void test_paths(void **state) {
        assert_true(path_is_normalized("/"));
        assert_true(path_is_normalized("/a/b c"));
        assert_true(path_is_normalized("/..a/b.."));
        assert_false(path_is_normalized(""));
        assert_false(path_is_normalized("a"));
        assert_false(path_is_normalized("/a/"));
        assert_false(path_is_normalized("//a"));
        assert_false(path_is_normalized("/a/./b"));
        assert_false(path_is_normalized("/a/.."));
}

static void test_text(void **state) {
        assert_true(text_is_printable(""));
        assert_true(text_is_printable("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
        assert_false(text_is_printable("a\nb"));
        assert_false(text_is_printable("\x7f"));
        assert_false(text_is_printable("\xc3"));
        assert_false(text_is_printable("\xc0\xaf"));
        assert_false(text_is_printable("\xed\xa0\x80"));
        assert_false(text_is_printable("\xf4\x90\x80\x80"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_size), cmocka_unit_test(test_sec),   cmocka_unit_test(test_boolean),
                cmocka_unit_test(test_mac),  cmocka_unit_test(test_ip),    cmocka_unit_test(test_names),
                cmocka_unit_test(test_paths), cmocka_unit_test(test_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
