/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf-text.h"
#include "parse-value.h"

/* Scope, target and name by the path, as the search path has them. */
static int classify(Arena *a, ConfFile *f) {
        const char *slash = strrchr(f->path, '/'), *end;
        char *parent;

        f->name = slash ? slash + 1 : f->path;
        parent = arena_strndup(a, f->path, slash ? (size_t) (slash - f->path) : 0);
        if (!parent)
                return -ENOMEM;
        slash = strrchr(parent, '/');
        slash = slash ? slash + 1 : parent;
        if ((end = endswith(slash, ".conf.d")))
                f->scope = end > slash && end[-1] == '-' ? CONF_PREFIX : CONF_NAME;
        else if ((end = endswith(slash, ".d")))
                f->scope = CONF_TYPE;
        else {
                f->scope = CONF_MAIN;
                slash = f->name;
                end = endswith(slash, ".conf") ?: slash + strlen(slash);
        }
        f->target = arena_strndup(a, slash, (size_t) (end - slash));
        return f->target ? 0 : -ENOMEM;
}

static int compare(const void *x, const void *y) {
        const ConfFile *a = x, *b = y;

        if (a->scope != b->scope)
                return a->scope < b->scope ? -1 : 1;
        return strcmp(a->target, b->target) ?: strcmp(a->name, b->name);
}

static int add_file(Arena *a, ConfFile **files, size_t *n, char *path, char *text, size_t size) {
        char *link = path ? strstr(path, " -> /dev/null") : NULL;
        ConfFile *f;

        if (!path)
                return -ENOMEM;
        if (link)
                *link = '\0';
        if (path[0] != '/' || !endswith(path, ".conf"))
                return 0;
        f = arena_append(a, *files, *n);
        if (!f)
                return -ENOMEM;
        f->masked = link;
        f->path = path;
        if (!text_is_printable(path)) { /* as conf_files_read() does */
                for (char *p = path; *p; p++)
                        if ((unsigned char) *p < 32 || (unsigned char) *p >= 127)
                                *p = '?';
                f->error = -EILSEQ;
        }
        f->size = size;
        f->text = arena_strndup(a, text, size);
        return f->text ? classify(a, f) : -ENOMEM;
}

/* The next "--- " at the start of a line, or the end. */
static char *find_separator(char *p, char *end) {
        for (char *q = p; q < end; q++)
                if (end - q >= 4 && memcmp(q, "--- ", 4) == 0 && (q == p || q[-1] == '\n'))
                        return q;
        return end;
}

int conf_text_split(Arena *a, const char *text, size_t size, ConfFile **ret, size_t *ret_n) {
        char *copy = arena_strndup(a, text, size), *p = copy, *end = copy + size;
        ConfFile *files = NULL;
        size_t n = 0, k = 0;
        int r = 0;

        if (!copy)
                return -ENOMEM;
        if (size > 0 && p != find_separator(p, end)) {
                char *next = find_separator(p, end);
                r = add_file(a, &files, &n, arena_strdup(a, "/etc/qnet/test.conf"), p, (size_t) (next - p));
                p = next;
        }
        while (p < end && r >= 0) {
                char *line_end = memchr(p, '\n', (size_t) (end - p)) ?: end - 1, *next;
                char *path = arena_strndup(a, p + 4, line_end > p + 4 ? (size_t) (line_end - p - 4) : 0);

                next = find_separator(line_end + 1, end);
                r = path ? add_file(a, &files, &n, path, line_end + 1, (size_t) (next - line_end - 1))
                         : -ENOMEM;
                p = next;
        }
        if (r < 0)
                return r;
        if (n > 1)
                qsort(files, n, sizeof(ConfFile), compare);
        for (size_t i = 0; i < n; i++)
                if (k == 0 || compare(files + k - 1, files + i) != 0)
                        files[k++] = files[i];
        *ret = files;
        *ret_n = k;
        return 0;
}
