# SPDX-License-Identifier: LGPL-2.1-or-later
"""Eight instances of one VM at once on a bridge that was there before, and one of them frozen."""
from qnettest import *

SECONDS = 45
CONFIG = TINY + """
[VM farm]
System=tiny
Memory=96M
Bridge=netbr1
Instances=8
Lab=farm
"""
guests = {}


def names():
    rows = sh("systemctl list-units --plain --no-legend --state=active 'qemu-vm@*'").splitlines()
    return sorted(re.match(r"qemu-vm@(.+)\.service", row)[1] for row in rows)


def test_boot_eight_at_once():
    foreign_bridge()
    configure(farm=CONFIG)
    start("qnet-lab@farm.target")
    assert len(names()) == 8, names()
    for name in names():
        guests[name] = foreign_leased(name)
    for guest in guests.values():
        guest.wait()
    assert len({g.ip for g in guests.values()}) == 8
    assert len({mac_of(name) for name in guests}) == 8


def test_one_of_eight_is_restarted():
    victim = names()[4]
    before = {name: (invocation(name), g.who()[0]) for name, g in guests.items()}
    guests[victim].freeze()
    report(guests[victim].ip)
    wait_for(f"a new {victim}", lambda: invocation(victim) not in ("", before[victim][0]))
    guests[victim].wait()
    for name, guest in guests.items():
        if name != victim:
            assert invocation(name) == before[name][0]
            assert guest.who()[0] == before[name][1]


def test_all_frozen_all_restarted():
    before = {name: invocation(name) for name in guests}
    for guest in guests.values():
        guest.freeze()
    report(*(g.ip for g in guests.values()))
    for name in guests:
        wait_for(f"a new {name}", lambda name=name: invocation(name) not in ("", before[name]))
    for guest in guests.values():
        guest.wait()


def test_stop_leaves_only_the_bridge():
    stop("qnet-lab@farm.target")
    wait_for("the taps to go", lambda: interfaces() == ["lo", "netbr1"])
    assert not sh("pgrep qemu-system", check=False)


main()
