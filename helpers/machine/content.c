/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <unistd.h>

#include "content.h"
#include "log.h"
#include "qcow2.h"

#define SECTOR 512

static int check_qcow2(const char *image, int r, const Qcow2 *q, Content *ret) {
        if (r == -EMEDIUMTYPE)
                return log_error_errno(r, "Image %s is not a qcow2 image; is it Format=raw?", image);
        if (r == -EBADMSG)
                return log_error_errno(r, "Image %s is damaged: its qcow2 header makes no sense.", image);
        if (r < 0)
                return log_error_errno(r, "Cannot read image %s: %m", image);
        *ret = (Content){
                .qcow2 = true,
                .vague = q->backing_file[0] && !q->backing_format[0],
                .size = q->size,
        };
        return 0;
}

int content_check(const char *image, int fd, const struct stat *st, const char *format, Content *ret) {
        Qcow2 q;
        off_t end;
        int r;

        r = qcow2_read(fd, &q);
        if (format && streq(format, "qcow2"))
                return check_qcow2(image, r, &q, ret);
        if (!format && (r >= 0 || r == -EBADMSG))
                return log_error_errno(EMEDIUMTYPE,
                                "Image %s is a qcow2 image by its content, and would be taken for a raw one: say "
                                "Format=qcow2, or Format=raw if the guest is to see it as it is.",
                                image);
        end = S_ISBLK(st->st_mode) ? lseek(fd, 0, SEEK_END) : st->st_size;
        if (end < 0)
                return log_error_errno(errno, "Cannot tell the size of %s: %m", image);
        *ret = (Content){ .size = ((uint64_t) end + SECTOR - 1) / SECTOR * SECTOR };
        return 0;
}
