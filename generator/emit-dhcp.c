/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-dhcp@SWITCH.service: the dnsmasq of a switch, for DHCP, names and router advertisements. It knows all guests of the
 * switch and of those that trunks connect it with.
 *
 * Names: those with an Address= have records. Those that get an address by DHCP are named by their MAC address, and what
 * a guest says of itself is ignored, or it could take another's name. */

#include "emit-internal.h"

#define LEASES_DEFAULT 1000      /* dnsmasq(8), --dhcp-lease-max */
#define LEASES_MAX     (1 << 16) /* that a range of IPv6 addresses counts for */
#define SLAAC_PREFIX   64

typedef struct Server {
        const Switch *network;
        const Members *of_switches, *of_labs;
        UnitWriter *w;
} Server;

static bool same_network(const IPAddress *a, const IPAddress *b, unsigned prefix) {
        unsigned bytes = prefix / 8, bits = prefix % 8;

        if (a->family != b->family || memcmp(a->bytes, b->bytes, bytes) != 0)
                return false;
        return bits == 0 || ((a->bytes[bytes] ^ b->bytes[bytes]) >> (8 - bits)) == 0;
}

/* A range in the subnet of which a is. */
static const DHCPRange *range_near(const Switch *s, const IPAddress *a) {
        for (size_t i = 0; i < s->n_ranges; i++)
                if (same_network(&s->ranges[i].first, a, s->ranges[i].prefix))
                        return s->ranges + i;
        return NULL;
}

static bool gives_ipv4(const Switch *s) {
        return s->n_ranges > 0 && s->ranges[0].first.family == AF_INET; /* sorted */
}

static void emit_range(const Switch *s, const DHCPRange *range, UnitWriter *w) {
        char first[IP_STRING_SIZE], last[IP_STRING_SIZE], number[NUMBER_STRING_SIZE];

        unit_option_begin(w);
        unit_arg_add(w, "--dhcp-range=");
        unit_arg_add(w, format_ip(&range->first, first));
        unit_arg_add(w, ",");
        unit_arg_add(w, format_ip(&range->last, last));
        unit_arg_add(w, ",");
        /* IPv4: dnsmasq takes the netmask from the bridge's address; IPv6: it would take 64 */
        if (range->first.family == AF_INET6) {
                unit_arg_add(w, s->router_advertisement && range->prefix == SLAAC_PREFIX ? "slaac," : "");
                unit_arg_add(w, format_number(range->prefix, number));
                unit_arg_add(w, ",");
        }
        unit_arg_add(w, s->dhcp_lease == USEC_INFINITY ? "infinite"
                                                       : format_number(s->dhcp_lease / USEC_PER_SEC, number));
        unit_arg_end(w);
}

static uint64_t range_size(const DHCPRange *range) {
        size_t size = ip_size(range->first.family);
        uint64_t n = 0;

        for (size_t i = 0; i < size; i++) {
                n = n * 256 + range->last.bytes[i] - range->first.bytes[i];
                if (n > UINT32_MAX)
                        return LEASES_MAX; /* IPv6 */
        }
        return range->first.family == AF_INET6 ? MIN(n + 1, (uint64_t) LEASES_MAX) : n + 1;
}

/* dnsmasq gives no more than 1000 leases unless told to. */
static void emit_lease_max(const Switch *s, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];
        uint64_t n = 0;

        for (size_t i = 0; i < s->n_ranges; i++)
                n += range_size(s->ranges + i);
        if (n > LEASES_DEFAULT)
                unit_option(w, "--dhcp-lease-max=", format_number(n, number));
}

/* dnsmasq tells the last field of --dhcp-host by its looks: "ignore", "infinite", "45m" and addresses are words of
 * its own. A dot at the end makes any of them a host name; it is taken off again. */
static bool looks_like_something_else(const char *name) {
        size_t digits = strspn(name, "0123456789");
        IPAddress ip;

        return parse_ip(name, &ip) >= 0 || streq(name, "ignore") || streq(name, "infinite") ||
               (digits > 0 && (!name[digits] || (strchr("smhdwSMHDW", name[digits]) && !name[digits + 1])));
}

/* What an Address= of the guest is reserved: one of IPv4, which is all that dnsmasq gives to a host, and each of IPv6. */
static size_t reserved(const Switch *s, const Interface *i, const IPAddress **ret, size_t max) {
        bool has_v4 = false;
        size_t n = 0;

        for (size_t k = 0; k < i->n_addresses && n < max; k++) {
                const IPAddress *ip = i->addresses + k;

                if (!range_near(s, ip) || (ip->family == AF_INET && has_v4))
                        continue;
                has_v4 |= ip->family == AF_INET;
                ret[n++] = ip;
        }
        return n;
}

static void emit_host(Server *server, const VM *vm, const Interface *i) {
        const Switch *s = server->network;
        const IPAddress *ips[32];
        size_t n = reserved(s, i, ips, ELEMENTSOF(ips));
        char mac[MAC_STRING_SIZE], ip[IP_STRING_SIZE];
        UnitWriter *w = server->w;

        /* Only for its name: of a MAC that is known here. dnsmasq would cut the name at a dot. */
        if (n == 0 && (!s->dns || i->mac_policy == MAC_RANDOM || strchr(vm->name, '.')))
                return;
        unit_option_begin(w);
        unit_arg_add(w, "--dhcp-host=");
        /* a random address is not known here; the guest tells its name then */
        if (i->mac_policy != MAC_RANDOM) {
                unit_arg_add(w, format_mac(&i->mac, mac));
                unit_arg_add(w, ",");
        }
        for (size_t k = 0; k < n; k++) {
                unit_arg_add(w, ips[k]->family == AF_INET6 ? "[" : "");
                unit_arg_add(w, format_ip(ips[k], ip));
                unit_arg_add(w, ips[k]->family == AF_INET6 ? "]," : ",");
        }
        unit_arg_add(w, vm->name);
        unit_arg_add(w, looks_like_something_else(vm->name) ? "." : "");
        unit_arg_end(w);
}

static void emit_record(Server *server, const VM *vm, const Interface *i) {
        const char *domain = server->network->domain;
        char ip[IP_STRING_SIZE];
        UnitWriter *w = server->w;

        for (size_t k = 0; k < i->n_addresses; k++) {
                if (ip_is_link_local(&i->addresses[k]))
                        continue;
                unit_option_begin(w);
                unit_arg_add(w, "--host-record=");
                if (domain) { /* the first name is what the address is resolved to */
                        unit_arg_add(w, vm->name);
                        unit_arg_add(w, ".");
                        unit_arg_add(w, domain);
                        unit_arg_add(w, ",");
                }
                unit_arg_add(w, vm->name);
                unit_arg_add(w, looks_like_something_else(vm->name) ? ".," : ",");
                unit_arg_add(w, format_ip(&i->addresses[k], ip));
                unit_arg_end(w);
        }
}

static void emit_guests(Server *server, void (*f)(Server *, const VM *, const Interface *)) {
        const Switch *s = server->network;
        size_t n_switches = s->segment ? s->n_segment : 1, n;

        for (size_t k = 0; k < n_switches; k++) {
                const Member *members = members_find(server->of_switches, s->segment ? s->segment[k] : s, &n);

                for (size_t i = 0; i < n; i++)
                        f(server, members[i].vm, members[i].interface);
        }
}

/* Machines of the lab that are elsewhere: by all addresses that they have. */
static void emit_lab_records(Server *server) {
        const Switch *s = server->network;
        const Member *members;
        size_t n = 0;

        members = s->lab ? members_find(server->of_labs, s->lab, &n) : NULL;
        for (size_t i = 0; i < n; i++) {
                const VM *vm = members[i].vm;
                bool is_here = false;

                if (!vm || vm_is_broken(vm))
                        continue;
                for (size_t k = 0; k < vm->n_interfaces; k++)
                        is_here |= vm->interfaces[k].n_addresses > 0 && vm->interfaces[k].network &&
                                   same_segment(vm->interfaces[k].network, s);
                for (size_t k = 0; k < vm->n_interfaces && !is_here; k++)
                        emit_record(server, vm, vm->interfaces + k);
        }
}

static void emit_dns(Server *server) {
        const Switch *s = server->network;
        UnitWriter *w = server->w;

        if (!s->dns)
                unit_option(w, "--port=0"); /* the host's resolver keeps its port */
        unit_option(w, "--no-hosts");
        unit_option(w, "--interface=", s->bridge);
        if (s->dns) {
                /* not only at the addresses that are there at the start; and none of anybody else's */
                unit_option(w, "--bind-dynamic");
                unit_option(w, "--except-interface=lo");
                unit_option(w, "--domain-needed"); /* the world knows no names without a dot */
        } else
                unit_option(w, "--bind-interfaces"); /* or servers of several switches would take each other's port */
        if (s->domain)
                unit_option(w, "--domain=", s->domain);
        if (s->domain && s->dns)
                unit_option(w, "--local=/", s->domain, "/");
        if (s->dns) {
                emit_guests(server, emit_record);
                emit_lab_records(server);
        }
}

static void emit_leases(Server *server) {
        const Switch *s = server->network;
        UnitWriter *w = server->w;

        unit_option(w, "--dhcp-authoritative");
        /* A lease is of a MAC. By client identifier, a guest could have one in the name of another's MAC, and so be
         * that other one for the reaper. */
        unit_option(w, "--dhcp-ignore-clid");
        if (s->dns)
                unit_option(w, "--dhcp-ignore-names");
        unit_option(w, "--no-ping"); /* or a lease takes 3 s longer; nobody else gives addresses here */
        unit_option(w, "--dhcp-leasefile=/var/lib/qnet/dhcp/", s->name, ".leases");
        unit_option(w, "--dhcp-script=" HELPERDIR "/qnet-lease");
        for (size_t i = 0; i < s->n_ranges; i++)
                emit_range(s, s->ranges + i, w);
        emit_lease_max(s, w);
        emit_guests(server, emit_host);
}

/* Prefixes that guests make themselves addresses in. One with a range is announced with that. */
static void emit_prefixes(const Switch *s, UnitWriter *w) {
        char ip[IP_STRING_SIZE];

        unit_option(w, "--enable-ra");
        for (size_t i = 0; i < s->n_addresses; i++) {
                IPAddress net = s->addresses[i];
                bool again = false;

                if (net.family != AF_INET6 || net.prefix != SLAAC_PREFIX || ip_is_link_local(&net) ||
                                range_near(s, &net))
                        continue;
                for (size_t k = 0; k < i; k++)
                        again |= same_network(&s->addresses[k], &net, SLAAC_PREFIX) &&
                                 s->addresses[k].prefix == SLAAC_PREFIX;
                memset(net.bytes + SLAAC_PREFIX / 8, 0, sizeof(net.bytes) - SLAAC_PREFIX / 8);
                if (!again)
                        /* ra-names: of guests with a lease of IPv4, whose name is then that of the address that
                         * follows from their MAC, too */
                        unit_option(w, "--dhcp-range=", format_ip(&net, ip),
                                        s->dns && gives_ipv4(s) ? ",ra-names" : ",ra-only", ",64");
        }
}

int emit_dhcp(const Switch *s, const Members *of_switches, const Members *of_labs, UnitWriter *w) {
        Server server = { s, of_switches, of_labs, w };

        unit_open(w, "qnet-dhcp@", s->name, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", s->dhcp ? "DHCP" : s->dns ? "DNS" : "Router advertisement",
                        s->dhcp && s->dns ? " and DNS" : "", " server on switch ", s->name);
        emit_origin(&s->origin, w);
        /* BindsTo=: with the bridge gone, dnsmasq would serve nobody and not end */
        unit_dependency(w, "BindsTo", "qnet-switch@", s->name, ".service");
        emit_part_of(s->lab, w);
        if (!stays(s))
                unit_raw(w, "StopWhenUnneeded", "yes");

        unit_section(w, "Service");
        unit_raw(w, "Type", "exec");
        unit_exec(w, "ExecStart", "", DNSMASQ);
        unit_option(w, "--keep-in-foreground");
        unit_option(w, "--conf-file=/dev/null"); /* nothing of the host's own dnsmasq */
        unit_option(w, "--pid-file="); /* none: systemd knows it, and there is one path for all of them */
        unit_option(w, "--log-facility=-");
        emit_dns(&server);
        if (s->dhcp)
                emit_leases(&server);
        if (s->router_advertisement)
                emit_prefixes(s, w);
        unit_exec_end(w);
        return unit_close(w);
}
