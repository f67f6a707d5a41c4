/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-lease: dnsmasq's --dhcp-script (dnsmasq(8)), called for every lease that is made, changed, found again at a start, or
 * over. Each becomes a permanent entry in the neighbour table of the bridge, so that a guest that froze is still found
 * by its address. The entry goes with the lease, or with the guest's tap: a guest that has frozen cannot renew its lease,
 * and one with a static Address= is pinned without any.
 *
 * In: argv, and from the environment DNSMASQ_INTERFACE (the bridge; dnsmasq leaves it out for leases that it found
 * again: then it is the bridge that the route leads to) and, for IPv6 leases, which are of a DUID, DNSMASQ_MAC. All of
 * it comes from guests in the end: addresses are parsed, names are not used. Only bridges are ever touched.
 *
 * A tap with port security lets its guest use the address while the lease lasts.
 *
 * Privilege: CAP_NET_ADMIN. */

#include "program.h"
#include "rtnl.h"
#include "tap-security.h"

/* The bridge on which the lease is; 0: none, not our business. */
static int find_bridge(Rtnl *rtnl, const IPAddress *ip, Link *ret) {
        const char *name = getenv("DNSMASQ_INTERFACE");
        char text[IP_STRING_SIZE];
        int r, ifindex;

        if (!isempty(name)) {
                r = link_get_by_name(rtnl, name, ret);
        } else {
                r = route_get_device(rtnl, ip, &ifindex);
                if (r >= 0)
                        r = link_get(rtnl, ifindex, ret);
        }
        if (r < 0)
                return log_error_errno(
                                r, "Cannot tell the bridge of the lease of %s: %m", format_ip(ip, text));
        return link_is_bridge(ret);
}

static int pin(Rtnl *rtnl, const Link *bridge, const IPAddress *ip, const struct ether_addr *mac) {
        char ip_text[IP_STRING_SIZE], mac_text[MAC_STRING_SIZE];
        int r;

        r = neighbour_pin(rtnl, bridge->ifindex, ip, mac);
        if (r < 0)
                return log_error_errno(r, "Cannot make %s (%s) a permanent neighbour on %s: %m%s",
                                format_ip(ip, ip_text), format_mac(mac, mac_text), bridge->name,
                                rtnl_reason(rtnl));
        return 0;
}

/* 1: a tap on the bridge belongs to the guest with that MAC; "qnet-tap del" will remove its entries. */
static int has_tap(Rtnl *rtnl, const Link *bridge, const struct ether_addr *mac) {
        const LinkFilter filter = { .kind = "tun", .master = bridge->ifindex, .alias = ALIAS_TAP };
        _cleanup_free_ Link *taps = NULL;
        size_t n;
        int r;

        r = link_list(rtnl, &filter, &taps, &n);
        if (r < 0)
                return log_error_errno(
                                r, "Cannot list the ports of %s: %m%s", bridge->name, rtnl_reason(rtnl));
        for (size_t i = 0; i < n; i++)
                if (taps[i].alias.has_mac && mac_equal(&taps[i].alias.mac, mac))
                        return 1;
        return 0;
}

/* Only if it is still that guest's: the address may have gone to another one meanwhile. */
static int unpin(Rtnl *rtnl, const Link *bridge, const IPAddress *ip, const struct ether_addr *mac) {
        char text[IP_STRING_SIZE];
        Neighbour neighbour;
        int r;

        r = neighbour_get(rtnl, bridge->ifindex, ip, &neighbour);
        if (r >= 0) {
                if (!(neighbour.state & NUD_PERMANENT) || !neighbour.has_mac ||
                                !mac_equal(&neighbour.mac, mac))
                        return 0;
                r = has_tap(rtnl, bridge, mac);
                if (r != 0)
                        return MIN(r, 0);
                r = neighbour_delete(rtnl, bridge->ifindex, ip);
        }
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "Cannot remove the neighbour entry of %s on %s: %m%s",
                                format_ip(ip, text), bridge->name, rtnl_reason(rtnl));
        return 0;
}

/* The ports of that guest let the address pass, or no longer. */
static int secure(Rtnl *rtnl, const Link *bridge, const IPAddress *ip, const struct ether_addr *mac, bool is_del) {
        const LinkFilter filter = { .kind = "tun", .master = bridge->ifindex, .alias = ALIAS_TAP };
        _cleanup_free_ Link *taps = NULL;
        int r, result = 0;
        size_t n;

        r = link_list(rtnl, &filter, &taps, &n);
        if (r < 0)
                return log_error_errno(
                                r, "Cannot list the ports of %s: %m%s", bridge->name, rtnl_reason(rtnl));
        for (size_t i = 0; i < n; i++) {
                if (!taps[i].alias.has_mac || !mac_equal(&taps[i].alias.mac, mac))
                        continue;
                r = tap_security_lease(taps[i].name, ip, is_del);
                if (r < 0)
                        result = r;
        }
        return result;
}

static int handle(bool is_del, const struct ether_addr *mac, const IPAddress *ip) {
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        Link bridge;
        int r, q;

        r = rtnl_new(&rtnl);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        r = find_bridge(rtnl, ip, &bridge);
        if (r <= 0)
                return r;
        r = secure(rtnl, &bridge, ip, mac, is_del);
        q = is_del ? unpin(rtnl, &bridge, ip, mac) : pin(rtnl, &bridge, ip, mac);
        return r < 0 ? r : q;
}

/* dnsmasq(8): "if the client's hardware type is not Ethernet, the address has the type in front, as in 06-01:23:..." */
static bool has_hardware_type(const char *mac) {
        return strspn(mac, "0123456789abcdefABCDEF") == 2 && mac[2] == '-';
}

static int take(char *words[], void *userdata) {
        struct ether_addr mac;
        const char *mac_text;
        IPAddress ip;

        if (!streq(words[0], "add") && !streq(words[0], "old") && !streq(words[0], "del"))
                return 0; /* init, tftp, relay-snoop, arp-add ... */
        if (!words[1] || !words[2])
                return program_usage("Expected %s MAC IP", words[0]);

        if (parse_ip(words[2], &ip) < 0)
                return program_usage("%s is not an IP address", words[2]);
        mac_text = ip.family == AF_INET6 ? getenv("DNSMASQ_MAC") : words[1];
        if (isempty(mac_text) || has_hardware_type(mac_text))
                return 0; /* of no Ethernet device, or nobody knows of which */
        if (parse_mac(mac_text, &mac) < 0)
                return program_usage("%s is not a MAC address", mac_text);
        return handle(streq(words[0], "del"), &mac, &ip);
}

static const ProgramVerb verbs[] = {
        { NULL, 1, PROGRAM_WORDS_MAX, "add|old|del MAC IP [HOST]", NULL, take },
        {},
};

static const Program program = {
        .about = "Keep the neighbour entries of a bridge in step with the DHCP leases on it. Called by dnsmasq\n"
                 "(--dhcp-script) with DNSMASQ_INTERFACE= in the environment; other verbs are ignored.",
        .verbs = verbs,
        .options_first = true, /* a guest picks its host name */
};

int main(int argc, char *argv[]) {
        log_setup("qnet-lease");
        return program_exit_status(program_run(&program, argc, argv, NULL));
}
