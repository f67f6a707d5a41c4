/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The dispatcher of argv: which function is called with what, and what is refused. */

#include <getopt.h>

#include "program.h"
#include "test.h"

enum { OPTION_NAME = PROGRAM_OPTION_FIRST, OPTION_FLAG, OPTION_OTHER };
static const ProgramOption options[] = {
        { OPTION_NAME, "name", "NAME", "a name" },
        { OPTION_FLAG, "flag", NULL, "a flag\nof two lines" },
        { OPTION_OTHER, "other", "a|b", "of del only" },
        {},
};

static char called[256];

static int note(const char *verb, char *words[]) {
        strcat(called, verb);
        for (char **p = words; *p; p++) {
                strcat(called, " ");
                strcat(called, *p);
        }
        return 7;
}

static int verb_add(char *words[], void *userdata) {
        return note("add", words);
}

static int verb_del(char *words[], void *userdata) {
        return note("del", words);
}

static int run_plain(char *words[], void *userdata) {
        return note("plain", words);
}

static int run_flag(char *words[], void *userdata) {
        return note("flag", words);
}

static int parse(int option, const char *value, void *userdata) {
        sprintf(called + strlen(called), "%d=%s ", option - PROGRAM_OPTION_FIRST, value ?: "");
        return value && streq(value, "bad") ? PROGRAM_USAGE : 0;
}

static const ProgramVerb verbs[] = {
        { "add", 1, 2, "A [B]", "adds", verb_add, .required = PROGRAM_BIT(OPTION_NAME),
                        .options = PROGRAM_BIT(OPTION_FLAG) },
        { "del", 0, PROGRAM_WORDS_MAX, "A...", "deletes", verb_del, .options = PROGRAM_BIT(OPTION_OTHER) },
        {},
};
static const ProgramVerb rows[] = {
        { NULL, 0, 0, "", NULL, run_flag, .required = PROGRAM_BIT(OPTION_FLAG) },
        { NULL, 1, 1, "FILE", NULL, run_plain, .options = PROGRAM_BIT(OPTION_NAME) },
        {},
};
static const Program with_verbs = { .about = "About.", .verbs = verbs, .options = options, .parse = parse };
static const Program without = { .about = "About.", .verbs = rows, .options = options, .parse = parse };
static const Program bare = { .about = "About.", .verbs = rows + 1, .options_first = true };

/* Arguments in one string; expect NULL: they are refused. */
static void one(const Program *p, const char *arguments, const char *expect) {
        char buf[256], *argv[16] = { (char *) "qnet-x" };
        int argc = 1, r;

        snprintf(buf, sizeof(buf), "%s", arguments);
        for (char *w = strtok(buf, " "); w; w = strtok(NULL, " "))
                argv[argc++] = w;
        called[0] = '\0';
        optind = 0; /* getopt(3): anew */
        r = program_run(p, argc, argv, NULL);
        assert_int_equal(r, expect ? 7 : PROGRAM_USAGE);
        if (expect)
                assert_string_equal(called, expect);
}

static void test_verbs(void **state) {
        one(&with_verbs, "add x --name=n", "0=n add x");
        one(&with_verbs, "add --flag x y --name n", "1= 0=n add x y");
        one(&with_verbs, "del", "del");
        one(&with_verbs, "del --oth=a -- x --flag", "2=a del x --flag");
        one(&with_verbs, "", NULL);
        one(&with_verbs, "ad x --name=n", NULL);
        one(&with_verbs, "add x", NULL);
        one(&with_verbs, "add --name=n", NULL);
        one(&with_verbs, "add x y z --name=n", NULL);
        one(&with_verbs, "add x --name=n --other=a", NULL);
        one(&with_verbs, "del --name=n", NULL);
}

static void test_options(void **state) {
        one(&with_verbs, "add x --name=n --nonsense", NULL);
        one(&with_verbs, "add x --name=n -x", NULL);
        one(&with_verbs, "add x --name", NULL);
        one(&with_verbs, "add x --name=n --flag=yes", NULL);
        one(&with_verbs, "add x --name=bad", NULL);
}

static void test_rows(void **state) {
        one(&without, "--flag", "1= flag");
        one(&without, "file", "plain file");
        one(&without, "file --name=n", "0=n plain file");
        one(&without, "--flag file", NULL);
        one(&without, "--flag --name=n", NULL);
        one(&without, "", NULL);
        one(&bare, "file", "plain file");
        one(&bare, "file --version", NULL); /* a word too many, not an option */
}

static void test_help(void **state) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        assert_non_null(f);
        program_help(&with_verbs, f);
        fclose(f);
        assert_string_equal(text, "Usage: qnet-x add A [B] --name=NAME [--flag]\n"
                                  "       qnet-x del A... [--other=a|b]\n"
                                  "\n"
                                  "About.\n"
                                  "\n"
                                  "  add  adds\n"
                                  "  del  deletes\n"
                                  "\n"
                                  "     --name=NAME  a name\n"
                                  "     --flag       a flag\n"
                                  "                  of two lines\n"
                                  "     --other=a|b  of del only\n"
                                  "  -h --help       Show this help\n"
                                  "     --version    Show the version\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_verbs),
                cmocka_unit_test(test_options),
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_help),
        };

        log_setup("qnet-x");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
