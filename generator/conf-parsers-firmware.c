/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Firmware, and what a guest is told at its first boot: credentials and cloud-init's seed. See conf-parsers.h. */

#include "conf-parsers.h"
#include "conf-table.h"
#include "words.h"

#define CREDENTIALS_MAX 64
/* "opt/io.systemd.credentials/NAME" is the name of a fw_cfg file: 55 bytes (QEMU, docs/specs/fw_cfg) */
#define CREDENTIAL_NAME_MAX (55 - strlen("opt/io.systemd.credentials/"))

int parse_firmware(Setting *s, char *value, void *member) {
        Firmware *f = &((VM *) member)->firmware;
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (!*text || streq(text, "bios"))
                *f = (Firmware){ .type = FIRMWARE_BIOS };
        else if (streq(text, "uefi"))
                *f = (Firmware){ .type = FIRMWARE_UEFI };
        else if (path_is_normalized(text))
                *f = (Firmware){ .type = FIRMWARE_FILE, .path = text };
        else
                return setting_refuse(s, "is neither bios nor uefi nor the absolute path of an image");
        return 0;
}

static int add_credential(Setting *s, VM *vm, char *name, char *path) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
        Credential *c;

        if (n == 0 || name[n] || n > CREDENTIAL_NAME_MAX || strchr(".-", name[0]))
                return setting_refuse(s,
                                "has a name that is not of letters, digits, '_', '.' and '-', at most %zu",
                                CREDENTIAL_NAME_MAX);
        if (startswith(name, "qnet.")) /* the seed's */
                return setting_refuse(s, "has a name that begins with \"qnet.\", which are qnet's own");
        for (size_t i = 0; i < vm->n_credentials; i++)
                if (streq(vm->credentials[i].name, name)) {
                        vm->credentials[i].path = path;
                        return 0;
                }
        if (vm->n_credentials >= CREDENTIALS_MAX)
                return setting_refuse(s, "is more than %d credentials", CREDENTIALS_MAX);
        c = arena_append(s->arena, vm->credentials, vm->n_credentials);
        if (!c)
                return -ENOMEM;
        *c = (Credential){ .name = name, .path = path };
        return 0;
}

static int add_seed_file(Setting *s, VM *vm, char *name, char *path) {
        int f = seed_file_from_string(name);

        if (f < 0)
                return setting_refuse(s,
                                "has a file that is not user-data, meta-data, network-config or vendor-data");
        vm->seed[f] = path;
        return 0;
}

static int parse_named_paths(
                Setting *s, char *value, VM *vm, int (*add)(Setting *s, VM *vm, char *name, char *path)) {
        char **words = NULL;
        size_t n = 0;
        int r;

        r = words_split(s->arena, value, &words, &n, &s->why);
        for (size_t i = 0; i < n && r >= 0; i++) {
                char *text, *colon;

                if (!text_is_printable(words[i])) /* by an escape */
                        return setting_refuse(s, "has a tab or another control character");
                r = setting_expand(s, words[i], &text);
                if (r < 0)
                        return r;
                colon = strchr(text, ':');
                if (!colon)
                        return setting_refuse(s, "is not of the form NAME:PATH");
                *colon = '\0';
                if (!path_is_normalized(colon + 1))
                        return setting_refuse(s,
                                        "has a path that is not absolute, or has \"//\", \".\" or \"..\" in it");
                r = add(s, vm, text, colon + 1);
        }
        return r;
}

int parse_credentials(Setting *s, char *value, void *member) {
        VM *vm = member;

        if (!*value) {
                vm->credentials = NULL;
                vm->n_credentials = 0;
                return 0;
        }
        return parse_named_paths(s, value, vm, add_credential);
}

int parse_cloud_init(Setting *s, char *value, void *member) {
        VM *vm = member;

        if (!*value) {
                memset(vm->seed, 0, sizeof(vm->seed));
                return 0;
        }
        return parse_named_paths(s, value, vm, add_seed_file);
}
