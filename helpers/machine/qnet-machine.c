/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-machine: enters a VM in the list of systemd-machined(8), with QEMU as its leader and its taps as its network, so
 * that "machinectl list" shows it and "machinectl terminate" stops its unit. The entry goes by itself when QEMU ends.
 *
 * In: argv, and MAINPID from systemd.exec(5). Privilege: root, as machined lets nobody else register. */

#include <net/if.h>
#include <systemd/sd-bus.h>

#include "parse-value.h"
#include "program.h"

#define MACHINED     "org.freedesktop.machine1"
#define CALL_TIMEOUT (20 * USEC_PER_SEC)
#define TAPS_MAX     64U

#define _cleanup_bus_         _cleanup_(sd_bus_flush_close_unrefp)
#define _cleanup_bus_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_bus_error_   _cleanup_(sd_bus_error_free)

typedef struct Arguments {
        int32_t taps[TAPS_MAX];
        size_t n_taps;
} Arguments;

/* org.freedesktop.machine1(5): RegisterMachineWithNetwork(name, id, service, class, leader, root directory, ifindices) */
static int call_register(sd_bus *bus, const char *name, uint32_t leader, const Arguments *a, sd_bus_error *error) {
        _cleanup_bus_message_ sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, MACHINED, "/org/freedesktop/machine1", MACHINED ".Manager",
                        "RegisterMachineWithNetwork");
        if (r >= 0)
                r = sd_bus_message_append(m, "sayssus", name, (size_t) 0, "qnet", "vm", leader, "");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'i', a->taps, a->n_taps * sizeof(a->taps[0]));
        return r < 0 ? r : sd_bus_call(bus, m, CALL_TIMEOUT, error, NULL);
}

static int verb_register(char *words[], void *userdata) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *main_pid = getenv("MAINPID");
        _cleanup_bus_ sd_bus *bus = NULL;
        unsigned leader;
        int r;

        if (!name_is_valid(words[0]))
                return program_usage("'%s' is not the name of a VM", words[0]);
        if (!main_pid || parse_unsigned(main_pid, 2, INT32_MAX, &leader) < 0)
                return program_usage("$MAINPID is not the number of a process");
        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = call_register(bus, words[0], leader, userdata, &error);
        if (r < 0 && sd_bus_error_has_name(&error, SD_BUS_ERROR_SERVICE_UNKNOWN))
                return log_error("Cannot register %s: systemd-machined is not installed (package systemd-container)",
                                       words[0]),
                       r;
        if (r < 0)
                return log_error_errno(r, "Cannot register %s with systemd-machined: %s", words[0],
                                error.message ?: strerror(-r));
        return 0;
}

enum { OPTION_TAP = PROGRAM_OPTION_FIRST };
static const ProgramOption options[] = {
        { OPTION_TAP, "tap", "IFNAME", "A tap of the VM; may be given several times" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        Arguments *a = userdata;
        unsigned index;

        if (option != OPTION_TAP)
                return PROGRAM_USAGE;
        if (!ifname_is_valid(value))
                return program_usage("--tap=%s is not the name of an interface", value);
        if (a->n_taps == TAPS_MAX)
                return program_usage("--tap= was given more than %u times", TAPS_MAX);
        index = if_nametoindex(value);
        if (index == 0)
                return log_error_errno(errno, "Cannot find tap %s: %m", value);
        a->taps[a->n_taps++] = (int32_t) index;
        return 0;
}

static const ProgramVerb verbs[] = {
        { "register", 1, 1, "VM", "enter the VM whose QEMU is $MAINPID in the list of machined", verb_register,
                        .options = PROGRAM_BIT(OPTION_TAP) },
        {},
};

static const Program program = {
        .about = "Show a virtual machine in machinectl(1).",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        Arguments a = { 0 };

        log_setup("qnet-machine");
        return program_exit_status(program_run(&program, argc, argv, &a));
}
