/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The disks of a virtual machine before it starts and after it has stopped: is the image free, may the
 * machine's user open it, is its overlay there. All comes in by argv; what each verb does is in guard.c and
 * overlay.c. */

#include <limits.h>

#include "guard.h"
#include "overlay.h"
#include "parse-value.h"
#include "program.h"

static const char help_text[] =
                "Usage: qnet-disk guard IMAGE [--write] [--grant-to-owner-of=DIR]\n"
                "       qnet-disk release IMAGE (--grant-to-owner-of=DIR | --uid=UID)\n"
                "       qnet-disk prepare OVERLAY --backing=IMAGE --backing-format=raw|qcow2 [--size=BYTES]\n"
                "\n"
                "  guard    fail, and say why, if the host or another virtual machine uses the image\n"
                "  release  take back what guard granted\n"
                "  prepare  make the overlay, a qcow2 image, unless it is there\n"
                "\n"
                "      --write                  the virtual machine will write to the image\n"
                "      --grant-to-owner-of=DIR  give the owner of DIR access to the image\n"
                "      --uid=UID                a user id instead\n"
                "      --backing=IMAGE          what the overlay lies over\n"
                "      --backing-format=FORMAT  and what that is: raw or qcow2\n"
                "      --size=BYTES             of the guest's disk; default: that of the image\n"
                "  -h, --help                   show this\n"
                "      --version                show the version\n";

typedef struct Arguments {
        Guard guard;
        Overlay overlay;
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

static int verb_prepare(Arguments *a, const char *path) {
        a->overlay.path = path;
        if (!a->overlay.backing || !a->overlay.format)
                return program_usage("An overlay needs --backing= and --backing-format=.");
        return overlay_prepare(&a->overlay);
}

static const struct {
        const char *name;
        int (*run)(Arguments *a, const char *path);
} verbs[] = {
        { "guard", verb_guard },
        { "release", verb_release },
        { "prepare", verb_prepare },
};

enum {
        OPTION_WRITE = PROGRAM_OPTION_FIRST,
        OPTION_OWNER_OF,
        OPTION_UID,
        OPTION_BACKING,
        OPTION_FORMAT,
        OPTION_SIZE
};
static const struct option options[] = {
        PROGRAM_OPTIONS,
        { "write", no_argument, NULL, OPTION_WRITE },
        { "grant-to-owner-of", required_argument, NULL, OPTION_OWNER_OF },
        { "uid", required_argument, NULL, OPTION_UID },
        { "backing", required_argument, NULL, OPTION_BACKING },
        { "backing-format", required_argument, NULL, OPTION_FORMAT },
        { "size", required_argument, NULL, OPTION_SIZE },
        {},
};

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
        case OPTION_FORMAT:
                if (!streq(optarg, "raw") && !streq(optarg, "qcow2"))
                        return program_usage("--backing-format=%s is not raw or qcow2.", optarg);
                a->overlay.format = optarg;
                return 1;
        case OPTION_SIZE:
                if (parse_uint64(optarg, 1, INT64_MAX, &a->overlay.size) < 0)
                        return program_usage("--size=%s is not a number of bytes.", optarg);
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
        return program_usage("'%s' is not guard, release or prepare.", argv[optind]);
}

int main(int argc, char *argv[]) {
        log_setup("qnet-disk");
        return program_exit_status(run(argc, argv));
}
