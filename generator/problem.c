/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "arena.h"
#include "log.h"
#include "problem.h"

int problem_add(Model *m, Problem **list, size_t *n, Origin origin, bool *said, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        Problem *p;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                return -ENOMEM;

        if (!said || !*said) {
                log_internal(LOG_ERR, 0, origin.file, origin.line, "%s", text);
                m->n_errors++;
                if (said)
                        *said = true;
        }
        if (!list || *n >= PROBLEMS_MAX)
                return 0;
        p = arena_append(m->arena, *list, *n);
        if (!p)
                return -ENOMEM;
        p->origin = origin;
        p->text = arena_strdup(m->arena, text);
        if (!p->text) {
                (*n)--;
                return -ENOMEM;
        }
        return 0;
}

void model_warning(Model *m, Origin origin, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        m->n_warnings++;
        va_start(ap, format);
        if (vasprintf(&text, format, ap) >= 0)
                log_internal(LOG_WARNING, 0, origin.file, origin.line, "%s", text);
        va_end(ap);
}

const char *shown(const char *text, char buf[static SHOWN_SIZE]) {
        const unsigned char *p = (const unsigned char *) text;
        size_t n = 0;

        while (p[n] && n < 80) {
                size_t k = utf8_sequence(p + n);
                if (k == 1 || k == 0)
                        buf[n] = k == 0 || p[n] < 32 || p[n] == 127 ? '?' : (char) p[n];
                else
                        memcpy(buf + n, p + n, k);
                n += k ?: 1;
        }
        strcpy(buf + n, p[n] ? "..." : "");
        return buf;
}
