# SPDX-License-Identifier: LGPL-2.1-or-later
"""From "systemctl start qemu-vm@x" until it returns, against QEMU with the same arguments started by hand until its
QMP answers. Ours makes the tap, a user and the unit's sandbox on the way; the bare one finds its tap made and is root.
The switch is there for both.
"""
import subprocess

from box import HELPERS, sandbox
from frame import TESTS, Result, Unavailable

RATIO_GOAL = 1.3
DIRECTORY = "/run/qnet/vm/bench"
CONFIGURATION = """\
[Switch s1]
Address=10.9.0.1/24
Autostart=yes

[VM bench]
Accelerator=tcg
Memory=128M
Kernel=/bench/guest/vmlinux
Initrd=/bench/guest/initrd.gz
KernelCommandLine=console=ttyS0 quiet
Switch=s1
StopTimeoutSec=1s
"""


def rows(bench):
    bench.program("generator/qnet-generator")
    guest = subprocess.run([TESTS / "guest/build"], text=True, stdout=subprocess.PIPE, check=True).stdout.strip()
    with sandbox(bench, guest=guest) as box:
        box.write("/etc/qnet/bench.conf", CONFIGURATION)
        box.sh("systemctl daemon-reload; systemctl start qnet-switch@s1.service qemu-vm@bench.service")
        if box.sh("systemctl show -P LoadState qemu-vm@bench.service") != "loaded":
            raise Unavailable("the generator writes no units yet")
        pid = box.sh("systemctl show -P MainPID qemu-vm@bench.service")
        argv = box.run("cat", f"/proc/{pid}/cmdline").rstrip("\0").split("\0")
        alias = box.sh("cat /sys/class/net/tap-bench/ifalias")
        stop(box)

        def ours():
            took = int(box.run("python3", "-B", "/bench/scripts/inside.py", "start", "qemu-vm@bench.service"))
            stop(box)
            return took / 1000

        def bare():
            mac = alias.partition("mac=")[2]
            box.sh(f"mkdir -p {DIRECTORY}; {HELPERS}/qnet-tap add tap-bench --vm=bench --mac={mac} --bridge=s1")
            took = int(box.run("python3", "-B", "/bench/scripts/inside.py", "qemu", f"{DIRECTORY}/qnet.qmp", *argv))
            box.sh(f"rm -r {DIRECTORY}; {HELPERS}/qnet-tap del tap-bench")
            return took / 1000

        with_qnet, by_hand = bench.in_turns(bench.rounds(20), ours, bare)
        yield Result("systemctl start to QMP, against bare QEMU", "ms", with_qnet, by_hand, ratio_goal=RATIO_GOAL)


def stop(box):
    """At once: the guest has not booted far enough to hear of a power-down."""
    box.sh("systemctl kill --signal=KILL qemu-vm@bench.service; systemctl stop qemu-vm@bench.service"
           "; systemctl reset-failed qemu-vm@bench.service 2>/dev/null || :")
    box.wait_until_idle("qemu-vm@bench.service", "qnet-tap@tap-bench.service")
