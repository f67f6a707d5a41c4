# SPDX-License-Identifier: LGPL-2.1-or-later
"""For the tests of qnet-uplink: a host whose eth0 leads to a LAN, which is a namespace with a gateway and a server."""
import socket
import threading
import time

from lab import *  # noqa: F401,F403
from lab import children, helper, ip, json, link, os, path, program, signal, subprocess, switch, wait_until

MAC_ETH0 = "52:54:00:77:00:10"
GATEWAY, SERVER = "192.168.77.1", "10.99.0.1"  # the server is behind the gateway
SEND_RA = """
import socket, struct, sys
interface, lifetime, valid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(interface))
prefix = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, valid, valid, 0, socket.inet_pton(socket.AF_INET6, "2001:db8:77::"))
s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, lifetime, 0, 0) + prefix, ("ff02::1", 0, 0, socket.if_nametoindex(interface)))
"""
ECHO = """
import socket, sys
s = socket.create_server((sys.argv[1], 7777), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
c = s.accept()[0]
while data := c.recv(4096):
    c.sendall(data)
"""


def uplink(*words, **options):
    return helper("qnet-uplink", *words, **options)


def knob(name, value, namespace=None, family="ipv6"):
    command = ["ip", "netns", "exec", namespace] if namespace else []
    subprocess.run([*command, "sysctl", "-qw", f"net.{family}.conf.{name}={value}"], check=True)


def in_lan(*words, **options):
    return subprocess.Popen(["ip", "netns", "exec", "lan", *words], stdin=subprocess.DEVNULL, text=True, **options)


def make_lan():
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run/netns"], check=False)
    if not os.path.ismount("/run/netns"):
        os.makedirs("/run/netns", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run/netns"], check=True)
    ip("netns add lan")
    ip(f"link add eth0 address {MAC_ETH0} type veth peer name lan0 netns lan")
    knob("lan0.accept_dad", 0, "lan")
    knob("eth0.accept_dad", 0)
    knob("all.forwarding", 1, "lan")
    for words in ("link set lo up", "link set lan0 up", f"addr add {GATEWAY}/24 dev lan0", f"addr add {SERVER}/32 dev lo",
                  "addr add fd77::1/64 dev lan0 nodad", "addr add fd99::1/128 dev lo nodad"):
        ip(f"-n lan {words}")
    ip("link set eth0 up")
    wait_until(lambda: "LOWER_UP" in link("eth0")["flags"] and "fe80" in ip("-6 addr show dev eth0 -tentative"))


def make_host():
    """What an ordinary host has, and its switch with an address of its own."""
    make_lan()
    for words in ("addr add 192.168.77.10/24 brd + dev eth0", f"route add default via {GATEWAY} dev eth0 proto dhcp metric 100",
                  "addr add fd77::10/64 dev eth0 nodad", "route add default via fd77::1 dev eth0 proto static metric 300"):
        ip(words)
    make_switch()


def make_switch(*options):
    switch("add", "s1", "--name=s1", "--address=10.9.0.1/24", "--address=fd00:9::1/64", *options)


KEEP = ("--keep-address=10.9.0.1/24", "--keep-address=fd00:9::1/64")


def add(*words, **options):
    return uplink("add", "s1", "--name=s1", "--device=eth0", *KEEP, *words, **{"says": "eth0 is now a port of s1", **options})


def delete(*words, **options):
    return uplink("del", "s1", "--name=s1", *KEEP, *words, **options)


def send_ra(lifetime=1800, valid=3600):
    assert in_lan("python3", "-c", SEND_RA, "lan0", str(lifetime), str(valid)).wait() == 0


# ---- the host's state, as ip(8) tells it ----

CLOCKS = {"valid_life_time", "preferred_life_time", "expires"}
NOISE = {"operstate", "tso_max_size", "tso_max_segs"}  # a bridge has these from its ports


class Clock(int):
    """A lifetime, in seconds; moves may round it"""

    def __eq__(self, other):
        return abs(int(self) - int(other)) < 600

    __hash__ = None


def steady(value):
    """Without what changes by itself"""
    if isinstance(value, list):
        return [steady(v) for v in value if v not in ("linkdown", "LOWER_UP", "NO-CARRIER")]
    if not isinstance(value, dict):
        return value
    out = {}
    for k, v in value.items():
        if k in CLOCKS:
            out[k] = Clock(v)
        elif k not in NOISE and not k.endswith("_timer"):
            out[k] = steady(v)
    return out


def state():
    """Addresses, routes and links; what the host is to have again."""
    found = {"addr": json.loads(ip("-j -d addr show")), "link": json.loads(ip("-j -d link show"))}
    for family in ("-4", "-6"):
        found[family] = json.loads(ip(f"{family} -j -d route show table all") or "[]")
    for a in found["addr"]:
        if a["ifname"] != "eth0":  # link-local, made when a port came
            a["addr_info"] = [i for i in a["addr_info"] if not i["local"].startswith("fe80")]
    found["-6"] = [r for r in found["-6"] if r.get("dev") == "eth0" or not r["dst"].startswith(("fe80", "ff00"))]
    return steady(found)


def settled():
    """The state, when it stays so: the kernel makes some of IPv6's routes a moment after the address."""
    end, last = time.monotonic() + 10, None
    while (now := state()) != last:
        assert time.monotonic() < end, difference(last, now)
        last = now
        time.sleep(0.1)
    return now


def difference(a, b, where=""):
    """In words; None if there is none"""
    if type(a) is not type(b):
        return f"{where}: {a} became {b}"
    if isinstance(a, dict):
        for k in {**a, **b}:
            if k not in a or k not in b:
                return f"{where}.{k}: {a.get(k, 'nothing')} became {b.get(k, 'nothing')}"
            found = difference(a[k], b[k], f"{where}.{k}")
            if found:
                return found
        return None
    if isinstance(a, list):
        if len(a) != len(b):
            return f"{where}: " + "; ".join([f"gone {x}" for x in a if x not in b] + [f"new {x}" for x in b if x not in a] or ["more than once"])
        return next((d for i in range(len(a)) if (d := difference(a[i], b[i], f"{where}[{i}]"))), None)
    return None if a == b else f"{where}: {a} became {b}"


def assert_same(before, what=""):
    end = time.monotonic() + 3
    while found := difference(before, state()):
        assert time.monotonic() < end, f"{what} {found}"
        time.sleep(0.05)


def routes(dev, family="-4"):
    """[(table, dst, gateway, metric, protocol)] that a person made"""
    found = json.loads(ip(f"{family} -j route show table all dev {dev}") or "[]")
    return {(r.get("table", "main"), r["dst"], r.get("gateway"), r.get("metric"), r.get("protocol")) for r in found
            if r.get("table") != "local" and not r["dst"].startswith(("fe80", "ff00"))}


# ---- a connection over it ----

class Chatter(threading.Thread):
    """A TCP connection to the server in the LAN, with a word every few ms, each of which comes back"""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.server = in_lan("python3", "-c", ECHO, address, stdout=subprocess.PIPE)
        children.append(self.server)
        assert self.server.stdout.readline() == "ready\n"
        self.socket = socket.create_connection((address, 7777), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stall = self.n = 0
        self.error = None
        self.going = True
        self.start()

    def run(self):
        try:
            while self.going:
                began = time.monotonic()
                word = b"%08d" % self.n
                self.socket.sendall(word)
                answer = self.socket.recv(8, socket.MSG_WAITALL)
                assert answer == word, (answer, word)
                self.n += 1
                self.stall = max(self.stall, time.monotonic() - began)
                time.sleep(0.002)
        except Exception as e:
            self.error = e

    def goes_on(self, n=50):
        before = self.n
        wait_until(lambda: self.error or self.n > before + n, 20)
        assert not self.error, repr(self.error)

    def end(self):
        self.going = False
        self.join(25)
        assert not self.error, repr(self.error)
        return self.stall


# ---- faults ----

def killed_at(call, n, *words, signal="KILL"):
    """Whether the helper was killed: at its nth system call of that name"""
    done = subprocess.run(["strace", "-f", "-o", path("strace"), "-e", f"trace={call}", "-e", f"inject={call}:signal={signal}:when={n}",
                           program("qnet-uplink"), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode in (0, -9, 137), (words, done)
    return done.returncode != 0
