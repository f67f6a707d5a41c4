/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Switches and their DHCP servers. What these units have in common (sandbox, restart policy) stands
 * in shared drop-ins in units/; here is what makes each of them work, and what differs. */

#include <arpa/inet.h>

#include "emit-internal.h"

#define DHCP_LEASES_DEFAULT 1000 /* dnsmasq(8), --dhcp-lease-max */

int emit_switch(const Switch *s, UnitWriter *w) {
        char ip[IP_STRING_SIZE], mtu[NUMBER_STRING_SIZE];

        unit_open(w, "qnet-switch@", s->name, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "Switch ", s->name);
        emit_origin(&s->origin, w);
        if (s->n_problems > 0) {
                emit_exec_fail(w);
                emit_problems(s->problems, s->n_problems, w);
                unit_exec_end(w);
                return unit_close(w);
        }
        emit_part_of(s->lab, w);
        if (!s->autostart)
                unit_raw(w, "StopWhenUnneeded", "yes");

        emit_oneshot(w);
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-switch");
        unit_arg(w, "add");
        unit_arg(w, s->bridge);
        unit_arg(w, "--name=", s->name);
        for (size_t i = 0; i < s->n_addresses; i++)
                unit_arg(w, "--address=", format_ip_prefix(&s->addresses[i], ip));
        if (s->mtu > 0)
                unit_arg(w, "--mtu=", format_number(s->mtu, mtu));
        unit_exec_end(w);
        unit_exec(w, "ExecStop", "", HELPERDIR "/qnet-switch");
        unit_arg(w, "del");
        unit_arg(w, s->bridge);
        unit_arg(w, "--name=", s->name);
        unit_exec_end(w);
        emit_passthrough(&s->passthrough, w);
        return unit_close(w);
}

static bool same_network(const IPAddress *a, const IPAddress *b, unsigned prefix) {
        unsigned bytes = prefix / 8, bits = prefix % 8;

        if (a->family != b->family || memcmp(a->bytes, b->bytes, bytes) != 0)
                return false;
        return bits == 0 || ((a->bytes[bytes] ^ b->bytes[bytes]) >> (8 - bits)) == 0;
}

/* The switch's own address in whose network a is, the smallest of them, or NULL. */
static const IPAddress *network_of(const Switch *s, const IPAddress *a) {
        const IPAddress *own = NULL;

        for (size_t i = 0; i < s->n_addresses; i++)
                if (same_network(&s->addresses[i], a, s->addresses[i].prefix) &&
                                (!own || s->addresses[i].prefix > own->prefix))
                        own = &s->addresses[i];
        return own;
}

static void emit_dhcp_range(const Switch *s, UnitWriter *w) {
        char first[IP_STRING_SIZE], last[IP_STRING_SIZE], prefix[NUMBER_STRING_SIZE],
                        lease[NUMBER_STRING_SIZE];
        const IPAddress *own = network_of(s, &s->dhcp_first);
        bool v6 = s->dhcp_first.family == AF_INET6;

        /* IPv4: dnsmasq takes the netmask from the bridge's address; IPv6: it would take 64 */
        unit_option(w, "--dhcp-range=", format_ip(&s->dhcp_first, first), ",", format_ip(&s->dhcp_last, last),
                        v6 && own ? "," : "", v6 && own ? format_number(own->prefix, prefix) : "", ",",
                        s->dhcp_lease == USEC_INFINITY ? "infinite"
                                                       : format_number(s->dhcp_lease / USEC_PER_SEC, lease));
}

/* Of a range of IPv4 addresses. dnsmasq gives no more than 1000 leases unless told to. */
static void emit_dhcp_lease_max(const Switch *s, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];
        uint32_t first, last;
        uint64_t n;

        if (s->dhcp_first.family != AF_INET)
                return;
        memcpy(&first, s->dhcp_first.bytes, sizeof(first));
        memcpy(&last, s->dhcp_last.bytes, sizeof(last));
        n = (uint64_t) ntohl(last) - ntohl(first) + 1;
        if (n > DHCP_LEASES_DEFAULT)
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

static void emit_dhcp_host(const Switch *s, const Member *member, UnitWriter *w) {
        const Interface *i = member->interface;
        char mac[MAC_STRING_SIZE], ip[IP_STRING_SIZE];
        const char *name = member->vm->name;
        bool v6 = s->dhcp_first.family == AF_INET6, any = false;

        for (size_t k = 0; k < i->n_addresses; k++)
                if (i->addresses[k].family == s->dhcp_first.family && network_of(s, &i->addresses[k])) {
                        if (!any) {
                                unit_option_begin(w);
                                unit_arg_add(w, "--dhcp-host=");
                                /* a random address is not known here; the guest tells its name then */
                                if (i->mac_policy != MAC_RANDOM) {
                                        unit_arg_add(w, format_mac(&i->mac, mac));
                                        unit_arg_add(w, ",");
                                }
                        }
                        any = true;
                        unit_arg_add(w, v6 ? "[" : "");
                        unit_arg_add(w, format_ip(&i->addresses[k], ip));
                        unit_arg_add(w, v6 ? "]," : ",");
                        if (!v6)
                                break; /* dnsmasq gives one IPv4 address to a host */
                }
        if (!any)
                return;
        unit_arg_add(w, name);
        unit_arg_add(w, looks_like_something_else(name) ? "." : "");
        unit_arg_end(w);
}

int emit_dhcp(const Switch *s, const Members *of_switches, UnitWriter *w) {
        size_t n;
        const Member *members = members_find(of_switches, s, &n);

        unit_open(w, "qnet-dhcp@", s->name, ".service");
        unit_section(w, "Unit");
        unit_text(w, "Description", "DHCP server on switch ", s->name);
        emit_origin(&s->origin, w);
        /* BindsTo=: with the bridge gone, dnsmasq would serve nobody and not end */
        unit_raw(w, "BindsTo", "qnet-switch@", s->name, ".service");
        unit_raw(w, "After", "qnet-switch@", s->name, ".service");
        emit_part_of(s->lab, w);
        if (!s->autostart)
                unit_raw(w, "StopWhenUnneeded", "yes");

        unit_section(w, "Service");
        unit_raw(w, "Type", "exec");
        unit_exec(w, "ExecStart", "", DNSMASQ);
        unit_option(w, "--keep-in-foreground");
        unit_option(w, "--conf-file=/dev/null"); /* nothing of the host's own dnsmasq */
        unit_option(w, "--pid-file="); /* none: systemd knows it, and there is one path for all of them */
        unit_option(w, "--log-facility=-");
        unit_option(w, "--port=0"); /* no DNS: the host's resolver keeps its port */
        unit_option(w, "--no-hosts");
        unit_option(w, "--interface=", s->bridge);
        unit_option(w, "--bind-interfaces"); /* or servers of several switches would take each other's port */
        unit_option(w, "--dhcp-authoritative");
        /* A lease is of a MAC. By client identifier, a guest could have one in the name of another's MAC, and so be
         * that other one for the reaper. */
        unit_option(w, "--dhcp-ignore-clid");
        unit_option(w, "--no-ping"); /* or a lease takes 3 s longer; nobody else gives addresses here */
        unit_option(w, "--dhcp-leasefile=/var/lib/qnet/dhcp/", s->name, ".leases");
        unit_option(w, "--dhcp-script=" HELPERDIR "/qnet-lease");
        emit_dhcp_range(s, w);
        emit_dhcp_lease_max(s, w);
        for (size_t i = 0; i < n; i++)
                emit_dhcp_host(s, &members[i], w);
        unit_exec_end(w);
        return unit_close(w);
}
