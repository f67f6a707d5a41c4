# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mistakes in the configuration explain themselves where the user looks, and hide nothing else."""
from qnettest import *

SECONDS = 20
GOOD = TINY + """
[Switch s1]
Address=10.9.0.1/24

[VM good]
System=tiny
Switch=s1
"""


def test_broken_vm_tells_file_and_line():
    configure(lab=GOOD, bad="[VM bad]\nKernel=/var/lib/images/vmlinux\nMemory=lots\nCPUs=none\n", junk="what is this\n")
    assert not succeeds(f"systemctl start {vm('bad')}")
    status = sh(f"systemctl status --no-pager --full {vm('bad')}", check=False)
    assert re.search(r"bad\.conf:3: .*lots", status), status
    assert re.search(r"bad\.conf:4: .*none", status), "only the first error is told: " + status
    assert show(vm("bad"), "SourcePath") == "/etc/qnet/bad.conf"
    start(vm("good"))
    assert show(vm("good"), "ActiveState") == "active"


def test_kernel_log_has_the_errors():
    text = Path("/run/kmsg").read_text()
    # facility "daemon" is 3 << 3; error is 3, warning 4
    assert re.search(r"^<(3|27)>.*bad\.conf:3: .*lots", text, re.M), text
    assert re.search(r"^<(3|4|27|28)>.*junk\.conf:1: ", text, re.M), text


def test_unknown_vm_is_not_found():
    assert "not found" in sh("systemctl start qemu-vm@nobody.service", check=False)


def test_typo_is_named():
    out = sh("cd /tmp && mkdir -p root/etc/qnet && printf '[VM x]\\nKernel=/k\\nMemroy=1G\\n' >root/etc/qnet/x.conf && "
             "QNET_ROOT=/tmp/root /lib/systemd/system-generators/qnet-generator --dry-run 2>&1 >/dev/null", check=False)
    assert re.search(r"x\.conf:3: .*Memroy", out) and "Memory" in out, out


def test_duplicates_name_both_owners():
    configure(lab=GOOD + "[VM twin]\nSystem=tiny\n[Interface]\nSwitch=s1\nMACAddress=52:54:00:00:00:01\n"
              "[VM other]\nSystem=tiny\n[Interface]\nSwitch=s1\nMACAddress=52:54:00:00:00:01\n")
    failed = [n for n in ("twin", "other") if not succeeds(f"systemctl start {vm(n)}")]
    assert failed, "both own the same MAC address"
    status = sh(f"systemctl status --no-pager --full {vm(failed[0])}", check=False)
    assert "52:54:00:00:00:01" in status and "lab.conf:" in status, status
    assert show(vm("good"), "ActiveState") == "active"
    stop(vm("twin"), vm("other"))


def test_broken_switch_fails_its_vms_with_the_reason():
    configure(bad=TINY + "[Switch s2]\nAddress=10.9.0.1/99\n[VM on-it]\nSystem=tiny\nSwitch=s2\n")
    assert not succeeds(f"systemctl start {vm('on-it')}")
    status = sh(f"systemctl status --no-pager --full {vm('on-it')}", check=False)
    assert "s2" in status and "bad.conf:" in status, status


def test_broken_lab_starts_nobody_and_tells():
    configure(lab=GOOD + "[VM member]\nSystem=tiny\nLab=wrong\n[Lab wrong]\nAutostart=perhaps\n")
    assert not succeeds("systemctl start qnet-lab@wrong.target")
    assert show(vm("member"), "ActiveState") == "inactive"
    status = sh("systemctl status --no-pager --full qnet-lab@wrong", check=False)
    assert re.search(r"lab\.conf:\d+: .*perhaps", status), status


def test_mistake_while_it_runs_takes_nothing_from_it():
    configure(lab=GOOD)
    start(vm("good"))
    pid, switch = qemu_pid("good"), show("qnet-switch@s1.service", "InvocationID")
    configure(lab=GOOD.replace("[VM good]", "[VM good]\nMemory=lots"))
    assert "lots" in sh(f"systemctl cat {vm('good')}") and show("qnet-switch@s1.service", "StopWhenUnneeded") == "no"
    assert qemu_pid("good") == pid and show("qnet-switch@s1.service", "InvocationID") == switch
    assert "master s1" in sh("ip link show dev tap-good")
    configure(lab=GOOD)
    stop(vm("good"))
    wait_for("switch and tap to go", lambda: interfaces() == ["lo"])


def test_removed_configuration_keeps_the_running_vm():
    configure(lab=GOOD)
    start(vm("good"))
    pid = qemu_pid("good")
    configure()
    assert qemu_pid("good") == pid
    assert Path("/sys/class/net/tap-good").exists()


def test_put_back_it_is_powered_down_and_cleaned_up():
    configure(lab=GOOD)
    stop(vm("good"))
    assert "guest-shutdown" in sh(f"journalctl -b -u {vm('good')} -o cat | tail -5")
    wait_for("the tap to go", lambda: not Path("/sys/class/net/tap-good").exists())


def test_put_back_after_the_stop_its_tap_goes():
    start(vm("good"))
    configure()
    stop(vm("good"))
    assert Path("/sys/class/net/tap-good").exists()
    configure(lab=GOOD)
    wait_for("the tap to go", lambda: not Path("/sys/class/net/tap-good").exists())
    start(vm("good"))
    stop(vm("good"))


main()
