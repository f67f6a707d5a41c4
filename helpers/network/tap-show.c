/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-tap show: what the kernel knows of a tap, and what port security has dropped. */

#include "describe.h"
#include "log.h"
#include "nft.h"
#include "port.h"
#include "tap.h"
#include "tap-security.h"

typedef struct Tap {
        Link link;
        char bridge[IFNAMSIZ]; /* "": on none */
        PortVlans vlans;
        bool has_vlans;
        json_t *counters; /* {"wrong-mac": {"packets": 0, "bytes": 0}, ...}; NULL: no port security */
} Tap;

static void tap_done(Tap *t) {
        json_decref(t->counters);
}
#define _cleanup_tap_ _cleanup_(tap_done)

static int read_counters(const char *ifname, json_t **ret) {
        _cleanup_json_ json_t *array = NULL, *counters = json_object();
        _cleanup_nft_ Nft *nft = NULL;
        char command[64];
        json_t *counter;
        size_t i = 0;
        int r;

        snprintf(command, sizeof(command), "qnet-tap-%s", ifname);
        r = nft_netdev_table_exists(command);
        if (r <= 0)
                return r == -EPERM ? log_error_errno(r, "Only root may read the counters of %s: %m", ifname) : r;
        r = nft_new(&nft);
        if (r < 0)
                return log_error_errno(r, "Cannot use libnftables: %m");
        snprintf(command, sizeof(command), "list counters table netdev qnet-tap-%s", ifname);
        r = nft_query(nft, command, &array);
        if (r == -ENOENT)
                return 0;
        if (r < 0 || !counters)
                return log_error_errno(r, "Cannot read the counters of %s: %m%s", ifname, nft_reason(nft));
        while ((counter = nft_next(array, "counter", &i)))
                if (json_object_set_new(counters,
                                    json_string_value(json_object_get(counter, "name")) ?: "",
                                    json_pack("{s:O, s:O}", "packets", json_object_get(counter, "packets"),
                                                    "bytes", json_object_get(counter, "bytes"))) < 0)
                        return log_error_errno(EBADMSG, "Cannot read the counters of %s: %m", ifname);
        *ret = TAKE_PTR(counters);
        return 0;
}

static int read_tap(Rtnl *rtnl, const char *ifname, Tap *ret) {
        char text[LINK_DESCRIPTION_SIZE];
        Link bridge;
        int r;

        r = link_get_by_name(rtnl, ifname, &ret->link);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no tap %s", ifname);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", ifname, rtnl_reason(rtnl));
        if (!link_is_our_tap(&ret->link)) {
                log_error("%s is not a tap of a VM, but %s", ifname, link_describe(&ret->link, text));
                return -EPERM;
        }
        if (ret->link.master > 0 && link_get(rtnl, ret->link.master, &bridge) >= 0) {
                snprintf(ret->bridge, sizeof(ret->bridge), "%s", bridge.name);
                ret->has_vlans = link_is_bridge(&bridge) && bridge.bridge.filters_vlans &&
                                 port_get_vlans(rtnl, ret->link.ifindex, &ret->vlans) >= 0;
        }
        return read_counters(ifname, &ret->counters);
}

/* ---- as JSON ---- */

static json_t *vlans_to_json(const PortVlans *vlans) {
        json_t *array = json_array();

        for (unsigned i = 1; array && i <= VLAN_MAX; i++)
                if (vlan_set_has(&vlans->members, i))
                        (void) json_array_append_new(array,
                                        json_pack("{s:i, s:b, s:b}", "vlan", (int) i, "untagged",
                                                        vlan_set_has(&vlans->untagged, i), "pvid",
                                                        i == vlans->pvid));
        return array;
}

static int print_json(const Tap *t) {
        _cleanup_json_ json_t *object = NULL;
        char mac[MAC_STRING_SIZE];

        object = json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:i, s:b, s:b, s:o*, s:O*}", "ifname", t->link.name, "vm",
                        t->link.alias.name, "ifalias", t->link.alias_text, "mac",
                        t->link.alias.has_mac ? format_mac(&t->link.alias.mac, mac) : NULL, "bridge",
                        *t->bridge ? t->bridge : NULL, "mtu", (int) t->link.mtu, "up",
                        !!(t->link.flags & IFF_UP), "isolated", t->link.isolated, "vlans",
                        t->has_vlans ? vlans_to_json(&t->vlans) : NULL, "port_security", t->counters);
        if (!object)
                return log_oom();
        if (json_dumpf(object, stdout, JSON_COMPACT) < 0)
                return log_error_errno(EIO, "Cannot write to standard output: %m");
        putchar('\n');
        return 0;
}

/* ---- as text ---- */

/* "10, 20-30 untagged" */
static void print_set(const PortVlans *vlans, bool untagged, const char **separator) {
        bool in = false;

        for (unsigned i = 1, first = 0; i <= VLAN_MAX + 1; i++) {
                bool has = i <= VLAN_MAX && vlan_set_has(&vlans->members, i) &&
                           vlan_set_has(&vlans->untagged, i) == untagged;
                if (has && !in)
                        first = i;
                if (!has && in) {
                        printf(first == i - 1 ? "%s%u" : "%s%u-%u", *separator, first, i - 1);
                        if (untagged)
                                printf(" (untagged)");
                        *separator = ", ";
                }
                in = has;
        }
}

static void print_counters(json_t *counters) {
        for (const char *const *c = tap_security_counters; *c; c++) {
                json_t *counter = json_object_get(counters, *c);

                printf("    %-14s %" JSON_INTEGER_FORMAT " frames, %" JSON_INTEGER_FORMAT " bytes\n", *c,
                                json_integer_value(json_object_get(counter, "packets")),
                                json_integer_value(json_object_get(counter, "bytes")));
        }
}

static void print_text(const Tap *t) {
        char mac[MAC_STRING_SIZE];

        printf("%s: tap of VM %s\n", t->link.name, t->link.alias.name);
        printf("  alias: %s\n", t->link.alias_text);
        printf("  MAC of the guest: %s\n",
                        t->link.alias.has_mac ? format_mac(&t->link.alias.mac, mac) : "not known yet");
        printf("  bridge: %s%s\n", *t->bridge ? t->bridge : "none", t->link.isolated ? ", isolated" : "");
        printf("  link: %s, MTU %u\n", t->link.flags & IFF_UP ? "up" : "down", t->link.mtu);
        if (t->has_vlans) {
                const char *separator = "  VLANs: ";

                print_set(&t->vlans, true, &separator);
                print_set(&t->vlans, false, &separator);
                puts(*separator == ' ' ? "  VLANs: none" : "");
        }
        puts(t->counters ? "  port security has dropped:" : "  port security: no");
        if (t->counters)
                print_counters(t->counters);
}

int tap_show(Rtnl *rtnl, const TapArguments *a) {
        _cleanup_tap_ Tap tap = { 0 };
        int r;

        r = read_tap(rtnl, a->ifname, &tap);
        if (r < 0)
                return r;
        if (a->json)
                return print_json(&tap);
        print_text(&tap);
        return 0;
}
