/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf-parsers.h"
#include "conf-table.h"

Interface *vm_short_interface(VM *vm) {
        return vm->n_interfaces > 0 && vm->interfaces[0].is_short ? vm->interfaces : NULL;
}

/* Under the same header as the key: a contradiction; elsewhere, an override. */
static bool said_in_this_section(const Setting *s, KeySet set, const char *key) {
        Origin o = said_at(s->said, (Origin){ 0 }, set, key);

        return o.file == s->section.file && o.line > s->section.line && o.line < s->origin.line;
}

static int refuse_both(Setting *s) {
        return setting_refuse(s, "cannot be: the same section says both Switch= and Bridge=");
}

int parse_network_switch(Setting *s, char *value, void *member) {
        Interface *i = member;
        int r;

        if (!*value) {
                i->switch_name = NULL;
                return 0;
        }
        if (i->bridge && said_in_this_section(s, KEYS_INTERFACE, "Bridge"))
                return refuse_both(s);
        r = parse_object_name(s, value, &i->switch_name);
        if (r >= 0)
                i->bridge = NULL;
        return r;
}

int parse_network_bridge(Setting *s, char *value, void *member) {
        Interface *i = member;
        int r;

        if (!*value) {
                i->bridge = NULL;
                return 0;
        }
        if (i->switch_name && said_in_this_section(s, KEYS_INTERFACE, "Switch"))
                return refuse_both(s);
        r = parse_interface_name(s, value, &i->bridge);
        if (r >= 0)
                i->switch_name = NULL;
        return r;
}

/* The interface comes first, so that it has the same index whatever [Interface] sections there are. */
static int make_short_interface(Setting *s, VM *vm, Interface **ret) {
        Interface *i = vm_short_interface(vm);

        if (!i) {
                if (!arena_append(s->arena, vm->interfaces, vm->n_interfaces))
                        return -ENOMEM;
                i = vm->interfaces;
                memmove(i + 1, i, (vm->n_interfaces - 1) * sizeof(*i));
                *i = *(const Interface *) key_set_defaults(KEYS_INTERFACE);
                i->is_short = true;
        }
        i->origin = s->origin;
        *ret = i;
        return 0;
}

/* Switch= and Bridge= of [VM], by the parser, member and name in [Interface] of the one and the name of the other */
static int parse_short(Setting *s, VM *vm, char *value, bool is_bridge) {
        const char *key = is_bridge ? "Bridge" : "Switch", *other = is_bridge ? "Switch" : "Bridge";
        Interface *i = vm_short_interface(vm);
        char *name;
        int r;

        if (!*value) {
                if (i && (is_bridge ? i->bridge : i->switch_name))
                        memmove(i, i + 1, --vm->n_interfaces * sizeof(*i));
                return 0;
        }
        r = is_bridge ? parse_interface_name(s, value, &name) : parse_object_name(s, value, &name);
        if (r < 0)
                return r;
        if (i && (is_bridge ? i->switch_name : i->bridge) && said_in_this_section(s, KEYS_VM, other))
                return refuse_both(s);
        r = make_short_interface(s, vm, &i);
        if (r < 0)
                return r;
        i->bridge = is_bridge ? name : NULL;
        i->switch_name = is_bridge ? NULL : name;
        return said_set(s->arena, &i->said, key_find(KEYS_INTERFACE, key), s->origin);
}

int parse_short_switch(Setting *s, char *value, void *member) {
        return parse_short(s, member, value, false);
}

int parse_short_bridge(Setting *s, char *value, void *member) {
        return parse_short(s, member, value, true);
}

int parse_mac_address(Setting *s, char *value, void *member) {
        Interface *i = member;
        struct ether_addr mac = { 0 };
        char *text;
        int r;

        if (!*value) {
                i->mac_policy = MAC_DERIVED;
                return 0;
        }
        if (streq(value, "random")) {
                i->mac_policy = MAC_RANDOM;
                return 0;
        }
        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        r = parse_mac(text, &mac);
        if (r == -EADDRNOTAVAIL)
                return setting_refuse(s, "is not the address of one station: multicast or all zero");
        if (r < 0)
                return setting_refuse(s, "is neither a MAC address, such as 52:54:00:12:34:56, nor random");
        i->mac = mac;
        i->mac_policy = MAC_FIXED;
        return 0;
}

bool split_endpoint(char *text, IPAddress *ip, unsigned *port) {
        char *colon = strrchr(text, ':'), *host = text;

        if (!colon)
                return parse_ip("127.0.0.1", ip) >= 0 && parse_unsigned(text, 1, 65535, port) >= 0;
        if (parse_unsigned(colon + 1, 1, 65535, port) < 0)
                return false;
        *colon = '\0';
        if (*host != '[')
                return parse_ip(host, ip) >= 0 && ip->family == AF_INET;
        if (colon == host + 1 || colon[-1] != ']')
                return false;
        colon[-1] = '\0';
        return parse_ip(host + 1, ip) >= 0 && ip->family == AF_INET6;
}

int parse_listen_address(Setting *s, char *value, void *member) {
        Serial *serial = member;
        IPAddress ip = { 0 };
        unsigned port = 0;
        char *text, *copy;
        int r;

        if (!*value) {
                serial->address = ip;
                serial->port = 0;
                return 0;
        }
        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        copy = arena_strdup(s->arena, text); /* the value is read again, for the next VM of a [System] */
        if (!copy)
                return -ENOMEM;
        if (!split_endpoint(copy, &ip, &port))
                return setting_refuse(s, "is not a port, IP:PORT or [IPv6]:PORT, such as 127.0.0.1:4000");
        if (port < 1024)
                return setting_refuse(s, "is a port below 1024, which only root may listen at");
        serial->address = ip;
        serial->port = port;
        return 0;
}

bool ip_is_station(const IPAddress *ip) {
        static const unsigned char zero[16];

        if (memcmp(ip->bytes, zero, ip_size(ip->family)) == 0)
                return false;
        return ip->family == AF_INET6 ? ip->bytes[0] != 0xff : ip->bytes[0] != 0 && ip->bytes[0] < 224;
}

int setting_addresses(Setting *s, char *value, int (*parse)(const char *, IPAddress *), const char *what,
                IPAddress **addresses, size_t *n) {
        char *text, *copy, *save = NULL;
        size_t n_before = *n;
        int r;

        if (!*value) {
                *addresses = NULL;
                *n = 0;
                return 0;
        }
        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        copy = arena_strdup(
                        s->arena, text); /* the value itself is read again, for the next VM of a [System] */
        if (!copy)
                return -ENOMEM;
        for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
                IPAddress ip, *slot;

                if (parse(w, &ip) < 0 || !ip_is_station(&ip)) {
                        *n = n_before;
                        return setting_refuse(s, "is not %s", what);
                }
                slot = arena_append(s->arena, *addresses, *n);
                if (!slot)
                        return -ENOMEM;
                *slot = ip;
        }
        return 0;
}

int parse_guest_addresses(Setting *s, char *value, void *member) {
        Interface *i = member;

        return setting_addresses(s, value, parse_ip,
                        "an IP address, such as 10.9.0.5 or fd00::5, without a prefix", &i->addresses,
                        &i->n_addresses);
}

int parse_switch_addresses(Setting *s, char *value, void *member) {
        Switch *w = member;

        return setting_addresses(s, value, parse_ip_prefix, "an IP address with a prefix, such as 10.9.0.1/24",
                        &w->addresses, &w->n_addresses);
}
