# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must hold whatever fails beside a report: the right VM is restarted, once and in time, others are not touched, and
nothing is lost. (OOM kills and clocks that jump are in tests/vm/faults.py.)"""
import random
import threading

from qnettest import *

SECONDS = 75
BOUND = 15  # seconds from a fault to the VM's new start, on a busy machine; an idle one takes a tenth of one
STARTS = "/run/starts-{}"
FULL = "/var/lib/private/qnet/vm/full"
VM = """
[VM {name}]
System=tiny
KernelCommandLine=addr={ip}/24{more}
{keys}
[Interface]
Switch=s1
Address={ip}
{interface}
[Service]
ExecStartPre=+/bin/sh -c 'printf x >>/run/starts-{name}'
TimeoutStopSec=2s
[Unit]
StartLimitIntervalSec=0
"""
LAB = TINY + """
[Switch s1]
Address=10.9.0.1/24
[Reaper]
HoldoffSec=0
"""
near, hit = Guest("near", "10.9.0.4"), Guest("hit", "10.9.0.5")


def machine(guest, name=None, more="", interface="", keys=""):
    return VM.format(name=name or guest.name, ip=guest.ip, more=more, interface=interface, keys=keys)


def starts(name):
    path = Path(STARTS.format(name))
    return path.stat().st_size if path.exists() else 0


def status(log=KILL_LOG):
    return json.loads(sh(f"{HELPERS}/qnet-reaper status --json --log={log}"))[0]


class Once:
    """with Once(): what is done and awaited there restarts the VM once, and leaves the other alone"""
    def __init__(self, times=1, name="hit"):
        self.times, self.name = times, name

    def __enter__(self):
        self.near, self.starts = invocation("near"), starts(self.name)
        return self

    def restarted(self, n=1):
        wait_for(f"{self.name} to be restarted", lambda: starts(self.name) >= self.starts + n
                 and steady(lambda: show(vm(self.name), "ActiveState")) == "active", timeout=BOUND)

    def __exit__(self, kind, *_):
        if kind:
            return
        self.restarted(self.times)
        reaper_idle()
        assert starts(self.name) == self.starts + self.times, f"{starts(self.name) - self.starts} starts"
        assert invocation("near") == self.near, "another VM was restarted"
        assert status()["waiting"] == 0 and not status()["pending"], status()


def steady(f):
    """Its value, once systemd answers: it drops all connections when it executes itself anew."""
    def value():
        try:
            return f(),
        except AssertionError:
            return None
    return wait_for("systemd", value)[0]


def left_alone(since, why):
    return [e for e in journal(f"--since=@{since:.6f}", "SYSLOG_IDENTIFIER=qnet-reaper") if why in e["MESSAGE"]]


def test_boot():
    configure(lab=LAB + machine(near) + machine(hit, more=" noacpi"))
    start(vm("near"), vm("hit"))
    near.wait()
    hit.wait()


# --- QEMU ---------------------------------------------------------------------------------------------------------

def test_qemu_killed_and_reported():
    with Once():
        os.kill(qemu_pid("hit"), signal.SIGKILL)
        report("hit", hit.ip)


def test_frozen_while_it_powers_down():
    pid, now, count = qemu_pid("hit"), time.time(), starts("hit")
    sh(f"systemctl stop --no-block {vm('hit')}")
    wait_for("the stop to begin", lambda: show(vm("hit"), "ActiveState") == "deactivating")
    os.kill(pid, signal.SIGSTOP)
    report(hit.ip)
    wait_for("the reaper to leave it alone", lambda: left_alone(now, "is left alone"), timeout=BOUND)
    wait_for("the end of QEMU", lambda: not Path(f"/proc/{pid}").exists(), timeout=BOUND)
    wait_for("the end of the unit", lambda: show(vm("hit"), "ActiveState") in ("failed", "inactive"))
    reaper_idle()
    assert starts("hit") == count, "what was to stop was started"
    sh(f"systemctl reset-failed {vm('hit')}", check=False)
    start(vm("hit"))


# --- the bus and the journal --------------------------------------------------------------------------------------

def test_no_dbus():
    sh("systemctl stop dbus.socket dbus.service")
    try:
        with Once():
            report(hit.ip)
    finally:
        sh("systemctl start dbus.socket")


def test_hung_dbus():
    start("dbus.service")
    pid = int(show("dbus.service", "MainPID"))
    os.kill(pid, signal.SIGSTOP)
    try:
        with Once():
            report(hit.ip)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_hung_journal():
    pid, count = int(show("systemd-journald.service", "MainPID")), len(restarts("hit"))
    os.kill(pid, signal.SIGSTOP)
    try:
        with Once() as once:
            report(hit.ip)
            once.restarted()
            os.kill(pid, signal.SIGCONT)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for("its message", lambda: len(restarts("hit")) == count + 1, timeout=BOUND)


def test_no_journal():
    units = "systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service"
    sh(f"systemctl stop {units}")
    try:
        with Once():
            report(hit.ip)
    finally:
        sh(f"systemctl start {units}")
    assert near.answers(5), "it has not survived that nobody hears it"


# --- systemd ------------------------------------------------------------------------------------------------------

def disturbed(command, rounds, pause):
    """Reports, one after the other, while systemd is kept busy."""
    done = threading.Event()

    def disturb():
        while not done.wait(random.uniform(0, pause)):
            sh(command, check=False)
    thread = threading.Thread(target=disturb)
    lines = status()["lines"]
    with Once(rounds) as once:
        thread.start()
        try:
            for i in range(rounds):
                time.sleep(random.uniform(0, .3))
                report(random.choice(("hit", hit.ip)))
                once.restarted(i + 1)
        finally:
            done.set()
            thread.join()
    assert status()["lines"] == lines + rounds


def test_daemon_reload():
    disturbed("systemctl daemon-reload", 6, .15)


def test_daemon_reexec():
    disturbed("systemctl daemon-reexec", 5, .8)


# --- the configuration --------------------------------------------------------------------------------------------

def test_removed_while_it_runs():
    pid, now = qemu_pid("hit"), time.time()
    configure(lab=LAB + machine(near))
    with Once(0):
        report(hit.ip)
        wait_for("the reaper's word", lambda: left_alone(now, "systemd knows no unit of the VM"), timeout=BOUND)
        assert Path(f"/proc/{pid}").exists()
    configure(lab=LAB + machine(near) + machine(hit, more=" noacpi"))
    with Once():
        report(hit.ip)


def test_renamed_while_it_runs():
    pid, now = qemu_pid("hit"), time.time()
    configure(lab=LAB + machine(near) + machine(hit, name="new", more=" noacpi"))
    with Once(0):
        report(hit.ip)
        wait_for("the reaper's word", lambda: left_alone(now, "systemd knows no unit of the VM"), timeout=BOUND)
        assert Path(f"/proc/{pid}").exists() and starts("new") == 0


def test_tap_renamed_while_it_runs():
    configure(lab=LAB + machine(near) + machine(hit, more=" noacpi", interface="Tap=other"))
    with Once():
        report(hit.ip)
    assert "other" in interfaces(), interfaces()
    with Once():
        report(hit.ip)
    hit.wait()


# --- disks --------------------------------------------------------------------------------------------------------

def test_no_room_for_the_overlay():
    sh(f"install -d -m 700 /var/lib/private && mkdir -p {FULL} && mount -t tmpfs -o size=3M,mode=700 full {FULL}")
    full, now = Guest("full", "10.9.0.6"), time.time()
    configure(lab=LAB + machine(near) + machine(full) + "[Disk]\nSize=16M\n")
    start(vm("full"))
    full.wait()
    before = invocation("near"), invocation("full")
    assert show("qnet-space.timer", "ActiveState") == "active"
    answers = []
    writer = threading.Thread(target=lambda: answers.append(full.sh(
        "yes | head -c 6291456 | tee /dev/vda | md5sum; sync; dd if=/dev/vda bs=64k count=96 2>/dev/null | md5sum", timeout=120)))
    writer.start()
    wait_for("the guest to be paused", lambda: not full.answers())
    start("qnet-space.service")     # as the timer does
    said = wait_for("word of it", lambda: [e for e in journal(f"--since=@{now:.6f}", "SYSLOG_IDENTIFIER=qnet-space") if e.get("QNET_VM") == "full"])
    assert "is paused: no room is left for its disk" in said[0]["MESSAGE"] and "disk0.qcow2" in said[0]["QNET_DISK"], said
    assert said[0]["MESSAGE"] in sh(f"systemctl status --no-pager --full {vm('full')}", check=False)
    assert near.answers(5)
    sh(f"mount -o remount,size=64M {FULL}")
    writer.join(60)
    one, other = answers[0].split("\n")
    assert one == other, "the guest reads what it has not written"
    wait_for("the end of the service", lambda: show("qnet-space.service", "ActiveState") == "inactive")
    said = [e["MESSAGE"] for e in journal(f"--since=@{now:.6f}", "SYSLOG_IDENTIFIER=qnet-space")]
    assert len(said) == 2 and "VM full goes on" in said[1], said
    assert (invocation("near"), invocation("full")) == before
    stop(vm("full"))
    sh(f"umount {FULL}")


# --- a reaper that is not root ------------------------------------------------------------------------------------

def as_reaper(command):
    return sh(f"setpriv --reuid=qnet-reaper --regid=qnet-reaper --clear-groups systemctl --no-ask-password {command} 2>&1", check=False)


def test_reaper_as_a_user_of_its_own():
    sh("cp -r /usr/share/doc/qnet/unprivileged-reaper/etc/. /etc && systemd-sysusers && systemd-tmpfiles --create")
    configure(lab=LAB + machine(near) + machine(hit, more=" noacpi", keys="Recover=reset restart"))
    sh(f"systemctl restart {vm('hit')}")
    hit.wait()
    now = time.time()
    with Once():
        os.kill(qemu_pid("hit"), signal.SIGSTOP)
        report(f"{hit.ip} reset")
    entries = journal(f"--since=@{now:.6f}", "SYSLOG_IDENTIFIER=qnet-reaper")
    assert {e["_UID"] for e in entries} == {sh("id -u qnet-reaper")}, entries
    assert "Restarted VM hit" in entries[-1]["MESSAGE"] and not any("Cannot" in e["MESSAGE"] for e in entries), entries
    assert show("qnet-recover@hit.service", "ExecMainStartTimestampMonotonic") != "0", "the reset was not tried"
    hit.wait()


def test_its_user_may_do_nothing_else():
    units = "qemu-vm@near qemu-vm@hit qnet-switch@s1 qnet-tap@tap-near systemd-journald"
    before = sh(f"systemctl show -P InvocationID {units}")
    for command in ("stop qemu-vm@near", "start qemu-vm@none", "restart qnet-switch@s1", "restart qnet-tap@tap-near", "start sandbox.target",
                    "restart systemd-journald", "kill systemd-journald", "kill qnet-switch@s1", "isolate sandbox.target", "daemon-reload",
                    "reset-failed qemu-vm@near",
                    "set-property qemu-vm@near CPUWeight=1", "start qnet-reaper-check.service"):
        said = as_reaper(command)
        assert re.search("denied|authentication|Permission", said, re.I), f"{command}: {said or 'done'}"
    assert sh(f"systemctl show -P InvocationID {units}") == before
    with Once():
        assert as_reaper(f"restart {vm('hit')}") == ""


main()
