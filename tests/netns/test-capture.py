# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-capture: the files that it writes, read by tcpdump and by a reader that forgives nothing"""
import re

from lab import *  # noqa: F403

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
TYPE = 0x88B5


class Cut(Exception):
    """The file ends within a block."""


def blocks(data):
    """[(type, body)]"""
    found, at = [], 0
    while at < len(data):
        if len(data) - at < 12:
            raise Cut(at)
        kind, size = struct.unpack_from("=II", data, at)
        assert size >= 12 and size % 4 == 0, (at, kind, size)
        if at + size > len(data):
            raise Cut(at)
        assert struct.unpack_from("=I", data, at + size - 4)[0] == size, (at, kind, size)
        found.append((kind, data[at + 8:at + size - 4]))
        at += size
    return found


def options(body):
    found, at = {}, 0
    while at < len(body):
        code, n = struct.unpack_from("=HH", body, at)
        if code == 0:
            break
        found[code] = body[at + 4:at + 4 + n]
        at += 4 + (n + 3) // 4 * 4
    return found


class Packet:
    def __init__(self, body):
        interface, high, low, n, self.length = struct.unpack_from("=IIIII", body)
        assert interface == 0 and len(body) == 20 + (n + 3) // 4 * 4, body[:20]
        self.time = (high << 32 | low) / 1e9
        self.data = body[20:20 + n]

    def number(self):
        """That a frame of ours bears, or None"""
        return struct.unpack_from("!I", self.data, 14)[0] if self.data[12:14] == struct.pack("!H", TYPE) else None


class File:
    def __init__(self, file):
        self.name, self.bytes = file.name, file.read_bytes()
        (first, section), (second, interface), *rest = blocks(self.bytes)
        assert first == SECTION and struct.unpack_from("=IHH", section) == (0x1A2B3C4D, 1, 0), section
        assert second == INTERFACE and struct.unpack_from("=HHI", interface) == (1, 0, 65535), interface
        self.interface = options(interface[8:])
        assert self.interface[9] == b"\x09", self.interface
        self.packets = [Packet(body) for kind, body in rest if kind == PACKET]
        self.ends = [options(body[12:]) for kind, body in rest if kind == STATISTICS]
        assert len(self.packets) + len(self.ends) == len(rest) and len(self.ends) <= 1, [k for k, _ in rest]
        if self.ends:
            assert rest[-1][0] == STATISTICS and self.statistics()[2] == len(self.packets), self.ends

    def statistics(self):
        """Packets that passed, that the kernel dropped, that are in the file"""
        return [struct.unpack("=Q", self.ends[0][code])[0] for code in (4, 7, 8)]

    def numbers(self):
        return [p.number() for p in self.packets if p.number() is not None]


def files(directory=None):
    return [File(f) for f in sorted((directory or path()).glob("tap-a-*.pcapng"))]


def numbers(directory=None):
    return [n for f in files(directory) for n in f.numbers()]


def capture(*words, directory=None, user=None):
    """Started, and writing its first file"""
    directory = directory or path()
    before = {f.name for f in directory.glob("*.pcapng")}
    child = start("qnet-capture", "tap-a", f"--directory={directory}", *words, user=user)
    wait_until(lambda: child.poll() is not None or {f.name for f in directory.glob("*.pcapng")} - before)
    return child


def end(child, status=0, says=""):
    child.send_signal(signal.SIGTERM)
    done = finish(child, status)
    assert says in done.err and bool(says) == bool(done.err), done
    return done


def make_guest():
    make_lab()
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    return guest


def send(guest, first, n, size=500):
    for i in range(first, first + n):
        guest.send(struct.pack("!I", i) + bytes(size - 18), TYPE)


def host_socket(name="s1"):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((name, 0))
    return s


def to_guest(s, number, size=100):
    s.send(mac_bytes(MAC) + mac_bytes(MAC2) + struct.pack("!HI", TYPE, number) + bytes(size - 18))


def tcpdump(file):
    if not shutil.which("tcpdump"):
        raise Skip("tcpdump is not installed")
    done = subprocess.run(["tcpdump", "-n", "-e", "--number", "-r", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_wrong_usage():
    for words, says in ((["tap-a"], "--directory="), (["--directory=/tmp"], "IFNAME"), (["a/b", "--directory=/tmp"], "interface name"),
                        (["tap-a", "--directory=tmp"], "absolute"), (["tap-a", "--directory=/tmp", "--size=65535"], "64K or more"),
                        (["tap-a", "--directory=/tmp", "--files=0"], "1 to 1000"), (["tap-a", "--directory=/tmp", "--size=x"], "x")):
        helper("qnet-capture", *words, status=2, says=says)


def test_what_cannot_be():
    helper("qnet-capture", "none", f"--directory={path()}", status=1, says="There is no interface none to capture from")
    ip("link add v0 type veth peer name v1")
    helper("qnet-capture", "v0", f"--directory={path('none')}", status=1, says="Cannot open directory")
    make_tun("tun0", IFF_TUN)
    ip("link set tun0 up")
    helper("qnet-capture", "tun0", f"--directory={path()}", status=1, says="it is no Ethernet interface")


def test_frames_of_both_directions():
    guest = make_guest()
    child = capture()
    host = host_socket()
    started = time.time()
    for i in range(0, 20, 2):
        send(guest, i, 1, size=60 + i)
        to_guest(host, i + 1, size=60 + i)
    time.sleep(0.05)
    stopped = time.time()
    end(child)
    [file] = files()
    assert file.name == "tap-a-0001.pcapng" and len(file.ends) == 1, file.name
    assert file.interface[2] == b"tap-a" and file.interface[3] == b"the tap of VM a", file.interface
    assert file.numbers() == list(range(20)), file.numbers()
    for p in file.packets:
        if p.number() is not None:
            assert p.length == len(p.data) == 60 + p.number() // 2 * 2, (p.number(), p.length, len(p.data))
            assert p.data[6:12] == mac_bytes(MAC2 if p.number() % 2 else MAC)
            assert started - 0.001 <= p.time <= stopped, (started, p.time, stopped)
    times = [p.time for p in file.packets]
    assert times == sorted(times)
    assert any(round(p.time * 1e9) % 1000 for p in file.packets), "no time is finer than a microsecond"
    lines = [line for line in tcpdump(path("tap-a-0001.pcapng")) if re.match(r" *\d+  ?\d\d:", line)]
    assert len(lines) == len(file.packets) and sum("0x88b5" in line for line in lines) == 20, lines
    guest.close()


def test_a_tag_stays():
    guest = make_guest()
    child = capture()
    guest.send(struct.pack("!HHI", 42, TYPE, 7) + bytes(50), 0x8100)
    time.sleep(0.1)
    end(child)
    tagged = [p.data for p in files()[0].packets if p.data[12:14] == b"\x81\x00"]
    assert len(tagged) == 1 and tagged[0][14:18] == struct.pack("!HH", 42, TYPE), tagged
    guest.close()


def test_on_disk_within_a_second():
    guest = make_guest()
    child = capture()
    for i in range(4):
        send(guest, i, 1)
        sent = time.monotonic()
        wait_until(lambda n=i: n in numbers(), 3)
        assert time.monotonic() - sent < 1, time.monotonic() - sent
        time.sleep(0.15 * i)
    end(child)
    guest.close()


def test_an_idle_one_sleeps():
    guest = make_guest()
    ip("link set s1 down")  # no neighbour discovery
    child = capture()
    time.sleep(1.5)

    def switches():
        return int(next(line for line in open(f"/proc/{child.pid}/status") if line.startswith("voluntary")).split()[1])
    before = switches()
    time.sleep(2)
    assert switches() - before <= 2, switches() - before
    end(child)
    guest.close()


def test_ring():
    guest = make_guest()
    child = capture("--size=64K", "--files=3")
    for first in range(0, 1500, 50):
        send(guest, first, 50)
        now = sorted(path().glob("*.pcapng"))
        assert 1 <= len(now) <= 3 and all(f.stat().st_size <= 65536 for f in now), [f.stat().st_size for f in now]
        time.sleep(0.02)
    time.sleep(0.1)
    end(child)
    found = files()
    assert len(found) == 3, [f.name for f in found]
    last = int(found[-1].name[6:10])
    assert [f.name for f in found] == [f"tap-a-{i:04}.pcapng" for i in range(last - 2, last + 1)]
    kept = numbers()
    assert kept == list(range(kept[0], 1500)), kept
    packet = 32 + 500
    for f in found[:-1]:  # as full as can be
        assert 65536 - packet - 64 < len(f.bytes) <= 65536 and len(f.ends) == 1, len(f.bytes)
    guest.close()


def test_goes_on_counting():
    guest = make_guest()
    for i in range(5):
        child = capture("--files=3")
        send(guest, i, 1)
        time.sleep(0.05)
        end(child)
    assert [f.name for f in files()] == [f"tap-a-{i:04}.pcapng" for i in (3, 4, 5)]
    assert numbers() == [2, 3, 4], numbers()
    path("tap-a-9999.pcapng").write_bytes(b"")
    for other in ("tap-a-12.pcapng", "tap-b-0001.pcapng", "tap-a-0001.pcap", "tap-a-00x1.pcapng"):
        path(other).write_bytes(b"other")
    end(capture("--files=1"))
    assert sorted(f.name for f in path().glob("tap-*")) == sorted([
        "tap-a-10000.pcapng", "tap-a-12.pcapng", "tap-b-0001.pcapng", "tap-a-0001.pcap", "tap-a-00x1.pcapng"])
    guest.close()


def test_frames_larger_than_a_file():
    guest = make_guest()
    child = capture("--size=64K", "--files=4")
    for i in range(3):
        send(guest, i, 1, size=65500)
    time.sleep(0.1)
    end(child)
    assert all(len(f.bytes) <= 65536 for f in files())
    assert numbers() == [0, 1, 2], numbers()
    assert all(p.length == 65500 and 60000 < len(p.data) < 65500 for f in files() for p in f.packets if p.number() is not None)
    guest.close()


def check_after_kill(directory, n, size=65536):
    """All files are whole, but that the newest may end within its last block."""
    for f in sorted(directory.glob("*.pcapng")):
        data = f.read_bytes()
        try:
            blocks(data)
        except Cut as cut:
            assert f == max(directory.glob("*.pcapng")), f
            data = data[:cut.args[0]]
        assert len(data) <= size and [kind for kind, _ in blocks(data)[:2]] == [SECTION, INTERFACE], f
        if len(data) == f.stat().st_size:
            tcpdump(f)
    assert len(list(directory.glob("*.pcapng"))) <= n


def test_killed_at_any_moment():
    guest = make_guest()
    for i in range(12):
        child = capture("--size=64K", "--files=3")
        end_of_it = time.monotonic() + 0.2 + i * 0.03
        while time.monotonic() < end_of_it:
            send(guest, 0, 20)
        child.kill()
        child.wait()
        check_after_kill(path(), 3)
    guest.close()


def test_killed_at_any_call():
    """of those that make, name, fill and remove files"""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    guest = make_guest()
    killed = 0
    for call in ("pwrite64", "renameat", "unlinkat", "openat"):
        for number in (1, 2, 3, 4):
            directory = path(f"{call}-{number}")
            directory.mkdir()
            for i in (1, 2):
                (directory / f"tap-a-000{i}.pcapng").write_bytes(pcapng_header())
            out = directory / "calls"
            child = subprocess.Popen(["strace", "-f", "-o", out, "-P", directory, "-P", directory / ".tap-a.new"] +
                                     [x for i in range(1, 9) for x in ("-P", directory / f"tap-a-000{i}.pcapng")] +
                                     ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}",
                                      program("qnet-capture"), "tap-a", f"--directory={directory}", "--size=64K", "--files=3"],
                                     stderr=subprocess.DEVNULL, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
            children.append(child)
            end_of_it = time.monotonic() + 3
            while child.poll() is None and time.monotonic() < end_of_it:
                send(guest, 0, 20)
                time.sleep(0.01)
            killed += child.poll() is not None
            child.kill()
            child.wait()
            check_after_kill(directory, 3)
    assert killed >= 8, killed
    guest.close()


def pcapng_header():
    section = struct.pack("=IIIHHqI", SECTION, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    return section + struct.pack("=IIHHII", INTERFACE, 20, 1, 0, 65535, 20)


def test_sigterm_loses_nothing():
    guest = make_guest()
    for i in range(3):
        directory = path(f"run{i}")
        directory.mkdir()
        child = capture(directory=directory)
        send(guest, 0, 100)
        end(child)
        assert numbers(directory) == list(range(100)), len(numbers(directory))
    guest.close()


def test_ends_with_the_tap():
    guest = make_guest()
    child = capture()
    send(guest, 0, 10)
    guest.close()
    tap("del", "tap-a")
    done = finish(child)
    assert not done.err, done
    assert numbers() == list(range(10)) and files()[0].ends, numbers()


def test_a_pulled_plug_is_no_end():
    guest = make_guest()
    child = capture()
    send(guest, 0, 3)
    ip("link set tap-a down")
    assert is_running(child, 0.7)
    ip("link set tap-a up")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    send(guest, 3, 3)
    guest.close()  # QEMU restarts
    time.sleep(0.2)
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    send(guest, 6, 3)
    time.sleep(0.1)
    end(child)
    assert numbers() == list(range(9)), numbers()
    guest.close()


def test_waits_until_it_is_up():
    guest = make_guest()
    ip("link set tap-a down")
    child = capture()
    assert is_running(child, 0.7)
    ip("link set tap-a up")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    time.sleep(0.8)
    send(guest, 0, 3)
    time.sleep(0.1)
    end(child)
    assert numbers() == [0, 1, 2], numbers()
    ip("link set tap-a down")
    child = capture()
    tap("del", "tap-a")
    assert not finish(child).err
    guest.close()


def is_whole(file):
    try:
        return bool(blocks(file.read_bytes()))
    except Cut:
        return False


def test_disk_full():
    guest = make_guest()
    disk = path("disk")
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
    child = capture("--size=1M", "--files=2", directory=disk)
    (disk / "ballast").write_bytes(bytes(160 * 1024))
    send(guest, 0, 400)
    time.sleep(1)
    send(guest, 1000, 1000)
    time.sleep(1)
    wait_until(lambda: is_whole(disk / "tap-a-0001.pcapng"))  # also while it is full
    (disk / "ballast").unlink()
    time.sleep(1)
    send(guest, 5000, 10)
    time.sleep(0.2)
    done = end(child, says="No space left on device")
    assert done.err.count("No space left") == 1 and "goes on; " in done.err, done
    [file] = files(disk)
    found = file.numbers()
    assert found[:10] == list(range(10)) and found[-10:] == list(range(5000, 5010)), (found[:10], found[-10:])
    missing = int(re.search(r"(\d+) packets of tap-a are missing: there was no room", done.err)[1])
    assert 0 < 1410 - len(found) <= missing < 1430 - len(found), (missing, len(found))  # there is some other traffic
    passed, dropped, captured = file.statistics()
    assert (passed, dropped) == (captured + missing, 0), file.statistics()
    guest.close()


def test_disk_full_from_the_start():
    guest = make_guest()
    disk = path("disk")
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    (disk / "ballast").write_bytes(bytes(64 * 1024))
    child = start("qnet-capture", "tap-a", f"--directory={disk}")
    time.sleep(0.5)
    send(guest, 0, 5)
    assert is_running(child, 0.7) and not list(disk.glob("*.pcapng"))
    (disk / "ballast").unlink()
    time.sleep(1)
    send(guest, 5, 5)
    time.sleep(0.1)
    done = end(child, says="No space left on device")
    assert numbers(disk) == list(range(5, 10)) and re.search(r"[5-9] packets of tap-a are missing", done.err), (numbers(disk), done)
    assert sorted(f.name for f in disk.iterdir()) == ["tap-a-0001.pcapng"]
    guest.close()


def test_privilege():
    """CAP_NET_RAW and nothing else"""
    guest = make_guest()
    directory = path("own")
    directory.mkdir()
    os.chown(directory, 12345, 12345)
    child = capture(directory=directory, user=None) if not shutil.which("setpriv") else None
    if child:
        end(child)
        raise Skip("setpriv is not installed")
    words = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "--no-new-privs"]
    run = [program("qnet-capture", user=12345), "tap-a", f"--directory={directory}"]
    done = subprocess.run([*words, *run], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "without CAP_NET_RAW" in done.stderr, done
    child = subprocess.Popen([*words, "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw", *run],
                             stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    children.append(child)
    wait_until(lambda: child.poll() is not None or list(directory.glob("*.pcapng")))
    send(guest, 0, 5)
    time.sleep(0.1)
    end(child)
    assert numbers(directory) == list(range(5)), numbers(directory)
    guest.close()


def test_every_frame_of_a_burst():
    guest = make_guest()
    child = capture("--size=16M")
    n = 20000
    start_time = time.monotonic()
    send(guest, 0, n, size=200)
    took = time.monotonic() - start_time
    time.sleep(0.3)
    end(child)
    found = numbers()
    print(f"# {n / took:.0f} frames/s", flush=True)
    assert found == list(range(n)) and files()[0].statistics()[1] == 0, f"{len(found)} of {n} in {took:.2f} s"
    guest.close()
