# SPDX-License-Identifier: LGPL-2.1-or-later
"""VXLANDevice=: a switch that goes on at another host, over WireGuard and over MACsec. The other host is the namespace "far",
which has all of it by ip(8) and wg(8). On the wire between the two nothing of the guests is to be read."""
from vmtest import *

SECONDS = 300
MARK = "716e65742d746573"  # eight bytes of "qnet-test", as ping -p has them
SWITCH = """
[Switch wide]
MTU={mtu}
VXLAN=42
VXLANPeer=10.99.0.2
VXLANDevice={device}

[VM g]
Switch=wide
"""


class Wire:
    """What is on an interface, from now on."""
    def __init__(self, name):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((name, 0))

    def frames(self):
        self.socket.settimeout(.3)
        found = []
        try:
            while True:
                found.append(self.socket.recv(65536))
        except TimeoutError:
            return found


def make_far():
    sh("ip netns add far && ip link add under0 type veth peer name eth0 netns far && ip addr add 192.0.2.1/24 dev under0 && ip link set under0 up"
       " && ip -n far addr add 192.0.2.2/24 dev eth0 && ip -n far link set eth0 up && ip -n far link set lo up")


def far(commands):
    sh("ip netns exec far bash -ec " + shlex.quote(commands))


def reaches_unread(guest, device, is_cover):
    """Large packets arrive; they can be read on the device, and on the wire below it there is only its cover."""
    inside, outside = Wire(device), Wire("under0")
    assert guest.reaches("10.8.0.2")
    guest.sh(f"ping -n -c 3 -i .2 -w 10 -s 1300 -M do -p {MARK} 10.8.0.2")
    mark = bytes.fromhex(MARK)
    assert sum(mark in frame for frame in inside.frames()) >= 6, "not by the device"
    found = outside.frames()
    assert len([f for f in found if is_cover(f) and len(f) > 1300]) >= 6, "nothing on the wire"
    assert not [f for f in found if mark in f], "to be read on the wire"


def ends_with_device(guest):
    wait_for("the tunnel's end", lambda: show("qnet-vxlan@wide.service", "ActiveState") == "inactive")
    assert "vx-wide" not in interfaces() and "tap-g" in interfaces()
    guest.units.remove("qnet-vxlan@wide.service")
    guest.close()


def test_wireguard():
    make_far()
    keys = Path("/etc/systemd/network")
    keys.mkdir(exist_ok=True)
    sh("umask 27; for n in here there; do wg genkey >$n.key; wg pubkey <$n.key >$n.pub; done; chgrp systemd-network *.key", cwd=keys)
    (keys / "wg0.netdev").write_text(f"[NetDev]\nName=wg0\nKind=wireguard\n\n[WireGuard]\nPrivateKeyFile={keys}/here.key\nListenPort=51820\n\n"
                                     f"[WireGuardPeer]\nPublicKey={(keys / 'there.pub').read_text().strip()}\n"
                                     "AllowedIPs=10.99.0.2/32\nEndpoint=192.0.2.2:51820\n")
    (keys / "wg0.network").write_text("[Match]\nName=wg0\n\n[Network]\nAddress=10.99.0.1/24\n")
    configure(lab=SWITCH.format(device="wg0", mtu=1370))
    sh("systemctl start systemd-networkd")
    far(f"ip link add wg0 type wireguard; wg set wg0 private-key {keys}/there.key listen-port 51820 peer $(cat {keys}/here.pub)"
        " allowed-ips 10.99.0.1/32; ip addr add 10.99.0.2/24 dev wg0; ip link set wg0 up;"
        "ip link add vx type vxlan id 42 dstport 4789 local 10.99.0.2 remote 10.99.0.1 dev wg0; ip addr add 10.8.0.2/24 dev vx;"
        "ip link set vx mtu 1370 up")
    guest = Peer("g", "10.8.0.1/24")
    reaches_unread(guest, "wg0", lambda f: f[12:14] == b"\x08\x00" and f[23] == 17 and f[36:38] == (51820).to_bytes(2, "big"))
    sh("networkctl delete wg0")
    ends_with_device(guest)
    sh("systemctl stop systemd-networkd.socket systemd-networkd; rm -r /etc/systemd/network/*")


def test_macsec():
    here, there = (sh(f"{words} cat /sys/class/net/{name}/address") for words, name in (("", "under0"), ("ip netns exec far", "eth0")))
    def macsec(link, address):
        return (f"ip link add link {link} macsec0 type macsec encrypt on; ip macsec add macsec0 tx sa 0 pn 1 on key 00 {'5a' * 16};"
                f"ip macsec add macsec0 rx port 1 address {address}; ip macsec add macsec0 rx port 1 address {address} sa 0 pn 1 on key 00"
                f" {'5a' * 16}; ip link set macsec0 up;")
    far("ip link del vx; ip link del wg0; " + macsec("eth0", here) + "ip addr add 10.99.0.2/24 dev macsec0;"
        "ip link add vx type vxlan id 42 dstport 4789 local 10.99.0.2 remote 10.99.0.1 dev macsec0; ip addr add 10.8.0.2/24 dev vx;"
        "ip link set vx mtu 1400 up")
    sh("set -e; " + macsec("under0", there) + "ip addr add 10.99.0.1/24 dev macsec0")
    configure(lab=SWITCH.format(device="macsec0", mtu=1400))
    guest = Peer("g", "10.8.0.1/24")
    reaches_unread(guest, "macsec0", lambda f: f[12:14] == b"\x88\xe5")
    sh("ip link del macsec0")
    ends_with_device(guest)


main()
