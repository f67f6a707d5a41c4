/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ExecStart= of an object whose configuration is broken: says why, where "systemctl status" and the
 * journal show it, and fails. Each argument is a message. */

#include "program.h"

static int fail_all(char *words[], void *userdata) {
        for (char **p = words; *p; p++)
                log_error("%s", *p);
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
