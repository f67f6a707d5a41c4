/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf-table.h"
#include "problem.h"
#include "validate.h"

/* Nobody may report, or from nowhere: a mistake that would be found when it is too late. The rest of [Reaper] is good. */
int validate_report(Model *m) {
        Reaper *r = &m->reaper;

        if (r->n_listens > 0 && r->n_allows == 0) {
                r->n_listens = 0;
                return model_problem(m, said_at(&r->said, r->origin, KEYS_REAPER, "Listen"),
                                "Listen= needs Allow=, the addresses of those who may report; not listening");
        }
        if (r->n_allows > 0 && r->n_listens == 0)
                model_warning(m, said_at(&r->said, r->origin, KEYS_REAPER, "Allow"),
                                "Allow= is of no use without Listen=, ignoring");
        return 0;
}
