/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "disk-size.h"
#include "locks.h"
#include "log.h"
#include "partition-table.h"
#include "place.h"
#include "qemu-img.h"

#define SECTOR 512

static uint64_t whole_sectors(uint64_t bytes) {
        return (bytes + SECTOR - 1) / SECTOR * SECTOR;
}

static int resolve_automatic(const char *image, int fd, const Content *content, uint64_t *ret) {
        int r;

        if (content->qcow2)
                return log_error_errno(EMEDIUMTYPE,
                                "Size=auto is for raw images, and %s is a qcow2 image; say the size.", image);
        r = partition_table_end(fd, ret);
        if (r == -ENODATA)
                return log_error_errno(r,
                                "Size=auto: image %s has no partition table to tell its size; say the size.",
                                image);
        if (r == -EBADMSG)
                return log_error_errno(r,
                                "Size=auto: the partition table of image %s makes no sense; say the size.",
                                image);
        if (r < 0)
                return log_error_errno(r, "Cannot read the partition table of image %s: %m", image);
        return 0;
}

int disk_size_resolve(
                const DiskSize *wanted, const char *image, int fd, const Content *content, uint64_t *ret) {
        uint64_t size = wanted->bytes;
        int r;

        if (wanted->automatic) {
                r = resolve_automatic(image, fd, content, &size);
                if (r < 0)
                        return r;
        }
        *ret = MAX(whole_sectors(size), content->size);
        return 0;
}

static int create_raw(const char *path, uint64_t size) {
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0 || ftruncate(fd, (off_t) size) < 0)
                return log_error_errno(errno, "Cannot make %s, of %" PRIu64 " bytes: %m", path, size);
        return 0;
}

int image_create(const char *image, const char *format, uint64_t size) {
        _cleanup_place_ Place place = { .fd = -1 };
        _cleanup_free_ char *path = NULL;
        struct stat st;
        int r;

        if (stat(image, &st) >= 0)
                return 0;
        if (errno != ENOENT)
                return log_error_errno(errno, "Cannot open image %s: %m", image);
        umask(0077); /* whoever is to open it gets an entry of its own */
        size = whole_sectors(size);
        r = place_open(&place, image);
        if (r >= 0)
                r = place_begin(&place, &path);
        if (r >= 0)
                r = streq(format ?: "raw", "qcow2") ? qemu_img_create(path, NULL, NULL, size)
                                                    : create_raw(path, size);
        if (r >= 0)
                r = place_commit(&place, false);
        if (r == -EEXIST && lstat(image, &st) >= 0 && S_ISLNK(st.st_mode))
                return log_error_errno(EEXIST,
                                "Image %s is a link to nothing: remove it, or make what it leads to.", image);
        return r == -EEXIST ? 0 : r;
}

static int log_too_small(const char *image, uint64_t size, uint64_t wanted) {
        return log_error_errno(ENOSPC,
                        "Disk %s has %" PRIu64 " bytes, less than the %" PRIu64
                        " that Size= asks for, and cannot be made larger here.",
                        image, size, wanted);
}

static int refuse_if_used(const char *image, int fd) {
        _cleanup_free_ char *holder = NULL;
        int r;

        r = image_is_locked(fd, true, &holder);
        if (r < 0)
                return log_error_errno(r, "Cannot find out who uses %s: %m", image);
        if (r > 0)
                return log_error_errno(EBUSY,
                                "%s is in use by %s, so it cannot be made larger; stop that first.", image,
                                holder);
        return 0;
}

int image_grow(const char *image, const char *format, const DiskSize *wanted) {
        _cleanup_close_ int fd = open(image, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        Content content;
        struct stat st;
        uint64_t size;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return log_error_errno(errno, "Cannot open image %s to make it larger: %m", image);
        if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
                return log_error_errno(EINVAL, "Image %s is neither a file nor a disk.", image);
        r = content_check(image, fd, &st, format, &content);
        if (r >= 0)
                r = disk_size_resolve(wanted, image, fd, &content, &size);
        if (r < 0)
                return r;
        if (wanted->bytes > 0 && whole_sectors(wanted->bytes) < content.size)
                log_warning("Image %s stays at %" PRIu64
                            " bytes, more than Size= says: nothing is ever cut off.",
                                image, content.size);
        if (size <= content.size)
                return 0;
        if (S_ISBLK(st.st_mode) && !content.qcow2)
                return log_too_small(image, content.size, size);
        r = refuse_if_used(image, fd);
        if (r < 0)
                return r;
        if (content.qcow2)
                return qemu_img_grow(image, size);
        /* one step: whatever happens, the file has the one length or the other */
        if (ftruncate(fd, (off_t) size) < 0 || fsync(fd) < 0)
                return log_error_errno(
                                errno, "Cannot make image %s larger, to %" PRIu64 " bytes: %m", image, size);
        return 0;
}
