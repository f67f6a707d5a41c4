# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many taps at once, started and stopped by systemd. Targets hold them: what a guest costs is no matter here."""
from qnettest import *

SECONDS = 20
MANY = 200
CONFIG = "[Switch s1]\nAddress=10.9.0.1/24\nAutostart=yes\n[Switch s2]\n" + "".join(
    f"[VM f{i}]\nKernel=/var/lib/images/vmlinux\nSwitch=s{1 + (i >= MANY)}\nMACAddress=52:54:00:09:00:{i:02x}\n"
    for i in range(MANY + 2))
NAMES = [f"tap-f{i}" for i in range(MANY + 2)]
HOLDER = "[Unit]\nRequires=qnet-tap@%i.service\nAfter=qnet-tap@%i.service\n"


def holders(names):
    return [f"hold@{n}.target" for n in names]


def units(names):
    return [f"qnet-tap@{n}.service" for n in names]


def taps():
    """{name: (ifindex, bridge, group, is up)}"""
    return {k["ifname"]: (k["ifindex"], k.get("master"), k["group"], "UP" in k["flags"])
            for k in json.loads(sh("ip -j link")) if k["ifname"].startswith("tap-f")}


def troubles():
    return sh("systemctl list-units --failed --no-legend --plain; systemctl list-jobs --no-legend --plain", check=False)


def test_two_hundred_start_at_once():
    Path("/run/systemd/system/hold@.target").write_text(HOLDER)
    configure(fleet=CONFIG)
    start(*holders(NAMES))
    found = taps()
    assert sorted(found) == sorted(NAMES), f"{len(found)} taps"
    assert all(t[1:] == ("s2" if n in NAMES[MANY:] else "s1", "default", True) for n, t in found.items()), found
    assert not troubles(), troubles()


def test_some_stop_while_others_restart():
    """Nobody takes another's along: neither one that stays nor one that is made again."""
    before = taps()
    stop_, again = NAMES[1:MANY:3], NAMES[2:MANY:3]
    sh("systemctl restart --no-block " + " ".join(units(again)))
    stop(*holders(stop_))
    wait_for("all jobs to end", lambda: not sh("systemctl list-jobs --no-legend --plain | grep -v '^No jobs'", check=False))
    assert not troubles(), troubles()
    now = taps()
    assert sorted(now) == sorted(set(NAMES) - set(stop_)), sorted(now)
    for name, tap in now.items():
        assert tap[1:] == before[name][1:] and (tap[0] == before[name][0]) == (name not in again), (name, tap, before[name])


def test_their_switch_stops():
    """With all of its ports; the other keeps its own."""
    others = {name: tap for name, tap in taps().items() if tap[1] == "s2"}
    stop("qnet-switch@s1.service")
    assert taps() == others and len(others) == 2 and "s1" not in interfaces(), taps()
    assert not troubles(), troubles()
    states = sh("systemctl is-active " + " ".join(holders(NAMES)), check=False).split()
    assert states == ["inactive"] * MANY + ["active"] * 2, states


main()
