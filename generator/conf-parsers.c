/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "conf-parsers.h"
#include "conf-table.h"
#include "words.h"

#define COMMAND_LINE_MAX  ((size_t) 64 * 1024)
#define BUILT_IN_KILL_LOG "/run/qnet/kill.log" /* units/qnet-reaper.path */

int setting_refuse(Setting *s, const char *format, ...) {
        char buf[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(buf, sizeof(buf), format, ap);
        va_end(ap);
        s->why = arena_strdup(s->arena, buf);
        return s->why ? -EINVAL : -ENOMEM;
}

int setting_expand(Setting *s, char *value, char **ret) {
        char *text;
        int r;

        r = specifiers_expand(s->arena, s->specifiers, value, &text, &s->why);
        if (r < 0)
                return r;
        /* what is in the file is text, up to tabs: the reader of lines has seen to that */
        if (text == value ? strchr(text, '\t') != NULL : !text_is_printable(text))
                return setting_refuse(s, "has a tab or another control character");
        *ret = text;
        return 0;
}

/* execve(2), MAX_ARG_STRLEN of linux/binfmts.h: 32 pages, with the end of the string */
#define ARGUMENT_MAX ((size_t) 128 * 1024 - 1)

int setting_check_argument(Setting *s, const char *text) {
        size_t n = strlen(text);

        return n <= ARGUMENT_MAX ? 0
                                 : setting_refuse(s, "has an argument of %zu bytes, and Linux takes %zu at most", n,
                                                   ARGUMENT_MAX);
}

/* A string that stands for itself when it is valid. */
static int parse_valid(Setting *s, char *value, bool (*is_valid)(const char *), const char *why, char **ret) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (is_valid && !is_valid(text))
                return setting_refuse(s, "%s", why);
        *ret = text;
        return 0;
}

int parse_text(Setting *s, char *value, void *member) {
        return parse_valid(s, value, NULL, NULL, member);
}

int parse_object_name(Setting *s, char *value, void *member) {
        return parse_valid(s, value, name_is_valid,
                        "is not a name: letters, digits, '_', '.' and '-', at most 63, a letter or digit first",
                        member);
}

int parse_interface_name(Setting *s, char *value, void *member) {
        return parse_valid(s, value, ifname_is_valid,
                        "is not the name of an interface: letters, digits, '_', '.' and '-', at most 15",
                        member);
}

int parse_path(Setting *s, char *value, void *member) {
        return parse_valid(s, value, path_is_normalized,
                        "is not an absolute path without \"//\", \".\" and \"..\" in it", member);
}

#define WORD_BYTES      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#define WORD_LENGTH_MAX 1024

bool asks_for_help(const char *s) {
        for (size_t n; *s; s += n + (s[n] == ',')) {
                n = strcspn(s, ",");
                if ((n == 4 && startswith(s, "help")) || (n == 1 && *s == '?'))
                        return true;
        }
        return false;
}

static bool is_of(const char *s, const char *bytes) {
        size_t n = strspn(s, bytes);

        return n > 0 && !asks_for_help(s) && n <= WORD_LENGTH_MAX && !s[n] && !strchr("-.,=+", s[0]);
}

static bool word_is_valid(const char *s) {
        return is_of(s, WORD_BYTES);
}

static bool options_are_valid(const char *s) {
        return is_of(s, WORD_BYTES ",=+");
}

static bool architecture_is_valid(const char *s) {
        return is_of(s, "abcdefghijklmnopqrstuvwxyz0123456789_") && strlen(s) <= 32;
}

int parse_word(Setting *s, char *value, void *member) {
        return parse_valid(s, value, word_is_valid,
                        "is not a word of letters, digits, '_', '.' and '-', other than \"help\"", member);
}

int parse_qemu_options(Setting *s, char *value, void *member) {
        return parse_valid(s, value, options_are_valid,
                        "is not a word of letters, digits and \"_.-,=+\" that begins with a letter or digit and "
                        "asks for no \"help\"",
                        member);
}

int parse_architecture(Setting *s, char *value, void *member) {
        return parse_valid(s, value, architecture_is_valid,
                        "is not an architecture of QEMU, such as x86_64 or aarch64", member);
}

int parse_switch_flag(Setting *s, char *value, void *member) {
        return parse_boolean(value, member) < 0 ? setting_refuse(s, "is neither yes nor no") : 0;
}

int setting_number(Setting *s, char *value, unsigned min, unsigned max, unsigned *ret) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (parse_unsigned(text, min, max, ret) < 0)
                return setting_refuse(s, "is not a number from %u to %u", min, max);
        return 0;
}

int parse_mtu(Setting *s, char *value, void *member) {
        return setting_number(s, value, 68, 65535, member);
}

int setting_bytes(Setting *s, char *value, uint64_t min, const char *min_text, uint64_t *ret) {
        uint64_t v;
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        r = parse_size(text, &v);
        if (r == -ERANGE)
                return setting_refuse(s, "is too large");
        if (r < 0)
                return setting_refuse(s, "is not a size, such as 512M or 2G");
        if (v < min)
                return setting_refuse(s, "is less than %s", min_text);
        if (v > INT64_MAX)
                return setting_refuse(s, "is too large");
        *ret = v;
        return 0;
}

int parse_memory(Setting *s, char *value, void *member) {
        return setting_bytes(s, value, 4096, "4K; a size without a suffix is in bytes", member);
}

int parse_time_span(Setting *s, char *value, void *member) {
        usec_t v;

        if (parse_sec(value, &v) < 0)
                return setting_refuse(s, "is not a time span, such as 90 or 1min 30s");
        *(usec_t *) member = v;
        return 0;
}

/* Words of an enum, named in full when none fits. */
static int parse_enum(Setting *s, const char *value, int (*from_string)(const char *), const char *words,
                int *ret) {
        int v = from_string(value);

        if (v < 0)
                return setting_refuse(s, "is not one of %s", words);
        *ret = v;
        return 0;
}

#define DEFINE_PARSE_ENUM(name, type, words)                             \
        int parse_##name(Setting *s, char *value, void *member) {        \
                int v = 0, r;                                            \
                r = parse_enum(s, value, name##_from_string, words, &v); \
                if (r >= 0)                                              \
                        *(type *) member = (type) v;                     \
                return r;                                                \
        }

DEFINE_PARSE_ENUM(accelerator, Accelerator, "auto, kvm, tcg")
DEFINE_PARSE_ENUM(serial_type, SerialType, "console, journal, file, pty, tty, tcp, telnet, unix, pipe")
DEFINE_PARSE_ENUM(interface_type, InterfaceType, "tap, user, macvtap, vde, multicast, stream, dgram, none")
DEFINE_PARSE_ENUM(macvtap_mode, MacvtapMode, "bridge, private, vepa, passthru")
DEFINE_PARSE_ENUM(share_type, ShareType, "9p, virtiofs")
DEFINE_PARSE_ENUM(security_model, SecurityModel, "mapped-xattr, mapped-file, passthrough, none")

int parse_share_tag(Setting *s, char *value, void *member) {
        char *tag;
        int r;

        r = parse_word(s, value, &tag);
        if (r < 0)
                return r;
        if (strlen(tag) > SHARE_TAG_MAX)
                return setting_refuse(s, "is longer than %d characters, the most that a guest takes",
                                SHARE_TAG_MAX);
        *(char **) member = tag;
        return 0;
}

int parse_instances(Setting *s, char *value, void *member) {
        VM *vm = member;
        int r;

        if (!*value) {
                vm->has_instances = false;
                vm->instances = 0;
                return 0;
        }
        r = setting_number(s, value, 0, 1024, &vm->instances);
        if (r >= 0)
                vm->has_instances = true;
        return r;
}

int parse_kernel_command_line(Setting *s, char *value, void *member) {
        VM *vm = member;
        char *text, *p, *line;
        size_t n, m, size = 1;
        int r;

        if (!*value) {
                vm->kernel_command_line = NULL;
                return 0;
        }
        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        line = vm->kernel_command_line ?: (char *) "";
        n = strlen(line);
        m = strlen(text);
        if (n + m + 2 > COMMAND_LINE_MAX)
                return setting_refuse(s, "makes the kernel command line longer than 64 KiB");
        while (size < n + m + 2)
                size *= 2;
        if (n > 0 && n + 1 > size / 2) /* room was left: see below */
                p = line;
        else
                p = arena_alloc(s->arena, size);
        if (!p)
                return -ENOMEM;
        if (p != line)
                memcpy(p, line, n);
        if (n > 0)
                p[n++] = ' ';
        memcpy(p + n, text, m + 1);
        vm->kernel_command_line = p;
        return 0;
}

int parse_extra_args(Setting *s, char *value, void *member) {
        VM *vm = member;
        char **words = NULL;
        size_t n = 0;
        int r;

        if (!*value) {
                vm->extra_args = NULL;
                vm->n_extra_args = 0;
                return 0;
        }
        r = words_split(s->arena, value, &words, &n, &s->why);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {          /* all of them, before any is taken over */
                if (!text_is_printable(words[i])) /* by an escape */
                        return setting_refuse(s, "has a tab or another control character");
                r = setting_expand(s, words[i], words + i);
                if (r >= 0)
                        r = setting_check_argument(s, words[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < n; i++) {
                r = words_append(s->arena, &vm->extra_args, &vm->n_extra_args, words[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int parse_kill_logs(Setting *s, char *value, void *member) {
        Reaper *reaper = member;
        char *path;
        int r;

        if (!*value) {
                reaper->kill_logs = NULL;
                reaper->n_kill_logs = 0;
                return 0;
        }
        r = parse_path(s, value, &path);
        if (r < 0)
                return r;
        if (streq(path, BUILT_IN_KILL_LOG)) {
                s->warning = "is watched in any case, ignoring";
                return 0;
        }
        for (size_t i = 0; i < reaper->n_kill_logs; i++)
                if (streq(reaper->kill_logs[i], path)) {
                        s->warning = "is watched already, ignoring";
                        return 0;
                }
        if (reaper->n_kill_logs >= 64)
                return setting_refuse(s, "is more than 64 kill logs");
        return words_append(s->arena, &reaper->kill_logs, &reaper->n_kill_logs, path);
}

Disk *vm_short_disk(VM *vm) {
        return vm->n_disks > 0 && vm->disks[0].is_short ? vm->disks : NULL;
}

int parse_short_image(Setting *s, char *value, void *member) {
        VM *vm = member;
        Disk *d = vm_short_disk(vm);
        char *path;
        int r;

        if (!*value) {
                if (d)
                        memmove(d, d + 1, --vm->n_disks * sizeof(*d));
                return 0;
        }
        r = parse_path(s, value, &path);
        if (r < 0)
                return r;
        if (!d) {
                if (!arena_append(s->arena, vm->disks, vm->n_disks))
                        return -ENOMEM;
                d = vm->disks;
                memmove(d + 1, d, (vm->n_disks - 1) * sizeof(*d));
                *d = *(const Disk *) key_set_defaults(KEYS_DISK);
                d->is_short = true;
        }
        d->origin = s->origin;
        d->image = path;
        return said_set(s->arena, &d->said, key_find(KEYS_DISK, "Image"), s->origin);
}
