# SPDX-License-Identifier: LGPL-2.1-or-later
"""From "systemctl start qemu-vm@x" until QEMU's QMP answers, against QEMU with the same arguments started by hand until
its QMP answers. Ours makes the tap, a user and the unit's sandbox on the way; the bare one finds its tap made and is
root. The switch is there for both.
"""
import subprocess

from box import HELPERS, sandbox
from frame import TESTS, Result, Unavailable

RATIO_GOAL = 1.3
VM_UNIT, TAP_UNIT = "qemu-vm@bench.service", "qnet-tap@tap-bench.service"
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
        box.sh("systemctl daemon-reload")
        if box.sh(f"systemctl show -P LoadState {VM_UNIT}") != "loaded":
            raise Unavailable("the generator makes no unit of it")
        box.sh(f"systemctl start qnet-switch@s1.service {VM_UNIT}")
        pid = box.sh(f"systemctl show -P MainPID {VM_UNIT}")
        argv = box.run("cat", f"/proc/{pid}/cmdline").rstrip("\0").split("\0")
        alias = box.sh("cat /sys/class/net/tap-bench/ifalias")
        stop(box)

        def inside(*command):
            text = box.run("python3", "-B", "/bench/scripts/inside.py", *command)
            return [int(word) / 1000 for word in text.split()]

        def ours():
            took = inside("start", VM_UNIT, TAP_UNIT, f"{DIRECTORY}/qmp")
            stop(box)
            return took

        def bare():
            mac = alias.partition("mac=")[2]
            box.sh(f"mkdir -p {DIRECTORY}; {HELPERS}/qnet-tap add tap-bench --vm=bench --mac={mac} --bridge=s1")
            took = inside("qemu", f"{DIRECTORY}/qnet.qmp", *argv)
            box.sh(f"rm -r {DIRECTORY}; {HELPERS}/qnet-tap del tap-bench")
            return took

        with_qnet, by_hand = bench.in_turns(bench.rounds(20), ours, bare)
        yield Result("systemctl start to QMP, against bare QEMU", "ms", [t[0] for t in with_qnet],
                     [t[0] for t in by_hand], ratio_goal=RATIO_GOAL)
        yield Result("  of it, until the tap's unit is active", "ms", [t[2] for t in with_qnet])
        yield Result("  of it, until PID 1 has forked QEMU", "ms", [t[3] for t in with_qnet])
        yield Result("  until systemctl start returns (Ready=running)", "ms", [t[1] for t in with_qnet])


def stop(box):
    """At once: the guest has not booted far enough to hear of a power-down."""
    box.sh(f"systemctl kill --signal=KILL {VM_UNIT}; systemctl stop {VM_UNIT}"
           f"; systemctl reset-failed {VM_UNIT} 2>/dev/null || :")
    box.wait_until_idle(VM_UNIT, TAP_UNIT)
