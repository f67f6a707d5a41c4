# SPDX-License-Identifier: LGPL-2.1-or-later
"""One tap made and removed, against three times ip(8) and against a minimal libnl program that makes the same tap."""
import subprocess

from frame import Result, enter_private_network, need_commands, need_root
from row_arp import system_calls

RATIO_GOAL = 1.5
BRIDGE, TAP, MAC, OWN_MAC = "s1", "tap-host1", "52:54:00:aa:bb:cc", "fe:54:00:aa:bb:cc"
ALIAS = f"qnet:vm=host1 mac={MAC}"


def rows(bench):
    need_root()
    need_commands("ip")
    tap, bare = bench.program("helpers/network/qnet-tap"), bench.program("tests/bench/bare-tap")
    enter_private_network()
    subprocess.run([bench.program("helpers/network/qnet-switch"), "add", BRIDGE, f"--name={BRIDGE}",
                    "--address=10.9.0.1/24"], check=True)

    add = {
        "ours": [tap, "add", TAP, "--vm=host1", f"--mac={MAC}", f"--bridge={BRIDGE}"],
        "ip": ["ip", "tuntap", "add", "dev", TAP, "mode", "tap", "vnet_hdr", "user", "0", ";",
               "ip", "link", "set", TAP, "address", OWN_MAC, "addrgenmode", "none", "alias", ALIAS, ";",
               "ip", "link", "set", TAP, "master", BRIDGE, "up"],
        "bare": [bare, "add", TAP, BRIDGE, OWN_MAC, ALIAS],
    }
    remove = {"ours": [tap, "del", TAP], "ip": ["ip", "link", "del", TAP], "bare": [bare, "del", TAP]}

    def round_trip(side):
        return lambda: (bench.cost(*add[side]).wall, bench.cost(*remove[side]).wall)

    sides = ("ours", "ip", "bare")
    times = dict(zip(sides, bench.in_turns(bench.rounds(200), *(round_trip(s) for s in sides), warm_up=5)))
    added, removed = ({s: [t[i] for t in times[s]] for s in sides} for i in (0, 1))
    calls = [f"{n} system calls" if n else "" for n in (system_calls(add["ours"]), system_calls(remove["ours"]))]
    yield Result("tap added, against 3 x ip", "us", added["ours"], added["ip"], ratio_goal=1, note=calls[0])
    yield Result("tap added, against minimal libnl", "us", added["ours"], added["bare"], ratio_goal=RATIO_GOAL)
    yield Result("tap removed, against ip link del", "us", removed["ours"], removed["ip"], note=calls[1])
    yield Result("tap removed, against minimal libnl", "us", removed["ours"], removed["bare"])
