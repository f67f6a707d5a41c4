#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""chain.py - path unit, service and check with a real PID 1 and D-Bus; runs inside a sandbox, see run.

The VMs are units named like theirs that sleep; each start of vm NAME appends a byte to /run/starts-NAME."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.parse

LOG = "/run/qnet/kill.log"
OTHER = "/tmp/other kill.log"
SERVICE = "qnet-reaper.service"
failed = 0
random.seed(1)


def sh(command, check=True):
    return subprocess.run(["sh", "-ec", command], check=check, capture_output=True, text=True).stdout.strip()


def show(unit, prop):
    return sh(f"systemctl show -P {prop} '{unit}'")


def vm(name, unit="", service=""):
    path = f"/run/systemd/system/qemu-vm@{name}.service"
    open(path, "w").write(f"[Unit]\nStartLimitIntervalSec=0\n{unit}\n[Service]\nType=exec\nRestart=on-abnormal\nRestartSec=2s\n"
                          f"ExecStartPre=/bin/sh -c 'printf x >>/run/starts-{name}'\nExecStart=/bin/sleep infinity\n{service}\n")


def options(hold_off="0"):
    """What the generator writes for [Reaper]."""
    for unit, verb in (("qnet-reaper", f"run --hold-off={hold_off}"), ("qnet-reaper-check", "check")):
        os.makedirs(f"/run/systemd/system/{unit}.service.d", exist_ok=True)
        open(f"/run/systemd/system/{unit}.service.d/50-qnet.conf", "w").write(
            f"[Service]\nExecStart=\nExecStart=/usr/libexec/qnet/qnet-reaper {verb} --log={LOG} \"--log={OTHER}\"\n")
    # a generator, as that is where the condition of the timer looks
    generator = "/etc/systemd/system-generators/test"
    os.makedirs(os.path.dirname(generator), exist_ok=True)
    open(generator, "w").write("#!/bin/sh\nmkdir -p $1/qnet-reaper.path.d\n"
                               f"printf '[Path]\\nPathModified={OTHER}\\n' >$1/qnet-reaper.path.d/50-qnet.conf\n")
    os.chmod(generator, 0o755)
    sh("systemctl daemon-reload; systemctl restart qnet-reaper.path")


def starts(name):
    try:
        return os.path.getsize(f"/run/starts-{name}")
    except FileNotFoundError:
        return 0


def append(text, log=LOG):
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(fd, text.encode())
    os.close(fd)


def cursor(log=LOG):
    """lines, pending: as the state file has them."""
    try:
        text = open("/var/lib/qnet/reaper/" + urllib.parse.quote(log, safe="")).read()
    except FileNotFoundError:
        return 0, 0
    return int(re.search(r"^lines (\d+)$", text, re.M)[1]), len(re.findall("^pending ", text, re.M))


def until(f, timeout=10.0):
    """Seconds until f() is true; fails the case when it does not become so."""
    begin = time.monotonic()
    while not f():
        if time.monotonic() - begin > timeout:
            raise AssertionError(f"not so after {timeout} s: {f.__name__}")
        time.sleep(0.002)
    return time.monotonic() - begin


def idle():
    def nothing_runs():
        return show(SERVICE, "ActiveState") in ("inactive", "failed") and \
            show("qnet-reaper-check.service", "ActiveState") in ("inactive", "failed")
    until(nothing_runs, 20)  # (the check of the timer lasts some 20 ms)


def journal(since, message=""):
    out = sh(f"journalctl -o json --no-pager --since=@{since:.6f} -t qnet-reaper")
    return [e for e in map(json.loads, out.splitlines()) if message in e["MESSAGE"]]


def no_unit_failed():
    units = sh("systemctl --failed --no-legend --plain")
    assert not units, units
    for unit in ("qnet-reaper.path",):
        assert show(unit, "ActiveState") == "active", unit


# ---- cases ----

def before_the_watch():
    """A line that was there before the path unit."""
    sh("systemctl stop qnet-reaper.path")
    idle()
    n = starts("x")
    append("x\n")
    time.sleep(0.3)
    assert starts("x") == n
    sh("systemctl start qnet-reaper.path")
    def restarted():
        return starts("x") == n + 1
    until(restarted)
    idle()


def one_line():
    t, n = time.time(), starts("x")
    append("x\n")
    until(lambda: cursor()[1] == 0 and starts("x") == n + 1)
    idle()
    entries = journal(t)
    assert len(entries) == 1, entries
    e = entries[0]
    assert re.match(r"Restarted VM x in \d+\.\d s: x was reported in /run/qnet/kill.log", e["MESSAGE"]), e
    assert e["QNET_VM"] == "x" and e["UNIT"] == "qemu-vm@x.service" and e["QNET_LOG"] == LOG and e["QNET_LINE"] == "x", e
    assert 0 < int(e["QNET_RESTART_USEC"]) < 5e6 and len(e["MESSAGE_ID"]) == 32 and e["PRIORITY"] == "5", e
    assert "Restarted VM x" in sh(f"journalctl -o cat --since=@{t:.6f} -u qemu-vm@x.service")
    assert "journalctl -u qemu-vm@x.service" in sh(f"journalctl --update-catalog; journalctl -x --since=@{t:.6f} -t qnet-reaper")


def stopped():
    """A process that is stopped, a unit that is frozen."""
    for freeze in ("kill -STOP $(systemctl show -P MainPID qemu-vm@x.service)", "systemctl freeze qemu-vm@x.service"):
        n = starts("x")
        sh(freeze)
        append("x\n")
        until(lambda: starts("x") == n + 1)
        idle()
        assert show("qemu-vm@x.service", "ActiveState") == "active"
        assert show("qemu-vm@x.service", "FreezerState") == "running"


def several():
    """Many lines for several VMs: one restart each, at once; the slow one does not hold up a later line."""
    names = ("x", "y", "z", "slow")
    n = {v: starts(v) for v in names}
    append("".join("x\ny\nslow\nz\n" for _ in range(300)))
    until(lambda: all(starts(v) == n[v] + 1 for v in names), 2)
    until(lambda: cursor()[1] == 1)  # the slow one; a line for a VM that is being restarted would be one with it
    append("y\n")
    seconds = until(lambda: starts("y") == n["y"] + 2, 2)
    assert show("qemu-vm@slow.service", "ActiveState") == "activating"
    append("slow\nslow\n")  # it is being restarted already
    until(lambda: cursor()[1] == 0)
    idle()
    assert {v: starts(v) - n[v] for v in names} == {"x": 1, "y": 2, "z": 1, "slow": 1}
    print(f"  a line while a slow VM starts: {seconds * 1000:.0f} ms")


def left_alone():
    sh("systemctl stop qemu-vm@z.service")
    t, n = time.time(), starts("z")
    append("z\nnobody\n")
    until(lambda: len(journal(t)) >= 2)
    idle()
    assert len(journal(t, "VM z is left alone")) == 0 and len(journal(t, "no VM of that name is running")) <= 2, journal(t)
    assert starts("z") == n and show("qemu-vm@z.service", "ActiveState") == "inactive"
    sh("systemctl start qemu-vm@z.service")


def hold_off():
    options("3s")
    sh("systemctl restart qemu-vm@x.service")
    t, n = time.time(), starts("x")
    append("x\n")
    until(lambda: journal(t, "VM x is left alone, though x was reported in /run/qnet/kill.log: it was started only"))
    time.sleep(3.2)
    assert starts("x") == n
    append("x\n")
    until(lambda: starts("x") == n + 1 and cursor()[1] == 0)
    append("x\n")  # and the restart counts too
    until(lambda: len(journal(t, "left alone")) == 2)
    idle()
    assert starts("x") == n + 1
    options()
    idle()


def stopped_meanwhile():
    """A dead reaper has left an intention, and by now somebody stops the VM: no restart, and none is claimed."""
    vm("lag", service="ExecStop=/bin/sleep 2")
    sh("systemctl daemon-reload; systemctl start qemu-vm@lag.service")
    idle()
    t, n, state = time.time(), starts("lag"), "/var/lib/qnet/reaper/" + urllib.parse.quote(LOG, safe="")
    text = open(state).read().removesuffix("end\n")
    sh("systemctl stop --no-block qemu-vm@lag.service")
    open(state, "w").write(f"{text}pending lag {show('qemu-vm@lag.service', 'InvocationID')} lag - - - -\nend\n")
    sh(f"systemctl start --no-block {SERVICE}")
    until(lambda: journal(t, "VM lag"))
    idle()
    assert [e["MESSAGE"].rpartition(": ")[2] for e in journal(t, "VM lag")] == ["it was stopped meanwhile"], journal(t)
    assert starts("lag") == n and show("qemu-vm@lag.service", "ActiveState") == "inactive"


def failing():
    """A VM that does not come up again, and the reaper is fine."""
    t = time.time()
    sh("systemctl start qemu-vm@once.service; touch /run/no-more")
    append("once\n")
    until(lambda: journal(t, "Cannot restart VM once"))
    idle()
    assert journal(t, "Cannot restart")[0]["JOB_RESULT"] == "failed"
    sh("rm /run/no-more; systemctl reset-failed qemu-vm@once.service")


def other_log():
    n = starts("x")
    append("x\n", OTHER)
    until(lambda: starts("x") == n + 1)
    idle()
    os.unlink(OTHER)
    append("x\n", OTHER)
    until(lambda: starts("x") == n + 2)
    idle()


def deleted_log():
    """The reaper's hard link to its own log."""
    idle()
    assert sh("ls /run/qnet/reaper | wc -l") == "1", sh("ls -li /run/qnet /run/qnet/reaper")
    n = starts("x")
    sh(f"systemctl stop qnet-reaper.path; echo x >>{LOG}; rm {LOG}; install -m 660 /dev/null {LOG}; echo y >>{LOG}")
    m = starts("y")
    sh("systemctl start qnet-reaper.path")
    until(lambda: starts("x") == n + 1 and starts("y") == m + 1)
    idle()


def unusable_log():
    """A FIFO there: said, the exit status tells, the other log goes on; and when it is a file again, all is well."""
    t, n = time.time(), starts("x")
    sh(f"rm -f '{OTHER}'; mkfifo '{OTHER}'")
    append("x\n")
    until(lambda: starts("x") == n + 1)
    until(lambda: show(SERVICE, "Result") == "exit-code")
    assert journal(t, f"Cannot read kill log {OTHER}: it is a FIFO"), journal(t)
    sh(f"rm -f '{OTHER}'")
    append("x\n")
    until(lambda: starts("x") == n + 2)
    idle()


def no_dbus():
    sh("systemctl stop dbus.socket dbus.service")
    n = starts("x")
    try:
        append("x\n")
        until(lambda: starts("x") == n + 1)
        until(lambda: cursor()[1] == 0)
    finally:
        sh("systemctl start dbus.socket")
    idle()


def flood():
    """A million lines and one of 64 MiB: bounded time, few messages, and a VM in it is found."""
    t, n, lines = time.time(), starts("x"), cursor()[0]
    with open(LOG, "a") as f:
        f.write("".join(f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}\n" for i in range(500000)))
        f.write("".join(f"junk{i}\n" for i in range(500000)))
        f.write("y" * (64 << 20) + "\nx\n")
    seconds = until(lambda: cursor()[0] == lines + 1000002, 120)
    until(lambda: starts("x") == n + 1)
    idle()
    entries = journal(t)
    assert len(entries) <= 40, len(entries)
    assert journal(t, "more lines led to no restart"), entries
    print(f"  1,000,002 lines, 85 MB: {seconds:.1f} s, {len(entries)} messages")
    os.truncate(LOG, 0)
    idle()


def never_waits(rounds=300):
    """Two appends at any distance: the second is never left until a third comes."""
    late, worst = 0, 0.0
    sh("systemctl stop qnet-reaper-check.timer")  # the path unit and its check alone
    lines = cursor()[0]
    for i in range(rounds):
        append(f"a{i}\n")
        time.sleep(random.uniform(0, 0.2))
        append(f"b{i}\n")
        lines += 2
        seconds = until(lambda: cursor()[0] == lines, 5)
        worst = max(worst, seconds)
        late += seconds > 0.5
    idle()
    print(f"  {rounds} rounds: the longest wait was {worst * 1000:.0f} ms")
    sh("systemctl start qnet-reaper-check.timer")
    assert late == 0, f"{late} of {rounds} waited for more than 500 ms"


def busy_directory(rounds=60):
    """Others use the directory of a log, and PID 1 is blind for moments: never longer than the timer takes."""
    sh(f"rm -f '{OTHER}'")
    lines, worst = cursor(OTHER)[0], 0.0
    noise = subprocess.Popen(["sh", "-c", "while :; do mktemp /tmp/noise.XXXXXX | xargs rm; sleep .0$((RANDOM % 9 + 1)); done"])
    try:
        for i in range(rounds):
            append(f"c{i}\n", OTHER)
            lines += 1
            worst = max(worst, until(lambda: cursor(OTHER)[0] == lines, 5))
            time.sleep(random.uniform(0, 0.3))
    finally:
        noise.kill()
        noise.wait()
    idle()
    print(f"  {rounds} rounds: the longest wait was {worst * 1000:.0f} ms")


def killed(rounds=60):
    """kill -9 at any moment: every line has one restart."""
    kills = 0
    for i in range(rounds):
        n, lines = starts("x"), cursor()[0]
        append("x\n")
        for _ in range(random.randint(1, 3)):
            time.sleep(random.uniform(0, 0.06))
            pid = int(show(SERVICE, "MainPID") or 0)
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass
        until(lambda: cursor() == (lines + 1, 0), 20)
        idle()
        assert starts("x") == n + 1, f"round {i}: {starts('x') - n} restarts"
    print(f"  {rounds} rounds, {kills} kills")


def main():
    for name in ("x", "y", "z"):
        vm(name)
    vm("slow", service="ExecStartPost=/bin/sleep 3")
    vm("once", unit="", service="Restart=no\nExecStartPre=/bin/sh -c '! test -e /run/no-more'")
    options()
    sh("systemctl start qemu-vm@x qemu-vm@y qemu-vm@z qemu-vm@slow")
    idle()
    for case in (before_the_watch, one_line, stopped, several, left_alone, hold_off, stopped_meanwhile, failing, other_log,
                 deleted_log, unusable_log, no_dbus, flood, never_waits, busy_directory, killed):
        if sys.argv[1:] and case.__name__ not in sys.argv[1:]:
            continue
        global failed
        try:
            case()
            no_unit_failed()
            print(f"ok chain/{case.__name__.replace('_', '-')}", flush=True)
        except Exception as e:
            failed += 1
            print(f"FAIL chain/{case.__name__.replace('_', '-')} {type(e).__name__}: {e}".replace("\n", "; "), flush=True)
            if os.environ.get("QNET_TEST_VERBOSE"):
                print(sh("journalctl -b -n 60 -o short-precise --no-pager"))
            sh("systemctl reset-failed; systemctl restart qnet-reaper.path")
    return failed > 0


sys.exit(main())
