# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults that take a machine of their own: QEMU killed for want of memory, and a clock that jumps. What runs in the machines is
their firmware, which has nothing to boot, and rests. See tests/system/faults.py for the others."""
from vmtest import *

SECONDS = 300
LAB = """
[System tiny]
Accelerator=tcg
Memory=32M
Stop=quit
[VM near]
System=tiny
[VM hit]
System=tiny
"""
# silent for ever, and for an hour that is to be expected
SILENT = """[Health]
Probe=agent
IntervalSec=2s
Failures=1
StartSec=50min
"""


def state(name):
    return invocation(name), show(vm(name), "ActiveState")


def restarted(name, before):
    wait_for(f"{name} to be restarted", lambda: state(name)[0] not in ("", before) and state(name)[1] == "active", timeout=60)


def test_killed_for_want_of_memory():
    configure(lab=LAB + "[Reaper]\nHoldoffSec=0\n")
    start(vm("near"), vm("hit"))
    near, hit = invocation("near"), invocation("hit")
    sh(f"systemctl set-property --runtime {vm('hit')} MemoryMax=4M")
    wait_for("the kernel to kill it", lambda: state("hit") != (hit, "active"), timeout=60)
    sh(f"systemctl set-property --runtime {vm('hit')} MemoryMax=infinity")
    report("hit")
    restarted("hit", hit)
    again = invocation("hit")
    assert any("oom-kill" in e["MESSAGE"] for e in journal(f"UNIT={vm('hit')}", "_PID=1")), "it was not that"
    reaper_idle()
    assert invocation("hit") == again and invocation("near") == near


def jump(seconds):
    sh(f"date -s '{seconds:+d} seconds'")


def taken():
    return json.loads(sh(f"{HELPERS}/qnet-reaper status --json"))[0]["lines"]


def test_clock_jumps():
    configure(lab=LAB + SILENT + "[VM ill]\nSystem=tiny\n" + SILENT.replace("50min", "1s") + "Action=notify\n[Reaper]\nHoldoffSec=30min\n")
    sh(f"systemctl restart {vm('hit')} {vm('ill')}")
    near, hit = invocation("near"), invocation("hit")
    wait_for("a probe", lambda: any("VM ill is ill" in e["MESSAGE"] for e in journal("SYSLOG_IDENTIFIER=qnet-health")), timeout=60)
    for seconds in (3600, -7200):
        lines = taken()
        jump(seconds)
        time.sleep(5)       # two intervals
        reaper_idle()
        assert taken() == lines, f"after {seconds} s it was reported, as it does not answer"
        report("hit")
        wait_for("the line to be taken", lambda n=lines: taken() == n + 1, timeout=30)
        reaper_idle()
        assert invocation("hit") == hit, f"after {seconds} s the hold-off was over"
    configure(lab=LAB + "[Reaper]\nHoldoffSec=0\n")
    jump(3600)
    report("hit")
    restarted("hit", hit)
    assert invocation("near") == near


main()
