/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-tap: the taps between VMs and bridges. add (or add-macvtap), set and del are ExecStart=, ExecReload=
 * and ExecStop= of qnet-tap@.service, own is an ExecStartPre= of qemu-vm@.service. This file reads the
 * arguments; tap-*.c do the work.
 *
 * A tap bears the alias "qnet:vm=NAME mac=MAC"; only such a tap is ever adopted, changed or deleted.
 *
 * Privilege: CAP_NET_ADMIN; /dev/net/tun. own runs as root: it reads who owns a directory of the VM's
 * user. del is started as root without the unit's sandbox, which takes systemd longer than del takes, a hundred times
 * over when a switch with that many ports stops; all but CAP_NET_ADMIN it throws away itself. */

#include <pwd.h>
#include <grp.h>

#include "log.h"
#include "privilege.h"
#include "program.h"
#include "tap.h"

enum {
        OPTION_VM = PROGRAM_OPTION_FIRST,
        OPTION_MAC,
        OPTION_BRIDGE,
        OPTION_HOST_ADDRESS,
        OPTION_DEVICE,
        OPTION_MODE,
        OPTION_MTU,
        OPTION_VLAN,
        OPTION_TRUNK_VLANS,
        OPTION_NATIVE_VLAN,
        OPTION_ISOLATED,
        OPTION_QUEUES,
        OPTION_LINK,
        OPTION_TO_GUEST,
        OPTION_FROM_GUEST,
        OPTION_OWNER,
        OPTION_GROUP,
        OPTION_OWNER_OF,
        OPTION_INDEX,
        OPTION_ENV_FILE,
        OPTION_PIN,
        OPTION_STORE,
        OPTION_VHOST,
        OPTION_PORT_SECURITY,
        OPTION_ALLOW,
        OPTION_JSON,
};
static const ProgramOption options[] = {
        { OPTION_VM, "vm", "VM", "The VM" },
        { OPTION_MAC, "mac", "MAC|random", "MAC of the guest's NIC; random: own picks it" },
        { OPTION_BRIDGE, "bridge", "BRIDGE", "The bridge to attach it to" },
        { OPTION_HOST_ADDRESS, "host-address", "IP/PREFIX",
                        "Instead of a bridge: an address of the host on the tap; may be repeated" },
        { OPTION_DEVICE, "device", "IFNAME", "The interface that a macvtap is on" },
        { OPTION_MODE, "mode", "bridge|private|vepa|passthru", "How a macvtap shares it; default: bridge" },
        { OPTION_MTU, "mtu", "N", "MTU; default: the bridge's" },
        { OPTION_VLAN, "vlan", "N", "The VLAN that the guest is in, without seeing tags" },
        { OPTION_TRUNK_VLANS, "trunk-vlans", "LIST",
                        "VLANs, such as 10,20-30, that the guest has by their tags" },
        { OPTION_NATIVE_VLAN, "native-vlan", "N", "With --trunk-vlans=: the VLAN of frames without a tag" },
        { OPTION_ISOLATED, "isolated", NULL, "No traffic to other isolated ports of the bridge" },
        { OPTION_QUEUES, "queues", "N", "How often QEMU opens it; default: 1" },
        { OPTION_LINK, "link", "up|down", "down: nothing passes; default: up" },
        { OPTION_TO_GUEST, "to-guest", "SHAPE",
                        "What the wire does to frames towards the guest:\n"
                        "rate=BITPS,delay=USEC,jitter=USEC,loss=PPM,duplicate=PPM,corrupt=PPM,reorder=PPM" },
        { OPTION_FROM_GUEST, "from-guest", "SHAPE", "and to those from it" },
        { OPTION_OWNER, "owner", "USER|UID", "Who may open it; default: root" },
        { OPTION_GROUP, "group", "GROUP|GID", "Members of which group may open it" },
        { OPTION_OWNER_OF, "owner-of", "DIR", "Give it to the owner of DIR, instead of to USER" },
        { OPTION_INDEX, "index", "N", "Number of the interface in the VM, for --env-file=; default: 0" },
        { OPTION_ENV_FILE, "env-file", "FILE", "Where to write QNET_MACn=MAC and QNET_VHOSTn=on|off" },
        { OPTION_VHOST, "vhost", NULL, "Tell in --env-file= whether there is vhost-net" },
        { OPTION_STORE, "store", NULL, "Leave the descriptor of a macvtap with systemd, for QEMU" },
        { OPTION_PIN, "pin", "IP", "Make IP of the guest a permanent neighbour entry; may be repeated" },
        { OPTION_PORT_SECURITY, "port-security", NULL, "Drop what is not from the guest's own MAC and addresses" },
        { OPTION_ALLOW, "allow", "IP[/PREFIX]", "An address that the guest may use; may be repeated" },
        { OPTION_JSON, "json", NULL, "Print JSON" },
        {},
};

static TapArguments arg = { .owner = (uid_t) -1, .group = (gid_t) -1, .mode = MACVLAN_MODE_BRIDGE };

/* By number without NSS, which a user of systemd's DynamicUser= would need */
static int parse_user(const char *s, uid_t *ret) {
        unsigned n;

        if (parse_unsigned(s, 0, UINT32_MAX - 1, &n) < 0) {
                const struct passwd *p = getpwnam(s);
                if (!p)
                        return -ESRCH;
                n = p->pw_uid;
        }
        *ret = n;
        return 0;
}

static int parse_group(const char *s, gid_t *ret) {
        unsigned n;

        if (parse_unsigned(s, 0, UINT32_MAX - 1, &n) < 0) {
                const struct group *g = getgrnam(s);
                if (!g)
                        return -ESRCH;
                n = g->gr_gid;
        }
        *ret = n;
        return 0;
}

static int parse_arg_mac(const char *s) {
        arg.random_mac = streq(s, "random");
        arg.has_mac = !arg.random_mac;
        if (arg.has_mac && parse_mac(s, &arg.mac) < 0)
                return program_usage("--mac=%s is neither a MAC address of one station nor \"random\"", s);
        return 0;
}

static int append_ip(const IPAddress *ip, IPAddress **list, size_t *n) {
        IPAddress *p = reallocarray(*list, *n + 1, sizeof(*ip));

        if (!p)
                return log_oom();
        p[(*n)++] = *ip;
        *list = p;
        return 0;
}

static int add_pin(const char *s) {
        IPAddress ip;

        if (parse_ip(s, &ip) < 0)
                return program_usage("--pin=%s is not an IP address", s);
        return append_ip(&ip, &arg.pins, &arg.n_pins);
}

static int add_host_address(const char *s) {
        IPAddress ip;

        if (parse_ip_prefix(s, &ip) < 0)
                return program_usage(
                                "--host-address=%s is not an address with a prefix, such as 10.9.0.1/30", s);
        return append_ip(&ip, &arg.host_addresses, &arg.n_host_addresses);
}

static int add_allowed(const char *s) {
        IPAddress ip;

        if (parse_ip(s, &ip) < 0 && parse_ip_prefix(s, &ip) < 0)
                return program_usage("--allow=%s is not an IP address or network", s);
        return append_ip(&ip, &arg.allowed, &arg.n_allowed);
}

static int parse_mode(const char *s) {
        static const struct {
                const char *word;
                unsigned mode;
        } modes[] = {
                { "bridge", MACVLAN_MODE_BRIDGE },
                { "private", MACVLAN_MODE_PRIVATE },
                { "vepa", MACVLAN_MODE_VEPA },
                { "passthru", MACVLAN_MODE_PASSTHRU },
        };

        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (streq(s, modes[i].word)) {
                        arg.mode = modes[i].mode;
                        return 0;
                }
        return program_usage("--mode=%s is not bridge, private, vepa or passthru", s);
}

static int parse_vlan(const char *option, const char *s, unsigned *ret) {
        return parse_unsigned(s, 1, VLAN_MAX, ret) >= 0
                               ? 0
                               : program_usage("--%s=%s is not a VLAN from 1 to 4094", option, s);
}

static int parse_link(const char *s) {
        arg.link_down = streq(s, "down");
        return arg.link_down || streq(s, "up") ? 0 : program_usage("--link=%s is neither up nor down", s);
}

static int parse_shape(const char *option, const char *s, Shape *ret) {
        const char *why = NULL;
        int r = shape_parse(s, ret, &why);

        if (r == -ENOMEM)
                return log_oom();
        return r < 0 ? program_usage("--%s=%s %s", option, s, why) : 0;
}

/* How the port is on its network */
static int parse_port_option(int option, const char *value) {
        switch (option) {
        case OPTION_HOST_ADDRESS:
                return add_host_address(value);
        case OPTION_DEVICE:
                arg.device = value;
                return ifname_is_valid(value)
                                       ? 0
                                       : program_usage("--device=%s is not a valid interface name", value);
        case OPTION_MODE:
                return parse_mode(value);
        case OPTION_VLAN:
                return parse_vlan("vlan", value, &arg.access_vlan);
        case OPTION_NATIVE_VLAN:
                return parse_vlan("native-vlan", value, &arg.native_vlan);
        case OPTION_TRUNK_VLANS:
                return vlan_set_parse(value, &arg.trunk_vlans) >= 0
                                       ? 0
                                       : program_usage("--trunk-vlans=%s is not a list of VLANs from 1 to 4094, such as 10,20-30",
                                                         value);
        case OPTION_QUEUES:
                return parse_unsigned(value, 1, 256, &arg.queues) >= 0 /* the kernel's MAX_TAP_QUEUES */
                                       ? 0
                                       : program_usage("--queues=%s is not a number from 1 to 256", value);
        case OPTION_LINK:
                return parse_link(value);
        case OPTION_TO_GUEST:
                return parse_shape("to-guest", value, &arg.to_guest);
        case OPTION_FROM_GUEST:
                return parse_shape("from-guest", value, &arg.from_guest);
        case OPTION_PORT_SECURITY:
                arg.port_security = true;
                return 0;
        case OPTION_ALLOW:
                return add_allowed(value);
        case OPTION_JSON:
                arg.json = true;
                return 0;
        }
        return PROGRAM_USAGE;
}

static int parse_option(int option, const char *value, void *userdata) {
        switch (option) {
        case OPTION_VM:
                arg.vm = value;
                return name_is_valid(value) ? 0 : program_usage("--vm=%s is not a valid name", value);
        case OPTION_MAC:
                return parse_arg_mac(value);
        case OPTION_BRIDGE:
                arg.bridge = value;
                return ifname_is_valid(value)
                                       ? 0
                                       : program_usage("--bridge=%s is not a valid interface name", value);
        case OPTION_MTU:
                return parse_unsigned(value, 68, 65535, &arg.mtu) >= 0
                                       ? 0
                                       : program_usage("--mtu=%s is not a number from 68 to 65535", value);
        case OPTION_ISOLATED:
                arg.isolated = true;
                return 0;
        case OPTION_OWNER:
                return parse_user(value, &arg.owner) >= 0 ? 0
                                                          : program_usage("--owner=%s: no such user", value);
        case OPTION_GROUP:
                return parse_group(value, &arg.group) >= 0
                                       ? 0
                                       : program_usage("--group=%s: no such group", value);
        case OPTION_OWNER_OF:
                arg.owner_of = value;
                return path_is_normalized(value)
                                       ? 0
                                       : program_usage("--owner-of=%s is not a plain absolute path", value);
        case OPTION_INDEX:
                return parse_unsigned(value, 0, 999, &arg.index) >= 0
                                       ? 0
                                       : program_usage("--index=%s is not a number from 0 to 999", value);
        case OPTION_ENV_FILE:
                arg.env_file = value;
                return path_is_normalized(value)
                                       ? 0
                                       : program_usage("--env-file=%s is not a plain absolute path", value);
        case OPTION_PIN:
                return add_pin(value);
        case OPTION_STORE:
                arg.store = true;
                return 0;
        case OPTION_VHOST:
                arg.vhost = true;
                return 0;
        }
        return parse_port_option(option, value);
}

static int with_tap(const char *ifname, int (*f)(Rtnl *rtnl, const TapArguments *arguments)) {
        _cleanup_rtnl_ Rtnl *rtnl = NULL;
        int r;

        arg.ifname = ifname;
        if (!ifname_is_valid(ifname))
                return program_usage("%s is not a valid interface name", ifname);
        r = rtnl_new(&rtnl);
        if (r < 0)
                return log_error_errno(r, "Cannot open a netlink socket: %m");
        return f(rtnl, &arg);
}

static int check_port(void) {
        bool trunk = !vlan_set_is_empty(&arg.trunk_vlans);

        if (!arg.bridge == (arg.n_host_addresses == 0))
                return program_usage("Expected either --bridge= or --host-address=");
        if (!arg.bridge && (arg.isolated || arg.access_vlan > 0 || trunk))
                return program_usage("--isolated, --vlan= and --trunk-vlans= are for a tap on a bridge");
        if (arg.access_vlan > 0 && trunk)
                return program_usage("--vlan= and --trunk-vlans= do not go together; is it --native-vlan=%u?",
                                arg.access_vlan);
        if (arg.native_vlan > 0 && !trunk)
                return program_usage("--native-vlan= goes with --trunk-vlans=; alone it is --vlan=%u",
                                arg.native_vlan);
        if (arg.n_allowed > 0 && !arg.port_security)
                return program_usage("--allow= goes with --port-security");
        return 0;
}

static int verb_add(char *words[], void *userdata) {
        int r = check_port();
        return r < 0 ? r : with_tap(words[0], tap_add);
}

static int verb_set(char *words[], void *userdata) {
        int r = check_port();
        return r < 0 ? r : with_tap(words[0], tap_set);
}

static int verb_add_macvtap(char *words[], void *userdata) {
        return with_tap(words[0], tap_add_macvtap);
}

static int verb_own(char *words[], void *userdata) {
        const char *user = words[1];

        if (!user == !arg.owner_of)
                return program_usage("Expected either a user or --owner-of=");
        if (user && parse_user(user, &arg.owner) < 0)
                return program_usage("%s: no such user", user);
        if (arg.has_mac)
                return program_usage("own takes --mac=random only");
        if ((arg.random_mac || arg.vhost) != !!arg.env_file)
                return program_usage("--env-file= goes with --mac=random or --vhost, and these with it");
        return with_tap(words[0], tap_own);
}

static int verb_del(char *words[], void *userdata) {
        int r = privilege_keep_net_admin();

        if (r < 0)
                return log_error_errno(r, "Cannot drop privileges: %m");
        return with_tap(words[0], tap_del);
}

static int verb_show(char *words[], void *userdata) {
        return with_tap(words[0], tap_show);
}

#define BIT PROGRAM_BIT
#define SHAPE_OPTIONS (BIT(OPTION_TO_GUEST) | BIT(OPTION_FROM_GUEST))
#define PORT_OPTIONS                                                                               \
        (BIT(OPTION_BRIDGE) | BIT(OPTION_HOST_ADDRESS) | BIT(OPTION_MTU) | BIT(OPTION_VLAN) |      \
                        BIT(OPTION_TRUNK_VLANS) | BIT(OPTION_NATIVE_VLAN) | BIT(OPTION_ISOLATED) | \
                        BIT(OPTION_QUEUES) | BIT(OPTION_LINK) | BIT(OPTION_OWNER) | BIT(OPTION_GROUP) | \
                        BIT(OPTION_PORT_SECURITY) | BIT(OPTION_ALLOW) | SHAPE_OPTIONS)
static const ProgramVerb verbs[] = {
        { "add", 1, 1, "IFNAME", "make a persistent tap for a VM, on a bridge or with addresses of the host",
                        verb_add, .required = BIT(OPTION_VM) | BIT(OPTION_MAC), .options = PORT_OPTIONS },
        { "set", 1, 1, "IFNAME", "bring a tap in line while its VM runs; options as for add", verb_set,
                        .required = BIT(OPTION_VM) | BIT(OPTION_MAC), .options = PORT_OPTIONS },
        { "add-macvtap", 1, 1, "IFNAME",
                        "make a macvtap for a VM on an interface of the host, or bring it in line",
                        verb_add_macvtap, .required = BIT(OPTION_VM) | BIT(OPTION_MAC) | BIT(OPTION_DEVICE),
                        .options = BIT(OPTION_MODE) | BIT(OPTION_MTU) | BIT(OPTION_LINK) | SHAPE_OPTIONS },
        { "own", 1, 2, "IFNAME [USER|UID]", "give it to the user that QEMU runs as", verb_own,
                        .options = BIT(OPTION_OWNER_OF) | BIT(OPTION_MAC) | BIT(OPTION_ENV_FILE) |
                                   BIT(OPTION_INDEX) | BIT(OPTION_PIN) | BIT(OPTION_STORE) | BIT(OPTION_VHOST) },
        { "del", 1, 1, "IFNAME", "remove it", verb_del },
        { "show", 1, 1, "IFNAME", "print what is known of it, and what port security has dropped", verb_show,
                        .options = BIT(OPTION_JSON) },
        {},
};

static const Program program = {
        .about = "Make a persistent tap for a VM on a bridge; give it to the user that QEMU runs as; remove it.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        int r;

        log_setup("qnet-tap");
        r = program_run(&program, argc, argv, NULL);
        free(arg.pins);
        free(arg.host_addresses);
        free(arg.allowed);
        return program_exit_status(r);
}
