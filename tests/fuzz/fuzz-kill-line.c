/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A line of a kill log, which anybody may have written: what is taken as an address has no byte that could do harm in a
 * message or in the cursor, and a rung comes with an address only. */

#include "fuzz.h"
#include "kill-log.h"

#define MUST(condition)           \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *s = malloc(size + 1); /* no NUL at its end, as in a log */
        KillLogLine l;
        size_t n;

        if (!s)
                return 0;
        if (size > 0)
                memcpy(s, data, size);
        kill_log_parse_line(s, size, &l);
        n = strnlen(l.text, sizeof(l.text));
        MUST(n < sizeof(l.text));
        for (size_t i = 0; i < n; i++)
                MUST(l.text[i] >= 32 && l.text[i] < 127 && (!l.word || l.text[i] > 32));
        if (l.word)
                MUST(n > 0 && n < WORD_MAX && memcmp(l.text, s, n) == 0);
        else
                MUST(!l.has_rung);
        MUST(!l.has_rung || (l.rung >= 0 && l.rung < _RUNG_MAX && size > n));
        return 0;
}
