/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "resolve.h"

/* A neighbour table of the host in which guests on a device can be */
typedef struct Table {
        const Link *device;
        int ifindex; /* of the device itself, or of a VLAN interface or macvlan on it */
        char name[IFNAMSIZ];
        uint16_t vlan; /* in which the device's FDB has them; 0: it does not filter VLANs */
} Table;

struct Resolver {
        Rtnl *rtnl; /* not ours to free */
        Link *taps; /* and macvtaps: those with our alias */
        size_t n_taps;
        Link *bridges; /* of these taps, each once; what macvtaps are on; taps without either are their own device */
        size_t n_bridges;
        Table *tables;
        size_t n_tables;
};

/* What one device's tables say about a MAC */
typedef struct Place {
        const Link *device, *tap;
        int table; /* ifindex */
        struct ether_addr mac;
        bool learned;
} Place;

Resolver *resolver_free(Resolver *r) {
        if (!r)
                return NULL;
        free(r->taps);
        free(r->bridges);
        free(r->tables);
        free(r);
        return NULL;
}

static int _printf_(3, 4) because(int error, char **ret_why, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(ret_why, format, ap);
        va_end(ap);
        return n < 0 ? -ENOMEM : error;
}

static const Link *device_by_index(const Resolver *r, int ifindex) {
        for (size_t i = 0; i < r->n_bridges; i++)
                if (r->bridges[i].ifindex == ifindex)
                        return r->bridges + i;
        return NULL;
}

static int device_of(const Link *tap) {
        return tap->master ?: streq(tap->kind, "macvtap") ? tap->lower : tap->ifindex;
}

static int add_device(Resolver *r, const Link *tap) {
        int ifindex = device_of(tap), k;
        Link *device = r->bridges + r->n_bridges;

        if (device_by_index(r, ifindex))
                return 0;
        if (ifindex == tap->ifindex)
                *device = *tap;
        else {
                k = link_get(r->rtnl, ifindex, device);
                if (k == -ENODEV) /* gone since the dump, and its taps with it or on their own */
                        return 0;
                if (k < 0)
                        return k;
        }
        r->n_bridges++;
        return 0;
}

static int add_table(Resolver *r, const Link *device, const Link *link, uint16_t vlan) {
        Table *p = reallocarray(r->tables, r->n_tables + 1, sizeof(Table));

        if (!p)
                return -ENOMEM;
        r->tables = p;
        p += r->n_tables++;
        *p = (Table){ .device = device, .ifindex = link->ifindex, .vlan = vlan };
        strcpy(p->name, link->name);
        return 0;
}

/* The device's own: what the host says without a tag */
static int add_own_table(Resolver *r, const Link *device) {
        PortVlans host = { 0 };
        int k = 0;

        if (link_is_bridge(device) && device->bridge.filters_vlans)
                k = port_get_vlans(r->rtnl, device->ifindex, &host);
        return k < 0 && k != -ENODEV ? k : add_table(r, device, device, host.pvid);
}

/* Of interfaces of that kind on our devices */
static int add_tables_above(Resolver *r, const char *kind) {
        _cleanup_free_ Link *links = NULL;
        const Link *device;
        size_t n = 0;
        int k;

        k = link_list(r->rtnl, &(LinkFilter){ .kind = kind }, &links, &n);
        for (size_t i = 0; i < n && k >= 0; i++) {
                device = links[i].lower > 0 ? device_by_index(r, links[i].lower) : NULL;
                if (device)
                        k = add_table(r, device, &links[i], device->bridge.filters_vlans ? links[i].vlan : 0);
        }
        return k;
}

static int add_tables(Resolver *r) {
        bool macvtaps = false;
        int k = 0;

        for (size_t i = 0; i < r->n_bridges && k >= 0; i++)
                k = add_own_table(r, &r->bridges[i]);
        for (size_t i = 0; i < r->n_taps && k >= 0; i++)
                if (streq(r->taps[i].kind, "macvtap") && device_by_index(r, device_of(&r->taps[i]))) {
                        macvtaps = true; /* its pins are on itself */
                        k = add_table(r, device_by_index(r, device_of(&r->taps[i])), &r->taps[i], 0);
                }
        if (k >= 0 && r->n_bridges > 0)
                k = add_tables_above(r, "vlan");
        if (k >= 0 && macvtaps) /* by which a host reaches guests that share its interface */
                k = add_tables_above(r, "macvlan");
        return k;
}

int resolver_new(Rtnl *rtnl, Resolver **ret) {
        static const LinkFilter filter = { .alias = ALIAS_TAP };
        _cleanup_resolver_ Resolver *r = NULL;
        int k;

        r = calloc(1, sizeof(Resolver));
        if (!r)
                return -ENOMEM;
        r->rtnl = rtnl;
        k = link_list(rtnl, &filter, &r->taps, &r->n_taps);
        if (k < 0)
                return k;
        r->bridges = calloc(MAX(r->n_taps, (size_t) 1), sizeof(Link));
        if (!r->bridges)
                return -ENOMEM;
        for (size_t i = 0; i < r->n_taps; i++) {
                k = add_device(r, r->taps + i);
                if (k < 0)
                        return k;
        }
        k = add_tables(r);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

/* ---- MAC -> tap ---- */

/* The tap whose alias has this MAC, on a device or (NULL) anywhere. 1, 0, or -ENOTUNIQ: of two VMs. */
static int tap_by_alias(const Resolver *r, const struct ether_addr *mac, const Link *device, const Link **ret,
                char **ret_why) {
        char buf[MAC_STRING_SIZE];
        const Link *found = NULL;

        for (size_t i = 0; i < r->n_taps; i++) {
                const Link *tap = r->taps + i;
                if (!tap->alias.has_mac || !mac_equal(&tap->alias.mac, mac) ||
                                (device && device_of(tap) != device->ifindex))
                        continue;
                if (found && !streq(found->alias.name, tap->alias.name))
                        return because(-ENOTUNIQ, ret_why,
                                        "MAC address %s belongs to VM %s (%s) and to VM %s (%s)",
                                        format_mac(mac, buf), found->alias.name, found->name, tap->alias.name,
                                        tap->name);
                /* renamed in the configuration while the VM ran, a tap stays behind, and nobody is at its end */
                if (!found || (tap->flags & IFF_RUNNING))
                        found = tap;
        }
        *ret = found;
        return !!found;
}

/* The port in whatever VLAN; of several, one that is not the owner's: he may not be meant. -ENOENT: none. */
static int find_port_anywhere(const Resolver *r, const Link *bridge, const struct ether_addr *mac,
                const Link *owner, int *ret_port) {
        _cleanup_free_ Neighbour *list = NULL;
        size_t n = 0;
        int k, port = 0;

        k = fdb_list(r->rtnl, bridge->ifindex, mac, &list, &n);
        for (size_t i = 0; i < n && k >= 0; i++)
                if (port == 0 || (owner && port == owner->ifindex))
                        port = list[i].ifindex;
        if (k < 0 || port == 0)
                return k < 0 ? k : -ENOENT;
        *ret_port = port;
        return 0;
}

static int find_port(const Resolver *r, const Link *bridge, uint16_t vlan, const struct ether_addr *mac,
                const Link *owner, int *ret_port) {
        bool filters = bridge->bridge.filters_vlans;
        Neighbour n;
        int k;

        k = filters && vlan == 0 ? -ENOENT : fdb_get(r->rtnl, bridge->ifindex, mac, vlan, &n);
        if (k >= 0)
                *ret_port = n.ifindex;
        return k == -ENOENT && filters ? find_port_anywhere(r, bridge, mac, owner, ret_port) : k;
}

/* The port on which the bridge last heard the MAC. 1: one of our taps, *ret; 0: not known; -ENOENT:
 * another port, whose index is in *ret_port. vlan: 0 if it is not known, or if there are none. owner:
 * whose MAC it is, or NULL. */
static int tap_by_fdb(const Resolver *r, const Link *device, uint16_t vlan, const struct ether_addr *mac,
                const Link *owner, const Link **ret, int *ret_port) {
        int k;

        if (!link_is_bridge(device))
                return 0;
        k = find_port(r, device, vlan, mac, owner, ret_port);
        if (k == -ENOENT || k == -ENODEV)
                return 0;
        if (k < 0)
                return k;
        for (size_t i = 0; i < r->n_taps; i++)
                if (r->taps[i].ifindex == *ret_port) {
                        *ret = r->taps + i;
                        return 1;
                }
        return -ENOENT;
}

static const char *port_name(const Resolver *r, int ifindex, Link *link) {
        return link_get(r->rtnl, ifindex, link) < 0 ? "a port that is gone" : link->name;
}

static int find_tap(const Resolver *r, const Link *device, uint16_t vlan, const struct ether_addr *mac,
                const Link **ret, char **ret_why) {
        const Link *owner = NULL, *port = NULL;
        char buf[MAC_STRING_SIZE];
        int port_index = 0, k, f;
        Link other;

        k = tap_by_alias(r, mac, device, &owner, ret_why);
        if (k < 0)
                return k;
        f = tap_by_fdb(r, device, vlan, mac, owner, &port, &port_index);
        if (f < 0 && f != -ENOENT)
                return f;
        format_mac(mac, buf);
        if (owner && (f == -ENOENT || (f > 0 && !streq(port->alias.name, owner->alias.name))))
                return because(-ENOTUNIQ, ret_why,
                                "MAC address %s belongs to VM %s (%s), but bridge %s last heard it on %s%s%s: somebody uses an "
                                "address that is not theirs",
                                buf, owner->alias.name, owner->name, device->name,
                                port ? port->name : port_name(r, port_index, &other),
                                port ? ", the port of VM " : "", port ? port->alias.name : "");
        if (!owner && f == -ENOENT)
                return because(-ENOENT, ret_why,
                                "MAC address %s is behind %s on bridge %s, which is not a tap of a VM", buf,
                                port_name(r, port_index, &other), device->name);
        if (!owner && f == 0)
                return because(-ENOENT, ret_why,
                                "MAC address %s belongs to no VM on %s, and no port there has heard it lately",
                                buf, device->name);
        *ret = owner ?: port;
        return 0;
}

static void set_target(const Place *p, Target *t) {
        t->mac = p->mac;
        t->has_mac = true;
        t->learned = p->learned;
        t->device = p->table;
        strcpy(t->vm, p->tap->alias.name);
        strcpy(t->tap, p->tap->name);
        strcpy(t->bridge, p->tap->master ? p->device->name : "");
}

/* ---- the three kinds of words ---- */

/* What one neighbour table has: 1 a tap, in *ret; 0 nothing, and why. */
static int find_in_table(
                const Resolver *r, const Table *table, const IPAddress *ip, Place *ret, char **ret_why) {
        char buf[IP_STRING_SIZE];
        Neighbour n;
        int k;

        k = neighbour_get(r->rtnl, table->ifindex, ip, &n);
        if (k == -ENOENT || k == -ENODEV)
                return 0;
        if (k < 0)
                return k;
        if (!n.has_mac || !(n.state & NEIGHBOUR_USABLE)) {
                k = because(0, ret_why,
                                "the neighbour entry of %s on %s is %s and has no MAC address any more; report the MAC address or "
                                "the VM's name instead, or give the interface Address=%s",
                                format_ip(ip, buf), table->name, neighbour_state_to_string(n.state), buf);
                return k;
        }
        *ret = (Place){
                .device = table->device,
                .table = table->ifindex,
                .mac = n.mac,
                .learned = !(n.state & NUD_PERMANENT),
        };
        k = find_tap(r, table->device, table->vlan, &n.mac, &ret->tap, ret_why);
        return k < 0 ? k : 1;
}

/* scope: only the device of that name or index; NULL: all. */
static bool is_in_scope(const Table *table, const char *scope) {
        unsigned index;

        if (!scope || streq(table->name, scope))
                return true;
        return parse_unsigned(scope, 1, INT32_MAX, &index) >= 0 && (int) index == table->ifindex;
}

static int resolve_ip(const Resolver *r, const IPAddress *ip, const char *scope, Target *t, char **ret_why) {
        char buf[IP_STRING_SIZE];
        Place found = { 0 };
        const Table *where = NULL;
        int k, refused = 0;

        format_ip(ip, buf);
        for (size_t i = 0; i < r->n_tables; i++) {
                const Table *table = r->tables + i;
                _cleanup_free_ char *why = NULL;
                Place p;

                if (!is_in_scope(table, scope))
                        continue;
                k = find_in_table(r, table, ip, &p, &why);
                if (k == -ENOENT || k == -ENOTUNIQ || (k == 0 && why && refused == 0)) {
                        refused = MIN(refused, k == -ENOTUNIQ ? k : -ENOENT);
                        free(*ret_why);
                        *ret_why = TAKE_PTR(why);
                }
                if (k == -ENOTUNIQ)
                        return k;
                if (k < 0 && k != -ENOENT)
                        return k;
                if (k <= 0)
                        continue;
                if (found.tap && !streq(found.tap->alias.name, p.tap->alias.name)) {
                        free(*ret_why);
                        return because(-ENOTUNIQ, ret_why,
                                        "%s is VM %s on %s and VM %s on %s: append the MAC address or the name",
                                        buf, found.tap->alias.name, where->name, p.tap->alias.name,
                                        table->name);
                }
                found = p;
                where = table;
        }
        if (!found.tap)
                return *ret_why ? refused
                                : because(-ENOENT, ret_why,
                                                  "%s is not in the neighbour table of any network of a VM",
                                                  buf);
        free(*ret_why);
        *ret_why = NULL;
        t->ip = *ip;
        set_target(&found, t);
        return 0;
}

static int resolve_mac(const Resolver *r, const struct ether_addr *mac, Target *t, char **ret_why) {
        Place p = { .mac = *mac }, other = p;
        char buf[MAC_STRING_SIZE];
        int k, port;

        k = tap_by_alias(r, mac, NULL, &p.tap, ret_why);
        if (k < 0)
                return k;
        if (k > 0) {
                p.device = device_by_index(r, device_of(p.tap)) ?: p.tap;
                p.table = p.device->ifindex;
                k = find_tap(r, p.device, 0, mac, &p.tap, ret_why);
                if (k < 0)
                        return k;
                set_target(&p, t);
                return 0;
        }
        for (size_t i = 0; i < r->n_bridges; i++) {
                other.device = r->bridges + i;
                other.table = other.device->ifindex;
                k = tap_by_fdb(r, other.device, 0, mac, NULL, &other.tap, &port);
                if (k < 0 && k != -ENOENT)
                        return k;
                if (k <= 0)
                        continue;
                if (p.tap && !streq(p.tap->alias.name, other.tap->alias.name))
                        return because(-ENOTUNIQ, ret_why,
                                        "MAC address %s was heard from VM %s on %s and from VM %s on %s",
                                        format_mac(mac, buf), p.tap->alias.name, p.device->name,
                                        other.tap->alias.name, other.device->name);
                p = other;
        }
        if (!p.tap)
                return because(-ENOENT, ret_why, "MAC address %s belongs to no VM", format_mac(mac, buf));
        set_target(&p, t);
        return 0;
}

static void resolve_name(const Resolver *r, const char *name, Target *t) {
        strcpy(t->vm, name);
        for (size_t i = 0; i < r->n_taps; i++) {
                const Link *tap = r->taps + i;
                if (!streq(tap->alias.name, name))
                        continue;
                Place p = {
                        .tap = tap, .device = device_by_index(r, device_of(tap)) ?: tap, .mac = tap->alias.mac
                };
                p.table = p.device->ifindex;
                set_target(&p, t);
                t->has_mac = tap->alias.has_mac;
                return;
        }
}

int resolve(Resolver *r, const char *word, Target *ret, char **ret_why) {
        const char *percent = strchrnul(word, '%'), *scope = *percent ? percent + 1 : NULL;
        size_t n = (size_t) (percent - word);
        char address[IP_STRING_SIZE] = "";
        Target t = { 0 };
        struct ether_addr mac;
        IPAddress ip;
        int k;

        *ret_why = NULL;
        if (n < sizeof(address))
                memcpy(address, word, n);
        if (parse_ip(address, &ip) >= 0 && (!scope || (ip.family == AF_INET6 && *scope)))
                k = resolve_ip(r, &ip, scope, &t, ret_why);
        else if ((k = parse_mac(word, &mac)) >= 0)
                k = resolve_mac(r, &mac, &t, ret_why);
        else if (k == -EADDRNOTAVAIL)
                k = because(-EINVAL, ret_why, "%s is no address of a single station", word);
        else if (name_is_valid(word)) {
                resolve_name(r, word, &t);
                k = 0;
        } else
                k = because(-EINVAL, ret_why,
                                "\"%s\" is neither an IP address, nor a MAC address, nor the name of a VM",
                                word);
        if (k >= 0)
                *ret = t;
        return k;
}

/* RFC 4291, appendix A: the interface identifier that every station forms of its MAC address by itself */
static bool is_made_of_mac(const IPAddress *ip, const struct ether_addr *mac) {
        const uint8_t *m = mac->ether_addr_octet;
        const unsigned char id[8] = { m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5] };

        return ip->family == AF_INET6 && memcmp(ip->bytes + 8, id, sizeof(id)) == 0;
}

int resolve_check_claim(Resolver *r, const Target *t, char **ret_why) {
        char claimed[IP_STRING_SIZE], known[IP_STRING_SIZE], mac[MAC_STRING_SIZE];
        _cleanup_free_ Neighbour *list = NULL;
        size_t n;
        int k;

        if (t->ip.family == AF_UNSPEC || !t->learned || !t->has_mac || is_made_of_mac(&t->ip, &t->mac))
                return 0;
        k = neighbour_list(r->rtnl, t->ip.family, t->device, &t->mac, &list, &n);
        if (k < 0)
                return k;
        for (size_t i = 0; i < n; i++)
                if ((list[i].state & NUD_PERMANENT) && !ip_equal(&list[i].ip, &t->ip))
                        return because(-ENOTUNIQ, ret_why,
                                        "%s claims to be at %s, but that is VM %s, whose address is %s: give the interface "
                                        "Address=%s too if that is so",
                                        format_ip(&t->ip, claimed), format_mac(&t->mac, mac), t->vm,
                                        format_ip(&list[i].ip, known), claimed);
        return 0;
}
