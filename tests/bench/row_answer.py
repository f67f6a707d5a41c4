# SPDX-License-Identifier: LGPL-2.1-or-later
"""From a line in the kill log until the guest answers again, stage by stage, with 1, 10 and 100 VMs on the host.

One is a guest that boots Linux; its QEMU is stopped (SIGSTOP) before each line. The others are QEMUs with a tap each on
the same switch, whose guests stay paused: what the reaper has to look through grows with them, the processor time that is
left for a boot does not shrink. The last stage is QEMU's and the guest's own: firmware, kernel, init, its address.
"""
import subprocess

from box import sandbox
from frame import TESTS, Result

GUEST, IP, KILL_LOG = "qemu-vm@bench.service", "10.9.0.2", "/run/qnet/kill.log"
REAPER = ("qnet-reaper.service", "qnet-reaper-check.service")
STAGES = (("forked", "until PID 1 has forked the reaper"), ("killed", "until its QEMU is gone"),
          ("job", "until its restart is asked for"), ("done", "until its unit is active"), ("answers", "until the guest answers"))
CONFIGURATION = """\
[Reaper]
HoldoffSec=0

[Switch s1]
Address=10.9.0.1/24

[VM bench]
Accelerator=tcg
Memory=128M
Kernel=/bench/guest/vmlinux
Initrd=/bench/guest/initrd.gz
KernelCommandLine=console=ttyS0 quiet mitigations=off tsc=reliable random.trust_cpu=on addr=10.9.0.2/24
Switch=s1
Address=10.9.0.2
"""
OTHERS = """
[VM other]
Accelerator=tcg
Memory=16M
StartPaused=yes
Switch=s1
Stop=quit
Instances={}
"""


def rows(bench):
    bench.program("helpers/reaper/qnet-reaper")
    guest = subprocess.run([TESTS / "guest/build"], text=True, stdout=subprocess.PIPE, check=True).stdout.strip()
    for vms in (1, 10) if bench.quick else (1, 10, 100):
        with sandbox(bench, guest=guest) as box:
            box.write("/etc/qnet/bench.conf", CONFIGURATION + (OTHERS.format(vms - 1) if vms > 1 else ""))
            box.write(f"/etc/systemd/system/{GUEST}.d/60-bench.conf", "[Unit]\nStartLimitIntervalSec=0\n")
            box.sh(f"systemctl daemon-reload; systemctl start qnet-reaper.path {GUEST} "
                   + " ".join(f"qemu-vm@other{i}.service" for i in range(1, vms)))
            running = int(box.sh("systemctl list-units --plain --no-legend --state=active 'qemu-vm@*' | wc -l"))
            if running != vms:
                raise RuntimeError(f"{running} VMs run, not {vms}")
            box.run("python3", "-B", "/bench/scripts/inside.py", "answers", IP)

            def line(box=box):
                box.wait_until_idle(*REAPER)
                box.sh(f"kill -STOP $(systemctl show -P MainPID {GUEST})")
                text = box.run("python3", "-B", "/bench/scripts/inside.py", "line", KILL_LOG, IP, REAPER[0], GUEST)
                return dict(zip((s for s, _ in STAGES), (int(word) / 1000 for word in text.split())))

            took, = bench.in_turns(bench.rounds(12), line, warm_up=1)
            for stage, text in STAGES:
                yield Result(f"{'1 VM' if vms == 1 else f'{vms} VMs'}: kill log {text}", "ms", [t[stage] for t in took])
