/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The disks of a virtual machine before it starts and after it has stopped: is the image there, free and
 * large enough, may the machine's user open it, is its overlay there. All comes in by argv; what each verb
 * does is in guard.c, disk-size.c and overlay.c. */

#include <limits.h>

#include "guard.h"
#include "overlay.h"
#include "parse-value.h"
#include "program.h"

static const char help_text[] =
                "Usage: qnet-disk guard IMAGE [--write] [--format=raw|qcow2] [--explicit-backing] [--grant-to-owner-of=DIR]\n"
                "       qnet-disk release IMAGE (--grant-to-owner-of=DIR | --uid=UID)\n"
                "       qnet-disk create IMAGE --size=SIZE [--format=raw|qcow2]\n"
                "       qnet-disk grow IMAGE [--size=auto|SIZE] [--format=raw|qcow2]\n"
                "       qnet-disk prepare OVERLAY --backing=IMAGE --backing-format=raw|qcow2 [--size=auto|SIZE] [--fresh]\n"
                "       qnet-disk prepare OVERLAY --size=SIZE [--fresh]\n"
                "\n"
                "  guard    fail, and say why, if the host or another virtual machine uses the image\n"
                "  release  take back what guard granted\n"
                "  create   make the image, blank, unless it is there\n"
                "  grow     make the image larger, unless it is as large already\n"
                "  prepare  make the overlay, a qcow2 image, unless it is there; without an image: a blank disk\n"
                "\n"
                "      --write                  the virtual machine will write to the image\n"
                "      --format=FORMAT          what the image is: raw (the default) or qcow2\n"
                "      --explicit-backing       QEMU is told what lies below the image\n"
                "      --grant-to-owner-of=DIR  give the owner of DIR access to the image\n"
                "      --uid=UID                a user id instead\n"
                "      --backing=IMAGE          what the overlay lies over\n"
                "      --backing-format=FORMAT  and what that is: raw or qcow2\n"
                "      --size=SIZE              of the guest's disk: bytes, or 512M, 2G; auto: to the end of its\n"
                "                               partition table, which is what grow does by default\n"
                "      --fresh                  forget what is in the overlay\n"
                "  -h, --help                   show this\n"
                "      --version                show the version\n";

typedef struct Arguments {
        Guard guard;
        Overlay overlay;
        DiskSize size;
} Arguments;

static int verb_guard(Arguments *a, const char *path) {
        a->guard.image = path;
        return guard_image(&a->guard);
}

static int verb_release(Arguments *a, const char *path) {
        a->guard.image = path;
        if (!a->guard.owner_of && a->guard.uid == UINT_MAX)
                return program_usage("Release from whom? Give --grant-to-owner-of= or --uid=.");
        return guard_release(&a->guard);
}

static int verb_create(Arguments *a, const char *path) {
        if (a->size.bytes == 0)
                return program_usage("A new image needs --size=, and not auto.");
        return image_create(path, a->guard.format, a->size.bytes);
}

static int verb_grow(Arguments *a, const char *path) {
        a->size.automatic = a->size.bytes == 0;
        return image_grow(path, a->guard.format, &a->size);
}

static int verb_prepare(Arguments *a, const char *path) {
        a->overlay.path = path;
        a->overlay.size = a->size;
        if (!a->overlay.backing != !a->overlay.format)
                return program_usage("--backing= and --backing-format= go together.");
        if (!a->overlay.backing && a->size.bytes == 0)
                return program_usage(
                                "An overlay needs --backing=, a blank disk needs --size=, and not auto.");
        return overlay_prepare(&a->overlay);
}

static const struct {
        const char *name;
        int (*run)(Arguments *a, const char *path);
} verbs[] = {
        { "guard", verb_guard },
        { "release", verb_release },
        { "create", verb_create },
        { "grow", verb_grow },
        { "prepare", verb_prepare },
};

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
static const struct option options[] = {
        PROGRAM_OPTIONS,
        { "write", no_argument, NULL, OPTION_WRITE },
        { "format", required_argument, NULL, OPTION_FORMAT },
        { "explicit-backing", no_argument, NULL, OPTION_EXPLICIT_BACKING },
        { "grant-to-owner-of", required_argument, NULL, OPTION_OWNER_OF },
        { "uid", required_argument, NULL, OPTION_UID },
        { "backing", required_argument, NULL, OPTION_BACKING },
        { "backing-format", required_argument, NULL, OPTION_BACKING_FORMAT },
        { "size", required_argument, NULL, OPTION_SIZE },
        { "fresh", no_argument, NULL, OPTION_FRESH },
        {},
};

static int parse_format(const char *option, const char **ret) {
        if (!streq(optarg, "raw") && !streq(optarg, "qcow2"))
                return program_usage("--%s=%s is not raw or qcow2.", option, optarg);
        *ret = optarg;
        return 1;
}

static int parse_size_option(DiskSize *ret) {
        uint64_t bytes = 0;

        if (!streq(optarg, "auto") && (parse_size(optarg, &bytes) < 0 || bytes == 0 || bytes > INT64_MAX / 2))
                return program_usage(
                                "--size=%s is neither auto nor a size, such as 1048576, 512M or 2G.", optarg);
        *ret = (DiskSize){ .bytes = bytes, .automatic = bytes == 0 };
        return 1;
}

/* 1 to go on, else what run() returns */
static int parse_option(int c, Arguments *a) {
        switch (c) {
        case 'h':
                return program_help(help_text);
        case PROGRAM_OPTION_VERSION:
                return program_version();
        case OPTION_WRITE:
                a->guard.write = true;
                return 1;
        case OPTION_FORMAT:
                return parse_format("format", &a->guard.format);
        case OPTION_EXPLICIT_BACKING:
                a->guard.explicit_backing = true;
                return 1;
        case OPTION_OWNER_OF:
                a->guard.owner_of = optarg;
                return 1;
        case OPTION_UID:
                if (parse_unsigned(optarg, 0, UINT_MAX - 1, &a->guard.uid) < 0)
                        return program_usage("--uid=%s is not a user id.", optarg);
                return 1;
        case OPTION_BACKING:
                if (!path_is_normalized(optarg)) /* this also keeps QEMU's "json:" and "nbd:" out */
                        return program_usage(
                                        "--backing=%s is not an absolute path in its shortest form.", optarg);
                a->overlay.backing = optarg;
                return 1;
        case OPTION_BACKING_FORMAT:
                return parse_format("backing-format", &a->overlay.format);
        case OPTION_SIZE:
                return parse_size_option(&a->size);
        case OPTION_FRESH:
                a->overlay.fresh = true;
                return 1;
        default:
                return PROGRAM_USAGE;
        }
}

static int run(int argc, char *argv[]) {
        Arguments a = { .guard.uid = UINT_MAX };
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                r = parse_option(c, &a);
                if (r <= 0)
                        return r;
        }
        if (argc - optind != 2)
                return program_usage("Give a verb and the path of an image.");
        if (!path_is_normalized(argv[optind + 1]))
                return program_usage("%s is not an absolute path in its shortest form.", argv[optind + 1]);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(argv[optind], verbs[i].name))
                        return verbs[i].run(&a, argv[optind + 1]);
        return program_usage("'%s' is not guard, release, create, grow or prepare.", argv[optind]);
}

int main(int argc, char *argv[]) {
        log_setup("qnet-disk");
        return program_exit_status(run(argc, argv));
}
