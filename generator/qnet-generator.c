/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-generator(8): /etc/qnet to units. Run by systemd at boot and at every reload (systemd.generator(7)), and by
 * people to see what would come out. Reads the configuration, writes below the directory that it is given, and touches
 * nothing else. */

#include "arena.h"
#include "conf-files.h"
#include "conf-table.h"
#include "emit.h"
#include "json.h"
#include "load.h"
#include "program.h"
#include "specifier.h"
#include "validate.h"

typedef struct Arguments {
        const char *root; /* NULL: none */
        bool user;        /* run by a user manager */
} Arguments;

/* "/" and "" are no root; others have no slash at the end. */
static int normalize_root(Arena *a, const char **root) {
        size_t n = *root ? strlen(*root) : 0;

        while (n > 0 && (*root)[n - 1] == '/')
                n--;
        *root = n > 0 ? arena_strndup(a, *root, n) : NULL;
        return n > 0 && !*root ? -ENOMEM : 0;
}

static int read_model(const Arguments *args, Model **ret) {
        _cleanup_model_ Model *m = model_new();
        const char *root = args->root;
        ConfFile *files;
        size_t n_files;
        Host host;
        int r;

        if (!m)
                return -ENOMEM;
        r = normalize_root(m->arena, &root);
        if (r < 0)
                return r;
        host_read(root, args->user, &host);
        r = conf_files_read(m->arena, root, args->user, &files, &n_files);
        if (r >= 0)
                r = model_load(m, &host, files, n_files);
        if (r >= 0)
                r = model_validate(m, &host);
        if (r >= 0)
                *ret = TAKE_PTR(m);
        return r;
}

/* normal: where units go; NULL: to stdout */
static int write_units(const char *normal, const Model *m) {
        _cleanup_unit_writer_ UnitWriter *w = NULL;
        const char *where = normal ?: "/run/systemd/generator";
        int r;

        if (normal)
                r = unit_writer_new(where, &w);
        else
                r = unit_writer_new_stream(stdout, where, &w);
        if (r < 0)
                return log_error_errno(r, "Cannot write units to %s: %m", where);
        return emit_all(m, w); /* logs */
}

static int print_json(const char *unused, const Model *m) {
        int r = json_print(m, stdout);

        return r < 0 ? log_error_errno(r, "Cannot print JSON: %m") : 0;
}

static int with_model(
                const Arguments *args, int (*f)(const char *normal, const Model *m), const char *normal) {
        _cleanup_model_ Model *m = NULL;
        int r;

        if (args->root && args->root[0] != '/' && args->root[0] != '\0')
                return program_usage("The root %s is not an absolute path.", args->root);
        r = read_model(args, &m);
        if (r < 0)
                return log_error_errno(r, "Cannot read the configuration: %m");
        r = f(normal, m);
        return r < 0 ? r : m->n_errors > 0 ? -EBADMSG : 0;
}

static int run_write(char *words[], void *userdata) {
        if (words[1] && !words[2])
                return program_usage("One or three directories are needed, not two.");
        return with_model(userdata, write_units, words[0]);
}

static int run_dry(char *words[], void *userdata) {
        return with_model(userdata, write_units, NULL);
}

static int run_json(char *words[], void *userdata) {
        return with_model(userdata, print_json, NULL);
}

static int run_keys(char *words[], void *userdata) {
        if (keys_print(stdout, words[0]) < 0)
                return log_error_errno(ENOENT, "There is no section or key %s; see --keys and --sections.",
                                words[0]);
        return 0;
}

static int run_sections(char *words[], void *userdata) {
        sections_print(stdout);
        return 0;
}

enum { OPTION_DRY_RUN = PROGRAM_OPTION_FIRST, OPTION_JSON, OPTION_KEYS, OPTION_SECTIONS, OPTION_ROOT };
static const ProgramOption options[] = {
        { OPTION_DRY_RUN, "dry-run", NULL, "Print all units and links instead of writing them" },
        { OPTION_JSON, "json", NULL, "Print what the configuration says as JSON, write no units" },
        { OPTION_KEYS, "keys", NULL,
                        "Print every section and key that there is, or those of SECTION or SECTION.KEY" },
        { OPTION_SECTIONS, "sections", NULL, "Print every section, what it is, and what it may stand below" },
        { OPTION_ROOT, "root", "DIR", "Take the configuration from below DIR; default: $QNET_ROOT" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        Arguments *args = userdata;

        if (option != OPTION_ROOT)
                return 0; /* they pick a row of the table below */
        args->root = value;
        return 0;
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { NULL, 0, 0, "", NULL, run_dry, .required = BIT(OPTION_DRY_RUN), .options = BIT(OPTION_ROOT) },
        { NULL, 0, 0, "", NULL, run_json, .required = BIT(OPTION_JSON), .options = BIT(OPTION_ROOT) },
        { NULL, 0, 1, "[SECTION[.KEY]]", NULL, run_keys, .required = BIT(OPTION_KEYS) },
        { NULL, 0, 0, "", NULL, run_sections, .required = BIT(OPTION_SECTIONS) },
        { NULL, 1, 3, "NORMAL [EARLY LATE]", NULL, run_write, .options = BIT(OPTION_ROOT) },
        {},
};

static const Program program = {
        .about = "Write the systemd units of the virtual machines and networks that /etc/qnet describes into the\n"
                 "directory NORMAL.",
        .notes = "Exit status: 0 if all is well, 1 if anything in the configuration is wrong (the rest of it is\n"
                 "done all the same), 2 for wrong arguments.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        const char *scope = getenv("SYSTEMD_SCOPE");
        Arguments args = { .root = getenv("QNET_ROOT"), .user = scope && streq(scope, "user") };

        log_setup("qnet-generator");
        return program_exit_status(program_run(&program, argc, argv, &args));
}
