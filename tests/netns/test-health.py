# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-health: guests that answer, guests that do not, and guests that lie"""
import os
import subprocess
import sys
import threading
import time

import lab
from lab import *  # noqa: F403

FAST = "interval=1s failures=2 timeout=300ms start=0"
SLOW = FAST.replace("start=0", "start=5s")
WHERE = f"dev=s1 tap=v0 mac={MAC}"


def make_guest(name="v0", mac=MAC, addresses=("10.9.0.5/24", "fd00::5/64")):
    """A namespace behind a port of s1; returns what runs a command there"""
    keeper = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE)
    children.append(keeper)
    keeper.stdout.readline()
    ip(f"link add {name} type veth peer name e0 netns {keeper.pid}")
    ip(f"link set {name} master s1 up")
    inside = ["nsenter", "-n", "-t", str(keeper.pid)]
    for words in [f"link set e0 address {mac} up", "link set lo up",
                  *[f"addr add {a} dev e0 {'nodad' if ':' in a else ''}" for a in addresses]]:
        subprocess.run([*inside, "ip", *words.split()], check=True)
    return inside


def make_net():
    switch("add", "s1", "--name=s1", "--address=10.9.0.1/24", "--address=fd00::1/64")
    make_rundir()
    return make_guest()


def make_rundir(*names, age=60):
    for name in names or [f"h{i}" for i in range(20)]:
        (path("run") / name).mkdir(parents=True, exist_ok=True)
        (path("run") / name / "qnet.qmp").touch()
        os.utime(path("run") / name / "qnet.qmp", (time.time() - age,) * 2)
    path("kill.log").touch()


class Run:
    """qnet-health run with that table. Its lines are collected as they come."""

    def __init__(self, *rows, user=None, tick="1s"):
        self.lines = []
        # one of another build directory than lab's helpers
        where = lab.helpers.parent / "health/qnet-health"
        self.child = subprocess.Popen(
            [where, "run", f"--tick={tick}", f"--run-dir={path('run')}", f"--kill-log={path('kill.log')}"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, user=user,
            env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"})
        children.append(self.child)
        self.child.stdin.write("\n".join(rows) + "\n")
        self.child.stdin.close()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.child.stderr:
            self.lines.append(line.rstrip())

    def says(self, text, seconds=6):
        wait_until(lambda: any(text in line for line in self.lines), seconds)

    def end(self, status=0, seconds=6):
        try:
            assert self.child.wait(seconds) == status, (self.child.returncode, self.lines)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it goes on: {self.lines}")
        self.thread.join()
        return self.lines


def log():
    return path("kill.log").read_text()


def serve(inside, port):
    code = f"import socket; s = socket.create_server(('', {port})); print(flush=True); [s.accept() for i in range(99)]"
    child = subprocess.Popen([*inside, sys.executable, "-c", code], stdout=subprocess.PIPE)
    children.append(child)
    child.stdout.readline()
    return child


def test_well():
    inside = make_net()
    serve(inside, 80)
    began = time.monotonic()
    Run(*[f"h{i} {probe} {FAST} action=recover {WHERE} address={ip_}"
          for i, (probe, ip_) in enumerate((p, a) for p in ("arp", "ping") for a in ("10.9.0.5", "fd00::5"))],
        f"h9 tcp:80 {FAST} action=recover {WHERE} address=10.9.0.5").end()
    assert time.monotonic() - began < 1 and log() == ""


def test_silent_and_well_again():
    inside = make_net()
    subprocess.run([*inside, "ip", "link", "set", "e0", "down"], check=True)
    run = Run(*[f"h{i} {probe} {SLOW} action={action} {WHERE} address={address}"
                for i, (probe, action, address) in enumerate(
                    [("arp", "recover", "10.9.0.5"), ("arp", "restart", "fd00::5"), ("ping", "reset", "10.9.0.5"),
                     ("ping", "powerdown", "fd00::5"), ("tcp:80", "notify", "10.9.0.5")])])
    for i in range(5):
        run.says(f"VM h{i} is ill: ")
    time.sleep(2.5)
    assert sorted(log().splitlines()) == ["h0", "h1 restart", "h2 reset", "h3 powerdown"], "each once"
    assert sum("is ill" in line for line in run.lines) == 5
    subprocess.run([*inside, "ip", "link", "set", "e0", "up"], check=True)
    subprocess.run([*inside, "ip", "addr", "replace", "fd00::5/64", "dev", "e0", "nodad"], check=True)
    serve(inside, 80)
    for i in range(5):
        run.says(f"VM h{i} is well again after")
    run.end()


def test_reported_again():
    """The reaper has left it alone: after as many failures, and the time to start, it is told again; a person is not"""
    make_net()
    run = Run(f"h1 arp {SLOW} action=recover {WHERE} address=10.9.0.99", f"h2 arp {SLOW} action=notify {WHERE} address=10.9.0.98")
    run.says("VM h2 is ill")
    began = time.monotonic()
    wait_until(lambda: log() == "h1\nh1\n", 12)
    assert 4 < time.monotonic() - began < 8
    assert sum("VM h2 is ill" in line for line in run.lines) == 1


def test_one_failure_is_none():
    inside = make_net()
    subprocess.run([*inside, "ip", "link", "set", "e0", "down"], check=True)
    run = Run(f"h1 arp {FAST} action=recover {WHERE} address=10.9.0.5")
    run.says("VM h1: no answer within 0.3 s (1 of 2)")
    subprocess.run([*inside, "ip", "link", "set", "e0", "up"], check=True)
    assert "answers again, after 1 failed probe" in run.end()[-1]
    assert log() == ""


def test_port():
    inside = make_net()
    run = Run(f"h1 tcp:80 {FAST} action=notify {WHERE} address=10.9.0.5")
    run.says("VM h1 is ill: port 80: Connection refused, 2 times in a row; nothing is done, as Action=notify says")
    serve(inside, 80)
    run.says("is well again")
    run.end()
    assert log() == ""


def test_only_those_that_run():
    make_net()
    (path("run") / "h1" / "qnet.qmp").unlink()
    young = FAST.replace("start=0", "start=1h")
    rows = [f"h1 arp {FAST} action=recover {WHERE} address=10.9.0.99",
            f"h2 arp {young} action=recover {WHERE} address=10.9.0.99",
            f"h3 arp interval=1d failures=1 timeout=1s start=0 action=recover {WHERE} address=10.9.0.99"]
    assert Run(*rows).end(seconds=2) == []
    make_rundir("h2", age=7200)
    run = Run(*rows)
    run.says("VM h2 is ill")
    assert log() == "h2\n"


def test_stopped_meanwhile():
    make_net()
    run = Run(f"h1 arp {FAST.replace('failures=2', 'failures=3')} action=recover {WHERE} address=10.9.0.99")
    run.says("(1 of 3)")
    (path("run") / "h1" / "qnet.qmp").unlink()
    run.end()
    assert log() == ""


def test_another_life():
    """What was restarted and does not come up is reported again, after its time to start"""
    make_net()
    run = Run(f"h1 arp {FAST.replace('start=0', 'start=2s')} action=recover {WHERE} address=10.9.0.99")
    run.says("is ill")
    (path("run") / "h1" / "qnet.qmp").unlink()
    time.sleep(0.2)
    make_rundir("h1", age=0)
    began = time.monotonic()
    wait_until(lambda: log() == "h1\nh1\n", 8)
    assert 3 < time.monotonic() - began < 6


def test_address_by_mac():
    inside = make_net()
    ip("link set v0 alias qnet:vm=h2,mac=" + MAC, check=False)
    tap("add", "tap-a", "--vm=h2", f"--mac={MAC}", "--bridge=s1")
    row = f"h1 arp {FAST} action=recover {WHERE}"
    lines = Run(row, row.replace("h1", "h3") + " leases=yes").lines
    wait_until(lambda: any("Cannot probe VM h1: no address of it on s1 is known" in line for line in lines))
    wait_until(lambda: any("VM h3: it has no address from the DHCP server of s1 (1 of 2)" in line for line in lines))
    children[-1].kill()
    subprocess.run([*inside, "ping", "-c1", "-W1", "10.9.0.1"], check=True, stdout=subprocess.DEVNULL)
    assert Run(row, row.replace("h1", "h3") + " leases=yes",
               f"h2 ping {FAST} action=recover dev=s1 tap=tap-a").end() == []


def test_someone_else_answers():
    """Another guest has taken the address: that is no sign of life"""
    make_net()
    run = Run(f"h1 arp {FAST} action=recover {WHERE.replace(MAC, MAC2)} address=10.9.0.5")
    run.says("VM h1 is ill: no answer within")
    assert log() == "h1\n"


FLOOD = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("e0", 0))
head = b"\\xff" * 6 + bytes.fromhex("525400000008") + b"\\x08\\x06"
junk = [head + bytes(n) for n in (0, 1, 27, 46)]
reply = head + struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 2, bytes.fromhex("525400000008"),
                           socket.inet_aton("10.9.0.9"), bytes(6), socket.inet_aton("10.9.0.1"))
big = head + struct.pack("!HHBBH", 1, 0x800, 255, 255, 2) + bytes(range(256)) * 4
print(flush=True)
while True:
    for frame in [*junk, big] + [reply] * 200:
        try:
            s.send(frame)
        except OSError:
            pass
"""


def test_flood():
    """A guest that answers all the time what nobody has asked; others are well"""
    make_net()
    evil = make_guest("v1", MAC2, ("10.9.0.9/24",))
    for _ in range(2):
        child = subprocess.Popen([*evil, sys.executable, "-c", FLOOD], stdout=subprocess.PIPE)
        children.append(child)
        child.stdout.readline()
    for _ in range(5):
        Run(*[f"h{i} {probe} {FAST} action=recover {WHERE} address=10.9.0.5"
              for i, probe in enumerate(["arp", "ping", "arp"])]).end(seconds=10)
    assert log() == ""


def test_many():
    inside = make_net()
    names = [f"m{i}" for i in range(600)]
    make_rundir(*names)
    addresses = [f"10.9.{1 + i // 200}.{1 + i % 200}" for i in range(600)]
    batch = "".join(f"addr add {a}/32 dev e0\n" for a in addresses)
    subprocess.run([*inside, "ip", "-batch", "-"], input=batch, text=True, check=True)
    rows = [f"{n} arp {FAST} action=recover {WHERE} address={a}" for n, a in zip(names, addresses)]
    assert Run(*rows).end() == []
    subprocess.run([*inside, "ip", "link", "set", "e0", "down"], check=True)
    run = Run(*rows)
    wait_until(lambda: len(log().splitlines()) == 600, 30)
    assert sorted(log().splitlines()) == sorted(names)


def test_kill_log():
    make_net()
    row = f"h1 arp {FAST.replace('failures=2', 'failures=1')} action=recover {WHERE} address=10.9.0.99"
    path("other").touch()
    null = os.stat("/dev/null").st_rdev
    for make in (lambda p: os.mkfifo(p), lambda p: p.symlink_to(path("other")), lambda p: p.mkdir(), lambda p: None,
                 lambda p: os.mknod(p, 0o20666, null)):
        path("kill.log").unlink(missing_ok=True)
        make(path("kill.log"))
        run = Run(row)
        run.says("Cannot report VM h1 in")
        run.child.kill()
        if path("kill.log").is_dir():
            path("kill.log").rmdir()
    assert path("other").read_text() == ""


class Port:
    """QEMU's end of a port of the guest: f(bytes that came) says what is answered, None for nothing"""

    def __init__(self, name, f, first=b"", delay=0):
        self.f, self.first, self.delay = f, first, delay
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path("run") / name))
        self.server.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self.server.accept()
            with client:
                try:
                    if self.first:
                        time.sleep(self.delay)
                        client.sendall(self.first)
                    while data := client.recv(4096):
                        client.sendall(self.f(data) or b"")
                except OSError:
                    pass


def agent(data):
    request = json.loads(data)
    assert request["execute"] == "guest-sync"
    return json.dumps({"return": request["arguments"]["id"]}).encode() + b"\n"


def test_agent():
    make_net()
    Port("h1/agent", agent)
    Port("h2/agent", lambda data: b'{"return": 1}\n')
    Port("h3/agent", lambda data: bytes(100000))
    Port("h4/agent", lambda data: None)
    Port("h5/agent", agent, first=b'{"return": 1}\n')
    run = Run(*[f"h{i} agent {FAST} action=recover" for i in range(1, 7)])
    for i in 2, 3, 4:
        run.says(f"VM h{i} is ill: no answer within 0.3 s, 2 times in a row")
    run.says(f"Cannot probe VM h6: {path('run')}/h6/agent: No such file or directory")
    assert sorted(log().split()) == ["h2", "h3", "h4"]


def test_heartbeat():
    """A byte within the interval, whatever it is"""
    make_net()
    Port("h1/heartbeat", lambda data: None, first=b"\0")
    Port("h2/heartbeat", lambda data: None)
    Port("h3/heartbeat", lambda data: None, first=b"x", delay=0.4)
    run = Run(*[f"h{i} heartbeat {FAST} action=recover" for i in (1, 2, 3)])
    run.says("VM h2 is ill: no answer within 1 s, 2 times in a row")
    assert log() == "h2\n" and not any("ill" in line for line in run.lines if "h2" not in line), run.lines


def test_host_lacks_something():
    make_net()
    rows = [f"h1 arp {FAST} action=recover {WHERE.replace('s1', 's2')} address=10.9.0.5",
            f"h2 ping {FAST} action=recover {WHERE} address=2001:db8::1"]
    lines = Run(*rows).end()
    assert any("Cannot probe VM h1: device s2 cannot be looked up: No such device" in line for line in lines), lines
    assert any("Cannot probe VM h2: the host has no route to it by s1" in line for line in lines), lines
    assert log() == ""


def test_table():
    make_net()
    good = f"h1 arp {FAST} action=recover {WHERE} address=10.9.0.5"
    for bad in ("h2", "../h2 arp", "h2 icmp", "h2 tcp dev=s1 tap=v0 interval=1s", "h2 arp interval=1s", good + " what=1",
                "h2 arp interval=0 dev=s1 tap=v0", "h2 tcp:0 interval=1s dev=s1 tap=v0", "x" * 100000, "h2 \x01"):
        lines = Run(bad, good).end(status=1)
        assert len(lines) == 1 and "Line 1 of the table is not understood" in lines[0], lines
    assert Run("", good, "").end() == []
