/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <libfdisk/libfdisk.h>
#include <sys/mman.h>

#include "partition-table.h"

DEFINE_CLEANUP(struct fdisk_context *, fdisk_unref_context)
DEFINE_CLEANUP(struct fdisk_table *, fdisk_unref_table)
DEFINE_CLEANUP(struct fdisk_iter *, fdisk_free_iter)
#define _cleanup_context_ _cleanup_(fdisk_unref_contextp)
#define _cleanup_table_   _cleanup_(fdisk_unref_tablep)
#define _cleanup_iter_    _cleanup_(fdisk_free_iterp)

#define SECTOR    UINT64_C(512)
#define HEAD_SIZE ((size_t) 1024 * 1024)
/* as many sectors as an MBR can tell, and more than any partition that we believe in */
#define DISK_SIZE (SECTOR << 32)

/* libfdisk takes no table that reaches beyond the end of the disk, which is the very case here: it is shown
 * the beginning of the image with nothing behind it, for as long as a disk can be. */
static int long_copy(int fd) {
        _cleanup_close_ int copy = memfd_create("qnet-disk", MFD_CLOEXEC);
        _cleanup_free_ char *head = malloc(HEAD_SIZE);
        size_t n = 0;

        if (copy < 0 || !head)
                return -errno;
        while (n < HEAD_SIZE) {
                ssize_t k = pread(fd, head + n, HEAD_SIZE - n, (off_t) n);

                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t) k;
        }
        if (pwrite(copy, head, n, 0) != (ssize_t) n || ftruncate(copy, (off_t) DISK_SIZE) < 0)
                return -errno;
        return TAKE_FD(copy);
}

typedef struct Extent {
        uint64_t end; /* sectors */
        bool tracks;  /* all partitions begin on one */
} Extent;

static int read_partitions(struct fdisk_context *c, Extent *ret) {
        _cleanup_table_ struct fdisk_table *table = NULL;
        _cleanup_iter_ struct fdisk_iter *iter = fdisk_new_iter(FDISK_ITER_FORWARD);
        unsigned long track = fdisk_get_geom_sectors(c);
        struct fdisk_partition *p;
        Extent e = { .tracks = track > 0 };
        int r;

        if (!iter)
                return -ENOMEM;
        r = fdisk_get_partitions(c, &table);
        if (r < 0)
                return r;
        while (fdisk_table_next_partition(table, iter, &p) == 0) {
                uint64_t start, size;

                if (!fdisk_partition_has_start(p) || !fdisk_partition_has_size(p))
                        continue;
                start = fdisk_partition_get_start(p);
                size = fdisk_partition_get_size(p);
                if (start > DISK_SIZE / SECTOR || size > DISK_SIZE / SECTOR)
                        return -EBADMSG;
                e.end = MAX(e.end, start + size);
                if (!fdisk_partition_is_nested(p)) /* logical ones begin where the extended one says */
                        e.tracks = e.tracks && start % track == 0;
        }
        *ret = e;
        return e.end > 0 ? 0 : -ENODATA;
}

static int mbr_end(struct fdisk_context *c, uint64_t *ret_sectors) {
        uint64_t cylinder = (uint64_t) fdisk_get_geom_heads(c) * fdisk_get_geom_sectors(c);
        Extent e;
        int r;

        r = read_partitions(c, &e);
        if (r < 0)
                return r;
        if (e.tracks && cylinder > 0)
                e.end = (e.end + cylinder - 1) / cylinder * cylinder;
        *ret_sectors = e.end;
        return 0;
}

static int gpt_end(struct fdisk_context *c, uint64_t *ret_sectors) {
        struct fdisk_labelitem *item = fdisk_new_labelitem();
        uint64_t last = 0;
        Extent e;
        int r;

        if (!item)
                return -ENOMEM;
        r = fdisk_get_disklabel_item(c, GPT_LABELITEM_ALTLBA, item);
        if (r == 0)
                r = fdisk_labelitem_get_data_u64(item, &last);
        fdisk_unref_labelitem(item);
        if (r != 0)
                return r < 0 ? r : -EBADMSG;
        r = read_partitions(c, &e);
        if (r < 0 && r != -ENODATA)
                return r;
        if (last == 0 || last >= DISK_SIZE / SECTOR || (r == 0 && e.end > last))
                return -EBADMSG;
        *ret_sectors = last + 1;
        return 0;
}

int partition_table_end(int fd, uint64_t *ret_bytes) {
        _cleanup_context_ struct fdisk_context *c = fdisk_new_context();
        _cleanup_close_ int copy = -1;
        uint64_t sectors;
        char path[64];
        int r;

        copy = long_copy(fd);
        if (copy < 0 || !c)
                return c ? copy : -ENOMEM;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
        r = fdisk_assign_device_by_fd(c, copy, path, true);
        if (r < 0)
                return r;
        if (fdisk_is_label(c, GPT))
                r = gpt_end(c, &sectors);
        else if (fdisk_is_label(c, DOS))
                r = mbr_end(c, &sectors);
        else
                r = -ENODATA;
        /* the context does not own the descriptor; only read from, nothing to sync */
        (void) fdisk_deassign_device(c, true);
        if (r < 0)
                return r;
        *ret_bytes = sectors * SECTOR;
        return 0;
}
