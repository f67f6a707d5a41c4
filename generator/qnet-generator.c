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

static const char help[] = "qnet-generator [OPTION...] NORMAL [EARLY LATE]\n"
                           "\n"
                           "Write the systemd units of the virtual machines and networks that /etc/qnet\n"
                           "describes into the directory NORMAL.\n"
                           "\n"
                           "  -h --help      Show this help\n"
                           "     --version   Show the version\n"
                           "     --dry-run   Print all units and links instead of writing them\n"
                           "     --json      Print what the configuration says as JSON, write no units\n"
                           "     --keys      Print every section and key that there is\n"
                           "     --root=DIR  Take the configuration from below DIR (default: $QNET_ROOT)\n"
                           "\n"
                           "Exit status: 0 if all is well, 1 if anything in the configuration is wrong (the\n"
                           "rest of it is done all the same), 2 for wrong arguments.\n";

typedef enum Action { ACTION_WRITE, ACTION_DRY_RUN, ACTION_JSON, ACTION_KEYS } Action;

typedef struct Arguments {
        Action action;
        const char *root;   /* NULL: none */
        const char *normal; /* where units go */
        bool user;          /* run by a user manager */
} Arguments;

/* 1: go on; 0: done, by --help or --version; else an error */
static int parse_argv(int argc, char *argv[], Arguments *args) {
        enum { OPTION_DRY_RUN = PROGRAM_OPTION_FIRST, OPTION_JSON, OPTION_KEYS, OPTION_ROOT };
        static const struct option options[] = {
                PROGRAM_OPTIONS,
                { "dry-run", no_argument, NULL, OPTION_DRY_RUN },
                { "json", no_argument, NULL, OPTION_JSON },
                { "keys", no_argument, NULL, OPTION_KEYS },
                { "root", required_argument, NULL, OPTION_ROOT },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return program_help(help);
                case PROGRAM_OPTION_VERSION:
                        return program_version();
                case OPTION_DRY_RUN:
                        args->action = ACTION_DRY_RUN;
                        break;
                case OPTION_JSON:
                        args->action = ACTION_JSON;
                        break;
                case OPTION_KEYS:
                        args->action = ACTION_KEYS;
                        break;
                case OPTION_ROOT:
                        args->root = optarg;
                        break;
                default:
                        return program_usage("Wrong arguments.");
                }
        if (args->root && args->root[0] != '/' && args->root[0] != '\0')
                return program_usage("The root %s is not an absolute path.", args->root);
        if (args->action != ACTION_WRITE)
                return argc > optind ? program_usage("%s is one argument too many.", argv[optind]) : 1;
        if (argc - optind != 1 && argc - optind != 3)
                return program_usage("One or three directories are needed, not %d.", argc - optind);
        args->normal = argv[optind];
        return 1;
}

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

static int write_units(const Arguments *args, const Model *m) {
        _cleanup_unit_writer_ UnitWriter *w = NULL;
        const char *where = args->action == ACTION_DRY_RUN ? "/run/systemd/generator" : args->normal;
        int r;

        if (args->action == ACTION_DRY_RUN)
                r = unit_writer_new_stream(stdout, where, &w);
        else
                r = unit_writer_new(where, &w);
        if (r < 0)
                return log_error_errno(r, "Cannot write units to %s: %m", where);
        return emit_all(m, w); /* logs */
}

static int run(int argc, char *argv[]) {
        const char *scope = getenv("SYSTEMD_SCOPE");
        Arguments args = { .root = getenv("QNET_ROOT"), .user = scope && streq(scope, "user") };
        _cleanup_model_ Model *m = NULL;
        int r;

        r = parse_argv(argc, argv, &args);
        if (r <= 0)
                return r;
        if (args.action == ACTION_KEYS) {
                keys_print(stdout);
                return 0;
        }
        r = read_model(&args, &m);
        if (r < 0)
                return log_error_errno(r, "Cannot read the configuration: %m");
        if (args.action == ACTION_JSON) {
                r = json_print(m, stdout);
                if (r < 0)
                        return log_error_errno(r, "Cannot print JSON: %m");
        } else {
                r = write_units(&args, m);
                if (r < 0)
                        return r;
        }
        return m->n_errors > 0 ? -EBADMSG : 0;
}

int main(int argc, char *argv[]) {
        log_setup("qnet-generator");
        return program_exit_status(run(argc, argv));
}
