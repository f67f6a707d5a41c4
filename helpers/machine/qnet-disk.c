/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The disks of a virtual machine before it starts and after it has stopped: is the image there, free and
 * large enough, may the machine's user open it, is its overlay there. All comes in by argv; what each verb
 * does is in guard.c, disk-size.c and overlay.c. */

#include <limits.h>

#include "guard.h"
#include "overlay.h"
#include "parse-value.h"
#include "program.h"

typedef struct Arguments {
        Guard guard;
        Overlay overlay;
        DiskSize size;
} Arguments;

static int parse_image(const char *path) {
        return path_is_normalized(path)
                               ? 0
                               : program_usage("%s is not an absolute path in its shortest form.", path);
}

static int verb_guard(char *words[], void *userdata) {
        Arguments *a = userdata;
        int r = parse_image(words[0]);

        a->guard.image = words[0];
        return r < 0 ? r : guard_image(&a->guard);
}

static int verb_release(char *words[], void *userdata) {
        Arguments *a = userdata;
        int r = parse_image(words[0]);

        if (r < 0)
                return r;
        a->guard.image = words[0];
        if (!a->guard.owner_of && a->guard.uid == UINT_MAX)
                return program_usage("Release from whom? Give --grant-to-owner-of= or --uid=.");
        return guard_release(&a->guard);
}

static int verb_create(char *words[], void *userdata) {
        Arguments *a = userdata;
        int r = parse_image(words[0]);

        if (r < 0)
                return r;
        if (a->size.bytes == 0)
                return program_usage("A new image needs --size=, and not auto.");
        return image_create(words[0], a->guard.format, a->size.bytes);
}

static int verb_grow(char *words[], void *userdata) {
        Arguments *a = userdata;
        int r = parse_image(words[0]);

        a->size.automatic = a->size.bytes == 0;
        return r < 0 ? r : image_grow(words[0], a->guard.format, &a->size);
}

static int verb_prepare(char *words[], void *userdata) {
        Arguments *a = userdata;
        int r = parse_image(words[0]);

        if (r < 0)
                return r;
        a->overlay.path = words[0];
        a->overlay.size = a->size;
        if (!a->overlay.backing != !a->overlay.format)
                return program_usage("--backing= and --backing-format= go together.");
        if (!a->overlay.backing && a->size.bytes == 0)
                return program_usage(
                                "An overlay needs --backing=, a blank disk needs --size=, and not auto.");
        return overlay_prepare(&a->overlay);
}

enum {
        OPTION_WRITE = PROGRAM_OPTION_FIRST,
        OPTION_FORMAT,
        OPTION_EXPLICIT_BACKING,
        OPTION_OWNER_OF,
        OPTION_UID,
        OPTION_BACKING,
        OPTION_BACKING_FORMAT,
        OPTION_SIZE,
        OPTION_FRESH
};
static const ProgramOption options[] = {
        { OPTION_WRITE, "write", NULL, "The virtual machine will write to the image" },
        { OPTION_FORMAT, "format", "raw|qcow2", "What the image is; default: raw" },
        { OPTION_EXPLICIT_BACKING, "explicit-backing", NULL, "QEMU is told what lies below the image" },
        { OPTION_OWNER_OF, "grant-to-owner-of", "DIR", "Give the owner of DIR access to the image" },
        { OPTION_UID, "uid", "UID", "A user id instead" },
        { OPTION_BACKING, "backing", "IMAGE", "What the overlay lies over" },
        { OPTION_BACKING_FORMAT, "backing-format", "raw|qcow2", "And what that is" },
        { OPTION_SIZE, "size", "auto|SIZE",
                        "Of the guest's disk: bytes, or 512M, 2G; auto: to the end of its\n"
                        "partition table, which is what grow does by default" },
        { OPTION_FRESH, "fresh", NULL, "Forget what is in the overlay" },
        {},
};

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "guard", 1, 1, "IMAGE", "fail, and say why, if the host or another virtual machine uses the image",
                        verb_guard,
                        .options = BIT(OPTION_WRITE) | BIT(OPTION_FORMAT) | BIT(OPTION_EXPLICIT_BACKING) |
                                   BIT(OPTION_OWNER_OF) },
        { "release", 1, 1, "IMAGE", "take back what guard granted", verb_release,
                        .options = BIT(OPTION_OWNER_OF) | BIT(OPTION_UID) },
        { "create", 1, 1, "IMAGE", "make the image, blank, unless it is there", verb_create,
                        .required = BIT(OPTION_SIZE), .options = BIT(OPTION_FORMAT) },
        { "grow", 1, 1, "IMAGE", "make the image larger, unless it is as large already", verb_grow,
                        .options = BIT(OPTION_SIZE) | BIT(OPTION_FORMAT) },
        { "prepare", 1, 1, "OVERLAY",
                        "make the overlay, a qcow2 image, unless it is there; without --backing=: a blank disk",
                        verb_prepare,
                        .options = BIT(OPTION_BACKING) | BIT(OPTION_BACKING_FORMAT) | BIT(OPTION_SIZE) |
                                   BIT(OPTION_FRESH) },
        {},
};

static int parse_format(const char *option, const char *value, const char **ret) {
        if (!streq(value, "raw") && !streq(value, "qcow2"))
                return program_usage("--%s=%s is not raw or qcow2.", option, value);
        *ret = value;
        return 0;
}

static int parse_size_option(const char *value, DiskSize *ret) {
        uint64_t bytes = 0;

        if (!streq(value, "auto") && (parse_size(value, &bytes) < 0 || bytes == 0 || bytes > INT64_MAX / 2))
                return program_usage(
                                "--size=%s is neither auto nor a size, such as 1048576, 512M or 2G.", value);
        *ret = (DiskSize){ .bytes = bytes, .automatic = bytes == 0 };
        return 0;
}

static int parse_option(int option, const char *value, void *userdata) {
        Arguments *a = userdata;

        switch (option) {
        case OPTION_WRITE:
                a->guard.write = true;
                return 0;
        case OPTION_FORMAT:
                return parse_format("format", value, &a->guard.format);
        case OPTION_EXPLICIT_BACKING:
                a->guard.explicit_backing = true;
                return 0;
        case OPTION_OWNER_OF:
                a->guard.owner_of = value;
                return 0;
        case OPTION_UID:
                if (parse_unsigned(value, 0, UINT_MAX - 1, &a->guard.uid) < 0)
                        return program_usage("--uid=%s is not a user id.", value);
                return 0;
        case OPTION_BACKING:
                if (!path_is_normalized(value)) /* this also keeps QEMU's "json:" and "nbd:" out */
                        return program_usage(
                                        "--backing=%s is not an absolute path in its shortest form.", value);
                a->overlay.backing = value;
                return 0;
        case OPTION_BACKING_FORMAT:
                return parse_format("backing-format", value, &a->overlay.format);
        case OPTION_SIZE:
                return parse_size_option(value, &a->size);
        case OPTION_FRESH:
                a->overlay.fresh = true;
                return 0;
        }
        return PROGRAM_USAGE;
}

static const Program program = {
        .about = "Look after the image of a disk before a virtual machine starts and after it has stopped.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        Arguments a = { .guard.uid = UINT_MAX };

        log_setup("qnet-disk");
        return program_exit_status(program_run(&program, argc, argv, &a));
}
