/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The grammar alone: any bytes give records whose lines do not go back, whose strings are of the text, and an end. */

#include "fuzz.h"
#include "ini.h"
#include "parse-value.h"

#define MUST(condition)           \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = malloc(size + 1);
        unsigned line = 0;
        size_t n = 0;
        IniReader r;
        IniLine l;

        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        for (ini_open(&r, text, size); ini_next(&r, &l); n++) {
                MUST(l.line > 0 && l.line >= line && n <= size);
                line = l.line;
                MUST(l.name);
                if (l.type == INI_ERROR)
                        continue;
                MUST(strlen(l.name) <= size);
                if (l.type == INI_ASSIGNMENT)
                        MUST(l.value && strlen(l.value) <= size && (!l.value[0] || l.value[0] != ' '));
        }
        return 0;
}
