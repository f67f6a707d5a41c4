/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "access.h"
#include "log.h"
#include "overlay.h"
#include "place.h"
#include "qcow2.h"
#include "qemu-img.h"

static int log_no_access(const Overlay *o, int r) {
        Identity me = { geteuid(), getegid() };
        _cleanup_free_ char *culprit = NULL;

        if (r == -ENOENT)
                return log_error_errno(r, "Image %s does not exist.", o->backing);
        if (r != -EACCES)
                return log_error_errno(r, "Cannot open image %s: %m", o->backing);
        (void) access_check(&me, o->backing, false, &culprit);
        if (culprit)
                return log_error_errno(r,
                                "Image %s is out of the virtual machine's reach: its user (%u) may not search %s; "
                                "type 'chmod o+x %s', or move the image.",
                                o->backing, me.uid, culprit, culprit);
        return log_error_errno(r,
                        "Image %s is not readable for the virtual machine's user (%u); type 'chmod o+r %s'.",
                        o->backing, me.uid, o->backing);
}

static int open_backing(const Overlay *o, struct stat *ret_st, uint64_t *ret_size) {
        _cleanup_close_ int fd = open(o->backing, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        Content content;
        uint64_t size;
        int r;

        if (fd < 0)
                return log_no_access(o, -errno);
        if (fstat(fd, ret_st) < 0)
                return log_error_errno(errno, "Cannot stat image %s: %m", o->backing);
        if (!S_ISREG(ret_st->st_mode) && !S_ISBLK(ret_st->st_mode))
                return log_error_errno(EINVAL, "Image %s is neither a file nor a disk.", o->backing);
        r = content_check(o->backing, fd, ret_st, o->format, &content);
        if (r >= 0)
                r = disk_size_resolve(&o->size, o->backing, fd, &content, &size);
        if (r < 0)
                return r;
        if (o->size.bytes > 0 && o->size.bytes < content.size)
                return log_error_errno(ERANGE,
                                "Size= of %" PRIu64 " bytes is less than the %" PRIu64 " of image %s.",
                                o->size.bytes, content.size, o->backing);
        *ret_size = size;
        return 0;
}

/* An image written to after the overlay was made shows the guest a mix of both. Not an error: "touch" does
 * the same. */
static void warn_if_newer(const Overlay *o, int fd, const struct stat *backing) {
        struct statx x;

        if (S_ISBLK(backing->st_mode) || statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &x) < 0 ||
                        !(x.stx_mask & STATX_BTIME))
                return;
        if (backing->st_mtim.tv_sec > x.stx_btime.tv_sec)
                log_warning("Image %s was changed after the overlay %s was made from it; "
                            "the guest may see a damaged disk. "
                            "Remove the overlay to start afresh.",
                                o->backing, o->path);
}

static int log_other_backing(const Overlay *o, const Qcow2 *q) {
        if (!o->backing)
                return log_error_errno(ESTALE,
                                "%s is an overlay of %s, but the disk is to be one without Image=; "
                                "remove %s to start afresh with that, or say Image=.",
                                o->path, q->backing_file, o->path);
        return log_error_errno(ESTALE,
                        "%s is an overlay of %s, but the disk is to be one of %s; "
                        "remove %s to start afresh with that, or correct Image=.",
                        o->path, q->backing_file[0] ? q->backing_file : "nothing", o->backing, o->path);
}

/* size: what it would be if it were made now */
static int fit(const Overlay *o, uint64_t size, const Qcow2 *q) {
        if (o->size.bytes == 0 && !o->size.automatic)
                return 0;
        if (size > q->size)
                return qemu_img_grow(o->path, size);
        if (size < q->size)
                log_warning("%s stays at %" PRIu64 " bytes, more than Size= says: nothing is ever cut off.",
                                o->path, q->size);
        return 0;
}

/* backing: NULL for a disk without */
static int check_existing(const Overlay *o, int fd, const struct stat *backing, uint64_t size) {
        Qcow2 q;
        int r;

        r = qcow2_read(fd, &q);
        if (r < 0)
                return log_error_errno(r,
                                "%s is not a qcow2 image, or a damaged one; remove it to start with a fresh %s%s.",
                                o->path, backing ? "overlay of " : "disk", backing ? o->backing : "");
        if (!streq(q.backing_file, o->backing ?: ""))
                return log_other_backing(o, &q);
        if (q.backing_format[0] && !streq(q.backing_format, o->format ?: ""))
                return log_error_errno(ESTALE,
                                "%s takes %s for a %s image, but Format= now says %s; "
                                "remove %s to start afresh, or correct Format=.",
                                o->path, o->backing ?: "nothing", q.backing_format, o->format ?: "nothing",
                                o->path);
        r = fit(o, size, &q);
        if (r >= 0 && backing)
                warn_if_newer(o, fd, backing);
        return r;
}

static int make(const Overlay *o, Place *p, uint64_t size) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = place_begin(p, &path);
        if (r >= 0)
                r = qemu_img_create(path, o->backing, o->format, size);
        if (r >= 0)
                r = place_commit(p, o->fresh);
        return r == -EEXIST ? log_error_errno(r, "Cannot put %s in place: %m", o->path) : r;
}

int overlay_prepare(const Overlay *o) {
        _cleanup_place_ Place place = { .fd = -1 };
        uint64_t size = o->size.bytes;
        _cleanup_close_ int fd = -1;
        struct stat backing;
        int r = 0;

        umask(0077); /* what a guest writes is for its user alone */
        if (o->backing)
                r = open_backing(o, &backing, &size);
        if (r >= 0)
                r = place_open(&place, o->path);
        if (r < 0)
                return r;

        fd = openat(place.fd, place.name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0 && !o->fresh)
                return check_existing(o, fd, o->backing ? &backing : NULL, size);
        if (fd < 0 && errno != ENOENT)
                return log_error_errno(errno, "Cannot open the overlay %s: %m", o->path);
        return make(o, &place, size);
}
