/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rules of one NAT, in the language of nft(8). Names and addresses were checked by whoever parsed them and need no
 * quoting beyond the quotes.
 *
 * A packet that another table drops stays dropped, whatever stands here; one that is dropped here no other table brings
 * back. So what comes from the guests is accepted only as far as this table goes. */

#include "nat.h"

static void write_dnat(FILE *f, const NatArguments *a, bool is_output) {
        char ip[IP_STRING_SIZE], host[IP_STRING_SIZE];

        for (size_t i = 0; i < a->n_forwards; i++) {
                const NatForward *w = &a->forwards[i];
                bool v4 = w->guest.family == AF_INET;

                if (w->host.family == AF_UNSPEC)
                        fprintf(f, "\t\tmeta nfproto %s fib daddr type local ", v4 ? "ipv4" : "ipv6");
                else
                        fprintf(f, "\t\t%s daddr %s ", v4 ? "ip" : "ip6", format_ip(&w->host, host));
                if (is_output && !v4) /* nothing from ::1 can leave by another device */
                        fputs("ip6 daddr != ::1 ", f);
                fprintf(f, "%s dport %u dnat %s to %s%s%s:%u\n", w->udp ? "udp" : "tcp", w->host_port,
                                v4 ? "ip" : "ip6", v4 ? "" : "[", format_ip(&w->guest, ip), v4 ? "" : "]",
                                w->guest_port);
        }
}

/* With route_localnet, the host's loopback addresses would be open to the guests. */
static void write_raw_chain(FILE *f, const char *device) {
        fputs("\tchain raw {\n\t\ttype filter hook prerouting priority raw; policy accept;\n", f);
        fprintf(f, "\t\tiifname \"%s\" ip daddr 127.0.0.0/8 counter drop\n", device);
        fprintf(f, "\t\tiifname \"%s\" ip saddr 127.0.0.0/8 counter drop\n\t}\n", device);
}

static void write_forward_chain(FILE *f, const char *device) {
        fputs("\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n", f);
        /* frames that a bridge carries come along here with br_netfilter */
        fprintf(f, "\t\tiifname \"%s\" oifname \"%s\" accept\n", device, device);
        /* a source to which no route leads back: forged */
        fprintf(f, "\t\tiifname \"%s\" fib saddr . iif oif missing counter drop\n", device);
        fprintf(f, "\t\tiifname \"%s\" accept\n", device);
        fprintf(f, "\t\toifname \"%s\" ct state established,related accept\n", device);
        fprintf(f, "\t\toifname \"%s\" ct status dnat accept\n", device);
        fprintf(f, "\t\toifname \"%s\" counter drop\n\t}\n", device);
}

static void write_postrouting_chain(FILE *f, const NatArguments *a) {
        char network[IP_STRING_SIZE];
        static const struct {
                int family;
                const char *name;
        } families[] = { { AF_INET, "ipv4" }, { AF_INET6, "ipv6" } };

        fputs("\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n", f);
        for (size_t i = 0; i < ELEMENTSOF(families); i++)
                if (nat_has_family(a, families[i].family))
                        fprintf(f, "\t\tmeta nfproto %s iifname \"%s\" oifname != \"%s\" masquerade\n",
                                        families[i].name, a->device, a->device);
        if (a->n_forwards > 0) {
                /* the guest would answer another guest past the host */
                for (size_t i = 0; i < a->n_networks; i++)
                        fprintf(f, "\t\toifname \"%s\" ct status dnat %s saddr %s masquerade\n", a->device,
                                        a->networks[i].family == AF_INET ? "ip" : "ip6",
                                        format_ip_prefix(&a->networks[i], network));
                /* and the host's other addresses by whichever gateway it has */
                fprintf(f, "\t\toifname \"%s\" ct status dnat fib saddr type local masquerade\n", a->device);
        }
        fputs("\t}\n", f);
}

void nat_table_write(FILE *f, const NatArguments *a) {
        fprintf(f, "add table inet " NAT_TABLE "%s\n", a->name); /* so that there is one to delete */
        fprintf(f, "delete table inet " NAT_TABLE "%s\n", a->name);
        fprintf(f, "table inet " NAT_TABLE "%s {\n", a->name);
        if (nat_has_loopback(a))
                write_raw_chain(f, a->device);
        if (a->n_forwards > 0) {
                fputs("\tchain prerouting {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n",
                                f);
                write_dnat(f, a, false);
                fputs("\t}\n\tchain output {\n\t\ttype nat hook output priority -100; policy accept;\n", f);
                write_dnat(f, a, true);
                fputs("\t}\n", f);
        }
        write_postrouting_chain(f, a);
        write_forward_chain(f, a->device);
        fputs("}\n", f);
}
