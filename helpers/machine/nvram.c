/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "copy-file.h"
#include "log.h"
#include "nvram.h"
#include "place.h"
#include "qcow2.h"

#define FLASH_SIZE_MAX ((uint64_t) 256 * 1024 * 1024)

static int convert(const char *from, const char *to) {
        char *const argv[] = { (char *) QEMU_IMG, (char *) "convert", (char *) "-q", (char *) "-f",
                (char *) "qcow2", (char *) "-O", (char *) "raw", (char *) from, (char *) to, NULL };

        return run_program(argv, "unpack the firmware");
}

/* Nobody reads it before the machine starts, so it need not be replaced at once. */
int firmware_place_code(const FirmwareFound *f, const char *path) {
        if (unlink(path) < 0 && errno != ENOENT)
                return log_error_errno(errno, "Cannot remove %s: %m", path);
        if (f->code_qcow2)
                return convert(f->code, path);
        return symlink(f->code, path) < 0 ? log_error_errno(errno, "Cannot create %s: %m", path) : 0;
}

/* fd: of the template. Bytes of the flash device that it is made for. */
static int template_size(const FirmwareFound *f, int fd, uint64_t *ret) {
        struct stat st;
        Qcow2 q;

        if (f->nvram_qcow2) {
                if (qcow2_read(fd, &q) < 0)
                        return log_error_errno(EBADMSG, "%s is not a qcow2 image, as %s has it.", f->nvram,
                                        f->descriptor);
                *ret = q.size;
                return 0;
        }
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return log_error_errno(
                                EBADMSG, "%s, which %s names, is not a file.", f->nvram, f->descriptor);
        *ret = (uint64_t) st.st_size;
        return 0;
}

/* 1: it is there, and fits; 0: it is not there */
static int check_existing(const FirmwareFound *f, const Place *place, uint64_t size) {
        struct stat st;

        if (fstatat(place->fd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : log_error_errno(errno, "Cannot stat %s: %m", place->path);
        if (S_ISREG(st.st_mode) && (uint64_t) st.st_size == size)
                return 1;
        return log_error_errno(EBADMSG,
                        "%s does not fit the firmware %s: it has %" PRIu64 " bytes, not %" PRIu64
                        "; remove it to start with fresh variables.",
                        place->path, f->code, (uint64_t) st.st_size, size);
}

int firmware_place_nvram(const FirmwareFound *f, const char *path) {
        _cleanup_close_ int fd = open(f->nvram, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_place_ Place place = { .fd = -1 };
        _cleanup_free_ char *temporary = NULL;
        uint64_t size;
        int r;

        if (fd < 0)
                return log_error_errno(errno, "Cannot open %s: %m", f->nvram);
        r = template_size(f, fd, &size);
        if (r >= 0)
                r = place_open(&place, path);
        if (r >= 0)
                r = check_existing(f, &place, size);
        if (r != 0)
                return r < 0 ? r : 0;
        r = place_begin(&place, &temporary);
        if (r >= 0)
                r = f->nvram_qcow2 ? convert(f->nvram, temporary)
                                   : copy_to_new(fd, f->nvram, FLASH_SIZE_MAX, temporary);
        return r < 0 ? r : place_commit(&place, true);
}
