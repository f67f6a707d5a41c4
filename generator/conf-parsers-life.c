/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ready= and Stop=. See conf-parsers.h. */

#include "conf-parsers.h"

int parse_ready(Setting *s, char *value, void *member) {
        Life *l = member;
        int ready;

        if (!*value) {
                l->ready = READY_RUNNING;
                return 0;
        }
        ready = ready_from_string(value);
        if (ready != READY_RUNNING && ready != READY_ADDRESS)
                return setting_refuse(s, "is not one of running, address");
        l->ready = (Ready) ready;
        return 0;
}

int parse_stop(Setting *s, char *value, void *member) {
        int stop = stop_from_string(value);

        if (stop < 0)
                return setting_refuse(s, "is not one of powerdown, agent, quit");
        *(Stop *) member = (Stop) stop;
        return 0;
}
