# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that are watched: port security with leases of the switch's own server, and NAT to the world and back in by a port"""
from qnettest import *

SECONDS = 20
LAB = TINY + """
[Switch s1]
Address=10.9.0.1/24
DHCP=yes
NAT=yes

[VM host1]
System=tiny
[Interface]
Switch=s1
PortSecurity=yes

[VM host2]
System=tiny
Switch=s1
"""
TAP = "/usr/libexec/qnet/qnet-tap"
guests = {}


def counters():
    tap = next(link["ifname"] for link in json.loads(sh("ip -j link")) if "qnet:vm=host1 " in link.get("ifalias", ""))
    found = json.loads(sh(f"{TAP} show {tap} --json"))["port_security"]
    return {name: c["packets"] for name, c in found.items() if c["packets"]}


def test_boot_and_reach_each_other():
    configure(lab=LAB)
    start(vm("host1"), vm("host2"))
    guests.update(host1=leased("host1", "s1"), host2=leased("host2", "s1"))
    for guest in guests.values():
        guest.wait()
    assert guests["host1"].sh(f"ping -c 1 -W 20 {guests['host2'].ip} >/dev/null && echo yes") == "yes"


def test_a_forged_address_does_not_leave_the_tap():
    before = counters()
    guests["host1"].sh(f"ip addr add 10.9.0.77/32 dev eth0; ping -c 2 -W 2 -I 10.9.0.77 {guests['host2'].ip}; true")
    wait_for("the forged frames to be counted", lambda: sum(counters().values()) >= sum(before.values()) + 1)
    assert guests["host2"].sh("ip neigh show 10.9.0.77 | grep -c lladdr; true").strip() in ("0", "")
    guests["host1"].sh("ip addr del 10.9.0.77/32 dev eth0")


def test_the_lease_counts_after_a_restart():
    sh(f"systemctl restart {vm('host1')}")
    guests["host1"] = leased("host1", "s1")
    guests["host1"].wait()
    assert guests["host1"].sh(f"ping -c 1 -W 20 {guests['host2'].ip} >/dev/null && echo yes") == "yes"


def test_reload_keeps_what_was_counted():
    before = counters()
    sh("systemctl reload 'qnet-tap@*.service'")
    assert all(counters().get(name, 0) >= n for name, n in before.items())
    guests["host1"].wait()


def test_nat_to_another_network():
    sh("ip netns add world && ip link add w0 type veth peer name eth0 netns world && ip addr add 192.0.2.1/24 dev w0 && "
       "ip link set w0 up && ip -n world addr add 192.0.2.2/24 dev eth0 && ip -n world link set eth0 up")
    try:
        start("qnet-nat@s1.service")
        sh("systemctl reload qnet-nat@s1.service")
        assert guests["host1"].sh("ping -c 1 -W 20 192.0.2.2 >/dev/null && echo yes") == "yes"
        sh("ip -n world route add default via 192.0.2.1")
        assert not succeeds(f"ip netns exec world ping -c 1 -W 2 {guests['host1'].ip}")
    finally:
        sh("ip netns del world")


def test_stop():
    stop(vm("host1"), vm("host2"), "qnet-switch@s1.service")
    wait_for("all tables to be gone", lambda: "qnet" not in sh("nft list tables"))


main()
