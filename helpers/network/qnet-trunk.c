/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-trunk: a cable between two bridges, a veth pair. ExecStart=, ExecReload= and ExecStop= of
 * qnet-trunk@.service.
 *
 * Both ends bear the alias "qnet:trunk=BRIDGE-BRIDGE"; only such a pair is ever adopted, changed or deleted.
 * A pair without alias is ours too if it is in the group of links that only qnet uses: an add that was killed
 * between making and naming it.
 *
 * Privilege: CAP_NET_ADMIN. */

#include "describe.h"
#include "port.h"
#include "program.h"

/* One end: its interface, and where it is plugged in */
typedef struct End {
        const char *ifname, *bridge_name;
        Link link, bridge;
} End;

static End arg_ends[2];
static VlanSet arg_vlans;

static bool is_ours(const Link *link) {
        return streq(link->kind, "veth") &&
               (link->alias.kind == ALIAS_TRUNK || (link->link_group == LINK_GROUP && !*link->alias_text));
}

static Alias alias_of(const End ends[static 2]) {
        Alias alias = { .kind = ALIAS_TRUNK };

        snprintf(alias.name, sizeof(alias.name), "%s-%s", ends[0].bridge_name, ends[1].bridge_name);
        return alias;
}

/* -ENODEV: it is not there. */
static int find_end(Rtnl *rtnl, End *end) {
        char text[LINK_DESCRIPTION_SIZE];
        int r;

        r = link_get_by_name(rtnl, end->ifname, &end->link);
        if (r == -ENODEV)
                return r;
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", end->ifname, rtnl_reason(rtnl));
        if (!is_ours(&end->link)) {
                log_error("Cannot make trunk %s: the name is taken by %s", end->ifname,
                                link_describe(&end->link, text));
                return -EEXIST;
        }
        return 0;
}

static int delete_end(Rtnl *rtnl, const End *end) {
        int r;

        r = link_delete(rtnl, end->link.ifindex);
        if (r < 0 && r != -ENODEV)
                return log_error_errno(r, "Cannot remove %s: %m%s", end->ifname, rtnl_reason(rtnl));
        return 0;
}

/* Both ends as they are, and of one pair. 1: so it is. 0: they are not there (any more). */
static int adopt(Rtnl *rtnl, End ends[static 2]) {
        int r, missing = 0;

        for (size_t i = 0; i < 2; i++) {
                r = find_end(rtnl, &ends[i]);
                if (r < 0 && r != -ENODEV)
                        return r;
                missing += r == -ENODEV;
                ends[i].link.ifindex = r == -ENODEV ? 0 : ends[i].link.ifindex;
        }
        if (missing == 0 && ends[0].link.lower == ends[1].link.ifindex)
                return 1;
        for (size_t i = 0; i < 2; i++) { /* what is left of another pair */
                r = ends[i].link.ifindex > 0 ? delete_end(rtnl, &ends[i]) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int make(Rtnl *rtnl, End ends[static 2]) {
        struct ether_addr mac[2];
        int r = 0;

        for (size_t i = 0; i < 2 && r >= 0; i++)
                r = port_random_mac(&mac[i]);
        if (r < 0)
                return r;
        r = link_add_veth(rtnl, ends[0].ifname, &mac[0], ends[1].ifname, &mac[1]);
        for (size_t i = 0; i < 2 && r >= 0; i++)
                r = link_get_by_name(rtnl, ends[i].ifname, &ends[i].link);
        if (r < 0)
                return log_error_errno(r, "Cannot make trunk %s and its other end %s: %m%s", ends[0].ifname,
                                ends[1].ifname, rtnl_reason(rtnl));
        return 0;
}

static int configure_end(Rtnl *rtnl, const End *end, const Alias *alias, unsigned mtu) {
        bool all = vlan_set_is_empty(&arg_vlans);
        PortVlans vlans;
        int r;

        r = port_join(rtnl, &end->link, &end->bridge, alias, mtu);
        if (r >= 0 && (!all || end->bridge.bridge.filters_vlans)) {
                vlans = all ? port_all_vlans(&end->bridge) : port_vlans_trunk(&arg_vlans, 0);
                r = port_apply_vlans(rtnl, &end->bridge, end->ifname, end->link.ifindex, &vlans);
        }
        return r < 0 ? r : port_bring_up(rtnl, &end->link, &end->bridge);
}

static int configure(Rtnl *rtnl, End ends[static 2]) {
        unsigned mtu = MIN(ends[0].bridge.mtu, ends[1].bridge.mtu);
        Alias alias = alias_of(ends);
        int r;

        r = configure_end(rtnl, &ends[0], &alias, mtu);
        return r < 0 ? r : configure_end(rtnl, &ends[1], &alias, mtu);
}

static int add(Rtnl *rtnl, End ends[static 2]) {
        bool made;
        int r;

        for (size_t i = 0; i < 2; i++) {
                r = port_find_bridge(rtnl, ends[i].bridge_name, ends[i].ifname, &ends[i].bridge);
                if (r >= 0 && !vlan_set_is_empty(&arg_vlans))
                        r = port_check_vlans(&ends[i].bridge, ends[i].ifname);
                if (r < 0)
                        return r;
        }
        r = adopt(rtnl, ends);
        made = r == 0;
        if (made)
                r = make(rtnl, ends);
        if (r < 0)
                return r;
        r = configure(rtnl, ends);
        if (r < 0 && made)
                (void) delete_end(rtnl, &ends[0]);
        return r;
}

static int del(Rtnl *rtnl, End ends[static 2]) {
        char text[LINK_DESCRIPTION_SIZE];
        int r;

        r = link_get_by_name(rtnl, ends[0].ifname, &ends[0].link);
        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", ends[0].ifname, rtnl_reason(rtnl));
        if (!is_ours(&ends[0].link)) {
                log_error("Not removing %s: it is not a trunk, but %s", ends[0].ifname,
                                link_describe(&ends[0].link, text));
                return -EPERM;
        }
        return delete_end(rtnl, &ends[0]);
}

/* ---- arguments ---- */

enum { OPTION_BRIDGE = PROGRAM_OPTION_FIRST, OPTION_PEER_BRIDGE, OPTION_VLANS };
static const ProgramOption options[] = {
        { OPTION_BRIDGE, "bridge", "BRIDGE", "The bridge of IFNAME" },
        { OPTION_PEER_BRIDGE, "peer-bridge", "BRIDGE", "The bridge of PEERNAME" },
        { OPTION_VLANS, "vlans", "LIST",
                        "The VLANs, such as 10,20-30, that it carries, with their tags; default: all" },
        {},
};

static int parse_bridge(const char *option, const char *value, End *end) {
        end->bridge_name = value;
        return ifname_is_valid(value) ? 0
                                      : program_usage("--%s=%s is not a valid interface name", option, value);
}

static int parse_option(int option, const char *value, void *userdata) {
        switch (option) {
        case OPTION_BRIDGE:
                return parse_bridge("bridge", value, &arg_ends[0]);
        case OPTION_PEER_BRIDGE:
                return parse_bridge("peer-bridge", value, &arg_ends[1]);
        case OPTION_VLANS:
                return vlan_set_parse(value, &arg_vlans) >= 0
                                       ? 0
                                       : program_usage("--vlans=%s is not a list of VLANs from 1 to 4094, such as 10,20-30",
                                                         value);
        }
        return PROGRAM_USAGE;
}

static int with_ends(char *words[], int (*f)(Rtnl *rtnl, End ends[static 2])) {
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        int r;

        for (size_t i = 0; i < 2 && words[i]; i++) {
                arg_ends[i].ifname = words[i];
                if (!ifname_is_valid(words[i]))
                        return program_usage("%s is not a valid interface name", words[i]);
        }
        r = rtnl_new(&rtnl);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        return f(rtnl, arg_ends);
}

static int verb_add(char *words[], void *userdata) {
        if (streq(words[0], words[1]))
                return program_usage("The two ends of a trunk cannot both be %s", words[0]);
        if (streq(arg_ends[0].bridge_name, arg_ends[1].bridge_name))
                return program_usage("A trunk from %s to %s would be a loop", arg_ends[0].bridge_name,
                                arg_ends[1].bridge_name);
        return with_ends(words, add);
}

static int verb_del(char *words[], void *userdata) {
        return with_ends(words, del);
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "add", 2, 2, "IFNAME PEERNAME", "connect two bridges, or bring it in line", verb_add,
                        .required = BIT(OPTION_BRIDGE) | BIT(OPTION_PEER_BRIDGE),
                        .options = BIT(OPTION_VLANS) },
        { "del", 1, 1, "IFNAME", "remove it, with its other end", verb_del },
        {},
};

static const Program program = {
        .about = "Connect two bridges of this host by a pair of interfaces, one on each.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        log_setup("qnet-trunk");
        return program_exit_status(program_run(&program, argc, argv, NULL));
}
