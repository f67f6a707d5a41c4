/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which block devices of the host show the bytes of a disk or an image: itself, its partitions, the whole
 * disk that it is a partition of, what is built on them (device mapper, md: "holders" in sysfs), and loop
 * devices over any of these or over the image file. From sysfs (Documentation/ABI/stable/sysfs-block) and
 * loop(4); changes nothing. Silent. */

#include <sys/stat.h>
#include <sys/types.h>

#include "cleanup.h"

typedef enum Relation {
        RELATION_SELF,
        RELATION_PARTITION, /* of it */
        RELATION_WHOLE,     /* it is a partition of this */
        RELATION_HOLDER,    /* built on it */
        RELATION_LOOP,      /* a loop device over it */
} Relation;

typedef struct BlockDevice {
        dev_t devno;
        char name[64];  /* the kernel's, as in /dev and /sys/class/block */
        char label[64]; /* of a device mapper device, else "" */
        Relation relation;
        bool read_only;
} BlockDevice;

typedef struct BlockSet {
        const char *root; /* "", or in tests where /sys, /proc and /dev are */
        BlockDevice *devices;
        size_t n_devices;
} BlockSet;

void block_set_done(BlockSet *s);

/* st: of a block device or a regular file. A device without sysfs entry is a set of its own. */
int block_set_fill(BlockSet *s, const struct stat *st);
const BlockDevice *block_set_find(const BlockSet *s, dev_t devno); /* NULL when it is not in the set */
/* "it", "its partition /dev/sda1", "/dev/dm-0 (vg-home), which is built on it": for a sentence about the
 * disk */
char *block_device_describe(const BlockDevice *d);
