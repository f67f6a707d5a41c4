/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Argv and output of qnet-reaper(8): run and check are for its units, status and resolve for people. */

#include <inttypes.h>
#include <jansson.h>
#include <time.h>

#include "bus.h"
#include "kill-log.h"
#include "program.h"
#include "reaper.h"
#include "resolve.h"

#define DEFAULT_LOG      "/run/qnet/kill.log"
#define DEFAULT_STATE    "/var/lib/qnet/reaper"
#define DEFAULT_HOLD_OFF (10 * USEC_PER_SEC)
#define SETTLE           (120 * USEC_PER_MSEC)
#define RETRY_DELAY      10U /* s, after a reaper that failed */
#define START_ATTEMPTS   100U

typedef struct Arguments {
        char **logs;
        bool logs_given;
        char *state;
        usec_t hold_off;
        bool json;
} Arguments;

static void arguments_done(Arguments *a) {
        strv_free(a->logs);
        free(a->state);
}

#define _cleanup_json_ _cleanup_(json_decrefp)

static int print_json(json_t *j) {
        if (!j || json_dumpf(j, stdout, JSON_INDENT(2)) < 0)
                return log_error("Cannot print JSON"), -ENOMEM;
        putchar('\n');
        return 0;
}

/* ---- run, check ---- */

static int reap(const Arguments *a) {
        const ReaperOptions options = {
                .logs = a->logs,
                .state = a->state,
                .link_directory = getenv("RUNTIME_DIRECTORY"),
                .hold_off = a->hold_off,
                .settle = SETTLE,
        };

        return reaper_run(&options);
}

static void ignore_job(const char *unit, const char *job_path, const char *result, void *userdata) {
}

static int try_start_reaper(void) {
        _cleanup_free_ char *result = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = bus_open(ignore_job, NULL, &bus);
        if (r < 0)
                return -ENOTCONN; /* however it is not there */
        r = bus_get_service_result(bus, "qnet-reaper.service", &result);
        /* a full disk, say: again, but not at once. An append in the meantime starts it earlier. ($MONITOR_SERVICE_RESULT
         * is not set for a unit that is both OnSuccess= and OnFailure=.) */
        if (r >= 0 && streq(result, "exit-code"))
                sleep(RETRY_DELAY);
        return r < 0 ? r : bus_start_unit(bus, "qnet-reaper.service", NULL);
}

/* PID 1 may be executing itself anew; nobody else would start the reaper before the next line comes. */
static int start_reaper(void) {
        int r;

        for (unsigned i = 0; r = try_start_reaper(), bus_is_gone(r) && i < START_ATTEMPTS; i++)
                nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000 * 1000 }, NULL);
        return r < 0 ? log_error_errno(r, "Cannot start qnet-reaper.service: %m") : 0;
}

static int check(const Arguments *a) {
        _cleanup_close_ int state_fd = -1;
        int r;

        r = cursor_open_state(a->state, false, &state_fd);
        if (r == -ENOENT) /* the reaper has never run */
                return start_reaper();
        if (r < 0)
                return log_error_errno(r, "Cannot open state directory %s: %m", a->state);
        STRV_FOREACH (log, a->logs) {
                _cleanup_status_ KillLogStatus s = { 0 };
                r = kill_log_get_status(*log, state_fd, &s);
                if (r < 0)
                        return log_error_errno(r, "Cannot load the state of kill log %s: %m", *log);
                if (s.waiting > 0 || s.cursor.n_pending > 0)
                        return start_reaper();
        }
        return 0;
}

/* ---- status ---- */

static json_t *status_to_json(const char *log, const KillLogStatus *s) {
        json_t *pending = json_array(), *j;

        for (size_t i = 0; i < s->cursor.n_pending; i++)
                json_array_append_new(pending, json_string(s->cursor.pending[i].vm));
        j = json_pack("{s:s, s:I, s:I, s:I, s:b, s:o, s:s*}", "log", log, "lines",
                        (json_int_t) s->cursor.lines, "offset", (json_int_t) s->cursor.current.offset,
                        "waiting", (json_int_t) s->waiting, "waitingMore", s->more, "pending", pending,
                        "error", s->error < 0 ? strerror(-s->error) : NULL);
        return j;
}

static void print_status(const char *log, const KillLogStatus *s) {
        printf("%s\n  lines taken: %" PRIu64 "\n  offset:      %" PRIu64 "\n  waiting:     %" PRIu64 "%s\n",
                        log, s->cursor.lines, s->cursor.current.offset, s->waiting,
                        s->more ? " or more" : "");
        for (size_t i = 0; i < s->cursor.n_pending; i++)
                printf("  restarting:  %s\n", s->cursor.pending[i].vm);
        if (s->damaged)
                printf("  error:       the state file is damaged\n");
        if (s->error < 0)
                printf("  error:       %s\n", strerror(-s->error));
}

static int status(const Arguments *a) {
        _cleanup_json_ json_t *array = json_array();
        _cleanup_strv_ char **known = NULL;
        _cleanup_close_ int state_fd = -1;
        int r;

        r = cursor_open_state(a->state, false, &state_fd);
        if (r >= 0 && !a->logs_given)
                r = cursor_list(state_fd, &known);
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "Cannot read state directory %s: %m", a->state);
        if (r == -ENOENT)
                return a->json ? print_json(array) : (puts("The reaper has not run yet."), 0);
        STRV_FOREACH (log, known ?: a->logs) {
                _cleanup_status_ KillLogStatus s = { 0 };
                r = kill_log_get_status(*log, state_fd, &s);
                if (r < 0)
                        return log_error_errno(r, "Cannot load the state of kill log %s: %m", *log);
                if (a->json)
                        json_array_append_new(array, status_to_json(*log, &s));
                else
                        print_status(*log, &s);
        }
        return a->json ? print_json(array) : 0;
}

/* ---- resolve ---- */

static json_t *target_to_json(const char *word, const Target *t, const char *why) {
        char ip[IP_STRING_SIZE], mac[MAC_STRING_SIZE];

        if (why)
                return json_pack("{s:s, s:s}", "address", word, "error", why);
        return json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:s*}", "address", word, "vm", t->vm, "ip",
                        t->ip.family == AF_UNSPEC ? NULL : format_ip(&t->ip, ip), "mac",
                        t->has_mac ? format_mac(&t->mac, mac) : NULL, "tap", t->tap[0] ? t->tap : NULL,
                        "bridge", t->bridge[0] ? t->bridge : NULL);
}

static void print_target(const char *word, const Target *t) {
        char mac[MAC_STRING_SIZE];

        printf("%s: VM %s", word, t->vm);
        if (t->has_mac)
                printf(", MAC address %s", format_mac(&t->mac, mac));
        if (t->tap[0])
                printf(", tap %s", t->tap);
        if (t->bridge[0])
                printf(", bridge %s", t->bridge);
        putchar('\n');
}

/* As the reaper would, but for names: without a tap, only systemd could say whether there is such a VM. */
static int resolve_one(Resolver *resolver, const char *word, Target *ret, char **ret_why) {
        int r;

        r = resolve(resolver, word, ret, ret_why);
        if (r >= 0 && ret->tap[0])
                r = resolve_check_claim(resolver, ret, ret_why);
        else if (r >= 0) {
                r = -ENOENT;
                *ret_why = strdup("no tap belongs to a VM of that name");
        }
        if (r < 0 && !*ret_why)
                *ret_why = strdup(strerror(-r));
        return r;
}

static int verb_resolve(char *words[], void *userdata) {
        const Arguments *a = userdata;
        _cleanup_json_ json_t *array = json_array();
        _cleanup_resolver_ Resolver *resolver = NULL;
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        int r, result = 0;

        r = rtnl_new(&rtnl);
        if (r >= 0)
                r = resolver_new(rtnl, &resolver);
        if (r < 0)
                return log_error_errno(r, "Cannot list the network links: %m");
        STRV_FOREACH (word, words) {
                _cleanup_free_ char *why = NULL;
                Target t = { 0 };
                r = resolve_one(resolver, *word, &t, &why);
                if (r < 0)
                        result = r;
                if (r < 0 && !why)
                        return log_oom();
                if (a->json)
                        json_array_append_new(array, target_to_json(*word, &t, r < 0 ? why : NULL));
                else if (r < 0)
                        log_error("%s: %s", *word, why);
                else
                        print_target(*word, &t);
        }
        r = a->json ? print_json(array) : 0;
        return r < 0 ? r : result;
}

/* ---- argv ---- */

enum { OPTION_LOG = PROGRAM_OPTION_FIRST, OPTION_HOLD_OFF, OPTION_STATE, OPTION_JSON };
static const ProgramOption options[] = {
        { OPTION_LOG, "log", "FILE", "A kill log, may be given several times; default: " DEFAULT_LOG },
        { OPTION_HOLD_OFF, "hold-off", "SPAN",
                        "Leave a VM alone that was started less than this ago; default: 10s" },
        { OPTION_STATE, "state", "DIR",
                        "Where positions are kept; default: $STATE_DIRECTORY or " DEFAULT_STATE },
        { OPTION_JSON, "json", NULL, "Machine-readable output" },
        {},
};

static int add_log(Arguments *a, const char *path) {
        if (!path_is_normalized(path))
                return program_usage(
                                "--log=%s is not an absolute path without \"..\", \".\" and \"//\"", path);
        a->logs_given = true;
        if (strv_contains(a->logs, path))
                return 0;
        return strv_extend(&a->logs, path) < 0 ? log_oom() : 0;
}

static int parse_option(int option, const char *value, void *userdata) {
        Arguments *a = userdata;

        switch (option) {
        case OPTION_LOG:
                return add_log(a, value);
        case OPTION_HOLD_OFF:
                return parse_sec(value, &a->hold_off) >= 0
                                       ? 0
                                       : program_usage("--hold-off=%s is not a time span", value);
        case OPTION_STATE:
                free(a->state);
                a->state = strdup(value);
                return a->state ? 0 : log_oom();
        case OPTION_JSON:
                a->json = true;
                return 0;
        }
        return PROGRAM_USAGE;
}

static int fill_defaults(Arguments *a) {
        const char *state = getenv("STATE_DIRECTORY");

        if (!a->logs && strv_extend(&a->logs, DEFAULT_LOG) < 0)
                return log_oom();
        if (!a->state)
                a->state = strdup(isempty(state) ? DEFAULT_STATE : state);
        return a->state ? 0 : log_oom();
}

static int with_logs(Arguments *a, int (*f)(const Arguments *a)) {
        int r = fill_defaults(a);

        return r < 0 ? r : f(a);
}

static int verb_run(char *words[], void *userdata) {
        return with_logs(userdata, reap);
}

static int verb_check(char *words[], void *userdata) {
        return with_logs(userdata, check);
}

static int verb_status(char *words[], void *userdata) {
        return with_logs(userdata, status);
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "run", 0, 0, "", "take new lines, restart VMs, wait for that, end when nothing is left", verb_run,
                        .options = BIT(OPTION_LOG) | BIT(OPTION_HOLD_OFF) | BIT(OPTION_STATE) },
        { "check", 0, 0, "", "start qnet-reaper.service if a line waits or a restart was not finished",
                        verb_check, .options = BIT(OPTION_LOG) | BIT(OPTION_STATE) },
        { "status", 0, 0, "", "what was taken of each log, and what waits", verb_status,
                        .options = BIT(OPTION_LOG) | BIT(OPTION_STATE) | BIT(OPTION_JSON) },
        { "resolve", 1, PROGRAM_WORDS_MAX, "ADDRESS|VM...",
                        "which VM would be meant, or why none; restarts nothing", verb_resolve,
                        .options = BIT(OPTION_JSON) },
        {},
};

static const Program program = {
        .about = "Restart the virtual machines whose IP address, MAC address or name was appended to a kill log.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        _cleanup_(arguments_done) Arguments a = { .hold_off = DEFAULT_HOLD_OFF };

        log_setup("qnet-reaper");
        return program_exit_status(program_run(&program, argc, argv, &a));
}
