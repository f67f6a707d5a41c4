/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-vxlan: a tunnel (RFC 7348) by which a bridge is one segment with bridges of other hosts. ExecStart=,
 * ExecReload= and ExecStop= of qnet-vxlan@.service.
 *
 * It bears the alias "qnet:vxlan=BRIDGE"; only such a device is ever adopted, changed or deleted. One without
 * alias is ours too if it is in the group of links that only qnet uses: an add that was killed between making
 * and naming it.
 *
 * Privilege: CAP_NET_ADMIN. */

#include "describe.h"
#include "port.h"
#include "program.h"

static const char *arg_ifname, *arg_bridge, *arg_device;
static Vxlan arg_vxlan = { .port = 4789 }; /* IANA's */
static IPAddress *arg_peers;
static size_t arg_n_peers;

static bool is_ours(const Link *link) {
        return streq(link->kind, "vxlan") &&
               (link->alias.kind == ALIAS_VXLAN || (link->link_group == LINK_GROUP && !*link->alias_text));
}

/* ---- the device ---- */

static int delete_link(Rtnl *rtnl, const Link *link) {
        int r;

        r = link_delete(rtnl, link->ifindex);
        if (r < 0 && r != -ENODEV)
                return log_error_errno(r, "Cannot remove %s: %m%s", arg_ifname, rtnl_reason(rtnl));
        return 0;
}

static bool is_as_asked(const Vxlan *have) {
        return have->vni == arg_vxlan.vni && have->port == arg_vxlan.port && have->lower == arg_vxlan.lower &&
               ip_equal(&have->group, &arg_vxlan.group) && ip_equal(&have->local, &arg_vxlan.local);
}

/* A tunnel is of one family, which the kernel does not tell of one without group and local address. */
static int has_other_family(Rtnl *rtnl, const Link *link) {
        _cleanup_free_ Neighbour *have = NULL;
        bool other = false;
        size_t n = 0;
        int r;

        r = fdb_list_remotes(rtnl, link->ifindex, &have, &n);
        for (size_t i = 0; i < n && r >= 0; i++)
                other = other || (have[i].remote.family != AF_UNSPEC &&
                                                 (have[i].remote.family == AF_INET6) != arg_vxlan.ipv6);
        return r < 0 ? r : other;
}

/* What makes a tunnel cannot be changed, so another one is made. 1: it is there and right; 0: not (any
 * more). */
static int adopt(Rtnl *rtnl, Link *ret) {
        char text[LINK_DESCRIPTION_SIZE];
        Vxlan have;
        int r;

        r = link_get_by_name(rtnl, arg_ifname, ret);
        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", arg_ifname, rtnl_reason(rtnl));
        if (!is_ours(ret)) {
                log_error("Cannot make tunnel %s: the name is taken by %s", arg_ifname,
                                link_describe(ret, text));
                return -EEXIST;
        }
        r = vxlan_get(rtnl, ret->ifindex, &have);
        if (r >= 0)
                r = has_other_family(rtnl, ret);
        if (r < 0)
                return log_error_errno(
                                r, "Cannot tell what tunnel %s is: %m%s", arg_ifname, rtnl_reason(rtnl));
        return r == 0 && is_as_asked(&have) ? 1 : delete_link(rtnl, ret);
}

static int make(Rtnl *rtnl, Link *ret) {
        struct ether_addr mac;
        int r;

        r = port_random_mac(&mac);
        if (r < 0)
                return r;
        r = link_add_vxlan(rtnl, arg_ifname, &mac, &arg_vxlan);
        if (r == -EEXIST)
                return log_error_errno(r,
                                "Cannot make tunnel %s: there is another with VNI %u on UDP port %u on this host%s",
                                arg_ifname, arg_vxlan.vni, arg_vxlan.port, rtnl_reason(rtnl));
        if (r == -EOPNOTSUPP)
                return log_error_errno(r, "Cannot make tunnel %s: this kernel has no VXLAN (CONFIG_VXLAN)",
                                arg_ifname);
        if (r >= 0)
                r = link_get_by_name(rtnl, arg_ifname, ret);
        if (r < 0)
                return log_error_errno(r, "Cannot make tunnel %s: %m%s", arg_ifname, rtnl_reason(rtnl));
        return 0;
}

/* ---- its peers ---- */

static bool contains(const IPAddress *list, size_t n, const IPAddress *ip) {
        for (size_t i = 0; i < n; i++)
                if (ip_equal(&list[i], ip))
                        return true;
        return false;
}

static int remove_peers(Rtnl *rtnl, const Link *link, const Neighbour *have, size_t n) {
        char text[IP_STRING_SIZE];
        int r;

        for (size_t i = 0; i < n; i++) {
                if (have[i].remote.family == AF_UNSPEC || ip_equal(&have[i].remote, &arg_vxlan.group) ||
                                contains(arg_peers, arg_n_peers, &have[i].remote))
                        continue;
                r = fdb_delete_remote(rtnl, link->ifindex, &have[i].remote);
                if (r < 0 && r != -ENOENT)
                        return log_error_errno(r, "Cannot take the peer %s from %s: %m%s",
                                        format_ip(&have[i].remote, text), arg_ifname, rtnl_reason(rtnl));
        }
        return 0;
}

static int set_peers(Rtnl *rtnl, const Link *link) {
        _cleanup_free_ Neighbour *have = NULL;
        char text[IP_STRING_SIZE];
        size_t n = 0;
        int r;

        r = fdb_list_remotes(rtnl, link->ifindex, &have, &n);
        if (r < 0)
                return log_error_errno(r, "Cannot list the peers of %s: %m%s", arg_ifname, rtnl_reason(rtnl));
        for (size_t i = 0; i < arg_n_peers; i++) {
                bool known = false;
                for (size_t k = 0; k < n; k++)
                        known = known || ip_equal(&have[k].remote, &arg_peers[i]);
                r = known ? 0 : fdb_add_remote(rtnl, link->ifindex, &arg_peers[i]);
                if (r < 0 && r != -EEXIST)
                        return log_error_errno(r, "Cannot give %s the peer %s: %m%s", arg_ifname,
                                        format_ip(&arg_peers[i], text), rtnl_reason(rtnl));
        }
        return remove_peers(rtnl, link, have, n);
}

/* ---- on its bridge ---- */

/* What the tunnel's own headers leave of the device's MTU: Ethernet 14, VXLAN 8, UDP 8, IP 20 or 40.
 * Without a device, what is too large travels in fragments. */
static unsigned find_mtu(const Link *device, const Link *bridge) {
        unsigned headers = arg_vxlan.ipv6 ? 70 : 50, fits;

        if (!device || device->mtu <= headers)
                return bridge->mtu;
        fits = device->mtu - headers;
        if (fits < bridge->mtu)
                log_warning("Packets larger than %u bytes do not fit through %s into tunnel %s: give the switch, and its "
                            "guests, an MTU of %u",
                                fits, device->name, arg_ifname, fits);
        return MIN(fits, bridge->mtu);
}

static int configure(Rtnl *rtnl, const Link *link, const Link *bridge, const Link *device) {
        Alias alias = { .kind = ALIAS_VXLAN };
        PortVlans vlans;
        int r;

        snprintf(alias.name, sizeof(alias.name), "%s", arg_bridge);
        r = port_join(rtnl, link, bridge, &alias, find_mtu(device, bridge));
        if (r >= 0 && bridge->bridge.filters_vlans) {
                vlans = port_all_vlans(bridge);
                r = port_apply_vlans(rtnl, bridge, arg_ifname, link->ifindex, &vlans);
        }
        if (r >= 0)
                r = set_peers(rtnl, link);
        return r < 0 ? r : port_bring_up(rtnl, link, bridge);
}

static int find_device(Rtnl *rtnl, Link *ret) {
        int r;

        if (!arg_device)
                return 0;
        r = link_get_by_name(rtnl, arg_device, ret);
        if (r < 0)
                return log_error_errno(r, "Cannot have tunnel %s go over %s: %m%s", arg_ifname, arg_device,
                                rtnl_reason(rtnl));
        arg_vxlan.lower = ret->ifindex;
        return 0;
}

static int add(Rtnl *rtnl) {
        Link link, bridge, device;
        bool made;
        int r;

        r = port_find_bridge(rtnl, arg_bridge, arg_ifname, &bridge);
        if (r >= 0)
                r = find_device(rtnl, &device);
        if (r >= 0)
                r = adopt(rtnl, &link);
        made = r == 0;
        if (made)
                r = make(rtnl, &link);
        if (r < 0)
                return r;
        r = configure(rtnl, &link, &bridge, arg_device ? &device : NULL);
        if (r < 0 && made)
                (void) delete_link(rtnl, &link);
        return r;
}

static int del(Rtnl *rtnl) {
        char text[LINK_DESCRIPTION_SIZE];
        Link link;
        int r;

        r = link_get_by_name(rtnl, arg_ifname, &link);
        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", arg_ifname, rtnl_reason(rtnl));
        if (!is_ours(&link)) {
                log_error("Not removing %s: it is not a tunnel of a switch, but %s", arg_ifname,
                                link_describe(&link, text));
                return -EPERM;
        }
        return delete_link(rtnl, &link);
}

/* ---- arguments ---- */

enum {
        OPTION_BRIDGE = PROGRAM_OPTION_FIRST,
        OPTION_VNI,
        OPTION_PEER,
        OPTION_GROUP,
        OPTION_LOCAL,
        OPTION_PORT,
        OPTION_DEVICE,
};
static const ProgramOption options[] = {
        { OPTION_BRIDGE, "bridge", "BRIDGE", "The bridge that it is a port of" },
        { OPTION_VNI, "vni", "N", "The number of the segment, the same on all hosts" },
        { OPTION_PEER, "peer", "IP", "Another host of the segment; may be repeated" },
        { OPTION_GROUP, "group", "IP", "Instead of peers: a multicast group that all hosts of it join" },
        { OPTION_LOCAL, "local", "IP", "The address of this host to send from" },
        { OPTION_PORT, "port", "N", "UDP port; default: 4789" },
        { OPTION_DEVICE, "device", "IFNAME", "The interface to go out by; needed with --group=" },
        {},
};

static bool is_multicast(const IPAddress *ip) {
        return ip->family == AF_INET ? (ip->bytes[0] & 0xf0) == 0xe0 : ip->bytes[0] == 0xff;
}

static int parse_address(const char *option, const char *value, bool multicast, IPAddress *ret) {
        if (parse_ip(value, ret) >= 0 && is_multicast(ret) == multicast)
                return 0;
        return program_usage("--%s=%s is not %s", option, value,
                        multicast ? "a multicast address" : "the IP address of a host");
}

static int add_peer(const char *value) {
        IPAddress ip, *p;
        int r;

        r = parse_address("peer", value, false, &ip);
        if (r < 0 || contains(arg_peers, arg_n_peers, &ip))
                return r;
        p = reallocarray(arg_peers, arg_n_peers + 1, sizeof(ip));
        if (!p)
                return log_oom();
        p[arg_n_peers++] = ip;
        arg_peers = p;
        return 0;
}

static int parse_name(const char *option, const char *value, const char **ret) {
        *ret = value;
        return ifname_is_valid(value) ? 0
                                      : program_usage("--%s=%s is not a valid interface name", option, value);
}

static int parse_option(int option, const char *value, void *userdata) {
        switch (option) {
        case OPTION_BRIDGE:
                return parse_name("bridge", value, &arg_bridge);
        case OPTION_DEVICE:
                return parse_name("device", value, &arg_device);
        case OPTION_VNI: /* RFC 7348: 24 bits */
                return parse_unsigned(value, 1, (1U << 24) - 1, &arg_vxlan.vni) >= 0
                                       ? 0
                                       : program_usage("--vni=%s is not a number from 1 to 16777215", value);
        case OPTION_PORT:
                return parse_unsigned(value, 1, 65535, &arg_vxlan.port) >= 0
                                       ? 0
                                       : program_usage("--port=%s is not a number from 1 to 65535", value);
        case OPTION_PEER:
                return add_peer(value);
        case OPTION_GROUP:
                return parse_address("group", value, true, &arg_vxlan.group);
        case OPTION_LOCAL:
                return parse_address("local", value, false, &arg_vxlan.local);
        }
        return PROGRAM_USAGE;
}

static int with_tunnel(const char *ifname, int (*f)(Rtnl *rtnl)) {
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        int r;

        arg_ifname = ifname;
        if (!ifname_is_valid(ifname))
                return program_usage("%s is not a valid interface name", ifname);
        r = rtnl_new(&rtnl);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        return f(rtnl);
}

/* One tunnel is of one family. */
static int check_families(void) {
        int family = arg_vxlan.local.family;
        bool mixed = false;

        if (arg_vxlan.group.family != AF_UNSPEC)
                mixed = family != AF_UNSPEC && family != arg_vxlan.group.family;
        for (size_t i = 0; i < arg_n_peers; i++) {
                mixed = mixed || (family != AF_UNSPEC && family != arg_peers[i].family);
                family = arg_peers[i].family;
        }
        arg_vxlan.ipv6 = (arg_n_peers > 0 ? arg_peers[0] : arg_vxlan.group).family == AF_INET6;
        return mixed ? program_usage("The addresses of a tunnel are either all IPv4 or all IPv6") : 0;
}

static int verb_add(char *words[], void *userdata) {
        bool group = arg_vxlan.group.family != AF_UNSPEC;
        int r;

        if (group == (arg_n_peers > 0))
                return program_usage("Expected either --peer= or --group=");
        if (group && !arg_device)
                return program_usage("--group= needs --device=, the interface that joins the group");
        r = check_families();
        return r < 0 ? r : with_tunnel(words[0], add);
}

static int verb_del(char *words[], void *userdata) {
        return with_tunnel(words[0], del);
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "add", 1, 1, "IFNAME", "make the tunnel, or bring it in line", verb_add,
                        .required = BIT(OPTION_BRIDGE) | BIT(OPTION_VNI),
                        .options = BIT(OPTION_PEER) | BIT(OPTION_GROUP) | BIT(OPTION_LOCAL) |
                                   BIT(OPTION_PORT) | BIT(OPTION_DEVICE) },
        { "del", 1, 1, "IFNAME", "remove it", verb_del },
        {},
};

static const Program program = {
        .about = "Make a bridge one segment with bridges of other hosts, by a VXLAN tunnel.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        int r;

        log_setup("qnet-vxlan");
        r = program_run(&program, argc, argv, NULL);
        free(arg_peers);
        return program_exit_status(r);
}
