# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ten clients append a thousand lines each, while the reaper is killed and the log is rotated: none lost, none twice.

How many lines the reaper has taken it says itself ("qnet-reaper status"), in the same count as its position. That a line
is acted on once is seen with a VM that is restarted by name, each time while the reaper is being killed.
"""
import random
import threading
from qnettest import *

SECONDS = 45
CLIENTS, LINES = 10, 1000
# Between the two steps of a rotation there is no log, and clients may not make one in /run/qnet: they try again.
WRITER = """
import sys, time
log, count = sys.argv[1], int(sys.argv[2])
for i in range(count):
    while True:
        try:
            f = open(log, "a")
            break
        except (PermissionError, FileNotFoundError):
            time.sleep(.001)
    with f:
        f.write(f"192.0.2.{i % 250}\\n")
    if i % 10 == 0:
        time.sleep(.02)
"""
MAKE_LOG = f"install -m 660 -g qnet /dev/null {KILL_LOG}"
UNPRIVILEGED = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=qnet"]


def status(log):
    logs = json.loads(sh(f"{HELPERS}/qnet-reaper status --json --log={log}"))
    return logs[0] if logs else {"lines": 0, "waiting": 0}


def storm(log, disturb=None):
    """Runs the clients with disturb() beside them again and again; then every line must have been taken."""
    before = status(log)["lines"]
    done = threading.Event()

    def disturber():
        while not done.wait(random.uniform(.02, .25)):
            disturb()
    thread = threading.Thread(target=disturber)
    if disturb:
        thread.start()
    try:
        clients = [subprocess.Popen([*UNPRIVILEGED, "python3", "-c", WRITER, log, str(LINES)])
                   for _ in range(CLIENTS)]
        assert all([client.wait() == 0 for client in clients])
    finally:
        done.set()
        if disturb:
            thread.join()
    want = CLIENTS * LINES
    wait_for("the reaper to have come to rest",
             lambda: status(log)["lines"] - before >= want and status(log)["waiting"] == 0, timeout=60)
    reaper_idle()
    got = status(log)["lines"] - before
    assert got == want, f"{got - want} lines too many"
    assert show("qnet-reaper.path", "ActiveState") == "active"


def kill_reaper():
    pid = int(show("qnet-reaper.service", "MainPID"))
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_clients():
    storm(KILL_LOG)


def test_clients_while_the_reaper_is_killed():
    storm(KILL_LOG, kill_reaper)


def test_clients_while_the_log_is_rotated():
    # as logrotate's "create": rename, then a new file; writers that have the old one open go on there
    def rotate():
        sh(f"mv {KILL_LOG} {KILL_LOG}.1 && {MAKE_LOG}")

    def disturb():
        rotate()
        if random.random() < .5:
            kill_reaper()
        time.sleep(1)
    storm(KILL_LOG, disturb)


def test_truncated_and_deleted_logs():
    """A line after each kind of change of the file, one at a time: every one is taken, and once."""
    before = status(KILL_LOG)["lines"]
    changes = (f": >{KILL_LOG}", f"truncate -s 0 {KILL_LOG}", f"rm {KILL_LOG}; {MAKE_LOG}",
               f"mv {KILL_LOG} {KILL_LOG}.2; {MAKE_LOG}")
    taken = 0
    for change in changes * 3:
        sh(change)
        report("192.0.2.7")
        taken += 1
        wait_for(f"line {taken}, after {change}", lambda: status(KILL_LOG)["lines"] - before >= taken, timeout=30)
        reaper_idle()
        assert status(KILL_LOG)["lines"] - before == taken, change


def test_line_in_two_pieces():
    before = status(KILL_LOG)["lines"]
    with open(KILL_LOG, "a") as log:
        log.write("192.0")
        log.flush()
        time.sleep(1)
        reaper_idle()
        assert status(KILL_LOG)["lines"] == before
        log.write(".2.1\n")
    wait_for("the line", lambda: status(KILL_LOG)["lines"] == before + 1, timeout=30)


def test_every_report_is_one_restart_while_the_reaper_is_killed():
    configure(lab=TINY + "[VM v]\nSystem=tiny\n[Service]\nRestart=no\n[Unit]\nStartLimitIntervalSec=0\n[Reaper]\nHoldoffSec=0\n")
    start(vm("v"))
    for _ in range(8):
        old = invocation("v")
        count = starts("v")
        report("v")
        for _ in range(random.randrange(1, 4)):
            time.sleep(random.uniform(.001, .06))
            kill_reaper()
        wait_for("a new v", lambda: invocation("v") not in ("", old) and show(vm("v"), "ActiveState") == "active")
        reaper_idle()
        assert starts("v") == count + 1, "one report, more than one restart"
    stop(vm("v"))


def starts(name):
    """How often systemd has started this VM: each start is an invocation."""
    return len({e["INVOCATION_ID"] for e in journal(f"UNIT={vm(name)}", "_PID=1") if "INVOCATION_ID" in e})


def test_taskgen_log_in_tmp():
    # made by the client itself, in a directory that everybody can write to, and sticky
    configure(reaper=f"[Reaper]\nKillLog={TASKGEN_LOG}\n")
    storm(TASKGEN_LOG, kill_reaper)


main()
