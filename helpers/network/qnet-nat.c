/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-nat: guests behind a device (the bridge of a switch, or a tap with an address) reach out through the host's own
 * addresses, and nobody reaches in. ExecStart= and ExecStop= of qnet-nat@.service. This file reads the arguments; nat-*.c
 * do the work.
 *
 * Its rules are in a table of their own, "inet qnet-nat-NAME"; no other table is read or written, but for
 * "inet qnet-forwarding", which all NATs of qnet share and which goes with the last.
 *
 * Privilege: CAP_NET_ADMIN, and /proc/sys/net writable (the same capability allows it). */

#include "firewall.h"
#include "nat.h"
#include "program.h"

static NatArguments arg;

/* One more at the end of an array */
static int append(void *array, size_t *n, const void *element, size_t size) {
        void *p = reallocarray(*(void **) array, *n + 1, size);

        if (!p)
                return log_oom();
        memcpy((char *) p + *n * size, element, size);
        (*n)++;
        *(void **) array = p;
        return 0;
}

enum { OPTION_DEVICE = PROGRAM_OPTION_FIRST, OPTION_ADDRESS, OPTION_FORWARD };
static const ProgramOption options[] = {
        { OPTION_DEVICE, "device", "IFNAME", "Behind which the guests are" },
        { OPTION_ADDRESS, "address", "IP/PREFIX",
                        "An address of the host there; may be repeated; default: those that it has" },
        { OPTION_FORWARD, "forward", "PROTO:[HOSTIP]:PORT:GUESTIP:PORT",
                        "A port of the host that leads to a guest, PROTO tcp or udp; may be repeated" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        NatForward forward;
        IPAddress ip;

        switch (option) {
        case OPTION_DEVICE:
                arg.device = value;
                return ifname_is_valid(value)
                                       ? 0
                                       : program_usage("--device=%s is not a valid interface name", value);
        case OPTION_ADDRESS:
                if (parse_ip_prefix(value, &ip) < 0)
                        return program_usage("--address=%s is not an address with a prefix, such as 10.9.0.1/24",
                                        value);
                return append(&arg.networks, &arg.n_networks, &ip, sizeof(ip));
        case OPTION_FORWARD:
                if (nat_forward_parse(value, &forward) < 0)
                        return program_usage("--forward=%s is not of the form tcp:HOSTIP:PORT:GUESTIP:PORT, "
                                             "such as tcp::8080:10.9.0.7:80 or udp:[fd00::1]:53:[fd00::7]:53",
                                        value);
                return append(&arg.forwards, &arg.n_forwards, &forward, sizeof(forward));
        }
        return PROGRAM_USAGE;
}

/* There is the device; without --address=, what it has counts. */
static int look_at_device(Rtnl *rtnl) {
        Link link;
        int r;

        r = link_get_by_name(rtnl, arg.device, &link);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no device %s", arg.device);
        if (r >= 0 && arg.n_networks == 0)
                r = address_list(rtnl, link.ifindex, &arg.networks, &arg.n_networks);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", arg.device, rtnl_reason(rtnl));
        if (arg.n_networks == 0) {
                log_error("%s has no address that guests could take for their gateway: give it one, or "
                          "--address=IP/PREFIX", arg.device);
                return -EADDRNOTAVAIL;
        }
        return 0;
}

/* The rules of others, which ours cannot overrule */
static void warn_of_firewalls(void) {
        _cleanup_strv_ char **sentences = NULL;
        _cleanup_nft_ Nft *nft = NULL;
        int r;

        r = nft_new(&nft); /* not the one that holds the lock */
        if (r >= 0)
                r = firewall_check(nft, FIREWALL_ROUTED, arg.device, nat_has_family(&arg, AF_INET), nat_has_family(&arg, AF_INET6),
                                &sentences);
        if (r < 0)
                log_warning_errno(r, "Cannot tell whether a firewall of the host is in the way, ignoring: %m%s",
                                nft ? nft_reason(nft) : "");
        STRV_FOREACH(s, sentences)
                log_warning("%s", *s);
}

static int with_nft(const char *name, bool add) {
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        _cleanup_nft_ Nft *nft = NULL;
        int r;

        arg.name = name;
        if (!name_is_valid(name))
                return program_usage("%s is not a valid name", name);
        r = rtnl_new(&rtnl);
        if (r >= 0)
                r = nft_new(&nft);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        if (!add)
                return nat_del(rtnl, nft, &arg);
        r = look_at_device(rtnl);
        if (r >= 0)
                r = nat_add(rtnl, nft, &arg);
        nft = nft_free(nft);
        if (r >= 0)
                warn_of_firewalls();
        return r;
}

static int verb_add(char *words[], void *userdata) {
        return with_nft(words[0], true);
}

static int verb_del(char *words[], void *userdata) {
        return with_nft(words[0], false);
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "add", 1, 1, "NAME", "let guests behind a device reach out, and nobody in", verb_add,
                        .required = BIT(OPTION_DEVICE), .options = BIT(OPTION_ADDRESS) | BIT(OPTION_FORWARD) },
        { "del", 1, 1, "NAME", "undo it", verb_del },
        {},
};

static const Program program = {
        .about = "Network address translation for the guests behind a device, in an nftables table of its own,\n"
                 "inet qnet-nat-NAME. Forwarding is turned on where it must be, and off by the last NAT.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        int r;

        log_setup("qnet-nat");
        r = program_run(&program, argc, argv, NULL);
        free(arg.networks);
        free(arg.forwards);
        return program_exit_status(r);
}
