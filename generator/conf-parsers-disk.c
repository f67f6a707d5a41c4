/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values of [Disk]. */

#include "arena.h"
#include "conf-parsers.h"

static int parse_word_of(Setting *s, const char *value, int (*from_string)(const char *), const char *words,
                int *ret) {
        int v = from_string(value);

        if (v < 0)
                return setting_refuse(s, "is not one of %s", words);
        *ret = v;
        return 0;
}

int parse_disk_mode(Setting *s, char *value, void *member) {
        int v = 0, r;

        r = parse_word_of(s, value, disk_mode_from_string, "overlay, persistent, ephemeral, readonly", &v);
        if (r >= 0)
                *(DiskMode *) member = (DiskMode) v;
        return r;
}

int parse_disk_media(Setting *s, char *value, void *member) {
        int v = 0, r;

        r = parse_word_of(s, value, disk_media_from_string, "disk, cdrom, floppy", &v);
        if (r >= 0)
                *(DiskMedia *) member = (DiskMedia) v;
        return r;
}

int parse_disk_cache(Setting *s, char *value, void *member) {
        int v = 0, r;

        r = parse_word_of(s, value, disk_cache_from_string,
                        "none, writeback, writethrough, directsync, unsafe", &v);
        if (r >= 0)
                *(DiskCache *) member = (DiskCache) v;
        return r;
}

int parse_disk_format(Setting *s, char *value, void *member) {
        Disk *d = member;
        int v = 0, r;

        if (!*value) {
                d->format_set = false;
                return 0;
        }
        r = parse_word_of(s, value, disk_format_from_string, "raw, qcow2", &v);
        if (r < 0)
                return r;
        d->format = (DiskFormat) v;
        d->format_set = true;
        return 0;
}

int parse_disk_size(Setting *s, char *value, void *member) {
        uint64_t v = 0;
        Disk *d = member;
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (*text && !streq(text, "auto")) {
                r = parse_size(text, &v);
                if (r == -ERANGE || (r >= 0 && v > INT64_MAX / 2))
                        return setting_refuse(s, "is too large");
                if (r < 0)
                        return setting_refuse(s, "is neither auto nor a size, such as 512M or 2G");
                if (v < 512)
                        return setting_refuse(
                                        s, "is less than a sector; a size without a suffix is in bytes");
        }
        d->size = v;
        d->size_auto = *text && v == 0;
        return 0;
}

/* What QEMU hands to the guest on each bus: 20 bytes at least. */
int parse_disk_serial(Setting *s, char *value, void *member) {
        char *text;
        int r;

        r = parse_word(s, value, &text);
        if (r < 0)
                return r;
        if (strlen(text) > 20)
                return setting_refuse(s, "is longer than 20 letters");
        *(char **) member = text;
        return 0;
}

int parse_boot_index(Setting *s, char *value, void *member) {
        Disk *d = member;
        char *text;
        int r;

        d->boot_index_set = false;
        if (!*value)
                return 0;
        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (parse_unsigned(text, 0, 65535, &d->boot_index) < 0)
                return setting_refuse(s, "is not a number from 0 to 65535");
        d->boot_index_set = true;
        return 0;
}

/* "/srv/base.img", "qcow2:/srv/base.img" */
int parse_disk_backing(Setting *s, char *value, void *member) {
        BackingFile file = {}, *slot;
        Disk *d = member;
        const char *rest;
        int r;

        if (!*value) {
                d->backing = NULL;
                d->n_backing = 0;
                return 0;
        }
        for (int f = 0; f < _DISK_FORMAT_MAX; f++) {
                rest = startswith(value, disk_format_to_string((DiskFormat) f));
                if (rest && *rest == ':') {
                        file = (BackingFile){ .format = (DiskFormat) f, .format_set = true };
                        value = (char *) rest + 1;
                        break;
                }
        }
        r = parse_path(s, value, &file.path);
        if (r < 0)
                return r;
        if (!file.format_set)
                file.format = endswith(file.path, ".qcow2") ? DISK_QCOW2 : DISK_RAW;
        if (d->n_backing >= DISK_BACKING_MAX)
                return setting_refuse(s, "is more than %d images below each other", DISK_BACKING_MAX);
        slot = arena_append(s->arena, d->backing, d->n_backing);
        if (!slot)
                return -ENOMEM;
        *slot = file;
        return 0;
}
