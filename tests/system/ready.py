# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ready= and Stop=: when a start is done, how a stop begins, and what a guest does by itself."""
from qnettest import *

SECONDS = 120
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24

[VM quick]
System=tiny
KernelCommandLine=addr=10.9.0.5/24 noacpi
Switch=s1
Stop=quit

[VM asked]
System=tiny
KernelCommandLine=addr=10.9.0.6/24 noacpi agent
Switch=s1
Stop=agent

[VM deaf]
System=tiny
KernelCommandLine=addr=10.9.0.7/24 noacpi
Switch=s1
StopTimeoutSec=3s
[Disk]
Size=16M
"""


def messages(name, run):
    return [str(e.get("MESSAGE")) for e in journal("-u", vm(name), f"_SYSTEMD_INVOCATION_ID={run}")]


def stopped(name):
    """How long a stop took, and what was said meanwhile"""
    run, began = invocation(name), time.monotonic()
    stop(vm(name))
    took = time.monotonic() - began
    assert show(vm(name), "Result") == "success" and show(vm(name), "ExecMainStatus") == "0", show(vm(name), "Result")
    return took, messages(name, run)


def starts(name):
    """How often it was started since the host was"""
    return len([e for e in journal(f"UNIT={vm(name)}", "_PID=1") if str(e["MESSAGE"]).startswith("Starting ")])


def test_boot():
    configure(lab=CONFIG)
    start(vm("quick"), vm("asked"), vm("deaf"))
    for name, ip in ("quick", "10.9.0.5"), ("asked", "10.9.0.6"), ("deaf", "10.9.0.7"):
        Guest(name, ip).wait()


def test_reboot_is_no_restart():
    guest, run, pid = Guest("quick", "10.9.0.5"), invocation("quick"), qemu_pid("quick")
    boot = guest.who()[0]
    try:
        guest.sh("reboot -f", timeout=5)
    except OSError:
        pass
    wait_for("another boot", lambda: (guest.who() or [boot])[0] != boot)
    assert (invocation("quick"), qemu_pid("quick"), show(vm("quick"), "NRestarts")) == (run, pid, "0")


def test_quit_does_not_wait_for_a_power_button():
    took, said = stopped("quick")
    assert took < 10, f"it took {took:.1f} s"  # StopTimeoutSec= is 90 s
    assert not any("signal 15" in line for line in said), said


def test_agent_shuts_down():
    took, said = stopped("asked")
    assert any("guest: shut down by agent" in line for line in said), said
    assert any("The guest's agent shuts it down" in line for line in said), said
    assert took < 60


def test_deaf_guest_is_quit_with_its_disk_written():
    guest = Guest("deaf", "10.9.0.7")
    # past the guest's cache, and without a flush: what QEMU itself still holds is the map of the image
    wrote = guest.sh("for i in 1 2 3 4 5 6 7 8; do dd if=/init of=/dev/vda bs=512 count=1 seek=$((i * 3000)) oflag=direct 2>&1; done; "
                     "md5sum /init >/dev/null; dd if=/init bs=512 count=1 2>/dev/null | md5sum")
    assert "invalid" not in wrote, wrote
    sum_of = wrote.split()[-2]
    took, said = stopped("deaf")
    assert took >= 3, "it had no time to power down"
    assert any("The guest did not power down in time" in line for line in said), said
    assert any("quit" in line for line in said) and not any("signal 15" in line for line in said), said
    start(vm("deaf"))
    guest.wait()
    for i in range(1, 9):
        assert guest.sh(f"dd if=/dev/vda bs=512 count=1 skip={i * 3000} 2>/dev/null | md5sum").split()[0] == sum_of, i


def test_poweroff_from_inside_ends_it():
    guest, started = Guest("deaf", "10.9.0.7"), starts("deaf")
    try:
        guest.sh("poweroff -f", timeout=5)
    except OSError:
        pass
    wait_for("the unit to end", lambda: show(vm("deaf"), "ActiveState") == "inactive")
    time.sleep(3)  # RestartSec= is 2 s
    assert (show(vm("deaf"), "ActiveState"), show(vm("deaf"), "Result")) == ("inactive", "success")
    assert starts("deaf") == started, "it was started again"


main()
