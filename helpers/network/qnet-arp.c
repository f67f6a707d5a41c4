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

static const char help[] =
                "Usage: qnet-arp get IP|MAC [--dev=IF] [--json]\n"
                "       qnet-arp del IP|MAC [--dev=IF]\n"
                "       qnet-arp wait MAC [--dev=IF] [--timeout=SPAN]\n"
                "       qnet-arp list [--dev=IF] [--json]\n"
                "\n"
                "Look up, delete or wait for entries of the neighbour tables (ARP and NDP).\n"
                "\n"
                "  --dev=IF           The device, such as a bridge; default: the one that the route to IP leads\n"
                "                     to, or all. A link-local IP may be written with it, fe80::1%br0\n"
                "  --json             Print as ip-neighbour(8) does with -j\n"
                "  --timeout=SPAN     How long to wait, such as 90s; default: infinity\n"
                "  -h --help          Show this help\n"
                "     --version       Show the version\n"
                "\n"
                "get fails if there is no entry; del does not. A lookup by IP is one request to the kernel; by MAC\n"
                "the table is listed, so give --dev= where it is large. wait ends when the guest with that MAC has\n"
                "spoken and has an address.\n";

static const struct Verb {
        const char *name;
        int (*f)(Rtnl *rtnl, const ArpArguments *arguments);
        bool takes_ip, takes_mac, takes_json, takes_timeout;
} verbs[] = {
        { "get", arp_get, .takes_ip = true, .takes_mac = true, .takes_json = true },
        { "del", arp_del, .takes_ip = true, .takes_mac = true },
        { "wait", arp_wait, .takes_mac = true, .takes_timeout = true },
        { "list", arp_list, .takes_json = true },
};

static ArpArguments arg = { .timeout = USEC_INFINITY };
static bool arg_timeout_given;

static int parse_option(int c) {
        switch (c) {
        case 'd':
                arg.dev = optarg;
                return 0;
        case 'j':
                arg.json = true;
                return 0;
        case 't':
                arg_timeout_given = true;
                return parse_sec(optarg, &arg.timeout) >= 0
                                       ? 0
                                       : program_usage("--timeout=%s is not a time span", optarg);
        default:
                return program_usage("Unknown option, or one that lacks its value");
        }
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

static int parse_subject(const struct Verb *verb, char *text) {
        _cleanup_free_ char *copy = strdup(text);
        int r;

        if (!copy)
                return log_oom();
        arg.subject = text;
        if (verb->takes_mac && parse_mac(text, &arg.mac) >= 0) {
                arg.by_mac = true;
                return 0;
        }
        if (verb->takes_ip) {
                r = parse_scoped_ip(text, &arg.ip);
                if (r >= 0 || r == PROGRAM_USAGE)
                        return r;
        }
        return program_usage("%s is %s", copy,
                        verb->takes_ip ? "neither an IP address nor a MAC address" : "not a MAC address");
}

static int parse_positional(int n, char *words[], const struct Verb **ret) {
        const struct Verb *verb = NULL;
        int expected;

        if (n < 1)
                return program_usage("Expected a verb");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(words[0], verbs[i].name))
                        verb = &verbs[i];
        if (!verb)
                return program_usage("Unknown verb %s", words[0]);
        expected = verb->takes_mac ? 2 : 1;
        if (n != expected)
                return program_usage(n < expected ? "Expected %s IP or MAC" : "Too many arguments to %s",
                                verb->name);
        if ((arg.json && !verb->takes_json) || (arg_timeout_given && !verb->takes_timeout))
                return program_usage("%s does not take --%s", verb->name, arg.json ? "json" : "timeout");
        *ret = verb;
        return expected == 2 ? parse_subject(verb, words[1]) : 0;
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

static int run(int argc, char *argv[]) {
        static const struct option options[] = { PROGRAM_OPTIONS, { "dev", required_argument, NULL, 'd' },
                { "json", no_argument, NULL, 'j' }, { "timeout", required_argument, NULL, 't' }, {} };
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        const struct Verb *verb = NULL;
        int r, c;

        opterr = 0;
        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                if (c == 'h')
                        return program_help(help);
                if (c == PROGRAM_OPTION_VERSION)
                        return program_version();
                r = parse_option(c);
                if (r < 0)
                        return r;
        }
        r = parse_positional(argc - optind, argv + optind, &verb);
        if (r < 0)
                return r;
        r = rtnl_new(&rtnl);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        r = find_device(rtnl);
        if (r < 0)
                return r;
        return verb->f(rtnl, &arg);
}

int main(int argc, char *argv[]) {
        log_setup("qnet-arp");
        return program_exit_status(run(argc, argv));
}
