# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-uplink"""
from uplinklab import *  # noqa: F403


def test_moves_and_brings_back():
    make_host()
    before = settled()
    add()
    assert addresses("eth0") == set() and addresses("s1") == {"10.9.0.1/24", "fd00:9::1/64", "192.168.77.10/24", "fd77::10/64"}
    assert ("main", "default", GATEWAY, 100, "dhcp") in routes("s1") and not routes("eth0"), (routes("s1"), routes("eth0"))
    assert ("main", "default", "fd77::1", 300, "static") in routes("s1", "-6") and not routes("eth0", "-6"), routes("s1", "-6")
    assert link("s1")["address"] == MAC_ETH0 and link("eth0")["master"] == "s1"
    assert link("eth0")["ifalias"] == "qnet:uplink=s1"
    for address in (SERVER, "fd99::1"):
        subprocess.run(["ping", "-nqc1", "-W2", address], check=True, stdout=subprocess.DEVNULL)
    delete()
    assert_same(before)
    subprocess.run(["ping", "-nqc1", "-W2", SERVER], check=True, stdout=subprocess.DEVNULL)


def test_again_changes_nothing():
    make_host()
    before = settled()
    add()
    during = settled()
    add(says="")
    assert_same(during)
    delete()
    delete()
    assert_same(before)


def make_rich_host():
    """A host with about everything that an address or a route can have"""
    make_lan()
    ip("link add eth1 type veth peer name lan1 netns lan")
    ip("link set eth1 up")
    subprocess.run(["ip", "link", "set", "eth0", "alias", "port=3 was=down here"], check=True)
    for words in ("192.168.77.10/24 brd + dev eth0 label eth0:web valid_lft 3000 preferred_lft 2000",
                  "192.168.77.11/24 dev eth0",  # secondary
                  "172.16.5.1/24 brd 172.16.5.255 dev eth0 metric 77",
                  "10.5.5.1 peer 10.5.5.2/32 dev eth0",
                  "10.6.6.1/24 dev eth0 noprefixroute",
                  "169.254.7.7/16 dev eth0 scope link",
                  "192.168.88.10/24 dev eth1",
                  "fd77::10/64 dev eth0", "fd77::11/64 dev eth0 nodad", "fd78::1 peer fd78::2/128 dev eth0",
                  "fd79::1/64 dev eth0 noprefixroute valid_lft 3000 preferred_lft 0"):
        ip(f"addr add {words}")
    for words in (f"default via {GATEWAY} dev eth0 proto dhcp metric 100 src 192.168.77.11 mtu 1400 advmss 1300",
                  "10.6.6.0/24 dev eth0 proto kernel scope link src 10.6.6.1 metric 100",
                  "172.31.1.1 dev eth0 scope link", "10.20.0.0/16 via 172.31.1.1 dev eth0", "10.21.0.0/16 via 172.31.9.9 dev eth0 onlink",
                  f"default via {GATEWAY} dev eth0 table 100", "192.168.77.0/24 dev eth0 src 192.168.77.10 table 100",
                  f"10.22.0.0/16 metric 5 nexthop via {GATEWAY} dev eth0 weight 3 nexthop via 192.168.88.1 dev eth1",
                  f"10.23.0.0/16 nexthop via {GATEWAY} dev eth0 nexthop via 192.168.77.2 dev eth0",
                  "blackhole 10.24.0.0/16", "192.168.77.0/24 dev eth1 metric 9",
                  "2001:db8:1::/48 via fd77::1 dev eth0 metric 20 mtu 1300 expires 3000", "default via fe80::77 dev eth0 proto ra metric 100 pref high",
                  "fd79::/64 dev eth0 proto ra metric 256", "2001:db8:2::/48 dev eth0 table 100",
                  "2001:db8:3::/48 nexthop via fd77::1 dev eth0 nexthop via fe80::99 dev eth1 weight 2",
                  "unreachable 2001:db8:4::/48"):
        ip(("-6 " if ":" in words else "") + f"route add {words}")
    ip("route append 192.168.77.0/24 dev eth1 scope link")  # behind eth0's
    ip("rule add from 192.168.77.10 table 100")
    make_switch()


def test_addresses_and_routes_of_all_kinds():
    make_rich_host()
    before, lan_route = settled(), ip("route get 192.168.77.99")
    was4, was6 = routes("eth0"), routes("eth0", "-6")
    assert "eth0" in lan_route, lan_route
    add()
    assert not addresses("eth0") and not routes("eth0") and not routes("eth0", "-6"), (routes("eth0"), routes("eth0", "-6"))
    assert was4 <= routes("s1"), was4 - routes("s1")
    assert was6 <= routes("s1", "-6"), was6 - routes("s1", "-6")
    for family, what in (("-4", "10.22.0.0/16"), ("-6", "2001:db8:3::/48")):
        hops = json.loads(ip(f"{family} -j route show {what}"))[0]["nexthops"]
        assert {h["dev"] for h in hops} == {"s1", "eth1"}, hops
    assert "s1" in ip("route get 192.168.77.99"), ip("route show")
    assert "tentative" not in ip("addr show dev s1 scope global")
    delete()
    assert_same(before)
    assert ip("route get 192.168.77.99") == lan_route


def test_the_former_alias_comes_back():
    for alias in ("nic of the office", " x", "qnet", "was=", "down was=1", "a" * 200):
        make_host() if not link("eth0") else None
        subprocess.run(["ip", "link", "set", "eth0", "alias", alias], check=True)
        add()
        assert link("eth0")["ifalias"] == f"qnet:uplink=s1 was={alias}"
        delete()
        assert link("eth0")["ifalias"] == alias
    subprocess.run(["ip", "link", "set", "eth0", "alias", "a" * 255], check=True)
    before = settled()
    add(status=1, says="alias is too long")
    assert_same(before)


def test_a_port_that_was_down():
    make_lan()
    ip("addr add 192.168.77.10/24 dev eth0")
    ip("link set eth0 down")
    make_switch()
    before = settled()
    add()
    assert link("eth0")["ifalias"] == "qnet:uplink=s1 down" and "192.168.77.10/24" in addresses("s1")
    wait_until(lambda: subprocess.run(["ping", "-nqc1", "-W1", GATEWAY], stdout=subprocess.DEVNULL).returncode == 0)
    delete()
    assert_same(before)


def chat_over_moves(address):
    make_host()
    chatter = Chatter(address)
    chatter.goes_on()
    for _ in range(5):
        add()
        chatter.goes_on()
        delete()
        chatter.goes_on()
    stall = chatter.end()
    assert stall < 1, f"stalled for {stall:.3f} s"
    print(f"# {address}: longest stall {stall * 1000:.0f} ms over 10 moves, {chatter.n} words")


def test_a_connection_lives_on():
    chat_over_moves(SERVER)


def test_a_connection_over_ipv6_lives_on():
    chat_over_moves("fd99::1")


def test_a_connection_under_reverse_path_filtering():
    make_lan()
    for name in ("all", "default", "eth0"):
        knob(f"{name}.rp_filter", 1, family="ipv4")
    ip("addr add 192.168.77.10/24 dev eth0")
    make_switch()
    chatter = Chatter(GATEWAY)
    chatter.goes_on()
    add()
    chatter.goes_on()
    delete()
    chatter.goes_on()
    assert chatter.end() < 1


def test_a_guest_is_in_the_lan_with_its_own_mac():
    make_host()
    tap("add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1")
    guest = Guest("tap-a")
    add()
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    guest.frames(0.1)
    guest.ask("192.168.77.50", GATEWAY)
    answers = [f for f in guest.frames(1) if f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2"]
    assert answers and answers[0][28:32] == socket.inet_aton(GATEWAY), answers
    assert MAC in ip("-n lan neigh show 192.168.77.50"), ip("-n lan neigh show")
    assert fdb_port(MAC) == "tap-a"


def test_guests_hear_of_the_new_mac_and_stay_pinned():
    make_host()
    tap("add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1")
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("s1")["flags"])
    ip(f"neigh add 10.9.0.7 lladdr {MAC} dev s1 nud permanent")
    ip(f"neigh add 192.168.77.7 lladdr {MAC} dev s1 nud permanent")  # a guest in the LAN's network
    own = link("s1")["address"]
    pinned = {"10.9.0.7": (MAC, "PERMANENT"), "192.168.77.7": (MAC, "PERMANENT")}
    for move, mac in ((add, MAC_ETH0), (delete, own)):
        guest.frames(0.1)
        move()
        arps = [f for f in guest.frames(0.5) if f[12:14] == b"\x08\x06" and f[28:32] == socket.inet_aton("10.9.0.1")]
        assert arps and arps[0][22:28] == mac_bytes(mac), (mac, arps)
        assert pinned.items() <= neighbours("s1").items(), neighbours("s1")
    assert "192.168.77.7" not in neighbours("eth0")


def test_neighbours_go_along():
    make_host()
    static = "52:54:00:77:00:aa"
    ip(f"neigh add 192.168.77.200 lladdr {static} dev eth0 nud permanent")
    for address in (SERVER, "fd99::1"):
        subprocess.run(["ping", "-nqc1", "-W2", address], check=True, stdout=subprocess.DEVNULL)
    gateways = {n: neighbours("eth0")[n][0] for n in (GATEWAY, "fd77::1")}
    for move, dev, other in ((add, "s1", "eth0"), (delete, "eth0", "s1")):
        ip("-n lan link set lan0 arp off")  # it cannot ask
        move()
        found = neighbours(dev)
        assert {n: found[n][0] for n in gateways} == gateways, found
        assert found["192.168.77.200"] == (static, "PERMANENT")
        ip("-n lan link set lan0 arp on")
    assert "192.168.77.200" not in neighbours("s1")


# ---- broken off ----

def break_off(make, call, victim):
    """Kills add or del at each of its calls in turn. del, and add and del, put all in order then."""
    make()
    before = settled()
    add()
    during = settled()
    delete()
    assert_same(before, "undisturbed:")
    words = (victim, "s1", "--name=s1", *KEEP, *(["--device=eth0"] if victim == "add" else []))
    n = killed = 0
    while killed == n:
        n += 1
        if victim == "del":
            add()
        killed += killed_at(call, n, *words)
        if n % 2:
            uplink("add", "s1", "--name=s1", "--device=eth0", *KEEP, says=None)
            assert_same(during, f"{victim} killed at {call} {n}, then add:")
        delete()
        assert_same(before, f"{victim} killed at {call} {n}, then del:")
    assert n > 15, n
    print(f"# {victim} was killed at each of {n - 1} calls of {call}")


def test_add_is_killed_before_each_request():
    break_off(make_host, "sendmsg", "add")


def test_add_is_killed_after_each_request():
    break_off(make_host, "recvmsg", "add")


def test_del_is_killed_before_each_request():
    break_off(make_host, "sendmsg", "del")


def test_del_is_killed_after_each_request():
    break_off(make_host, "recvmsg", "del")


def test_add_is_killed_with_all_kinds_of_addresses():
    break_off(make_rich_host, "sendmsg", "add")


def test_del_is_killed_with_all_kinds_of_addresses():
    break_off(make_rich_host, "sendmsg", "del")


def test_del_is_killed_again_and_again():
    make_rich_host()
    before = settled()
    add()
    n = 1
    while killed_at("sendmsg", n, "del", "s1", "--name=s1", *KEEP):
        n += 1  # goes on where the one before was killed
    assert_same(before)
    assert n > 5, n


# ---- the device goes ----

def test_a_device_that_vanishes():
    make_host()
    own = link("s1")["address"]
    add()
    ip("-n lan link del lan0")
    assert addresses("s1") != {"10.9.0.1/24", "fd00:9::1/64"}
    delete()
    assert addresses("s1") == {"10.9.0.1/24", "fd00:9::1/64"} and link("s1")["address"] == own
    assert {r[1] for r in routes("s1")} == {"10.9.0.0/24"} and {r[1] for r in routes("s1", "-6")} == {"fd00:9::/64"}, routes("s1", "-6")
    delete()


def stopped_at(n, *words):
    """The helper, stopped at its nth request; None if it ended before"""
    trace = path("strace")
    trace.write_text("")
    child = subprocess.Popen(["strace", "-f", "-o", trace, "-e", "trace=sendmsg", "-e", f"inject=sendmsg:signal=STOP:when={n}",
                              program("qnet-uplink"), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    children.append(child)
    wait_until(lambda: child.poll() is not None or "--- stopped by SIGSTOP ---" in trace.read_text(), 20)
    return child, int(trace.read_text().split()[0]) if child.poll() is None else None


def vanish_during(verb, *words):
    n, ends = 0, set()
    while True:
        n += 1
        make_lan() if n == 1 else ip("link add eth0 address 52:54:00:77:00:10 type veth peer name lan0 netns lan")
        ip("link set eth0 up")
        ip("addr add 192.168.77.10/24 dev eth0")
        ip(f"route add default via {GATEWAY} dev eth0")
        ip("addr add fd77::10/64 dev eth0 nodad")
        make_switch()
        own = link("s1")["address"]
        if verb == "del":
            add()
        child, pid = stopped_at(n, verb, "s1", "--name=s1", *KEEP, *words)
        if pid is None:
            break
        ip("link del eth0")
        os.kill(pid, signal.SIGCONT)
        out, err = child.communicate(timeout=20)
        ends.add(child.returncode)
        assert (child.returncode == 0 or verb == "add") and "rror:" not in err, (n, child.returncode, err)
        assert verb == "add" or not err, err
        if verb == "add" and child.returncode == 0:
            delete()  # as its unit stops with the device
        assert addresses("s1") == {"10.9.0.1/24", "fd00:9::1/64"} and link("s1")["address"] == own, (n, ip("addr"), err)
        assert {r[1] for r in routes("s1")} == {"10.9.0.0/24"}, (n, routes("s1"))
        switch("del", "s1", "--name=s1")
    assert n > 15, n
    return ends


def test_a_device_that_vanishes_while_it_is_added():
    assert vanish_during("add", "--device=eth0") <= {0, 1}


def test_a_device_that_vanishes_while_it_is_taken_back():
    assert vanish_during("del") == {0}


def test_a_bridge_that_vanishes():
    make_host()
    add()
    ip("link del s1")
    delete(says="Bridge s1 is gone")
    assert "ifalias" not in link("eth0")
    delete()


# ---- router advertisements that the kernel takes in ----

def defaults(dev):
    found = json.loads(ip(f"-6 -j route show default dev {dev}") or "[]")
    return {(r["protocol"], r["metric"]): r["expires"] for r in found}


def lifetime(dev):
    found = json.loads(ip(f"-6 -j addr show dev {dev} scope global"))[0]["addr_info"]
    return next(a["valid_life_time"] for a in found if a["local"].startswith("2001:db8:77:"))


def make_advertised_host():
    make_lan()
    send_ra()
    wait_until(lambda: defaults("eth0") and "2001:db8:77:" in ip("-6 addr show dev eth0"))
    make_switch()


def test_router_advertisements():
    make_advertised_host()
    before = settled()
    assert list(defaults("eth0")) == [("ra", 1024)], defaults("eth0")
    ip("-n lan addr add 2001:db8:99::1/128 dev lo nodad")
    ip("-n lan addr add 2001:db8:77::1/64 dev lan0 nodad")
    add()
    route = ip("-6 route get 2001:db8:99::1")
    assert "dev s1" in route and "2001:db8:77:" in route, route
    subprocess.run(["ping", "-nqc1", "-W2", "2001:db8:99::1"], check=True, stdout=subprocess.DEVNULL)
    send_ra(lifetime=9000, valid=7200)  # heard by the bridge now, and understood
    wait_until(lambda: lifetime("s1") > 7000 and max(defaults("s1").values()) > 8000)
    delete()
    assert list(defaults("eth0")) == [("ra", 1024)] and 8000 < defaults("eth0")["ra", 1024] <= 9000, defaults("eth0")
    assert not defaults("s1") and lifetime("eth0") > 7000
    send_ra(lifetime=1800, valid=9000)  # and by the port again
    wait_until(lambda: lifetime("eth0") > 8000 and defaults("eth0")["ra", 1024] <= 1800)
    mine = next(a for a in addresses("eth0") if a.startswith("2001:db8:77:"))
    ip(f"addr change {mine} dev eth0 mngtmpaddr valid_lft 3600 preferred_lft 3600")  # advertisements only lengthen it (RFC 4862, 5.5.3)
    send_ra()
    assert_same(before)


def test_a_router_that_says_farewell():
    make_advertised_host()
    add()
    send_ra()
    wait_until(lambda: ("ra", 1023) in defaults("s1"))
    send_ra(lifetime=0)
    wait_until(lambda: ("ra", 1023) not in defaults("s1"))
    ip("-6 route del default dev s1 metric 1022")  # would end by itself
    delete()
    assert not defaults("eth0") and not defaults("s1"), defaults("eth0")


def test_a_router_that_came_later():
    make_lan()
    make_switch()
    add(says="")
    send_ra()
    wait_until(lambda: defaults("s1"))
    delete()
    assert list(defaults("eth0")) == [("ra", 1025)] and not defaults("s1"), defaults("eth0")
    send_ra()
    wait_until(lambda: ("ra", 1024) in defaults("eth0"))


def test_a_host_that_refuses_advertisements_goes_on_doing_so():
    make_lan()
    knob("eth0.accept_ra", 0)
    make_switch()
    add(says="")
    send_ra()
    time.sleep(0.3)
    assert not defaults("s1") and not defaults("eth0")


def test_add_is_killed_with_router_advertisements():
    break_off(make_advertised_host, "sendmsg", "add")


def test_del_is_killed_with_router_advertisements():
    break_off(make_advertised_host, "sendmsg", "del")


# ---- its neighbours in qnet ----

def test_a_switch_that_is_reloaded_keeps_it():
    make_host()
    before = settled()
    add()
    during = settled()
    make_switch()
    assert_same(during)
    switch("del", "s1", "--name=s1", status=1, says="systemctl stop qnet-uplink@s1")
    assert_same(during)
    delete()
    assert_same(before)
    switch("del", "s1", "--name=s1")


def test_what_is_set_on_the_bridge_stays_there():
    make_host()
    add()
    ip("addr add 192.168.55.1/24 dev s1")  # by hand
    ip("route add 10.30.0.0/16 via 10.9.0.7 dev s1")  # behind a guest
    delete()
    assert addresses("s1") == {"10.9.0.1/24", "fd00:9::1/64", "192.168.55.1/24"}, addresses("s1")
    assert "10.30.0.0/16" in {r[1] for r in routes("s1")}, routes("s1")
    assert addresses("eth0") == {"192.168.77.10/24", "fd77::10/64"}, addresses("eth0")


def test_what_comes_back_to_the_port_moves_again():
    make_host()
    before = settled()
    add()
    during = settled()
    ip("addr add 192.168.77.10/24 brd + dev eth0")  # as a DHCP client does that knows of nothing
    add()
    assert_same(during)
    delete()
    assert_same(before)


# ---- refused ----

def refused(device, says, name="s1"):
    before = settled()
    uplink("add", "s1", f"--name={name}", f"--device={device}", status=1, says=says)
    assert_same(before)


def test_refuses_what_cannot_be_an_uplink():
    make_host()
    ip("link set lo name loop0")
    refused("loop0", "it is the loopback device")
    refused("eth9", "There is no interface eth9")
    refused("s1", "it is a bridge")
    make_tun("t0")
    refused("t0", "it is a tap or tun device")
    make_tun("t1", IFF_TUN)
    refused("t1", "it is a tap or tun device")
    switch("add", "s2", "--name=s2")
    refused("s2", "it is a bridge")
    ip("link add br0 type bridge")
    refused("br0", "it is a bridge; connect VMs to it by Bridge=")
    ip("link set eth0 master br0")
    refused("eth0", "it is a port of br0 already")
    ip("link set eth0 nomaster")
    ip("link set eth0 master s1")  # by somebody else
    refused("eth0", "it is a port of s1 already")
    ip("link set eth0 nomaster")
    refused("eth0", "s1 is not its bridge, but the bridge of switch s1", name="s2")
    ip("nexthop add id 7 via 192.168.77.1 dev eth0")
    ip("route add 10.40.0.0/16 nhid 7")
    refused("eth0", "ip nexthop")
    ip("route del 10.40.0.0/16")
    helper("qnet-trunk", "add", "t-a", "t-b", "--bridge=s1", "--peer-bridge=s2")
    refused("t-a", "qnet has made it for something else")


def test_refuses_a_wireless_device():
    make_host()
    subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/class/net"], check=True)
    os.makedirs("/sys/class/net/eth0/phy80211")
    refused("eth0", "it is wireless")


def test_refuses_a_second_uplink():
    make_host()
    ip("link add eth1 type veth peer name lan1 netns lan")
    switch("add", "s2", "--name=s2")
    add()
    refused("eth1", "eth0 is the uplink of switch s1; stop that first")
    before = settled()
    uplink("add", "s2", "--name=s2", "--device=eth0", status=1, says="eth0 is the uplink of switch s1")
    uplink("del", "s2", "--name=s2")
    assert_same(before)


def test_what_the_bridge_cannot_take_leaves_all_as_it_was():
    make_host()
    knob("s1.disable_ipv6", 1)
    before = settled()
    add(status=1, says="Cannot give the address fd77::10/64 of eth0 to s1")
    assert_same(before)


def test_is_refused_without_privilege():
    make_host()
    before = settled()
    uplink("add", "s1", "--name=s1", "--device=eth0", status=1, says="not permitted", user=65534)
    assert_same(before)


def test_bad_arguments():
    uplink("add", "s1", "--name=s1", status=2, says="--device=")
    uplink("add", "s1", "--device=eth0", status=2, says="--name=")
    uplink("del", "s1", status=2, says="--name=")
    uplink("add", "a/b", "--name=s1", "--device=eth0", status=2, says="a/b")
    uplink("add", "s1", "--name=s 1", "--device=eth0", status=2, says="s 1")
    uplink("add", "s1", "--name=s1", "--device=eth 0", status=2, says="eth 0")
    uplink("add", "s1", "--name=s1", "--device=eth0", "--keep-address=1.2.3.4", status=2, says="--keep-address=1.2.3.4 ")
    uplink("del", "s1", "--name=s1", "--device=eth0", status=2, says="--device")
    assert uplink("--help").out.startswith("Usage:")
    assert uplink("--version").out.startswith("qnet-uplink ")
