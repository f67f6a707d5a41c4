/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-switch: makes and removes the bridge of a switch, and tells what of the host would be in its way. ExecStart= and
 * ExecStop= of qnet-switch@.service.
 *
 * The bridge bears the alias "qnet:switch=NAME"; only such a bridge is ever adopted, changed or deleted. A
 * bridge of that name without alias is taken for ours too if it is down and has the MAC that only this
 * program derives from the name: an add that was killed between making and naming it.
 *
 * Privilege: CAP_NET_ADMIN, and /proc/sys/net/ipv6 writable (the same capability allows it). */

#include "describe.h"
#include "host-address.h"
#include "port.h"
#include "preflight.h"
#include "program.h"
#include "switch-mac.h"
#include "switch-unit.h"

static const char *arg_bridge;
static const char *arg_name;
static unsigned arg_mtu; /* 0: leave it to the kernel */
static IPAddress *arg_addresses;
static size_t arg_n_addresses;
static BridgeOptions arg_options = { .ageing = BRIDGE_AGEING_DEFAULT };
static bool arg_has_ageing, arg_hub;
static const char *arg_uplink;
static bool arg_nat, arg_json; /* of check only */
static char **unit_arguments; /* where the others point to, when systemd was asked */

/* VLAN filtering is not turned off under ports that need it: the frames of all VLANs would run together. */
static int keep_vlan_filtering(Rtnl *rtnl, const Link *bridge, BridgeOptions *options) {
        char names[80];
        int r;

        if (options->filters_vlans || !bridge->bridge.filters_vlans)
                return 0;
        r = ports_with_vlans(rtnl, bridge, names);
        if (r <= 0)
                return r;
        log_warning("Bridge %s goes on filtering VLANs, which --vlan-filtering did not ask for: %s need%s it",
                        arg_bridge, names, r > 1 ? "" : "s");
        options->filters_vlans = true;
        return 0;
}

static int set_options(Rtnl *rtnl, const Link *link) {
        const BridgeOptions *have = &link->bridge;
        BridgeOptions options = arg_options;
        int r;

        r = keep_vlan_filtering(rtnl, link, &options);
        if (r < 0)
                return r;
        if (have->stp != options.stp || have->ageing != options.ageing ||
                        have->group_forward_mask != options.group_forward_mask) {
                r = bridge_set(rtnl, link->ifindex, &options);
                if (r < 0)
                        return log_error_errno(r, "Cannot set the options of bridge %s: %m%s", arg_bridge,
                                        rtnl_reason(rtnl));
        }
        if (have->filters_vlans == options.filters_vlans)
                return 0;
        r = bridge_set_vlan_filtering(rtnl, link->ifindex, options.filters_vlans);
        if (r == -EOPNOTSUPP)
                return log_error_errno(r,
                                "Cannot have VLANs on bridge %s: this kernel was built without CONFIG_BRIDGE_VLAN_FILTERING",
                                arg_bridge);
        if (r < 0)
                return log_error_errno(r, "Cannot turn VLAN filtering of bridge %s %s: %m%s", arg_bridge,
                                options.filters_vlans ? "on" : "off", rtnl_reason(rtnl));
        return 0;
}

/* A hub shows every port also what goes to the host, and the host what goes to others: the bridge forgets
 * that its own MAC is here, and takes in everything. Only with an ageing of zero does a bridge do without
 * such an entry for others. */
static int set_hub(Rtnl *rtnl, const Link *link, const struct ether_addr *mac) {
        bool is_hub = link->flags & IFF_PROMISC && mac_equal(&link->mac, mac);
        int r;

        if (is_hub == arg_hub)
                return 0;
        r = fdb_set_local(rtnl, link->ifindex, mac, !arg_hub);
        if (r >= 0)
                r = link_set(rtnl, &(LinkChange){
                                                   .ifindex = link->ifindex,
                                                   .set_flags = arg_hub ? IFF_PROMISC : 0,
                                                   .clear_flags = arg_hub ? 0 : IFF_PROMISC,
                                   });
        if (r < 0)
                return log_error_errno(r, "Cannot make bridge %s %s: %m%s", arg_bridge,
                                arg_hub ? "a hub" : "a switch again", rtnl_reason(rtnl));
        return 0;
}

/* The port of the host's that has joined the bridge, see qnet-uplink; 0: none. */
static int find_uplink(Rtnl *rtnl, const Link *bridge, Link *ret) {
        _cleanup_free_ Link *ports = NULL;
        size_t n;
        int r;

        r = link_list(rtnl, &(LinkFilter){ .master = bridge->ifindex, .alias = ALIAS_UPLINK }, &ports, &n);
        if (r < 0)
                return log_error_errno(
                                r, "Cannot list the ports of bridge %s: %m%s", arg_bridge, rtnl_reason(rtnl));
        if (n > 0)
                *ret = ports[0];
        return n > 0;
}

/* With an uplink, MAC and further addresses of the bridge are the host's, and so are router advertisements. */
static int configure(Rtnl *rtnl, const Link *link, const struct ether_addr *mac) {
        Alias alias = { .kind = ALIAS_SWITCH };
        char text[ALIAS_SIZE];
        int r, has_uplink;
        Link uplink;

        has_uplink = find_uplink(rtnl, link, &uplink);
        if (has_uplink < 0)
                return has_uplink;
        if (has_uplink)
                mac = &link->mac;
        else
                host_address_tame_ipv6(arg_bridge);
        snprintf(alias.name, sizeof(alias.name), "%s", arg_name);
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
        r = set_options(rtnl, link);
        if (r >= 0)
                r = set_hub(rtnl, link, mac);
        if (r < 0)
                return r;
        r = neighbour_set_patience(rtnl, link->ifindex);
        if (r < 0)
                return log_error_errno(r, "Cannot set the neighbour parameters of %s: %m%s", arg_bridge,
                                rtnl_reason(rtnl));
        return has_uplink ? host_address_add(rtnl, link, arg_addresses, arg_n_addresses)
                          : host_address_set(rtnl, link, arg_addresses, arg_n_addresses);
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
        if (!made && !switch_has(ret, arg_name)) {
                log_error("Cannot make bridge %s for switch %s: the name is taken by %s", arg_bridge,
                                arg_name, link_describe(ret, text));
                return -EEXIST;
        }
        *ret_made = made;
        return 0;
}

static Preflight preflight(Rtnl *rtnl) {
        return (Preflight){
                .rtnl = rtnl,
                .bridge = arg_bridge,
                .name = arg_name,
                .addresses = arg_addresses,
                .n_addresses = arg_n_addresses,
                .mtu = arg_mtu,
                .uplink = arg_uplink,
                .nat = arg_nat,
        };
}

/* It is made all the same: somebody may be about to mend it, and stop is no answer to a warning. */
static void warn_of_findings(Rtnl *rtnl) {
        _cleanup_preflight_ Preflight p = preflight(rtnl);

        p.starting = true;
        if (preflight_run(&p) < 0)
                log_oom();
        for (size_t i = 0; i < p.n_findings; i++)
                log_internal(streq(p.findings[i].kind, "unknown") ? LOG_DEBUG : LOG_WARNING, 0, NULL, 0, "%s",
                                p.findings[i].text);
}

static int check(Rtnl *rtnl) {
        _cleanup_preflight_ Preflight p = preflight(rtnl);
        int r;

        if (preflight_run(&p) < 0)
                return log_oom();
        r = preflight_print(&p, arg_json);
        if (r < 0)
                return r;
        return preflight_has_errors(&p) ? -ECANCELED : 0; /* said already */
}

static int add(Rtnl *rtnl) {
        struct ether_addr mac = switch_mac(arg_name);
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
        if (r >= 0)
                warn_of_findings(rtnl);
        return r;
}

static int del(Rtnl *rtnl) {
        char text[LINK_DESCRIPTION_SIZE];
        Link link, uplink;
        int r;

        r = link_get_by_name(rtnl, arg_bridge, &link);
        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", arg_bridge, rtnl_reason(rtnl));
        if (!switch_has(&link, arg_name)) {
                log_error("Not removing %s: it is not the bridge of switch %s, but %s", arg_bridge, arg_name,
                                link_describe(&link, text));
                return -EPERM;
        }
        r = find_uplink(rtnl, &link, &uplink);
        if (r < 0)
                return r;
        if (r > 0) { /* they would be gone with it */
                log_error("Not removing %s: it has the addresses of %s, which is its uplink; take that back first, by "
                          "\"systemctl stop qnet-uplink@%s\"",
                                arg_bridge, uplink.name, arg_name);
                return -EBUSY;
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

/* The kernel counts hundredths of a second, in 32 bits; a day is more than anybody has a use for. */
static int parse_ageing(const char *text) {
        usec_t t;

        if (parse_sec(text, &t) < 0 || t > 24 * 3600 * USEC_PER_SEC)
                return program_usage("--ageing=%s is not a time of at most a day, such as 300 or 5min", text);
        arg_options.ageing = (uint32_t) (t / (USEC_PER_SEC / 100));
        arg_has_ageing = true;
        return 0;
}

static int parse_mask(const char *text) {
        unsigned mask;

        if (parse_unsigned(text, 0, UINT16_MAX, &mask) < 0)
                return program_usage("--group-forward-mask=%s is not a number from 0 to 65535", text);
        if (mask & 7) /* the kernel's BR_GROUPFWD_RESTRICTED */
                return program_usage(
                                "--group-forward-mask=%s has one of the bits 1, 2 and 4 (STP, pause frames, LACP), which Linux never forwards",
                                text);
        arg_options.group_forward_mask = (uint16_t) mask;
        return 0;
}

enum {
        OPTION_NAME = PROGRAM_OPTION_FIRST,
        OPTION_ADDRESS,
        OPTION_MTU,
        OPTION_STP,
        OPTION_AGEING,
        OPTION_HUB,
        OPTION_GROUP_FORWARD_MASK,
        OPTION_VLAN_FILTERING,
        OPTION_UPLINK,
        OPTION_NAT,
        OPTION_JSON,
};
static const ProgramOption options[] = {
        { OPTION_NAME, "name", "SWITCH", "The switch, as its configuration calls it" },
        { OPTION_ADDRESS, "address", "IP/PREFIX",
                        "An address of the host on it; may be repeated; others are removed" },
        { OPTION_MTU, "mtu", "N", "MTU of the bridge and of taps added to it" },
        { OPTION_STP, "stp", NULL, "Spanning tree protocol: a loop of bridges does no harm" },
        { OPTION_AGEING, "ageing", "TIME",
                        "How long a MAC address that is silent is remembered; default: 5min" },
        { OPTION_HUB, "hub", NULL, "Every port gets every frame, and so does the host" },
        { OPTION_GROUP_FORWARD_MASK, "group-forward-mask", "N",
                        "Which of the group addresses 01:80:c2:00:00:0X to forward, a bit for each" },
        { OPTION_VLAN_FILTERING, "vlan-filtering", NULL, "Ports can be in VLANs" },
        { OPTION_UPLINK, "uplink", "IF", "Warn with that in mind: qnet-uplink is going to make it a port" },
        { OPTION_NAT, "nat", NULL, "So with qnet-nat, by which guests reach out" },
        { OPTION_JSON, "json", NULL, "Findings as a list for programs" },
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
        case OPTION_STP:
                arg_options.stp = true;
                return 0;
        case OPTION_AGEING:
                return parse_ageing(value);
        case OPTION_HUB:
                arg_hub = true;
                return 0;
        case OPTION_GROUP_FORWARD_MASK:
                return parse_mask(value);
        case OPTION_VLAN_FILTERING:
                arg_options.filters_vlans = true;
                return 0;
        case OPTION_UPLINK:
                arg_uplink = value;
                return ifname_is_valid(value)
                                       ? 0
                                       : program_usage("--uplink=%s is not a valid interface name", value);
        case OPTION_NAT:
                arg_nat = true;
                return 0;
        case OPTION_JSON:
                arg_json = true;
                return 0;
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

static int settle_options(void) {
        if (arg_hub && arg_has_ageing)
                return program_usage("--hub and --ageing= do not go together: a hub remembers nothing");
        if (arg_hub)
                arg_options.ageing = 0;
        return 0;
}

static int verb_add(char *words[], void *userdata) {
        int r = settle_options();

        return r < 0 ? r : with_bridge(words[0], add);
}

/* "--mtu=1400" of the unit, which may be of another version: what is not known does not matter here. */
static int take_argument(const char *word) {
        for (const ProgramOption *o = options; o->name; o++) {
                const char *value = startswith(word, "--") ? startswith(word + 2, o->name) : NULL;

                if (value && *value == (o->value ? '=' : '\0'))
                        return parse_option(o->id, o->value ? value + 1 : NULL, NULL);
        }
        return 0;
}

/* The switch as it is configured */
static int check_unit(const char *name) {
        int r;

        if (!name_is_valid(name))
                return program_usage("%s is not a valid name", name);
        if (arg_n_addresses > 0 || arg_mtu > 0 || arg_uplink || arg_nat)
                return program_usage("Without --name=, %s is a switch whose options are those of its unit: give --name= "
                                     "too, or none of them", name);
        r = switch_unit_arguments(name, &unit_arguments);
        if (r < 0)
                return r;
        if (r == 0) {
                if (arg_json)
                        puts("[]");
                else
                        printf("Switch %s is a process, so nothing of this host is in its way.\n", name);
                return 0;
        }
        for (size_t i = 1; unit_arguments[i]; i++) {
                r = take_argument(unit_arguments[i]);
                if (r < 0)
                        return r;
        }
        return arg_name ? with_bridge(unit_arguments[0], check) : program_usage("The unit of switch %s does not say --name=", name);
}

static int verb_check(char *words[], void *userdata) {
        int r = settle_options();

        if (r < 0)
                return r;
        return arg_name ? with_bridge(words[0], check) : check_unit(words[0]);
}

static int verb_del(char *words[], void *userdata) {
        return with_bridge(words[0], del);
}

#define BIT PROGRAM_BIT
#define STATE                                                                                               \
        (BIT(OPTION_ADDRESS) | BIT(OPTION_MTU) | BIT(OPTION_STP) | BIT(OPTION_AGEING) | BIT(OPTION_HUB) |   \
                        BIT(OPTION_GROUP_FORWARD_MASK) | BIT(OPTION_VLAN_FILTERING) | BIT(OPTION_UPLINK))
static const ProgramVerb verbs[] = {
        { "add", 1, 1, "BRIDGE", "make it, or adopt it if it is there, and bring it to the state asked for",
                        verb_add, .required = BIT(OPTION_NAME), .options = STATE },
        { "check", 1, 1, "SWITCH|BRIDGE",
                        "tell what of this host would be in its way, and what to type; changes nothing.\n"
                        "Without --name=, of a switch that is configured, with all options of its unit",
                        verb_check,
                        .options = STATE | BIT(OPTION_NAME) | BIT(OPTION_NAT) | BIT(OPTION_JSON) },
        { "del", 1, 1, "BRIDGE", "remove it", verb_del, .required = BIT(OPTION_NAME) },
        {},
};

static const Program program = {
        .about = "Make or remove the bridge of a switch. A bridge that is there already is adopted if it was\n"
                 "made for that switch.",
        .notes = "check ends with status 1 if something would not work, with 0 if there are but warnings.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        int r;

        log_setup("qnet-switch");
        r = program_run(&program, argc, argv, NULL);
        free(arg_addresses);
        strv_free(unit_arguments);
        return program_exit_status(r);
}
