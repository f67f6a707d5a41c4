/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-arp: the neighbour table (ARP and NDP) by address or by MAC. This file reads the arguments; arp-*.c do the work.
 *
 * get IP, and del IP, ask the kernel for that one entry, whatever the size of the table. By MAC there is no such request:
 * the table of the device (--dev=), or the whole of it, is listed and searched.
 *
 * Privilege: none for get, list and wait; del CAP_NET_ADMIN. wait asks the kernel to probe an entry that may be of a
 * guest long gone, which needs it too, and does without if refused. */

#include "arp.h"
#include "program.h"

static ArpArguments arg = { .timeout = USEC_INFINITY };

enum { OPTION_DEV = PROGRAM_OPTION_FIRST, OPTION_JSON, OPTION_TIMEOUT };
static const ProgramOption options[] = {
        { OPTION_DEV, "dev", "IF",
                        "The device, such as a bridge; default: the one that the route to IP leads\n"
                        "to, or all. A link-local IP may be written with it, fe80::1%br0" },
        { OPTION_JSON, "json", NULL, "Print as ip-neighbour(8) does with -j" },
        { OPTION_TIMEOUT, "timeout", "SPAN", "How long to wait, such as 90s; default: infinity" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        switch (option) {
        case OPTION_DEV:
                arg.dev = value;
                return 0;
        case OPTION_JSON:
                arg.json = true;
                return 0;
        case OPTION_TIMEOUT:
                return parse_sec(value, &arg.timeout) >= 0
                                       ? 0
                                       : program_usage("--timeout=%s is not a time span", value);
        }
        return PROGRAM_USAGE;
}

/* "fe80::1%br0": the part behind % is --dev= */
static int parse_scoped_ip(char *text, IPAddress *ret) {
        char *scope = strchr(text, '%');

        if (scope) {
                *scope++ = '\0';
                if (arg.dev && !streq(arg.dev, scope))
                        return program_usage(
                                        "%s is scoped to %s, but --dev=%s was given", text, scope, arg.dev);
                arg.dev = scope;
        }
        return parse_ip(text, ret);
}

static int parse_subject(char *text, bool takes_ip) {
        _cleanup_free_ char *copy = strdup(text);
        int r;

        if (!copy)
                return log_oom();
        arg.subject = text;
        if (parse_mac(text, &arg.mac) >= 0) {
                arg.by_mac = true;
                return 0;
        }
        if (takes_ip) {
                r = parse_scoped_ip(text, &arg.ip);
                if (r >= 0 || r == PROGRAM_USAGE)
                        return r;
        }
        return program_usage("%s is %s", copy,
                        takes_ip ? "neither an IP address nor a MAC address" : "not a MAC address");
}

static int find_device(Rtnl *rtnl) {
        Link link;
        int r;

        if (!arg.dev)
                return 0;
        r = link_get_by_name(rtnl, arg.dev, &link);
        if (r < 0)
                return log_error_errno(r, "Cannot look up device %s: %m", arg.dev);
        arg.ifindex = link.ifindex;
        return 0;
}

static int with_table(int (*f)(Rtnl *rtnl, const ArpArguments *arguments)) {
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        int r;

        r = rtnl_new(&rtnl);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        r = find_device(rtnl);
        return r < 0 ? r : f(rtnl, &arg);
}

static int verb_get(char *words[], void *userdata) {
        int r = parse_subject(words[0], true);

        return r < 0 ? r : with_table(arp_get);
}

static int verb_del(char *words[], void *userdata) {
        int r = parse_subject(words[0], true);

        return r < 0 ? r : with_table(arp_del);
}

static int verb_wait(char *words[], void *userdata) {
        int r = parse_subject(words[0], false);

        return r < 0 ? r : with_table(arp_wait);
}

static int verb_list(char *words[], void *userdata) {
        return with_table(arp_list);
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "get", 1, 1, "IP|MAC", "print the entry; fail if there is none", verb_get,
                        .options = BIT(OPTION_DEV) | BIT(OPTION_JSON) },
        { "del", 1, 1, "IP|MAC", "delete it; fine if there is none", verb_del, .options = BIT(OPTION_DEV) },
        { "wait", 1, 1, "MAC", "until the guest with that MAC has spoken and has an address; print it",
                        verb_wait, .options = BIT(OPTION_DEV) | BIT(OPTION_TIMEOUT) },
        { "list", 0, 0, "", "print the table", verb_list, .options = BIT(OPTION_DEV) | BIT(OPTION_JSON) },
        {},
};

static const Program program = {
        .about = "Look up, delete or wait for entries of the neighbour tables (ARP and NDP).",
        .notes = "A lookup by IP is one request to the kernel; by MAC the table is listed, so give --dev= where it\n"
                 "is large.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        log_setup("qnet-arp");
        return program_exit_status(program_run(&program, argc, argv, NULL));
}
