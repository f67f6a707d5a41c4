/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* --help, made from a program's tables. Its form is what completions/qnet reads: "Usage:" and a line for
 * each row, with all options that it takes; longer ones go on below, indented further; then, after blank
 * lines, columns. */

#include "program.h"

#define WIDTH 100U

typedef struct Line {
        FILE *f;
        size_t column, indent; /* where it is, and where the next line starts */
} Line;

static void put_word(Line *l, const char *open, const char *name, const char *value, const char *close) {
        size_t n = strlen(open) + strlen(name) + (value ? 1 + strlen(value) : 0) + strlen(close);

        if (l->column + 1 + n > WIDTH) {
                fprintf(l->f, "\n%*s", (int) l->indent, "");
                l->column = l->indent;
        }
        fprintf(l->f, " %s%s%s%s%s", open, name, value ? "=" : "", value ?: "", close);
        l->column += 1 + n;
}

static void put_options(Line *l, const Program *p, uint64_t which, const char *open, const char *close) {
        for (const ProgramOption *o = p->options; o && o->name; o++)
                if (which & PROGRAM_BIT(o->id))
                        put_word(l, open, o->name, o->value, close);
}

/* Those without value, such as --json, which are what a row is told by when it has no name. */
static uint64_t flags(const Program *p) {
        uint64_t result = 0;

        for (const ProgramOption *o = p->options; o && o->name; o++)
                if (!o->value)
                        result |= PROGRAM_BIT(o->id);
        return result;
}

static void put_usage(const Program *p, const ProgramVerb *v, FILE *f) {
        const char *lead = v == p->verbs ? "Usage:" : "      ";
        size_t n = strlen(lead) + 1 + strlen(log_program()) + (v->name ? 1 + strlen(v->name) : 0);
        Line l = { .f = f, .column = n, .indent = n };

        fprintf(f, "%s %s%s%s", lead, log_program(), v->name ? " " : "", v->name ?: "");
        put_options(&l, p, v->required & flags(p), "--", "");
        if (!isempty(v->usage))
                put_word(&l, "", v->usage, NULL, "");
        put_options(&l, p, v->required & ~flags(p), "--", "");
        put_options(&l, p, v->options, "[--", "]");
        fputc('\n', f);
}

/* Two columns; further lines of the text are put below the first. */
static void put_row(FILE *f, const char *left, size_t width, const char *text) {
        fprintf(f, "%-*s  ", (int) width, left);
        for (const char *p = text; *p; p++) {
                fputc(*p, f);
                if (*p == '\n')
                        fprintf(f, "%*s", (int) width + 2, "");
        }
        fputc('\n', f);
}

static void put_verbs(const Program *p, FILE *f) {
        size_t width = 0;

        for (const ProgramVerb *v = p->verbs; v->run; v++)
                if (v->name && v->help)
                        width = MAX(width, 2 + strlen(v->name));
        if (width == 0)
                return;
        fputc('\n', f);
        for (const ProgramVerb *v = p->verbs; v->run; v++) {
                char left[64];

                if (!v->name || !v->help)
                        continue;
                snprintf(left, sizeof(left), "  %s", v->name);
                put_row(f, left, width, v->help);
        }
}

static int format_option(const ProgramOption *o, char buf[static 64]) {
        return snprintf(buf, 64, "     --%s%s%s", o->name, o->value ? "=" : "", o->value ?: "");
}

static void put_option_rows(const Program *p, FILE *f) {
        size_t width = strlen("     --version");
        char left[64];

        for (const ProgramOption *o = p->options; o && o->name; o++)
                width = MAX(width, (size_t) format_option(o, left));
        fputc('\n', f);
        for (const ProgramOption *o = p->options; o && o->name; o++) {
                format_option(o, left);
                put_row(f, left, width, o->help);
        }
        put_row(f, "  -h --help", width, "Show this help");
        put_row(f, "     --version", width, "Show the version");
}

void program_help(const Program *p, FILE *f) {
        for (const ProgramVerb *v = p->verbs; v->run; v++)
                put_usage(p, v, f);
        fprintf(f, "\n%s\n", p->about);
        put_verbs(p, f);
        put_option_rows(p, f);
        if (p->notes)
                fprintf(f, "\n%s\n", p->notes);
}
