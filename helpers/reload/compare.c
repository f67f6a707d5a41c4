/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "compare.h"

/* An option and what follows it. */
typedef struct Part {
        char *text;
        const struct Part *twin; /* on the other side */
} Part;

typedef struct Side {
        Part *parts;
        size_t n;
} Side;

struct Comparison {
        Side wanted, running;
};

static void side_done(Side *s) {
        for (size_t i = 0; i < s->n; i++)
                free(s->parts[i].text);
        free(s->parts);
}

Comparison *comparison_free(Comparison *c) {
        if (!c)
                return NULL;
        side_done(&c->wanted);
        side_done(&c->running);
        free(c);
        return NULL;
}

/* ---- lists of key=value, in which a comma is doubled (qemu(1)) ---- */

static size_t item_length(const char *s) {
        size_t n = 0;

        while (s[n] && (s[n] != ',' || s[n + 1] == ','))
                n += s[n] == ',' ? 2 : 1;
        return n;
}

static bool item_is(const char *item, size_t n, const char *key, const char *value) {
        size_t k = strlen(key);

        return n > k && strncmp(item, key, k) == 0 && item[k] == '=' &&
               (!value || (strlen(value) == n - k - 1 && strncmp(item + k + 1, value, n - k - 1) == 0));
}

/* The item "KEY=...", or NULL; value NULL: any. */
static const char *find_item(const char *list, const char *key, const char *value, size_t *ret_length) {
        for (const char *s = list;; s++) {
                size_t n = item_length(s);

                if (item_is(s, n, key, value)) {
                        *ret_length = n;
                        return s;
                }
                s += n;
                if (!*s)
                        return NULL;
        }
}

static bool has_item(const char *list, const char *key, const char *value) {
        size_t n;

        return find_item(list, key, value, &n) != NULL;
}

/* In place. */
static void drop_item(char *list, const char *key) {
        size_t n;
        char *s;

        while ((s = (char *) find_item(list, key, NULL, &n))) {
                if (s[n] == ',')
                        n++;
                else if (s > list)
                        s--, n++;
                memmove(s, s + n, strlen(s + n) + 1);
        }
}

int drive_image(char *const *argv, const char *id, char **ret) {
        STRV_FOREACH (arg, argv) {
                const char *file = NULL;
                size_t n, k = 0;

                if (!streq(*arg, "-drive") || !arg[1])
                        continue;
                if (has_item(arg[1], "id", id))
                        file = find_item(arg[1], "file", NULL, &n);
                if (!file)
                        continue;
                file += strlen("file=");
                n -= strlen("file=");
                *ret = malloc(n + 1);
                if (!*ret)
                        return -ENOMEM;
                for (size_t i = 0; i < n; i++) {
                        (*ret)[k++] = file[i];
                        i += file[i] == ','; /* the second of two */
                }
                (*ret)[k] = '\0';
                return 0;
        }
        return -ENOENT;
}

/* ---- the parts of a command line ---- */

static const char *value_of(const char *text, const char *option) {
        const char *rest = startswith(text, option);

        return rest && *rest == ' ' ? rest + 1 : NULL;
}

static void leave_out_medium(char *text, char *const *drives) {
        char *value = (char *) value_of(text, "-drive");

        if (!value)
                return;
        STRV_FOREACH (id, drives) {
                if (!has_item(value, "id", *id))
                        continue;
                drop_item(value, "format");
                drop_item(value, "file");
                drop_item(value, "readonly");
        }
}

static void leave_out_memory(char *text) {
        char *value = (char *) value_of(text, "-m"), *end;

        if (value && !strchr(value, '=')) /* the size by itself; with more it is "SIZE,slots=..." */
                *value = '\0';
        else if (value && (end = strchr(value, ',')))
                memmove(value, end, strlen(end) + 1);
        value = (char *) value_of(text, "-object");
        if (value && has_item(value, "id", "memory"))
                drop_item(value, "size");
}

/* What is before end, with a space between two. */
static char *join(char *const *argv, char *const *end) {
        size_t n = 1;
        char *text, *p;

        for (char *const *arg = argv; arg < end; arg++)
                n += strlen(*arg) + 1;
        text = p = malloc(n);
        for (char *const *arg = argv; text && arg < end; arg++) {
                if (arg > argv)
                        *p++ = ' ';
                p = stpcpy(p, *arg);
        }
        return text;
}

static int split(char *const *argv, char *const *drives, bool memory, Side *s) {
        s->parts = calloc(strv_length(argv) + 1, sizeof(*s->parts));
        if (!s->parts)
                return -ENOMEM;
        while (argv && *argv) {
                char *const *end = argv + 1;
                char *text;

                while (*end && **end != '-')
                        end++;
                text = join(argv, end);
                if (!text)
                        return -ENOMEM;
                leave_out_medium(text, drives);
                if (memory)
                        leave_out_memory(text);
                s->parts[s->n++] = (Part){ .text = text };
                argv = end;
        }
        return 0;
}

/* ---- comparing ---- */

/* What a variable was is not known: any text without a comma will do. */
static bool matches(const char *wanted, const char *running) {
        for (; *wanted; wanted++, running++) {
                if (*wanted == '$' && wanted[1] == '{' && strchr(wanted, '}')) {
                        wanted = strchr(wanted, '}') + 1;
                        running += strcspn(running, ",");
                        return matches(wanted, running);
                }
                if (*wanted == '$' && wanted[1] == '$')
                        wanted++;
                if (*wanted != *running)
                        return false;
        }
        return !*running;
}

static void pair(Comparison *c) {
        for (size_t i = 0; i < c->wanted.n; i++)
                for (size_t k = 0; k < c->running.n && !c->wanted.parts[i].twin; k++) {
                        Part *w = c->wanted.parts + i, *p = c->running.parts + k;

                        if (p->twin || !matches(w->text, p->text))
                                continue;
                        w->twin = p;
                        p->twin = w;
                }
}

int comparison_new(char *const *wanted, char *const *running, char *const *drives, bool memory, Comparison **ret) {
        _cleanup_comparison_ Comparison *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        r = split(wanted, drives, memory, &c->wanted);
        if (r >= 0)
                r = split(running, drives, memory, &c->running);
        if (r < 0)
                return r;
        pair(c);
        *ret = TAKE_PTR(c);
        return 0;
}

static bool refers_to(const char *text, const char *id) {
        static const char *const keys[] = { "id", "drive", "netdev" };
        const char *list = strchr(text, ' ');

        for (size_t i = 0; list && i < ELEMENTSOF(keys); i++)
                if (has_item(list + 1, keys[i], id))
                        return true;
        return false;
}

static bool side_same(const Side *s, const char *id) {
        for (size_t i = 0; i < s->n; i++)
                if (!s->parts[i].twin && refers_to(s->parts[i].text, id))
                        return false;
        return true;
}

bool comparison_same(const Comparison *c, const char *id) {
        return side_same(&c->wanted, id) && side_same(&c->running, id);
}

/* ---- telling ---- */

static bool same_name(const char *a, const char *b) {
        size_t n = strcspn(a, " ");

        return n == strcspn(b, " ") && strncmp(a, b, n) == 0;
}

/* Whether two that differ are one thing that was changed: of one option, and with the same id. */
static bool are_one(const char *a, const char *b) {
        static const char *const keys[] = { "id", "drive", "netdev", "chardev" };

        if (!same_name(a, b))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                size_t n = 0, m = 0;
                const char *x = find_item(a, keys[i], NULL, &n), *y = find_item(b, keys[i], NULL, &m);

                if (x || y)
                        return x && y && n == m && strncmp(x, y, n) == 0;
        }
        return true;
}

static int add_line(char ***lines, const char *format, const char *a, const char *b) {
        char *line = NULL;

        if ((b ? asprintf(&line, "%.200s, %s %.200s", a, format, b) : asprintf(&line, "%.200s %s", a, format)) < 0)
                return -ENOMEM;
        for (unsigned char *p = (unsigned char *) line; *p; p++)
                if (*p < ' ' || *p == 127)
                        *p = '?';
        return strv_consume(lines, line);
}

static int tell_order(const Comparison *c, char ***lines) {
        for (size_t i = 1; i < c->wanted.n; i++)
                if (c->wanted.parts[i].twin < c->wanted.parts[i - 1].twin)
                        return add_line(lines, "comes in another order", c->wanted.parts[i].text, NULL);
        return 0;
}

int comparison_lines(const Comparison *c, char ***ret) {
        _cleanup_strv_ char **lines = NULL;
        _cleanup_free_ bool *told = calloc(c->running.n + 1, sizeof(*told));
        int r = told ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < c->wanted.n; i++) {
                const char *other = NULL;

                if (c->wanted.parts[i].twin)
                        continue;
                for (size_t k = 0; !other && k < c->running.n; k++)
                        if (!c->running.parts[k].twin && !told[k] &&
                                        are_one(c->wanted.parts[i].text, c->running.parts[k].text)) {
                                other = c->running.parts[k].text;
                                told[k] = true;
                        }
                r = other ? add_line(&lines, "and it runs with", c->wanted.parts[i].text, other)
                          : add_line(&lines, "is new", c->wanted.parts[i].text, NULL);
        }
        for (size_t k = 0; r >= 0 && k < c->running.n; k++)
                if (!c->running.parts[k].twin && !told[k])
                        r = add_line(&lines, "is no longer there", c->running.parts[k].text, NULL);
        if (r >= 0 && !lines)
                r = tell_order(c, &lines);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(lines);
        return 0;
}
