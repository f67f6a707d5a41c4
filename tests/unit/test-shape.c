/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shape.h"
#include "test.h"

static Shape parsed(const char *text) {
        const char *why = NULL;
        Shape s;

        assert_int_equal(shape_parse(text, &s, &why), 0);
        return s;
}

static void test_words(void **state) {
        Shape s = parsed("rate=1000000,delay=5000,jitter=1000,loss=10000,duplicate=2,corrupt=3,reorder=1000000");

        assert_int_equal(s.rate, 1000000);
        assert_int_equal(s.delay, 5000);
        assert_int_equal(s.jitter, 1000);
        assert_int_equal(s.loss, 10000);
        assert_int_equal(s.duplicate, 2);
        assert_int_equal(s.corrupt, 3);
        assert_int_equal(s.reorder, 1000000);
        assert_int_equal(parsed("loss=1000000").loss, 1000000);
        assert_true(shape_is_empty(&(Shape){ 0 }));
        s = parsed("rate=0,loss=0");
        assert_true(shape_is_empty(&s));
        s = parsed("corrupt=1");
        assert_false(shape_is_empty(&s));
        assert_false(shape_is_rate_only(&s));
        s = parsed("rate=8");
        assert_true(shape_is_rate_only(&s));
        s = parsed("rate=8,loss=1");
        assert_false(shape_is_rate_only(&s));
}

static void refused_one(const char *text, const char *expected) {
        Shape s = { .rate = 77 };
        const char *why = NULL;

        assert_int_equal(shape_parse(text, &s, &why), -EINVAL);
        if (!strstr(why, expected))
                fail_msg("%s: \"%s\" does not say \"%s\"", text, why, expected);
        assert_int_equal(s.rate, 77);
}

static void test_refused(void **state) {
        refused_one("", "is not a list");
        refused_one("rate", "is not a list");
        refused_one("rates=1", "is not a list");
        refused_one("rate=1000,", "is not a list");
        refused_one("rate=1000 delay=1", "not a number of bit/s");
        refused_one("rate=1k", "not a number of bit/s");
        refused_one("rate=-1", "not a number of bit/s");
        refused_one("rate=1000000000001", "up to 10^12");
        refused_one("rate=7", "below 8 bit/s");
        refused_one("delay=5ms", "microseconds");
        refused_one("delay=3600000001", "up to an hour");
        refused_one("delay=9000000,jitter=2147484", "up to 2147483");
        refused_one("delay=1,jitter=2", "more jitter than delay");
        refused_one("jitter=1", "more jitter than delay");
        refused_one("loss=1000001", "in a million");
        refused_one("loss=1%", "in a million");
        refused_one("rate=1000,reorder=1", "without delay=");
}

/* All the frames that are under way find room, also the smallest, and a queue of some 100 ms before them */
static void test_room(void **state) {
        Shape s = parsed("delay=1000");
        assert_int_equal(shape_frames(&s), 1000);
        s = parsed("delay=100000");
        assert_int_equal(shape_frames(&s), 100000);
        s = parsed("delay=3600000000,jitter=2147483");
        assert_int_equal(shape_frames(&s), 1000000);
        s = parsed("rate=1000000000000,delay=3600000000,jitter=2147483");
        assert_int_equal(shape_frames(&s), 1000000);
        s = parsed("rate=48000000,delay=100000");
        assert_in_range(shape_frames(&s), 10000 + 100, 10000 + 500);
        s = parsed("rate=48000000,delay=100000,jitter=50000");
        assert_in_range(shape_frames(&s), 15000 + 100, 15000 + 500);
        s = parsed("rate=64000,loss=1");
        assert_int_equal(shape_frames(&s), 100);

        s = parsed("rate=1000000000");
        assert_int_equal(shape_burst(&s, 1500), 2500000);
        assert_int_equal(shape_backlog(&s, 1500), 12500000);
        s = parsed("rate=8");
        assert_int_equal(shape_burst(&s, 1500), 2 * 1522);
        assert_int_equal(shape_backlog(&s, 1500), 32 * 1522);
        s = parsed("rate=1000000000000");
        assert_int_equal(shape_burst(&s, 65521), 2500000000);
        assert_int_equal(shape_backlog(&s, 65521), INT32_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_room),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
