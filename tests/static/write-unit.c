/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* write-unit DIR NAME ARGUMENT... - a service by the unit-writer, for quoting.py: Description= is the
 * first argument, all of them are arguments of the command, and each with "w:" before it is a word of
 * ReadWritePaths=. */

#include "unit-writer.h"

int main(int argc, char *argv[]) {
        _cleanup_unit_writer_ UnitWriter *w = NULL;
        int r;

        if (argc < 4)
                return 2;
        r = unit_writer_new(argv[1], &w);
        if (r < 0)
                return 1;
        unit_open(w, argv[2]);
        unit_section(w, "Unit");
        unit_text(w, "Description", argv[3]);
        unit_section(w, "Service");
        unit_exec(w, "ExecStart", "", "/bin/true");
        unit_arg(w, argv[3]);
        for (int i = 4; i < argc; i++)
                unit_option(w, argv[i]); /* each at the start of a line, where some bytes mean more */
        unit_exec_end(w);
        for (int i = 3; i < argc; i++) {
                _cleanup_free_ char *word = NULL;

                if (asprintf(&word, "w:%s", argv[i]) < 0)
                        return 1;
                unit_word(w, "ReadWritePaths", word, NULL);
        }
        return unit_close(w) < 0;
}
