/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-tap: the taps between VMs and bridges. add and del are ExecStart= and ExecStop= of qnet-tap@.service, own is an
 * ExecStartPre= of qemu-vm@.service. This file reads the arguments; tap-*.c do the work.
 *
 * A tap bears the alias "qnet:vm=NAME mac=MAC"; only such a tap is ever adopted, changed or deleted.
 *
 * Privilege: CAP_NET_ADMIN; /dev/net/tun. own runs as root: it reads who owns a directory of the VM's user. */

#include <pwd.h>
#include <grp.h>

#include "program.h"
#include "tap.h"

static const char help[] =
                "Usage: qnet-tap add IFNAME --vm=NAME --mac=MAC|random --bridge=BRIDGE [OPTION...]\n"
                "       qnet-tap own IFNAME USER|UID|--owner-of=DIR [OPTION...]\n"
                "       qnet-tap del IFNAME\n"
                "\n"
                "Make a persistent tap for a VM on a bridge; give it to the user that QEMU runs as; remove it.\n"
                "\n"
                "  --vm=NAME          add: the VM\n"
                "  --mac=MAC|random   MAC of the guest's NIC; random: own picks it\n"
                "  --bridge=BRIDGE    add: the bridge to attach it to\n"
                "  --mtu=N            add: MTU; default: the bridge's\n"
                "  --isolated         add: no traffic to other isolated ports of the bridge\n"
                "  --owner=USER|UID   add: who may open it; default: root\n"
                "  --group=GROUP|GID  add: members of which group may open it\n"
                "  --owner-of=DIR     own: give it to the owner of DIR\n"
                "  --index=N          own: number of the interface in the VM, for --env-file=; default: 0\n"
                "  --env-file=FILE    own: where to write QNET_MACn=MAC for a random MAC\n"
                "  --pin=IP           own: make IP of the guest a permanent neighbour entry; may be repeated\n"
                "  -h --help          Show this help\n"
                "     --version       Show the version\n";

enum {
        OPTION_VM = PROGRAM_OPTION_FIRST,
        OPTION_MAC,
        OPTION_BRIDGE,
        OPTION_MTU,
        OPTION_ISOLATED,
        OPTION_OWNER,
        OPTION_GROUP,
        OPTION_OWNER_OF,
        OPTION_INDEX,
        OPTION_ENV_FILE,
        OPTION_PIN,
};
#define BIT(option) (1U << ((option) -PROGRAM_OPTION_FIRST))

static const struct option options[] = {
        PROGRAM_OPTIONS,
        { "vm", required_argument, NULL, OPTION_VM },
        { "mac", required_argument, NULL, OPTION_MAC },
        { "bridge", required_argument, NULL, OPTION_BRIDGE },
        { "mtu", required_argument, NULL, OPTION_MTU },
        { "isolated", no_argument, NULL, OPTION_ISOLATED },
        { "owner", required_argument, NULL, OPTION_OWNER },
        { "group", required_argument, NULL, OPTION_GROUP },
        { "owner-of", required_argument, NULL, OPTION_OWNER_OF },
        { "index", required_argument, NULL, OPTION_INDEX },
        { "env-file", required_argument, NULL, OPTION_ENV_FILE },
        { "pin", required_argument, NULL, OPTION_PIN },
        {},
};

static const struct Verb {
        const char *name;
        int (*f)(Rtnl *rtnl, const TapArguments *arguments);
        unsigned options; /* that it takes */
} verbs[] = {
        { "add", tap_add,
                        BIT(OPTION_VM) | BIT(OPTION_MAC) | BIT(OPTION_BRIDGE) | BIT(OPTION_MTU) |
                                        BIT(OPTION_ISOLATED) | BIT(OPTION_OWNER) | BIT(OPTION_GROUP) },
        { "own", tap_own,
                        BIT(OPTION_MAC) | BIT(OPTION_OWNER_OF) | BIT(OPTION_INDEX) | BIT(OPTION_ENV_FILE) |
                                        BIT(OPTION_PIN) },
        { "del", tap_del, 0 },
};

static TapArguments arg = { .owner = (uid_t) -1, .group = (gid_t) -1 };
static unsigned arg_given; /* BIT() of each option seen */

/* By number without NSS, which a user of systemd's DynamicUser= would need */
static int parse_user(const char *s, uid_t *ret) {
        unsigned n;

        if (parse_unsigned(s, 0, UINT32_MAX - 1, &n) < 0) {
                const struct passwd *p = getpwnam(s);
                if (!p)
                        return -ESRCH;
                n = p->pw_uid;
        }
        *ret = n;
        return 0;
}

static int parse_group(const char *s, gid_t *ret) {
        unsigned n;

        if (parse_unsigned(s, 0, UINT32_MAX - 1, &n) < 0) {
                const struct group *g = getgrnam(s);
                if (!g)
                        return -ESRCH;
                n = g->gr_gid;
        }
        *ret = n;
        return 0;
}

static int parse_arg_mac(const char *s) {
        arg.random_mac = streq(s, "random");
        arg.has_mac = !arg.random_mac;
        if (arg.has_mac && parse_mac(s, &arg.mac) < 0)
                return program_usage("--mac=%s is neither a MAC address of one station nor \"random\"", s);
        return 0;
}

static int add_pin(const char *s) {
        IPAddress ip, *p;

        if (parse_ip(s, &ip) < 0)
                return program_usage("--pin=%s is not an IP address", s);
        p = reallocarray(arg.pins, arg.n_pins + 1, sizeof(ip));
        if (!p)
                return log_oom();
        p[arg.n_pins++] = ip;
        arg.pins = p;
        return 0;
}

static int parse_option(int option, const char *value) {
        switch (option) {
        case OPTION_VM:
                arg.vm = value;
                return name_is_valid(value) ? 0 : program_usage("--vm=%s is not a valid name", value);
        case OPTION_MAC:
                return parse_arg_mac(value);
        case OPTION_BRIDGE:
                arg.bridge = value;
                return ifname_is_valid(value)
                                       ? 0
                                       : program_usage("--bridge=%s is not a valid interface name", value);
        case OPTION_MTU:
                return parse_unsigned(value, 68, 65535, &arg.mtu) >= 0
                                       ? 0
                                       : program_usage("--mtu=%s is not a number from 68 to 65535", value);
        case OPTION_ISOLATED:
                arg.isolated = true;
                return 0;
        case OPTION_OWNER:
                return parse_user(value, &arg.owner) >= 0 ? 0
                                                          : program_usage("--owner=%s: no such user", value);
        case OPTION_GROUP:
                return parse_group(value, &arg.group) >= 0
                                       ? 0
                                       : program_usage("--group=%s: no such group", value);
        case OPTION_OWNER_OF:
                arg.owner_of = value;
                return path_is_normalized(value)
                                       ? 0
                                       : program_usage("--owner-of=%s is not a plain absolute path", value);
        case OPTION_INDEX:
                return parse_unsigned(value, 0, 999, &arg.index) >= 0
                                       ? 0
                                       : program_usage("--index=%s is not a number from 0 to 999", value);
        case OPTION_ENV_FILE:
                arg.env_file = value;
                return path_is_normalized(value)
                                       ? 0
                                       : program_usage("--env-file=%s is not a plain absolute path", value);
        case OPTION_PIN:
                return add_pin(value);
        default:
                return program_usage("Unknown option, or one that lacks its value");
        }
}

static int check_add(void) {
        if (!arg.vm || !arg.bridge || !(arg_given & BIT(OPTION_MAC)))
                return program_usage("--vm=, --mac= and --bridge= must be given");
        return 0;
}

static int check_own(const char *user) {
        if (!user == !arg.owner_of)
                return program_usage("Expected either a user or --owner-of=");
        if (user && parse_user(user, &arg.owner) < 0)
                return program_usage("%s: no such user", user);
        if (arg.has_mac)
                return program_usage("own takes --mac=random only");
        if (arg.random_mac != !!arg.env_file)
                return program_usage("--mac=random and --env-file= go together");
        return 0;
}

/* Everything behind the options; which verb it is. */
static int parse_positional(int n, char *words[], const struct Verb **ret) {
        const struct Verb *verb = NULL;
        int r = 0;

        if (n < 2)
                return program_usage("Expected a verb and an interface");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(words[0], verbs[i].name))
                        verb = &verbs[i];
        if (!verb)
                return program_usage("Unknown verb %s", words[0]);
        for (const struct option *o = options; o->name; o++)
                if (o->val >= PROGRAM_OPTION_FIRST && (arg_given & BIT(o->val) & ~verb->options))
                        return program_usage("%s does not take --%s", verb->name, o->name);
        arg.ifname = words[1];
        if (!ifname_is_valid(arg.ifname))
                return program_usage("%s is not a valid interface name", arg.ifname);
        if (n > (verb->f == tap_own ? 3 : 2))
                return program_usage("Unexpected argument %s", words[n - 1]);
        if (verb->f == tap_add)
                r = check_add();
        else if (verb->f == tap_own)
                r = check_own(words[2]); /* argv ends with NULL */
        *ret = verb;
        return r;
}

static int run(int argc, char *argv[]) {
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        const struct Verb *verb = NULL;
        int r, c;

        opterr = 0;
        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                if (c == 'h')
                        return program_help(help);
                if (c == PROGRAM_OPTION_VERSION)
                        return program_version();
                r = parse_option(c, optarg);
                if (r < 0)
                        return r;
                arg_given |= BIT(c);
        }
        r = parse_positional(argc - optind, argv + optind, &verb);
        if (r < 0)
                return r;
        r = rtnl_new(&rtnl);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        return verb->f(rtnl, &arg);
}

int main(int argc, char *argv[]) {
        int r;

        log_setup("qnet-tap");
        r = run(argc, argv);
        free(arg.pins);
        return program_exit_status(r);
}
