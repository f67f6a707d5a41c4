/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* UEFI for a machine that is about to start: finds what the host has installed, and puts it where the
 * machine's command line expects it. All comes in by argv; see descriptor.h and nvram.h. */

#include "nvram.h"
#include "parse-value.h"
#include "program.h"
#include "strv.h"

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
static const ProgramOption options[] = {
        { OPTION_NVRAM, "nvram", "FILE", "The machine's own variables" },
        { OPTION_ARCHITECTURE, "architecture", "ARCH", "Of qemu-system-ARCH" },
        { OPTION_MACHINE, "machine", "MACHINE", "As QEMU's -machine takes it" },
        { OPTION_SECURE_BOOT, "secure-boot", NULL, "Only what has keys enrolled, and keeps to them" },
        { OPTION_DESCRIPTORS, "descriptors", "DIR",
                        "Where descriptions of firmware are, instead of /etc/qemu/firmware\n"
                        "and /usr/share/qemu/firmware; may be given several times" },
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
                        "There is no UEFI firmware%s for Architecture=%s Machine=%s on this host%s%s%s; it "
                        "looks for descriptions of firmware in /etc/qemu/firmware and "
                        "/usr/share/qemu/firmware.",
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

static int parse_option(int option, const char *value, void *userdata) {
        Arguments *a = userdata;

        switch (option) {
        case OPTION_NVRAM:
                if (!path_is_normalized(value))
                        return program_usage(
                                        "--nvram=%s is not an absolute path in its shortest form.", value);
                a->nvram = value;
                return 0;
        case OPTION_ARCHITECTURE:
                a->wanted.architecture = value;
                return 0;
        case OPTION_MACHINE:
                a->wanted.machine = value;
                return 0;
        case OPTION_SECURE_BOOT:
                a->wanted.secure_boot = true;
                return 0;
        case OPTION_DESCRIPTORS:
                return strv_extend(&a->directories, value) < 0 ? log_oom() : 0;
        }
        return PROGRAM_USAGE;
}

static int prepare_at(char *words[], void *userdata) {
        if (!path_is_normalized(words[0]))
                return program_usage("%s is not an absolute path in its shortest form.", words[0]);
        return prepare(userdata, words[0]);
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { NULL, 1, 1, "CODE", NULL, prepare_at,
                        .required = BIT(OPTION_NVRAM) | BIT(OPTION_ARCHITECTURE) | BIT(OPTION_MACHINE),
                        .options = BIT(OPTION_SECURE_BOOT) | BIT(OPTION_DESCRIPTORS) },
        {},
};

static const Program program = {
        .about = "Link the UEFI firmware for this machine to CODE, and copy its variables to FILE unless\n"
                 "there is one.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        Arguments a = {};
        int r;

        log_setup("qnet-firmware");
        r = program_run(&program, argc, argv, &a);
        strv_free(a.directories);
        return program_exit_status(r);
}
