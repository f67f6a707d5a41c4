/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "report-line.h"
#include "test.h"

static void line_one(const char *text, size_t n, int result, const char *expected) {
        const char *start = "";
        size_t length = 0;

        assert_int_equal(report_line(text, n, &start, &length), result);
        assert_int_equal(length, strlen(expected));
        assert_memory_equal(start, expected, length);
}
#define line_is(text, result, expected) line_one(text, strlen(text), result, expected)

static void test_lines(void **state) {
        char longest[REPORT_LINE_MAX + 2];

        line_is("10.9.0.17", 1, "10.9.0.17");
        line_is(" \t10.9.0.17 reset\t \r", 1, "10.9.0.17 reset");
        line_is("", 0, "");
        line_is(" \t\r", 0, "");
        line_is("a\x1b[2Jb", -EILSEQ, "");
        line_is("a\nb", -EILSEQ, "");
        line_is("a\tb", -EILSEQ, "");
        line_is("\xc3\xbc", -EILSEQ, "");
        line_one("a\0b", 3, -EILSEQ, "");
        memset(longest, 'x', sizeof(longest));
        longest[REPORT_LINE_MAX + 1] = '\0';
        line_one(longest, REPORT_LINE_MAX + 1, -EMSGSIZE, "");
        longest[REPORT_LINE_MAX] = '\0';
        line_is(longest, 1, longest);
}

static bool allows(const char *rule, const char *peer) {
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
        struct sockaddr_in in = { .sin_family = AF_INET };
        ReportPeer p;

        assert_int_equal(report_peer_parse(rule, &p), 0);
        if (inet_pton(AF_INET, peer, &in.sin_addr) == 1)
                return report_peer_allowed((struct sockaddr *) &in, &p, 1);
        assert_int_equal(inet_pton(AF_INET6, peer, &in6.sin6_addr), 1);
        return report_peer_allowed((struct sockaddr *) &in6, &p, 1);
}

static void test_peers(void **state) {
        struct sockaddr_vm vm = { .svm_family = AF_VSOCK, .svm_cid = 3 };
        struct sockaddr_storage unknown = { .ss_family = AF_UNIX };
        char buf[REPORT_PEER_SIZE];
        ReportPeer p;

        assert_true(allows("10.9.0.17", "10.9.0.17"));
        assert_false(allows("10.9.0.17", "10.9.0.18"));
        assert_true(allows("10.9.0.0/20", "10.9.15.255"));
        assert_false(allows("10.9.0.0/20", "10.9.16.0"));
        assert_true(allows("10.9.0.17", "::ffff:10.9.0.17"));
        assert_true(allows("fd00::/65", "fd00::7fff:ffff:ffff:ffff"));
        assert_false(allows("fd00::/65", "fd00::8000:0:0:0"));
        assert_false(allows("fd00::1", "10.9.0.17"));
        assert_false(allows("cid:3", "10.9.0.17"));

        assert_int_equal(report_peer_parse("cid:3", &p), 0);
        assert_true(report_peer_allowed((struct sockaddr *) &vm, &p, 1));
        assert_string_equal(report_peer_format((struct sockaddr *) &vm, buf), "vsock context 3");
        vm.svm_cid = 4;
        assert_false(report_peer_allowed((struct sockaddr *) &vm, &p, 1));
        assert_false(report_peer_allowed((struct sockaddr *) &unknown, &p, 1));
        assert_false(report_peer_allowed((struct sockaddr *) &vm, NULL, 0));
        assert_int_equal(report_peer_parse("10.9.0.0/16", &p), 0);
        assert_false(report_peer_allowed((struct sockaddr *) &vm, &p, 1));

        for (const char *const *s = (const char *const[]){ "", "any", "cid:", "cid:-1", "cid:4294967295", "10.9.0.0/0",
                             "10.9.0.0/33", "10.9.0", "10.9.0.1/", "x/8", NULL }; *s; s++)
                assert_true(report_peer_parse(*s, &p) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_peers),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
