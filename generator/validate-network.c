/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>

#include "arena.h"
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

const IPAddress *ip_subnet_of(const IPAddress *nets, size_t n, const IPAddress *ip) {
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
        DHCPRange *range;

        if (!host)
                return switch_problem(m, w, origin, "DHCP= needs an IPv4 Address= of the switch");
        if (host->prefix > 30)
                return switch_problem(m, w, origin, "DHCP=yes finds no addresses to give away in %s",
                                format_ip_prefix(host, buf));
        range = arena_append(m->arena, w->ranges, w->n_ranges);
        if (!range)
                return -ENOMEM;
        subnet_ends(host, &first, &last);
        own = to_number(host);
        range->first = from_number(own - first >= last - own ? first + 1 : own + 1);
        range->last = from_number(own - first >= last - own ? own - 1 : last - 1);
        range->prefix = host->prefix;
        range->origin = origin;
        return 0;
}

static bool in_range(const IPAddress *ip, const DHCPRange *range) {
        return ip->family == range->first.family &&
               memcmp(ip->bytes, range->first.bytes, ip_size(ip->family)) >= 0 &&
               memcmp(ip->bytes, range->last.bytes, ip_size(ip->family)) <= 0;
}

/* The smallest subnet of the switch with both ends of the range, neither its own nor its broadcast address. */
static const IPAddress *subnet_of_range(const Switch *w, const DHCPRange *range) {
        const IPAddress *net = NULL;

        for (size_t i = 0; i < w->n_addresses; i++) {
                const IPAddress *a = w->addresses + i;

                if (in_subnet(&range->first, a) && in_subnet(&range->last, a) && !ip_is_subnet_end(&range->first, a) &&
                                !ip_is_subnet_end(&range->last, a) && (!net || a->prefix > net->prefix))
                        net = a;
        }
        return net;
}

static int check_range(Model *m, Switch *w, DHCPRange *range) {
        const IPAddress *net = subnet_of_range(w, range);
        char first[IP_STRING_SIZE], last[IP_STRING_SIZE], host[IP_STRING_SIZE];

        format_ip(&range->first, first);
        format_ip(&range->last, last);
        if (!net)
                return switch_problem(m, w, range->origin,
                                "DHCP=%s-%s does not lie within the subnet of an Address=", first, last);
        range->prefix = net->prefix;
        if (net->family == AF_INET6 && net->prefix < IPV6_PREFIX_MIN)
                return switch_problem(m, w, range->origin,
                                "DHCP=%s-%s is in %s, and dnsmasq needs a prefix of 64 or longer", first, last,
                                format_ip_prefix(net, host));
        for (size_t i = 0; i < w->n_addresses; i++)
                if (in_range(w->addresses + i, range))
                        return switch_problem(m, w, range->origin,
                                        "DHCP=%s-%s contains the host's own address %s", first, last,
                                        format_ip(w->addresses + i, host));
        return 0;
}

static int compare_ranges(const void *x, const void *y) {
        const IPAddress *a = &((const DHCPRange *) x)->first, *b = &((const DHCPRange *) y)->first;

        if (a->family != b->family)
                return a->family == AF_INET ? -1 : 1;
        return memcmp(a->bytes, b->bytes, ip_size(a->family));
}

/* Sorted by that: by address, IPv4 first. */
static int check_overlap(Model *m, Switch *w) {
        char first[IP_STRING_SIZE], last[IP_STRING_SIZE];
        const DHCPRange *far; /* that reaches farthest of those before */
        int r = 0;

        qsort(w->ranges, w->n_ranges, sizeof(DHCPRange), compare_ranges);
        far = w->ranges;
        for (size_t i = 1; i < w->n_ranges && r >= 0; i++) {
                const DHCPRange *range = w->ranges + i;

                if (in_range(&range->first, far))
                        r = switch_problem(m, w, range->origin,
                                        "DHCP= ranges overlap: one begins at %s, and that of %s:%u ends at %s",
                                        format_ip(&range->first, first), far->origin.file, far->origin.line,
                                        format_ip(&far->last, last));
                if (!in_range(&range->last, far))
                        far = range;
        }
        return r;
}

static bool has_range(const Switch *w, int family) {
        for (size_t i = 0; i < w->n_ranges; i++)
                if (w->ranges[i].first.family == family)
                        return true;
        return false;
}

static int validate_ranges(Model *m, Switch *w) {
        int r = 0;

        for (size_t i = 0; i < w->n_ranges && r >= 0; i++)
                r = check_range(m, w, w->ranges + i);
        if (r >= 0 && w->dhcp_any && !has_range(w, AF_INET))
                r = derive_range(m, w, said_at(&w->said, w->origin, KEYS_SWITCH, "DHCP"));
        return r < 0 || w->n_ranges < 2 ? r : check_overlap(m, w);
}

int validate_switch(Model *m, Switch *w) {
        Origin address = said_at(&w->said, w->origin, KEYS_SWITCH, "Address");
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
        r = validate_switch_keys(m, w);
        /* what follows from a broken Address= would only confuse */
        return r < 0 || !w->dhcp || w->n_problems > 0 ? r : validate_ranges(m, w);
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

/* The switch in whose subnet the address is, of those that trunks connect; else w. */
static const Switch *switch_of(const Switch *w, const IPAddress *ip) {
        if (ip_subnet_of(w->addresses, w->n_addresses, ip))
                return w;
        for (size_t i = 0; i < w->n_segment; i++)
                if (ip_subnet_of(w->segment[i]->addresses, w->segment[i]->n_addresses, ip))
                        return w->segment[i];
        return w;
}

static int check_guest_address(Model *m, VM *vm, const Interface *iface, const IPAddress *ip) {
        const Switch *w = iface->network ? switch_of(iface->network, ip) : NULL;
        const IPAddress *nets = w ? w->addresses : iface->wire->host_addresses, *net;
        size_t n_nets = w ? w->n_addresses : iface->wire->n_host_addresses;
        Origin origin = said_at(&iface->said, iface->origin, KEYS_INTERFACE, "Address");
        Origin host = w ? w->origin : said_at(&iface->said, iface->origin, KEYS_INTERFACE, "HostAddress");
        const char *what = w ? "switch " : "HostAddress=", *name = w ? w->name : "";
        char buf[IP_STRING_SIZE], subnet[IP_STRING_SIZE];

        if (!has_family(nets, n_nets, ip->family)) /* a subnet that the host does not know */
                return 0;
        net = ip_subnet_of(nets, n_nets, ip);
        format_ip(ip, buf);
        if (!net)
                return vm_problem(m, vm, origin, "Address=%s is in no subnet of %s%s (%s:%u)", buf, what, name,
                                host.file, host.line);
        if (ip_is_subnet_end(ip, net))
                return vm_problem(m, vm, origin, "Address=%s is the own or the broadcast address of %s", buf,
                                format_ip_prefix(net, subnet));
        if (is_one_of(nets, n_nets, ip))
                return vm_problem(m, vm, origin, "Address=%s is that of the host on %s%s (%s:%u)", buf, what, name,
                                host.file, host.line);
        return 0;
}

int validate_addresses(Model *m, VM *vm, const Interface *iface) {
        int r = 0;

        for (size_t i = 0; i < iface->n_addresses && r >= 0; i++)
                r = check_guest_address(m, vm, iface, iface->addresses + i);
        return r;
}
