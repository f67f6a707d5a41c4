/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>

#include "conf-table.h"
#include "names.h"
#include "problem.h"
#include "validate.h"

#define IPV6_PREFIX_MIN 64 /* of a subnet that dnsmasq gives addresses of */

static uint32_t to_number(const IPAddress *ip) {
        uint32_t v;

        memcpy(&v, ip->bytes, sizeof(v));
        return ntohl(v);
}

static IPAddress from_number(uint32_t v) {
        IPAddress ip = { .family = AF_INET };

        v = htonl(v);
        memcpy(ip.bytes, &v, sizeof(v));
        return ip;
}

static bool in_subnet(const IPAddress *ip, const IPAddress *net) {
        size_t whole = net->prefix / 8, bits = net->prefix % 8;

        if (ip->family != net->family || memcmp(ip->bytes, net->bytes, whole) != 0)
                return false;
        return bits == 0 || ((ip->bytes[whole] ^ net->bytes[whole]) >> (8 - bits)) == 0;
}

/* First and last address of an IPv4 subnet: its own and its broadcast address, where it has them. */
static void subnet_ends(const IPAddress *net, uint32_t *first, uint32_t *last) {
        uint32_t mask = net->prefix == 0 ? 0 : ~UINT32_C(0) << (32 - net->prefix);

        *first = to_number(net) & mask;
        *last = *first | ~mask;
}

bool ip_is_subnet_end(const IPAddress *ip, const IPAddress *net) {
        uint32_t first, last;

        if (net->family != AF_INET || net->prefix > 30)
                return false;
        subnet_ends(net, &first, &last);
        return to_number(ip) == first || to_number(ip) == last;
}

static const IPAddress *subnet_of(const IPAddress *nets, size_t n, const IPAddress *ip) {
        for (size_t i = 0; i < n; i++)
                if (in_subnet(ip, nets + i))
                        return nets + i;
        return NULL;
}

static const IPAddress *first_ipv4(const Switch *w) {
        for (size_t i = 0; i < w->n_addresses; i++)
                if (w->addresses[i].family == AF_INET)
                        return w->addresses + i;
        return NULL;
}

/* DHCP=yes: the larger part of the subnet beside the host's own address. */
static int derive_range(Model *m, Switch *w, Origin origin) {
        const IPAddress *host = first_ipv4(w);
        char buf[IP_STRING_SIZE];
        uint32_t first, last, own;

        if (!host)
                return switch_problem(m, w, origin, "DHCP= needs an IPv4 Address= of the switch");
        if (host->prefix > 30)
                return switch_problem(m, w, origin, "DHCP=yes finds no addresses to give away in %s",
                                format_ip_prefix(host, buf));
        subnet_ends(host, &first, &last);
        own = to_number(host);
        w->dhcp_first = from_number(own - first >= last - own ? first + 1 : own + 1);
        w->dhcp_last = from_number(own - first >= last - own ? own - 1 : last - 1);
        return 0;
}

static bool in_range(const IPAddress *ip, const IPAddress *first, const IPAddress *last) {
        return ip->family == first->family && memcmp(ip->bytes, first->bytes, ip_size(ip->family)) >= 0 &&
               memcmp(ip->bytes, last->bytes, ip_size(ip->family)) <= 0;
}

/* The smallest subnet of the switch with both ends of the range, neither its own nor its broadcast address. */
static const IPAddress *subnet_of_range(const Switch *w) {
        const IPAddress *net = NULL;

        for (size_t i = 0; i < w->n_addresses; i++) {
                const IPAddress *a = w->addresses + i;

                if (in_subnet(&w->dhcp_first, a) && in_subnet(&w->dhcp_last, a) &&
                                !ip_is_subnet_end(&w->dhcp_first, a) && !ip_is_subnet_end(&w->dhcp_last, a) &&
                                (!net || a->prefix > net->prefix))
                        net = a;
        }
        return net;
}

static int check_range(Model *m, Switch *w, Origin origin) {
        const IPAddress *net = subnet_of_range(w);
        char first[IP_STRING_SIZE], last[IP_STRING_SIZE], host[IP_STRING_SIZE];

        format_ip(&w->dhcp_first, first);
        format_ip(&w->dhcp_last, last);
        if (!net)
                return switch_problem(m, w, origin,
                                "DHCP=%s-%s does not lie within the subnet of an Address=", first, last);
        if (net->family == AF_INET6 && net->prefix < IPV6_PREFIX_MIN)
                return switch_problem(m, w, origin,
                                "DHCP=%s-%s is in %s, and dnsmasq needs a prefix of 64 or longer", first, last,
                                format_ip_prefix(net, host));
        for (size_t i = 0; i < w->n_addresses; i++)
                if (in_range(w->addresses + i, &w->dhcp_first, &w->dhcp_last))
                        return switch_problem(m, w, origin, "DHCP=%s-%s contains the host's own address %s",
                                        first, last, format_ip(w->addresses + i, host));
        return 0;
}

int validate_switch(Model *m, Switch *w) {
        Origin address = said_at(&w->said, w->origin, KEYS_SWITCH, "Address");
        Origin dhcp = said_at(&w->said, w->origin, KEYS_SWITCH, "DHCP");
        char buf[IP_STRING_SIZE];
        int r;

        w->bridge = derive_bridge(m->arena, w->name);
        if (!w->bridge)
                return -ENOMEM;
        for (size_t i = 0; i < w->n_addresses; i++)
                if (ip_is_subnet_end(w->addresses + i, w->addresses + i)) {
                        r = switch_problem(m, w, address,
                                        "Address=%s is the subnet's own or its broadcast address",
                                        format_ip_prefix(w->addresses + i, buf));
                        if (r < 0)
                                return r;
                }
        if (!w->dhcp || w->n_problems > 0) /* what follows from a broken Address= would only confuse */
                return 0;
        return w->dhcp_range_set ? check_range(m, w, dhcp) : derive_range(m, w, dhcp);
}

static bool has_family(const IPAddress *ips, size_t n, int family) {
        for (size_t i = 0; i < n; i++)
                if (ips[i].family == family)
                        return true;
        return false;
}

static bool is_one_of(const IPAddress *ips, size_t n, const IPAddress *ip) {
        for (size_t i = 0; i < n; i++)
                if (ip_equal(ips + i, ip))
                        return true;
        return false;
}

int validate_addresses(Model *m, VM *vm, const Interface *iface) {
        const Switch *w = iface->network;
        const IPAddress *nets = w ? w->addresses : iface->wire->host_addresses;
        size_t n_nets = w ? w->n_addresses : iface->wire->n_host_addresses;
        Origin origin = said_at(&iface->said, iface->origin, KEYS_INTERFACE, "Address");
        Origin host = w ? w->origin : said_at(&iface->said, iface->origin, KEYS_INTERFACE, "HostAddress");
        const char *what = w ? "switch " : "HostAddress=", *name = w ? w->name : "";
        char buf[IP_STRING_SIZE], subnet[IP_STRING_SIZE];
        int r = 0;

        for (size_t i = 0; i < iface->n_addresses && r >= 0; i++) {
                const IPAddress *ip = iface->addresses + i, *net = subnet_of(nets, n_nets, ip);

                if (!has_family(nets, n_nets, ip->family)) /* a subnet that the host does not know */
                        continue;
                format_ip(ip, buf);
                if (!net)
                        r = vm_problem(m, vm, origin, "Address=%s is in no subnet of %s%s (%s:%u)", buf, what, name,
                                        host.file, host.line);
                else if (ip_is_subnet_end(ip, net))
                        r = vm_problem(m, vm, origin, "Address=%s is the own or the broadcast address of %s",
                                        buf, format_ip_prefix(net, subnet));
                else if (is_one_of(nets, n_nets, ip))
                        r = vm_problem(m, vm, origin, "Address=%s is that of the host on %s%s (%s:%u)", buf, what,
                                        name, host.file, host.line);
        }
        return r;
}
