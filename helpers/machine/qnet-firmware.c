/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* UEFI for a machine that is about to start: finds what the host has installed, and puts it where the machine's
 * command line expects it. All comes in by argv; see descriptor.h and nvram.h. */

#include "nvram.h"
#include "parse-value.h"
#include "program.h"
#include "strv.h"

static const char help_text[] =
                "Usage: qnet-firmware CODE --nvram=FILE --architecture=ARCH --machine=MACHINE [--secure-boot]\n"
                "\n"
                "Link the UEFI firmware for this machine to CODE, and copy its variables to FILE unless there is one.\n"
                "\n"
                "      --nvram=FILE         the machine's own variables\n"
                "      --architecture=ARCH  of qemu-system-ARCH\n"
                "      --machine=MACHINE    as QEMU's -machine takes it\n"
                "      --secure-boot        only what has keys enrolled, and keeps to them\n"
                "      --descriptors=DIR    where descriptions of firmware are, instead of /etc/qemu/firmware\n"
                "                           and /usr/share/qemu/firmware; may be given several times\n"
                "  -h, --help               show this\n"
                "      --version            show the version\n";

typedef struct Arguments {
        FirmwareWanted wanted;
        const char *nvram;
        char **directories;
} Arguments;

enum {
        OPTION_NVRAM = PROGRAM_OPTION_FIRST,
        OPTION_ARCHITECTURE,
        OPTION_MACHINE,
        OPTION_SECURE_BOOT,
        OPTION_DESCRIPTORS
};
static const struct option options[] = {
        PROGRAM_OPTIONS,
        { "nvram", required_argument, NULL, OPTION_NVRAM },
        { "architecture", required_argument, NULL, OPTION_ARCHITECTURE },
        { "machine", required_argument, NULL, OPTION_MACHINE },
        { "secure-boot", no_argument, NULL, OPTION_SECURE_BOOT },
        { "descriptors", required_argument, NULL, OPTION_DESCRIPTORS },
        {},
};

static int log_none(const FirmwareWanted *w) {
        static const struct {
                const char *architecture, *package;
        } packages[] = {
                { "x86_64", "ovmf" },
                { "i386", "ovmf-ia32" },
                { "aarch64", "qemu-efi-aarch64" },
                { "arm", "qemu-efi-arm" },
                { "riscv64", "qemu-efi-riscv64" },
                { "loongarch64", "qemu-efi-loongarch64" },
        };
        const char *package = NULL;

        for (size_t i = 0; i < ELEMENTSOF(packages); i++)
                if (streq(packages[i].architecture, w->architecture))
                        package = packages[i].package;
        return log_error_errno(ENOENT,
                        "There is no UEFI firmware%s for Architecture=%s Machine=%s on this host%s%s%s; it looks for "
                        "descriptions of firmware in /etc/qemu/firmware and /usr/share/qemu/firmware.",
                        w->secure_boot ? " with Secure Boot and its keys" : "", w->architecture, w->machine,
                        package ? "; Debian's is the package '" : "", package ?: "", package ? "'" : "");
}

static int prepare(const Arguments *a, const char *code) {
        static char *const usual[] = { (char *) "/etc/qemu/firmware", (char *) "/usr/share/qemu/firmware",
                NULL };
        _cleanup_firmware_ FirmwareFound found = {};
        int r;

        r = firmware_find(a->directories ?: (char **) usual, &a->wanted, &found);
        if (r == -ENOENT)
                return log_none(&a->wanted);
        if (r < 0)
                return log_error_errno(r, "Cannot look for firmware: %m");
        log_debug("%s describes it: %s", found.descriptor, found.code);
        r = firmware_place_nvram(&found, a->nvram);
        return r < 0 ? r : firmware_place_code(&found, code);
}

/* 1 to go on, else what run() returns */
static int parse_option(int c, Arguments *a) {
        switch (c) {
        case 'h':
                return program_help(help_text);
        case PROGRAM_OPTION_VERSION:
                return program_version();
        case OPTION_NVRAM:
                if (!path_is_normalized(optarg))
                        return program_usage(
                                        "--nvram=%s is not an absolute path in its shortest form.", optarg);
                a->nvram = optarg;
                return 1;
        case OPTION_ARCHITECTURE:
                a->wanted.architecture = optarg;
                return 1;
        case OPTION_MACHINE:
                a->wanted.machine = optarg;
                return 1;
        case OPTION_SECURE_BOOT:
                a->wanted.secure_boot = true;
                return 1;
        case OPTION_DESCRIPTORS:
                return strv_extend(&a->directories, optarg) < 0 ? log_oom() : 1;
        default:
                return PROGRAM_USAGE;
        }
}

static int run_arguments(int argc, char *argv[], Arguments *a) {
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                r = parse_option(c, a);
                if (r <= 0)
                        return r;
        }
        if (argc - optind != 1 || !a->nvram || !a->wanted.architecture || !a->wanted.machine)
                return program_usage("Give one path, and --nvram=, --architecture= and --machine=.");
        if (!path_is_normalized(argv[optind]))
                return program_usage("%s is not an absolute path in its shortest form.", argv[optind]);
        return prepare(a, argv[optind]);
}

static int run(int argc, char *argv[]) {
        Arguments a = {};
        int r = run_arguments(argc, argv, &a);

        strv_free(a.directories);
        return r;
}

int main(int argc, char *argv[]) {
        log_setup("qnet-firmware");
        return program_exit_status(run(argc, argv));
}
