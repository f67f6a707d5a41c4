/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the readers of netlink messages make of good, cut and damaged ones. Each message is read from a block of exactly
 * its size, so that the sanitizer sees a step beyond. */

#include <linux/if_bridge.h>
#include <linux/if_tun.h>

#include "nl-util.h"
#include "test.h"

static const unsigned char mac_bytes[6] = { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc };
#define MUST(x) assert_true((x) >= 0)

static struct nl_msg *new_link(const char *kind) {
        struct ifinfomsg ifi = { .ifi_index = 7, .ifi_flags = IFF_UP };
        struct nl_msg *m = message_new(RTM_NEWLINK, 0, &ifi, sizeof(ifi));
        struct nlattr *info, *data;

        MUST(nla_put_string(m, IFLA_IFNAME, "tap-host1"));
        MUST(nla_put_string(m, IFLA_IFALIAS, "qnet:vm=host1 mac=52:54:00:aa:bb:cc"));
        MUST(nla_put_u32(m, IFLA_MTU, 1400));
        MUST(nla_put_u32(m, IFLA_MASTER, 3));
        MUST(nla_put(m, IFLA_ADDRESS, sizeof(mac_bytes), mac_bytes));
        info = nla_nest_start(m, IFLA_LINKINFO);
        MUST(nla_put_string(m, IFLA_INFO_KIND, kind));
        data = nla_nest_start(m, IFLA_INFO_DATA);
        MUST(nla_put_u8(m, IFLA_TUN_TYPE, IFF_TAP));
        MUST(nla_put_u32(m, IFLA_TUN_OWNER, 1234));
        nla_nest_end(m, data);
        MUST(nla_put_string(m, IFLA_INFO_SLAVE_KIND, "bridge"));
        data = nla_nest_start(m, IFLA_INFO_SLAVE_DATA);
        MUST(nla_put_u8(m, IFLA_BRPORT_ISOLATED, 1));
        nla_nest_end(m, data);
        nla_nest_end(m, info);
        return m;
}

/* A link of that kind, of which put() makes IFLA_INFO_DATA */
static struct nl_msg *new_kind(const char *kind, void (*put)(struct nl_msg *m)) {
        struct ifinfomsg ifi = { .ifi_index = 8 };
        struct nl_msg *m = message_new(RTM_NEWLINK, 0, &ifi, sizeof(ifi));
        struct nlattr *info, *data;

        MUST(nla_put_string(m, IFLA_IFNAME, "x1"));
        MUST(nla_put_u32(m, IFLA_LINK, 5));
        MUST(nla_put_u32(m, IFLA_GROUP, LINK_GROUP));
        info = nla_nest_start(m, IFLA_LINKINFO);
        MUST(nla_put_string(m, IFLA_INFO_KIND, kind));
        data = nla_nest_start(m, IFLA_INFO_DATA);
        put(m);
        nla_nest_end(m, data);
        nla_nest_end(m, info);
        return m;
}

static void put_bridge(struct nl_msg *m) {
        MUST(nla_put_u32(m, IFLA_BR_STP_STATE, 2));
        MUST(nla_put_u32(m, IFLA_BR_AGEING_TIME, 6000));
        MUST(nla_put_u16(m, IFLA_BR_GROUP_FWD_MASK, 0x4000));
        MUST(nla_put_u8(m, IFLA_BR_VLAN_FILTERING, 1));
        MUST(nla_put_u16(m, IFLA_BR_VLAN_DEFAULT_PVID, 7));
}

static void put_vlan(struct nl_msg *m) {
        MUST(nla_put_u16(m, IFLA_VLAN_ID, 42));
}

static void put_macvtap(struct nl_msg *m) {
        MUST(nla_put_u32(m, IFLA_MACVLAN_MODE, MACVLAN_MODE_VEPA));
}

static void put_vxlan(struct nl_msg *m) {
        const unsigned char ip[16] = { 0x20, 1, 0xd, 0xb8 };

        MUST(nla_put_u32(m, IFLA_VXLAN_ID, 9));
        MUST(nla_put_u16(m, IFLA_VXLAN_PORT, htons(4789)));
        MUST(nla_put(m, IFLA_VXLAN_LOCAL6, sizeof(ip), ip));
}

static void put_short_vxlan(struct nl_msg *m) {
        MUST(nla_put_u32(m, IFLA_VXLAN_ID, 9));
        MUST(nla_put_u16(m, IFLA_VXLAN_PORT, htons(4789)));
        MUST(nla_put(m, IFLA_VXLAN_GROUP, 3, mac_bytes));
}

static void put_entry(struct nl_msg *m, uint16_t vlan, uint16_t last, uint16_t flags) {
        struct bridge_vlan_info info = { .flags = flags, .vid = vlan };
        struct nlattr *entry = nla_nest_start(m, BRIDGE_VLANDB_ENTRY);

        MUST(nla_put(m, BRIDGE_VLANDB_ENTRY_INFO, sizeof(info), &info));
        if (last > 0)
                MUST(nla_put_u16(m, BRIDGE_VLANDB_ENTRY_RANGE, last));
        nla_nest_end(m, entry);
}

static struct nl_msg *new_vlans(uint16_t last) {
        struct br_vlan_msg bvm = { .family = AF_BRIDGE, .ifindex = 8 };
        struct nl_msg *m = message_new(RTM_NEWVLAN, 0, &bvm, sizeof(bvm));

        put_entry(m, 1, 0, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED);
        put_entry(m, 20, last, 0);
        return m;
}

static struct nl_msg *new_neighbour(int family, size_t dst_size, size_t mac_size) {
        struct ndmsg ndm = { .ndm_family = (uint8_t) family, .ndm_ifindex = 3, .ndm_state = NUD_STALE };
        struct nl_msg *m = message_new(RTM_NEWNEIGH, 0, &ndm, sizeof(ndm));
        const unsigned char dst[32] = { 10, 9, 0, 7 };

        if (dst_size > 0)
                MUST(nla_put(m, NDA_DST, (int) dst_size, dst));
        if (mac_size > 0)
                MUST(nla_put(m, NDA_LLADDR, (int) mac_size, mac_size == 6 ? mac_bytes : dst));
        MUST(nla_put_u32(m, NDA_MASTER, 9));
        return m;
}

static struct nl_msg *new_address(int family, size_t size, uint8_t prefix) {
        struct ifaddrmsg ifa = {
                .ifa_family = (uint8_t) family,
                .ifa_prefixlen = prefix,
                .ifa_index = 3,
                .ifa_flags = IFA_F_PERMANENT,
        };
        struct nl_msg *m = message_new(RTM_NEWADDR, 0, &ifa, sizeof(ifa));
        const unsigned char bytes[32] = { 10, 9, 0, 1 };

        MUST(nla_put(m, IFA_LOCAL, (int) size, bytes));
        MUST(nla_put(m, IFA_ADDRESS, (int) size, bytes));
        return m;
}

static int read_any(struct nlmsghdr *h) {
        PortVlans vlans = { 0 };
        Neighbour neighbour;
        LinkAddress address;
        Route route;
        IPAddress ip;
        Vxlan vxlan;
        Link link;
        int ifindex;

        switch (h->nlmsg_type) {
        case RTM_NEWLINK:
                (void) vxlan_from_message(h, &vxlan);
                return link_from_message(h, &link);
        case RTM_NEWVLAN:
                return vlans_from_message(h, 8, &vlans);
        case RTM_NEWNEIGH:
                return neighbour_from_message(h, &neighbour);
        case RTM_NEWROUTE:
                return route_from_message(h, &route);
        default:
                return address_from_message(h, &ifindex, &ip) +
                       link_address_from_message(h, &ifindex, &address);
        }
}

static void test_link(void **state) {
        _cleanup_nl_msg_ struct nl_msg *m = new_link("tun"), *other = new_link("veth");
        Link link;

        assert_int_equal(link_from_message(nlmsg_hdr(m), &link), 0);
        assert_int_equal(link.ifindex, 7);
        assert_int_equal(link.master, 3);
        assert_int_equal(link.mtu, 1400);
        assert_string_equal(link.name, "tap-host1");
        assert_string_equal(link.alias.name, "host1");
        assert_int_equal(link.alias.kind, ALIAS_TAP);
        assert_true(link.has_mac && link.alias.has_mac && mac_equal(&link.mac, &link.alias.mac));
        assert_true(link.is_tap && link.isolated);
        assert_int_equal(link.owner, 1234);
        assert_int_equal(link.group, (gid_t) -1);

        assert_int_equal(link_from_message(nlmsg_hdr(other), &link), 0);
        assert_false(link.is_tap);
        assert_int_equal(link.owner, (uid_t) -1);
}

static void test_kinds(void **state) {
        _cleanup_nl_msg_ struct nl_msg *bridge = new_kind("bridge", put_bridge),
                                       *vlan = new_kind("vlan", put_vlan),
                                       *macvtap = new_kind("macvtap", put_macvtap),
                                       *other = new_kind("macvlan", put_macvtap);
        Link link;

        assert_int_equal(link_from_message(nlmsg_hdr(bridge), &link), 0);
        assert_true(link.bridge.stp && link.bridge.filters_vlans && link.has_vlans && link_is_bridge(&link));
        assert_int_equal(link.bridge.ageing, 6000);
        assert_int_equal(link.bridge.group_forward_mask, 0x4000);
        assert_int_equal(link.default_pvid, 7);
        assert_int_equal(link.lower, 5);
        assert_int_equal(link.link_group, LINK_GROUP);
        assert_int_equal(link_from_message(nlmsg_hdr(vlan), &link), 0);
        assert_int_equal(link.vlan, 42);
        assert_int_equal(link_from_message(nlmsg_hdr(macvtap), &link), 0);
        assert_int_equal(link.macvlan_mode, MACVLAN_MODE_VEPA);
        assert_int_equal(link_from_message(nlmsg_hdr(other), &link), 0);
        assert_int_equal(link.macvlan_mode, 0);
}

static void test_vxlan(void **state) {
        _cleanup_nl_msg_ struct nl_msg *m = new_kind("vxlan", put_vxlan),
                                       *cut = new_kind("vxlan", put_short_vxlan),
                                       *other = new_kind("bridge", put_bridge);
        Vxlan v;

        assert_int_equal(vxlan_from_message(nlmsg_hdr(m), &v), 0);
        assert_int_equal(v.vni, 9);
        assert_int_equal(v.port, 4789);
        assert_int_equal(v.local.family, AF_INET6);
        assert_int_equal(v.group.family, AF_UNSPEC);
        assert_int_equal(vxlan_from_message(nlmsg_hdr(cut), &v), -EBADMSG);
        assert_int_equal(vxlan_from_message(nlmsg_hdr(other), &v), -EINVAL);
}

static void test_vlans(void **state) {
        _cleanup_nl_msg_ struct nl_msg *m = new_vlans(30), *beyond = new_vlans(4095);
        PortVlans vlans = { 0 }, expected = port_vlans_access(1);

        for (unsigned v = 20; v <= 30; v++)
                vlan_set_add(&expected.members, v);
        assert_int_equal(vlans_from_message(nlmsg_hdr(m), 9, &vlans), 0);
        assert_true(vlan_set_is_empty(&vlans.members));
        assert_int_equal(vlans_from_message(nlmsg_hdr(m), 8, &vlans), 0);
        assert_true(port_vlans_equal(&vlans, &expected));
        assert_int_equal(vlans_from_message(nlmsg_hdr(beyond), 8, &vlans), -EBADMSG);
}

#define neighbour_one(af, dst_size, mac_size, result, expect_mac)                          \
        do {                                                                               \
                _cleanup_nl_msg_ struct nl_msg *m = new_neighbour(af, dst_size, mac_size); \
                Neighbour n = { .has_mac = expect_mac };                                   \
                assert_int_equal(neighbour_from_message(nlmsg_hdr(m), &n), result);        \
                assert_int_equal(n.has_mac, expect_mac);                                   \
                if (result == 0)                                                           \
                        assert_int_equal(n.ip.family, af == AF_BRIDGE ? AF_UNSPEC : af);   \
        } while (0)

static void test_neighbour(void **state) {
        neighbour_one(AF_INET, 4, 6, 0, true);
        neighbour_one(AF_INET6, 16, 6, 0, true);
        neighbour_one(AF_INET, 4, 0, 0, false);
        neighbour_one(AF_INET, 4, 20, 0, false); /* of another kind of hardware */
        neighbour_one(AF_INET, 4, 4, 0, false);
        neighbour_one(AF_BRIDGE, 0, 6, 0, true);
        neighbour_one(AF_INET, 16, 6, -EBADMSG, false);
        neighbour_one(AF_INET, 3, 6, -EBADMSG, false);
        neighbour_one(AF_INET6, 4, 6, -EBADMSG, false);
        neighbour_one(AF_INET6, 32, 6, -EBADMSG, false);
        neighbour_one(AF_INET, 0, 6, -EBADMSG, false);
        neighbour_one(AF_DECnet, 4, 6, -ENOENT, false);
        neighbour_one(AF_BRIDGE, 4, 6, 0, true); /* of a VXLAN device: to another host */
        neighbour_one(AF_BRIDGE, 16, 6, 0, true);
        neighbour_one(AF_BRIDGE, 5, 6, -EBADMSG, false);
}

#define address_one(af, size, prefix_length, result)                                         \
        do {                                                                                 \
                _cleanup_nl_msg_ struct nl_msg *m = new_address(af, size, prefix_length);    \
                IPAddress ip;                                                                \
                int ifindex;                                                                 \
                assert_int_equal(address_from_message(nlmsg_hdr(m), &ifindex, &ip), result); \
        } while (0)

static void test_address(void **state) {
        address_one(AF_INET, 4, 24, 0);
        address_one(AF_INET6, 16, 128, 0);
        address_one(AF_INET, 4, 33, -EBADMSG);
        address_one(AF_INET, 16, 24, -EBADMSG);
        address_one(AF_INET6, 4, 64, -EBADMSG);
        address_one(AF_PACKET, 6, 0, -ENOENT);
}

static void test_link_address(void **state) {
        struct ifaddrmsg ifa = {
                .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 3, .ifa_scope = RT_SCOPE_LINK
        };
        const struct ifa_cacheinfo times = { .ifa_valid = 100, .ifa_prefered = 50 };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_NEWADDR, 0, &ifa, sizeof(ifa)), *plain = NULL;
        static const unsigned char ip[] = { 10, 9, 0, 1, 10, 9, 0, 2, 10, 9, 0, 255 };
        LinkAddress a;
        int ifindex;

        MUST(nla_put(m, IFA_LOCAL, 4, ip));
        MUST(nla_put(m, IFA_ADDRESS, 4, ip + 4));
        MUST(nla_put(m, IFA_BROADCAST, 4, ip + 8));
        MUST(nla_put_string(m, IFA_LABEL, "eth0:web"));
        MUST(nla_put_u32(m, IFA_FLAGS, IFA_F_NOPREFIXROUTE));
        MUST(nla_put_u32(m, IFA_RT_PRIORITY, 77));
        MUST(nla_put(m, IFA_CACHEINFO, sizeof(times), &times));
        assert_int_equal(link_address_from_message(nlmsg_hdr(m), &ifindex, &a), 0);
        assert_memory_equal(a.ip.bytes, ip, 4);
        assert_memory_equal(a.peer.bytes, ip + 4, 4);
        assert_memory_equal(a.broadcast, ip + 8, 4);
        assert_string_equal(a.label, "eth0:web");
        assert_true(a.flags == IFA_F_NOPREFIXROUTE && a.metric == 77 && a.scope == RT_SCOPE_LINK);
        assert_true(a.valid == 100 && a.preferred == 50 && ifindex == 3);

        plain = new_address(AF_INET, 4, 24);
        assert_int_equal(link_address_from_message(nlmsg_hdr(plain), &ifindex, &a), 0);
        assert_true(a.peer.family == AF_UNSPEC && a.valid == UINT32_MAX && a.preferred == UINT32_MAX);
}

static struct nl_msg *new_route(int family, size_t size) {
        struct rtmsg rtm = { .rtm_family = (uint8_t) family,
                .rtm_dst_len = 16,
                .rtm_type = RTN_UNICAST,
                .rtm_protocol = RTPROT_DHCP };
        const struct rta_cacheinfo cache = { .rta_expires = (int) (30 * sysconf(_SC_CLK_TCK)) };
        struct nl_msg *m = message_new(RTM_NEWROUTE, 0, &rtm, sizeof(rtm));
        const unsigned char bytes[32] = { 10, 9, 0, 1 };

        MUST(nla_put(m, RTA_DST, (int) size, bytes));
        MUST(nla_put(m, RTA_GATEWAY, (int) size, bytes));
        MUST(nla_put_u32(m, RTA_TABLE, 1000));
        MUST(nla_put_u32(m, RTA_PRIORITY, 7));
        MUST(nla_put(m, RTA_CACHEINFO, sizeof(cache), &cache));
        return m;
}

static void test_route(void **state) {
        _cleanup_nl_msg_ struct nl_msg *good = new_route(AF_INET6, 16), *bad = new_route(AF_INET, 16);
        Route route;

        assert_int_equal(route_from_message(nlmsg_hdr(good), &route), 0);
        assert_true(route.table == 1000 && route.metric == 7 && route.expires == 30 &&
                        route.protocol == RTPROT_DHCP);
        assert_true(route.destination.prefix == 16 && route.gateway.family == AF_INET6);
        assert_true(route.source.family == AF_UNSPEC && !route.multipath && !route.nexthop_object);
        assert_int_equal(route_from_message(nlmsg_hdr(bad), &route), -EBADMSG);
}

/* Cut at every length, also where the header tells so */
static void cut_one(struct nl_msg *m) {
        uint32_t size = nlmsg_hdr(m)->nlmsg_len;

        for (uint32_t n = sizeof(struct nlmsghdr); n < size; n++) {
                _cleanup_free_ struct nlmsghdr *copy = malloc(n);
                memcpy(copy, nlmsg_hdr(m), n);
                copy->nlmsg_len = n;
                (void) read_any(copy);
        }
        nlmsg_free(m);
}

/* Bytes of the payload at random, the same every time */
static void damage_one(struct nl_msg *m) {
        uint32_t size = nlmsg_hdr(m)->nlmsg_len, seed = 4711;

        for (unsigned i = 0; i < 20000; i++) {
                _cleanup_free_ struct nlmsghdr *copy = malloc(size);
                memcpy(copy, nlmsg_hdr(m), size);
                for (unsigned k = 0; k < 1 + i % 4; k++) {
                        seed = seed * 1103515245 + 12345;
                        ((unsigned char *) copy)[sizeof(*copy) + (seed >> 16) % (size - sizeof(*copy))] =
                                        (unsigned char) (seed >> 8);
                }
                (void) read_any(copy);
        }
        nlmsg_free(m);
}

static void test_cut(void **state) {
        cut_one(new_link("tun"));
        cut_one(new_neighbour(AF_INET6, 16, 6));
        cut_one(new_address(AF_INET6, 16, 64));
        cut_one(new_route(AF_INET6, 16));
        cut_one(new_kind("bridge", put_bridge));
        cut_one(new_kind("vxlan", put_vxlan));
        cut_one(new_vlans(30));
}

static void test_damaged(void **state) {
        damage_one(new_link("tun"));
        damage_one(new_neighbour(AF_INET6, 16, 6));
        damage_one(new_address(AF_INET6, 16, 64));
        damage_one(new_route(AF_INET6, 16));
        damage_one(new_kind("bridge", put_bridge));
        damage_one(new_kind("vxlan", put_vxlan));
        damage_one(new_vlans(30));
}

static void test_too_short_for_its_header(void **state) {
        static const struct ndmsg ndm = { .ndm_family = AF_INET };
        _cleanup_nl_msg_ struct nl_msg *m = message_new(RTM_NEWNEIGH, 0, &ndm, sizeof(ndm) - 1);
        Neighbour n;

        assert_int_equal(neighbour_from_message(nlmsg_hdr(m), &n), -EBADMSG);
}

static void test_states(void **state) {
        assert_string_equal(neighbour_state_to_string(NUD_PERMANENT), "PERMANENT");
        assert_string_equal(neighbour_state_to_string(NUD_FAILED), "FAILED");
        assert_string_equal(neighbour_state_to_string(NUD_NONE), "NONE");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_link),
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_vxlan),
                cmocka_unit_test(test_vlans),
                cmocka_unit_test(test_neighbour),
                cmocka_unit_test(test_address),
                cmocka_unit_test(test_link_address),
                cmocka_unit_test(test_route),
                cmocka_unit_test(test_cut),
                cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_too_short_for_its_header),
                cmocka_unit_test(test_states),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
