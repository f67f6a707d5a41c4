/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is done for a guest that hangs besides ending its QEMU: ways to bring it back that keep QEMU or let the guest end
 * by itself ("run"), and a record of how it was found ("save"). Both are told all by arguments, run as the VM's user, and
 * are bounded in time. Whether QEMU is killed then is the reaper's decision, by the exit status. */

#include "black-box.h"
#include "ladder.h"
#include "program.h"

#define TIMEOUT_DEFAULT (30 * USEC_PER_SEC)
#define GUESTS_MAX      8U

typedef struct Arguments {
        Ladder ladder;
        BlackBox box;
        const char *guests[GUESTS_MAX];
        size_t n_guests;
} Arguments;

enum {
        OPTION_RUNGS = PROGRAM_OPTION_FIRST,
        OPTION_TIMEOUT,
        OPTION_GUEST,
        OPTION_LAST,
        OPTION_UNIT,
        OPTION_KEEP,
        OPTION_MEMORY,
};
static const ProgramOption options[] = {
        { OPTION_RUNGS, "rungs", "RUNG[,RUNG]", "What to try, in this order: reset, powerdown" },
        { OPTION_TIMEOUT, "timeout", "SPAN", "For each of them (default: 30s)" },
        { OPTION_GUEST, "guest", "MAC@DEVICE", "A network card of the guest, and the bridge where it answers ARP" },
        { OPTION_LAST, "last", NULL, "No restart follows (exit status 4 when nothing has helped)" },
        { OPTION_UNIT, "unit", "UNIT", "The VM's unit, for its console in the journal" },
        { OPTION_KEEP, "keep", "N", "Delete older ones, so that N are left (default: 5)" },
        { OPTION_MEMORY, "memory", "BYTES", "Save the guest's memory, too, at most so much of it" },
        {},
};

static int parse_rungs(const char *value, Ladder *l) {
        l->n_rungs = 0;
        while (*value) {
                size_t n = strcspn(value, ",");
                char word[16] = "";
                int rung;

                if (n < sizeof(word))
                        memcpy(word, value, n);
                rung = rung_from_string(word);
                if (rung < 0 || rung == RUNG_RESTART || l->n_rungs >= ELEMENTSOF(l->rungs))
                        return program_usage("--rungs= takes reset and powerdown, not \"%.40s\".", value);
                l->rungs[l->n_rungs++] = (Rung) rung;
                value += n + (value[n] == ',');
        }
        return 0; /* none: the unit is there for reports that name one */
}

static int parse_option(int option, const char *value, void *userdata) {
        Arguments *a = userdata;

        switch (option) {
        case OPTION_RUNGS:
                return parse_rungs(value, &a->ladder);
        case OPTION_TIMEOUT:
                if (parse_sec(value, &a->ladder.timeout) < 0 || a->ladder.timeout == 0)
                        return program_usage("--timeout=%s is not a time span.", value);
                return 0;
        case OPTION_GUEST:
                if (a->n_guests >= GUESTS_MAX)
                        return 0; /* those are enough to ask */
                a->guests[a->n_guests++] = value;
                return 0;
        case OPTION_LAST:
                a->ladder.last = true;
                return 0;
        case OPTION_UNIT:
                a->box.unit = value;
                return 0;
        case OPTION_KEEP:
                if (parse_unsigned(value, 1, 1000, &a->box.keep) < 0)
                        return program_usage("--keep=%s is not a number from 1 to 1000.", value);
                return 0;
        case OPTION_MEMORY:
                if (parse_size(value, &a->box.memory) < 0)
                        return program_usage("--memory=%s is not a size.", value);
                return 0;
        }
        return PROGRAM_USAGE;
}

/* A card that cannot be heard is one answer less to wait for, no failure. */
static int add_guest(ArpProbe *probe, const char *text) {
        const char *at = strchr(text, '@');
        char word[MAC_STRING_SIZE] = "";
        struct ether_addr mac;
        int r;

        if (at && (size_t) (at - text) < sizeof(word))
                memcpy(word, text, (size_t) (at - text));
        if (!at || parse_mac(word, &mac) < 0 || !at[1])
                return program_usage("--guest=%s is not MAC@DEVICE.", text);
        r = arp_probe_add(probe, &mac, at + 1);
        if (r < 0)
                log_warning_errno(r, "Cannot ask on %s whether the guest answers, ignoring: %m", at + 1);
        return 0;
}

static int verb_run(char *words[], void *userdata) {
        _cleanup_arp_probe_ ArpProbe *probe = NULL;
        Arguments *a = userdata;
        int r;

        if (a->n_guests > 0) {
                r = arp_probe_new(&probe);
                if (r < 0)
                        return log_error_errno(r, "Cannot ask for the guest's addresses: %m");
        }
        for (size_t i = 0; i < a->n_guests; i++) {
                r = add_guest(probe, a->guests[i]);
                if (r < 0)
                        return r;
        }
        a->ladder.path = words[0];
        a->ladder.probe = probe;
        return ladder_climb(&a->ladder);
}

static int verb_save(char *words[], void *userdata) {
        Arguments *a = userdata;

        a->box.path = words[0];
        a->box.directory = words[1];
        return black_box_save(&a->box);
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "run", 1, 1, "SOCKET",
                        "try to bring the guest back. Exit status: 0 it is, and QEMU was kept; 1 nothing\n"
                        "has helped, restart it; 3 QEMU has ended on the way, start it",
                        verb_run, .required = BIT(OPTION_RUNGS),
                        .options = BIT(OPTION_TIMEOUT) | BIT(OPTION_GUEST) | BIT(OPTION_LAST) },
        { "save", 2, 2, "SOCKET DIRECTORY",
                        "save screen, registers, status, console and threads in a new\n"
                        "directory below DIRECTORY; takes 2 s at most",
                        verb_save, .required = BIT(OPTION_UNIT), .options = BIT(OPTION_KEEP) | BIT(OPTION_MEMORY) },
        {},
};

static const Program program = {
        .about = "Bring a guest back that hangs, or save how it was found.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        Arguments a = { .ladder.timeout = TIMEOUT_DEFAULT, .box.keep = 5 };
        int r, status;

        log_setup("qnet-recover");
        r = program_run(&program, argc, argv, &a);
        status = program_exit_status(r);
        return status == 0 && r > 0 ? r : status;
}
