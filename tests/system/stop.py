# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stopping: the guest powers down; and whatever else can end a VM leaves nothing behind."""
from qnettest import *

SECONDS = 30
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24

[VM host1]
System=tiny
KernelCommandLine=addr=10.9.0.5/24
Switch=s1

[VM deaf]
System=tiny
KernelCommandLine=addr=10.9.0.6/24 noacpi
Switch=s1
StopTimeoutSec=3s
"""


def console(name, since):
    return [str(e.get("MESSAGE")) for e in journal("-u", vm(name), f"_SYSTEMD_INVOCATION_ID={since}")]


def nothing_left():
    wait_for("the taps to go", lambda: interfaces() == ["lo"])
    assert not sh("pgrep qemu-system", check=False)


def test_stop_powers_down():
    configure(lab=CONFIG)
    start(vm("host1"))
    Guest("host1", "10.9.0.5").wait()
    run = invocation("host1")
    stop(vm("host1"))
    assert show(vm("host1"), "Result") == "success"
    assert any("guest: power button" in line for line in console("host1", run)), "it was not asked to power down"
    nothing_left()


def test_stop_right_after_start():
    # the guest does not listen yet: a power-down now is lost, it must be repeated
    start(vm("host1"))
    run = invocation("host1")
    stop(vm("host1"))
    assert show(vm("host1"), "Result") == "success"
    assert any("guest: power button" in line for line in console("host1", run))
    nothing_left()


def test_guest_that_ignores_the_button_is_ended():
    start(vm("deaf"))
    Guest("deaf", "10.9.0.6").wait()
    began = time.monotonic()
    stop(vm("deaf"))
    assert time.monotonic() - began >= 3, "it had no time to power down"
    assert show(vm("deaf"), "ActiveState") in ("inactive", "failed")
    nothing_left()


def test_guest_that_powers_off_itself_stays_off():
    start(vm("host1"))
    guest = Guest("host1", "10.9.0.5").wait()
    try:
        guest.sh("poweroff -f", timeout=5)
    except OSError:
        pass
    wait_for("the unit to end", lambda: show(vm("host1"), "ActiveState") == "inactive")
    assert show(vm("host1"), "Result") == "success"
    nothing_left()


def test_crashed_qemu_is_started_again():
    start(vm("host1"))
    Guest("host1", "10.9.0.5").wait()
    run = invocation("host1")
    os.kill(qemu_pid("host1"), signal.SIGABRT)
    wait_for("a new host1", lambda: invocation("host1") not in ("", run) and show(vm("host1"), "ActiveState") == "active")
    Guest("host1", "10.9.0.5").wait()
    stop(vm("host1"))
    nothing_left()


def test_frozen_vm_can_be_stopped():
    start(vm("deaf"))
    os.kill(qemu_pid("deaf"), signal.SIGSTOP)
    sh(f"systemctl stop {vm('deaf')}")
    assert show(vm("deaf"), "MainPID") == "0"
    nothing_left()


main()
