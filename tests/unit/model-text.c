/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf-text.h"
#include "load.h"
#include "log.h"
#include "model-text.h"
#include "test.h"
#include "validate.h"

Model *model_of(const char *text) {
        Model *m = model_new();
        Host host = {
                .name = "testhost",
                .machine_id = "0123456789abcdef0123456789abcdef",
                .runtime = "/run",
                .state = "/var/lib",
                .home = "/root",
        };
        ConfFile *files;
        size_t n;

        log_set_max_level(-1);
        assert_non_null(m);
        assert_int_equal(conf_text_split(m->arena, text, strlen(text), &files, &n), 0);
        assert_int_equal(model_load(m, &host, files, n), 0);
        assert_int_equal(model_validate(m, &host), 0);
        return m;
}

static unsigned print(FILE *f, const char *name, const Problem *problems, size_t n) {
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%s %s:%u: %s\n", name, problems[i].origin.file, problems[i].origin.line,
                                problems[i].text);
        return (unsigned) n;
}

static char *problems_text(const Model *m, unsigned *ret_n) {
        char *out = NULL;
        size_t n_out;
        FILE *f = open_memstream(&out, &n_out);

        *ret_n = 0;
        for (size_t i = 0; i < m->n_vms; i++)
                *ret_n += print(f, m->vms[i]->name, m->vms[i]->problems, m->vms[i]->n_problems);
        for (size_t i = 0; i < m->n_switches; i++)
                *ret_n += print(f, m->switches[i]->name, m->switches[i]->problems,
                                m->switches[i]->n_problems);
        for (size_t i = 0; i < m->n_labs; i++)
                *ret_n += print(f, m->labs[i]->name, m->labs[i]->problems, m->labs[i]->n_problems);
        fclose(f);
        return out;
}

char *problems_of(const Model *m) {
        unsigned n;

        return problems_text(m, &n);
}

void check_problems(const char *text, const char *expected, unsigned n_errors, unsigned n_warnings,
                const char *file, int line) {
        _cleanup_model_ Model *m = model_of(text);
        unsigned n;
        _cleanup_free_ char *problems = problems_text(m, &n);

        _assert_string_equal(problems, expected, file, line);
        _assert_int_equal(m->n_errors, n_errors == (unsigned) -1 ? n : n_errors, file, line);
        _assert_int_equal(m->n_warnings, n_warnings, file, line);
}
