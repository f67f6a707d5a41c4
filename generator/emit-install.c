/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In come the lines of a passed-through [Install], out go links. systemd itself reads that section for
 * "systemctl enable" alone, and refuses to enable what a generator made: so the links are made here, as
 * "enable" would make them, in the generator's directory. */

#include "emit-internal.h"
#include "log.h"

#define UNIT_NAME_MAX 255

static const struct {
        const char *key, *directory;
} kinds[] = {
        { "WantedBy", ".wants" },
        { "RequiredBy", ".requires" },
};

/* systemd.unit(5). Stricter than needed: no templates, no specifiers; nothing that could leave the
 * directory. */
static bool unit_name_is_valid(const char *s) {
        static const char *const suffixes[] = { ".target", ".service", ".socket", ".device", ".mount",
                ".automount", ".swap", ".path", ".timer", ".slice", ".scope" };
        const char *dot = strrchr(s, '.');

        if (!dot || dot == s || dot[-1] == '@' || *s == '@' || strlen(s) > UNIT_NAME_MAX)
                return false;
        for (const char *p = s; *p; p++)
                if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@", *p))
                        return false;
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
                if (streq(dot, suffixes[i]))
                        return true;
        return false;
}

int emit_link(UnitWriter *w, const char *starter, const char *directory, const char *unit, const char *name,
                const char *suffix) {
        char target[sizeof("../") + UNIT_NAME_MAX];

        if (strlen(unit) + strlen(name) + strlen(suffix) > UNIT_NAME_MAX)
                return -ENAMETOOLONG;
        stpcpy(stpcpy(stpcpy(stpcpy(target, "../"), unit), name), suffix);
        return unit_link(w, target, starter, directory, "/", unit, name, suffix);
}

static int emit_words(UnitWriter *w, const Passthrough *p, const char *directory, const char *unit,
                const char *name, const char *suffix) {
        _cleanup_free_ char *copy = strdup(p->value);
        char *state = NULL;
        int r = 0;

        if (!copy)
                return -ENOMEM;
        for (char *s = strtok_r(copy, " \t", &state); s; s = strtok_r(NULL, " \t", &state))
                if (!unit_name_is_valid(s))
                        log_internal(LOG_WARNING, 0, p->origin.file, p->origin.line,
                                        "%s=%s is not the name of a unit, ignoring", p->key, s);
                else {
                        int k = emit_link(w, s, directory, unit, name, suffix);

                        if (k < 0 && r == 0)
                                r = k;
                }
        return r;
}

/* Whether an empty assignment further down takes the line back. */
static bool is_reset(const PassthroughList *list, size_t i) {
        for (size_t j = i + 1; j < list->n; j++)
                if (streq(list->items[j].section, "Install") &&
                                streq(list->items[j].key, list->items[i].key) &&
                                isempty(list->items[j].value))
                        return true;
        return false;
}

static const char *install_directory(const Passthrough *p) { /* NULL: not a line that makes links */
        if (!streq(p->section, "Install"))
                return NULL;
        for (size_t k = 0; k < ELEMENTSOF(kinds); k++)
                if (streq(p->key, kinds[k].key))
                        return kinds[k].directory;
        log_internal(LOG_WARNING, 0, p->origin.file, p->origin.line,
                        "%s= has no effect on a generated unit, only WantedBy= and RequiredBy= have", p->key);
        return NULL;
}

int emit_install(UnitWriter *w, const PassthroughList *list, const char *unit, const char *name,
                const char *suffix) {
        int r = 0;

        for (size_t i = 0; i < list->n; i++) {
                const char *directory = install_directory(&list->items[i]);
                int k;

                if (!directory || is_reset(list, i))
                        continue;
                k = emit_words(w, &list->items[i], directory, unit, name, suffix);
                if (k < 0 && r == 0)
                        r = k;
        }
        return r;
}
