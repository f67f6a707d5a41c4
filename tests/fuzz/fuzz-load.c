/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The whole of the generator but files: text (several files of it, tests/unit/conf-text.h) to a model to units and
 * JSON. What must hold: no crash, no undefined behaviour, no leak, time in proportion to the text; and that whatever
 * passed validation satisfies what the emitters assert and what the unit-writer refuses. */

#include "conf-text.h"
#include "emit.h"
#include "fuzz.h"
#include "json.h"
#include "load.h"
#include "log.h"
#include "validate.h"

/* Instances= makes many VMs of few bytes on purpose: that is not what is looked for here. */
static bool makes_many(const char *text, size_t size) {
        static const char key[] = "Instances";

        for (const char *p = text, *end = text + size; (p = memmem(p, (size_t) (end - p), key, sizeof(key) - 1));) {
                size_t n = 0;

                for (p += sizeof(key) - 1; p < end && *p != '\n'; p++)
                        n += *p >= '0' && *p <= '9';
                if (n > 1)
                        return true;
        }
        return false;
}

static void write_all(const Model *m) {
        _cleanup_unit_writer_ UnitWriter *w = NULL;
        _cleanup_free_ char *out = NULL;
        size_t n_out;
        FILE *f = open_memstream(&out, &n_out);

        if (!f)
                abort();
        if (unit_writer_new_stream(f, "/out", &w) < 0 || emit_all(m, w) < 0)
                abort(); /* a value that passed validation cannot be written */
        if (json_print(m, f) < 0)
                abort();
        fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const Host host = {
                .name = "testhost",
                .machine_id = "0123456789abcdef0123456789abcdef",
                .runtime = "/run",
                .state = "/var/lib",
                .home = "/root",
        };
        _cleanup_model_ Model *m = NULL;
        ConfFile *files;
        size_t n;

        log_set_max_level(-1);
        if (makes_many((const char *) data, size))
                return 0;
        m = model_new();
        if (!m || conf_text_split(m->arena, (const char *) data, size, &files, &n) < 0 ||
                        model_load(m, &host, files, n) < 0 || model_validate(m, &host) < 0)
                abort();
        write_all(m);
        return 0;
}
