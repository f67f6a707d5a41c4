/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The reaper as a whole, as far as it goes without systemd: a run on logs in which nothing is new. */

#include <sys/stat.h>

#include "log.h"
#include "reaper.h"
#include "strv.h"
#include "test.h"

static char directory[] = "/tmp/qnet-test-reaper-XXXXXX";

static int set_up(void **state) {
        return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state) {
        char command[64];

        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

static unsigned count_fds(void) {
        _cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(d);
        while (readdir(d))
                n++;
        return n;
}

/* The event loop has descriptors of its own, which show whether it was freed. */
static void test_nothing_new(void **state) {
        char log[64], place[64];
        char *logs[] = { log, NULL };
        const ReaperOptions options = { .logs = logs, .state = place, .settle = 10 * USEC_PER_MSEC };
        unsigned before = count_fds();

        snprintf(log, sizeof(log), "%s/kill.log", directory);
        snprintf(place, sizeof(place), "%s/state", directory);
        assert_int_equal(reaper_run(&options), 0);
        assert_int_equal(reaper_run(&options), 0);
        assert_int_equal(count_fds(), before);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_nothing_new) };

        log_setup("test-reaper");
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
