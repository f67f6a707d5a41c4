# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dnsmasq of a switch, with the command line that qnet-generator has written for it: leases, names, router
advertisements. The guests' side is made by hand."""
import re
import shlex

from lab import *  # noqa: F403
import importlib.util

_spec = importlib.util.spec_from_file_location("test_lease", Path(__file__).with_name("test-lease.py"))
_lease = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_lease)
dhcp = _lease.dhcp

CONFIG = """
[Switch s1]
Address=10.9.0.1/24 fd00:9::1/64 fd00:8::1/64
DHCP=10.9.0.100-10.9.0.109 10.9.0.120-10.9.0.129 fd00:9::100-fd00:9::1ff
DNS=yes
Domain=lab.example
RouterAdvertisement=yes
Lab=house

[VM web]
[Interface]
Switch=s1
MACAddress=52:54:00:00:00:07
Address=10.9.0.7 fd00:9::7

[VM desk]
[Interface]
Switch=s1
MACAddress=52:54:00:00:00:08

[VM 45]
[Interface]
Switch=s1
Address=10.9.0.45

[VM 10.9.0.99]
[Interface]
Switch=s1
Address=10.9.0.46

[VM stranger]
[Interface]
Switch=s1
MACAddress=random

[VM far]
Lab=house
[Interface]
Switch=s2
Address=10.8.0.7

[Switch s2]
Address=10.8.0.1/24
"""


def generate(text):
    """{unit: its text}"""
    if not shutil.which("dnsmasq"):
        raise Skip("dnsmasq is not installed")
    root, out = path("root"), path("units")
    (root / "etc/qnet").mkdir(parents=True)
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "etc/qnet/net.conf").write_text(text)
    out.mkdir()
    subprocess.run([helpers_build() / "generator/qnet-generator", out, out, out], check=True,
                   env={"QNET_ROOT": str(root), "SYSTEMD_SCOPE": "system"})
    return {p.name: p.read_text() for p in out.iterdir() if p.is_file()}


def helpers_build():
    return Path(program("x")).parents[2]


def command(unit):
    """The words of ExecStart="""
    text = re.sub(r"\\\n[ \t]*", " ", unit)
    return shlex.split(re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)[1].replace("%%", "%"))


def start_server(text=CONFIG):
    units = generate(text)
    switch(*command(units["qnet-switch@s1.service"])[1:])
    tap("add", "tap-a", "--vm=web", f"--mac={MAC}", "--bridge=s1")
    tap("add", "tap-b", "--vm=desk", f"--mac={MAC2}", "--bridge=s1")
    words = command(units["qnet-dhcp@s1.service"])
    words = [re.sub(r"^(--dhcp-leasefile=).*", rf"\g<1>{path('leases')}", w) for w in words]
    words = [re.sub(r"^(--dhcp-script=).*/", rf"\g<1>{helpers_build()}/helpers/network/", w) for w in words]
    child = subprocess.Popen(["dnsmasq", *words[1:], "--user=root", "--log-queries"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=open(path("log"), "w"))
    children.append(child)
    guests = Guest("tap-a"), Guest("tap-b", MAC2)
    carries("tap-a", "tap-b")
    wait_until(lambda: "started, version" in path("log").read_text())
    return guests


# ---- names ----

def query_packet(name, kind):
    labels = b"".join(bytes([len(w)]) + w.encode() for w in name.split("."))
    return struct.pack("!HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def skip_name(packet, at):
    while packet[at] & 0xc0 != 0xc0 and packet[at]:
        at += packet[at] + 1
    return at + (2 if packet[at] else 1)


def answers(packet):
    """(status, {address})"""
    status, n_answers = packet[3] & 15, struct.unpack("!H", packet[6:8])[0]
    at = skip_name(packet, 12) + 4
    found = set()
    for _ in range(n_answers):
        at = skip_name(packet, at)
        kind, _, _, size = struct.unpack("!HHIH", packet[at:at + 10])
        data = packet[at + 10:at + 10 + size]
        if kind in (1, 28):
            found.add(socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, data))
        at += 10 + size
    return status, found


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ask(guest, my_ip, name, kind=1, server="10.9.0.1"):
    """A question of the guest's, as it goes over the wire: (status, {address})"""
    payload = query_packet(name, kind)
    addresses_ = socket.inet_aton(my_ip) + socket.inet_aton(server)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0) + addresses_
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    frame = header + struct.pack("!HHHH", 5353, 53, 8 + len(payload), 0) + payload
    guest.arp(2, my_ip, server)
    guest.send(frame, 0x0800, to=link("s1")["address"])
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for f in guest.frames(0.1):
            if f[12:14] == b"\x08\x00" and f[23] == 17 and f[34:38] == struct.pack("!HH", 53, 5353):
                return answers(f[42:])
            if f[12:14] == b"\x08\x06":  # who has the guest's address?
                guest.arp(2, my_ip, server)
    raise AssertionError(f"no answer about {name}: {path('log').read_text()}")


def test_names_of_fixed_addresses():
    web, desk = start_server()
    for name in ("web", "web.lab.example", "WEB.lab.example"):
        assert ask(web, "10.9.0.7", name) == (0, {"10.9.0.7"}), name
        assert ask(web, "10.9.0.7", name, 28) == (0, {"fd00:9::7"}), name
    assert ask(web, "10.9.0.7", "45") == (0, {"10.9.0.45"})
    assert ask(web, "10.9.0.7", "45.lab.example") == (0, {"10.9.0.45"})
    assert ask(web, "10.9.0.7", "10.9.0.99.lab.example") == (0, {"10.9.0.46"})
    # of the lab, elsewhere
    assert ask(web, "10.9.0.7", "far.lab.example") == (0, {"10.8.0.7"})
    # there are no others in the domain, and without a dot the world is not asked
    assert ask(web, "10.9.0.7", "nobody.lab.example") == (3, set())
    assert not ask(web, "10.9.0.7", "nobody")[1]
    assert "forwarded" not in path("log").read_text()
    assert desk


def test_leases_and_their_names():
    web, desk = start_server()
    host_name = lambda name: b"\x0c" + bytes([len(name)]) + name.encode()
    assert dhcp(web) == "10.9.0.7"
    # what the guest says of itself is of no account
    address = dhcp(desk, host_name("web"))
    assert re.fullmatch(r"10\.9\.0\.1[02]\d", address), address
    assert ask(web, "10.9.0.7", "desk") == (0, {address})
    assert ask(web, "10.9.0.7", "desk.lab.example") == (0, {address})
    assert ask(web, "10.9.0.7", "web") == (0, {"10.9.0.7"})
    # nor of one that nobody knows
    desk.mac = "52:54:00:00:00:99"
    other = dhcp(desk, host_name("stranger"))
    assert other != address
    assert not ask(web, "10.9.0.7", "stranger")[1]
    assert not ask(web, "10.9.0.7", "stranger.lab.example")[1]


def test_other_names_are_asked_of_the_host():
    resolv = path("resolv.conf")
    resolv.write_text("nameserver 127.0.0.53\n")
    subprocess.run(["mount", "--bind", resolv, "/etc/resolv.conf"], check=True)
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind(("127.0.0.53", 53))
    resolver.settimeout(10)
    web, desk = start_server()
    seen = []

    def resolve():
        while len(seen) < 1:
            packet, who = resolver.recvfrom(2000)
            seen.append(packet[12:skip_name(packet, 12)])
            question = packet[12:skip_name(packet, 12) + 4]
            resolver.sendto(packet[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" +
                            socket.inet_aton("192.0.2.80"), who)

    import threading
    thread = threading.Thread(target=resolve)
    thread.start()
    assert ask(web, "10.9.0.7", "www.example.org") == (0, {"192.0.2.80"})
    thread.join()
    assert len(seen) == 1 and b"\x07example\x03org" in seen[0].lower(), seen
    assert desk


def test_listens_only_on_the_switch():
    # a server of the host, and one of another switch, have their ports
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("127.0.0.1", 53))
    web, _ = start_server()
    sockets = subprocess.run(["ss", "-Hlnup"], capture_output=True, text=True, check=True).stdout
    bound = {line.split()[3] for line in sockets.splitlines() if "dnsmasq" in line}
    assert "10.9.0.1:53" in bound, bound
    assert not any(b.startswith(("0.0.0.0:53", "[::]:53", "127.", "*:53")) or b.endswith("lo:53") for b in bound), bound
    assert web


# ---- router advertisements ----

def solicit(guest):
    """The answer to a router solicitation: {option: [data]} and the flags"""
    source, all_routers = socket.inet_pton(socket.AF_INET6, "fe80::7"), socket.inet_pton(socket.AF_INET6, "ff02::2")
    message = struct.pack("!BBHI", 133, 0, 0, 0)
    pseudo = source + all_routers + struct.pack("!II", len(message), 58)
    message = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + source + all_routers
    end = time.monotonic() + 20
    while time.monotonic() < end:
        guest.send(header + message, 0x86dd, to="33:33:00:00:00:02")
        for f in guest.frames(1):
            if f[12:14] == b"\x86\xdd" and f[20] == 58 and f[54] == 134:
                options, at, found = f[70:], 0, {}
                while at < len(options):
                    size = options[at + 1] * 8
                    found.setdefault(options[at], []).append(options[at + 2:at + size])
                    at += size
                return found, f[59]
    raise AssertionError("no router advertisement: " + path("log").read_text())


def test_router_advertisement():
    web, _ = start_server()
    options, flags = solicit(web)
    prefixes = {socket.inet_ntop(socket.AF_INET6, data[14:30]): (data[0], data[1] & 0x40) for data in options[3]}
    # SLAAC in both; DHCP, too, as one has a range
    assert prefixes == {"fd00:9::": (64, 0x40), "fd00:8::": (64, 0x40)}, prefixes
    assert flags & 0x80, "no DHCPv6"
    assert 25 in options, "no DNS server"


def test_router_advertisement_alone():
    web, _ = start_server("[Switch s1]\nAddress=fd00:9::1/64\nRouterAdvertisement=yes\n")
    options, flags = solicit(web)
    assert [(d[0], d[1] & 0x40) for d in options[3]] == [(64, 0x40)]
    assert not flags & 0x80
