/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Neighbours to stdout, in the words and fields of ip-neighbour(8). */

#include <jansson.h>

#include "arp.h"
#include "log.h"

/* Names by ifindex, each asked for once: the entries of one device follow each other. */
static const char *device_name(Rtnl *rtnl, int ifindex, Link *last) {
        if (last->ifindex != ifindex && link_get(rtnl, ifindex, last) < 0) {
                last->ifindex = ifindex; /* gone meanwhile, as the entry is */
                snprintf(last->name, sizeof(last->name), "if%d", ifindex);
        }
        return last->name;
}

static void print_line(const Neighbour *n, const char *dev) {
        char ip[IP_STRING_SIZE], mac[MAC_STRING_SIZE];

        printf("%s dev %s", format_ip(&n->ip, ip), dev);
        if (n->has_mac)
                printf(" lladdr %s", format_mac(&n->mac, mac));
        printf("%s %s\n", n->flags & NTF_ROUTER ? " router" : "", neighbour_state_to_string(n->state));
}

static json_t *to_json(const Neighbour *n, const char *dev) {
        char ip[IP_STRING_SIZE], mac[MAC_STRING_SIZE];
        json_t *object = json_pack("{s:s, s:s, s:s*, s:[s]}", "dst", format_ip(&n->ip, ip), "dev", dev,
                        "lladdr", n->has_mac ? format_mac(&n->mac, mac) : NULL, "state",
                        neighbour_state_to_string(n->state));

        if (object && (n->flags & NTF_ROUTER))
                (void) json_object_set_new(object, "router", json_null());
        return object;
}

static int print_json(Rtnl *rtnl, const Neighbour *list, size_t n) {
        json_auto_t *array = json_array();
        Link link = { 0 };

        if (!array)
                return log_oom();
        for (size_t i = 0; i < n; i++)
                if (json_array_append_new(
                                    array, to_json(&list[i], device_name(rtnl, list[i].ifindex, &link))) < 0)
                        return log_oom();
        if (json_dumpf(array, stdout, JSON_COMPACT) < 0)
                return log_error_errno(EIO, "Cannot write to standard output: %m");
        putchar('\n');
        return 0;
}

int arp_print(Rtnl *rtnl, const Neighbour *list, size_t n, bool json) {
        Link link = { 0 };

        if (json)
                return print_json(rtnl, list, n);
        for (size_t i = 0; i < n; i++)
                print_line(&list[i], device_name(rtnl, list[i].ifindex, &link));
        return 0;
}
