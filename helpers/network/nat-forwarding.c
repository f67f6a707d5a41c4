/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which switches of the kernel a NAT needs, from Documentation/networking/ip-sysctl.rst:
 *
 *   IPv4   conf/DEVICE/forwarding of the device that a packet comes in by: of the guests' device, and of those that
 *          answers come in by, which are those that routes lead to.
 *          conf/DEVICE/route_localnet of the guests' device, if a port of 127.0.0.1 is to lead to one of them.
 *   IPv6   conf/DEVICE/force_forwarding, likewise, since Linux 6.17. Before, only conf/all/forwarding counts; writing it
 *          also makes every device a router that no longer heeds router advertisements, so they are made hosts again
 *          right after. The guests' device has conf/DEVICE/forwarding besides: its neighbour advertisements then say
 *          that it is a router, without which guests forget their default route (RFC 4861, section 7.3.3).
 *
 * Turning on any IPv6 forwarding makes the kernel forget default routes learned from router advertisements, unless
 * accept_ra is 2 on that device: so it is 2 for the moment.
 *
 * What is to be changed is saved in the sets of NatState before, so that who comes after a SIGKILL knows. */

#include "log.h"
#include "nat.h"
#include "knob.h"

static bool has_force_forwarding(void) {
        return knob_read(AF_INET6, "all", "force_forwarding") >= 0;
}

static int set_knob(int family, const char *device, const char *name, unsigned value) {
        int r = knob_write(family, device, name, value);

        if (r < 0)
                return log_error_errno(r, "Cannot set net.%s.conf.%s.%s to %u: %m",
                                family == AF_INET ? "ipv4" : "ipv6", device, name, value);
        return 0;
}

static int set_all(const NatNames *names, int family, const char *knob, unsigned value) {
        int r, result = 0;

        for (size_t i = 0; i < names->n; i++) {
                if (streq(names->names[i], "all") || streq(names->names[i], "default"))
                        continue;
                r = set_knob(family, names->names[i], knob, value);
                if (r < 0 && result == 0)
                        result = r;
        }
        return result;
}

/* ---- which devices ---- */

static const Link *find_link(const Link *links, size_t n, int ifindex) {
        for (size_t i = 0; i < n; i++)
                if (links[i].ifindex == ifindex)
                        return &links[i];
        return NULL;
}

/* The host itself and qnet's own switches and taps lead to no answers. */
static bool is_way_out(const Link *link, const NatArguments *a) {
        return link && !(link->flags & IFF_LOOPBACK) && link->alias.kind == ALIAS_FOREIGN &&
               !streq(link->name, a->device) && ifname_is_valid(link->name);
}

static int insert_if_off(NatState *s, NatSet set, int family, const char *device, const char *knob) {
        return knob_read(family, device, knob) == 0 ? nat_state_insert(s, set, device) : 0;
}

/* The devices that routes lead to; while there is no default route (the network is yet to come up), all cards. */
static int plan_ways_out(Rtnl *rtnl, NatState *s, const NatArguments *a, int family, NatSet set,
                const char *knob) {
        _cleanup_free_ RouteDevice *routes = NULL;
        _cleanup_free_ Link *links = NULL;
        size_t n_routes, n_links;
        bool has_default = false;
        int r;

        r = route_list_devices(rtnl, family, &routes, &n_routes);
        if (r >= 0)
                r = link_list(rtnl, &(LinkFilter){ 0 }, &links, &n_links);
        for (size_t i = 0; r >= 0 && i < n_routes; i++) {
                const Link *link = find_link(links, n_links, routes[i].ifindex);

                if (!is_way_out(link, a))
                        continue;
                has_default = has_default || routes[i].is_default;
                r = insert_if_off(s, set, family, link->name, knob);
        }
        for (size_t i = 0; r >= 0 && !has_default && i < n_links; i++)
                if (is_way_out(&links[i], a) && !*links[i].kind && links[i].master == 0)
                        r = insert_if_off(s, set, family, links[i].name, knob);
        return r;
}

/* Devices whose default route the kernel learned from a router advertisement */
static int plan_ra(Rtnl *rtnl, NatState *s) {
        _cleanup_free_ RouteDevice *routes = NULL;
        size_t n;
        int r;

        r = route_list_devices(rtnl, AF_INET6, &routes, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                Link link;

                if (routes[i].is_default && routes[i].is_from_ra &&
                                link_get(rtnl, routes[i].ifindex, &link) >= 0 &&
                                knob_read(AF_INET6, link.name, "accept_ra") == 1)
                        r = nat_state_insert(s, NAT_RA6, link.name);
        }
        return r;
}

/* ---- IPv6 of the whole host ---- */

static bool is_settling(const NatState *s) {
        return nat_state_has(s, NAT_RA6, "default");
}

static int each_device6(int (*f)(const char *device, void *userdata), void *userdata) {
        _cleanup_closedir_ DIR *dir = opendir("/proc/sys/net/ipv6/conf");
        struct dirent *e;
        int r = 0;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r >= 0 && (e = readdir(dir)))
                if (e->d_name[0] != '.' && !streq(e->d_name, "all"))
                        r = f(e->d_name, userdata);
        return r;
}

static int remember_router(const char *device, void *userdata) {
        NatState *s = userdata;

        if (nat_state_has(s, NAT_FORWARDING6, device) || knob_read(AF_INET6, device, "forwarding") != 1)
                return 0;
        return nat_state_insert(s, NAT_ROUTER6, device);
}

/* "all" is about to be changed: remember which devices differ from it. */
static int plan_settling(Rtnl *rtnl, NatState *s) {
        int r;

        r = each_device6(remember_router, s);
        if (r >= 0)
                r = plan_ra(rtnl, s);
        return r < 0 ? r : nat_state_insert(s, NAT_RA6, "default");
}

static int settle_device(const char *device, void *userdata) {
        NatState *s = userdata;
        bool on = nat_state_has(s, NAT_ROUTER6, device) || nat_state_has(s, NAT_FORWARDING6, device);

        return set_knob(AF_INET6, device, "forwarding", on);
}

/* ---- turning on ---- */

static int plan4(Rtnl *rtnl, NatState *s, const NatArguments *a) {
        bool all = knob_read(AF_INET, "all", "forwarding") != 0;
        int r = 0;

        if (all && nat_state_has(s, NAT_FORWARDING4, "all"))
                nat_state_clear(s, NAT_FORWARDING4); /* somebody turned on everything since: it is theirs now */
        if (!all && s->set[NAT_FORWARDING4].n == 0)
                r = nat_state_insert(s, NAT_FORWARDING4, "all");
        if (r >= 0)
                r = insert_if_off(s, NAT_FORWARDING4, AF_INET, a->device, "forwarding");
        return r < 0 ? r : plan_ways_out(rtnl, s, a, AF_INET, NAT_FORWARDING4, "forwarding");
}

static int plan6(Rtnl *rtnl, NatState *s, const NatArguments *a) {
        bool all = knob_read(AF_INET6, "all", "forwarding") != 0, force = has_force_forwarding();
        bool ours = nat_state_has(s, NAT_FORWARDING6, "all");
        int r = 0;

        if (all && !ours) {
                if (force)
                        (void) set_all(&s->set[NAT_FORCE6], AF_INET6, "force_forwarding", 0);
                nat_state_clear(s, NAT_FORCE6);
        } else {
                r = plan_ways_out(rtnl, s, a, AF_INET6, NAT_FORCE6, force ? "force_forwarding" : "forwarding");
                if (r >= 0 && force)
                        r = insert_if_off(s, NAT_FORCE6, AF_INET6, a->device, "force_forwarding");
        }
        if (r >= 0 && !all && !force && !is_settling(s)) {
                r = plan_settling(rtnl, s);
                if (r >= 0)
                        r = nat_state_insert(s, NAT_FORWARDING6, "all");
        }
        if (r >= 0)
                r = insert_if_off(s, NAT_FORWARDING6, AF_INET6, a->device, "forwarding");
        return r > 0 ? plan_ra(rtnl, s) : r;
}

/* One that is no longer needed is turned off at once: the rules that go with it go next. */
static int plan_localnet(NatState *s, const NatArguments *a) {
        int r;

        if (nat_has_loopback(a))
                return insert_if_off(s, NAT_LOCALNET4, AF_INET, a->device, "route_localnet");
        if (!nat_state_has(s, NAT_LOCALNET4, a->device))
                return 0;
        r = knob_write(AF_INET, a->device, "route_localnet", 0);
        if (r >= 0)
                nat_state_remove(s, NAT_LOCALNET4, a->device);
        return r;
}

int nat_forwarding_plan(Rtnl *rtnl, NatState *s, const NatArguments *a) {
        int r = 0;

        if (nat_has_family(a, AF_INET))
                r = plan4(rtnl, s, a);
        if (r >= 0)
                r = plan_localnet(s, a);
        if (r >= 0 && nat_has_family(a, AF_INET6))
                r = plan6(rtnl, s, a);
        if (r < 0)
                return log_error_errno(r, "Cannot tell which devices lead out: %m%s", rtnl_reason(rtnl));
        return 0;
}

static int save(Nft *nft, const NatState *s) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int r;

        if (!f)
                return log_oom();
        nat_state_write(f, s);
        if (fclose(f) != 0)
                return log_oom();
        r = nft_run(nft, text);
        if (r < 0)
                return log_error_errno(r, "Cannot write the table " NAT_SHARED_TABLE ": %m%s", nft_reason(nft));
        return 0;
}

int nat_forwarding_turn_on(Nft *nft, NatState *s) {
        int r;

        r = set_all(&s->set[NAT_FORWARDING4], AF_INET, "forwarding", 1);
        if (r >= 0)
                r = set_all(&s->set[NAT_LOCALNET4], AF_INET, "route_localnet", 1);
        if (r >= 0 && has_force_forwarding())
                r = set_all(&s->set[NAT_FORCE6], AF_INET6, "force_forwarding", 1);
        if (r >= 0)
                r = set_all(&s->set[NAT_RA6], AF_INET6, "accept_ra", 2);
        if (r >= 0 && is_settling(s)) {
                r = set_knob(AF_INET6, "all", "forwarding", 1);
                if (r >= 0)
                        r = each_device6(settle_device, s);
        } else if (r >= 0)
                r = set_all(&s->set[NAT_FORWARDING6], AF_INET6, "forwarding", 1);
        if (r < 0 || s->set[NAT_RA6].n == 0)
                return r;

        r = set_all(&s->set[NAT_RA6], AF_INET6, "accept_ra", 1);
        nat_state_clear(s, NAT_RA6);
        nat_state_clear(s, NAT_ROUTER6);
        return r < 0 ? r : save(nft, s);
}

/* ---- turning off ---- */

/* conf/all/forwarding back to 0, which every device then is; those that were routers on their own become so again. */
static int turn_off_host6(Rtnl *rtnl, Nft *nft, NatState *s) {
        int r;

        if (!is_settling(s)) {
                /* our own change left it off: somebody has turned on everything since */
                if (knob_read(AF_INET6, "default", "forwarding") == 1)
                        return 0;
                r = plan_settling(rtnl, s);
                if (r < 0)
                        return log_error_errno(r, "Cannot tell which devices are IPv6 routers: %m");
                r = save(nft, s);
                if (r < 0)
                        return r;
        }
        r = set_all(&s->set[NAT_RA6], AF_INET6, "accept_ra", 2);
        if (r >= 0)
                r = set_knob(AF_INET6, "all", "forwarding", 0);
        if (r >= 0 && nat_state_has(s, NAT_ROUTER6, "default"))
                r = set_knob(AF_INET6, "default", "forwarding", 1);
        return r < 0 ? r : set_all(&s->set[NAT_ROUTER6], AF_INET6, "forwarding", 1);
}

int nat_forwarding_turn_off(Rtnl *rtnl, Nft *nft, NatState *s) {
        int r = 0, q = 0;

        if (!nat_state_has(s, NAT_FORWARDING4, "all") || knob_read(AF_INET, "all", "forwarding") == 0)
                r = set_all(&s->set[NAT_FORWARDING4], AF_INET, "forwarding", 0);
        q = set_all(&s->set[NAT_LOCALNET4], AF_INET, "route_localnet", 0);
        r = r < 0 ? r : q;
        if (has_force_forwarding())
                q = set_all(&s->set[NAT_FORCE6], AF_INET6, "force_forwarding", 0);
        r = r < 0 ? r : q;
        q = set_all(&s->set[NAT_FORWARDING6], AF_INET6, "forwarding", 0);
        r = r < 0 ? r : q;
        if (nat_state_has(s, NAT_FORWARDING6, "all")) {
                q = turn_off_host6(rtnl, nft, s);
                r = r < 0 ? r : q;
        }
        q = set_all(&s->set[NAT_RA6], AF_INET6, "accept_ra", 1);
        return r < 0 ? r : q;
}

/* One that is not qnet's may be the way out of another NAT: it waits for the last. */
int nat_forwarding_turn_off_device(Rtnl *rtnl, NatState *s, const char *ifname) {
        static const struct {
                NatSet set;
                int family;
                const char *knob;
        } knobs[] = {
                { NAT_FORWARDING4, AF_INET, "forwarding" },
                { NAT_LOCALNET4, AF_INET, "route_localnet" },
                { NAT_FORWARDING6, AF_INET6, "forwarding" },
                { NAT_FORCE6, AF_INET6, "force_forwarding" },
        };
        Link link;
        int r;

        r = link_get_by_name(rtnl, ifname, &link);
        if (r < 0 && r != -ENODEV)
                return log_error_errno(r, "Cannot look up %s: %m%s", ifname, rtnl_reason(rtnl));
        if (r >= 0 && link.alias.kind == ALIAS_FOREIGN)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(knobs); i++) {
                if (!nat_state_has(s, knobs[i].set, ifname))
                        continue;
                r = set_knob(knobs[i].family, ifname, knobs[i].knob, 0);
                if (r < 0)
                        return r;
                nat_state_remove(s, knobs[i].set, ifname);
        }
        return 0;
}
