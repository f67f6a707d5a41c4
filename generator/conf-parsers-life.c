/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ready= and Stop=. See conf-parsers.h. */

#include "conf-parsers.h"

#define CONSOLE_TEXT_MAX 200

static int set_console(Setting *s, Life *l, char *value) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r >= 0)
                r = setting_check_argument(s, text);
        if (r < 0)
                return r;
        if (!*text || !text_is_printable(text) || strlen(text) > CONSOLE_TEXT_MAX)
                return setting_refuse(s, "needs what the guest prints, such as console:Welcome, at most %d bytes",
                                CONSOLE_TEXT_MAX);
        *l = (Life){ .ready = READY_CONSOLE, .ready_text = text, .stop = l->stop };
        return 0;
}

int parse_ready(Setting *s, char *value, void *member) {
        const char *port = startswith(value, "tcp:");
        unsigned number = 0;
        Life *l = member;
        int ready = READY_RUNNING;

        if (startswith(value, "console:"))
                return set_console(s, l, value + strlen("console:"));
        if (port)
                ready = READY_TCP;
        else if (*value)
                ready = ready_from_string(value);
        if (ready < 0)
                return setting_refuse(s, "is not one of running, address, tcp:PORT, agent, notify, console:TEXT");
        if (ready == READY_TCP && (!port || parse_unsigned(port, 1, 65535, &number) < 0))
                return setting_refuse(s, "needs the port that the guest listens at, such as tcp:22");
        if (ready == READY_CONSOLE)
                return setting_refuse(s, "needs what the guest prints, such as console:Welcome");
        *l = (Life){ .ready = (Ready) ready, .ready_port = number, .stop = l->stop };
        return 0;
}

int parse_stop(Setting *s, char *value, void *member) {
        int stop = stop_from_string(value);

        if (stop < 0)
                return setting_refuse(s, "is not one of powerdown, agent, quit");
        *(Stop *) member = (Stop) stop;
        return 0;
}
