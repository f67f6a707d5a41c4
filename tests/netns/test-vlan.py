# SPDX-License-Identifier: LGPL-2.1-or-later
"""VLANs of taps: qnet-tap --vlan= --trunk-vlans= --native-vlan=, on bridges of qnet and of others"""
import sys

from lab import *  # noqa: F403

MACS = [f"52:54:00:00:01:{n:02x}" for n in range(8)]


def add(name, *words, bridge="s1", verb="add", **options):
    """tap-0, of VM 0, with MACS[0], and so on"""
    n = int(name[-1])
    return tap(verb, name, f"--vm=v{n}", f"--mac={MACS[n]}", f"--bridge={bridge}", *words, **options)


def guests(*names):
    found = [Guest(name, MACS[int(name[-1])]) for name in names]
    carries(*names)
    return found


def make(**ports):
    """make(a=["--vlan=10"]): a switch and guests on its ports"""
    switch("add", "s1", "--name=s1", "--vlan-filtering")
    for i, words in enumerate(ports.values()):
        add(f"tap-{i}", *words)
    return guests(*[f"tap-{i}" for i in range(len(ports))])


def test_no_vlans_in_this_kernel():
    if has_vlans():
        raise Skip("it has")
    switch("add", "s1", "--name=s1", "--vlan-filtering", status=1, says="CONFIG_BRIDGE_VLAN_FILTERING")
    assert link("s1") is None
    switch("add", "s1", "--name=s1")
    add("tap-0", "--vlan=10", status=1, says="CONFIG_BRIDGE_VLAN_FILTERING")
    assert link("tap-0") is None


def test_access_ports():
    needs_vlans()
    a, b, c, plain = make(a=["--vlan=10"], b=["--vlan=10"], c=["--vlan=20"], plain=[])
    assert vlans("tap-0") == {10: ACCESS} and vlans("tap-3") == {1: ACCESS}
    a.noise()
    assert [g.heard(a) for g in (b, c, plain)] == [{None}, set(), set()]
    plain.noise()
    assert not any(g.heard(plain) for g in (a, b, c))
    for vlan in (10, 20, 1):  # a guest that makes tags itself gets nowhere else
        a.noise(vlan=vlan)
        assert not c.heard(a) and not plain.heard(a), vlan


def test_trunk():
    needs_vlans()
    a, b, t, n = make(a=["--vlan=10"], b=["--vlan=20"], t=["--trunk-vlans=10,20-30"],
                      n=["--trunk-vlans=20", "--native-vlan=10"])
    assert vlans("tap-2") == {v: set() for v in [10, *range(20, 31)]}, vlans("tap-2")
    assert vlans("tap-3") == {10: ACCESS, 20: set()}
    a.noise()
    assert (b.heard(a), t.heard(a), n.heard(a)) == (set(), {10}, {None})
    b.noise()
    assert (a.heard(b), t.heard(b), n.heard(b)) == (set(), {20}, {20})
    t.noise(vlan=20)
    assert (a.heard(t), b.heard(t), n.heard(t)) == (set(), {None}, {20})
    t.noise(vlan=31)
    t.noise()
    assert not any(g.heard(t) for g in (a, b, n))
    n.noise()
    assert (a.heard(n), b.heard(n), t.heard(n)) == ({None}, set(), {10})


def test_set_brings_a_running_tap_in_line():
    needs_vlans()
    a, b = make(a=["--vlan=10"], b=["--vlan=20"])
    before = link("tap-0")
    add("tap-0", "--vlan=20", verb="set")
    assert vlans("tap-0") == {20: ACCESS} and link("tap-0") == before
    a.noise()
    assert b.heard(a) == {None}
    add("tap-0", "--trunk-vlans=2-4000", "--native-vlan=20", verb="set")
    assert vlans("tap-0") == {v: ACCESS if v == 20 else set() for v in range(2, 4001)}
    add("tap-0", "--trunk-vlans=" + ",".join(str(v) for v in range(2, 1000, 2)), verb="set")
    assert vlans("tap-0") == {v: set() for v in range(2, 1000, 2)}
    add("tap-0", verb="set")
    assert vlans("tap-0") == {1: ACCESS}
    calls = traced("qnet-tap", "set", "tap-0", "--vm=v0", f"--mac={MACS[0]}", "--bridge=s1")
    sent = [c for c in calls if c.startswith("sendmsg(")]
    assert sent and not any(t in c for c in sent for t in ("RTM_NEWLINK", "RTM_SETLINK", "RTM_DELLINK")), sent


def test_filtering_comes_with_the_first_vlan_and_stays():
    needs_vlans()
    switch("add", "s1", "--name=s1")
    add("tap-0")
    add("tap-1", "--vlan=10")
    assert link("s1")["linkinfo"]["info_data"]["vlan_filtering"] == 1
    assert vlans("tap-0") == {1: ACCESS} and vlans("tap-1") == {10: ACCESS}
    switch("add", "s1", "--name=s1", says="tap-1 needs it")
    assert link("s1")["linkinfo"]["info_data"]["vlan_filtering"] == 1
    add("tap-1", verb="set")
    switch("add", "s1", "--name=s1")
    assert link("s1")["linkinfo"]["info_data"]["vlan_filtering"] == 0


def test_bridge_of_others():
    needs_vlans()
    ip("link add br0 type bridge")
    ip("link set br0 up")
    for verb in ("add", "set"):
        add("tap-0", "--vlan=10", bridge="br0", verb=verb, status=1,
            says="Type \"ip link set dev br0 type bridge vlan_filtering 1\"")
    assert link("tap-0") is None
    ip("link set dev br0 type bridge vlan_filtering 1 vlan_default_pvid 7")
    add("tap-0", "--vlan=10", bridge="br0")
    add("tap-1", bridge="br0")
    assert vlans("tap-0") == {10: ACCESS} and vlans("tap-1") == {7: ACCESS}
    add("tap-0", bridge="br0", verb="set")
    assert vlans("tap-0") == {7: ACCESS}
    ip("link set dev br0 type bridge vlan_default_pvid 0")
    add("tap-2", bridge="br0")
    assert vlans("tap-2") == {}
    add("tap-0", bridge="br0", verb="set")
    assert vlans("tap-0") == {}


def test_comes_to_a_bridge_only_in_its_vlan():
    needs_vlans()
    a, b = make(a=[], b=[])
    switch("add", "s2", "--name=s2", "--vlan-filtering")
    add("tap-2", bridge="s2")
    other, = guests("tap-2")
    noisy = subprocess.Popen([sys.executable, "-c", "import os, sys\nwhile True: os.write(int(sys.argv[1]), "
                              f"bytes(10) + bytes.fromhex('ff' * 6 + '{a.mac}'.replace(':', '') + '88b5') + bytes(50))",
                              str(a.fd)], pass_fds=[a.fd], stderr=subprocess.DEVNULL)
    children.append(noisy)
    time.sleep(0.3)
    assert b.heard(a) == {None}
    for _ in range(5):
        add("tap-0", "--vlan=10", bridge="s2", verb="set")
        assert not other.heard(a)
        add("tap-0", bridge="s1", verb="set")


def test_pins_on_vlan_interfaces():
    needs_vlans()
    switch("add", "s1", "--name=s1", "--vlan-filtering")
    add("tap-0", "--vlan=42"), add("tap-1", "--vlan=43"), add("tap-2")
    ip("link add link s1 name s1.42 type vlan id 42")
    ip("link set s1.42 up")
    for n in range(3):
        tap("own", f"tap-{n}", 0, f"--pin=10.9.0.{n + 5}")
    assert neighbours("s1.42") == {"10.9.0.5": (MACS[0], "PERMANENT")}
    assert set(neighbours("s1")) == {"10.9.0.6", "10.9.0.7"}
    for n in range(3):
        tap("del", f"tap-{n}")
    assert neighbours("s1") == neighbours("s1.42") == {}
