# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-trunk"""
from lab import *  # noqa: F403


def add(*words, ends=("t1", "t2"), bridges=("s1", "s2"), **options):
    return trunk("add", *ends, f"--bridge={bridges[0]}", f"--peer-bridge={bridges[1]}", *words, **options)


def switches(*words, n=2):
    for i in range(1, n + 1):
        switch("add", f"s{i}", f"--name=s{i}", *words)


def make_guest(bridge, n, *words):
    mac = f"52:54:00:00:03:{n:02x}"
    tap("add", f"tap-{n}", f"--vm=v{n}", f"--mac={mac}", f"--bridge={bridge}", *words)
    guest = Guest(f"tap-{n}", mac)
    carries(f"tap-{n}")
    return guest


def test_connects_two_switches():
    switches("--mtu=1400")
    a, b = make_guest("s1", 1), make_guest("s2", 2)
    a.noise()
    assert not b.heard(a)
    add()
    for name, bridge in (("t1", "s1"), ("t2", "s2")):
        t = link(name)
        assert (t["ifalias"], t["master"], t["mtu"]) == ("qnet:trunk=s1-s2", bridge, 1400), t
        assert t["group"] == "1903060340" and t["address"].startswith("fe:") and "UP" in t["flags"], t
        assert "inet6" not in ip(f"-6 addr show dev {name}")
    a.noise()
    assert b.heard(a) == {None}
    b.noise()
    assert a.heard(b) == {None}
    before = link("t1"), link("t2")
    add()
    assert (link("t1"), link("t2")) == before
    trunk("del", "t1")
    assert link("t1") is None and link("t2") is None
    trunk("del", "t1")


def test_comes_to_the_state_asked_for():
    switches(n=3)
    add()
    ip("link set t1 down")
    add(bridges=("s1", "s3"))
    assert link("t1")["master"] == "s1" and link("t2")["master"] == "s3"
    assert all(link(t)["ifalias"] == "qnet:trunk=s1-s3" and "UP" in link(t)["flags"] for t in ("t1", "t2"))
    ip("link set t1 down")
    ip("link set t1 name t9")  # half of it under another name: both are made anew
    add()
    assert link("t1")["link"] == "t2" and link("t9") is None


def test_adopts_one_left_half_made():
    switches()
    ip("link add t1 group 1903060340 type veth peer name t2 group 1903060340")
    add()
    assert link("t2")["ifalias"] == "qnet:trunk=s1-s2" and link("t2")["master"] == "s2"


def test_carries_vlans():
    needs_vlans()
    switches("--vlan-filtering")
    a10, a20 = make_guest("s1", 1, "--vlan=10"), make_guest("s1", 2, "--vlan=20")
    b10, b20, b1 = (make_guest("s2", 3, "--vlan=10"), make_guest("s2", 4, "--vlan=20"), make_guest("s2", 5))
    add()
    everything = {v: ACCESS if v == 1 else set() for v in range(1, 4095)}
    assert vlans("t1") == everything and vlans("t2") == everything
    a10.noise()
    assert [g.heard(a10) for g in (b10, b20, b1)] == [{None}, set(), set()]
    a20.noise()
    assert [g.heard(a20) for g in (b10, b20, b1)] == [set(), {None}, set()]
    add("--vlans=10,30-40")
    assert vlans("t1") == {v: set() for v in [10, *range(30, 41)]} == vlans("t2")
    a10.noise(), a20.noise()
    assert (b10.heard(a10), b20.heard(a20)) == ({None}, set())


def test_turns_filtering_on():
    needs_vlans()
    switches()
    add("--vlans=10")
    assert all(link(s)["linkinfo"]["info_data"]["vlan_filtering"] == 1 for s in ("s1", "s2"))
    assert vlans("t1") == {10: set()}
    ip("link add br0 type bridge")
    add("--vlans=10", ends=("t3", "t4"), bridges=("s1", "br0"), status=1, says="br0 does not filter VLANs")
    assert link("t3") is None


def test_loop_with_stp():
    switches("--stp")
    add()
    add(ends=("t3", "t4"))
    a, b = make_guest("s1", 1), make_guest("s2", 2)
    ports = ("t1", "t2", "t3", "t4", "tap-1", "tap-2")
    wait_until(lambda: sorted(link(p)["linkinfo"]["info_slave_data"]["state"] for p in ports) ==
               ["blocking"] + 5 * ["forwarding"], 20)
    a.noise()
    frames = [f for f in b.frames(1) if f[6:12] == mac_bytes(a.mac) and f[12:14] == b"\x88\xb5"]
    assert len(frames) == 1, len(frames)


def test_refuses():
    switches()
    add(bridges=("s1", "s9"), status=1, says="There is no bridge s9")
    ip("link add v1 type veth peer name v2")
    add(bridges=("s1", "v1"), status=1, says="v1: that is no Linux bridge")
    ip("link add t1 type veth peer name t2")
    add(status=1, says="the name is taken by a veth device without an alias")
    trunk("del", "t1", status=1, says="Not removing t1: it is not a trunk, but a veth device")
    assert link("t1") and "master" not in link("t1")
    for words, says in ((["add", "t1", "t1", "--bridge=s1", "--peer-bridge=s2"], "both be t1"),
                        (["add", "t1", "t2", "--bridge=s1", "--peer-bridge=s1"], "would be a loop"),
                        (["add", "t1", "t2", "--bridge=s1"], "--peer-bridge= must be given"),
                        (["add", "t1", "--bridge=s1", "--peer-bridge=s2"], "Expected add IFNAME PEERNAME"),
                        (["add", "t1", "t2", "--bridge=s1", "--peer-bridge=s2", "--vlans=0"], "--vlans=0 ")):
        trunk(*words, status=2, says=says)
