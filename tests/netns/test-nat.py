# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-nat: real packets between namespaces"""
from routed import *  # noqa: F403

KINDS = ("tcp", "udp", "ping")
PATIENCE = 15  # for what is to come; a failure is as slow as this
OLD_KERNEL = "/proc/sys/net/ipv6/conf/all/force_forwarding"


def nat(*words, **options):
    return helper("qnet-nat", *words, **options)


def add(*words, name="s1", **options):
    return nat("add", name, f"--device={name}", *words, **options)


def rules():
    """Of all tables; the order of a set's elements is another each time"""
    return sorted(nft("list ruleset").replace(",", " ").split())


def make(name="s1", network="10.9.0", network6="fd00:"):
    switch("add", name, f"--name={name}", f"--address={network}.1/24", f"--address={network6}:1/64")


def pretend_old_kernel():
    """As before Linux 6.17: no force_forwarding"""
    if os.path.exists(OLD_KERNEL):
        subprocess.run(["mount", "--bind", "/dev/null", OLD_KERNEL], check=True)


def asks_all(node, address, address6, seconds=0.5):
    """{(kind, family): answer}"""
    return {(kind, version): node.ask(kind, a, seconds=seconds)
            for kind in KINDS for version, a in ((4, address), (6, address6))}


def answers(seen4, seen6):
    return {(kind, version): "yes" if kind == "ping" else seen
            for kind in KINDS for version, seen in ((4, seen4), (6, seen6))}


NOTHING = {(kind, version): None for kind in KINDS for version in (4, 6)}


def guests_reach_out():
    make()
    guest = guest_on("s1", 7)
    near, far = server_on("e0"), server_on("e1", "198.51.100", "2001:db8:1:")
    assert asks_all(guest, "192.0.2.2", "2001:db8::2", 0.2) == NOTHING
    add()
    assert asks_all(guest, "192.0.2.2", "2001:db8::2", PATIENCE) == answers("192.0.2.1", "2001:db8::1")
    assert asks_all(guest, "198.51.100.2", "2001:db8:1::2", PATIENCE) == answers("198.51.100.1", "2001:db8:1::1")
    assert near.ask("tcp", "192.0.2.1", 1) is None
    return guest, near, far


def test_guests_reach_out():
    guests_reach_out()


def test_guests_reach_out_on_an_old_kernel():
    pretend_old_kernel()
    guests_reach_out()
    assert knob("ipv6/conf/all/forwarding") == "1" and knob("ipv6/conf/e0/forwarding") == "0"


def nobody_reaches_in():
    make()
    guest, server = guest_on("s1", 7), server_on("e0")
    add()
    assert asks_all(server, "10.9.0.7", "fd00::7", 0.3) == NOTHING
    nft("delete table inet qnet-nat-s1")  # that was it, and not the test's own wiring
    nft("delete chain inet qnet-forwarding forward")
    assert asks_all(server, "10.9.0.7", "fd00::7", PATIENCE) == answers("192.0.2.2", "2001:db8::2")
    add()
    assert asks_all(guest, "192.0.2.2", "2001:db8::2", PATIENCE) == answers("192.0.2.1", "2001:db8::1")
    assert asks_all(server, "10.9.0.7", "fd00::7", 0.3) == NOTHING


def test_nobody_reaches_in():
    nobody_reaches_in()


def test_nobody_reaches_in_on_an_old_kernel():
    pretend_old_kernel()
    nobody_reaches_in()


def strangers_are_not_forwarded():
    make()
    near, far = server_on("e0"), server_on("e1", "198.51.100", "2001:db8:1:")
    add()
    assert asks_all(near, "198.51.100.2", "2001:db8:1::2", 0.3) == NOTHING
    nft("delete chain inet qnet-forwarding forward")
    assert asks_all(near, "198.51.100.2", "2001:db8:1::2", PATIENCE) == answers("192.0.2.2", "2001:db8::2")
    return near


def test_strangers_are_not_forwarded():
    near = strangers_are_not_forwarded()
    add()
    knob("ipv4/ip_forward", 1)  # the administrator's will
    add()
    assert near.ask("tcp", "198.51.100.2", seconds=PATIENCE) == "192.0.2.2"
    assert near.ask("tcp", "2001:db8:1::2", seconds=0.3) is None
    knob("ipv6/conf/all/forwarding", 1)
    add()
    assert near.ask("tcp", "2001:db8:1::2", seconds=PATIENCE) == "2001:db8::2"
    nat("del", "s1")
    assert knob("ipv4/conf/e0/forwarding") == knob("ipv6/conf/e0/forwarding") == "1"


def test_strangers_are_not_forwarded_on_an_old_kernel():
    pretend_old_kernel()
    strangers_are_not_forwarded()


def test_forged_sources_stay_inside():
    make()
    guest, server = guest_on("s1", 7), server_on("e0")
    add()
    guest.ip("addr add 203.0.113.5/32 dev eth0")
    guest.ip("addr add 2001:db8:f::5/128 dev eth0 nodad")
    server.ip("route add blackhole 203.0.113.5")
    seen = subprocess.Popen(server.words(sys.executable, "-c", """
import socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
print("ready", flush=True)
while True:
    data = s.recv(2000)
    print(data[:40].hex(), flush=True)
"""), stdout=subprocess.PIPE, text=True)
    children.append(seen)
    assert seen.stdout.readline() == "ready\n"
    guest.run("ping", "-c2", "-i0.2", "-W0.2", "-I", "203.0.113.5", "192.0.2.2", check=False)
    guest.run("ping", "-c2", "-i0.2", "-W0.2", "-I", "2001:db8:f::5", "2001:db8::2", check=False)
    assert guest.ask("ping", "192.0.2.2", seconds=PATIENCE) == "yes"
    time.sleep(0.3)
    seen.kill()
    out = seen.communicate()[0]
    assert "c0000201c0000202" in out, out  # the honest one, masqueraded
    assert "cb007105" not in out and "20010db8000f" not in out, out
    counters = [line for line in nft("list chain inet qnet-nat-s1 forward").splitlines() if "missing" in line]
    assert "packets 4 " in counters[0], counters


FORWARDS = ("--forward=tcp::8080:10.9.0.7:80", "--forward=udp:192.0.2.1:8053:10.9.0.7:80",
            "--forward=tcp:[::]:8080:[fd00::7]:80", "--forward=udp:[2001:db8::1]:8053:[fd00::7]:80")


def test_forwarded_ports_reach_the_guest():
    make()
    guest, other, server = guest_on("s1", 7), guest_on("s1", 8), server_on("e0")
    add()
    assert server.ask("tcp", "192.0.2.1", 8080) is None
    add(*FORWARDS)
    for kind, port in (("tcp", 8080), ("udp", 8053)):
        assert server.ask(kind, "192.0.2.1", port, PATIENCE) == "192.0.2.2", kind  # the guest sees who it is
        assert server.ask(kind, "2001:db8::1", port, PATIENCE) == "2001:db8::2", kind
        # of the same switch: by way of the host, else the answer would go past it
        assert other.ask(kind, "192.0.2.1", port, PATIENCE) == "10.9.0.1", kind
        assert other.ask(kind, "2001:db8::1", port, PATIENCE) == "fd00::1", kind
        assert host_ask(kind, "192.0.2.1", port, PATIENCE) == "10.9.0.1", kind
        assert host_ask(kind, "2001:db8::1", port, PATIENCE) == "fd00::1", kind
    assert server.ask("udp", "192.0.2.1", 8080) is None and server.ask("tcp", "192.0.2.1", 8053) is None
    assert server.ask("tcp", "10.9.0.7", 80) is None  # the guest itself is as hidden as before
    assert other.ask("tcp", "10.9.0.1", 8080, PATIENCE) == "10.9.0.1" and other.ask("udp", "10.9.0.1", 8053) is None
    nat("del", "s1")
    assert server.ask("tcp", "192.0.2.1", 8080) is None


def test_a_forwarded_port_is_one_of_the_host():
    make()
    guest, other, server = guest_on("s1", 7), guest_on("s1", 8), server_on("e0")
    for kind in ("tcp", "udp"):
        add(f"--forward={kind}::{PORT}:10.9.0.7:80", f"--forward={kind}:[::]:{PORT}:[fd00::7]:80")
        assert other.ask(kind, "192.0.2.2", seconds=PATIENCE) == "192.0.2.1", "somebody else's port is taken"
        assert other.ask(kind, "2001:db8::2", seconds=PATIENCE) == "2001:db8::1", "somebody else's port is taken"
        assert host_ask(kind, "192.0.2.2", seconds=PATIENCE) == "192.0.2.1", "somebody else's port is taken"
        assert server.ask(kind, "192.0.2.1", seconds=PATIENCE) == "192.0.2.2"


def test_forwarded_ports_of_the_loopback_address():
    make()
    guest = guest_on("s1", 7)
    before = knobs()
    for host in ("", "127.0.0.1"):
        add(f"--forward=tcp:{host}:8080:10.9.0.7:80")
        assert host_ask("tcp", "127.0.0.1", 8080, PATIENCE) == "10.9.0.1"
    assert knob("ipv4/conf/s1/route_localnet") == "1"

    # a guest that aims at the host's own services there
    children.append(subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True))
    assert children[-1].stdout.readline() == "ready\n"
    guest.ip("link set lo down")
    guest.ip("route add 127.0.0.5 via 10.9.0.1 dev eth0 src 10.9.0.7")
    guest.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet")
    assert guest.ask("tcp", "127.0.0.5") is None
    nft("flush chain inet qnet-nat-s1 raw")
    assert guest.ask("tcp", "127.0.0.5", seconds=PATIENCE) == "10.9.0.7", "nothing was tested"

    add("--forward=tcp:10.9.0.1:8080:10.9.0.7:80")
    assert knob("ipv4/conf/s1/route_localnet") == "0"
    assert guest.ask("tcp", "127.0.0.5") is None
    add("--forward=tcp::8080:10.9.0.7:80")
    nat("del", "s1")
    assert knobs() == before


def test_what_a_bridge_carries_is_not_forwarded():
    """With br_netfilter, frames that stay on one bridge come along all the same"""
    for family in ("iptables", "ip6tables"):
        if not Path(f"/proc/sys/net/bridge/bridge-nf-call-{family}").exists():
            raise Skip("no br_netfilter")
        knob(f"bridge/bridge-nf-call-{family}", 1)
    make()
    ip("link add br0 type bridge forward_delay 0")
    ip("link set br0 up")
    ip("addr add 192.0.2.1/24 dev br0")
    ip("addr add 2001:db8::1/64 dev br0 nodad")
    nodes = {}
    for bridge, network, network6 in (("s1", "172.16.0", "fd16:"), ("br0", "192.0.2", "2001:db8:")):
        for i in (2, 3):
            nodes[bridge, i] = Node(serves=True)
            nodes[bridge, i].join(f"{bridge}-{i}", [f"{network}.{i}/24", f"{network6}:{i}/64"], master=bridge)
    add()
    assert knob("ipv4/conf/br0/forwarding") == "1"
    assert asks_all(nodes["s1", 2], "172.16.0.3", "fd16::3", PATIENCE) == answers("172.16.0.2", "fd16::2")
    assert asks_all(nodes["br0", 2], "192.0.2.3", "2001:db8::3", PATIENCE) == answers("192.0.2.2", "2001:db8::2")


def test_a_tap_with_an_address():
    """HostAddress=: no bridge"""
    guest, server = Node(serves=True), server_on("e0")
    guest.join("t0", ["10.8.0.2/24", "fd08::2/64"])
    ip("addr add 10.8.0.1/24 dev t0")
    ip("addr add fd08::1/64 dev t0 nodad")
    for gateway in ("10.8.0.1", "fd08::1"):
        guest.ip(f"route add default via {gateway}")
    add("--address=10.8.0.1/24", name="t0")
    assert guest.ask("tcp", "192.0.2.2", seconds=PATIENCE) == "192.0.2.1"
    assert guest.ask("tcp", "2001:db8::2", seconds=0.2) is None  # not asked for
    assert not [k for k, v in knobs().items() if "ipv6" in k and k.endswith("forwarding") and v != "0"]
    assert server.ask("tcp", "10.8.0.2") is None


def two_nats():
    make()
    make("s2", "10.7.0", "fd07:")
    server_on("e0")


def test_guests_of_another_nat_do_not_reach_in():
    two_nats()
    one, two = guest_on("s1", 7), guest_on("s2", 9, "10.7.0", "fd07:")
    add("--forward=tcp:10.9.0.1:8080:10.9.0.7:80")
    add(name="s2")
    assert asks_all(two, "10.9.0.7", "fd00::7", 0.3) == NOTHING
    assert asks_all(one, "10.7.0.9", "fd07::9", 0.3) == NOTHING
    for node in (one, two):
        assert asks_all(node, "192.0.2.2", "2001:db8::2", PATIENCE) == answers("192.0.2.1", "2001:db8::1")
    assert two.ask("tcp", "10.9.0.1", 8080, PATIENCE) == "10.9.0.1"
    nat("del", "s1")
    assert asks_all(two, "192.0.2.2", "2001:db8::2", PATIENCE) == answers("192.0.2.1", "2001:db8::1")
    assert asks_all(one, "192.0.2.2", "2001:db8::2", 0.2) == NOTHING


def both_orders():
    two_nats()
    ip("link add e5 type veth peer name e6")
    knob("ipv4/conf/e5/forwarding", 1)
    knob("ipv6/conf/e5/forwarding", 1)
    knob("ipv6/conf/e5/accept_ra", 2)
    before = knobs()
    for start in (["s1", "s2"], ["s2", "s1"]):
        for end in (["s1", "s2"], ["s2", "s1"]):
            for name in start:
                add(name=name)
            assert knob("ipv4/conf/e0/forwarding") == "1"
            nat("del", end[0])
            assert knob("ipv4/conf/e0/forwarding") == "1"
            assert knob(f"ipv4/conf/{end[0]}/forwarding") == "0"
            nat("del", end[1])
            assert knobs() == before, (start, end)
            assert tables() == []


def test_the_last_puts_forwarding_back():
    both_orders()


def test_the_last_puts_forwarding_back_on_an_old_kernel():
    pretend_old_kernel()
    both_orders()


def test_what_was_on_stays_on():
    for old in (False, True):
        if old:
            ip("link del e0")
            pretend_old_kernel()
        else:
            make()
        server_on("e0")
        knob("ipv4/ip_forward", 1)
        knob("ipv6/conf/all/forwarding", 1)
        before = knobs()
        add()
        nat("del", "s1")
        assert knobs() == before
    knob("ipv4/conf/s1/forwarding", 0)
    before = knobs()
    add()
    assert knob("ipv4/conf/s1/forwarding") == "1"
    nat("del", "s1")
    assert knobs() == before


def test_others_turn_on_forwarding_meanwhile():
    pretend_old_kernel()
    make()
    server_on("e0")
    add()
    knob("ipv4/ip_forward", 1)
    knob("ipv6/conf/all/forwarding", 1)  # already, but it makes every device a router
    nat("del", "s1")
    for family in ("ipv4", "ipv6"):
        assert knob(f"{family}/conf/all/forwarding") == knob(f"{family}/conf/e0/forwarding") == "1", family


def test_again_changes_nothing():
    make()
    server_on("e0")
    add(*FORWARDS)
    before = knobs(), rules()
    add(*FORWARDS)
    assert (knobs(), rules()) == before
    nat("del", "s1")
    nat("del", "s1")
    assert tables() == []


def test_a_new_way_out_is_taken_at_the_next_add():
    make()
    guest = guest_on("s1", 7)
    add()
    server_on("e0")
    assert guest.ask("tcp", "192.0.2.2") is None
    add()
    assert guest.ask("tcp", "192.0.2.2", seconds=PATIENCE) == "192.0.2.1"


def test_a_route_over_two_devices():
    make()
    server_on("e0")
    server_on("e1", "198.51.100", "2001:db8:1:")
    for name in ("e0", "e1"):
        ip(f"-4 route flush dev {name}")
    ip("route add default nexthop via 192.0.2.2 dev e0 onlink nexthop via 198.51.100.2 dev e1 onlink")
    add()
    assert knob("ipv4/conf/e0/forwarding") == knob("ipv4/conf/e1/forwarding") == "1"


def test_another_device():
    two_nats()
    before = knobs()
    add()
    nat("add", "s1", "--device=s2")
    assert knob("ipv4/conf/s1/forwarding") == "0" and knob("ipv4/conf/s2/forwarding") == "1"
    nat("add", "other", "--device=s2", status=1, says="s2 has a NAT already, s1. To remove that: qnet-nat del s1")
    nat("del", "other")
    nat("del", "s1")
    assert knobs() == before and tables() == []


def test_tables_of_others_are_left_alone():
    make()
    server_on("e0")
    nft("-f -", """
        add table inet filter
        add chain inet filter forward { type filter hook forward priority 0; policy accept; }
        add rule inet filter forward counter
        add table ip nat
        add chain ip nat p { type nat hook postrouting priority 100; }
        add rule ip nat p ip saddr 10.1.0.0/16 masquerade
        add table ip qnet-nat-s1
        add set ip qnet-nat-s1 s { type ipv4_addr; }
        add element ip qnet-nat-s1 s { 10.0.0.1 }
        add table inet qnet-nat
        add table netdev n
        add chain netdev n c { type filter hook ingress device "e0" priority 0; }
    """)
    before = nft("-s list ruleset")
    add(*FORWARDS)
    assert "masquerade" in nft("list table inet qnet-nat-s1")
    add()
    nat("del", "s1")
    assert nft("-s list ruleset") == before


def killed(*words):
    """Whatever it is killed at: the same command again ends as if nothing had happened, and del leaves nothing."""
    two_nats()
    ip("link add e5 type veth peer name e6")
    knob("ipv6/conf/e5/forwarding", 1)
    zero, first = knobs(), list(words)
    add(*first)
    add(name="s2")
    full = knobs(), rules()
    for last in (True, False):
        nat("del", "s1")
        nat("del", "s2")
        if not last:
            add(name="s2")
        base, base_rules = knobs(), rules()
        for n in each_kill("qnet-nat", "add", "s1", "--device=s1", *first):
            nat("del", "s1")
            assert (knobs(), rules()) == (base, base_rules), f"add killed at call {n}, then del"
        end, end_rules = knobs(), rules()
        nat("del", "s1")
        for n in each_kill("qnet-nat", "add", "s1", "--device=s1", *first):
            add(*first)
            assert (knobs(), rules()) == (end, end_rules), f"add killed at call {n}, then add"
            nat("del", "s1")
        for n in each_kill("qnet-nat", "del", "s1"):
            nat("del", "s1")
            assert (knobs(), rules()) == (base, base_rules), f"del killed at call {n}, then del"
            add(*first)
        add(*first)
        for n in each_kill("qnet-nat", "del", "s1"):
            add(*first)
            assert (knobs(), rules()) == (end, end_rules), f"del killed at call {n}, then add"
        if last:
            assert base == zero and tables() == []
            add(name="s2")
            add(*first)
    add(*first)
    assert (knobs(), rules()) == full
    nat("del", "s2")
    nat("del", "s1")
    assert knobs() == zero and tables() == []


def test_killed_at_any_call():
    killed("--forward=tcp::8080:10.9.0.7:80")


def test_killed_at_any_call_on_an_old_kernel():
    pretend_old_kernel()
    killed()


def test_many_at_once():
    server_on("e0")
    names = [f"s{i}" for i in range(12)]
    for i, name in enumerate(names):
        make(name, f"10.{i}.0", f"fd{i:02}:")
    before = knobs()
    for _ in range(2):
        for child in [start("qnet-nat", "add", n, f"--device={n}") for n in names]:
            assert finish(child, timeout=60).err == ""
        assert all(knob(f"ipv4/conf/{n}/forwarding") == "1" for n in names)
        for child in [start("qnet-nat", "del", n) for n in names]:
            assert finish(child, timeout=60).err == ""
        assert knobs() == before and tables() == []


ADVERTISE = """
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1%eth0", 0))
"""


def learn_route(node):
    """From a router advertisement of the server's"""
    def learned():
        node.run(sys.executable, "-c", ADVERTISE, check=False)  # not before its own address is usable
        return is_learned()
    wait_until(learned)


def is_learned():
    return "default via fe80" in ip("-6 route show dev e0 proto ra")


def routes_from_advertisements():
    make()
    server = server_on("e0")
    ip("link add e5 type veth peer name e6")
    knob("ipv6/conf/e5/forwarding", 1)  # a router of its own: to keep it one makes the kernel forget routes, too
    learn_route(server)
    for step in (add, lambda: nat("del", "s1")):
        step()
        assert is_learned(), "the default route is lost"
        assert knob("ipv6/conf/e0/accept_ra") == "1"
        ip("-6 route del default dev e0 proto ra")
        learn_route(server)


def test_router_advertisements_still_count():
    routes_from_advertisements()


def test_router_advertisements_still_count_on_an_old_kernel():
    pretend_old_kernel()
    routes_from_advertisements()


def test_says_that_it_is_a_router():
    """Its neighbour advertisements: else guests forget their default route (RFC 4861, 7.3.3)"""
    make()
    add()
    assert knob("ipv6/conf/s1/forwarding") == "1"


def test_runs_no_other_program():
    make()
    for words in (("add", "s1", "--device=s1"), ("del", "s1")):
        calls = traced("qnet-nat", *words)
        assert len([c for c in calls if c.startswith("execve(")]) == 1
        assert not [c for c in calls if c.startswith(("fork(", "vfork(", "clone("))]


def test_bad_arguments():
    nat(status=2, says="Expected a verb")
    nat("add", "s1", status=2, says="--device= must be given")
    nat("add", "../x", "--device=s1", status=2, says="../x is not a valid name")
    add("--address=10.9.0.1", status=2, says="--address=10.9.0.1 is not an address with a prefix")
    for bad in ("", "tcp", "tcp::80", "sctp::80:10.9.0.7:80", "tcp::0:10.9.0.7:80", "tcp::80:10.9.0.7:65536",
                "tcp::80:10.9.0.7:80:", "tcp::80::80", "tcp:fd00::1:80:[fd00::7]:80", "tcp:[fd00::1]:80:10.9.0.7:80",
                "tcp:[10.9.0.1]:80:10.9.0.7:80", "tcp:x:80:10.9.0.7:80", "tcp::80:0.0.0.0:80",
                "tcp::80:10.9.0.7:80 accept"):
        add(f"--forward={bad}", status=2, says=f"--forward={bad} is not of the form")
    add(status=1, says="There is no device s1")
    nat("del", "s1", "--device=s1", status=2, says="del does not take --device")
    switch("add", "s1", "--name=s1")
    add(status=1, says="s1 has no address that guests could take for their gateway")
    assert tables() == []


def test_needs_the_privilege():
    make()
    add(user="nobody", status=1, says="Operation not permitted")


def test_needs_no_other_privilege():
    make()
    server_on("e0")
    before = knobs()
    for words in (("add", "s1", "--device=s1"), ("del", "s1")):
        subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all,+net_admin",
                        "--ambient-caps=-all,+net_admin", "--bounding-set=-all,+net_admin",
                        program("qnet-nat", "nobody"), *words], check=True)
        assert (knobs() == before) == (words[0] == "del")
    assert tables() == []
