# SPDX-License-Identifier: LGPL-2.1-or-later
"""The labs of examples/: gw, dmz, vlan and trunk, as QemuNet's demos draw them, by the files that are installed. In the place
of each guest is a namespace, which does what the kernel's arguments in the example say. Who reaches whom, over how many
routers; at which ports of the host a frame is seen, with which tags (AF_PACKET); and that what must not arrive would, were the
configuration another."""
import itertools
import selectors
import socket
import struct
import time
from contextlib import suppress

from vmtest import *

SECONDS = 600
EXAMPLES = Path("/usr/share/doc/qnet/examples")
ETH_P_ALL, ETH_P_TEST, SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING, VLAN_VALID, SO_RCVBUFFORCE = 3, 0x88b5, 263, 8, 4, 0x10, 33
lab, hosts, ports = "", {}, {}  # which one runs; its peers; to whom an interface of the host leads
numbers = itertools.count(1)


# --- a lab ---------------------------------------------------------------------------------------------------------

def lines_of(arguments):
    """What the kernel's arguments mean for a network, as ip(8) has it."""
    for name, _, card in (a[5:].partition(":") for a in arguments if a.startswith("vlan=")):
        yield f"link add link {card} name {name} type vlan id {name.partition('.')[2]}"
        yield f"link set {name} up"
    for ip, _, gateway, mask, _, card, _ in (a[3:].split(":") for a in arguments if a.startswith("ip=")):
        yield f"addr add {ip}/{mask} dev {card}"
        if gateway:
            yield f"route add default via {gateway}"


def set_forwarding(who, value):
    with inside(hosts[who].name):
        Path("/proc/sys/net/ipv4/ip_forward").write_text(str(value))


def plug(name):
    short = name.removeprefix(f"{lab}-")
    hosts[short] = peer = Peer(name, started=True)
    arguments = re.search(r'-append "([^"]*)', Path(f"/run/systemd/generator/{vm(name)}").read_text())[1].split()
    lines = list(lines_of(arguments))
    peer.ip(*lines)
    peer.ips = [re.match(r"addr add ([\d.]+)", line)[1] for line in lines if line.startswith("addr")]
    if "sysctl.net.ipv4.ip_forward=1" in arguments:
        set_forwarding(short, 1)
    with inside(name):
        peer.icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    ports.update({tap: f"{short}.{n}" if n > 0 else short for n, tap in enumerate(peer.taps)})


def open_lab(name):
    """Starts, at once, what the machines of the lab need, and puts peers in their places."""
    global lab  # pylint: disable=global-statement
    if hosts:   # the test before has failed
        close_lab()
    if not lab:
        configure(**{each: (EXAMPLES / f"{each}.conf").read_text() for each in ("gw", "dmz", "vlan", "trunk")})
    lab = name
    vms = re.findall(r"^\[VM (\S+)\]", (EXAMPLES / f"{name}.conf").read_text(), re.M)
    assert {vm(v) for v in vms} <= set(show(f"qnet-lab@{name}.target", "Wants").split()), "not in the lab"
    needed = sh("systemctl show -P Requires -P Wants " + " ".join(map(vm, vms))).split()
    needed = " ".join({u for u in needed if u.startswith("qnet-") and u.endswith(".service")})
    sh(f"systemd-run --quiet --collect --unit=lab -p 'Requires={needed}' -p 'After={needed}' sleep infinity")
    wait_for("the lab", lambda: succeeds(f"systemctl is-active --quiet lab {needed}"))
    for v in vms:
        plug(v)


def close_lab():
    for peer in hosts.values():
        peer.icmp.close()
        peer.close()
    hosts.clear()
    ports.clear()
    sh("systemctl stop lab")
    wait_for("all of it to go", lambda: not [i for i in interfaces() if i.startswith(("tap", "tr", lab))])


def change(section, old, new, *units):
    """The running lab's configuration; units are reloaded, or restarted if they cannot."""
    path = Path(f"/etc/qnet/{lab}.conf")
    before, header, rest = path.read_text().partition(f"[{section}]\n")
    assert old in rest
    path.write_text(before + header + rest.replace(old, new, 1))
    sh(f"systemctl daemon-reload && systemctl reload-or-restart {' '.join(units)}")


# --- who reaches whom ----------------------------------------------------------------------------------------------

def echo_request(number):
    def with_sum(checksum):
        return struct.pack("!BBHHH8s", 8, 0, checksum, number, 1, b"qnet-lab")
    total = sum(struct.unpack("!8H", with_sum(0)))
    return with_sum(~((total & 0xffff) + (total >> 16)) & 0xffff)


def answers(sockets, numbered, seconds):
    """number -> routers that the answer has passed"""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for key, _ in sockets.select(left):
            packet = key.fileobj.recv(2048)
            kind, number = packet[20], struct.unpack_from("!H", packet, 24)[0]
            if kind == 0 and number in numbered:
                yield number, 64 - packet[8]


def routers_between(pairs, patience):
    """(who, whom) -> how many routers the answers to a ping have passed, for all addresses of whom; None: no answer"""
    asked = {next(numbers): (a, b, ip) for a, b in pairs for ip in hosts[b].ips}
    found = dict.fromkeys(asked)
    with selectors.DefaultSelector() as sockets:
        for who in {a for a, _ in pairs}:
            sockets.register(hosts[who].icmp, selectors.EVENT_READ)
        for _ in range(patience):
            open_ones = [n for n in asked if found[n] is None]
            for number in open_ones:
                who, _, ip = asked[number]
                with suppress(OSError):     # it knows no route, or has heard that there is none
                    hosts[who].icmp.sendto(echo_request(number), (ip, 0))
            for number, routers in answers(sockets, set(open_ones), 1):
                found[number] = routers
                if None not in found.values():
                    break
            if None not in found.values():
                break
    return {pair: {found[n] for n in asked if asked[n][:2] == pair} for pair in pairs}


def pairs(who, whom, routers):
    return {(a, b): routers for a in who.split() for b in whom.split() if a != b}


def both(some, others, routers):
    return {**pairs(some, others, routers), **pairs(others, some, routers)}


def reach(*expected):
    """These do, over so many routers, and no others."""
    expected = {pair: n for some in expected for pair, n in some.items()}
    found = routers_between(expected, patience=20)
    wrong = {pair: n for pair, n in found.items() if n != {expected[pair]}}
    assert not wrong, f"(who, whom): routers: {wrong}, not {[expected[pair] for pair in wrong]}"
    found = routers_between([p for p in itertools.permutations(hosts, 2) if p not in expected], patience=2)
    wrong = [pair for pair, n in found.items() if n != {None}]
    assert not wrong, f"reach each other: {wrong}"


# --- what is seen where --------------------------------------------------------------------------------------------

class Watch:
    """Frames that leave interfaces of the host, to a guest or to the other end of a trunk."""
    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.seen = []

    def _take(self):
        data, control, _, (ifname, _, kind, *_) = self.socket.recvmsg(65536, 256)
        if kind != PACKET_OUTGOING or ifname not in ports:
            return
        tags = []
        for level, what, value in control:
            if (level, what) == (SOL_PACKET, PACKET_AUXDATA):
                status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", value)
                tags += [tci & 0xfff] if status & VLAN_VALID else []
        while data[12:14] == b"\x81\x00":
            tags.append(struct.unpack_from("!H", data, 14)[0] & 0xfff)
            data = data[:12] + data[16:]
        self.seen.append((ports[ifname], tags, data))

    def find(self, what, seconds=.3):
        """port -> tags of the frames with these bytes, until none has come for so long"""
        self.socket.settimeout(seconds)
        try:
            while True:
                self._take()
        except TimeoutError:
            return {port: tags for port, tags, data in self.seen if what in data}

    def close(self):
        self.socket.close()


def seen_of(who, *tags, to=b"\xff" * 6):
    """Where a frame of this host is seen, sent with these tags: interface -> tags"""
    watch, text = Watch(), f"frame {next(numbers)} of {who}".encode().ljust(60)
    mac = bytes.fromhex(mac_of(hosts[who].name).replace(":", ""))
    hosts[who].send(to + mac + b"".join(struct.pack("!HH", 0x8100, tag) for tag in tags) + struct.pack("!H", ETH_P_TEST) + text)
    try:
        return watch.find(text)
    finally:
        watch.close()


def seen_of_ping(who, whom):
    """Where a ping is seen on its way there."""
    watch = Watch()
    number = next(numbers)
    hosts[who].icmp.sendto(echo_request(number), (hosts[whom].ips[0], 0))
    try:
        return set(watch.find(echo_request(number), seconds=1))
    finally:
        watch.close()


# --- the labs ------------------------------------------------------------------------------------------------------

def test_gw():
    open_lab("gw")
    reach(both("immortal", "grave opeth syl", 0), both("opeth", "syl", 0), both("grave", "opeth syl", 1))
    assert seen_of_ping("grave", "opeth") == {"immortal", "opeth"}
    assert seen_of_ping("syl", "opeth") == {"opeth"}
    assert seen_of("grave") == {"immortal": []} and seen_of("opeth") == {"immortal.1": [], "syl": []}
    assert not sh("ip -4 addr show dev gw-s1; ip -4 addr show dev gw-s2"), "the host has a part in it"


def test_gw_only_by_the_gateway():
    set_forwarding("immortal", 0)
    reach(both("immortal", "grave opeth syl", 0), both("opeth", "syl", 0))
    assert seen_of_ping("grave", "opeth") == {"immortal"}
    close_lab()


def test_dmz():
    open_lab("dmz")
    reach(both("immortal", "opeth grave syl dt nile", 0), both("syl", "dt", 0), both("opeth", "grave syl dt nile", 1),
          both("grave", "syl dt nile", 1), both("nile", "syl dt", 1))
    assert seen_of_ping("opeth", "nile") == {"immortal", "nile"}
    assert seen_of("opeth") == {"immortal": []} and seen_of("nile") == {"immortal.2": []}
    assert seen_of("syl") == {"immortal.1": [], "dt": []}


def test_dmz_with_its_rules():
    rules = re.findall(r"^# {5}(nft .*)", (EXAMPLES / "dmz.conf").read_text(), re.M)
    hosts["immortal"].sh("; ".join(["set -e", *rules]))
    reach(both("immortal", "opeth grave syl dt nile", 0), both("syl", "dt", 0),
          pairs("nile", "opeth grave syl dt", 1), pairs("opeth grave", "syl dt", 1))
    assert seen_of_ping("opeth", "nile") == {"immortal"} and seen_of_ping("syl", "nile") == {"immortal.1"}
    close_lab()


def test_vlan():
    open_lab("vlan")
    reach(both("immortal", "syl nile opeth grave", 0), both("syl", "nile", 0), both("opeth", "grave", 0),
          both("syl nile", "opeth grave", 1))
    assert seen_of("syl") == {"nile": [], "immortal": [100]} and seen_of("grave") == {"opeth": [], "immortal": [200]}
    assert seen_of("immortal", 100) == {"syl": [], "nile": []} and seen_of("immortal", 200) == {"opeth": [], "grave": []}
    assert seen_of_ping("syl", "opeth") == {"immortal", "opeth"}
    set_forwarding("immortal", 0)
    reach(both("immortal", "syl nile opeth grave", 0), both("syl", "nile", 0), both("opeth", "grave", 0))


def test_vlan_nobody_gets_into_the_other():
    assert seen_of("syl", 200) == {} and seen_of("immortal") == {} and seen_of("immortal", 300) == {}
    assert seen_of("syl", 100, 200) == {"nile": [200], "immortal": [100, 200]}
    change("VM vlan-syl", "VLAN=100", "TrunkVLANs=100 200", "qnet-tap@tap-vlan-syl")
    assert seen_of("syl", 200) == {"opeth": [], "grave": [], "immortal": [200]}, "it would not have arrived anyway"
    close_lab()


def test_trunk():
    open_lab("trunk")
    ends = {link["ifname"]: link["master"] for link in json.loads(sh("ip -j link show type veth"))}
    ports.update({end: f"to-{ 'right' if bridge == 'trunk-s1' else 'left' }" for end, bridge in ends.items()})
    assert sorted(ends.values()) == ["trunk-s1", "trunk-s2"]
    reach(both("immortal", "syl nile opeth grave", 0), both("syl", "nile", 0), both("opeth", "grave", 0),
          both("syl nile", "opeth grave", 1))
    assert seen_of("syl") == {"immortal": [100], "to-right": [100], "nile": []}
    assert seen_of("grave") == {"immortal": [200], "to-left": [200], "opeth": []}
    assert seen_of("immortal", 100) == {"syl": [], "to-right": [100], "nile": []}
    assert seen_of_ping("nile", "grave") == {"to-left", "immortal", "to-right", "grave"}, "not by the router and back"


def test_trunk_carries_no_more():
    assert seen_of("immortal") == {} and seen_of("grave", 100) == {}
    assert seen_of("nile", 100, 200) == {"to-left": [100, 200], "immortal": [100, 200], "syl": [200]}
    unit = re.search(r"qnet-trunk@\S+", sh("systemctl list-units --plain --no-legend 'qnet-trunk@*'"))[0]
    change("Switch trunk-s1", ":100,200", ":100", unit)
    assert seen_of("syl")["nile"] == [] and seen_of("grave") == {}
    close_lab()


main()
