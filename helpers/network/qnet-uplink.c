/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-uplink: the host's own port joins the bridge of a switch, and its addresses and routes move to the
 * bridge, and back. ExecStart= and ExecStopPost= of qnet-uplink@.service.
 *
 * There is no record of what moved but the network itself. The port's alias says for which switch it is, and
 * what the port was before; it is the first thing to be set and the last to be taken back. What is on the
 * bridge and is not the switch's own (--keep-address=) came from the port. The bridge's own MAC follows from
 * the switch's name. So del, or another add, can take over wherever one before was killed.
 *
 * The order is such that the host can be reached all along. Each address and each route is on both links for
 * a moment, and on which of them a packet comes or goes makes no difference: what comes in by the port is the
 * bridge's as soon as the port has joined, with the port's own MAC, and what is still sent to the port goes
 * out.
 *
 * Privilege: CAP_NET_ADMIN, and /proc/sys/net writable (the same capability allows it). */

#include <time.h>

#include "describe.h"
#include "program.h"
#include "switch-mac.h"
#include "uplink.h"

#define CARRIER_WAIT_MS 1000 /* until the bridge sends; without STP it takes a few ms */

/* The alias that the port gets, before all else; one that it has stays. */
static int mark(Uplink *u) {
        Alias alias = { .kind = ALIAS_UPLINK, .was_down = !(u->port.flags & IFF_UP) };
        const char *former = u->port.alias_text;
        char text[ALIAS_SIZE];
        size_t n;
        int r;

        if (u->port.alias.kind == ALIAS_UPLINK)
                return 0;
        snprintf(alias.name, sizeof(alias.name), "%s", u->name);
        n = strlen(alias_format(&alias, text));
        if (*former && n + strlen(" was=") + strlen(former) >= sizeof(text)) {
                log_error("Cannot make %s the uplink of switch %s: its alias is too long to be kept, "
                          "shorten it by \"ip link set %s alias TEXT\"",
                                u->port.name, u->name, u->port.name);
                return -E2BIG;
        }
        if (*former)
                snprintf(text + n, sizeof(text) - n, " was=%s", former);
        r = link_set(u->rtnl, &(LinkChange){ .ifindex = u->port.ifindex, .alias = text });
        if (r < 0)
                return uplink_error(
                                r, "Cannot set the alias of %s: %m%s", u->port.name, rtnl_reason(u->rtnl));
        return 0;
}

/* A bridge whose first port has just come drops what is sent, until the kernel has noted its carrier. */
static void wait_for_carrier(const Uplink *u) {
        const struct timespec pause = { .tv_nsec = 2 * 1000 * 1000 };
        Link bridge;

        if (!(u->port.flags & IFF_RUNNING))
                return;
        for (unsigned i = 0; i < CARRIER_WAIT_MS / 2; i++) {
                if (link_get(u->rtnl, u->bridge.ifindex, &bridge) < 0 || bridge.flags & IFF_RUNNING)
                        return;
                nanosleep(&pause, NULL);
        }
        log_warning("Bridge %s does not forward yet: with STP=yes that takes 8 s", u->bridge.name);
}

static int join(const Uplink *u) {
        int r;

        if (u->port.master != u->bridge.ifindex || !(u->port.flags & IFF_UP)) {
                r = link_set(u->rtnl, &(LinkChange){
                                                      .ifindex = u->port.ifindex,
                                                      .master = u->bridge.ifindex,
                                                      .up = true,
                                      });
                if (r < 0)
                        return uplink_error(r, "Cannot make %s a port of bridge %s: %m%s", u->port.name,
                                        u->bridge.name, rtnl_reason(u->rtnl));
                wait_for_carrier(u);
        }
        return 0;
}

static int move_out(Uplink *u) {
        Move m = { .uplink = u, .from = &u->port, .to = &u->bridge };
        int r;

        r = uplink_set_bridge_mac(u, &u->port.mac);
        if (r >= 0)
                r = ra_accept(u);
        if (r >= 0)
                r = move_copy_addresses(&m);
        if (r >= 0)
                r = join(u);
        if (r >= 0)
                r = move_copy_neighbours(&m);
        if (r >= 0)
                r = move_copy_routes(&m);
        if (r >= 0)
                r = move_delete_routes(&m);
        if (r >= 0)
                r = move_delete_addresses(&m);
        if (r >= 0 && m.n_addresses > 0)
                log_info("%s is now a port of %s, which has its addresses and routes", u->port.name,
                                u->bridge.name);
        move_done(&m);
        return r;
}

int uplink_add(Uplink *u) {
        int r;

        r = uplink_check(u);
        if (r < 0)
                return r;
        r = mark(u);
        if (r >= 0)
                r = move_out(u);
        if (r == -ENODEV)
                log_error("%s or %s has gone while the one became the uplink of the other", u->device,
                                u->bridge_name);
        if (r < 0)
                (void) uplink_del(u);
        return r;
}

/* Errors do not end it: what can come back, does. That the port has gone explains all others. */
static void note(int *result, int r) {
        if (r < 0 && (*result >= 0 || r == -ENODEV))
                *result = r;
}

static int leave(Uplink *u) {
        int r;

        if (u->bridge.ifindex == 0 || u->port.master != u->bridge.ifindex)
                return 0;
        r = link_set(u->rtnl, &(LinkChange){ .ifindex = u->port.ifindex, .no_master = true });
        if (r < 0)
                return uplink_error(r, "Cannot take %s from bridge %s: %m%s", u->port.name, u->bridge.name,
                                rtnl_reason(u->rtnl));
        return 0;
}

static int unmark(Uplink *u) {
        const Alias *alias = &u->port.alias;
        int r;

        r = link_set(u->rtnl, &(LinkChange){
                                              .ifindex = u->port.ifindex,
                                              .alias = alias->was > 0 ? u->port.alias_text + alias->was : "",
                                              .clear_flags = alias->was_down ? IFF_UP : 0,
                              });
        if (r < 0)
                return uplink_error(r, "Cannot set the alias of %s back: %m%s", u->port.name,
                                rtnl_reason(u->rtnl));
        return 0;
}

static int move_home(Uplink *u) {
        Move m = { .uplink = u, .from = &u->bridge, .to = &u->port, .home = true };
        int result = 0;

        note(&result, move_copy_addresses(&m));
        note(&result, move_copy_neighbours(&m));
        note(&result, move_copy_routes(&m));
        note(&result, move_delete_routes(&m));
        note(&result, leave(u));
        note(&result, move_delete_addresses(&m));
        move_done(&m);
        return result;
}

/* The port is gone, with its cable or its module: nobody is to take what is left for the switch's own. */
static int forget(Uplink *u) {
        Move m = { .uplink = u, .from = &u->bridge, .to = &u->port, .home = true };
        int r;

        r = move_forget(&m);
        move_done(&m);
        return r;
}

static int restore_bridge(Uplink *u) {
        struct ether_addr mac = switch_mac(u->name);
        int r;

        r = ra_refuse(u);
        return r < 0 ? r : uplink_set_bridge_mac(u, &mac);
}

/* The link that bears the mark, whatever it is called by now */
static int find_port(Uplink *u) {
        _cleanup_free_ Link *links = NULL;
        size_t n;
        int r;

        u->port = (Link){ 0 };
        r = link_list(u->rtnl, &(LinkFilter){ .alias = ALIAS_UPLINK }, &links, &n);
        if (r < 0)
                return log_error_errno(r, "Cannot list the interfaces: %m%s", rtnl_reason(u->rtnl));
        for (size_t i = 0; i < n; i++)
                if (streq(links[i].alias.name, u->name))
                        u->port = links[i];
        return 0;
}

/* One that is not our switch's is left alone, as if it were not there. */
static int find_bridge(Uplink *u) {
        int r;

        r = link_get_by_name(u->rtnl, u->bridge_name, &u->bridge);
        if (r < 0 && r != -ENODEV)
                return log_error_errno(r, "Cannot look up %s: %m%s", u->bridge_name, rtnl_reason(u->rtnl));
        if (r < 0 || !link_is_bridge(&u->bridge) || u->bridge.alias.kind != ALIAS_SWITCH ||
                        !streq(u->bridge.alias.name, u->name))
                u->bridge = (Link){ 0 };
        return 0;
}

static int restore(Uplink *u) {
        struct ether_addr mac = switch_mac(u->name);
        int result = 0;

        if (u->bridge.ifindex > 0 && u->port.ifindex > 0)
                note(&result, move_home(u));
        else if (u->bridge.ifindex > 0 && !mac_equal(&u->bridge.mac, &mac))
                note(&result, forget(u));
        else if (u->port.ifindex > 0)
                log_warning("Bridge %s is gone, and with it the addresses and routes of %s: "
                            "have them set again, for example by \"networkctl reconfigure %s\" or \"ifup --force %s\"",
                                u->bridge_name, u->port.name, u->port.name, u->port.name);
        if (u->bridge.ifindex > 0 && result != -ENODEV)
                note(&result, restore_bridge(u));
        if (u->port.ifindex > 0 && result >= 0)
                note(&result, unmark(u));
        return result;
}

int uplink_del(Uplink *u) {
        int r = -ENODEV;

        for (unsigned i = 0; i < 3 && r == -ENODEV; i++) { /* the port may go meanwhile, and the bridge */
                r = find_port(u);
                if (r >= 0)
                        r = find_bridge(u);
                if (r >= 0)
                        r = restore(u);
        }
        return r;
}

enum { OPTION_NAME = PROGRAM_OPTION_FIRST, OPTION_DEVICE, OPTION_KEEP_ADDRESS };
static const ProgramOption options[] = {
        { OPTION_NAME, "name", "SWITCH", "The switch, as its configuration calls it" },
        { OPTION_DEVICE, "device", "IF", "The interface of the host that joins it" },
        { OPTION_KEEP_ADDRESS, "keep-address", "IP/PREFIX",
                        "An address of the switch itself, which stays; may be repeated" },
        {},
};

static int keep_address(Uplink *u, const char *text) {
        IPAddress ip, *p;

        if (parse_ip_prefix(text, &ip) < 0)
                return program_usage("--keep-address=%s is not an address with a prefix, such as 10.9.0.1/24",
                                text);
        p = reallocarray(u->keep, u->n_keep + 1, sizeof(ip));
        if (!p)
                return log_oom();
        p[u->n_keep++] = ip;
        u->keep = p;
        return 0;
}

static int parse_option(int option, const char *value, void *userdata) {
        Uplink *u = userdata;

        switch (option) {
        case OPTION_NAME:
                u->name = value;
                return name_is_valid(value) ? 0 : program_usage("--name=%s is not a valid name", value);
        case OPTION_DEVICE:
                u->device = value;
                return ifname_is_valid(value)
                                       ? 0
                                       : program_usage("--device=%s is not a valid interface name", value);
        case OPTION_KEEP_ADDRESS:
                return keep_address(u, value);
        }
        return PROGRAM_USAGE;
}

static int with_bridge(const char *bridge, Uplink *u, int (*f)(Uplink *u)) {
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        int r;

        if (!ifname_is_valid(bridge))
                return program_usage("%s is not a valid interface name", bridge);
        r = rtnl_new(&rtnl);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        u->bridge_name = bridge;
        u->rtnl = rtnl;
        return f(u);
}

static int verb_add(char *words[], void *userdata) {
        return with_bridge(words[0], userdata, uplink_add);
}

static int verb_del(char *words[], void *userdata) {
        return with_bridge(words[0], userdata, uplink_del);
}

static const ProgramVerb verbs[] = {
        { "add", 1, 1, "BRIDGE",
                        "move the interface's addresses and routes to the bridge, and make it a port of it",
                        verb_add, .required = PROGRAM_BIT(OPTION_NAME) | PROGRAM_BIT(OPTION_DEVICE),
                        .options = PROGRAM_BIT(OPTION_KEEP_ADDRESS) },
        { "del", 1, 1, "BRIDGE", "take all of it back", verb_del, .required = PROGRAM_BIT(OPTION_NAME),
                        .options = PROGRAM_BIT(OPTION_KEEP_ADDRESS) },
        {},
};

static const Program program = {
        .about = "Make an interface of the host the uplink of a switch, or take it back.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        Uplink uplink = { 0 };
        int r;

        log_setup("qnet-uplink");
        r = program_run(&program, argc, argv, &uplink);
        free(uplink.keep);
        return program_exit_status(r);
}
