# SPDX-License-Identifier: LGPL-2.1-or-later
"""From a line in the kill log to the restart of the unit, with the real units of the reaper, against a path unit with
a shell script that knows the unit beforehand and calls systemctl restart.

The VM is a sleeping process behind a real tap: what a guest takes to die and to start is not what is measured. Both
sides are at rest before each line, so that PID 1 has to start them: a line that comes while the reaper runs is quicker,
and is the last row.

Most of the way is the kernel's: before PID 1 starts the service it closes the path unit's inotify descriptor, and then
a process enters a new cgroup; either waits for an RCU grace period (13 and 12 ms on Linux 6.18 with two CPUs at 250 Hz;
the latter only where cgroup2 is mounted without favordynmods). The row "until PID 1 has forked" shows the first.
"""
from box import HELPERS, sandbox
from frame import Result

GOAL_MS = 15
UNIT = "qemu-vm@bench.service"
IP, MAC, BRIDGE, TAP = "10.9.0.2", "52:54:00:aa:bb:cc", "s1", "tap-bench"
KILL_LOG, BARE_LOG = "/run/qnet/kill.log", "/run/bare.log"
REAPER = ("qnet-reaper.service", "qnet-reaper-check.service")

FILES = {
    f"/etc/systemd/system/{UNIT}": """\
[Service]
Type=exec
User=qnet-bench
ExecStart=/bin/sleep infinity
""",
    # more restarts a minute than the shared drop-in allows
    f"/etc/systemd/system/{UNIT}.d/60-bench.conf": "[Unit]\nStartLimitIntervalSec=0\n",
    "/etc/systemd/system/bare.path": "[Path]\nPathModified=/run/bare.log\n",
    "/etc/systemd/system/bare.service": f"""\
[Unit]
StartLimitIntervalSec=0
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'read ip </run/bare.log; systemctl restart {UNIT}'
""",
}


def set_up(box):
    for path, text in FILES.items():
        box.write(path, text)
    # every line of this one VM counts: no hold-off
    run = box.sh("systemctl show -P ExecStart qnet-reaper.service | sed -n 's/.*argv\\[\\]=\\([^;]*\\) ;.*/\\1/p'")
    box.write("/etc/systemd/system/qnet-reaper.service.d/60-bench.conf",
              f"[Service]\nExecStart=\nExecStart={run} --hold-off=0\n")
    box.sh(f"""systemctl daemon-reload
        {HELPERS}/qnet-switch add {BRIDGE} --name={BRIDGE} --address=10.9.0.1/24
        {HELPERS}/qnet-tap add {TAP} --vm=bench --mac={MAC} --bridge={BRIDGE}
        touch {BARE_LOG}
        systemctl start bare.path qnet-reaper.path {UNIT}""")


def known(box):
    """The neighbour entry, which the reaper deletes each time."""
    box.sh(f"ip neigh replace {IP} lladdr {MAC} dev {BRIDGE} nud permanent")


def rows(bench):
    bench.program("helpers/reaper/qnet-reaper")
    with sandbox(bench) as box:
        set_up(box)

        def line(log, service):
            text = box.run("/bench/build/tests/bench/kill-log-latency", log, IP, service, UNIT)
            return dict(zip(("forked", "killed", "job", "done"), (int(word) / 1000 for word in text.split())))

        def ours():
            known(box)
            return line(KILL_LOG, "qnet-reaper.service")

        def ours_at_rest():
            box.wait_until_idle(*REAPER)
            return ours()

        def ours_awake():
            ours_at_rest()
            return ours()

        def bare_at_rest():
            box.wait_until_idle("bare.service")
            return line(BARE_LOG, "bare.service")

        n = bench.rounds(60)
        pairs = bench.in_turns(n, ours_at_rest, bare_at_rest)
        for what, text, goal in (("job", "kill log to restart asked for", GOAL_MS),
                                 ("forked", "  of it, until PID 1 has forked", None),
                                 ("killed", "kill log to VM gone", None), ("done", "kill log to VM up again", None)):
            yield Result(text, "ms", *([t[what] for t in side] for side in pairs), goal=goal)
        awake, = bench.in_turns(n // 2, ours_awake, warm_up=1)
        yield Result("kill log to restart asked for, reaper awake", "ms", [t["job"] for t in awake], goal=GOAL_MS)
