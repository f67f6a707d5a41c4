# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-switch"""
import time

from lab import *  # noqa: F403


def add(*words, **options):
    return switch("add", "s1", "--name=lab", *words, **options)


def test_makes_a_bridge():
    add("--address=10.9.0.1/24", "--address=fd00::1/64")
    s1 = link("s1")
    assert s1["linkinfo"]["info_kind"] == "bridge", s1
    assert s1["ifalias"] == "qnet:switch=lab", s1
    assert "UP" in s1["flags"], s1
    data = s1["linkinfo"]["info_data"]
    assert (data["stp_state"], data["forward_delay"], data["mcast_snooping"]) == (0, 0, 0), data
    assert addresses("s1") == {"10.9.0.1/24", "fd00::1/64"}
    assert "nodad" in ip("-6 addr show dev s1 scope global") and "tentative" not in ip("-6 addr show dev s1")
    assert "brd 10.9.0.255" in ip("addr show dev s1")


def test_takes_no_router_advertisements():
    add()
    for knob in ("accept_ra", "accept_dad"):
        assert open(f"/proc/sys/net/ipv6/conf/s1/{knob}").read().strip() == "0", knob


def test_mac_is_stable_and_local():
    add()
    mac = link("s1")["address"]
    assert mac_bytes(mac)[0] & 3 == 2, mac
    switch("del", "s1", "--name=lab")
    add()
    assert link("s1")["address"] == mac
    switch("add", "s2", "--name=other")
    assert link("s2")["address"] != mac


def test_mac_stays_when_a_port_has_a_lower_one():
    add()
    mac = link("s1")["address"]
    ip("link add v0 address 00:00:00:00:00:01 type veth peer name v1")
    ip("link set v0 master s1")
    assert link("s1")["address"] == mac
    ip("link del v0")
    assert link("s1")["address"] == mac


def settled():
    """s1, when the kernel has noticed that it has no carrier, which it does a moment after it is up"""
    wait_until(lambda: link("s1")["operstate"] == "DOWN")
    return link("s1")


def test_again_changes_nothing():
    add("--address=10.9.0.1/24")
    before = settled()
    add("--address=10.9.0.1/24")
    assert link("s1") == before


def test_addresses_become_exactly_those_asked_for():
    add("--address=10.9.0.1/24", "--address=10.9.0.2/24", "--address=fd00::1/64")
    add("--address=10.9.0.2/24", "--address=10.9.0.3/16", "--address=fd00::1/48")
    assert addresses("s1") == {"10.9.0.2/24", "10.9.0.3/16", "fd00::1/48"}, addresses("s1")
    add()
    assert addresses("s1") == set()


def test_mtu():
    add("--mtu=1400")
    assert link("s1")["mtu"] == 1400
    ip("link add v0 mtu 1500 type veth peer name v1")
    ip("link set v0 master s1")
    assert link("s1")["mtu"] == 1400
    add("--mtu=9000", says="Port v0 takes packets of 1500 bytes")
    assert link("s1")["mtu"] == 9000
    add("--mtu=1", status=2, says="--mtu=1 ")


def test_refuses_a_bridge_that_is_not_of_qnet():
    ip("link add s1 type bridge")
    before = link("s1")
    add(status=1, says="the name is taken by a bridge without an alias")
    switch("del", "s1", "--name=lab", status=1, says="a bridge without an alias")
    assert link("s1") == before
    ip("link set s1 alias mine")
    add(status=1, says='a bridge with the alias "mine"')


def test_refuses_the_bridge_of_another_switch():
    add()
    before = settled()
    switch("add", "s1", "--name=other", "--address=10.1.1.1/24", status=1, says="the bridge of switch lab")
    switch("del", "s1", "--name=other", status=1, says="the bridge of switch lab")
    assert link("s1") == before and not addresses("s1")


def test_refuses_what_is_no_bridge():
    ip("link add s1 type veth peer name v1")
    add(status=1, says="a veth device without an alias")
    ip("link set s1 alias qnet:switch=lab")
    add(status=1, says="the name is taken")
    switch("del", "s1", "--name=lab", status=1, says="Not removing s1")
    assert link("s1")["linkinfo"]["info_kind"] == "veth"
    make_tun("t0", IFF_TUN)
    switch("add", "t0", "--name=lab", status=1, says="a tun device (layer 3, no tap) without an alias")


def test_adopts_one_left_half_made():
    add()
    mac = link("s1")["address"]
    ip("link del s1")
    ip(f"link add s1 address {mac} type bridge")
    add("--address=10.9.0.1/24")
    assert link("s1")["ifalias"] == "qnet:switch=lab"


def test_removes_its_own():
    add()
    switch("del", "s1", "--name=lab")
    assert link("s1") is None
    switch("del", "s1", "--name=lab")


def test_removes_one_left_half_made():
    add()
    mac = link("s1")["address"]
    ip("link del s1")
    ip(f"link add s1 address {mac} type bridge")
    switch("del", "s1", "--name=lab")
    assert link("s1") is None


def test_leaves_nothing_when_it_fails():
    # an IPv6 address on a link too small for IPv6 (RFC 8200: 1280)
    add("--mtu=1000", "--address=10.9.0.1/24", "--address=fd00::1/64", status=1, says="fd00::1/64")
    assert link("s1") is None


def test_leaves_what_was_there_when_it_fails():
    add("--address=10.9.0.1/24")
    add("--mtu=1000", "--address=10.9.0.1/24", "--address=fd00::1/64", status=1, says="fd00::1/64")
    assert link("s1") and "10.9.0.1/24" in addresses("s1")


def test_is_refused_without_privilege():
    done = switch("add", "s1", "--name=lab", status=1, says="Cannot make bridge s1", user=65534)
    assert "not permitted" in done.err, done
    assert link("s1") is None


def test_bad_arguments():
    switch("add", "s1", status=2, says="--name=")
    switch("add", status=2, says="Expected add BRIDGE")
    switch("make", "s1", "--name=lab", status=2, says="make")
    switch("add", "a/b", "--name=lab", status=2, says="a/b")
    switch("add", "s1", "--name=l b", status=2, says="l b")
    for bad in ("10.9.0.1", "10.9.0.1/33", "10.9.0.1/24 ", "x/24", ""):
        add(f"--address={bad}", status=2, says=f"--address={bad} ")
    assert switch("--help").out.startswith("Usage:")
    assert switch("--version").out.startswith("qnet-switch ")


def options():
    data = link("s1")["linkinfo"]["info_data"]
    return {k: data[k] for k in ("stp_state", "forward_delay", "max_age", "ageing_time", "group_fwd_mask")}


PLAIN = {"stp_state": 0, "forward_delay": 0, "max_age": 2000, "ageing_time": 30000, "group_fwd_mask": "0"}


def test_options():
    add("--stp", "--ageing=20", "--group-forward-mask=16384")
    assert options() == {**PLAIN, "stp_state": 1, "forward_delay": 400, "max_age": 600, "ageing_time": 2000,
                         "group_fwd_mask": "0x4000"}, options()
    before = settled()
    calls = traced("qnet-switch", "add", "s1", "--name=lab", "--stp", "--ageing=20s", "--group-forward-mask=16384")
    assert not [c for c in calls if "IFLA_INFO_DATA" in c and "RTM_NEWLINK, nlmsg_flags=NLM_F_REQUEST|NLM_F_ACK" in c]
    assert link("s1") == before
    add("--ageing=1min")
    assert {**options(), "max_age": 2000} == {**PLAIN, "ageing_time": 6000}
    add()
    assert {**options(), "max_age": 2000} == PLAIN


def test_bad_options():
    for bad, says in (("--ageing=infinity", "--ageing=infinity "), ("--ageing=x", "--ageing=x "),
                      ("--group-forward-mask=65536", "=65536 "), ("--group-forward-mask=1", "never forwards")):
        add(bad, status=2, says=says)
    add("--hub", "--ageing=5", status=2, says="do not go together")
    switch("del", "s1", "--name=lab", "--stp", status=2, says="del does not take --stp")


def test_stp_breaks_a_loop():
    for n in (1, 2):
        switch("add", f"s{n}", f"--name=s{n}", "--stp")
    for n in (1, 2):
        ip(f"link add a{n} type veth peer name b{n}")
        ip(f"link set a{n} master s1 up")
        ip(f"link set b{n} master s2 up")
    tap("add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1")
    tap("add", "tap-b", "--vm=b", f"--mac={MAC2}", "--bridge=s2")
    a, b = Guest("tap-a"), Guest("tap-b", MAC2)

    def states():
        return sorted(link(p)["linkinfo"]["info_slave_data"]["state"] for p in ("a1", "a2", "b1", "b2", "tap-a", "tap-b"))
    start = time.monotonic()
    wait_until(lambda: states() == ["blocking"] + 5 * ["forwarding"], 20)
    assert time.monotonic() - start < 14, "as slow as without the shorter timers"
    a.noise()
    frames = [f for f in b.frames(1) if f[6:12] == mac_bytes(MAC) and f[12:14] == b"\x88\xb5"]
    assert len(frames) == 1, len(frames)


def make_guests():
    for name, mac in (("tap-a", MAC), ("tap-b", MAC2), ("tap-c", "52:54:00:00:00:09")):
        tap("add", name, f"--vm={name[-1]}", f"--mac={mac}", "--bridge=s1")
    found = Guest("tap-a"), Guest("tap-b", MAC2), Guest("tap-c", "52:54:00:00:00:09")
    carries("tap-a", "tap-b", "tap-c")
    return found


def hears_all(a, b, c):
    """Does c hear what goes from a to b, from a to the host, from the host to a?"""
    a.noise(), b.noise()
    c.frames()
    a.noise(to=b.mac)
    to_b = c.heard(a) == {None}
    a.noise(to=link("s1")["address"])
    to_host = c.heard(a) == {None}
    ip(f"neigh replace 10.9.0.7 lladdr {a.mac} dev s1 nud permanent")
    subprocess.run(["ping", "-c1", "-W0.2", "10.9.0.7"], stdout=subprocess.DEVNULL)
    from_host = any(f[:6] == mac_bytes(a.mac) for f in c.frames())
    return to_b, to_host, from_host


def test_hub_shows_every_frame_to_every_port():
    add("--address=10.9.0.1/24", "--hub")
    guests = make_guests()
    assert hears_all(*guests) == (True, True, True)
    assert link("s1")["linkinfo"]["info_data"]["ageing_time"] == 0
    guests[0].ask("10.9.0.17", "10.9.0.1")  # and the host still answers
    wait_until(lambda: "10.9.0.17" in neighbours("s1"))
    assert any(f[:6] == mac_bytes(MAC) and f[12:14] == b"\x08\x06" for f in guests[0].frames())
    add("--address=10.9.0.1/24")
    assert hears_all(*guests) == (False, False, False)
    add("--address=10.9.0.1/24", "--hub")
    assert hears_all(*guests) == (True, True, True)


def test_neighbour_parameters():
    add()
    for table in ("inet arp_cache", "inet6 ndisc_cache"):
        assert parameter("s1", "ucast_probes", table) == 3600
        assert parameter("s1", "gc_stale", table) == 3600 * 1000
    assert parameter("lo", "ucast_probes") == 3


def test_a_silent_guest_keeps_its_entry():
    make_lab()
    ip("ntable change name arp_cache dev s1 delay_probe 100")
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("s1")["flags"])
    guest.ask("10.9.0.7", "10.9.0.1")
    wait_until(lambda: "10.9.0.7" in neighbours("s1"))
    guest.arp(2, "10.9.0.7", "10.9.0.1")
    end = time.monotonic() + 5.5
    while time.monotonic() < end:  # talked to, it never answers; the default gives up after 3 probes, a second each
        subprocess.run(["ping", "-c1", "-W0.2", "10.9.0.7"], stdout=subprocess.DEVNULL)
        time.sleep(0.2)
    assert neighbours("s1")["10.9.0.7"] == (MAC, "PROBE"), neighbours("s1")
