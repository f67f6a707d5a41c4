/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-health: asks the guests of all virtual machines with a section [Health] whether they still work, and reports those
 * that do not to the reaper. This file reads the arguments; watch.h says how it goes.
 *
 * Privilege: CAP_NET_RAW for arp and ping; the group qnet, to write to the kill log; the group qnet-health for the
 * sockets of agent and heartbeat. */

#include "program.h"
#include "status.h"

static struct {
        usec_t tick;
        const char *run_dir, *kill_log;
        bool json;
} arg = { .tick = 30 * USEC_PER_SEC, .run_dir = "/run/qnet/vm", .kill_log = "/run/qnet/kill.log" };

enum { OPTION_TICK = PROGRAM_OPTION_FIRST, OPTION_KILL_LOG, OPTION_RUN_DIR, OPTION_JSON };
static const ProgramOption options[] = {
        { OPTION_TICK, "tick", "SPAN",
                        "How often it is run: who is due follows from the time; whole seconds,\n"
                        "default: 30s" },
        { OPTION_KILL_LOG, "kill-log", "FILE", "Where to report to; default: /run/qnet/kill.log" },
        { OPTION_RUN_DIR, "run-dir", "DIR",
                        "Where the run-time directories of the machines are; default:\n"
                        "/run/qnet/vm" },
        { OPTION_JSON, "json", NULL, "Print JSON" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        switch (option) {
        case OPTION_TICK:
                if (parse_sec(value, &arg.tick) < 0 || arg.tick < USEC_PER_SEC || arg.tick % USEC_PER_SEC != 0 ||
                                arg.tick > 3600 * USEC_PER_SEC)
                        return program_usage("--tick=%s is not a number of seconds, up to an hour", value);
                return 0;
        case OPTION_KILL_LOG:
                arg.kill_log = value;
                return 0;
        case OPTION_RUN_DIR:
                arg.run_dir = value;
                return 0;
        case OPTION_JSON:
                arg.json = true;
                return 0;
        }
        return PROGRAM_USAGE;
}

static int make_watch(const Target *targets, size_t n, Watch **ret) {
        int r;

        r = watch_new(targets, n, ret);
        if (r < 0)
                return log_error_errno(r, "Cannot prepare: %m");
        (*ret)->run_dir = arg.run_dir;
        (*ret)->kill_log = arg.kill_log;
        (*ret)->tick = arg.tick;
        return 0;
}

static int verb_run(char *words[], void *userdata) {
        _cleanup_free_ Target *targets = NULL;
        _cleanup_watch_ Watch *w = NULL;
        bool bad = false;
        size_t n = 0;
        int r;

        r = targets_read(stdin, &targets, &n, &bad);
        if (r >= 0)
                r = make_watch(targets, n, &w);
        if (r < 0)
                return r;
        r = watch_run(w);
        if (r < 0)
                return log_error_errno(r, "Cannot wait for answers: %m");
        return bad || w->failed ? -EIO : 0;
}

/* Those that are named, or all. */
static int choose(Target *targets, size_t *n, char *words[]) {
        size_t k = 0;

        for (char **word = words; *word; word++) {
                size_t i;

                for (i = k; i < *n && !streq(targets[i].name, *word); i++)
                        ;
                if (i == *n) {
                        log_error("%s has no section [Health], or there is no such VM", *word);
                        return -ENOENT;
                }
                Target t = targets[k];
                targets[k++] = targets[i];
                targets[i] = t;
        }
        if (k > 0)
                *n = k;
        return 0;
}

static int verb_status(char *words[], void *userdata) {
        _cleanup_free_ Target *targets = NULL;
        _cleanup_watch_ Watch *w = NULL;
        _cleanup_fclose_ FILE *table = NULL;
        bool bad = false;
        size_t n = 0;
        int r;

        r = status_read_table(&table);
        if (r >= 0)
                r = targets_read(table, &targets, &n, &bad);
        if (r >= 0)
                r = choose(targets, &n, words);
        if (r >= 0)
                r = make_watch(targets, n, &w);
        if (r < 0)
                return r;
        w->once = true;
        r = watch_run(w);
        if (r < 0)
                return log_error_errno(r, "Cannot wait for answers: %m");
        r = status_print(w, arg.json);
        return r == 0 ? -EIO : r;
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "run", 0, 0, "",
                        "ask those of the table on standard input that are due, and report those that\n"
                        "stay silent",
                        verb_run, .options = BIT(OPTION_TICK) | BIT(OPTION_KILL_LOG) | BIT(OPTION_RUN_DIR) },
        { "status", 0, PROGRAM_WORDS_MAX, "[VM...]",
                        "ask all of qnet-health.service, or these, now and once; print what came of it,\n"
                        "and fail unless all that run have answered",
                        verb_status, .options = BIT(OPTION_JSON) | BIT(OPTION_RUN_DIR) },
        {},
};

static const Program program = {
        .about = "Ask the guests of virtual machines whether they still work.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        log_setup("qnet-health");
        return program_exit_status(program_run(&program, argc, argv, NULL));
}
