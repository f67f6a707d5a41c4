/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <fcntl.h>
#include <unistd.h>

#include "specifier.h"

/* The first line of ROOT/name, 0 bytes when there is none. */
static void read_first_line(const char *root, const char *name, char *buf, size_t size) {
        _cleanup_close_ int fd = -1;
        char path[PATH_MAX];
        ssize_t n;

        buf[0] = '\0';
        if ((size_t) snprintf(path, sizeof(path), "%s%s", root ?: "", name) >= sizeof(path))
                return;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return;
        n = read(fd, buf, size - 1);
        buf[MAX(n, 0)] = '\0';
        buf[strcspn(buf, "\n")] = '\0';
}

static bool machine_id_is_valid(const char *s) {
        return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32 && strspn(s, "0") != 32;
}

static void set_path(char buf[static PATH_MAX], const char *s, const char *fallback) {
        snprintf(buf, PATH_MAX, "%s", s && s[0] == '/' && strlen(s) < PATH_MAX ? s : fallback);
}

void host_read(const char *root, bool user, Host *ret) {
        char id[64];

        memset(ret, 0, sizeof(*ret));
        read_first_line(root, "/etc/machine-id", id, sizeof(id));
        if (machine_id_is_valid(id))
                memcpy(ret->machine_id, id, sizeof(ret->machine_id));
        if (root)
                read_first_line(root, "/etc/hostname", ret->name, sizeof(ret->name));
        else if (gethostname(ret->name, sizeof(ret->name) - 1) < 0)
                ret->name[0] = '\0';
        set_path(ret->runtime, user ? getenv("XDG_RUNTIME_DIR") : NULL, "/run");
        set_path(ret->state, user ? getenv("XDG_CONFIG_HOME") : NULL, "/var/lib"); /* as systemd 252: %S */
        set_path(ret->home, user ? getenv("HOME") : NULL, "/root");
}

/* The text of %c in up to three pieces, or false. */
static bool specifier_text(const Specifiers *sp, char c, const char *pieces[static 3]) {
        pieces[0] = pieces[1] = pieces[2] = "";
        switch (c) {
        case 'i':
                pieces[0] = sp->name;
                return true;
        case 'n':
                pieces[2] = sp->unit_suffix;
                __attribute__((fallthrough));
        case 'N':
                pieces[0] = sp->unit_prefix;
                pieces[1] = sp->name;
                return true;
        case 'H':
                pieces[0] = sp->host->name;
                return sp->host->name[0];
        case 'm':
                pieces[0] = sp->host->machine_id;
                return sp->host->machine_id[0];
        case 't':
                pieces[0] = sp->host->runtime;
                return true;
        case 'S':
                pieces[0] = sp->host->state;
                return true;
        case 'h':
                pieces[0] = sp->host->home;
                return true;
        case '%':
                pieces[0] = "%";
                return true;
        default:
                return false;
        }
}

static int refuse(Arena *a, char c, const char **ret_why) {
        if (c == 'm')
                *ret_why = "needs the machine ID (%m), and this host has none yet";
        else if (c == 'H')
                *ret_why = "needs the host's name (%H), and it has none";
        else if (isalnum((unsigned char) c))
                *ret_why = arena_printf(
                                a, "has the unknown specifier %%%c (a literal %% is written %%%%)", c);
        else
                *ret_why = "has a single % (a literal one is written %%)";
        return *ret_why ? -EINVAL : -ENOMEM;
}

int specifiers_expand(Arena *a, const Specifiers *sp, char *s, char **ret, const char **ret_why) {
        const char *pieces[3];
        size_t size = 1;
        char *out, *p;

        if (!strchr(s, '%')) {
                *ret = s;
                return 0;
        }
        for (const char *q = s; *q; q++) {
                if (*q != '%')
                        size++;
                else if (!specifier_text(sp, *++q, pieces))
                        return refuse(a, *q, ret_why);
                else
                        size += strlen(pieces[0]) + strlen(pieces[1]) + strlen(pieces[2]);
        }
        out = p = arena_alloc(a, size);
        if (!out)
                return -ENOMEM;
        for (const char *q = s; *q; q++)
                if (*q == '%' && specifier_text(sp, *++q, pieces))
                        p = stpcpy(stpcpy(stpcpy(p, pieces[0]), pieces[1]), pieces[2]);
                else
                        *p++ = *q;
        *ret = out;
        return 0;
}
