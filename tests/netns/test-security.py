# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-tap --port-security: frames as a guest would write them, and what arrives behind a second tap"""
from lab import *  # noqa: F403

EVIL = "52:54:00:00:00:66"
IP, OTHER, IP6, OTHER6 = "10.9.0.7", "10.9.0.9", "fd00::7", "fd00::9"
LL = "fe80::5054:ff:fe00:7"
ALL_NODES, ALL_MAC = "ff02::1", "33:33:00:00:00:01"
ALLOW = (f"--allow={IP}", f"--allow={IP6}")


# ---- frames ----

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(kind, payload, source=MAC, to=BROADCAST):
    return mac_bytes(to) + mac_bytes(source) + struct.pack("!H", kind) + payload


def arp(mac=MAC, address=IP, operation=1, source=MAC, hardware=1, hlen=6):
    return ethernet(0x0806, struct.pack("!HHBBH6s4s6s4s", hardware, 0x0800, hlen, 4, operation, mac_bytes(mac),
                                        socket.inet_aton(address), bytes(6), socket.inet_aton("10.9.0.1")), source)


def ipv4(protocol, payload, address=IP, to="255.255.255.255", fragment=0, **options):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 7, fragment, 64, protocol, 0,
                         socket.inet_aton(address), socket.inet_aton(to))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return ethernet(0x0800, header + payload, **options)


def udp(source, to, payload=b"x" * 20):
    return struct.pack("!HHHH", source, to, 8 + len(payload), 0) + payload


def ipv6(protocol, payload, address=IP6, to=ALL_NODES, **options):
    return ethernet(0x86DD, struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) +
                    socket.inet_pton(socket.AF_INET6, address) + socket.inet_pton(socket.AF_INET6, to) + payload,
                    **{"to": ALL_MAC, **options})


def icmp6(kind, body=bytes(4), address=IP6, to=ALL_NODES, before=b"", first=58, **options):
    """before: an extension header, whose number is first"""
    pseudo = (socket.inet_pton(socket.AF_INET6, address) + socket.inet_pton(socket.AF_INET6, to) +
              struct.pack("!II", 4 + len(body), 58))
    total = checksum(pseudo + struct.pack("!BBH", kind, 0, 0) + body)
    return ipv6(first, before + struct.pack("!BBH", kind, 0, total) + body, address, to, **options)


def target(address):
    return bytes(4) + socket.inet_pton(socket.AF_INET6, address)


def link_option(kind, mac):
    return bytes([kind, 1]) + mac_bytes(mac)


def advert(address, mac=MAC, source=None, **options):
    return icmp6(136, target(address) + link_option(2, mac), source or address, **options)


def solicit(address, source=IP6, option=link_option(1, MAC)):
    return icmp6(135, target(address) + option, source)


def tagged(frame, *vlans, kind=0x8100):
    return frame[:12] + b"".join(struct.pack("!HH", kind, v) for v in vlans) + frame[12:]


# ---- the lab ----

class Port:
    """A guest behind a tap with port security, another that listens"""

    def __init__(self, *words, mac=MAC):
        switch("add", "s1", "--name=s1", "--address=10.9.0.1/24", "--address=fd00::1/64")
        tap("add", "tap-a", "--vm=a", f"--mac={mac}", "--bridge=s1", "--port-security", *words)
        tap("add", "tap-b", "--vm=b", f"--mac={MAC2}", "--bridge=s1")
        if mac == "random":
            tap("own", "tap-a", 0, "--mac=random", f"--env-file={path('env')}")
        self.open()

    def open(self):
        # frames that are written on two processors can overtake each other
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})
        self.guest, self.other = Guest("tap-a"), Guest("tap-b", MAC2)
        wait_until(lambda: all("LOWER_UP" in link(t)["flags"] for t in ("tap-a", "tap-b", "s1")))
        self.other.frames(0.1)

    def arrives(self, frame):
        end = bytes([255]) + os.urandom(8)
        os.write(self.guest.fd, VNET_HEADER + frame)
        # then one that always passes, so that there is no need to wait for long
        os.write(self.guest.fd, VNET_HEADER + ethernet(0x88B5, end.ljust(46, b"\0"), self.mac()))
        seen, deadline = [], time.monotonic() + 5
        while not any(end in f for f in seen):
            assert time.monotonic() < deadline, "nothing passes"
            seen += self.other.frames(0.01)
        return any(f[:len(frame)] == frame or untagged(f) == untagged(frame) for f in seen)

    def mac(self):
        return re_mac(link("tap-a")["ifalias"])


def re_mac(alias):
    return alias.split("mac=")[1]


def untagged(frame):
    return frame[:12] + frame[16:] if frame[12:14] == b"\x81\x00" else frame


def counters(name="tap-a"):
    found = json.loads(tap("show", name, "--json").out)["port_security"]
    return {k: v["packets"] for k, v in found.items() if v["packets"]}


def drops(port, reason, *frames):
    before = counters().get(reason, 0)
    for i, f in enumerate(frames):
        assert not port.arrives(f), f"frame {i}, {reason}, passed: {f.hex()}"
        assert counters().get(reason, 0) == before + i + 1, f"frame {i}, {reason}: counted {counters()}"


def passes(port, *frames):
    before = counters()
    for i, f in enumerate(frames):
        assert port.arrives(f), f"frame {i} was dropped: {f.hex()}, {counters()}"
    assert counters() == before


HONEST = (
    arp(), arp(address="0.0.0.0"), arp(operation=2),
    ipv4(17, udp(5000, 5001)), ipv4(1, b"\x08\0\xf7\xff" + bytes(4)), ipv4(6, bytes(20)), ipv4(17, b"y" * 24, fragment=10),
    ipv4(17, udp(68, 67), "0.0.0.0"), ipv4(2, bytes(8), "0.0.0.0"), ipv4(17, udp(68, 67)), ipv4(17, udp(67, 5000)),
    icmp6(128), icmp6(128, address=LL), ipv6(17, udp(5000, 5001)), ipv6(17, udp(546, 547), LL),
    icmp6(135, target(IP6), "::"), icmp6(133, address="::"), icmp6(133, address=LL),
    icmp6(143, bytes(4), "::", before=b"\x3a\0\x05\x02\0\0\x01\0", first=0),
    advert(IP6), advert(LL), advert(IP6, source=LL), solicit(OTHER6), solicit("fd00::1", LL),
    icmp6(135, target("fd00::1") + b"\x0e\x01nonce0", "::"),  # RFC 7527
    ethernet(0x88CC, bytes(50)), ethernet(0x0026, b"\x42\x42\x03" + bytes(35), to="09:00:2b:00:00:05"),
)


def test_honest_frames_pass():
    passes(Port(*ALLOW), *HONEST)


def test_wrong_mac():
    port = Port(*ALLOW)
    drops(port, "wrong-mac", arp(EVIL, source=EVIL), ipv4(17, udp(1, 2), source=EVIL), icmp6(128, source=EVIL),
          ethernet(0x88B6, bytes(50), EVIL), ethernet(0x88B6, bytes(50), MAC2), tagged(arp(EVIL, source=EVIL), 5))
    assert fdb_port(EVIL) is None, "the bridge has learned it"


def test_arp():
    drops(Port(*ALLOW), "arp-spoof", arp(address=OTHER), arp(address="10.9.0.1", operation=2), arp(EVIL),
          arp(EVIL, operation=2), arp(EVIL, "0.0.0.0"), arp(hardware=6), arp(hlen=8), tagged(arp(address=OTHER), 5),
          ethernet(0x0806, arp()[14:20]))


def test_ipv4_source():
    drops(Port(*ALLOW), "ip-spoof", ipv4(17, udp(1, 2), OTHER), ipv4(1, bytes(8), "10.9.0.1"), ipv4(6, bytes(20), "0.0.0.0"),
          ipv4(17, udp(1, 2), "169.254.1.1"), ipv4(17, udp(1, 2), "0.0.0.0"), ipv4(17, udp(68, 69), "0.0.0.0"),
          ipv4(17, b"y" * 24, OTHER, fragment=10), tagged(ipv4(17, udp(1, 2), OTHER), 5), tagged(ipv4(1, bytes(8), OTHER), 0))


def test_ipv6_source():
    drops(Port(*ALLOW), "ip6-spoof", icmp6(128, address=OTHER6), ipv6(17, udp(1, 2), "fd00::1"), icmp6(128, address="::"),
          ipv6(17, udp(1, 2), "::"), ipv6(44, b"\x11\0\0\x51" + bytes(12), OTHER6), solicit(OTHER6, OTHER6),
          tagged(icmp6(128, address=OTHER6), 5))


def test_neighbour_discovery():
    drops(Port(*ALLOW), "nd-spoof", advert(OTHER6, source=IP6), advert(OTHER6, source=LL), advert("fd00::1", source=IP6),
          advert(IP6, EVIL), advert(LL, EVIL), icmp6(136, target(OTHER6)), solicit(OTHER6, option=link_option(1, EVIL)),
          solicit("fd00::1", LL, link_option(1, EVIL)), icmp6(137, bytes(36), LL),
          icmp6(136, target(OTHER6), before=b"\x3a\0\x01\x04\0\0\0\0", first=60),
          ipv6(44, b"\x3c\0\0\x01" + bytes(4) + b"\x3a\0" + bytes(6), LL), tagged(advert(OTHER6, source=IP6), 5))


def test_servers():
    port = Port(*ALLOW)
    drops(port, "dhcp-server", ipv4(17, udp(67, 68)), ipv4(17, udp(5000, 68)), ipv4(17, udp(67, 68), "0.0.0.0"),
          ipv4(17, udp(67, 68), "10.9.0.1"), ipv6(17, udp(547, 546)), ipv6(17, udp(547, 546), LL),
          tagged(ipv4(17, udp(67, 68)), 5))
    drops(port, "router-advert", icmp6(134, bytes(12), LL), icmp6(134, bytes(12)), tagged(icmp6(134, bytes(12), LL), 5),
          icmp6(134, bytes(12), LL, before=b"\x3a\0\x01\x04\0\0\0\0", first=60))


def test_hidden_frames():
    drops(Port(*ALLOW), "encapsulated", tagged(arp(), 5, 6), tagged(ipv4(17, udp(1, 2), OTHER), 5, 6),
          tagged(arp(), 5, 6, kind=0x88A8), ethernet(0x0030, b"\xaa\xaa\x03\0\0\0\x08\0" + ipv4(17, udp(1, 2), OTHER)[14:]))


def test_tagged_frames_pass_if_they_are_honest():
    passes(Port(*ALLOW), tagged(arp(), 0), tagged(ipv4(17, udp(1, 2)), 0), tagged(icmp6(128), 0))


def test_networks():
    port = Port("--allow=10.9.0.0/28", "--allow=fd00:0:0:0:8000::/65", "--allow=10.9.0.3", "--allow=fd00::7")
    inside = "fd00::8000:0:0:9"
    passes(port, arp(address="10.9.0.15"), ipv4(1, bytes(8), "10.9.0.1"), icmp6(128, address=inside), advert(inside))
    drops(port, "ip-spoof", ipv4(1, bytes(8), "10.9.0.16"))
    drops(port, "ip6-spoof", icmp6(128, address="fd00::7fff:ffff:ffff:ffff"))
    drops(port, "nd-spoof", advert("fd00::7fff:ffff:ffff:ffff", source=inside))


def test_changed_while_the_guest_runs():
    port = Port(*ALLOW)
    drops(port, "arp-spoof", arp(address=OTHER))
    words = ("--vm=a", f"--mac={MAC}", "--bridge=s1")
    for allowed in ((OTHER, OTHER6), ("10.9.0.0/24", "fd00::/64"), (IP, OTHER, OTHER6), ("10.9.0.8/29", OTHER6)):
        tap("set", "tap-a", *words, "--port-security", *[f"--allow={a}" for a in allowed])
        passes(port, arp(address=OTHER), icmp6(128, address=OTHER6), advert(OTHER6))
    drops(port, "arp-spoof", arp())
    assert counters() == {"arp-spoof": 2}, "counters go on"
    tap("set", "tap-a", *words)
    assert port.arrives(arp(EVIL, source=EVIL)) and "port_security" not in json.loads(tap("show", "tap-a", "--json").out)
    tap("set", "tap-a", *words, "--port-security", *ALLOW)
    drops(port, "wrong-mac", arp(EVIL, source=EVIL))


def test_again_changes_nothing():
    Port(*ALLOW)
    before = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout
    tap("add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1", "--port-security", *ALLOW)
    assert subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout == before


def test_without_addresses_those_of_leases():
    port = Port()
    passes(port, arp(address="0.0.0.0"), ipv4(17, udp(68, 67), "0.0.0.0"), icmp6(128, address=LL))
    drops(port, "arp-spoof", arp())
    drops(port, "ip-spoof", ipv4(1, bytes(8)))
    drops(port, "ip6-spoof", icmp6(128))
    lease("add", MAC2, OTHER, interface="s1")  # another guest's
    drops(port, "arp-spoof", arp(address=OTHER))
    lease("add", MAC, IP, interface="s1")
    lease("old", MAC, IP, interface="s1")
    lease("add", "x", IP6, interface="s1", env={"DNSMASQ_MAC": MAC})
    passes(port, arp(), ipv4(1, bytes(8)), icmp6(128), advert(IP6))
    drops(port, "arp-spoof", arp(address=OTHER))
    tap("set", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1", "--port-security")
    passes(port, arp(), ipv4(1, bytes(8)), icmp6(128), advert(IP6))
    lease("del", MAC, IP, interface="s1")
    lease("del", MAC, IP, interface="s1")
    lease("del", "x", IP6, interface="s1", env={"DNSMASQ_MAC": MAC})
    drops(port, "arp-spoof", arp())
    drops(port, "ip-spoof", ipv4(1, bytes(8)))
    drops(port, "ip6-spoof", icmp6(128))
    drops(port, "nd-spoof", advert(IP6, source=LL))


def test_leases_from_before():
    port = Port()
    words = ("--vm=a", f"--mac={MAC}", "--bridge=s1")
    tap("set", "tap-a", *words)
    lease("add", MAC, IP, interface="s1")
    tap("set", "tap-a", *words, "--port-security")
    passes(port, arp(), ipv4(1, bytes(8)))


def test_on_a_foreign_bridge_any_address():
    """qnet sees no leases there: what is not known is not judged"""
    ip("link add s1 type bridge forward_delay 0 mcast_snooping 0")
    ip("link set s1 up")
    port = Port.__new__(Port)
    for name, mac, words in (("tap-a", MAC, ["--port-security"]), ("tap-b", MAC2, [])):
        tap("add", name, f"--vm={name}", f"--mac={mac}", "--bridge=s1", *words)
    port.open()
    passes(port, arp(address=OTHER), ipv4(1, bytes(8), OTHER), icmp6(128, address=OTHER6), advert(OTHER6))
    drops(port, "wrong-mac", arp(EVIL, source=EVIL))
    drops(port, "arp-spoof", arp(EVIL))
    drops(port, "dhcp-server", ipv4(17, udp(67, 68)))
    drops(port, "router-advert", icmp6(134, bytes(12), LL))
    drops(port, "nd-spoof", advert(OTHER6, EVIL))


def test_random_mac():
    """Nothing passes until it is known"""
    switch("add", "s1", "--name=s1", "--address=10.9.0.1/24")
    tap("add", "tap-a", "--vm=a", "--mac=random", "--bridge=s1", "--port-security", *ALLOW)
    assert "not known yet" in tap("show", "tap-a").out
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    os.write(guest.fd, VNET_HEADER + arp())
    wait_until(lambda: counters() == {"wrong-mac": 1})
    guest.close()
    for _ in range(2):
        tap("own", "tap-a", 0, "--mac=random", f"--env-file={path('env')}")
        mac = re_mac(link("tap-a")["ifalias"])
        tap("add", "tap-b", "--vm=b", f"--mac={MAC2}", "--bridge=s1")
        port = Port.__new__(Port)
        port.open()
        passes(port, arp(mac, source=mac), arp(mac, source=mac, operation=2))
        drops(port, "wrong-mac", arp(), arp(EVIL, source=EVIL))
        drops(port, "arp-spoof", arp(source=mac))
        port.guest.close()
        port.other.close()


def test_with_shaping():
    """Frames from the guest take a way of their own then; what passes is shaped, and only that"""
    words = ("--vm=a", f"--mac={MAC}", "--bridge=s1", "--port-security")
    port = Port(*ALLOW, "--from-guest=rate=100000000")
    for shaped in (True, True, False, True):
        tap("set", "tap-a", *words, *ALLOW, *["--from-guest=rate=100000000"] if shaped else [])
        if shaped:
            wait_until(lambda: "LOWER_UP" in link("ifb-tap-a")["flags"])
            before = json.loads(ip("-s -j link show ifb-tap-a"))[0]["stats64"]["tx"]["packets"]
        passes(port, arp(), ipv4(17, udp(1, 2)), icmp6(128))
        drops(port, "arp-spoof", arp(address=OTHER))
        drops(port, "wrong-mac", arp(EVIL, source=EVIL))
        if shaped:
            after = json.loads(ip("-s -j link show ifb-tap-a"))[0]["stats64"]["tx"]["packets"]
            assert after == before + 3 + 5, (before, after)  # and the marks of arrives()
        else:
            assert link("ifb-tap-a") is None
    port.guest.close()
    tap("del", "tap-a")
    assert tables() == [] and link("ifb-tap-a") is None


def test_routed_guest():
    """HostAddress=: no bridge. Without --allow= it has the network of the tap."""
    tap("add", "tap-a", "--vm=a", f"--mac={MAC}", "--host-address=10.9.0.1/28", "--port-security")
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    for frame in (arp(), arp(address="10.9.0.77"), ipv4(1, bytes(8), "10.9.1.1"), arp(EVIL)):
        os.write(guest.fd, VNET_HEADER + frame)
    wait_until(lambda: counters() == {"arp-spoof": 2, "ip-spoof": 1})


def tables():
    return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout.split("\n")[:-1]


def test_goes_with_the_tap():
    port = Port(*ALLOW)
    assert tables() == ["table netdev qnet-tap-tap-a"]
    port.guest.close()
    tap("del", "tap-a")
    assert tables() == []
    tap("add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1", "--port-security", *ALLOW)
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    os.write(guest.fd, VNET_HEADER + arp(EVIL))
    wait_until(lambda: counters() == {"arp-spoof": 1})
    guest.close()
    ip("link del tap-a")  # by hand: the table may outlive it
    tap("add", "tap-a", "--vm=a", f"--mac={MAC2}", "--bridge=s1", "--port-security", f"--allow={OTHER}")
    assert counters() == {}
    ip("link del tap-a")
    tap("add", "tap-a", "--vm=a", f"--mac={MAC2}", "--bridge=s1")
    assert tables() == []
    tap("add", "tap-a", "--vm=a", f"--mac={MAC2}", "--bridge=s1", "--port-security")
    ip("link del tap-a")
    tap("del", "tap-a")
    assert tables() == []


def test_killed_at_any_call():
    """add again makes it whole, del leaves nothing; no tap that stays is without its rules"""
    from routed import each_kill
    switch("add", "s1", "--name=s1")
    words = ("tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1", "--port-security", *ALLOW)
    tap("add", *words)
    whole = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout
    tap("del", "tap-a")
    for n in each_kill("qnet-tap", "add", *words, calls="sendmsg,sendto,ioctl"):
        assert link("tap-a") is None or tables(), f"killed at call {n}: a tap without rules"
        tap("add", *words)
        assert subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout == whole, n
        tap("del", "tap-a")
    for n in each_kill("qnet-tap", "del", "tap-a", calls="sendmsg,sendto,ioctl"):
        tap("del", "tap-a")
        assert tables() == [] and link("tap-a") is None, n
        tap("add", *words)


def test_no_library_without_port_security():
    switch("add", "s1", "--name=s1")
    calls = traced("qnet-tap", "add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1")
    assert not [c for c in calls if "libnftables" in c]


def test_show():
    port = Port(*ALLOW)
    drops(port, "arp-spoof", arp(EVIL), arp(EVIL))
    out = tap("show", "tap-a").out
    assert "tap-a: tap of VM a\n" in out and f"MAC of the guest: {MAC}\n" in out and "bridge: s1\n" in out
    assert "port security has dropped:\n" in out and "    arp-spoof      2 frames, 56 bytes\n" in out, out
    assert "port security: no" in tap("show", "tap-b").out
    shown = json.loads(tap("show", "tap-a", "--json").out)
    assert shown["ifname"] == "tap-a" and shown["bridge"] == "s1" and shown["up"] is True and shown["mtu"] == 1500
    assert shown["port_security"]["arp-spoof"] == {"packets": 2, "bytes": 56}
    assert set(shown["port_security"]) == {"wrong-mac", "arp-spoof", "ip-spoof", "ip6-spoof", "nd-spoof", "dhcp-server",
                                           "router-advert", "encapsulated"}
    tap("show", "s1", status=1, says="s1 is not a tap of a VM, but the bridge of switch s1")
    tap("show", "none", status=1, says="There is no tap none")


def test_bad_arguments():
    words = ("add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1")
    tap(*words, "--allow=10.9.0.7", status=2, says="--allow= goes with --port-security")
    for bad in ("x", "10.9.0.7/33", "", "10.9.0.7 }"):
        tap(*words, "--port-security", f"--allow={bad}", status=2, says=f"--allow={bad} is not an IP address or network")
