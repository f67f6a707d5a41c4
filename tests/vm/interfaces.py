# SPDX-License-Identifier: LGPL-2.1-or-later
"""[Interface], from the configuration to what passes: VLANs, port security, a routed guest behind NAT, and what a reload of a
tap changes under a guest that runs"""
from vmtest import *

SECONDS = 240
CONFIG = """
[Switch s1]
Address=10.9.0.1/24

[VM a]
[Interface]
Switch=s1
VLAN=10

[VM b]
[Interface]
Switch=s1
VLAN=10

[VM c]
[Interface]
Switch=s1
VLAN=20

[VM router]
[Interface]
Switch=s1
TrunkVLANs=10 20
NativeVLAN=1

[VM u]
[Interface]
Switch=s1
Address=10.9.0.5

[VM p]
[Interface]
Switch=s1
Address=10.9.0.7
PortSecurity=yes

[VM r]
[Interface]
HostAddress=10.8.0.1/30
Address=10.8.0.2
NAT=yes
Forward=tcp:8080:80
"""
peers = {}


def change(old, new, tap):
    """The configuration of a running tap."""
    path = Path("/etc/qnet/lab.conf")
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))
    flaps = Path(f"/sys/class/net/{tap}/carrier_changes").read_text()
    sh(f"systemctl daemon-reload && systemctl reload qnet-tap@{tap}")
    assert Path(f"/sys/class/net/{tap}/carrier_changes").read_text() == flaps, "the guest has seen it"


def seconds(peer, ip):
    """How long a packet is on its way and back."""
    return float(re.search(r"time=([\d.]+) ms", peers[peer].sh(f"ping -n -c 2 -W 3 {ip} | tail -n 5 | grep time="))[1]) / 1000


def test_vlans():
    configure(lab=CONFIG)
    for name, address in (("a", "10.1.0.1/24"), ("b", "10.1.0.2/24"), ("c", "10.1.0.3/24"), ("router", "10.9.0.4/24"),
                          ("u", "10.9.0.5/24")):
        peers[name] = Peer(name, address)
    peers["router"].sh("for n in 10 20; do ip link add link eth0 name v$n type vlan id $n; ip link set v$n up; done;"
                       "ip addr add 10.1.0.10/24 dev v10")
    assert "vlan_filtering 1" in sh("ip -d link show s1")
    assert peers["a"].reaches("10.1.0.2")
    assert not peers["a"].reaches("10.1.0.3", seconds=2)
    assert peers["a"].reaches("10.1.0.10") and not peers["c"].reaches("10.1.0.10", seconds=2)
    assert peers["u"].reaches("10.9.0.1") and peers["u"].reaches("10.9.0.4")


def test_vlan_changed():
    change("VLAN=20\n", "VLAN=10\n", "tap-c")
    assert peers["a"].reaches("10.1.0.3")


def test_wire_changed():
    assert seconds("u", "10.9.0.1") < .1
    change("Address=10.9.0.5\n", "Address=10.9.0.5\nDelay=200ms/100ms\n", "tap-u")
    assert .3 <= seconds("u", "10.9.0.1") < .6
    change("Delay=200ms/100ms\n", "Loss=0/100%\n", "tap-u")
    assert not peers["u"].reaches("10.9.0.1", seconds=2)
    change("Loss=0/100%\n", "", "tap-u")
    assert peers["u"].reaches("10.9.0.1") and seconds("u", "10.9.0.1") < .1


def test_link_changed():
    change("Address=10.9.0.5\n", "Address=10.9.0.5\nLink=down\n", "tap-u")
    assert not peers["u"].reaches("10.9.0.1", seconds=2)
    change("Link=down\n", "", "tap-u")
    assert peers["u"].reaches("10.9.0.1")


def test_port_security():
    peers["p"] = Peer("p", "10.9.0.7/24", "10.9.0.8/24")
    assert peers["p"].reaches("10.9.0.1")
    assert not peers["p"].succeeds("ping -n -I 10.9.0.8 -c 1 -W 2 10.9.0.1")


def test_routed_guest():
    sh("ip netns add world; ip link add out type veth peer name eth0 netns world; ip addr add 192.0.2.1/24 dev out;"
       "ip link set out up; ip -n world addr add 192.0.2.2/24 dev eth0; ip -n world link set eth0 up; ip -n world link set lo up;"
       "ip -n world route add 10.8.0.0/24 via 192.0.2.1")
    peers["r"] = Peer("r", "10.8.0.2/30")
    peers["r"].sh("ip route add default via 10.8.0.1")
    wait_for("NAT", lambda: show("qnet-nat@tap-r.service", "ActiveState") == "active")
    sh("systemctl reload qnet-nat@tap-r")  # there is another way out than when it was started
    assert peers["r"].reaches("192.0.2.2")
    assert not succeeds("ip netns exec world ping -n -c 1 -W 2 10.8.0.2")
    # who connects from there is the host, and only through the port
    sh("systemd-run --quiet --collect --unit=web ip netns exec r busybox nc -ll -p 80 -e echo from-the-guest")
    answer = wait_for("the guest's answer", lambda: sh("ip netns exec world busybox nc -w 5 192.0.2.1 8080 </dev/null", check=False))
    assert answer == "from-the-guest"
    assert not succeeds("ip netns exec world busybox nc -w 3 10.8.0.2 80 </dev/null")
    sh("systemctl stop web")


def test_all_goes_with_the_taps():
    for peer in peers.values():
        peer.close()
    wait_for("the taps to go", lambda: not [i for i in interfaces() if i.startswith("tap") or i == "s1"])
    assert show("qnet-nat@tap-r.service", "ActiveState") == "inactive"
    assert "qnet" not in sh("nft list ruleset")
    sh("ip netns del world")


main()
