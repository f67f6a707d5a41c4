/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "blockdev.h"

#define DEVICES_MAX 4096 /* no host has a disk that so many devices are built on */

/* What a loop device stands over. */
typedef struct Backing {
        dev_t dev, rdev;
        ino_t ino;
} Backing;

static int fill_devno(BlockSet *s, dev_t devno, Relation relation);

void block_set_done(BlockSet *s) {
        free(s->devices);
        s->devices = NULL;
        s->n_devices = 0;
}

const BlockDevice *block_set_find(const BlockSet *s, dev_t devno) {
        for (size_t i = 0; i < s->n_devices; i++)
                if (s->devices[i].devno == devno)
                        return s->devices + i;
        return NULL;
}

char *block_device_describe(const BlockDevice *d) {
        static const char *const before[] = {
                [RELATION_PARTITION] = "its partition ",
                [RELATION_WHOLE] = "the whole disk ",
                [RELATION_HOLDER] = "",
                [RELATION_LOOP] = "",
        };
        static const char *const after[] = {
                [RELATION_PARTITION] = "",
                [RELATION_WHOLE] = "",
                [RELATION_HOLDER] = ", which is built on it,",
                [RELATION_LOOP] = ", a loop device over it,",
        };
        char *s = NULL;

        if (d->relation == RELATION_SELF)
                return strdup("it");
        if (asprintf(&s, "%s/dev/%s%s%s%s%s", before[d->relation], d->name, d->label[0] ? " (" : "", d->label,
                            d->label[0] ? ")" : "", after[d->relation]) < 0)
                return NULL;
        return s;
}

/* The first line of an attribute; false when there is none. */
static bool read_attribute(int dirfd, const char *path, char *buffer, size_t size) {
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        ssize_t n;

        n = fd >= 0 ? read(fd, buffer, size - 1) : -1;
        if (n < 0)
                return false;
        buffer[n] = '\0';
        buffer[strcspn(buffer, "\n")] = '\0';
        return true;
}

static bool read_devno(int dirfd, const char *path, dev_t *ret) {
        char text[32];
        unsigned major_number, minor_number;

        if (!read_attribute(dirfd, path, text, sizeof(text)) ||
                        sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
                return false;
        *ret = makedev(major_number, minor_number);
        return true;
}

static int add_device(BlockSet *s, int dirfd, dev_t devno, const char *name, Relation relation) {
        char text[8] = "";
        BlockDevice *d;

        if (s->n_devices >= DEVICES_MAX)
                return -E2BIG;
        d = reallocarray(s->devices, s->n_devices + 1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        s->devices = d;
        d += s->n_devices++;
        *d = (BlockDevice){ .devno = devno, .relation = relation };
        snprintf(d->name, sizeof(d->name), "%s", name);
        if (dirfd >= 0) {
                d->read_only = read_attribute(dirfd, "ro", text, sizeof(text)) && streq(text, "1");
                read_attribute(dirfd, "dm/name", d->label, sizeof(d->label));
        }
        return 0;
}

/* By device and inode, as a path may be of another mount namespace or long renamed; the path is the second
 * best. */
static bool loop_backing(const BlockSet *s, const char *name, Backing *ret) {
        char path[PATH_MAX], file[PATH_MAX];
        struct loop_info64 info;
        struct stat st;

        snprintf(path, sizeof(path), "%s/dev/%s", s->root, name);
        if (!s->root[0]) {
                _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

                if (fd >= 0 && fstat(fd, &st) >= 0 && S_ISBLK(st.st_mode) &&
                                ioctl(fd, LOOP_GET_STATUS64, &info) >= 0) {
                        *ret = (Backing){ (dev_t) info.lo_device, (dev_t) info.lo_rdevice,
                                (ino_t) info.lo_inode };
                        return true;
                }
        }

        snprintf(path, sizeof(path), "%s/sys/block/%s/loop/backing_file", s->root, name);
        if (!read_attribute(AT_FDCWD, path, file, sizeof(file)) || stat(file, &st) < 0)
                return false;
        *ret = (Backing){ st.st_dev, S_ISBLK(st.st_mode) ? st.st_rdev : 0, st.st_ino };
        return true;
}

/* Loop devices over a file (by st_dev and st_ino) or, when rdev is given, over a block device */
static int fill_loops(BlockSet *s, const Backing *of) {
        _cleanup_closedir_ DIR *dir = NULL;
        char path[PATH_MAX];
        struct dirent *e;

        snprintf(path, sizeof(path), "%s/sys/block", s->root);
        dir = opendir(path);
        while (dir && (e = readdir(dir))) {
                char attribute[300];
                Backing backing;
                dev_t devno;
                int r;

                if (!startswith(e->d_name, "loop"))
                        continue;
                snprintf(attribute, sizeof(attribute), "%s/loop/backing_file", e->d_name);
                if (faccessat(dirfd(dir), attribute, F_OK, 0) < 0 || !loop_backing(s, e->d_name, &backing))
                        continue;
                if (of->rdev ? backing.rdev != of->rdev : backing.dev != of->dev || backing.ino != of->ino)
                        continue;
                snprintf(attribute, sizeof(attribute), "%s/dev", e->d_name);
                if (!read_devno(dirfd(dir), attribute, &devno))
                        continue;
                r = fill_devno(s, devno, RELATION_LOOP);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What a subdirectory of the device's directory names: partitions lie in it, holders in "holders" */
static int fill_children(BlockSet *s, int device, const char *subdir, const char *mark, Relation relation) {
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *e;
        int fd;

        fd = openat(device, subdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                safe_close(fd);
                return 0;
        }
        while ((e = readdir(dir))) {
                char attribute[300];
                dev_t devno;
                int r;

                snprintf(attribute, sizeof(attribute), "%s/%s", e->d_name, mark);
                if (e->d_name[0] == '.' || faccessat(dirfd(dir), attribute, F_OK, 0) < 0)
                        continue;
                snprintf(attribute, sizeof(attribute), "%s/dev", e->d_name);
                if (!read_devno(dirfd(dir), attribute, &devno))
                        continue;
                r = fill_devno(s, devno, relation);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A partition of a partition's loop device is, to the disk that counts, a loop device. */
static Relation further(Relation parent, Relation child) {
        return parent == RELATION_SELF || parent == RELATION_PARTITION || child == RELATION_HOLDER ? child
                                                                                                   : parent;
}

static int fill_devno(BlockSet *s, dev_t devno, Relation relation) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *real = NULL;
        char path[PATH_MAX], name[32];
        dev_t whole;
        bool is_partition;
        int r;

        if (block_set_find(s, devno))
                return 0;
        snprintf(path, sizeof(path), "%s/sys/dev/block/%u:%u", s->root, major(devno), minor(devno));
        snprintf(name, sizeof(name), "block/%u:%u", major(devno), minor(devno));
        real = realpath(path, NULL);
        fd = real ? open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        r = add_device(s, fd, devno, fd >= 0 ? strrchr(real, '/') + 1 : name, relation);
        if (r < 0 || fd < 0)
                return r;

        is_partition = faccessat(fd, "partition", F_OK, 0) >= 0;
        if (is_partition && relation == RELATION_SELF && read_devno(fd, "../dev", &whole)) {
                r = fill_devno(s, whole, RELATION_WHOLE);
                if (r < 0)
                        return r;
        }
        if (!is_partition && relation != RELATION_WHOLE) { /* its other partitions are not our business */
                r = fill_children(s, fd, ".", "partition", further(relation, RELATION_PARTITION));
                if (r < 0)
                        return r;
        }
        r = fill_children(s, fd, "holders", "dev", further(relation, RELATION_HOLDER));
        if (r < 0)
                return r;
        return fill_loops(s, &(Backing){ .rdev = devno });
}

int block_set_fill(BlockSet *s, const struct stat *st) {
        return S_ISBLK(st->st_mode) ? fill_devno(s, st->st_rdev, RELATION_SELF)
                                    : fill_loops(s, &(Backing){ .dev = st->st_dev, .ino = st->st_ino });
}
