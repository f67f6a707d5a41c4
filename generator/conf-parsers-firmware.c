/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Firmware, and what a guest is told at its first boot: credentials and cloud-init's seed. See conf-parsers.h. */

#include "conf-parsers.h"
#include "conf-table.h"
#include "words.h"

#define CREDENTIALS_MAX 64
/* "opt/io.systemd.credentials/NAME" is the name of a fw_cfg file: 55 bytes (QEMU, docs/specs/fw_cfg) */
#define CREDENTIAL_NAME_MAX (55 - strlen("opt/io.systemd.credentials/"))

static void set_type(Firmware *f, FirmwareType type, char *path) {
        f->type = type;
        f->path = path;
}

int parse_firmware(Setting *s, char *value, void *member) {
        Firmware *f = member;
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (!*text || streq(text, "bios"))
                set_type(f, FIRMWARE_BIOS, NULL);
        else if (streq(text, "uefi"))
                set_type(f, FIRMWARE_UEFI, NULL);
        else if (path_is_normalized(text))
                set_type(f, FIRMWARE_FILE, text);
        else
                return setting_refuse(s, "is neither bios nor uefi nor the absolute path of an image");
        return 0;
}

static int add_credential(Setting *s, Firmware *f, char *name, char *path) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
        Credential *c;

        if (n == 0 || name[n] || n > CREDENTIAL_NAME_MAX || strchr(".-", name[0]))
                return setting_refuse(s,
                                "has a name that is not of letters, digits, '_', '.' and '-', at most %zu",
                                CREDENTIAL_NAME_MAX);
        if (startswith(name, "qnet.")) /* the seed's */
                return setting_refuse(s, "has a name that begins with \"qnet.\", which are qnet's own");
        for (size_t i = 0; i < f->n_credentials; i++)
                if (streq(f->credentials[i].name, name)) {
                        f->credentials[i].path = path;
                        return 0;
                }
        if (f->n_credentials >= CREDENTIALS_MAX)
                return setting_refuse(s, "is more than %d credentials", CREDENTIALS_MAX);
        c = arena_append(s->arena, f->credentials, f->n_credentials);
        if (!c)
                return -ENOMEM;
        *c = (Credential){ .name = name, .path = path };
        return 0;
}

static int add_seed_file(Setting *s, Firmware *f, char *name, char *path) {
        int file = seed_file_from_string(name);

        if (file < 0)
                return setting_refuse(s,
                                "has a file that is not user-data, meta-data, network-config or vendor-data");
        f->seed[file] = path;
        return 0;
}

static int parse_named_paths(Setting *s, char *value, Firmware *f,
                int (*add)(Setting *s, Firmware *f, char *name, char *path)) {
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
                r = add(s, f, text, colon + 1);
        }
        return r;
}

int parse_credentials(Setting *s, char *value, void *member) {
        Firmware *f = member;

        if (!*value) {
                f->credentials = NULL;
                f->n_credentials = 0;
                return 0;
        }
        return parse_named_paths(s, value, f, add_credential);
}

int parse_cloud_init(Setting *s, char *value, void *member) {
        Firmware *f = member;

        if (!*value) {
                memset(f->seed, 0, sizeof(f->seed));
                return 0;
        }
        return parse_named_paths(s, value, f, add_seed_file);
}
