# SPDX-License-Identifier: LGPL-2.1-or-later
"""machinectl(1) with VMs that say Register=yes, and journalctl by the VM's name."""
from qnettest import *

SECONDS = 5
CONFIG = TINY + """
[VM listed]
System=tiny
KernelCommandLine=addr=10.9.0.5/24
Register=yes
[Interface]
Switch=s1
Address=10.9.0.5

[VM unlisted]
System=tiny

[Switch s1]
Address=10.9.0.1/24
"""


def machines():
    return sh("machinectl list --no-legend").split("\n")


def test_boot():
    configure(lab=CONFIG)
    start(vm("listed"), vm("unlisted"))
    Guest("listed", "10.9.0.5").wait()


def test_list_and_status():
    assert [line.split()[:3] for line in machines() if line] == [["listed", "vm", "qnet"]]
    text = sh("machinectl status listed --no-pager")
    assert str(qemu_pid("listed")) in text and vm("listed") in text and "tap-listed" in text, text


def test_journal_by_name():
    lines = wait_for("the guest's console", lambda: [e for e in journal("QNET_VM=listed")
                                                     if e.get("_COMM", "").startswith("qemu-system")])
    assert all(e["_SYSTEMD_UNIT"] == vm("listed") for e in lines)


def test_terminate_stops_the_unit():
    sh("machinectl terminate listed")
    wait_for("the end of the unit", lambda: show(vm("listed"), "ActiveState") == "inactive")
    assert show(vm("listed"), "Result") == "success"
    assert "listed" not in sh("machinectl list --no-legend").split()
    assert show(vm("unlisted"), "ActiveState") == "active"


def test_poweroff_is_an_end_and_no_crash():
    start(vm("listed"))
    sh("machinectl poweroff listed")
    wait_for("the end of the unit", lambda: show(vm("listed"), "ActiveState") in ("inactive", "failed"))
    assert show(vm("listed"), "ActiveState") == "inactive" and show(vm("listed"), "NRestarts") == "0"


def test_without_machined_it_runs_all_the_same():
    sh("systemctl mask --runtime --now systemd-machined.service")
    start(vm("listed"))
    assert show(vm("listed"), "ActiveState") == "active"
    assert any("Cannot register listed" in str(e.get("MESSAGE")) for e in journal("-u", vm("listed")))


main()
