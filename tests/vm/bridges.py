# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bridge=: bridges that others make. systemd-networkd, ifupdown and NetworkManager make one while a VM's tap waits for it, do
not mind the tap, and take the bridge away again, and the tap goes with it. What is no bridge is refused, an Open vSwitch with
what to do about it; and that is done, as it is said."""
from vmtest import *

SECONDS = 400
NETWORKD = Path("/etc/systemd/network")
DEVICE = "sys-subsystem-net-devices-{}.device"
# on the bridge of each: the address of the host, that of a guest
HOST, GUEST = "10.4.0.1", "10.4.0.2"


def job_of(unit):
    return re.search(rf"{re.escape(unit)}\s+start\s+(\w+)", sh("systemctl list-jobs --no-legend --full"))


def await_bridge(bridge):
    """A VM on a bridge that is not there yet: its tap waits for the device."""
    sh("systemctl stop guest", check=False)
    configure(lab=f"[VM g]\nBridge={bridge}\n")
    sh("systemd-run --quiet --collect --no-block --unit=guest -p Requires=qnet-tap@tap-g.service -p After=qnet-tap@tap-g.service sleep infinity")
    wait_for("it to wait for the bridge", lambda: job_of(DEVICE.format(bridge)))
    assert "tap-g" not in interfaces()


def on(bridge):
    return json.loads(sh("ip -j link show dev tap-g"))[0].get("master") == bridge


def comes_and_reaches(bridge):
    """Nobody starts it again: the bridge is there, so it is."""
    wait_for("the tap", lambda: succeeds("systemctl is-active --quiet guest"))
    assert on(bridge), sh("ip link")
    guest = Peer("g", f"{GUEST}/24", started=True)
    wait_for("the guest to reach the bridge", lambda: guest.reaches(HOST))
    return guest


def goes_with(bridge):
    wait_for("the bridge to go", lambda: bridge not in interfaces())
    wait_for("its end", lambda: show("guest", "ActiveState") in ("inactive", "failed"))
    wait_for("the tap to go", lambda: "tap-g" not in interfaces())
    assert show("qnet-tap@tap-g.service", "Result") == "success", show("qnet-tap@tap-g.service", "Result")


# --- systemd-networkd ----------------------------------------------------------------------------------------------

def networkd(**files):
    NETWORKD.mkdir(exist_ok=True)
    for name, text in files.items():
        name, _, kind = name.rpartition("_")
        (NETWORKD / f"{name}.{kind}").write_text(text)


def test_networkd():
    await_bridge("br0")
    networkd(br0_netdev="[NetDev]\nName=br0\nKind=bridge\n",
             br0_network=f"[Match]\nName=br0\n[Network]\nAddress={HOST}/24\nConfigureWithoutCarrier=yes\nDHCPServer=yes\n"
                         "LinkLocalAddressing=no\n",
             # whoever says so takes all interfaces from their bridges
             rest_network="[Match]\nName=tap* stray*\n[Network]\nLinkLocalAddressing=no\n")
    sh("systemctl start systemd-networkd")
    guest = comes_and_reaches("br0")
    guest.sh("ip addr flush dev eth0")
    assert guest.dhcp().startswith("10.4.0."), "its DHCP server"
    guest.close()


def test_networkd_leaves_the_tap_alone():
    sh("ip link add stray0 type dummy && ip link set stray0 master br0 up")
    sh("networkctl reload; networkctl reconfigure br0; systemctl restart systemd-networkd")
    wait_for("networkd to take what is not qnet's", lambda: "master" not in sh("ip link show dev stray0"))
    wait_for("networkd", lambda: "configured" in sh("networkctl list br0 --no-legend --no-pager"))
    assert "unmanaged" in sh("networkctl list tap-g --no-legend --no-pager") and on("br0")
    guest = Peer("g", f"{GUEST}/24", started=True)
    assert guest.reaches(HOST)
    guest.close()


def test_networkd_takes_the_bridge_away():
    sh("networkctl delete br0")
    goes_with("br0")
    sh("rm -r /etc/systemd/network/*; systemctl stop systemd-networkd.socket systemd-networkd; ip link del stray0")


# --- the others ----------------------------------------------------------------------------------------------------

def test_ifupdown():
    Path("/etc/network").mkdir(exist_ok=True)
    Path("/etc/network/interfaces").write_text(f"iface br1 inet static\n address {HOST}/24\n bridge_ports none\n bridge_fd 0\n")
    sh("mkdir -p /run/network")
    await_bridge("br1")
    sh("ifup br1")
    comes_and_reaches("br1").close()
    sh("ifdown br1")
    goes_with("br1")


def test_networkmanager():
    await_bridge("br2")
    sh("systemctl start dbus NetworkManager")
    sh(f"nmcli connection add type bridge ifname br2 con-name br2 ipv4.method manual ipv4.addresses {HOST}/24 ipv6.method disabled"
       " bridge.stp no connection.autoconnect no && nmcli connection up br2")
    comes_and_reaches("br2").close()
    assert re.search(r"^tap-g:unmanaged$", sh("nmcli -t -f DEVICE,STATE device"), re.M), sh("nmcli device")
    sh("systemctl restart NetworkManager")
    wait_for("NetworkManager to know it", lambda: "br2:connected" in sh("nmcli -t -f DEVICE,STATE device", check=False))
    assert on("br2")
    # it takes all ports from a bridge that is activated once more, and not back what is not its own
    sh("nmcli connection up br2")
    assert not on("br2")
    sh("systemctl reload qnet-tap@tap-g")
    assert on("br2")
    sh("nmcli connection delete br2")
    goes_with("br2")
    sh("systemctl stop NetworkManager")


# --- what is no bridge ---------------------------------------------------------------------------------------------

def refused(bridge):
    sh("systemctl stop guest", check=False)
    configure(lab=f"[VM g]\nBridge={bridge}\n")
    assert not succeeds("systemctl start qnet-tap@tap-g")
    said = sh("journalctl -b -o cat -u qnet-tap@tap-g.service | grep 'Cannot attach' | tail -n 1")
    sh("systemctl reset-failed qnet-tap@tap-g")
    assert "tap-g" not in interfaces()
    return said


def test_no_bridge():
    sh("ip link add other0 type dummy")
    said = refused("other0")
    assert said == "Cannot attach tap-g to other0: that is no Linux bridge but a dummy device without an alias", said


def test_open_vswitch():
    sh("ln -sf /usr/lib/openvswitch-switch/ovs-vswitchd /usr/sbin; mkdir -p /var/lib/openvswitch")  # as its package does
    sh("systemctl start openvswitch-switch && ovs-vsctl add-br ovs-main0 && ip addr add 10.4.0.1/24 dev ovs-main0 && ip link set ovs-main0 up")
    said = refused("ovs-main0")
    command, uplink = re.search(r'"(ovs-vsctl [^"]*)".* Uplink=([\w-]+)', said).groups()
    sh(command)
    configure(lab=f"[Switch s1]\nUplink={uplink}\n[VM g]\nSwitch=s1\n")
    guest = Peer("g", f"{GUEST}/24")
    assert guest.reaches(HOST)
    # two ways of an Open vSwitch
    sh("ip netns add far && ip link add far0 type veth peer name eth0 netns far && ip link set far0 up && ip -n far link set eth0 up &&"
       " ip -n far addr add 10.4.0.3/24 dev eth0 && ovs-vsctl add-port ovs-main0 far0")
    assert guest.reaches("10.4.0.3")
    sh("ovs-vsctl set port far0 tag=7")
    assert not guest.reaches("10.4.0.3", seconds=2)
    sh(f"ovs-vsctl set port {uplink} tag=7")
    assert guest.reaches("10.4.0.3") and not guest.reaches(HOST, seconds=2)
    guest.close()
    wait_for("the switch to go", lambda: "s1" not in interfaces())
    assert "master" not in sh(f"ip link show dev {uplink}")
    sh("ovs-vsctl del-br ovs-main0 && systemctl stop openvswitch-switch ovs-vswitchd ovsdb-server")


main()
