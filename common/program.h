/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every main() has in common: a table of options, a table of verbs, and one dispatcher. --help is
 * made from the tables, and is what the shell completion reads; so a new verb is a row and its function.
 *
 *     static const ProgramOption options[] = {
 *             { OPTION_NAME, "name", "NAME", "The switch, as its configuration calls it" },
 *             {},
 *     };
 *     static const ProgramVerb verbs[] = {
 *             { "del", 1, 1, "BRIDGE", "remove the bridge", verb_del, .required = PROGRAM_BIT(OPTION_NAME) },
 *             {},
 *     };
 *     static const Program program = { .about = "...", .options = options, .verbs = verbs, .parse = parse };
 *
 *     int main(int argc, char *argv[]) {
 *             log_setup("qnet-switch");
 *             return program_exit_status(program_run(&program, argc, argv, NULL));
 *     }
 *
 * Exit status: 0 done, 1 failed, 2 wrong usage (EXIT_USAGE). */

#include "log.h"

#define EXIT_USAGE    2
#define PROGRAM_USAGE (-0x51AE) /* no errno is that large */

/* Each program's options are numbered from PROGRAM_OPTION_FIRST on; --help and --version come by
 * themselves. */
enum { PROGRAM_OPTION_VERSION = 0x1000, PROGRAM_OPTION_FIRST };
#define PROGRAM_BIT(option) (UINT64_C(1) << ((option) -PROGRAM_OPTION_FIRST))
#define PROGRAM_OPTIONS_MAX 48U

typedef struct ProgramOption {
        int id;            /* from PROGRAM_OPTION_FIRST on */
        const char *name;  /* without "--" */
        const char *value; /* what --help calls it: "FILE", "raw|qcow2"; NULL: the option takes none */
        const char *help;  /* lines */
} ProgramOption;

/* What a verb is called with: the words behind it, the last one NULL; as many as the row says. Returns
 * negative errno for a failure that it has logged, 0 or positive when done, and what program_usage()
 * returned for bad arguments. */
typedef int (*ProgramFunction)(char *words[], void *userdata);

typedef struct ProgramVerb {
        const char *name;  /* NULL in a program without verbs: then the first row whose options are given */
        int n_min, n_max;  /* words behind it */
        const char *usage; /* what --help calls them: "IFNAME [USER]"; it puts the options behind by itself */
        const char *help;  /* lines; NULL: the program's "about" says it */
        ProgramFunction run;
        uint64_t required; /* PROGRAM_BIT() of the options that it cannot do without */
        uint64_t options;  /* and of those that it takes, too; others are refused */
} ProgramVerb;

typedef struct Program {
        const char *about;            /* lines, below the usage */
        const char *notes;            /* lines, at the end; may be NULL */
        const ProgramVerb *verbs;     /* ends with an empty row */
        const ProgramOption *options; /* ends with an empty row; NULL: none */
        /* of one option; negative as ProgramFunction, else go on */
        int (*parse)(int option, const char *value, void *userdata);
        bool options_first; /* what follows the first word is no option, whatever it looks like */
} Program;

#define PROGRAM_WORDS_MAX INT32_MAX /* n_max: any number */

int program_run(const Program *p, int argc, char *argv[], void *userdata);

/* Logs the text at error level, adds "Try 'PROGRAM --help'.", returns PROGRAM_USAGE. */
int program_usage(const char *format, ...) _printf_(1, 2);

/* The text of --help; program_run() prints it. */
void program_help(const Program *p, FILE *f);

int program_exit_status(int r);
