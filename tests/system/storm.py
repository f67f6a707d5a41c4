# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ten clients append a thousand lines each, while the reaper is killed and the log is rotated: none lost, none twice.

Every line is a name that no VM has, each its own, and the reaper says a line in the journal for each that it cannot
resolve; so what was read is counted by what was said.
"""
import random
import threading
from qnettest import *

SECONDS = 100
CLIENTS, LINES = 10, 1000
WRITER = """
import sys, time
log, client, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
for i in range(count):
    with open(log, "a") as f:
        f.write(f"gone-{client}-{i}\\n")
    if i % 20 == 0:
        time.sleep(.05)
"""


def storm(log, disturb):
    """Runs the clients with disturb() beside them; returns how often each line was acted on."""
    tag = str(time.monotonic_ns())
    clients = [subprocess.Popen(["setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=qnet", "python3", "-c", WRITER,
                                 log, f"{tag}-{c}", str(LINES)]) for c in range(CLIENTS)]
    done = threading.Event()
    disturber = threading.Thread(target=disturb, args=(done,))
    disturber.start()
    for client in clients:
        assert client.wait() == 0
    done.set()
    disturber.join()
    wanted = {f"gone-{tag}-{c}-{i}" for c in range(CLIENTS) for i in range(LINES)}

    def said():
        counts = {}
        for line in journal("SYSLOG_IDENTIFIER=qnet-reaper"):
            for name in set(re.findall(rf"gone-{tag}-\d+-\d+", str(line.get("MESSAGE", "")))):
                counts[name] = counts.get(name, 0) + 1
        return counts
    end = time.monotonic() + PATIENCE
    while len(counts := said()) < len(wanted) and time.monotonic() < end:
        time.sleep(1)
    reaper_idle()
    counts = said()
    lost = wanted - counts.keys()
    twice = {n: c for n, c in counts.items() if c > 1}
    assert not lost, f"{len(lost)} lines lost, for example {sorted(lost)[:3]}"
    # A SIGKILL between the message and the note that it was said cannot be told from one before: a few may repeat.
    return twice


def kill_reaper(done):
    while not done.wait(random.uniform(.02, .3)):
        pid = show("qnet-reaper.service", "MainPID")
        if pid != "0":
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass


def test_plain_storm():
    configure(reaper="[Reaper]\nKillLog=/tmp/taskgen_qemusession_ip_kill.log\n")
    twice = storm(KILL_LOG, lambda done: None)
    assert not twice, f"said twice: {list(twice.items())[:3]}"


main()
