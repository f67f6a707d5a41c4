/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "cursor.h"
#include "test.h"

#define LOG "/run/qnet/a b%.log"

static char directory[] = "/tmp/qnet-test-cursor-XXXXXX";
static int state = -1;

static int set_up(void **unused) {
        return mkdtemp(directory) && cursor_open_state(directory, true, &state) == 0 ? 0 : -1;
}

static int tear_down(void **unused) {
        char command[128];

        safe_close(state);
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

static Tail some_tail(uint64_t inode, uint64_t offset) {
        Tail t = {
                .set = true,
                .id = { .device = 7,
                                .inode = inode,
                                .birth_sec = 1,
                                .birth_nsec = 999999999,
                                .handle_type = -1,
                                .n_handle = 3,
                                .handle = { 0, 1, 255 } },
                .offset = offset,
                .size = UINT64_MAX,
                .mtime_sec = -5,
                .mtime_nsec = 1,
                .skipping = true,
                .n_fingerprint = (unsigned) MIN(offset, (uint64_t) FINGERPRINT_MAX),
                .name = "kill log.1\n",
        };

        for (unsigned i = 0; i < t.n_fingerprint; i++)
                t.fingerprint[i] = (unsigned char) i;
        return t;
}

static Pending some_pending(const char *vm) {
        Pending p = { .invocation = SD_ID128_MAKE(
                                      01, 23, 45, 67, 89, ab, cd, ef, 01, 23, 45, 67, 89, ab, cd, ef),
                .line = "fe80::1%s1",
                .ip = "fe80::1",
                .bridge = "s1" };

        strcpy(p.vm, vm);
        return p;
}

static void tail_equal(const Tail *a, const Tail *b) {
        assert_true(a->set && b->set);
        assert_true(a->id.device == b->id.device && file_id_equal(&a->id, &b->id));
        assert_true(a->offset == b->offset && a->size == b->size && a->skipping == b->skipping);
        assert_true(a->mtime_sec == b->mtime_sec && a->mtime_nsec == b->mtime_nsec);
        assert_int_equal(a->n_fingerprint, b->n_fingerprint);
        assert_memory_equal(a->fingerprint, b->fingerprint, a->n_fingerprint);
        assert_string_equal(a->name, b->name);
}

static void test_round_trip(void **unused) {
        _cleanup_cursor_ Cursor c = {
                .lines = 42, .current = some_tail(1, 3), .previous = some_tail(UINT64_MAX, 1000)
        };
        _cleanup_cursor_ Cursor d = { 0 };
        Pending p = some_pending("host-1.a"), q = some_pending("b");

        p.has_rung = true;
        p.rung = RUNG_POWERDOWN;
        p.step = STEP_LADDER;
        p.before.bytes[3] = 7;
        assert_int_equal(cursor_load(state, "/nothing", &d), 0);
        assert_int_equal(cursor_add_pending(&c, &p), 0);
        assert_int_equal(cursor_add_pending(&c, &p), -EEXIST);
        assert_int_equal(cursor_add_pending(&c, &q), 0);
        assert_int_equal(cursor_save(state, LOG, &c), 0);
        assert_int_equal(cursor_load(state, LOG, &d), 1);
        assert_int_equal(d.lines, 42);
        tail_equal(&c.current, &d.current);
        tail_equal(&c.previous, &d.previous);
        assert_int_equal(d.n_pending, 2);
        assert_string_equal(d.pending[0].vm, "host-1.a");
        assert_string_equal(d.pending[0].line, "fe80::1%s1");
        assert_string_equal(d.pending[0].mac, "");
        assert_string_equal(d.pending[0].bridge, "s1");
        assert_true(sd_id128_equal(d.pending[0].invocation, p.invocation));
        assert_true(d.pending[0].has_rung && d.pending[0].rung == RUNG_POWERDOWN);
        assert_int_equal(d.pending[0].step, STEP_LADDER);
        assert_true(sd_id128_equal(d.pending[0].before, p.before));
        assert_false(d.pending[1].has_rung);
        assert_int_equal(d.pending[1].step, STEP_RESTART);
        assert_true(cursor_drop_pending(&d, "host-1.a"));
        assert_false(cursor_drop_pending(&d, "host-1.a"));
        assert_string_equal(d.pending[0].vm, "b");
}

static void test_list(void **unused) {
        _cleanup_cursor_ Cursor c = { 0 };
        _cleanup_strv_ char **logs = NULL;
        char longer[3000];

        memset(longer, 'x', sizeof(longer));
        longer[0] = '/';
        longer[sizeof(longer) - 1] = '\0';
        assert_int_equal(cursor_save(state, LOG, &c), 0);
        assert_int_equal(cursor_save(state, longer, &c), 0);
        assert_int_equal(cursor_load(state, longer, &c), 1);
        assert_int_equal(cursor_list(state, &logs), 0);
        assert_int_equal(strv_length(logs), 2);
        assert_true(strv_contains(logs, LOG));
        assert_true(strv_contains(logs, longer));
}

static void file_name_one(const char *log, const char *expected) {
        char name[NAME_MAX + 1];

        assert_int_equal(cursor_file_name(log, name), 0);
        assert_string_equal(name, expected);
}

static void test_file_name(void **unused) {
        file_name_one("/run/qnet/kill.log", "%2Frun%2Fqnet%2Fkill.log");
        file_name_one("/a b/\xc3\xa4%", "%2Fa%20b%2F%C3%A4%25");
}

static void write_raw(const char *text, size_t n) {
        char name[NAME_MAX + 1];
        int fd;

        assert_int_equal(cursor_file_name(LOG, name), 0);
        fd = openat(state, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, n), n);
        close(fd);
}

static void damaged_one(const char *text) {
        _cleanup_cursor_ Cursor c = { 0 };

        write_raw(text, strlen(text));
        assert_int_equal(cursor_load(state, LOG, &c), -EBADMSG);
}

#define HEAD "qnet-reaper-cursor 1\nlog %2Frun%2Fqnet%2Fa%20b%25.log\n"
#define ID   "00000000000000000000000000000001"

static void test_damaged(void **unused) {
        _cleanup_cursor_ Cursor c = { 0 };
        static const char nul[] = HEAD "lines 1\0\nend\n";

        write_raw(HEAD "end\n", strlen(HEAD "end\n"));
        assert_int_equal(cursor_load(state, LOG, &c), 1);
        damaged_one("");
        damaged_one("qnet-reaper-cursor 2\nend\n");
        damaged_one(HEAD);
        damaged_one(HEAD "end");
        damaged_one(HEAD "end\nlines 1\n");
        damaged_one("qnet-reaper-cursor 1\nlog %2Fother\nend\n");
        damaged_one(HEAD "lines -1\nend\n");
        damaged_one(HEAD "lines 99999999999999999999\nend\n");
        damaged_one(HEAD "bogus\nend\n");
        damaged_one(HEAD "current 1 2\nend\n");
        damaged_one(HEAD "current 1 2 3.4 0:- 5 6 7.8 0 - zz\nend\n");
        damaged_one(HEAD
                        "current 1 2 3.4 0:- 5 6 7.8 0 - 0a\nend\n"); /* five bytes before the offset, one given */
        damaged_one(HEAD "current 1 2 3.4 0:- 1 6 7.8 2 - 0a\nend\n");
        damaged_one(HEAD "current 1 2 3.4 0:- 1 6 7.8 0 %2Fetc 0a\nend\n");
        damaged_one(HEAD "current 1 2 3.4 0:- 1 6 7.8 0 - 0a x\nend\n");
        damaged_one(HEAD "pending a b c\nend\n");
        damaged_one(HEAD "pending ../x " ID " l - - - -\nend\n");
        damaged_one(HEAD "pending x " ID " l - - - - -\nend\n");
        damaged_one(HEAD "pending x " ID " l - - - - up ladder " ID "\nend\n");
        damaged_one(HEAD "pending x " ID " l - - - - - climb " ID "\nend\n");
        damaged_one(HEAD "pending x " ID " l - - - - - ladder 1\nend\n");
        damaged_one(HEAD "pending x " ID " l - - - - - ladder " ID " x\nend\n");
        write_raw(nul, sizeof(nul) - 1);
        assert_int_equal(cursor_load(state, LOG, &c), -EBADMSG);
}

/* as it was written before there were steps */
static void test_older(void **unused) {
        static const char text[] = HEAD "pending x " ID " l - - - -\nend\n";
        _cleanup_cursor_ Cursor c = { 0 };

        write_raw(text, sizeof(text) - 1);
        assert_int_equal(cursor_load(state, LOG, &c), 1);
        assert_int_equal(c.n_pending, 1);
        assert_int_equal(c.pending[0].step, STEP_RESTART);
        assert_false(c.pending[0].has_rung);
}

static void test_identity(void **unused) {
        FileId a = some_tail(1, 0).id, b = a;

        assert_true(file_id_equal(&a, &b));
        b.device++; /* renumbered at boot */
        assert_true(file_id_equal(&a, &b));
        b.handle[0]++;
        assert_false(file_id_equal(&a, &b));
        b = a;
        b.birth_nsec--;
        assert_false(file_id_equal(&a, &b));
        b = a;
        b.inode++;
        assert_false(file_id_equal(&a, &b));
        a.n_handle = 0, a.birth_sec = a.birth_nsec = 0;
        b = a;
        b.device++;
        assert_false(file_id_equal(&a, &b));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_file_name),
                cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_older), cmocka_unit_test(test_identity),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
