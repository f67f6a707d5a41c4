/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ExecStart= of an object whose configuration is broken: says why, where "systemctl status" and the
 * journal show it, and fails. Each argument is a message; "FILE:LINE: text" gets CONFIG_FILE= and
 * CONFIG_LINE= in the journal. */

#include <assert.h>

#include "parse-value.h"
#include "program.h"

static void fail(const char *message) {
        const char *text = strstr(message, ": "), *colon;
        _cleanup_free_ char *file = NULL, *number = NULL;
        unsigned line;

        assert(message); /* gcc's -Wnonnull with -fsanitize=undefined wants to be told */
        colon = text ? memrchr(message, ':', (size_t) (text - message)) : NULL;
        if (colon && colon > message) {
                number = strndup(colon + 1, (size_t) (text - colon - 1));
                file = strndup(message, (size_t) (colon - message));
        }
        if (file && number && parse_unsigned(number, 1, UINT32_MAX, &line) >= 0)
                log_internal(LOG_ERR, 0, file, line, "%s", text + 2);
        else
                log_error("%s", message);
}

static int fail_all(char *words[], void *userdata) {
        for (char **p = words; *p; p++)
                fail(*p);
        return -ENOEXEC;
}

static const ProgramVerb verbs[] = {
        { NULL, 1, PROGRAM_WORDS_MAX, "MESSAGE...", NULL, fail_all },
        {},
};

static const Program program = {
        .about = "Show each message as an error and fail. A unit that qnet-generator could not make\n"
                 "from its configuration runs this, so that its status tells what to correct.",
        .verbs = verbs,
        .options_first = true,
};

int main(int argc, char *argv[]) {
        log_setup("qnet-fail");
        return program_exit_status(program_run(&program, argc, argv, NULL));
}
