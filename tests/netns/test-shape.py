# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-tap --to-guest=, --from-guest=: the wire of a VM.

What needs netem is in tests/vm, where there is one. This looks at arguments, at what is made and unmade, and at rates, which
the kernel has by another discipline.
"""
import threading

from lab import *  # noqa: F403

ALONE = ("test_",)
IFB = "ifb-tap-a"
LEAVING = 0x71627965  # LINK_GROUP_LEAVING
FRAME = 1000


def add(*words, verb="add", name="tap-a", **options):
    return tap(verb, name, "--vm=a", f"--mac={MAC}", "--bridge=s1", *words, **options)


def make_switch():
    switch("add", "s1", "--name=s1", "--address=10.9.0.1/24")


def tc(words, check=True):
    done = subprocess.run(["tc", *words.split()], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"tc {words}: {done.stderr}"
    return done.stdout


def root(name):
    """(kind, handle, options) of what is at the root of a device; None for what the kernel puts there by itself"""
    found = [q for q in json.loads(tc(f"-j qdisc show dev {name}")) if q.get("root")]
    assert len(found) <= 1, found
    return (found[0]["kind"], found[0]["handle"], found[0].get("options")) if found and found[0]["handle"] != "0:" else None


def has_ingress(name):
    return "ingress" in tc(f"qdisc show dev {name}")


def need_ifb():
    done = subprocess.run(["ip", "link", "add", "x0", "type", "ifb"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"this kernel has no ifb: {done.stderr.strip()}")
    ip("link del x0")


def has_netem():
    ip("link add x0 type bridge")
    found = subprocess.run(["tc", "qdisc", "add", "dev", "x0", "root", "netem"], capture_output=True).returncode == 0
    ip("link del x0")
    return found


def is_bare():
    """The tap has nothing of a wire."""
    return root("tap-a") is None and not has_ingress("tap-a") and link(IFB) is None


def test_nothing_asked_nothing_there():
    make_switch()
    add()
    assert is_bare()
    add("--to-guest=rate=0,loss=0", "--from-guest=rate=0", verb="set")
    assert is_bare()


def test_wrong_usage():
    for words, says in ((["--to-guest="], "is not a list"),
                        (["--from-guest=rate=fast"], "has a rate that is not a number"),
                        (["--to-guest=delay=1,bogus=2"], "is not a list"),
                        (["--from-guest=reorder=100"], "reorder= without delay="),
                        (["--to-guest=jitter=100"], "more jitter than delay"),
                        (["--to-guest=loss=1000001"], "frames in a million")):
        done = add(*words, status=2, says=says)
        assert words[0] in done.err, done
    tap("del", "tap-a", "--to-guest=rate=8", status=2, says="--to-guest")


def test_is_made_changed_and_unmade():
    need_ifb()
    make_switch()
    add("--to-guest=rate=1000000", "--from-guest=rate=2000000")
    kind, handle, options = root("tap-a")
    assert (kind, handle, options["rate"]) == ("tbf", "716f:", 125000), options
    assert root(IFB)[2]["rate"] == 250000
    i = link(IFB)
    assert i["ifalias"] == "qnet:wire=tap-a" and "UP" in i["flags"] and i["group"] == str(0x716e6574), i
    assert i["inet6_addr_gen_mode"] == "none", i
    assert "Egress Redirect to device ifb-tap-a" in tc("filter show dev tap-a ingress")
    before = link("tap-a")

    add("--to-guest=rate=3000000", "--from-guest=rate=4000000", verb="set")
    assert (root("tap-a")[2]["rate"], root(IFB)[2]["rate"]) == (375000, 500000)
    assert link(IFB)["ifindex"] == i["ifindex"] and link("tap-a") == before
    assert tc("filter show dev tap-a ingress").count("mirred") == 1

    add("--from-guest=rate=4000000", verb="set")
    assert root("tap-a") is None and has_ingress("tap-a") and root(IFB)
    add("--to-guest=rate=4000000", verb="set")
    assert root("tap-a") and not has_ingress("tap-a") and link(IFB) is None
    add("--to-guest=rate=8", "--from-guest=rate=8")
    assert root("tap-a") and root(IFB)
    add(verb="set")
    assert is_bare()

    add("--to-guest=rate=8", "--from-guest=rate=8", verb="set")
    tap("del", "tap-a")
    assert link("tap-a") is None and link(IFB) is None


def test_rates_above_32_bits():
    make_switch()
    add("--to-guest=rate=80000000000")
    assert root("tap-a")[2]["rate"] == 10_000_000_000, root("tap-a")


def test_each_tap_has_its_own():
    need_ifb()
    make_switch()
    add("--from-guest=rate=1000000")
    add("--from-guest=rate=2000000", name="tap-b")
    add("--from-guest=rate=3000000", name="a23456789012345")  # too long to have "ifb-" before it
    add("--from-guest=rate=4000000", name="b23456789012345")
    found = {i["ifalias"]: root(i["ifname"])[2]["rate"] for i in json.loads(ip("-d -j link show type ifb")) if "ifalias" in i}
    assert found == {"qnet:wire=tap-a": 125000, "qnet:wire=tap-b": 250000, "qnet:wire=a23456789012345": 375000,
                     "qnet:wire=b23456789012345": 500000}, found
    add(verb="set")
    tap("del", "a23456789012345")
    found = {i["ifalias"] for i in json.loads(ip("-d -j link show type ifb")) if "ifalias" in i}
    assert found == {"qnet:wire=tap-b", "qnet:wire=b23456789012345"}, found


def test_del_also_removes_what_a_lost_tap_left():
    need_ifb()
    make_switch()
    add("--from-guest=rate=1000000")
    ip("link del tap-a")
    assert link(IFB)
    tap("del", "tap-a")
    assert link(IFB) is None
    add("--from-guest=rate=1000000")
    ip("link del tap-a")
    add()
    assert is_bare()
    add("--from-guest=rate=1000000", verb="set")
    ip("link del tap-a")
    add("--from-guest=rate=2000000")
    assert root(IFB)[2]["rate"] == 250000 and "Redirect to device ifb-tap-a" in tc("filter show dev tap-a ingress")


def test_what_is_lost_comes_back():
    need_ifb()
    make_switch()
    add("--from-guest=rate=1000000")
    for command in (f"ip link del {IFB}", "tc qdisc del dev tap-a ingress", f"ip link set {IFB} down", f"tc qdisc del dev {IFB} root"):
        subprocess.run(command.split(), check=True)
        add("--from-guest=rate=1000000", verb="set")
        assert root(IFB) and "UP" in link(IFB)["flags"], command
        assert "Redirect to device ifb-tap-a" in tc("filter show dev tap-a ingress"), command


def test_killed_at_any_request():
    """The next add or del finds its way from there."""
    need_ifb()
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    make_switch()
    words = [program("qnet-tap"), "add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1", "--to-guest=rate=1000000",
             "--from-guest=rate=1000000"]
    for number in range(1, 40):
        done = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", "trace=sendmsg", "-e",
                               f"inject=sendmsg:signal=KILL:when={number}", *words], capture_output=True,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        if done.returncode == 0:
            break
        if number % 2:
            add("--from-guest=rate=1000000", "--to-guest=rate=1000000")
            assert root("tap-a") and root(IFB) and has_ingress("tap-a"), number
        tap("del", "tap-a")
        assert link("tap-a") is None and link(IFB) is None, number
    assert 8 < number < 39, number


def test_wire_and_tap_go_in_one_request():
    need_ifb()
    make_switch()
    add("--from-guest=rate=1000000")
    sent = [c for c in traced("qnet-tap", "del", "tap-a") if c.startswith("sendmsg(") and "RTM_DELLINK" in c]
    assert len(sent) == 1 and link("tap-a") is None and link(IFB) is None, sent


def test_a_wire_made_again_does_not_leave():
    """As a del leaves it that was killed when the tap had gone"""
    need_ifb()
    make_switch()
    add("--from-guest=rate=1000000")
    ip("link del tap-a")
    ip(f"link set {IFB} group {LEAVING}")
    add("--from-guest=rate=2000000")
    add(name="tap-b")
    tap("del", "tap-b")
    assert root(IFB)[2]["rate"] == 250000 and "Redirect to device ifb-tap-a" in tc("filter show dev tap-a ingress")


def test_a_foreign_device_of_that_name_stays():
    need_ifb()
    make_switch()
    ip(f"link add {IFB} type bridge")
    add("--from-guest=rate=1000000", status=1, says="the name ifb-tap-a is taken by a bridge")
    assert link("tap-a") is None
    add()
    tap("del", "tap-a")
    assert link(IFB)["linkinfo"]["info_kind"] == "bridge"


def test_what_others_put_on_the_tap_stays():
    need_ifb()
    make_switch()
    add()
    tc("qdisc add dev tap-a root handle 5: tbf rate 5mbit burst 10kb latency 50ms")
    tc("qdisc add dev tap-a ingress")
    tc("filter add dev tap-a ingress protocol ip prio 1 u32 match ip protocol 1 0xff")
    add(verb="set")
    assert root("tap-a")[1] == "5:"
    add("--from-guest=rate=1000000", verb="set")
    assert "Redirect to device ifb-tap-a" in tc("filter show dev tap-a ingress")
    add(verb="set")
    filters = tc("filter show dev tap-a ingress")
    assert "pref 1 u32" in filters and "mirred" not in filters, filters
    tc("qdisc del dev tap-a ingress")
    tc("qdisc add dev tap-a clsact")
    add("--from-guest=rate=1000000", verb="set")
    assert "Redirect to device ifb-tap-a" in tc("filter show dev tap-a ingress")
    add(verb="set")
    assert "clsact" in tc("qdisc show dev tap-a") and link(IFB) is None


def test_a_kernel_without_netem():
    if has_netem():
        raise Skip("this kernel has netem")
    make_switch()
    add("--to-guest=delay=1000", status=1, says='this kernel lacks sch_netem: Specified qdisc kind is unknown. "modprobe -a sch_netem"')
    assert link("tap-a") is None
    need_ifb()
    done = add("--from-guest=loss=1000", status=1, says="Cannot shape the traffic from VM a on tap-a")
    assert "sch_netem" in done.err, done
    assert link("tap-a") is None and link(IFB) is None
    add("--from-guest=rate=1000000")
    add("--from-guest=loss=1000", verb="set", status=1, says="sch_netem")
    assert root(IFB)[0] == "tbf"  # as it was


def receive_for(sock, seconds):
    """(bytes, seconds) of test frames, from the first that comes on"""
    sock.settimeout(2)
    total, start = 0, None
    while start is None or time.monotonic() - start < seconds:
        frame = sock.recv(2000)
        if frame[12:14] != b"\x88\xb5":
            continue
        if start is None:
            start = time.monotonic()
        else:
            total += len(frame)
    return total, time.monotonic() - start


def packet_socket(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5))
    s.bind((name, 0x88B5))
    return s


class Flood:
    """Sends frames as fast as they are taken, in a thread"""

    def __init__(self, send):
        self.send, self.stop = send, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop:
            try:
                self.send()
            except OSError:
                time.sleep(0.001)
            time.sleep(0.0001)

    def end(self):
        self.stop = True
        self.thread.join()


def measured_rate(send, read, seconds=2.0):
    """Of what read() gives, in bit/s, once the burst is over"""
    flood = Flood(send)
    try:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            read()
        total, start = 0, time.monotonic()
        while time.monotonic() - start < seconds:
            total += read()
        return total * 8 / (time.monotonic() - start)
    finally:
        flood.end()


def test_rates_are_what_was_asked():
    need_ifb()
    make_switch()
    add("--to-guest=rate=4000000", "--from-guest=rate=2000000")
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    payload = bytes(FRAME - 14)

    def read_guest():
        try:
            frame = os.read(guest.fd, 70000)[len(VNET_HEADER):]
            return len(frame) if frame[12:14] == b"\x88\xb5" else 0
        except BlockingIOError:
            time.sleep(0.001)
            return 0

    host = packet_socket("s1")
    host.setblocking(False)

    def read_host():
        try:
            return len(host.recv(70000))
        except BlockingIOError:
            time.sleep(0.001)
            return 0

    sender = packet_socket("s1")
    frame = mac_bytes(MAC) + mac_bytes(MAC2) + b"\x88\xb5" + payload
    rate = measured_rate(lambda: sender.send(frame), read_guest)
    assert 3_600_000 < rate < 4_400_000, rate
    rate = measured_rate(lambda: guest.send(payload, 0x88B5), read_host)
    assert 1_800_000 < rate < 2_200_000, rate
    add("--to-guest=rate=4000000", "--from-guest=rate=6000000", verb="set")
    rate = measured_rate(lambda: guest.send(payload, 0x88B5), read_host)
    assert 5_400_000 < rate < 6_600_000, rate
    guest.close()


def test_a_change_loses_no_frame():
    need_ifb()
    make_switch()
    add("--to-guest=rate=20000", "--from-guest=rate=20000")
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    host, sender = packet_socket("s1"), packet_socket("s1")
    for i in range(20):
        guest.send(struct.pack("!I", i) + bytes(500), 0x88B5)
        sender.send(mac_bytes(MAC) + mac_bytes(MAC2) + b"\x88\xb5" + struct.pack("!I", i) + bytes(500))
    time.sleep(0.3)
    add("--to-guest=rate=20000000", "--from-guest=rate=20000000", verb="set")
    arrived = [struct.unpack("!I", f[14:18])[0] for f in guest.frames(1) if f[12:14] == b"\x88\xb5"]
    assert arrived == list(range(20)), arrived
    host.settimeout(1)
    arrived = [struct.unpack("!I", host.recv(2000)[14:18])[0] for _ in range(20)]
    assert arrived == list(range(20)), arrived
    guest.close()
