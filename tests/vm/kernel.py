# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine has what network features need. It is not qnet that fails here, but what the other files stand on."""
from vmtest import *


def test_bridge_filters_vlans():
    sh("ip link add br0 type bridge vlan_filtering 1 forward_delay 0 && ip link set br0 up")
    for name, vid in (("pa", 42), ("pb", 42), ("pc", 43)):
        sh(f"ip tuntap add {name} mode tap && ip link set {name} master br0 up && bridge vlan del dev {name} vid 1"
           f" && bridge vlan add dev {name} vid {vid} pvid untagged")
    peers = {name: Peer(name, f"10.1.0.{i}/24", tap=name, mac=f"52:54:00:00:00:0{i}")
             for i, name in enumerate(("pa", "pb", "pc"), 1)}
    assert peers["pa"].reaches("10.1.0.2")
    assert not peers["pa"].reaches("10.1.0.3", seconds=2)
    assert re.search(r"52:54:00:00:00:02 dev pb vlan 42 master br0", sh("bridge fdb show br br0")), sh("bridge fdb show br br0")


def test_8021q_interface():
    sh("bridge vlan add dev br0 vid 42 self && ip link add link br0 name br0.42 type vlan id 42"
       " && ip addr add 10.1.0.9/24 dev br0.42 && ip link set br0.42 up")
    assert succeeds("ping -n -c 1 -w 10 -I br0.42 10.1.0.1")
    assert not succeeds("ping -n -c 1 -w 2 -I br0.42 10.1.0.3")


def test_netem_delays_and_tbf_shapes():
    sh("tc qdisc add dev br0.42 root netem delay 150ms")
    rtt = re.search(r"time=([\d.]+) ms", sh("ping -n -c 1 -w 10 10.1.0.1"))
    assert float(rtt[1]) >= 150, rtt[0]
    sh("tc qdisc replace dev br0.42 root tbf rate 1mbit burst 10kb latency 50ms")
    assert "tbf" in sh("tc qdisc show dev br0.42")


def test_macvtap_vxlan_nft():
    sh("ip link add link br0 name mv0 type macvtap mode bridge && ip link set mv0 up")
    index = Path("/sys/class/net/mv0/ifindex").read_text().strip()
    wait_for("its character device", lambda: Path(f"/dev/tap{index}").is_char_device())
    sh("ip link add vx0 type vxlan id 7 dstport 4789 remote 10.1.0.1 dev br0.42 && ip link set vx0 up")
    sh("nft add table inet t && nft add chain inet t input '{ type filter hook input priority 0; }'"
       " && nft add rule inet t input ip saddr 10.1.0.1 icmp type echo-reply counter drop")
    assert not succeeds("ping -n -c 1 -w 2 10.1.0.1")
    assert re.search(r"counter packets [1-9]", sh("nft list table inet t"))


def test_memory_limit_is_enforced():
    sh("systemd-run --quiet --wait -p MemoryMax=20M -p MemorySwapMax=0 --unit=eater python3 -c 'b = bytearray(100 << 20)'", check=False)
    assert "oom-kill" in sh("journalctl -b --no-pager -u eater")


main()
