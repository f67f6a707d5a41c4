/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the disk guard makes of sysfs and the mount table: a made-up host with disks, partitions, LVM, RAID and loop
 * devices, which no test machine has all of. Real loop devices, mounts and swap: tests/machine/run. */

#include <fcntl.h>
#include <limits.h>
#include <sys/sysmacros.h>

#include "blockdev.h"
#include "mounts.h"
#include "qcow2.h"
#include "test.h"

static char root[] = "/tmp/test-mounts-XXXXXX";

static void make_dirs(char *path) {
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                mkdir(path, 0755);
                *slash = '/';
        }
}

static void put(const char *path, const char *text) {
        char full[PATH_MAX];
        FILE *f;

        snprintf(full, sizeof(full), "%s%s", root, path);
        make_dirs(full);
        f = fopen(full, "we");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

static void put_link(const char *path, const char *target) {
        char full[PATH_MAX], to[PATH_MAX];

        snprintf(full, sizeof(full), "%s%s", root, path);
        snprintf(to, sizeof(to), "%s%s", root, target);
        make_dirs(full);
        assert_int_equal(symlink(to, full), 0);
}

/* path: below /sys/devices */
static void put_device(const char *path, const char *devno, bool partition, bool read_only) {
        char p[512], target[256];

        snprintf(target, sizeof(target), "/sys/devices/%s", path);
        snprintf(p, sizeof(p), "%s/dev", target);
        put(p, devno);
        snprintf(p, sizeof(p), "%s/ro", target);
        put(p, read_only ? "1\n" : "0\n");
        snprintf(p, sizeof(p), "%s/partition", target);
        if (partition)
                put(p, "1\n");
        snprintf(p, sizeof(p), "/sys/dev/block/%s", devno);
        put_link(p, target);
        if (!strchr(path, '/')) {
                snprintf(p, sizeof(p), "/sys/block/%s", path);
                put_link(p, target);
        }
}

static void put_holder(const char *path, const char *holder) {
        char p[512], target[256];

        snprintf(p, sizeof(p), "/sys/devices/%s/holders/%s", path, holder);
        snprintf(target, sizeof(target), "/sys/devices/%s", holder);
        put_link(p, target);
}

/* sda: sda1, sda2 (LVM: dm-0 "vg-home"); sdb (RAID: md0 with md0p1); sdc: sdc1, read-only volume dm-1; sdd; loop0 over
 * the file "image"; loop1 over sdd, with dm-2 on it */
static int make_host(void **state) {
        char file[PATH_MAX];

        assert_non_null(mkdtemp(root));
        put_device("sda", "8:0", false, false);
        put_device("sda/sda1", "8:1", true, false);
        put_device("sda/sda2", "8:2", true, false);
        put_device("dm-0", "254:0", false, false);
        put("/sys/devices/dm-0/dm/name", "vg-home\n");
        put_holder("sda/sda2", "dm-0");
        put_device("sdb", "8:16", false, false);
        put_device("md0", "9:0", false, false);
        put_device("md0/md0p1", "259:0", true, false);
        put_holder("sdb", "md0");
        put_device("sdc", "8:32", false, false);
        put_device("sdc/sdc1", "8:33", true, false);
        put_device("dm-1", "254:1", false, true);
        put_holder("sdc/sdc1", "dm-1");
        put_device("sdd", "8:48", false, false);

        put("/image", "an image");
        snprintf(file, sizeof(file), "%s/image\n", root);
        put_device("loop0", "7:0", false, false);
        put("/sys/devices/loop0/loop/backing_file", file);
        put_device("loop0/loop0p1", "259:1", true, false);
        put_device("loop1", "7:1", false, false); /* not in use: no backing_file */
        put("/dev/nothing", "");
        return 0;
}

static int remove_host(void **state) {
        char command[PATH_MAX];

        snprintf(command, sizeof(command), "rm -r %s", root);
        return system(command);
}

static struct stat disk(unsigned major_number, unsigned minor_number) {
        return (struct stat){ .st_mode = S_IFBLK | 0600, .st_rdev = makedev(major_number, minor_number) };
}

static struct stat image(void) {
        char file[PATH_MAX];
        struct stat st;

        snprintf(file, sizeof(file), "%s/image", root);
        assert_int_equal(stat(file, &st), 0);
        return st;
}

/* mounted: "MAJOR:MINOR ro|rw" or "" */
static void host_one(int line, const char *mounted, struct stat st, bool write, const char *expected) {
        _cleanup_free_ char *use = NULL;
        char table[256], devno[32], mode[8];
        int r;

        put("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
        put("/proc/self/mountinfo", "21 1 0:20 / /proc rw,nosuid - proc proc rw\n");
        if (sscanf(mounted, "%31s %7s", devno, mode) == 2) {
                snprintf(table, sizeof(table),
                                "22 1 %s / /mnt/a\\040b rw,relatime shared:1 - ext4 /dev/x %s,errors=remount-ro\n",
                                devno, mode);
                put("/proc/self/mountinfo", table);
        }
        r = host_uses_disk(root, &st, write, &use);
        if (r != (expected != NULL))
                fail_msg("line %d: %d, %s", line, r, use ?: "-");
        if (expected && !strstr(use, expected))
                fail_msg("line %d: '%s' is not in '%s'", line, expected, use);
}
#define HOST(...) host_one(__LINE__, __VA_ARGS__)

static void test_mounted(void **state) {
        HOST("8:48 rw", disk(8, 48), true, "it is mounted on /mnt/a b");
        HOST("8:48 rw", disk(8, 48), false, "umount");
        HOST("8:48 ro", disk(8, 48), true, "it is mounted");
        HOST("8:48 ro", disk(8, 48), false, NULL);
        HOST("", disk(8, 48), true, NULL);
        HOST("8:1 rw", disk(8, 48), true, NULL);
        HOST("8:1 rw", disk(8, 1), true, "it is mounted");
}

static void test_partitions(void **state) {
        HOST("8:1 rw", disk(8, 0), true, "its partition /dev/sda1 is mounted on");
        HOST("8:1 rw", disk(8, 0), false, "its partition /dev/sda1 is mounted on");
        HOST("8:33 ro", disk(8, 32), false, NULL);
        HOST("8:33 ro", disk(8, 32), true, "its partition /dev/sdc1");
        /* the neighbour's partition is none of ours */
        HOST("8:2 rw", disk(8, 1), true, NULL);
        HOST("8:0 rw", disk(8, 1), true, "the whole disk /dev/sda is mounted on");
}

static void test_holders(void **state) {
        HOST("254:0 rw", disk(8, 0), true, "/dev/dm-0 (vg-home), which is built on it, is mounted on");
        HOST("254:0 rw", disk(8, 2), true, "/dev/dm-0 (vg-home), which is built on it, is mounted on");
        HOST("", disk(8, 2), true, "/dev/dm-0 (vg-home) is built on it");
        HOST("", disk(8, 2), false, "/dev/dm-0 (vg-home) is built on it");
        HOST("", disk(8, 1), true, NULL);
        HOST("259:0 rw", disk(8, 16), true, "/dev/md0p1, which is built on it, is mounted");
        HOST("", disk(8, 32), true, "dm-1");
        HOST("", disk(8, 32), false, NULL);
        /* the volume itself is free */
        HOST("", disk(254, 0), true, NULL);
}

static void test_loops(void **state) {
        HOST("", image(), true, "/dev/loop0 is a loop device over it");
        HOST("", image(), false, NULL);
        HOST("7:0 rw", image(), false, "/dev/loop0, a loop device over it, is mounted");
        HOST("7:0 ro", image(), false, NULL);
        HOST("7:0 ro", image(), true, "/dev/loop0");
        HOST("259:1 rw", image(), false, "/dev/loop0p1, a loop device over it, is mounted");
        HOST("", disk(7, 0), true, NULL);
        HOST("259:1 rw", disk(7, 0), true, "its partition /dev/loop0p1");
}

static void test_odd(void **state) {
        _cleanup_free_ char *use = NULL;
        struct stat st = image();
        char table[PATH_MAX + 64];

        HOST("", disk(200, 1), true, NULL); /* not in sysfs */
        HOST("200:1 rw", disk(200, 1), true, "it is mounted");

        put("/proc/self/mountinfo", "");
        snprintf(table, sizeof(table), "Filename\tType\tSize\tUsed\tPriority\n%s/image file 1 0 -2\n", root);
        put("/proc/swaps", table);
        assert_int_equal(host_uses_disk(root, &st, false, &use), 1);
        assert_non_null(strstr(use, "swap"));

        /* cannot tell: an error, never "free" */
        snprintf(table, sizeof(table), "%s/proc/self/mountinfo", root);
        assert_int_equal(unlink(table), 0);
        assert_true(host_uses_disk(root, &st, false, &use) < 0);
}

/* ---- the header of a qcow2 ---- */

static const char valid[] = "QFI\xfb"
                            "\0\0\0\3"
                            "\0\0\0\0\0\0\0\x90"
                            "\0\0\0\6"
                            "\0\0\0\x10"
                            "\0\0\0\0\0\x10\0\0" /* backing at 144 */
                            "\0\0\0\0"
                            "\0\0\0\0"
                            "\0\0\0\0\0\0\0\0"
                            "\0\0\0\0\0\0\0\0"
                            "\0\0\0\1"
                            "\0\0\0\0"
                            "\0\0\0\0\0\0\0\0"
                            "\0\0\0\0\0\0\0\0"
                            "\0\0\0\0\0\0\0\0"
                            "\0\0\0\0\0\0\0\0"
                            "\0\0\0\4"
                            "\0\0\0\x68" /* to 104 */
                            "\0\0\0\1"
                            "\0\0\0\3"
                            "abc\0\0\0\0\0"
                            "\xe2\x79\x2a\xca"
                            "\0\0\0\3"
                            "raw\0\0\0\0\0"
                            "\0\0\0\0"
                            "\0\0\0\0"
                            "/a,b:c";

static void qcow2_one(int line, size_t offset, const char *patch, size_t n, size_t length, int expected) {
        char bytes[sizeof(valid)], path[PATH_MAX];
        Qcow2 q;
        int fd, r;

        memcpy(bytes, valid, sizeof(valid));
        memcpy(bytes + offset, patch, n);
        snprintf(path, sizeof(path), "%s/x.qcow2", root);
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(write(fd, bytes, length) == (ssize_t) length);
        r = qcow2_read(fd, &q);
        close(fd);
        if (r != expected)
                fail_msg("line %d: %d", line, r);
        if (r == 0 && (q.size != 0x100000 || !streq(q.backing_file, "/a,b:c") ||
                                      !streq(q.backing_format, "raw")))
                fail_msg("line %d: size %llu file '%s' format '%s'", line, (unsigned long long) q.size,
                                q.backing_file, q.backing_format);
}
#define QCOW2(offset, patch, length, expected) \
        qcow2_one(__LINE__, offset, patch, sizeof(patch) - 1, length, expected)

static void test_qcow2(void **state) {
        size_t all = sizeof(valid) - 1;

        assert_int_equal(all, 150);
        QCOW2(0, "", all, 0);
        QCOW2(0, "QFJ", all, -EMEDIUMTYPE);
        QCOW2(0, "", 0, -EMEDIUMTYPE);
        QCOW2(0, "", 3, -EMEDIUMTYPE);
        QCOW2(0, "", 71, -EBADMSG);
        QCOW2(0, "", 103, -EBADMSG);
        QCOW2(0, "", 120, -EBADMSG);
        QCOW2(0, "", 149, -EBADMSG);
        QCOW2(7, "\4", all, -EBADMSG);
        QCOW2(8, "\xff\xff\xff\xff\xff\xff\xff\xff", all, -EBADMSG);
        QCOW2(16, "\x7f\xff\xff\xff", all, -EBADMSG);
        QCOW2(144, "a\0", all, -EBADMSG);
        QCOW2(100, "\xff\xff\xff\xff", all, -EBADMSG);
        QCOW2(108, "\xff\xff\xff\xff", all, -EBADMSG);
        QCOW2(124, "\0\0\0\x40", all, -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_mounted),
                cmocka_unit_test(test_partitions),
                cmocka_unit_test(test_holders),
                cmocka_unit_test(test_loops),
                cmocka_unit_test(test_odd),
                cmocka_unit_test(test_qcow2),
        };
        return cmocka_run_group_tests(tests, make_host, remove_host);
}
