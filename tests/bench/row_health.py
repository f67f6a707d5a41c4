# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-health run with 1,000 guests that all answer: the CPU time that it takes in a minute, with two runs in it."""
import os
import subprocess
import sys

from frame import Result, Unavailable, enter_private_network, need_commands, need_root

GUESTS = 1000
GOAL = 1000.0  # ms of CPU in a minute
PER_MINUTE = 2  # IntervalSec=30

# Guests as QEMU would run them, each with a MAC address of its own: whoever is asked for, answers.
ANSWER = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
s.bind(("e0", 0x0806))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
print(flush=True)
while True:
    f = s.recv(100)
    if f[20:22] == b"\\0\\1":
        mac = b"\\x52\\x54\\0\\0" + f[40:42]
        s.send(f[6:12] + mac + f[12:20] + b"\\0\\2" + mac + f[38:42] + f[22:32])
"""


def address(i):
    return f"10.9.{1 + i // 200}.{1 + i % 200}"


def mac(i):
    return f"52:54:00:00:{1 + i // 200:02x}:{1 + i % 200:02x}"


def namespace():
    keeper = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 3600"], stdout=subprocess.PIPE)
    keeper.stdout.readline()
    return keeper, ["nsenter", "-n", "-t", str(keeper.pid)]


def plug(keeper, inside, port, prefix, addresses):
    """A switch, and behind it a namespace with these addresses"""
    def ip(words, where=(), text=None):
        subprocess.run([*where, "ip", *words.split()], check=True, input=text, text=True)

    ip(f"link add s{port} type bridge")
    ip(f"addr add {prefix}.0.1/16 dev s{port}")
    ip(f"link set s{port} up")
    ip(f"link add v{port} type veth peer name e{port} netns {keeper.pid}")
    ip(f"link set v{port} master s{port} up")
    ip(f"link set e{port} up", inside)
    ip("link set lo up", inside)
    ip("-batch -", inside, "".join(f"addr add {a}/16 dev e{port}\n" for a in addresses))


def table(probe, device, extra):
    return "".join(f"vm{i} {probe} interval=1s failures=3 timeout=1s action=recover start=0 dev={device} tap=v0 {extra(i)}\n"
                   for i in range(GUESTS))


def prepare(top):
    for i in range(GUESTS):
        (top / f"run/vm{i}").mkdir(parents=True)
        (top / f"run/vm{i}/qnet.qmp").touch()
    (top / "kill.log").touch()
    answering, inside = namespace()
    plug(answering, inside, 0, "10.9", [])
    answer = subprocess.Popen([*inside, sys.executable, "-c", ANSWER], stdout=subprocess.PIPE)
    answer.stdout.readline()
    batch = "".join(f"neigh add {address(i)} lladdr {mac(i)} dev s0\n" for i in range(GUESTS))
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
    kernel, inside = namespace()
    plug(kernel, inside, 1, "10.10", [f"10.10{address(i)[4:]}" for i in range(GUESTS)])
    web = subprocess.Popen([*inside, sys.executable, "-c", "import socket; s = socket.create_server(('', 80), backlog=4096)\n"
                            "print(flush=True)\nwhile True: s.accept()"], stdout=subprocess.PIPE)
    web.stdout.readline()
    return answering, answer, kernel, web


def rows(bench):
    need_root()
    need_commands("ip", "unshare", "nsenter")
    program = bench.program("helpers/health/qnet-health")
    enter_private_network()
    cases = {
        "arp, Address=": table("arp", "s0", lambda i: f"mac={mac(i)} address={address(i)}"),
        "arp, leases": table("arp", "s0", lambda i: f"mac={mac(i)} leases=yes"),
        "ping": table("ping", "s1", lambda i: f"mac={mac(i)} address=10.10{address(i)[4:]}"),
        "tcp": table("tcp:80", "s1", lambda i: f"mac={mac(i)} address=10.10{address(i)[4:]}"),
    }
    with bench.directory() as top:
        children = prepare(top)
        try:
            for name, text in cases.items():
                (top / "table").write_text(text)
                bench.label = f"health, {name}"

                def run():
                    with open(top / "table", encoding="ascii") as f:
                        os.dup2(f.fileno(), 0)
                    return bench.cost(program, "run", "--tick=1s", f"--run-dir={top}/run", f"--kill-log={top}/kill.log")
                costs = bench.in_turns(bench.rounds(20), run)[0]
                if (top / "kill.log").read_text():
                    raise Unavailable("a guest that answers was taken for ill")
                wall = sorted(c.wall for c in costs)[len(costs) // 2] / 1000
                yield Result(f"health of {GUESTS} VMs, {name}", "ms/min", [c.cpu / 1000 * PER_MINUTE for c in costs],
                             goal=GOAL, note=f"{wall:.0f} ms a run, {max(c.rss for c in costs)} KiB")
        finally:
            for child in children:
                child.kill()
                child.wait()
