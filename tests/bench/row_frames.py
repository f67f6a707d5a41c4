# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames from one guest to another: between two taps of a switch, against two taps of a bridge made by hand."""
import subprocess

from frame import Result, enter_private_network, need_commands, need_root

RATIO_GOAL = 1.05
COUNT = 20000
BY_HAND = """\
link add h1 type bridge
addr add 10.99.0.1/24 dev h1
link set h1 up
tuntap add dev h1-0 mode tap vnet_hdr
link set h1-0 master h1 up
tuntap add dev h1-1 mode tap vnet_hdr
link set h1-1 master h1 up
"""


def rows(bench):
    need_root()
    need_commands("ip")
    tap, frames = bench.program("helpers/network/qnet-tap"), bench.program("tests/bench/frames")
    enter_private_network()
    subprocess.run([bench.program("helpers/network/qnet-switch"), "add", "s1", "--name=s1", "--address=10.9.0.1/24"],
                   check=True)
    for i in (1, 2):
        subprocess.run([tap, "add", f"tap-{i}", f"--vm=vm{i}", f"--mac=52:54:00:09:01:0{i}", "--bridge=s1"], check=True)
    subprocess.run(["ip", "-batch", "-"], input=BY_HAND, text=True, check=True)

    def side(one, two, size):
        def run():
            done = subprocess.run([frames, one, two, str(size), str(COUNT)], text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            if done.returncode != 0:
                raise RuntimeError(done.stderr.strip())
            return float(done.stdout)
        return run

    for size in (60, 1514):
        ours, hand = bench.in_turns(bench.rounds(40), side("tap-1", "tap-2", size), side("h1-0", "h1-1", size))
        middle = sorted(ours)[len(ours) // 2]
        yield Result(f"frame of {size} bytes, tap to tap, against a bridge by hand", "ns", ours, hand,
                     ratio_goal=RATIO_GOAL, note=f"{1e6 / middle:.0f} thousand a second")
