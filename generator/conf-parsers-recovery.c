/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is done about a guest that hangs: Recover= and BlackBox=. See conf-parsers.h. */

#include "conf-parsers.h"
#include "words.h"

#define TIMEOUT_MIN         USEC_PER_SEC
#define TIMEOUT_MAX         (60 * 60 * USEC_PER_SEC)
#define BLACK_BOXES_DEFAULT 5
#define BLACK_BOXES_MAX     1000

static bool already(const Recovery *v, Rung rung) {
        for (size_t i = 0; i < v->n_rungs; i++)
                if (v->rungs[i] == rung)
                        return true;
        return false;
}

int parse_recover(Setting *s, char *value, void *member) {
        Recovery *v = member, said = *v;
        char **words = NULL;
        size_t n = 0;
        int r;

        r = words_split(s->arena, value, &words, &n, &s->why);
        if (r < 0)
                return r;
        said.n_rungs = 0;
        for (size_t i = 0; i < n; i++) {
                int rung = rung_from_string(words[i]);

                if (rung < 0)
                        return setting_refuse(s, "is not a list of reset, powerdown and restart");
                if (already(&said, (Rung) rung))
                        return setting_refuse(s, "names something twice");
                if (already(&said, RUNG_RESTART))
                        return setting_refuse(s,
                                        "goes on after restart, which ends QEMU: nothing is left to be tried");
                said.rungs[said.n_rungs++] = (Rung) rung;
        }
        *v = said;
        return 0;
}

int parse_recover_timeout(Setting *s, char *value, void *member) {
        usec_t v;

        if (parse_sec(value, &v) < 0)
                return setting_refuse(s, "is not a time span, such as 30 or 1min 30s");
        if (v < TIMEOUT_MIN || v > TIMEOUT_MAX)
                return setting_refuse(s, "is not between 1s and 1h");
        *(usec_t *) member = v;
        return 0;
}

int parse_black_box(Setting *s, char *value, void *member) {
        unsigned *v = member, n;
        bool yes;

        /* numbers first: "1" is one box, not "yes" */
        if (parse_unsigned(value, 0, BLACK_BOXES_MAX, &n) >= 0)
                *v = n;
        else if (parse_boolean(value, &yes) >= 0)
                *v = yes ? BLACK_BOXES_DEFAULT : 0;
        else
                return setting_refuse(s, "is neither yes nor no nor a number up to %d", BLACK_BOXES_MAX);
        return 0;
}

int parse_black_box_memory(Setting *s, char *value, void *member) {
        uint64_t none;

        if (parse_size(value, &none) >= 0 && none == 0) {
                *(uint64_t *) member = 0;
                return 0;
        }
        return parse_memory(s, value, member);
}
