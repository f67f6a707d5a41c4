# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must not restart anything: wrong addresses, junk, a guest that claims another's address."""
from qnettest import *

SECONDS = 35
guests = {}
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24

[VM alice]
System=tiny
KernelCommandLine=addr=10.9.0.5/24
[Interface]
Switch=s1
Address=10.9.0.5

[VM mallory]
System=tiny
KernelCommandLine=addr=10.9.0.6/24
Switch=s1

[VM bob]
System=tiny
Bridge=br9
KernelCommandLine=addr=10.7.0.5/24
[VM eve]
System=tiny
Bridge=br9
KernelCommandLine=addr=10.7.0.6/24
"""


def test_boot():
    sh("ip link add br9 type bridge forward_delay 0 && ip addr add 10.7.0.1/24 dev br9 && ip link set br9 up")
    configure(lab=CONFIG)
    start(*(vm(n) for n in ("alice", "mallory", "bob", "eve")))
    for name, ip in (("alice", "10.9.0.5"), ("mallory", "10.9.0.6"), ("bob", "10.7.0.5"), ("eve", "10.7.0.6")):
        guests[name] = Guest(name, ip).wait()


def test_unknown_addresses_and_junk():
    old = {name: invocation(name) for name in guests}
    past_hold_off("eve")                        # else nothing would be restarted for that reason alone
    junk = ("10.9.0.77", "192.0.2.1", "300.1.2.3", "fd00::1", "no-such-vm", "../../etc/passwd", "10.9.0.5 10.9.0.6",
            "$(reboot)", "\u00fc\u00df\u20ac", "x" * 5000, "127.0.0.1", "10.9.0.1", "-1", "%s%n")
    for line in junk:
        report(line)
    sh(f"head -c 100000 /dev/urandom | tr -d '\\n' >>{KILL_LOG}; echo >>{KILL_LOG}")
    report("192.0.2.99")
    wait_for("a word about the last one", lambda: any("192.0.2.99" in str(e.get("MESSAGE")) for e in journal("-u", "qnet-reaper")))
    reaper_idle()
    assert {name: invocation(name) for name in guests} == old
    assert not restarts()
    text = " ".join(str(e.get("MESSAGE")) for e in journal("-u", "qnet-reaper"))
    for word in ("10.9.0.77", "192.0.2.1", "300.1.2.3", "no-such-vm"):
        assert word in text, f"no message about {word}"
    assert show("qnet-reaper.path", "ActiveState") == "active"


def test_links_and_fifos_as_log_are_refused():
    configure(lab=CONFIG, reaper="[Reaper]\nKillLog=/tmp/kill\n")
    old = {name: invocation(name) for name in guests}
    sh("rm -f /tmp/kill; echo 10.9.0.5 >/tmp/target; ln -s /tmp/target /tmp/kill")
    report("192.0.2.50")
    reaper_idle()
    sh("rm -f /tmp/kill; mkfifo /tmp/kill")
    report("192.0.2.51")
    wait_for("a word about the line", lambda: any("192.0.2.51" in str(e.get("MESSAGE")) for e in journal("-u", "qnet-reaper")))
    reaper_idle()
    assert {name: invocation(name) for name in guests} == old
    sh("rm -f /tmp/kill")


def spoof(thief, victim, dev):
    """The thief's guest takes the victim's address and says so to everybody."""
    guests[thief].sh(f"ip addr add {guests[victim].ip}/24 dev eth0; arping -U -c 5 -I eth0 {guests[victim].ip} >/dev/null; "
                     f"arping -A -c 5 -I eth0 {guests[victim].ip} >/dev/null", timeout=60)
    return entry(guests[victim].ip, dev)


def test_spoofed_static_address_never_restarts_the_victim_falsely():
    """Address= is a permanent entry: the claim changes nothing, a report means its rightful owner."""
    mac = mac_of("alice")
    assert mac in spoof("mallory", "alice", "s1"), "a guest has changed a permanent entry"
    old = invocation("mallory")
    alice = invocation("alice")
    past_hold_off("alice")
    report(guests["alice"].ip)
    wait_for("a new alice", lambda: invocation("alice") not in ("", alice))
    assert invocation("mallory") == old


def test_spoofed_dynamic_address_hits_only_the_thief():
    guests["eve"].sh("arping -U -c 1 -I eth0 10.7.0.6 >/dev/null")
    wait_for("eve's claim to be believed", lambda: mac_of("eve") in spoof("eve", "bob", "br9"))
    bob, eve = invocation("bob"), invocation("eve")
    past_hold_off("eve")
    report(guests["bob"].ip)
    wait_for("a new eve", lambda: invocation("eve") not in ("", eve))
    reaper_idle()
    assert invocation("bob") == bob, "the victim was restarted"


main()
