# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-arp"""
import re
import threading

from lab import *  # noqa: F403


def up(guest):
    wait_until(lambda: "LOWER_UP" in link(guest.ifname)["flags"])
    return guest


def pin(ip_address, mac=MAC, dev="s1", state="permanent"):
    ip(f"neigh replace {ip_address} lladdr {mac} dev {dev} nud {state}")


def test_get_by_ip():
    make_lab()
    up(Guest("tap-a"))  # a bridge that loses its carrier loses what is not permanent
    pin("10.9.0.7", state="stale")
    assert arp("get", "10.9.0.7", "--dev=s1") == f"10.9.0.7 dev s1 lladdr {MAC} STALE\n"
    assert arp("get", "10.9.0.7") == f"10.9.0.7 dev s1 lladdr {MAC} STALE\n"
    assert arp("get", "10.9.0.7").strip() == ip("neigh show 10.9.0.7").strip()
    assert json.loads(arp("get", "--json", "10.9.0.7")) == json.loads(ip("-j neigh show 10.9.0.7"))
    pin("fd00::7", MAC2)
    assert arp("get", "fd00::7") == f"fd00::7 dev s1 lladdr {MAC2} PERMANENT\n"


def test_get_link_local():
    make_lab()
    pin("fe80::7")
    for words in (["fe80::7%s1"], ["fe80::7", "--dev=s1"], ["fe80::7%s1", "--dev=s1"]):
        assert arp("get", *words) == f"fe80::7 dev s1 lladdr {MAC} PERMANENT\n"
    helper("qnet-arp", "get", "fe80::7%s1", "--dev=lo", status=2, says="scoped to s1")
    helper("qnet-arp", "get", "fe80::7%none", status=1, says="Cannot look up device none")


def test_get_by_mac():
    make_lab()
    pin("10.9.0.7")
    pin("fd00::7")
    pin("10.9.0.8", MAC2)
    assert arp("get", MAC.upper()) == f"10.9.0.7 dev s1 lladdr {MAC} PERMANENT\nfd00::7 dev s1 lladdr {MAC} PERMANENT\n"
    assert len(json.loads(arp("get", MAC, "--json", "--dev=s1"))) == 2
    helper("qnet-arp", "get", MAC, "--dev=tap-a", status=1, says=f"No neighbour on tap-a has the MAC {MAC}")


def test_get_what_is_not_there():
    make_lab()
    helper("qnet-arp", "get", "10.9.0.7", status=1, says="There is no neighbour 10.9.0.7")
    helper("qnet-arp", "get", "10.9.0.7", "--dev=s1", status=1, says="There is no neighbour 10.9.0.7 on s1")
    helper("qnet-arp", "get", "8.8.8.8", status=1, says="There is no route to 8.8.8.8")
    helper("qnet-arp", "get", "10.9.0.1", status=1, says="10.9.0.1 is an address of this host itself")
    helper("qnet-arp", "get", "10.9.0.7", "--dev=none", status=1, says="Cannot look up device none")
    assert helper("qnet-arp", "get", "10.9.0.7", "--json", status=1, says="There is no").out == ""


def test_get_a_failed_one():
    make_lab()
    up(Guest("tap-a"))
    ip("ntable change name arp_cache dev s1 retrans 10")
    subprocess.run(["ping", "-c1", "-W0.5", "10.9.0.7"], stdout=subprocess.DEVNULL)
    wait_until(lambda: neighbours("s1").get("10.9.0.7") == (None, "FAILED"))
    assert arp("get", "10.9.0.7") == "10.9.0.7 dev s1 FAILED\n"
    assert json.loads(arp("get", "10.9.0.7", "--json")) == json.loads(ip("-j neigh show 10.9.0.7"))


def test_list():
    make_lab()
    up(Guest("tap-a"))  # a bridge that loses its carrier loses what is not permanent
    pin("10.9.0.7")
    pin("10.9.0.8", MAC2, state="stale")
    pin("fd00::7")
    ip("neigh add 192.0.2.1 lladdr 52:54:00:00:00:09 dev tap-a nud permanent")
    ip("neigh add ff02::99 lladdr 33:33:00:00:00:99 dev s1 nud noarp")
    assert sorted(arp("list", "--dev=s1").splitlines()) == [
        f"10.9.0.7 dev s1 lladdr {MAC} PERMANENT", f"10.9.0.8 dev s1 lladdr {MAC2} STALE",
        f"fd00::7 dev s1 lladdr {MAC} PERMANENT"]
    assert sorted(arp("list").splitlines()) == sorted(line.strip() for line in ip("neigh show").splitlines())
    assert "192.0.2.1 dev tap-a" in arp("list")
    key = lambda e: e["dst"]  # noqa: E731
    assert sorted(json.loads(arp("list", "--json")), key=key) == sorted(json.loads(ip("-j neigh show")), key=key)
    assert json.loads(arp("list", "--json", "--dev=lo")) == []


def test_del():
    make_lab()
    for subject in ("10.9.0.7", "fd00::7", MAC):
        for address in ("10.9.0.7", "fd00::7"):
            pin(address)
        pin("10.9.0.8", MAC2)
        arp("del", subject)
        gone = {"10.9.0.7", "fd00::7"} if subject == MAC else {subject}
        assert set(neighbours("s1")) == {"10.9.0.7", "fd00::7", "10.9.0.8"} - gone, subject
        arp("del", subject)
    helper("qnet-arp", "del", "10.9.0.8", status=1, says="not permitted", user=65534)
    assert "10.9.0.8" in neighbours("s1")


def fill(n, dev="s1"):
    ip_batch([f"neigh replace 10.8.{i >> 8}.{i & 255} lladdr 52:54:00:01:{i >> 8:02x}:{i & 255:02x} dev {dev} nud permanent"
              for i in range(n)])


def plain(calls):
    """Without what differs from run to run: addresses of memory, ports, sequence numbers, states"""
    return [c.split("(")[0] for c in calls]


def test_a_lookup_costs_the_same_with_10000_neighbours():
    make_lab("10.8.0.1/16")
    fill(12)
    few = traced("qnet-arp", "get", "10.8.0.9", "--dev=s1")
    fill(10000)
    assert len(json.loads(ip("-j neigh show dev s1"))) == 10000
    many = traced("qnet-arp", "get", "10.8.0.9", "--dev=s1")
    assert plain(few) == plain(many), (few, many)
    sent = [c for c in many if c.startswith("sendmsg(") and "NEIGH" in c]
    assert len(sent) == 1 and "NLM_F_DUMP" not in sent[0], sent
    received = [c for c in many if c.startswith("recvmsg(") and "NEIGH" in c]
    assert len(received) == 1, received
    assert arp("get", "10.8.39.15").startswith("10.8.39.15 dev s1 lladdr 52:54:00:01:27:0f ")
    assert len(arp("list", "--dev=s1").splitlines()) == 10000


def test_a_list_is_whole_while_the_table_changes():
    make_lab("10.8.0.1/16")
    fill(3000)
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            ip_batch([f"neigh {verb} 10.8.200.{i} lladdr {MAC2} dev s1 nud permanent"
                      for verb in ("replace", "del") for i in range(1, 200)])

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(30):
            lines = arp("list", "--dev=s1").splitlines()
            stable = [line.split()[0] for line in lines if not line.startswith("10.8.200.")]
            assert len(stable) == len(set(stable)) == 3000, len(stable)
    finally:
        stop.set()
        thread.join()


# ---- wait ----

def test_wait_sees_the_guest_come():
    make_lab()
    guest = up(Guest("tap-a"))
    child = start("qnet-arp", "wait", MAC, "--dev=s1", "--timeout=20s")
    assert is_running(child, 0.3)
    guest.noise()
    assert is_running(child, 0.3), "it has spoken, but has no address"
    guest.ask("10.9.0.7", "10.9.0.1")
    assert re.fullmatch(f"10.9.0.7 dev s1 lladdr {MAC} [A-Z]+\n", finish(child).out)
    assert finish(start("qnet-arp", "wait", MAC)).out.startswith("10.9.0.7 ")


def test_wait_is_not_deceived_by_a_pin():
    make_lab()
    tap("own", "tap-a", 0, "--pin=10.9.0.7")
    guest = up(Guest("tap-a"))
    child = start("qnet-arp", "wait", MAC, "--dev=s1", "--timeout=20s")
    assert is_running(child, 0.5)
    guest.noise()
    assert finish(child).out == f"10.9.0.7 dev s1 lladdr {MAC} PERMANENT\n"


def test_wait_is_not_deceived_by_a_mac_of_the_bridge():
    make_lab()
    up(Guest("tap-a"))
    for mac in (link("s1")["address"], link("tap-a")["address"]):
        pin("10.9.0.9", mac)
        helper("qnet-arp", "wait", mac, "--timeout=200ms", status=1, says=f"No address of {mac}")


def test_wait_is_not_deceived_by_a_former_life():
    make_lab()
    guest = up(Guest("tap-a"))
    guest.ask("10.9.0.7", "10.9.0.1")
    wait_until(lambda: "10.9.0.7" in neighbours("s1"))
    ip("link add v0 type veth peer name v1")  # keeps the bridge's carrier, with which the table would go
    for words in ("v0 master s1 up", "v1 up"):
        ip(f"link set {words}")
    guest.close()
    wait_until(lambda: fdb_port(MAC) is None)
    assert neighbours("s1")["10.9.0.7"][0] == MAC
    child = start("qnet-arp", "wait", MAC, "--dev=s1", "--timeout=20s")
    assert is_running(child, 0.5)
    guest = up(Guest("tap-a"))
    guest.ask("10.9.0.7", "10.9.0.1")
    finish(child)


def test_wait_probes_a_guest_long_silent():
    make_lab()
    guest = up(Guest("tap-a"))
    guest.ask("10.9.0.7", "10.9.0.1")
    wait_until(lambda: "10.9.0.7" in neighbours("s1"))
    pin("10.9.0.7", state="stale")
    subprocess.run(["bridge", "fdb", "del", MAC, "dev", "tap-a", "master"], check=True)
    guest.frames(0.1)
    child = start("qnet-arp", "wait", MAC, "--dev=s1", "--timeout=20s")
    end = time.monotonic() + 10
    while not any(f[12:14] == b"\x08\x06" and f[:6] == mac_bytes(MAC) for f in guest.frames(0.2)):
        assert time.monotonic() < end and child.poll() is None, "no probe came"
    guest.arp(2, "10.9.0.7", "10.9.0.1", to=link("s1")["address"], his_mac=link("s1")["address"])
    finish(child)


def test_wait_needs_no_privilege():
    make_lab()
    guest = up(Guest("tap-a"))
    child = start("qnet-arp", "wait", MAC, "--dev=s1", "--timeout=20s", user=65534)
    assert is_running(child, 0.3)
    guest.ask("10.9.0.7", "10.9.0.1")
    finish(child)


def test_wait_on_a_device_that_is_no_bridge():
    ip("link add v0 type veth peer name v1")
    ip("addr add 10.7.0.1/24 dev v0")
    for name in ("v0", "v1"):
        ip(f"link set {name} up")
    child = start("qnet-arp", "wait", MAC, "--dev=v0", "--timeout=20s")
    pin("10.7.0.2", dev="v0")
    assert is_running(child, 0.3), "a permanent entry was made by someone, not by the guest"
    pin("10.7.0.2", dev="v0", state="reachable")
    assert finish(child).out == f"10.7.0.2 dev v0 lladdr {MAC} REACHABLE\n"


def test_wait_ends():
    make_lab()
    before = time.monotonic()
    helper("qnet-arp", "wait", MAC, "--timeout=300ms", status=1, says=f"No address of {MAC} was seen within 0.3 s")
    assert 0.3 <= time.monotonic() - before < 3
    child = start("qnet-arp", "wait", MAC, "--dev=s1")
    assert is_running(child, 0.3)
    switch("del", "s1", "--name=s1")
    assert "Device s1 has gone" in finish(child, 1).err


def test_wait_outlives_a_flood_of_news():
    make_lab("10.8.0.1/16")
    guest = up(Guest("tap-a"))
    child = start("qnet-arp", "wait", MAC, "--dev=s1", "--timeout=30s")
    assert is_running(child, 0.3)
    child.send_signal(signal.SIGSTOP)
    fill(20000)
    guest.ask("10.8.200.7", "10.8.0.1")
    wait_until(lambda: fdb_port(MAC) == "tap-a")
    child.send_signal(signal.SIGCONT)
    assert finish(child).out.startswith("10.8.200.7 ")


def test_wait_sleeps_meanwhile():
    make_lab()
    calls = traced("qnet-arp", "wait", MAC, "--dev=s1", "--timeout=1500ms", status=1)
    woken = [c for c in calls if c.startswith(("ppoll(", "poll(", "pselect6(", "clock_nanosleep("))]
    news = [c for c in calls if c.startswith("recvmsg(") and "nl_groups=0x" in c]
    assert woken[-1].endswith("= 0 (Timeout)"), woken
    assert len(woken) <= len(news) + 1, "it polls"


def test_bad_arguments():
    helper("qnet-arp", status=2, says="Expected a verb")
    helper("qnet-arp", "find", "x", status=2, says="find")
    helper("qnet-arp", "get", status=2, says="Expected get")
    helper("qnet-arp", "get", "10.9.0", status=2, says="10.9.0 is neither")
    helper("qnet-arp", "get", "10.9.0.7", "x", status=2, says="Too many")
    helper("qnet-arp", "list", "x", status=2, says="Too many")
    helper("qnet-arp", "wait", "10.9.0.7", status=2, says="10.9.0.7 is not a MAC")
    helper("qnet-arp", "wait", MAC, "--timeout=soon", status=2, says="--timeout=soon")
    helper("qnet-arp", "wait", MAC, "--json", status=2, says="--json")
    helper("qnet-arp", "get", MAC, "--timeout=1", status=2, says="--timeout")
    helper("qnet-arp", "get", "10.9.0.7%" + "x" * 5000, status=1, says="Cannot look up device")
