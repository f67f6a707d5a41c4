/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "resolve.h"

struct Resolver {
        Rtnl *rtnl; /* not ours to free */
        Link *taps; /* those with our alias */
        size_t n_taps;
        Link *bridges; /* of these taps, each once; and taps that have none, which are their own device */
        size_t n_bridges;
};

/* What one device's tables say about a MAC */
typedef struct Place {
        const Link *device, *tap;
        struct ether_addr mac;
        bool learned;
} Place;

Resolver *resolver_free(Resolver *r) {
        if (!r)
                return NULL;
        free(r->taps);
        free(r->bridges);
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

static int add_device(Resolver *r, const Link *tap) {
        int ifindex = tap->master ?: tap->ifindex, k;
        Link *device = r->bridges + r->n_bridges;

        if (device_by_index(r, ifindex))
                return 0;
        if (tap->master == 0)
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
        *ret = TAKE_PTR(r);
        return 0;
}

/* ---- MAC -> tap ---- */

/* The tap whose alias has this MAC, on a device or (NULL) anywhere. 1, 0, or -ENOTUNIQ. */
static int tap_by_alias(const Resolver *r, const struct ether_addr *mac, const Link *device, const Link **ret,
                char **ret_why) {
        char buf[MAC_STRING_SIZE];
        const Link *found = NULL;

        for (size_t i = 0; i < r->n_taps; i++) {
                const Link *tap = r->taps + i;
                if (!tap->alias.has_mac || !mac_equal(&tap->alias.mac, mac) ||
                                (device && (tap->master ?: tap->ifindex) != device->ifindex))
                        continue;
                if (found)
                        return because(-ENOTUNIQ, ret_why,
                                        "MAC address %s belongs to VM %s (%s) and to VM %s (%s)",
                                        format_mac(mac, buf), found->alias.name, found->name, tap->alias.name,
                                        tap->name);
                found = tap;
        }
        *ret = found;
        return !!found;
}

/* The port on which the bridge last heard the MAC. 1: one of our taps, *ret; 0: not known; -ENOENT: another port, whose
 * index is in *ret_port. */
static int tap_by_fdb(const Resolver *r, const Link *device, const struct ether_addr *mac, const Link **ret,
                int *ret_port) {
        Neighbour n;
        int k;

        if (!link_is_bridge(device))
                return 0;
        k = fdb_get(r->rtnl, device->ifindex, mac, 0, &n);
        if (k == -ENOENT || k == -ENODEV)
                return 0;
        if (k < 0)
                return k;
        for (size_t i = 0; i < r->n_taps; i++)
                if (r->taps[i].ifindex == n.ifindex) {
                        *ret = r->taps + i;
                        return 1;
                }
        *ret_port = n.ifindex;
        return -ENOENT;
}

static const char *port_name(const Resolver *r, int ifindex, Link *link) {
        return link_get(r->rtnl, ifindex, link) < 0 ? "a port that is gone" : link->name;
}

static int find_tap(const Resolver *r, const Link *device, const struct ether_addr *mac, const Link **ret,
                char **ret_why) {
        const Link *owner = NULL, *port = NULL;
        char buf[MAC_STRING_SIZE];
        int port_index = 0, k, f;
        Link other;

        k = tap_by_alias(r, mac, device, &owner, ret_why);
        if (k < 0)
                return k;
        f = tap_by_fdb(r, device, mac, &port, &port_index);
        if (f < 0 && f != -ENOENT)
                return f;
        format_mac(mac, buf);
        if (owner && (f == -ENOENT || (f > 0 && port != owner)))
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
        t->device = p->device->ifindex;
        strcpy(t->vm, p->tap->alias.name);
        strcpy(t->tap, p->tap->name);
        strcpy(t->bridge, p->tap->master ? p->device->name : "");
}

/* ---- the three kinds of words ---- */

/* What the neighbour table of one device has: 1 a tap, in *ret; 0 nothing, and why. */
static int find_on_device(
                const Resolver *r, const Link *device, const IPAddress *ip, Place *ret, char **ret_why) {
        char buf[IP_STRING_SIZE];
        Neighbour n;
        int k;

        k = neighbour_get(r->rtnl, device->ifindex, ip, &n);
        if (k == -ENOENT || k == -ENODEV)
                return 0;
        if (k < 0)
                return k;
        if (!n.has_mac || !(n.state & NEIGHBOUR_USABLE)) {
                k = because(0, ret_why,
                                "the neighbour entry of %s on %s is %s and has no MAC address any more; report the MAC address or "
                                "the VM's name instead, or give the interface Address=%s",
                                format_ip(ip, buf), device->name, neighbour_state_to_string(n.state), buf);
                return k;
        }
        *ret = (Place){ .device = device, .mac = n.mac, .learned = !(n.state & NUD_PERMANENT) };
        k = find_tap(r, device, &n.mac, &ret->tap, ret_why);
        return k < 0 ? k : 1;
}

/* scope: only the device of that name or index; NULL: all. */
static bool device_in_scope(const Link *device, const char *scope) {
        unsigned index;

        if (!scope || streq(device->name, scope))
                return true;
        return parse_unsigned(scope, 1, INT32_MAX, &index) >= 0 && (int) index == device->ifindex;
}

static int resolve_ip(const Resolver *r, const IPAddress *ip, const char *scope, Target *t, char **ret_why) {
        char buf[IP_STRING_SIZE];
        Place found = { 0 };
        int k, refused = 0;

        format_ip(ip, buf);
        for (size_t i = 0; i < r->n_bridges; i++) {
                const Link *device = r->bridges + i;
                _cleanup_free_ char *why = NULL;
                Place p;

                if (!device_in_scope(device, scope))
                        continue;
                k = find_on_device(r, device, ip, &p, &why);
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
                                        buf, found.tap->alias.name, found.device->name, p.tap->alias.name,
                                        device->name);
                }
                found = p;
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
                p.device = device_by_index(r, p.tap->master ?: p.tap->ifindex) ?: p.tap;
                k = find_tap(r, p.device, mac, &p.tap, ret_why);
                if (k < 0)
                        return k;
                set_target(&p, t);
                return 0;
        }
        for (size_t i = 0; i < r->n_bridges; i++) {
                other.device = r->bridges + i;
                k = tap_by_fdb(r, other.device, mac, &other.tap, &port);
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
                        .tap = tap, .device = device_by_index(r, tap->master) ?: tap, .mac = tap->alias.mac
                };
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
