/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Forwarding databases over rtnetlink(7), in the messages of neighbours with AF_BRIDGE
 * (linux/neighbour.h): the port behind each MAC address of a bridge, and the far ends of a VXLAN device,
 * which are its entries for the MAC address of zeros (bridge(8), "fdb append"). */

#include "nl-util.h"

static const struct ether_addr no_mac;

int fdb_get(Rtnl *rtnl, int bridge, const struct ether_addr *mac, uint16_t vlan, Neighbour *ret) {
        struct ndmsg ndm = { .ndm_family = AF_BRIDGE };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETNEIGH, 0, &ndm, sizeof(ndm));

        if (!m)
                return -ENOMEM;
        NLA_PUT(m, NDA_LLADDR, sizeof(*mac), mac);
        NLA_PUT_U32(m, NDA_MASTER, (uint32_t) bridge);
        if (vlan > 0)
                NLA_PUT_U16(m, NDA_VLAN, vlan);
        return neighbour_get_one(rtnl, m, ret);

nla_put_failure:
        return -EMSGSIZE;
}

typedef struct FdbDump {
        const struct ether_addr *mac;
        int ifindex, master; /* 0: any */
        List list;
} FdbDump;

static int dump_entry(struct nlmsghdr *h, void *userdata) {
        FdbDump *dump = userdata;
        Neighbour n;
        int r;

        r = neighbour_from_message(h, &n);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (n.ip.family != AF_UNSPEC || !n.has_mac || !mac_equal(&n.mac, dump->mac) ||
                        (dump->ifindex > 0 && n.ifindex != dump->ifindex) ||
                        (dump->master > 0 && n.master != dump->master))
                return 0;
        return list_append(&dump->list, &n, sizeof(n));
}

/* The kernel filters by what it understands of NDA_MASTER and ndm_ifindex, here again. */
static int dump_fdb(Rtnl *rtnl, FdbDump *dump, Neighbour **ret, size_t *ret_n) {
        struct ndmsg ndm = { .ndm_family = AF_BRIDGE, .ndm_ifindex = dump->ifindex };
        int r = -EINTR;

        for (unsigned i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
                _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_GETNEIGH, NLM_F_DUMP, &ndm, sizeof(ndm));
                dump->list.n = 0;
                if (!m)
                        r = -ENOMEM;
                else if (dump->master > 0 && nla_put_u32(m, NDA_MASTER, (uint32_t) dump->master) < 0)
                        r = -EMSGSIZE;
                else
                        r = rtnl_call(rtnl, m, dump_entry, dump);
        }
        if (r < 0) {
                list_done(&dump->list);
                return r == -EINTR ? -EAGAIN : r;
        }
        *ret = dump->list.items;
        *ret_n = dump->list.n;
        return 0;
}

int fdb_list(Rtnl *rtnl, int bridge, const struct ether_addr *mac, Neighbour **ret, size_t *ret_n) {
        return dump_fdb(rtnl, &(FdbDump){ .mac = mac, .master = bridge }, ret, ret_n);
}

int fdb_list_remotes(Rtnl *rtnl, int vxlan, Neighbour **ret, size_t *ret_n) {
        return dump_fdb(rtnl, &(FdbDump){ .mac = &no_mac, .ifindex = vxlan }, ret, ret_n);
}

/* remote may be NULL. NTF_SELF: of that device itself, not of the bridge that it is a port of. */
static int change_entry(Rtnl *rtnl, int type, int flags, int ifindex, const struct ether_addr *mac,
                const IPAddress *remote) {
        struct ndmsg ndm = {
                .ndm_family = AF_BRIDGE,
                .ndm_ifindex = ifindex,
                .ndm_state = NUD_PERMANENT,
                .ndm_flags = NTF_SELF,
        };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(type, flags | NLM_F_ACK, &ndm, sizeof(ndm));

        if (!m)
                return -ENOMEM;
        NLA_PUT(m, NDA_LLADDR, sizeof(*mac), mac);
        if (remote)
                NLA_PUT(m, NDA_DST, (int) ip_size(remote->family), remote->bytes);
        return rtnl_call(rtnl, m, NULL, NULL);

nla_put_failure:
        return -EMSGSIZE;
}

int fdb_set_local(Rtnl *rtnl, int bridge, const struct ether_addr *mac, bool local) {
        int r;

        if (local) {
                r = change_entry(rtnl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, bridge, mac, NULL);
                return r == -EEXIST ? 0 : r;
        }
        r = change_entry(rtnl, RTM_DELNEIGH, 0, bridge, mac, NULL);
        return r == -ENOENT ? 0 : r;
}

int fdb_add_remote(Rtnl *rtnl, int vxlan, const IPAddress *remote) {
        return change_entry(rtnl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, vxlan, &no_mac, remote);
}

int fdb_delete_remote(Rtnl *rtnl, int vxlan, const IPAddress *remote) {
        return change_entry(rtnl, RTM_DELNEIGH, 0, vxlan, &no_mac, remote);
}
