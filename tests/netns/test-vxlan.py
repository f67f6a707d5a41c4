# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-vxlan: this namespace is one host, the namespace "far" another; a wire between eth1 here and eth2 there"""
from lab import *  # noqa: F403

ZEROS = "00:00:00:00:00:00"


def add(*words, name="vx1", vni=7, **options):
    return vxlan("add", name, "--bridge=s1", f"--vni={vni}", *words, **options)


def remotes(name="vx1"):
    out = subprocess.run(["bridge", "-j", "fdb", "show", "dev", name], capture_output=True, text=True, check=True).stdout
    return {e["dst"] for e in json.loads(out) if e["mac"] == ZEROS}


def far(words):
    done = subprocess.run(["nsenter", f"--net={path('far')}", *words.split()], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def make_far():
    """A namespace that is bound to a file, and the wire to it"""
    path("far").touch()
    holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE)
    children.append(holder)
    holder.stdout.readline()
    libc.mount(f"/proc/{holder.pid}/ns/net".encode(), str(path("far")).encode(), None, 4096, None)
    ip(f"link add eth1 type veth peer name eth2 netns {holder.pid}")
    for run, name, n in ((ip, "eth1", 1), (lambda w: far(f"ip {w}"), "eth2", 2)):
        run(f"addr add 192.0.2.{n}/24 dev {name}")
        run(f"addr add 2001:db8::{n}/64 dev {name} nodad")
        run(f"link set {name} up")
    far("ip link set lo up")


def make_switch(*words):
    switch("add", "s1", "--name=s1", "--address=10.9.0.1/24", *words)


def far_end(*words, switch_words=()):
    """The other host's switch, with an address to ping, and another name: of one name, here both would have one MAC"""
    far(" ".join([program("qnet-switch"), "add", "s1", "--name=far", "--address=10.9.0.2/24", *switch_words]))
    far(" ".join([program("qnet-vxlan"), "add", "vx1", "--bridge=s1", "--vni=7", *words]))


def pings(address, size=56):
    for _ in range(5):
        if subprocess.run(["ping", "-c1", "-W1", f"-s{size}", address], stdout=subprocess.DEVNULL).returncode == 0:
            return True
    return False


def test_static_peers_carry_frames():
    make_far()
    make_switch()
    add("--peer=192.0.2.2", "--local=192.0.2.1")
    far_end("--peer=192.0.2.1")
    t = link("vx1")
    assert (t["ifalias"], t["master"], t["mtu"]) == ("qnet:vxlan=s1", "s1", 1500), t
    assert t["group"] == "1903060340" and "inet6" not in ip("-6 addr show dev vx1")
    assert remotes() == {"192.0.2.2"}
    assert pings("10.9.0.2") and pings("10.9.0.2", 1472)
    tap("add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1")
    guest = Guest("tap-a")
    carries("tap-a")
    guest.ask("10.9.0.7", "10.9.0.2")
    assert any(f[12:14] == b"\x08\x06" for f in guest.frames())
    vxlan("del", "vx1")
    assert link("vx1") is None and not pings("10.9.0.2")
    vxlan("del", "vx1")


def test_ipv6():
    make_far()
    make_switch()
    add("--peer=2001:db8::2")
    far_end("--peer=2001:db8::1", "--local=2001:db8::2")
    assert pings("10.9.0.2")
    index = link("vx1")["ifindex"]
    add("--peer=2001:db8::2", "--peer=2001:db8::3")
    assert link("vx1")["ifindex"] == index and remotes() == {"2001:db8::2", "2001:db8::3"}
    add("--peer=192.0.2.2")
    assert remotes() == {"192.0.2.2"}


def test_multicast_group():
    make_far()
    make_switch("--mtu=1450")
    add("--group=239.1.1.1", "--device=eth1", "--port=8472")
    far_end("--group=239.1.1.1", "--device=eth2", "--port=8472", switch_words=["--mtu=1450"])
    assert link("vx1")["linkinfo"]["info_data"]["port"] == 8472 and link("vx1")["mtu"] == 1450
    assert pings("10.9.0.2")
    before = link("vx1")
    add("--group=239.1.1.1", "--device=eth1", "--port=8472")
    assert link("vx1") == before
    far("ip link set s1 down")
    assert not pings("10.9.0.2")


def test_comes_to_the_state_asked_for():
    make_switch()
    add("--peer=192.0.2.2", "--peer=192.0.2.3", "--peer=192.0.2.2")
    before = link("vx1")
    add("--peer=192.0.2.3", "--peer=192.0.2.4")
    assert remotes() == {"192.0.2.3", "192.0.2.4"} and link("vx1") == before
    add("--peer=192.0.2.3", vni=8)
    assert link("vx1")["linkinfo"]["info_data"]["id"] == 8 and remotes() == {"192.0.2.3"}
    switch("add", "s2", "--name=s2")
    vxlan("add", "vx1", "--bridge=s2", "--vni=8", "--peer=192.0.2.3")
    assert link("vx1")["master"] == "s2" and link("vx1")["ifalias"] == "qnet:vxlan=s2"


def test_says_when_the_device_is_too_small():
    make_far()
    make_switch()
    add("--peer=192.0.2.2", "--device=eth1", says="an MTU of 1450")
    assert link("vx1")["mtu"] == 1450
    add("--peer=192.0.2.2", "--device=eth1")  # the bridge has followed


def test_carries_vlans():
    needs_vlans()
    make_far()
    make_switch("--vlan-filtering")
    add("--peer=192.0.2.2")
    far_end("--peer=192.0.2.1", switch_words=["--vlan-filtering"])
    assert vlans("vx1")[1] == ACCESS and len(vlans("vx1")) == 4094
    guests = []
    for n, vlan in ((1, 10), (2, 20)):
        tap("add", f"tap-{n}", f"--vm=v{n}", f"--mac=52:54:00:00:04:{n:02x}", "--bridge=s1", f"--vlan={vlan}")
        guests.append(Guest(f"tap-{n}", f"52:54:00:00:04:{n:02x}"))
    carries("tap-1", "tap-2")
    far("bridge vlan add vid 10 dev s1 self")
    far("ip link add link s1 name s1.10 type vlan id 10")
    far("ip addr add 10.9.1.2/24 dev s1.10")
    far("ip link set s1.10 up")
    for guest, expected in zip(guests, (True, False)):
        guest.ask("10.9.1.7", "10.9.1.2")
        assert any(f[12:14] == b"\x08\x06" and f[6:12] != mac_bytes(guests[0].mac) for f in guest.frames()) == expected


def test_refuses():
    make_switch()
    ip("link add vx1 type vxlan id 9 dstport 4789")
    add("--peer=192.0.2.2", status=1, says="the name is taken by a vxlan device without an alias")
    vxlan("del", "vx1", status=1, says="Not removing vx1: it is not a tunnel of a switch")
    add("--peer=192.0.2.2", name="vx2", vni=9, status=1, says="there is another with VNI 9 on UDP port 4789")
    add("--peer=192.0.2.2", "--device=eth9", name="vx2", status=1, says="go over eth9: No such device")
    vxlan("add", "vx2", "--bridge=vx1", "--vni=1", "--peer=192.0.2.2", status=1, says="that is no Linux bridge")
    for words, says in ((["--peer=239.1.1.1"], "--peer=239.1.1.1 is not the IP"),
                        (["--group=10.1.1.1", "--device=eth0"], "--group=10.1.1.1 is not a multicast"),
                        (["--group=239.1.1.1"], "--group= needs --device="),
                        (["--peer=192.0.2.2", "--group=239.1.1.1", "--device=eth0"], "either --peer= or --group="),
                        ([], "either --peer= or --group="),
                        (["--peer=192.0.2.2", "--local=2001:db8::1"], "all IPv4 or all IPv6"),
                        (["--peer=192.0.2.2", "--port=0"], "--port=0 ")):
        add(*words, status=2, says=says)
    add("--peer=192.0.2.2", vni=0, status=2, says="--vni=0 ")
    assert link("vx2") is None
