# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-tap add-macvtap"""
import stat

from lab import *  # noqa: F403

MACS = ["52:54:00:00:02:00", "52:54:00:00:02:01"]


def device():
    """eth9, with the wire w9 on its other side"""
    ip("link add eth9 type veth peer name w9")
    for name in ("eth9", "w9"):
        ip(f"link set {name} up")


def add(name="mv-0", *words, vm=None, on="eth9", **options):
    n = int(name[-1])
    return tap("add-macvtap", name, f"--vm={vm or f'v{n}'}", f"--mac={MACS[n]}", f"--device={on}", *words, **options)


def mode(name="mv-0"):
    return link(name)["linkinfo"]["info_data"]["mode"]


class MacvtapGuest(Guest):
    """Reads and writes the character device as QEMU does"""

    def __init__(self, ifname):
        sys_directory, node = path("sys"), path(f"node-{ifname}")
        sys_directory.mkdir(exist_ok=True)
        if not (sys_directory / "class").exists():  # one that shows this namespace
            libc.mount(b"sysfs", str(sys_directory).encode(), b"sysfs", 0, None)
        index = link(ifname)["ifindex"]
        major, minor = (sys_directory / f"class/net/{ifname}/tap{index}/dev").read_text().split(":")
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(int(major), int(minor)))
        self.ifname, self.mac = ifname, link(ifname)["address"]
        self.fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", b"", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))


def wire():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind(("w9", 0))
    s.settimeout(0.3)
    return s


def hears(s, mac):
    try:
        while True:
            frame = s.recv(2000)
            if frame[6:12] == mac_bytes(mac) and frame[12:14] == b"\x88\xb5":
                return True
    except TimeoutError:
        return False


def test_makes_a_macvtap():
    device()
    add("mv-0", "--mtu=1400")
    t = link("mv-0")
    assert (t["ifalias"], t["address"], t["mtu"], t["link"]) == (f"qnet:vm=v0 mac={MACS[0]}", MACS[0], 1400, "eth9"), t
    assert mode() == "bridge" and "UP" in t["flags"] and "inet6" not in ip("-6 addr show dev mv-0"), t
    before = link("mv-0")
    add("mv-0", "--mtu=1400")
    assert link("mv-0") == before
    tap("del", "mv-0")
    assert link("mv-0") is None and link("eth9")
    tap("del", "mv-0")


def test_carries_frames():
    device()
    add("mv-0"), add("mv-1")
    a, b, w = MacvtapGuest("mv-0"), MacvtapGuest("mv-1"), wire()
    a.noise(to=MACS[1])
    assert b.heard(a) == {None} and not hears(w, MACS[0])
    a.noise()
    assert hears(w, MACS[0])
    w.send(mac_bytes(MACS[0]) + mac_bytes(MAC) + b"\x88\xb5" + bytes(50))
    assert [any(f[6:12] == mac_bytes(MAC) for f in g.frames()) for g in (a, b)] == [True, False]


def test_modes():
    device()
    add("mv-0", "--mode=private"), add("mv-1", "--mode=private")
    a, b = MacvtapGuest("mv-0"), MacvtapGuest("mv-1")
    a.noise(to=MACS[1])
    assert not b.heard(a)
    index = link("mv-0")["ifindex"]
    for other in ("vepa", "bridge"):
        add("mv-0", f"--mode={other}")
        assert mode() == other and link("mv-0")["ifindex"] == index
    os.close(b.fd)
    tap("del", "mv-1")
    add("mv-0", "--mode=passthru")
    assert mode() == "passthru" and link("mv-0")["ifindex"] != index
    add("mv-1", status=1, says="passthru")
    assert link("mv-1") is None


def test_link_down():
    device()
    add("mv-0", "--link=down")
    assert "UP" not in link("mv-0")["flags"]
    add("mv-0")
    assert "UP" in link("mv-0")["flags"]


def test_own():
    device()
    tap("add-macvtap", "mv-0", "--vm=v0", "--mac=random", "--device=eth9")
    tap("own", "mv-0", 0, "--mac=random", f"--env-file={path('env')}", "--pin=10.9.0.5")
    mac = path("env").read_text().strip().split("=")[1]
    t = link("mv-0")
    assert t["address"] == mac and t["ifalias"] == f"qnet:vm=v0 mac={mac}", t
    assert neighbours("mv-0")["10.9.0.5"] == (mac, "PERMANENT")


def test_adopts_one_left_half_made():
    device()
    ip("link add link eth9 name mv-0 group 1903060340 type macvtap mode vepa")
    add("mv-0")
    assert link("mv-0")["ifalias"] == f"qnet:vm=v0 mac={MACS[0]}" and mode() == "bridge"


def test_refuses():
    add(status=1, says="There is no interface eth9")
    device()
    ip("link set eth9 down")
    add(status=1, says='Type "ip link set eth9 up"')
    ip("link set eth9 up")
    ip("link add br0 type bridge")
    ip("link set eth9 master br0")
    add(status=1, says="it is a port of br0; use Bridge=br0")
    ip("link set eth9 nomaster")
    ip("link add link eth9 name mv-0 type macvtap")
    add(status=1, says="the name is taken by a macvtap device without an alias")
    tap("del", "mv-0", status=1, says="Not removing mv-0")
    ip("link del mv-0")
    add()
    add(vm="other", status=1, says="the tap of VM v0")
    add("mv-0", "--mode=shared", status=2, says="--mode=shared is not")
    tap("add", "mv-0", "--vm=v0", f"--mac={MACS[0]}", "--host-address=10.1.1.1/30", status=1, says="the name is taken")
