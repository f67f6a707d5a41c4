/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <libmount.h>
#include <limits.h>
#include <stdarg.h>

#include "blockdev.h"
#include "mounts.h"

DEFINE_CLEANUP(struct libmnt_table *, mnt_unref_table)
DEFINE_CLEANUP(struct libmnt_iter *, mnt_free_iter)
#define _cleanup_table_     _cleanup_(mnt_unref_tablep)
#define _cleanup_iter_      _cleanup_(mnt_free_iterp)
#define _cleanup_block_set_ _cleanup_(block_set_done)

typedef struct Question {
        const char *root;
        const struct stat *st;
        bool write;
        bool mounted_read_only; /* found a mount, but one that does no harm */
        BlockSet set;
        char *use; /* the answer */
} Question;

static int answer(Question *q, const char *format, ...) _printf_(2, 3);
static int answer(Question *q, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&q->use, format, ap);
        va_end(ap);
        if (r < 0) {
                q->use = NULL;
                return -ENOMEM;
        }
        return 1;
}

/* libmount returns negative errno, and 1 for "nothing more" or for lines that it did not understand */
static int read_table(const Question *q, const char *file, int (*parse)(struct libmnt_table *, const char *),
                struct libmnt_table **ret_table, struct libmnt_iter **ret_iter) {
        _cleanup_table_ struct libmnt_table *table = mnt_new_table();
        _cleanup_iter_ struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
        char path[PATH_MAX];
        int r;

        if (!table || !iter)
                return -ENOMEM;
        snprintf(path, sizeof(path), "%s%s", q->root, file);
        r = parse(table, path);
        if (r < 0)
                return r == -1 ? -errno : r;
        *ret_table = TAKE_PTR(table);
        *ret_iter = TAKE_PTR(iter);
        return 0;
}

/* The device of the set that a path, of the tables, leads to; the number of some file systems (btrfs) is
 * not that of their device. */
static const BlockDevice *find_by_path(const Question *q, const char *path) {
        struct stat st;

        if (!path || !startswith(path, "/dev/") || stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
                return NULL;
        return block_set_find(&q->set, st.st_rdev);
}

static bool superblock_is_read_only(struct libmnt_fs *fs) {
        const char *options = mnt_fs_get_fs_options(fs);

        return options && mnt_optstr_get_option(options, "ro", NULL, NULL) == 0;
}

static int ask_mounts(Question *q) {
        _cleanup_table_ struct libmnt_table *table = NULL;
        _cleanup_iter_ struct libmnt_iter *iter = NULL;
        struct libmnt_fs *fs;
        int r;

        r = read_table(q, "/proc/self/mountinfo", mnt_table_parse_file, &table, &iter);
        if (r < 0)
                return r;
        while (mnt_table_next_fs(table, iter, &fs) == 0) {
                const BlockDevice *d = block_set_find(&q->set, mnt_fs_get_devno(fs));
                _cleanup_free_ char *who = NULL;

                d = d ?: find_by_path(q, mnt_fs_get_srcpath(fs));
                if (!d)
                        continue;
                if (!q->write && superblock_is_read_only(fs)) {
                        q->mounted_read_only = true;
                        continue;
                }
                who = block_device_describe(d);
                if (!who)
                        return -ENOMEM;
                return answer(q, "%s is mounted on %s: type 'umount %s' first", who, mnt_fs_get_target(fs),
                                mnt_fs_get_target(fs));
        }
        return 0;
}

static int ask_swaps(Question *q) {
        _cleanup_table_ struct libmnt_table *table = NULL;
        _cleanup_iter_ struct libmnt_iter *iter = NULL;
        struct libmnt_fs *fs;
        int r;

        r = read_table(q, "/proc/swaps", mnt_table_parse_swaps, &table, &iter);
        if (r < 0)
                return r == -ENOENT ? 0 : r; /* a kernel without swap */
        while (mnt_table_next_fs(table, iter, &fs) == 0) {
                const char *path = mnt_fs_get_source(fs);
                const BlockDevice *d = find_by_path(q, path);
                struct stat st;

                if (!d && (!path || stat(path, &st) < 0 || S_ISBLK(st.st_mode) ||
                                          st.st_dev != q->st->st_dev || st.st_ino != q->st->st_ino))
                        continue;
                return answer(q, "it is swap space of the host (%s): type 'swapoff %s' first", path, path);
        }
        return 0;
}

/* Volumes and loop devices that nobody has mounted may be at any time, and have a cache of their own
 * already. */
static int ask_holders(Question *q) {
        for (size_t i = 0; i < q->set.n_devices; i++) {
                const BlockDevice *d = q->set.devices + i;

                if (d->read_only && !q->write)
                        continue;
                if (d->relation == RELATION_HOLDER)
                        return answer(q, "/dev/%s%s%s%s is built on it: take that apart first", d->name,
                                        d->label[0] ? " (" : "", d->label, d->label[0] ? ")" : "");
                if (d->relation == RELATION_LOOP && q->write)
                        return answer(q, "/dev/%s is a loop device over it: type 'losetup -d /dev/%s' first",
                                        d->name, d->name);
        }
        return 0;
}

/* open(2): O_EXCL without O_CREAT fails with EBUSY on a block device that the kernel uses, in whichever
 * namespace. */
static int ask_kernel(Question *q) {
        if (q->mounted_read_only)
                return 0;
        for (size_t i = 0; i < q->set.n_devices; i++) {
                const BlockDevice *d = q->set.devices + i;
                _cleanup_close_ int fd = -1;
                char path[PATH_MAX];

                if (d->relation != RELATION_SELF && d->relation != RELATION_LOOP)
                        continue;
                snprintf(path, sizeof(path), "%s/dev/%s", q->root, d->name);
                fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
                if (fd < 0 && errno == EBUSY)
                        return answer(q,
                                        "the kernel has /dev/%s in use, perhaps mounted in a container; "
                                        "'lsblk' and 'lsof /dev/%s' tell more",
                                        d->name, d->name);
        }
        return 0;
}

static int ask(Question *q) {
        static int (*const questions[])(Question *) = { ask_mounts, ask_swaps, ask_holders, ask_kernel };
        int r;

        r = block_set_fill(&q->set, q->st);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(questions); i++)
                r = questions[i](q);
        return r;
}

int host_uses_disk(const char *root, const struct stat *st, bool write, char **ret_use) {
        Question q = { .root = root, .st = st, .write = write, .set.root = root };
        int r;

        r = ask(&q);
        block_set_done(&q.set);
        if (r > 0)
                *ret_use = q.use;
        return r;
}
