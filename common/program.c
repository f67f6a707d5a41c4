/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From argv to the function of a verb; see program.h. Logs, and says the offending word. */

#include <getopt.h>
#include <stdarg.h>

#include "program.h"

#define LIST_SIZE 512U

int program_usage(const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r >= 0)
                log_error("%s", text);
        log_error("Try '%s --help'.", log_program());
        return PROGRAM_USAGE;
}

static const ProgramOption *find_option(const Program *p, int id) {
        for (const ProgramOption *o = p->options; o && o->name; o++)
                if (o->id == id)
                        return o;
        return NULL;
}

/* "a", "a and b", "a, b and c"; n is how many are to come, this one with them */
static void append_to_list(char list[static LIST_SIZE], const char *word, size_t n, const char *conjunction) {
        size_t used = strlen(list);

        snprintf(list + used, LIST_SIZE - used, "%s%s%s%s",
                        used == 0 ? ""
                        : n > 1   ? ", "
                                  : " ",
                        used > 0 && n == 1 ? conjunction : "", used > 0 && n == 1 ? " " : "", word);
}

/* ---- options ---- */

static void make_long_options(const Program *p, struct option *ret) {
        *ret++ = (struct option){ "help", no_argument, NULL, 'h' };
        *ret++ = (struct option){ "version", no_argument, NULL, PROGRAM_OPTION_VERSION };
        for (const ProgramOption *o = p->options; o && o->name; o++)
                *ret++ = (struct option){ o->name, o->value ? required_argument : no_argument, NULL, o->id };
        *ret = (struct option){ 0 };
}

static int bad_option(const Program *p, int c, char *argv[]) {
        const ProgramOption *o = find_option(p, optopt);

        if (o)
                return c == ':' ? program_usage("Option --%s lacks its value: --%s=%s", o->name, o->name,
                                                  o->value)
                                : program_usage("Option --%s takes no value", o->name);
        if (optopt > ' ' && optopt < 127)
                return program_usage("Unknown option -%c", optopt);
        return program_usage("Unknown option %s", argv[optind - 1]);
}

/* 1: go on; else what program_run() returns */
static int parse_options(const Program *p, int argc, char *argv[], void *userdata, uint64_t *ret_given) {
        struct option options[PROGRAM_OPTIONS_MAX + 3];
        int c, r;

        make_long_options(p, options);
        opterr = 0;
        while ((c = getopt_long(argc, argv, p->options_first ? "+:h" : ":h", options, NULL)) >= 0) {
                if (c == 'h')
                        return program_help(p, stdout), 0;
                if (c == PROGRAM_OPTION_VERSION)
                        return printf("%s %s\n", log_program(), QNET_VERSION), 0;
                if (c < PROGRAM_OPTION_FIRST)
                        return bad_option(p, c, argv);
                r = p->parse(c, optarg, userdata);
                if (r < 0)
                        return r;
                *ret_given |= PROGRAM_BIT(c);
        }
        return 1;
}

/* ---- verbs ---- */

static void list_verbs(const Program *p, char list[static LIST_SIZE]) {
        size_t n = 0;

        list[0] = '\0';
        for (const ProgramVerb *v = p->verbs; v->run; v++)
                n++;
        for (const ProgramVerb *v = p->verbs; v->run; v++)
                append_to_list(list, v->name, n--, "or");
}

static const ProgramVerb *find_verb(const Program *p, const char *name) {
        for (const ProgramVerb *v = p->verbs; v->run; v++)
                if (streq(v->name, name))
                        return v;
        return NULL;
}

/* Of a program without verbs: the options tell. */
static const ProgramVerb *find_row(const Program *p, uint64_t given) {
        const ProgramVerb *v = p->verbs;

        while ((v->required & ~given) && v[1].run)
                v++;
        return v;
}

static int check_options(const Program *p, const ProgramVerb *v, uint64_t given) {
        uint64_t missing = v->required & ~given, superfluous = given & ~(v->required | v->options);
        int n = __builtin_popcountll(missing);
        char list[LIST_SIZE] = "";

        for (const ProgramOption *o = p->options; o && o->name; o++) {
                char word[64];

                if (superfluous & PROGRAM_BIT(o->id))
                        return v->name ? program_usage("%s does not take --%s", v->name, o->name)
                                       : program_usage("Option --%s does not go with the others", o->name);
                snprintf(word, sizeof(word), "--%s=", o->name);
                if (missing & PROGRAM_BIT(o->id))
                        append_to_list(list, word, (size_t) n--, "and");
        }
        return missing ? program_usage("%s must be given", list) : 0;
}

static int check_words(const ProgramVerb *v, int n, char *words[]) {
        const char *name = v->name ?: "", *space = v->name ? " " : "";

        if (n < v->n_min)
                return program_usage("Expected %s%s%s", name, space, v->usage);
        if (n > v->n_max)
                return program_usage(
                                "Too many arguments%s%s: %s", v->name ? " to " : "", name, words[v->n_max]);
        return 0;
}

int program_run(const Program *p, int argc, char *argv[], void *userdata) {
        char list[LIST_SIZE];
        const ProgramVerb *v;
        uint64_t given = 0;
        int r;

        r = parse_options(p, argc, argv, userdata, &given);
        if (r <= 0)
                return r;
        argc -= optind;
        argv += optind;
        if (p->verbs->name) {
                list_verbs(p, list);
                if (argc < 1)
                        return program_usage("Expected a verb: %s", list);
                v = find_verb(p, argv[0]);
                if (!v)
                        return program_usage("Unknown verb %s: it is not %s", argv[0], list);
                argc--;
                argv++;
        } else
                v = find_row(p, given);
        r = check_words(v, argc, argv);
        if (r >= 0)
                r = check_options(p, v, given);
        return r < 0 ? r : v->run(argv, userdata);
}

int program_exit_status(int r) {
        if (fflush(stdout) != 0 && r >= 0) { /* a full disk or a closed pipe must not look like success */
                log_error_errno(errno, "Cannot write to standard output: %m");
                return EXIT_FAILURE;
        }
        return r == PROGRAM_USAGE ? EXIT_USAGE : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
