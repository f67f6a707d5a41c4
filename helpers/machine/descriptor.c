/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <fnmatch.h>
#include <jansson.h>
#include <sys/stat.h>

#include "descriptor.h"
#include "log.h"
#include "parse-value.h"
#include "strv.h"

#define DESCRIPTOR_SIZE_MAX ((size_t) 64 * 1024)
#define DESCRIPTORS_MAX     512

static inline void json_decrefpp(json_t **j) {
        json_decref(*j);
}
#define _cleanup_json_ _cleanup_(json_decrefpp)

void firmware_found_done(FirmwareFound *f) {
        free(f->descriptor);
        free(f->code);
        free(f->nvram);
        *f = (FirmwareFound){};
}

/* ---- what stands in one ---- */

static bool list_has(const json_t *list, const char *word) {
        size_t i;
        json_t *item;

        json_array_foreach ((json_t *) list, i, item)
                if (json_is_string(item) && streq(json_string_value(item), word))
                        return true;
        return false;
}

/* Descriptions name machines by version, "pc-q35-*"; a name without one stands for the newest. */
static bool machine_matches(const char *glob, const char *machine) {
        static const struct {
                const char *name, *newest;
        } aliases[] = {
                { "q35", "pc-q35-newest" },
                { "pc", "pc-i440fx-newest" },
                { "virt", "virt-newest" },
        };

        if (fnmatch(glob, machine, 0) == 0)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(aliases); i++)
                if (streq(aliases[i].name, machine))
                        return fnmatch(glob, aliases[i].newest, 0) == 0;
        return false;
}

static bool target_suits(const json_t *target, const FirmwareWanted *wanted, const char *machine) {
        const char *architecture = json_string_value(json_object_get(target, "architecture"));
        const json_t *machines = json_object_get(target, "machines");
        size_t i;
        json_t *glob;

        if (!architecture || !streq(architecture, wanted->architecture))
                return false;
        json_array_foreach ((json_t *) machines, i, glob)
                if (json_is_string(glob) && machine_matches(json_string_value(glob), machine))
                        return true;
        return false;
}

static bool any_target_suits(const json_t *j, const FirmwareWanted *wanted) {
        char *machine = strndupa(wanted->machine, MIN(strcspn(wanted->machine, ","), (size_t) 256));
        const json_t *targets = json_object_get(j, "targets");
        size_t i;
        json_t *target;

        json_array_foreach ((json_t *) targets, i, target)
                if (target_suits(target, wanted, machine))
                        return true;
        return false;
}

static bool features_suit(const json_t *features, const FirmwareWanted *wanted) {
        bool x86 = streq(wanted->architecture, "x86_64") || streq(wanted->architecture, "i386");
        bool smm = list_has(features, "requires-smm");

        if (wanted->secure_boot)
                return list_has(features, "secure-boot") && list_has(features, "enrolled-keys") &&
                       (smm || !x86);
        /* without keys it starts everything; SMM is not there unless Secure Boot wants it */
        return !list_has(features, "enrolled-keys") && !smm;
}

/* "executable" or "nvram-template"; 1 when it can be used, 0 when not */
static int flash_file(
                const json_t *mapping, const char *key, const char *descriptor, char **ret, bool *ret_qcow2) {
        const json_t *file = json_object_get(mapping, key);
        const char *name = json_string_value(json_object_get(file, "filename"));
        const char *format = json_string_value(json_object_get(file, "format"));

        if (!name || !format)
                return 0;
        if (!path_is_normalized(name) || (!streq(format, "raw") && !streq(format, "qcow2"))) {
                log_warning("%s: \"%s\" is not an absolute path to a raw or qcow2 image, ignoring it.",
                                descriptor, key);
                return 0;
        }
        if (access(name, R_OK) < 0) {
                log_warning_errno(errno, "%s: cannot read %s, ignoring it: %m", descriptor, name);
                return 0;
        }
        *ret = strdup(name);
        *ret_qcow2 = streq(format, "qcow2");
        return *ret ? 1 : -ENOMEM;
}

/* 1 and *ret when it suits */
static int examine(const json_t *j, const char *path, const FirmwareWanted *wanted, FirmwareFound *ret) {
        const json_t *mapping = json_object_get(j, "mapping");
        const char *device = json_string_value(json_object_get(mapping, "device"));
        const char *mode = json_string_value(json_object_get(mapping, "mode"));
        _cleanup_firmware_ FirmwareFound found = {};
        int r;

        if (!list_has(json_object_get(j, "interface-types"), "uefi") || !any_target_suits(j, wanted) ||
                        !features_suit(json_object_get(j, "features"), wanted))
                return 0;
        /* in memory, in one piece with its variables, or without any: not what the command line has */
        if (!device || !streq(device, "flash") || (mode && !streq(mode, "split")))
                return 0;
        r = flash_file(mapping, "executable", path, &found.code, &found.code_qcow2);
        if (r > 0)
                r = flash_file(mapping, "nvram-template", path, &found.nvram, &found.nvram_qcow2);
        if (r <= 0)
                return r;
        found.descriptor = strdup(path);
        if (!found.descriptor)
                return -ENOMEM;
        *ret = found;
        found = (FirmwareFound){};
        return 1;
}

/* ---- files ---- */

/* *ret is NULL for one that masks, or that cannot be used */
static int load(const char *path, json_t **ret) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_free_ char *text = malloc(DESCRIPTOR_SIZE_MAX + 1);
        size_t size = 0;
        struct stat st;
        json_error_t e;
        ssize_t n = 0;

        *ret = NULL;
        if (!text)
                return -ENOMEM;
        if (fd < 0 || fstat(fd, &st) < 0) {
                log_warning_errno(errno, "Cannot open %s, ignoring: %m", path);
                return 0;
        }
        if (!S_ISREG(st.st_mode))
                return 0;
        while (size <= DESCRIPTOR_SIZE_MAX && (n = read(fd, text + size, DESCRIPTOR_SIZE_MAX + 1 - size)) > 0)
                size += (size_t) n;
        if (n < 0 || size > DESCRIPTOR_SIZE_MAX)
                log_warning("%s cannot be read, or is larger than 64 KiB, ignoring it.", path);
        else if (size > 0) {
                *ret = json_loadb(text, size, 0, &e);
                if (!*ret)
                        log_warning("%s:%d: %s, ignoring the file.", path, e.line, e.text);
        }
        return 0;
}

/* Names of all files, whatever the directory, each once. */
static int collect(char *const *directories, char ***ret) {
        _cleanup_strv_ char **names = NULL;
        size_t n = 0;

        STRV_FOREACH (directory, directories) {
                _cleanup_closedir_ DIR *dir = opendir(*directory);
                struct dirent *e;

                while (dir && (e = readdir(dir))) {
                        if (e->d_name[0] == '.' || !endswith(e->d_name, ".json") ||
                                        strv_contains(names, e->d_name))
                                continue;
                        if (n++ >= DESCRIPTORS_MAX) {
                                log_warning("%s: more than %d descriptions of firmware, ignoring the rest.",
                                                *directory, DESCRIPTORS_MAX);
                                break;
                        }
                        if (strv_extend(&names, e->d_name) < 0)
                                return -ENOMEM;
                }
        }
        *ret = TAKE_PTR(names);
        return 0;
}

static int compare_names(const void *x, const void *y) {
        return strcmp(*(char *const *) x, *(char *const *) y);
}

static int examine_file(char *const *directories, const char *name, const FirmwareWanted *wanted,
                FirmwareFound *ret) {
        STRV_FOREACH (directory, directories) {
                _cleanup_free_ char *path = NULL;
                _cleanup_json_ json_t *j = NULL;
                int r;

                if (asprintf(&path, "%s/%s", *directory, name) < 0)
                        return -ENOMEM;
                if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                r = load(path, &j);
                return r < 0 || !j ? r : examine(j, path, wanted, ret); /* the first one hides the others */
        }
        return 0;
}

int firmware_find(char *const *directories, const FirmwareWanted *wanted, FirmwareFound *ret) {
        _cleanup_strv_ char **names = NULL;
        int r;

        r = collect(directories, &names);
        if (r < 0)
                return r;
        if (names)
                qsort(names, strv_length(names), sizeof(*names), compare_names);
        STRV_FOREACH (name, names) {
                r = examine_file(directories, *name, wanted, ret);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        return -ENOENT;
}
