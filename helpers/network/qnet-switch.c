/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-switch: makes and removes the bridge of a switch. ExecStart= and ExecStop= of qnet-switch@.service.
 *
 * The bridge bears the alias "qnet:switch=NAME"; only such a bridge is ever adopted, changed or deleted. A
 * bridge of that name without alias is taken for ours too if it is down and has the MAC that only this
 * program derives from the name: an add that was killed between making and naming it.
 *
 * Privilege: CAP_NET_ADMIN, and /proc/sys/net/ipv6 writable (the same capability allows it). */

#include <fcntl.h>
#include <systemd/sd-id128.h>

#include "describe.h"
#include "program.h"

static const char *arg_bridge;
static const char *arg_name;
static unsigned arg_mtu; /* 0: leave it to the kernel */
static IPAddress *arg_addresses;
static size_t arg_n_addresses;

/* The bridge's own MAC: the same at every start, so that no port's comings and goings change it and guests
 * keep their ARP entry of the host; another on another machine. Locally administered (IEEE 802). FNV-1a. */
static struct ether_addr derive_mac(const char *name) {
        static const sd_id128_t application = SD_ID128_MAKE(
                        6f, 1d, 2a, 83, 0c, 57, 4e, 9b, a2, 64, d0, 3e, 91, b8, 7c, 15);
        struct ether_addr mac;
        sd_id128_t machine;
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        if (sd_id128_get_machine_app_specific(application, &machine) < 0)
                machine = application;
        for (size_t i = 0; i < sizeof(machine.bytes); i++)
                h = (h ^ machine.bytes[i]) * UINT64_C(0x100000001b3);
        for (const char *p = name; *p; p++)
                h = (h ^ (unsigned char) *p) * UINT64_C(0x100000001b3);
        for (size_t i = 0; i < sizeof(mac.ether_addr_octet); i++)
                mac.ether_addr_octet[i] = (uint8_t) (h >> (8 * i + 8));
        mac.ether_addr_octet[0] = (uint8_t) ((mac.ether_addr_octet[0] & 0xfc) | 0x02);
        return mac;
}

static int write_ipv6_knob(const char *knob, const char *value) {
        char path[128];
        _cleanup_close_ int fd = -1;

        snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", arg_bridge, knob);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno; /* no IPv6 in this kernel */
        return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

/* A guest must not give the host a default route by a router advertisement, and an address that only this
 * host has need not wait for duplicates. Netlink has no attribute for either. */
static void tame_ipv6(void) {
        static const char *const knobs[] = { "accept_ra", "accept_dad" };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(knobs); i++) {
                r = write_ipv6_knob(knobs[i], "0");
                if (r < 0)
                        log_warning_errno(r, "Cannot turn off net.ipv6.conf.%s.%s, ignoring: %m", arg_bridge,
                                        knobs[i]);
        }
}

static bool contains_address(const IPAddress *list, size_t n, const IPAddress *ip) {
        for (size_t i = 0; i < n; i++)
                if (ip_equal(&list[i], ip) && list[i].prefix == ip->prefix)
                        return true;
        return false;
}

/* Takes from the bridge what it is not to have, or gives it what it lacks. It is asked anew for each: a
 * secondary address goes with its primary. */
static int change_addresses(Rtnl *rtnl, int ifindex, bool add) {
        _cleanup_free_ IPAddress *have = NULL;
        char text[IP_STRING_SIZE];
        size_t n_have;
        int r;

        r = address_list(rtnl, ifindex, &have, &n_have);
        if (r < 0)
                return log_error_errno(
                                r, "Cannot list the addresses of %s: %m%s", arg_bridge, rtnl_reason(rtnl));
        for (size_t i = 0; i < (add ? arg_n_addresses : n_have); i++) {
                const IPAddress *ip = add ? &arg_addresses[i] : &have[i];

                if (add ? contains_address(have, n_have, ip)
                        : contains_address(arg_addresses, arg_n_addresses, ip))
                        continue;
                r = add ? address_add(rtnl, ifindex, ip) : address_delete(rtnl, ifindex, ip);
                if (r < 0 && (add || r != -EADDRNOTAVAIL))
                        return log_error_errno(r, "Cannot %s the address %s %s %s: %m%s",
                                        add ? "add" : "take", format_ip_prefix(ip, text), add ? "to" : "from",
                                        arg_bridge, rtnl_reason(rtnl));
        }
        return 0;
}

static int configure(Rtnl *rtnl, const Link *link, const struct ether_addr *mac) {
        Alias alias = { .kind = ALIAS_SWITCH };
        char text[ALIAS_SIZE];
        int r;

        snprintf(alias.name, sizeof(alias.name), "%s", arg_name);
        tame_ipv6();
        r = link_set(rtnl, &(LinkChange){
                                           .ifindex = link->ifindex,
                                           .alias = alias_format(&alias, text),
                                           .mac = link->has_mac && mac_equal(&link->mac, mac) ? NULL : mac,
                                           .mtu = arg_mtu,
                                           .up = true,
                           });
        if (r == -EINVAL && arg_mtu > 0)
                return log_error_errno(r, "Cannot configure bridge %s with an MTU of %u: %m%s", arg_bridge,
                                arg_mtu, rtnl_reason(rtnl));
        if (r < 0)
                return log_error_errno(r, "Cannot configure bridge %s: %m%s", arg_bridge, rtnl_reason(rtnl));
        r = neighbour_set_patience(rtnl, link->ifindex);
        if (r < 0)
                return log_error_errno(r, "Cannot set the neighbour parameters of %s: %m%s", arg_bridge,
                                rtnl_reason(rtnl));
        r = change_addresses(rtnl, link->ifindex, false);
        return r < 0 ? r : change_addresses(rtnl, link->ifindex, true);
}

static bool is_ours(const Link *link) {
        return link_is_bridge(link) && link->alias.kind == ALIAS_SWITCH && streq(link->alias.name, arg_name);
}

static bool is_half_made(const Link *link, const struct ether_addr *mac) {
        return link_is_bridge(link) && !*link->alias_text && !(link->flags & IFF_UP) && link->has_mac &&
               mac_equal(&link->mac, mac);
}

/* The bridge as it stands, made just now if it was missing. */
static int make_or_adopt(Rtnl *rtnl, const struct ether_addr *mac, Link *ret, bool *ret_made) {
        char text[LINK_DESCRIPTION_SIZE];
        bool made = false;
        int r;

        r = link_get_by_name(rtnl, arg_bridge, ret);
        if (r == -ENODEV) {
                r = link_add_bridge(rtnl, arg_bridge, mac);
                if (r < 0 && r != -EEXIST)
                        return log_error_errno(
                                        r, "Cannot make bridge %s: %m%s", arg_bridge, rtnl_reason(rtnl));
                made = r >= 0;
                r = link_get_by_name(rtnl, arg_bridge, ret);
        }
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", arg_bridge, rtnl_reason(rtnl));
        if (!made && !is_ours(ret) && !is_half_made(ret, mac)) {
                log_error("Cannot make bridge %s for switch %s: the name is taken by %s", arg_bridge,
                                arg_name, link_describe(ret, text));
                return -EEXIST;
        }
        *ret_made = made;
        return 0;
}

static int add(Rtnl *rtnl) {
        struct ether_addr mac = derive_mac(arg_name);
        bool made = false;
        Link link;
        int r, q;

        r = make_or_adopt(rtnl, &mac, &link, &made);
        if (r < 0)
                return r;
        r = configure(rtnl, &link, &mac);
        if (r < 0 && made) {
                q = link_delete(rtnl, link.ifindex);
                if (q < 0 && q != -ENODEV)
                        log_warning_errno(q, "Cannot remove bridge %s again, ignoring: %m", arg_bridge);
        }
        return r;
}

static int del(Rtnl *rtnl) {
        struct ether_addr mac = derive_mac(arg_name);
        char text[LINK_DESCRIPTION_SIZE];
        Link link;
        int r;

        r = link_get_by_name(rtnl, arg_bridge, &link);
        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", arg_bridge, rtnl_reason(rtnl));
        if (!is_ours(&link) && !is_half_made(&link, &mac)) {
                log_error("Not removing %s: it is not the bridge of switch %s, but %s", arg_bridge, arg_name,
                                link_describe(&link, text));
                return -EPERM;
        }
        r = link_delete(rtnl, link.ifindex);
        if (r < 0 && r != -ENODEV)
                return log_error_errno(r, "Cannot remove bridge %s: %m%s", arg_bridge, rtnl_reason(rtnl));
        return 0;
}

static int add_arg_address(const char *text) {
        IPAddress ip, *p;

        if (parse_ip_prefix(text, &ip) < 0)
                return program_usage(
                                "--address=%s is not an address with a prefix, such as 10.9.0.1/24", text);
        p = reallocarray(arg_addresses, arg_n_addresses + 1, sizeof(ip));
        if (!p)
                return log_oom();
        p[arg_n_addresses++] = ip;
        arg_addresses = p;
        return 0;
}

enum { OPTION_NAME = PROGRAM_OPTION_FIRST, OPTION_ADDRESS, OPTION_MTU };
static const ProgramOption options[] = {
        { OPTION_NAME, "name", "SWITCH", "The switch, as its configuration calls it" },
        { OPTION_ADDRESS, "address", "IP/PREFIX",
                        "An address of the host on it; may be repeated; others are removed" },
        { OPTION_MTU, "mtu", "N", "MTU of the bridge and of taps added to it" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        switch (option) {
        case OPTION_NAME:
                arg_name = value;
                return name_is_valid(value) ? 0 : program_usage("--name=%s is not a valid name", value);
        case OPTION_ADDRESS:
                return add_arg_address(value);
        case OPTION_MTU:
                return parse_unsigned(value, 68, 65535, &arg_mtu) >= 0 /* RFC 791: 68 at least */
                                       ? 0
                                       : program_usage("--mtu=%s is not a number from 68 to 65535", value);
        }
        return PROGRAM_USAGE;
}

static int with_bridge(const char *bridge, int (*f)(Rtnl *rtnl)) {
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        int r;

        arg_bridge = bridge;
        if (!ifname_is_valid(bridge))
                return program_usage("%s is not a valid interface name", bridge);
        r = rtnl_new(&rtnl);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        return f(rtnl);
}

static int verb_add(char *words[], void *userdata) {
        return with_bridge(words[0], add);
}

static int verb_del(char *words[], void *userdata) {
        return with_bridge(words[0], del);
}

static const ProgramVerb verbs[] = {
        { "add", 1, 1, "BRIDGE", "make it, or adopt it if it is there, and bring it to the state asked for",
                        verb_add, .required = PROGRAM_BIT(OPTION_NAME),
                        .options = PROGRAM_BIT(OPTION_ADDRESS) | PROGRAM_BIT(OPTION_MTU) },
        { "del", 1, 1, "BRIDGE", "remove it", verb_del, .required = PROGRAM_BIT(OPTION_NAME) },
        {},
};

static const Program program = {
        .about = "Make or remove the bridge of a switch. A bridge that is there already is adopted if it was\n"
                 "made for that switch.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        int r;

        log_setup("qnet-switch");
        r = program_run(&program, argc, argv, NULL);
        free(arg_addresses);
        return program_exit_status(r);
}
