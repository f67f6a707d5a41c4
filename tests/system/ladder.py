# SPDX-License-Identifier: LGPL-2.1-or-later
"""What comes before a restart is begun once and seen through, whatever happens to the reaper meanwhile. The VMs are processes
that sleep, their recoveries scripts that count their runs and end as they are told; recover.py has the real ones."""
import random

from qnettest import *

SECONDS = 190
random.seed(1)
RUNS = "/run/runs-{}"     # a byte for each run of the recovery
STARTS = "/run/starts-{}"  # and for each start of the VM
SCRIPT = "/run/script-{}"  # what the recovery does; sh


def count(path, name):
    path = Path(path.format(name))
    return path.stat().st_size if path.exists() else 0


def fake(name, before=""):
    unit = Path(f"/run/systemd/system/{vm(name)}")
    unit.write_text(f"""[Unit]
{before}
[Service]
Type=exec
ExecStartPre=/bin/sh -c 'printf x >>{STARTS.format(name)}'
ExecStart=/bin/sleep infinity
ExecStopPost=/bin/sleep .2
""")
    limit = Path(f"/run/systemd/system/{vm(name)}.d/90-test.conf")
    limit.parent.mkdir(exist_ok=True)
    limit.write_text("[Unit]\nStartLimitIntervalSec=0\n[Service]\nDynamicUser=no\nPrivateUsers=no\nProtectSystem=no\n")


def fake_recovery(name, kind="recover"):
    Path(f"/run/systemd/system/qnet-{kind}@{name}.service").write_text(f"""[Unit]
StartLimitIntervalSec=0
[Service]
Type=oneshot
DynamicUser=no
NotifyAccess=all
TimeoutStartSec=5s
Environment=QNET_RECOVER=own
EnvironmentFile=-/run/qnet/recover/{name}
ExecStart=+/bin/sh -c 'printf x >>{RUNS.format(name)}; . {SCRIPT.format(name)}'
""")


def script(name, text):
    Path(SCRIPT.format(name)).write_text(text)


def said(name, since, what):
    return [e for e in journal(f"--since=@{since:.6f}", "SYSLOG_IDENTIFIER=qnet-reaper") if e.get("QNET_VM") == name and what in e["MESSAGE"]]


def done():
    reaper_idle()
    assert "pending" not in sh("cat /var/lib/qnet/reaper/*", check=False)
    assert not sh("systemctl --failed --no-legend --plain")


def run_one(name, text, recoveries, restarted, what, line=None):
    """Reports it; how often the recovery ran and the VM was started then, and what was said of it."""
    runs, started, now = count(RUNS, name), count(STARTS, name), time.time()
    script(name, text)
    report(line or name)
    entry = wait_for(f"'{what}'", lambda: said(name, now, what))[-1]
    done()
    assert count(RUNS, name) - runs == recoveries, f"{count(RUNS, name) - runs} recoveries"
    assert count(STARTS, name) - started == restarted, f"{count(STARTS, name) - started} starts"
    return entry


def test_set_up():
    configure(lab="[Reaper]\nHoldoffSec=0\n")
    fake("rung", "Before=qnet-recover@rung.service")
    fake_recovery("rung")
    fake("box", "Before=qnet-blackbox@box.service")
    fake_recovery("box", "blackbox")
    fake("plain")
    sh("systemctl daemon-reload")
    start(vm("rung"), vm("box"), vm("plain"))


def test_each_exit_status():
    pid = qemu_pid("rung")
    run_one("rung", "exit 0", 1, 0, "is back after a reset")
    assert qemu_pid("rung") == pid
    run_one("rung", "exit 1", 1, 1, "Restarted VM rung")
    run_one("rung", "exit 2", 1, 1, "Restarted VM rung")
    run_one("rung", "kill -KILL $$", 1, 1, "Restarted VM rung")
    run_one("rung", "sleep 60", 1, 1, "Restarted VM rung")
    # it has ended by itself, as after a power-down
    run_one("rung", "kill $(systemctl show -P MainPID qemu-vm@rung); sleep .1; exit 3", 1, 1, "Restarted VM rung")
    run_one("rung", "kill $(systemctl show -P MainPID qemu-vm@rung); sleep 1; exit 3", 1, 1, "Restarted VM rung")
    pid = qemu_pid("rung")
    run_one("rung", "exit 4", 1, 0, "does not end with restart")
    assert qemu_pid("rung") == pid


def test_rung_in_the_line():
    for line, rung in (("rung reset", "reset"), ("rung powerdown", "powerdown"), ("rung recover", "own"), ("rung", "own")):
        run_one("rung", "echo $QNET_RECOVER >/run/asked", 1, 0, "is back", line)
        assert Path("/run/asked").read_text().strip() == rung, Path("/run/asked").read_text()
    run_one("rung", "exit 0", 0, 1, "Restarted VM rung", "rung restart")
    runs = count(RUNS, "plain")
    run_one("plain", "exit 0", 0, 1, "Restarted VM plain", "plain reset")
    assert count(RUNS, "plain") == runs
    now = time.time()
    report("rung again")
    wait_for("the message", lambda: [e for e in journal(f"--since=@{now:.6f}", "SYSLOG_IDENTIFIER=qnet-reaper")
                                     if e.get("QNET_LINE") == "rung again" and "neither an IP address" in e["MESSAGE"]])
    done()


def test_black_box_is_named_and_believed_only_where_boxes_are():
    good = "/var/lib/qnet/vm/box/blackbox/20261121T141209.123456Z"
    assert run_one("box", f"systemd-notify --status='Saved {good}'", 1, 1, "Restarted VM box")["QNET_BLACKBOX"] == good
    for bad in ("/etc/shadow", "/var/lib/qnet/vm/rung/blackbox/20261121T141209.123456Z", "/var/lib/qnet/vm/box/blackbox/../x"):
        assert "QNET_BLACKBOX" not in run_one("box", f"systemd-notify --status='Saved {bad}'", 1, 1, "Restarted VM box")
    # one that fails is no reason not to restart, and the last one's box is not this one's
    assert "QNET_BLACKBOX" not in run_one("box", "exit 1", 1, 1, "Restarted VM box")


def test_others_are_not_delayed_and_lines_merge():
    script("rung", "sleep 4")
    runs, started = count(RUNS, "rung"), count(STARTS, "plain")
    report("rung")
    wait_for("the recovery", lambda: count(RUNS, "rung") == runs + 1)
    report("rung", "plain", "rung")
    wait_for("plain to be restarted", lambda: count(STARTS, "plain") == started + 1)
    assert show("qnet-recover@rung.service", "ActiveState") == "activating", "plain had to wait"
    done()
    assert count(RUNS, "rung") == runs + 1 and count(STARTS, "plain") == started + 1


def test_who_stops_it_has_the_last_word():
    for text, command in (
            ("sleep 4; exit 1", "systemctl stop qnet-recover@rung"),
            ("sleep 2; exit 1", f"systemctl stop {vm('rung')}"),
            ("while systemctl is-active -q qemu-vm@rung; do sleep .1; done; sleep 1; exit 3", f"systemctl stop {vm('rung')}")):
        script("rung", text)
        runs, started, now = count(RUNS, "rung"), count(STARTS, "rung"), time.time()
        report("rung")
        wait_for("the recovery", lambda: count(RUNS, "rung") == runs + 1)
        sh(command)
        wait_for("the message", lambda: said("rung", now, "is left alone"))
        done()
        assert count(STARTS, "rung") == started
        start(vm("rung"))


def test_held_off_after_a_recovery():
    sh("sed 's/--hold-off=[0-9a-z]*/--hold-off=5s/' /run/systemd/generator/qnet-reaper.service.d/50-qnet.conf >/run/hold"
       " && mkdir -p /run/systemd/system/qnet-reaper.service.d && mv /run/hold /run/systemd/system/qnet-reaper.service.d/60-test.conf"
       " && systemctl daemon-reload")
    assert "--hold-off=5s" in sh("systemctl cat qnet-reaper.service")
    past_hold_off("rung", 5)
    time.sleep(6)
    run_one("rung", "exit 0", 1, 0, "is back")
    run_one("rung", "exit 0", 0, 0, "it was recovered only just now")
    sh("rm /run/systemd/system/qnet-reaper.service.d/60-test.conf; systemctl daemon-reload")


def killed(name, text, restarted, rounds=15):
    """kill -9 of the reaper at any moment: one recovery, so many starts."""
    kills = 0
    script(name, text)
    for i in range(rounds):
        runs, started = count(RUNS, name), count(STARTS, name)
        sh(f"echo {name} >>{KILL_LOG}")
        for _ in range(random.randint(1, 4)):
            time.sleep(random.uniform(0, .15))
            pid = int(show("qnet-reaper.service", "MainPID") or 0)
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass
        wait_for("the recovery", lambda: count(RUNS, name) > runs)
        wait_for("the end", lambda: "pending" not in sh("cat /var/lib/qnet/reaper/*", check=False))
        done()
        assert count(RUNS, name) == runs + 1, f"round {i}: {count(RUNS, name) - runs} recoveries"
        assert count(STARTS, name) == started + restarted, f"round {i}: {count(STARTS, name) - started} starts"
    assert kills > 0


def test_killed_when_it_helps():
    killed("rung", "sleep .1; exit 0", 0)


def test_killed_when_it_does_not_help():
    killed("rung", "sleep .1; exit 1", 1)


def test_killed_when_qemu_ends():
    killed("rung", "kill $(systemctl show -P MainPID qemu-vm@rung); sleep .3; exit 3", 1)


def test_killed_at_a_black_box():
    killed("box", "sleep .1", 1)


main()
