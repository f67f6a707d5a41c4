# SPDX-License-Identifier: LGPL-2.1-or-later
"""A frozen guest is found also when testers talked to it for long, or nobody did: in all three kinds of network."""
from qnettest import *

SECONDS = 120
guests = {}
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24
DHCP=yes

[Switch s2]
Address=10.8.0.1/24

[VM leased]
System=tiny
Switch=s1

[VM static]
System=tiny
KernelCommandLine=addr=10.8.0.5/24
[Interface]
Switch=s2
Address=10.8.0.5

[VM foreign]
System=tiny
Bridge=netbr1
"""


def test_boot():
    foreign_bridge()
    configure(lab=CONFIG)
    start(vm("leased"), vm("static"), vm("foreign"))
    guests.update(leased=leased("leased", "s1"), static=Guest("static", "10.8.0.5"), foreign=foreign_leased("foreign"))
    for guest in guests.values():
        guest.wait()
    bridges = {"leased": "s1", "static": "s2", "foreign": "netbr1"}
    for guest in guests.values():
        guest.bridge = bridges[guest.name]


def expect_found(act):
    """Freezes all three guests, does something, reports all three: all must be restarted."""
    old = {name: invocation(name) for name in guests}
    for guest in guests.values():
        guest.freeze()
    act()
    report(*(g.ip for g in guests.values()))
    for name in guests:
        wait_for(f"a new {name}", lambda name=name: invocation(name) not in ("", old[name]))
    for guest in guests.values():
        guest.wait()


def ping_15_s():
    for ping in [subprocess.Popen(["ping", "-n", "-q", "-c", "15", "-W", "1", g.ip], stdout=subprocess.DEVNULL)
                 for g in guests.values()]:
        assert ping.wait() != 0, "a frozen guest answers"
    for guest in guests.values():
        print(entry(guest.ip, guest.bridge))


def forget_ports():
    for guest in guests.values():
        sh(f"bridge fdb del {mac_of(guest.name)} dev tap-{guest.name} master", check=False)
        assert mac_of(guest.name) not in sh(f"bridge fdb show br {guest.bridge} dynamic", check=False)


def test_after_15_s_of_pings():
    expect_found(ping_15_s)


def test_after_15_s_of_pings_and_without_forwarding_entry():
    expect_found(lambda: (ping_15_s(), forget_ports()))


def test_after_silence():
    # the entries of the dynamic kind go stale; nobody talks
    expect_found(lambda: time.sleep(40))


def test_address_while_guest_is_down():
    """An address outlives the guest that had it; stopped guests are not restarted."""
    stop(vm("leased"))
    report(guests["leased"].ip)
    reaper_idle()
    assert show(vm("leased"), "ActiveState") == "inactive"


main()
