#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""resolve.py QNET-REAPER: which VM is meant, in a network namespace of its own with real bridges and taps.

Run as root under "unshare -n". Prints "ok NAME" or "FAIL NAME reason" per case."""

import fcntl
import json
import os
import re
import shutil
import struct
import subprocess
import sys

REAPER = sys.argv[1]
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
taps = {}
failed = 0


def sh(command):
    subprocess.run(["sh", "-ec", command], check=True, stdout=subprocess.DEVNULL)


def link(name):
    return json.loads(subprocess.run(["ip", "-j", "link", "show", name], check=True, capture_output=True).stdout)[0]


def mac(n):
    return "52:54:00:00:00:%02x" % n


def bridge(name, address):
    sh(f"ip link add {name} type bridge forward_delay 0 ageing_time 30000; ip addr add {address} dev {name};"
       f"ip link set {name} up")


def tap(name, master, vm=None, guest=None, alias=None):
    """A tap with carrier, as QEMU would hold it open."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    taps[name] = fd
    sh(f"ip link set {name} master {master} up")
    if vm:
        alias = f"qnet:vm={vm}" + (f" mac={guest}" if guest else "")
    if alias:
        subprocess.run(["ip", "link", "set", name, "alias", alias], check=True)


def reset():
    for fd in taps.values():
        os.close(fd)
    taps.clear()
    sh("for b in s1 s2 foreign; do ip link del $b 2>/dev/null || :; done")
    bridge("s1", "10.9.0.1/24")
    sh("ip addr add fd09::1/64 dev s1 nodad")
    bridge("s2", "10.8.0.1/24")
    tap("tap-a", "s1", "a", mac(0xA))
    tap("tap-b", "s1", "b", mac(0xB))
    tap("tap-c", "s2", "c", mac(0xC))
    tap("tap-x", "s1")  # somebody else's
    learn("tap-a", mac(0xA))
    learn("tap-b", mac(0xB))
    learn("tap-c", mac(0xC))


def neighbour(ip, m, dev="s1", state="reachable"):
    sh(f"ip neigh replace {ip} dev {dev} " + (f"lladdr {m} " if m else "") + f"nud {state}")


def learn(dev, m):
    """The bridge hears m on that port: a frame from the guest."""
    frame = b"\xff" * 6 + bytes.fromhex(m.replace(":", "")) + struct.pack("!H", 0x88B5) + b"\0" * 46
    os.write(taps[dev], frame)


def arp_reply(dev, sender_mac, sender_ip, ether=None):
    """From the guest behind dev to the host: sender_ip is at sender_mac."""
    host = link("s1")["address"]
    raw = lambda m: bytes.fromhex(m.replace(":", ""))
    ip = lambda a: bytes(int(x) for x in a.split("."))
    frame = (raw(host) + raw(ether or sender_mac) + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 2)
             + raw(sender_mac) + ip(sender_ip) + raw(host) + ip("10.9.0.1") + b"\0" * 18)
    os.write(taps[dev], frame)


def resolve(word):
    out = subprocess.run([REAPER, "resolve", "--json", "--", word], capture_output=True, text=True)
    answer = json.loads(out.stdout)[0]
    assert (out.returncode == 0) == ("vm" in answer), out
    return answer


def case(name, word, vm=None, error=None, **fields):
    global failed
    answer = resolve(word)
    bad = None
    if vm is not None and answer.get("vm") != vm:
        bad = f"expected VM {vm}"
    if error is not None and ("vm" in answer or not re.search(error, answer["error"])):
        bad = f"expected an error like {error}"
    for key, value in fields.items():
        if answer.get(key) != value:
            bad = f"expected {key} {value}"
    report(name, bad and f"{bad}, got {answer}")


def report(name, bad):
    global failed
    failed += bool(bad)
    print(f"FAIL {name} {bad}" if bad else f"ok {name}", flush=True)


def plain():
    reset()
    neighbour("10.9.0.10", mac(0xA))
    neighbour("10.8.0.12", mac(0xC), "s2", "stale")
    neighbour("fd09::a", mac(0xA), state="permanent")
    neighbour("fe80::5054:ff:fe00:a", mac(0xA))
    case("ipv4", "10.9.0.10", "a", ip="10.9.0.10", mac=mac(0xA), tap="tap-a", bridge="s1")
    case("ipv4 on the other bridge, stale", "10.8.0.12", "c", bridge="s2")
    case("ipv6", "fd09::a", "a", ip="fd09::a")
    case("ipv6 written otherwise", "FD09:0:0::000A", "a", ip="fd09::a")
    case("ipv6 scope", "fe80::5054:ff:fe00:a%s1", "a")
    case("ipv6 scope by index", "fe80::5054:ff:fe00:a%" + str(link("s1")["ifindex"]), "a")
    case("ipv6 scope of another bridge", "fe80::5054:ff:fe00:a%s2", error="not in the neighbour table")
    case("ipv4 with scope", "10.9.0.10%s1", error="neither an IP address")
    case("mac", mac(0xB), "b", tap="tap-b")
    case("mac upper case", mac(0xB).upper(), "b")
    case("name", "b", "b", mac=mac(0xB), tap="tap-b")
    case("unknown name", "nobody", error="no tap")
    case("unknown ip", "10.9.0.99", error="not in the neighbour table")
    case("unknown mac", "52:54:00:99:99:99", error="belongs to no VM")
    case("multicast mac", "01:00:5e:00:00:01", error="no address of a single station")
    for junk in ("10.9.0.10/24", "10.9.0", "1.2.3.4.5", "10.9.0.010", "::1::", "0x0a090000", "a b", "-h", "", "a" * 60 + ":"):
        case(f"junk {junk[:12]!r}", junk, error="")


def lost():
    reset()
    neighbour("10.9.0.10", None, state="failed")
    neighbour("10.9.0.11", None, state="incomplete")
    case("failed entry", "10.9.0.10", error="FAILED.*no MAC address any more.*Address=10.9.0.10")
    case("incomplete entry", "10.9.0.11", error="INCOMPLETE")
    neighbour("10.9.0.10", mac(0xA), state="probe")
    case("probed entry", "10.9.0.10", "a")
    sh(f"bridge fdb del {mac(0xA)} dev tap-a master")
    case("aged fdb: the alias stands in", "10.9.0.10", "a", tap="tap-a")
    case("aged fdb, by mac", mac(0xA), "a")


def unknown_mac():
    reset()
    learn("tap-a", mac(0x77))
    neighbour("10.9.0.10", mac(0x77))
    case("guest changed its mac: the port decides", "10.9.0.10", "a", mac=mac(0x77))
    case("the same by mac", mac(0x77), "a")
    learn("tap-x", mac(0x78))
    neighbour("10.9.0.12", mac(0x78))
    case("not a vm", "10.9.0.12", error="behind tap-x on bridge s1, which is not a tap of a VM")
    neighbour("10.9.0.13", mac(0x79))
    case("heard nowhere", "10.9.0.13", error="belongs to no VM on s1")
    sh("ip link set tap-x alias 'qnet:vm='")
    case("bad alias is foreign", "10.9.0.12", error="not a tap of a VM")
    sh("ip link set tap-x alias 'qnet:vm=d colour=blue'")
    case("alias without a mac, with other words", "10.9.0.12", "d")


def ambiguous():
    reset()
    neighbour("10.9.0.10", mac(0xA))
    neighbour("10.9.0.10", mac(0xC), "s2")
    case("one address on two bridges", "10.9.0.10", error="is VM a on s1 and VM c on s2|is VM c on s2 and VM a on s1")
    sh("ip link set tap-c alias 'qnet:vm=a mac=%s'" % mac(0xC))
    case("one vm on two bridges is one vm", "10.9.0.10", "a")
    reset()
    neighbour("10.9.0.10", mac(0xA))
    sh("ip link set tap-b alias 'qnet:vm=b mac=%s'" % mac(0xA))
    case("one mac in two aliases", "10.9.0.10", error="VM a .tap-a. and to VM b .tap-b.")
    case("one mac in two aliases, by mac", mac(0xA), error="VM a .tap-a. and to VM b .tap-b.")


def spoofed():
    reset()
    neighbour("10.9.0.10", mac(0xA))
    neighbour("10.9.0.11", mac(0xB))
    sh("sleep 1.1")  # net.ipv4.neigh locktime: an entry younger than a second is not overwritten
    arp_reply("tap-b", mac(0xB), "10.9.0.10")
    case("b claims a's address: b is meant, never a", "10.9.0.10", "b")
    reset()
    neighbour("10.9.0.10", mac(0xA))
    learn("tap-b", mac(0xA))
    case("b sends with a's mac: refused", "10.9.0.10", error="belongs to VM a .tap-a., but bridge s1 last heard it on tap-b, "
         "the port of VM b")
    case("the same by mac", mac(0xA), error="last heard it on tap-b")
    learn("tap-x", mac(0xA))
    case("a stranger sends with a's mac: refused", "10.9.0.10", error="last heard it on tap-x: somebody")
    learn("tap-a", mac(0xA))
    case("and it is right again", "10.9.0.10", "a")
    reset()
    neighbour("10.9.0.10", mac(0xA), state="permanent")
    arp_reply("tap-b", mac(0xB), "10.9.0.10")
    case("a pinned address cannot be claimed", "10.9.0.10", "a")
    neighbour("10.9.0.11", mac(0xB))
    sh("sleep 1.1")
    arp_reply("tap-b", mac(0xA), "10.9.0.11", ether=mac(0xB))
    case("b says its address is a's, which is pinned: refused", "10.9.0.11",
         error="claims to be at .*0a, but that is VM a, whose address is 10.9.0.10")
    neighbour("fd09::a", mac(0xA), state="permanent")
    neighbour("fe80::5054:ff:fe00:a", mac(0xA))
    neighbour("fe80::bad", mac(0xA))
    case("ipv6 made of the mac", "fe80::5054:ff:fe00:a", "a")
    case("ipv6 not made of it, another pinned: refused", "fe80::bad", error="claims to be at")


def cost():
    """Calls of the network of a look-up with 10 and with 10,000 neighbours; of an address that is pinned, and one that is not there."""
    if not shutil.which("strace"):
        print("skip cost strace is not installed")
        return
    def calls(word):
        r = subprocess.run(["strace", "-e", "trace=network", "-o", "!grep -c '(' >&2", REAPER, "resolve", "--", word], capture_output=True, text=True)
        return int(r.stderr.split()[-1])

    def many(n):
        lines = "".join(f"neigh replace 10.7.{i // 250}.{i % 250 + 1} dev s1 lladdr 02:00:00:00:{i >> 8:02x}:{i & 255:02x}"
                        " nud permanent\n" for i in range(n))
        subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)

    reset()
    neighbour("10.9.0.10", mac(0xA), state="permanent")
    many(10)
    few = [calls("10.9.0.10"), calls("10.9.0.99")]
    many(10000)
    lots = [calls("10.9.0.10"), calls("10.9.0.99")]
    n = len(subprocess.run(["ip", "neigh", "show", "dev", "s1", "nud", "permanent"], capture_output=True, text=True).stdout.splitlines())
    report(f"cost with {n} neighbours: {lots} calls of the network, with 10: {few}",
           None if few == lots and n >= 10000 else f"few={few} lots={lots} n={n}")
    sh("ip link del s1")


for group in (plain, lost, unknown_mac, ambiguous, spoofed, cost):
    try:
        group()
    except Exception as e:  # one broken group does not hide the others
        report(group.__name__, repr(e))
sys.exit(failed > 0)
