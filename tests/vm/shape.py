# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a VM's wire does: delay, jitter, loss, duplicates, errors, order and rate, in each direction, by the frames that pass a
tap. A share of n frames is within 10 % of what was asked if n is large enough: each n here makes that some 4.5 standard
deviations, once in 100,000 runs."""
import errno
import select
import socket
import signal
import statistics
import subprocess
import time

from vmtest import *
from vmtest import open_tap

SECONDS = 400
TAP = "/usr/libexec/qnet/qnet-tap"
MACS = {"tap-w": "52:54:00:00:00:01", "tap-x": "52:54:00:00:00:02", "mv-w": "52:54:00:00:00:03"}
HOST, TYPE = bytes.fromhex("525400000099"), b"\x88\xb5"
MAGIC = b"qnet wire"
wires = {}


def qnet_tap(verb, name="tap-w", to="", frm="", **options):
    words = [f"--to-guest={to}"] * bool(to) + [f"--from-guest={frm}"] * bool(frm)
    return sh(f"{TAP} {verb} {name} --vm=w --mac={MACS[name]} --bridge=s1 {' '.join(words)}", **options)


class Wire:
    """Frames between a tap's reader, who plays the guest, and the bridge. end: an open descriptor in place of the tap's;
    far: the host's interface."""
    def __init__(self, name, end=None, far="s1"):
        self.mac = bytes.fromhex(MACS[name].replace(":", ""))
        self.fd = end if end is not None else open_tap(name)
        self.host = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
        self.host.bind((far, 0x88b5))
        self.host.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)        # SO_RCVBUFFORCE
        self.host.setblocking(False)
        self.number = 0

    def send(self, to_guest, size=200):
        """The number of the frame, or None: there is no room now."""
        addresses = self.mac + HOST if to_guest else b"\xff" * 6 + self.mac
        head = addresses + TYPE + MAGIC + struct.pack("!Id", self.number, time.monotonic())
        frame = head + bytes(size - len(head))
        try:
            if to_guest:
                self.host.send(frame)
            else:
                os.write(self.fd, frame)
        except OSError as e:
            if e.errno in (errno.ENOBUFS, errno.EAGAIN):
                return None
            raise
        self.number += 1
        self.last = frame
        return self.number - 1

    def read(self, to_guest):
        """The next frame that is here now, or None."""
        try:
            return os.read(self.fd, 65536) if to_guest else self.host.recv(65536)
        except BlockingIOError:
            return None

    def frames(self, to_guest, seconds, until_quiet=False):
        """Those of ours that come within so many seconds, or until none has come for so many: (number, latency, length)"""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            select.select([self.fd if to_guest else self.host], [], [], left)
            while (frame := self.read(to_guest)) is not None:
                now = time.monotonic()
                if frame[12:14] == TYPE and frame[14:14 + len(MAGIC)] == MAGIC:
                    number, sent = struct.unpack_from("!Id", frame, 14 + len(MAGIC))
                    yield number, now - sent, len(frame)
                    if until_quiet:
                        end = now + seconds
                if now > end:
                    return

    def exchange(self, to_guest, n, gap=0.0, wait=1.0, size=200):
        """Sends n frames, gap seconds apart; what arrived, in that order, with numbers from 0."""
        while self.read(to_guest) is not None:
            pass
        first, found = self.number, []
        start = time.monotonic()
        for i in range(n):
            while self.send(to_guest, size) is None:
                time.sleep(0.005)
            if gap:
                found += self.frames(to_guest, max(0.0005, start + (i + 1) * gap - time.monotonic()))
            elif i % 50 == 49:
                found += self.frames(to_guest, 0.0005, until_quiet=True)
        found += self.frames(to_guest, wait, until_quiet=True)
        return [(number - first, latency, length) for number, latency, length in found if number >= first]

    def rate(self, to_guest, offered, size, seconds=3.0):
        """bit/s that arrive when so many frames a second are sent, once the queue is full"""
        start = time.monotonic()
        sent, bits, first, last = 0, 0, None, None
        while (now := time.monotonic()) < start + 1.5 + seconds:
            while sent < (now - start) * offered and self.send(to_guest, size) is not None:
                sent += 1
            for _, _, length in self.frames(to_guest, 0.002):
                t = time.monotonic()
                if t < start + 1.5:
                    continue
                if first is None:
                    first = t
                else:
                    bits += length * 8
                last = t
        list(self.frames(to_guest, 0.5, until_quiet=True))
        return bits / (last - first)


def within(value, asked, share=0.1):
    assert asked * (1 - share) <= value <= asked * (1 + share), f"{value} is not within {share:.0%} of {asked}"
    return value


def measured(measure):
    """Of a time on a machine that does much else, the best of three: what is wrong with us is so each time."""
    for attempt in (1, 2, 3):
        try:
            return measure()
        except AssertionError:
            if attempt == 3:
                raise
            time.sleep(attempt)


def report(what):
    print(f"# {what}", flush=True)


def check_prompt(w, to_guest):
    def prompt():
        found = w.exchange(to_guest, 20, gap=0.005, wait=0.3)
        assert len(found) == 20 and statistics.median(l for _, l, _ in found) < 0.03, f"{len(found)} of 20 arrived: {found[:3]}"
    measured(prompt)


def both(what):
    """Sets the wire for each direction in turn, and calls for a check of it."""
    for to_guest in (True, False):
        qnet_tap("set", **{"to" if to_guest else "frm": what})
        yield to_guest, "to" if to_guest else "from"
    qnet_tap("set")


def test_lab():
    sh("/usr/libexec/qnet/qnet-switch add s1 --name=s1 --address=10.9.0.1/24 && ip link set s1 up")
    for name in ("tap-w", "tap-x"):
        qnet_tap("add", name)
        wires[name] = Wire(name)
    wait_for("carrier", lambda: "LOWER_UP" in sh("ip link show tap-w"))
    assert not re.search(r"netem|tbf|ingress", sh("tc qdisc show")), sh("tc qdisc show")


def test_delay():
    w = wires["tap-w"]
    for to_guest, name in both("delay=100000"):
        def delay():
            found = w.exchange(to_guest, 100, gap=0.005)
            assert [number for number, _, _ in found] == list(range(100)), f"{len(found)} arrived: {found[:3]}"
            return within(statistics.median(l for _, l, _ in found), 0.1)
        report(f"delay {name}: {measured(delay) * 1000:.1f} of 100 ms")
        check_prompt(w, not to_guest)
    check_prompt(w, True)


def test_jitter():
    w = wires["tap-w"]
    for to_guest, name in both("delay=200000,jitter=100000"):
        def jitter():
            latencies = [l for _, l, _ in w.exchange(to_guest, 800, gap=0.004)]
            assert len(latencies) == 800
            tenths = statistics.quantiles(latencies, n=10)
            # of an even distribution, whatever the machine delays besides
            return within(statistics.median(latencies), 0.2), within((tenths[-1] - tenths[0]) / 1.6, 0.1)
        middle, spread = measured(jitter)
        report(f"jitter {name}: {middle * 1000:.1f} +- {spread * 1000:.1f} of 200 +- 100 ms")


def test_loss():
    w = wires["tap-w"]
    for to_guest, name in both("loss=200000"):
        lost = 8000 - len(w.exchange(to_guest, 8000))
        report(f"loss {name}: {within(lost, 1600)} of 1600 in 8000")
    for to_guest, name in both("loss=1000000"):
        assert not w.exchange(to_guest, 100)


def test_no_loss_without_it():
    w = wires["tap-w"]
    for to_guest, name in both("delay=50000"):
        assert len(w.exchange(to_guest, 3000)) == 3000, name


def test_duplicate():
    w = wires["tap-w"]
    for to_guest, name in both("duplicate=300000"):
        found = w.exchange(to_guest, 5000)
        assert {number for number, _, _ in found} == set(range(5000)), name
        report(f"duplicate {name}: {within(len(found) - 5000, 1500)} of 1500 in 5000")


def test_corrupt():
    w = wires["tap-w"]
    for to_guest, name in both("corrupt=500000"):
        sent, intact = set(), 0
        for _ in range(50):
            for _ in range(40):
                w.send(to_guest, 400)
                sent.add(w.last)
            time.sleep(0.02)
            while (frame := w.read(to_guest)) is not None:
                intact += frame in sent
        time.sleep(0.3)
        while (frame := w.read(to_guest)) is not None:
            intact += frame in sent
        report(f"corrupt {name}: {within(2000 - intact, 1000)} of 1000 in 2000")


def test_reorder():
    w = wires["tap-w"]
    for to_guest, name in both("delay=200000,reorder=500000"):
        found = w.exchange(to_guest, 2000, gap=0.001)
        early = sum(1 for _, latency, _ in found if latency < 0.1)
        order = [number for number, _, _ in found]
        assert sorted(order) == list(range(2000)) and order != sorted(order)
        report(f"reorder {name}: {within(early, 1000)} of 1000 in 2000")


def test_rate():
    w = wires["tap-w"]
    for what, rate, offered, size in (("rate=4000000", 4e6, 800, 1000),                     # tbf
                                      ("rate=4000000,delay=50000", 4e6, 800, 1000),         # netem
                                      ("rate=400000,delay=300000", 4e5, 1300, 60)):         # many small frames under way
        for to_guest, name in both(what):
            report(f"{what} {name}: {measured(lambda: within(w.rate(to_guest, offered, size), rate)):.0f} bit/s")


def test_live_change_loses_nothing():
    w = wires["tap-w"]
    qnet_tap("set", to="delay=1500000", frm="delay=1500000")
    index = sh("cat /sys/class/net/ifb-tap-w/ifindex")
    for to_guest in (True, False):
        for _ in range(50):
            w.send(to_guest)
    qnet_tap("set", to="delay=1000,loss=1", frm="delay=1000,loss=1")
    assert len(list(w.frames(True, 2.5, until_quiet=True))) == 50
    assert len(list(w.frames(False, 1, until_quiet=True))) == 50
    assert index == sh("cat /sys/class/net/ifb-tap-w/ifindex")
    check_prompt(w, True)
    qnet_tap("set")


def test_others_are_untouched():
    qnet_tap("set", to="delay=300000,loss=500000", frm="delay=300000,loss=500000")
    assert not re.search(r"netem|tbf|ingress", sh("tc qdisc show dev tap-x"))
    for to_guest in (True, False):
        check_prompt(wires["tap-x"], to_guest)
    qnet_tap("set")


def test_nothing_stays():
    assert not re.search(r"netem|tbf|ingress", sh("tc qdisc show")) and not Path("/sys/class/net/ifb-tap-w").exists()
    qnet_tap("set", to="delay=1000,rate=1000000", frm="delay=1000,corrupt=5")
    assert Path("/sys/class/net/ifb-tap-w").exists()
    for w in wires.values():
        os.close(w.fd)
    for name in ("tap-w", "tap-x"):
        sh(f"{TAP} del {name}")
    assert "qnet:wire" not in sh("ip link show"), sh("ip link show")


def test_macvtap():
    """There the directions of the kernel are the other way round."""
    sh("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up")
    sh(f"{TAP} add-macvtap mv-w --vm=w --mac={MACS['mv-w']} --device=v0 --to-guest=delay=200000 --from-guest=delay=400000")
    node = Path("/dev/tap" + Path("/sys/class/net/mv-w/ifindex").read_text().strip())
    wait_for("its character device", node.is_char_device)
    fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"", IFF_TAP | IFF_NO_PI))
    w = Wire("mv-w", end=fd, far="v1")
    for to_guest, asked in ((True, 0.2), (False, 0.4)):
        def delay():
            found = w.exchange(to_guest, 50, gap=0.005)
            assert len(found) == 50, found
            return within(statistics.median(l for _, l, _ in found), asked)
        report(f"delay of a macvtap: {measured(delay) * 1000:.1f} of {asked * 1000:.0f} ms")
    os.close(fd)
    sh(f"{TAP} del mv-w && ip link del v0")
    assert "qnet:wire" not in sh("ip link show"), sh("ip link show")


LAB = """
[Switch s2]
Address=10.9.2.1/24

[VM far]
Kernel=/k
[Interface]
Switch=s2
{}

[VM near]
Kernel=/k
[Interface]
Switch=s2
"""


def rtts(text):
    return [float(ms) for ms in re.findall(r"time=([\d.]+) ms", text)]


def test_reload_while_guests_talk():
    configure(lab=LAB.format("Delay=150ms\nRate=10M"))
    peers = [Peer("far", "10.9.2.2/24"), Peer("near", "10.9.2.3/24")]
    assert all(p.reaches("10.9.2.1") for p in peers)
    near = sh("tc qdisc show dev tap-near; ip -d link show tap-near")
    index = Path("/sys/class/net/tap-far/ifindex").read_text()
    log = Path("/tmp/ping.log")
    talk = subprocess.Popen(["ping", "-n", "-i", "0.1", "10.9.2.2"], stdout=log.open("w"))
    time.sleep(2)
    Path("/etc/qnet/lab.conf").write_text(LAB.format("Delay=100ms/50ms\nDuplicate=0/100%"))
    sh("systemctl daemon-reload && systemctl reload qnet-tap@tap-far.service")
    time.sleep(3)
    talk.send_signal(signal.SIGINT)
    talk.wait(10)
    text = log.read_text()
    received = {int(n) for n in re.findall(r"icmp_seq=(\d+)", text)}
    assert received == set(range(1, max(received) + 1)) and "(DUP!)" in text, text[-400:]
    times = rtts(text)
    before, after = statistics.median(times[:10]), statistics.median(times[-10:])
    report(f"before {within(before, 300, 0.2):.0f} of 300 ms, after {within(after, 150, 0.2):.0f} of 150 ms")
    assert Path("/sys/class/net/tap-far/ifindex").read_text() == index
    assert sh("tc qdisc show dev tap-near; ip -d link show tap-near") == near
    wait_for("short round trips", lambda: statistics.median(rtts(sh("ping -n -c 10 -i 0.1 10.9.2.3"))) < 60)

    Path("/etc/qnet/lab.conf").write_text(LAB.format(""))
    sh("systemctl daemon-reload && systemctl reload qnet-tap@tap-far.service")
    assert not re.search("netem|tbf|ingress", sh("tc qdisc show")) and "qnet:wire" not in sh("ip link show")
    wait_for("short round trips", lambda: statistics.median(rtts(sh("ping -n -c 10 -i 0.1 10.9.2.2"))) < 60)

    Path("/etc/qnet/lab.conf").write_text(LAB.format("Loss=50%"))
    sh("systemctl daemon-reload && systemctl reload qnet-tap@tap-far.service")
    assert "qnet:wire=tap-far" in sh("ip link show")
    for p in peers:
        p.close()
    wait_for("the end of the tap", lambda: not Path("/sys/class/net/tap-far").exists())
    wait_for("the end of its wire", lambda: "qnet:wire" not in sh("ip link show"))


main()
