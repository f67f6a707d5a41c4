# SPDX-License-Identifier: LGPL-2.1-or-later
"""Uplink=: the host's interface, which is up0 here and leads to a namespace "lan", joins a switch; its units start, stop, fail
and are killed, and the host has its addresses and routes again."""
import subprocess
import time

from vmtest import *

SECONDS = 600
UPLINK, SWITCH = "qnet-uplink@house.service", "qnet-switch@house.service"
LAB = """
[Switch house]
Uplink=up0
Address=10.9.0.1/24
Address=fd00:9::1/64

[VM guest1]
Kernel=/var/lib/images/vmlinux
Switch=house
"""
ECHO = """
import socket
c = socket.create_server(("10.99.0.1", 7777)).accept()[0]
while data := c.recv(100):
    c.sendall(data)
"""
before = None


def state():
    """The host's addresses, routes and interfaces"""
    links = json.loads(sh("ip -j -d link show dev up0"))
    for key in ("stats64", "ifindex"):
        links[0].pop(key, None)
    found = {"addr": json.loads(sh("ip -j addr show dev up0"))[0]["addr_info"], "link": links}
    for family in ("-4", "-6"):
        found[family] = json.loads(sh(f"ip {family} -j route show table all dev up0") or "[]")
    return json.loads(re.sub(r'("(?:valid|preferred)_life_time"): \d+', r"\1: 0", json.dumps(found)))


def host_is_as_before():
    assert state() == before, f"{state()} is not {before}"
    assert not succeeds(f"systemctl is-active --quiet {UPLINK}")


def on_bridge():
    return "192.168.77.10/24" in sh("ip -4 addr show dev house") and "dev house" in sh("ip route show default")


def make_lan():
    sh("ip netns add lan && ip link add up0 address 52:54:00:77:00:10 type veth peer name lan0 netns lan")
    sh("ip netns exec lan sysctl -qw net.ipv6.conf.lan0.accept_dad=0 net.ipv6.conf.all.forwarding=1 && sysctl -qw net.ipv6.conf.up0.accept_dad=0")
    for words in ("link set lo up", "link set lan0 up", "addr add 192.168.77.1/24 dev lan0", "addr add 10.99.0.1/32 dev lo",
                  "addr add fd77::1/64 dev lan0"):
        sh(f"ip -n lan {words}")
    for words in ("link set up0 up alias 'port 3'", "addr add 192.168.77.10/24 brd + dev up0 valid_lft 3000 preferred_lft 2000",
                  "addr add 192.168.77.11/24 dev up0", "addr add fd77::10/64 dev up0",
                  "route add default via 192.168.77.1 dev up0 proto dhcp metric 100 src 192.168.77.10",
                  "route add default via 192.168.77.1 dev up0 table 100", "-6 route add default via fd77::1 dev up0 metric 300"):
        sh(f"ip {words}")


def test_starts_and_stops_with_the_switch():
    global before
    configure(lab=LAB)
    make_lan()
    wait_for("the carrier", lambda: "LOWER_UP" in sh("ip link show dev up0") and "fe80" in sh("ip -6 addr show dev up0 -tentative"))
    before = state()
    hold(SWITCH, UPLINK)
    assert on_bridge() and "inet " not in sh("ip addr show dev up0"), sh("ip addr; ip route")
    assert succeeds("ping -n -c 1 -W 2 10.99.0.1") and succeeds("ping -n -c 1 -W 2 fd77::1")
    assert "addresses and routes" in sh(f"journalctl -o cat -u {UPLINK}")
    sh(f"systemctl reload {SWITCH}")
    assert on_bridge() and succeeds("ping -n -c 1 -W 2 10.99.0.1"), sh("ip addr; ip route")
    let_go(UPLINK, SWITCH)
    wait_for("the switch to go", lambda: not succeeds("ip link show dev house"))
    host_is_as_before()


def test_a_guest_is_in_the_lan():
    guest1 = Peer("guest1", "192.168.77.50/24")
    wait_for("the uplink", lambda: succeeds(f"systemctl is-active --quiet {UPLINK}"))
    assert guest1.reaches("192.168.77.1") and guest1.reaches("192.168.77.10")
    mac = guest1.sh("cat /sys/class/net/eth0/address").strip()
    assert mac in sh("ip -n lan neigh show 192.168.77.50"), sh("ip -n lan neigh show")
    guest1.close()
    wait_for("the switch to go", lambda: not succeeds("ip link show dev house"))
    host_is_as_before()


def test_a_connection_lives_on():
    server = subprocess.Popen(["ip", "netns", "exec", "lan", "python3", "-c", ECHO])
    wait_for("the server", lambda: succeeds("ip netns exec lan ss -ltn | grep -q 7777"))
    with socket.create_connection(("10.99.0.1", 7777), timeout=60) as connection:
        def talks():
            began = time.monotonic()
            for i in range(20):
                connection.sendall(b"%04d" % i)
                assert connection.recv(4, socket.MSG_WAITALL) == b"%04d" % i
            return time.monotonic() - began < 10
        assert talks()
        for _ in range(3):
            hold(SWITCH, UPLINK)
            assert on_bridge() and talks()
            let_go(UPLINK, SWITCH)
            wait_for("the switch to go", lambda: not succeeds("ip link show dev house"))
            assert talks()
    server.wait(10)
    host_is_as_before()


def test_killed_while_it_starts():
    """SIGKILL at one request after the other; systemd runs ExecStopPost=."""
    command = re.search(r"^ExecStart=(.*)$", sh(f"systemctl cat {UPLINK}"), re.MULTILINE)[1]
    dropin = Path(f"/run/systemd/system/{UPLINK}.d/90-kill.conf")
    dropin.parent.mkdir(parents=True, exist_ok=True)
    hold(SWITCH)
    for n in range(4, 500, 7):
        dropin.write_text("[Service]\nSystemCallFilter=\nExecStart=\n"
                          f"ExecStart=strace -o /dev/null -e trace=sendmsg -e inject=sendmsg:signal=KILL:when={n} {command}\n")
        sh("systemctl daemon-reload")
        if succeeds(f"systemctl start {UPLINK}"):  # it was done before, and stops again, as nobody needs it
            break
        assert show(UPLINK, "Result") == "signal", show(UPLINK, "Result")
        host_is_as_before()
        assert succeeds("ip link show dev house") and "192.168.77" not in sh("ip addr show dev house")
        sh(f"systemctl reset-failed {UPLINK}")
    assert n > 20, n
    dropin.unlink()
    sh("systemctl daemon-reload")
    let_go(SWITCH)
    wait_for("the switch to go", lambda: not succeeds("ip link show dev house"))
    host_is_as_before()


def test_the_device_vanishes():
    hold(SWITCH, UPLINK)
    sh("ip -n lan link del lan0")
    wait_for("the uplink's end", lambda: show(UPLINK, "ActiveState") in ("inactive", "failed"))
    assert "192.168.77" not in sh("ip addr show dev house; ip route") and "10.9.0.1/24" in sh("ip addr show dev house")
    let_go(SWITCH)  # what needed the uplink has ended with it


main()
