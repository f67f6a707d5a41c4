/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf-table.h"
#include "problem.h"
#include "validate.h"

#define SLAAC_PREFIX 64 /* RFC 4291, 2.5.1 */

static int refuse(Model *m, Switch *w, const char *key, const char *why) {
        return switch_problem(m, w, said_at(&w->said, w->origin, KEYS_SWITCH, key), "%s= %s", key, why);
}

/* A vde_switch is a process that the host's network does not see. */
static int check_vde(Model *m, Switch *w) {
        const struct {
                const char *key;
                bool said;
        } table[] = {
                { "Address", w->n_addresses > 0 },
                { "DHCP", w->dhcp },
                { "DNS", w->dns },
                { "Domain", w->domain },
                { "RouterAdvertisement", w->router_advertisement },
                { "NAT", w->nat },
                { "Uplink", w->fabric->uplink },
                { "MTU", w->mtu > 0 },
                { "AgeingSec", w->fabric->ageing_set },
                { "GroupForwardMask", w->fabric->group_forward_mask > 0 },
                { "Trunk", w->n_trunks > 0 },
                { "VXLAN", w->vxlan->set },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(table) && r >= 0; i++)
                if (table[i].said)
                        r = refuse(m, w, table[i].key, "needs a bridge, not Type=vde");
        return r;
}

static bool has_address(const Switch *w, bool (*f)(const IPAddress *)) {
        for (size_t i = 0; i < w->n_addresses; i++)
                if (f(w->addresses + i))
                        return true;
        return false;
}

static bool is_routable(const IPAddress *ip) {
        return !ip_is_link_local(ip);
}

static bool is_slaac(const IPAddress *ip) {
        return ip->family == AF_INET6 && ip->prefix == SLAAC_PREFIX && !ip_is_link_local(ip);
}

static int check_services(Model *m, Switch *w) {
        int r = 0;

        if (w->dns && w->n_addresses == 0)
                r = refuse(m, w, "DNS", "needs an Address= of the switch, at which it answers");
        if (r >= 0 && w->router_advertisement && !has_address(w, is_slaac))
                r = refuse(m, w, "RouterAdvertisement",
                                "needs an IPv6 Address= of the switch with a prefix of 64, such as fd00:1::1/64");
        if (r >= 0 && w->nat && !has_address(w, is_routable))
                r = refuse(m, w, "NAT", "needs an Address= of the switch, which guests use as their gateway");
        if (r >= 0 && w->domain && !w->dns && !w->dhcp)
                r = refuse(m, w, "Domain", "needs DNS=yes or DHCP=");
        if (r >= 0 && w->dhcp && !w->dhcp_any && w->n_ranges > 0 && w->n_addresses == 0)
                r = refuse(m, w, "DHCP", "needs an Address= of the switch");
        return r;
}

static int check_fabric(Model *m, Switch *w) {
        const Fabric *f = w->fabric;
        int r = 0;

        if (f->hub && f->ageing_set)
                r = refuse(m, w, "AgeingSec", "does not go with Hub=yes: a hub remembers nothing");
        if (r < 0 || !f->uplink)
                return r;
        if (streq(f->uplink, w->bridge) || streq(f->uplink, "lo"))
                return refuse(m, w, "Uplink", "is not an interface that can join the switch");
        if (w->dhcp || w->router_advertisement)
                model_warning(m, said_at(&w->said, w->origin, KEYS_SWITCH, "Uplink"),
                                "%s also answers everybody on the network behind Uplink=%s",
                                w->dhcp ? "DHCP=" : "RouterAdvertisement=", f->uplink);
        return 0;
}

static int check_no_vxlan(Model *m, Switch *w) {
        const VXLAN *x = w->vxlan;
        const struct {
                const char *key;
                bool said;
        } table[] = {
                { "VXLANPeer", x->n_peers > 0 },
                { "VXLANGroup", x->group.family != AF_UNSPEC },
                { "VXLANLocal", x->local.family != AF_UNSPEC },
                { "VXLANPort", x->port > 0 },
                { "VXLANDevice", x->device },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(table) && r >= 0; i++)
                if (table[i].said)
                        r = refuse(m, w, table[i].key, "needs VXLAN=");
        return r;
}

/* The kernel's rules: one family, and a device to join a group on, or to tell link-local addresses apart. */
static int check_far_ends(Model *m, Switch *w) {
        const VXLAN *x = w->vxlan;
        const IPAddress *first = x->n_peers > 0 ? x->peers : &x->group;
        char buf[IP_STRING_SIZE];

        if (x->local.family != AF_UNSPEC && x->local.family != first->family)
                return refuse(m, w, "VXLANLocal", "is IPv4 and the far end IPv6, or the other way round");
        if (x->group.family != AF_UNSPEC && !x->device)
                return refuse(m, w, "VXLANGroup", "needs VXLANDevice=, on which to join the group");
        for (size_t i = 0; i < x->n_peers; i++) {
                const IPAddress *peer = x->peers + i;
                Origin origin = said_at(&w->said, w->origin, KEYS_SWITCH, "VXLANPeer");

                format_ip(peer, buf);
                if (peer->family != first->family)
                        return refuse(m, w, "VXLANPeer", "are IPv4 and IPv6, and must be of one kind");
                if (ip_equal(peer, &x->local))
                        return switch_problem(m, w, origin, "VXLANPeer=%s is VXLANLocal=, this host", buf);
                if (ip_is_link_local(peer) && !x->device)
                        return switch_problem(m, w, origin, "VXLANPeer=%s is link-local, and needs VXLANDevice=",
                                        buf);
                for (size_t k = 0; k < i; k++)
                        if (ip_equal(peer, x->peers + k))
                                return switch_problem(m, w, origin, "VXLANPeer=%s is there twice", buf);
        }
        return 0;
}

static int check_vxlan(Model *m, Switch *w) {
        const VXLAN *x = w->vxlan;

        if (!x->set)
                return check_no_vxlan(m, w);
        if (x->n_peers > 0 && x->group.family != AF_UNSPEC)
                return refuse(m, w, "VXLANGroup", "does not go with VXLANPeer=: say one of them");
        if (x->n_peers == 0 && x->group.family == AF_UNSPEC)
                return refuse(m, w, "VXLAN", "needs VXLANPeer= or VXLANGroup=: where the other hosts are");
        if (x->device && (streq(x->device, w->bridge) || streq_ptr(x->device, w->fabric->uplink)))
                return refuse(m, w, "VXLANDevice", "is on the switch itself: the tunnel would go through itself");
        return check_far_ends(m, w);
}

int validate_switch_keys(Model *m, Switch *w) {
        int r;

        if (w->type == SWITCH_VDE)
                return check_vde(m, w);
        r = check_services(m, w);
        if (r >= 0)
                r = check_fabric(m, w);
        return r < 0 ? r : check_vxlan(m, w);
}
