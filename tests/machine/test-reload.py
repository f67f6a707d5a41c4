# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-reload against real QEMUs: cables, sizes, media, memory, and what is refused."""
import json
import os
import signal
import socket
import struct
import subprocess
import time

from host import VM_UID, Result, wait_for


def done(r, *words):
    assert r.status == 0, r
    for w in words:
        assert w in r.text, f"'{w}' is not in: {r.text}"


def failed(r, *words):
    assert r.status == 1, r
    for w in words:
        assert w in r.text, f"'{w}' is not in: {r.text}"


class Machine:
    """A QEMU of the machine's user, stopped, with a monitor for us and one for qnet, in a directory of that user's."""
    def __init__(self, h, *words, name="vm"):
        self.h, self.dir = h, h.vm_dir(name)
        h.dir.chmod(0o755)
        words = ["-M", "pc", "-S", "-display", "none", "-nodefaults", *words]
        for name in "qnet.qmp", "qmp":
            words += ["-chardev", f"socket,id={name},path={self.dir}/{name},server=on,wait=off", "-mon", f"mode=control,chardev={name}"]
        self.process = h.start("setpriv", f"--reuid={VM_UID}", f"--regid={VM_UID}", "--clear-groups", "qemu-system-x86_64", *words)
        wait_for(lambda: h.listens(self.dir / "qmp"), "QEMU's socket")
        self.monitor = socket.socket(socket.AF_UNIX)
        h.stack.callback(self.monitor.close)
        self.monitor.connect(str(self.dir / "qmp"))
        self.lines = self.monitor.makefile("r")
        self.lines.readline()
        self.qmp("qmp_capabilities")

    def qmp(self, command, **arguments):
        self.monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        for line in self.lines:
            reply = json.loads(line)
            if "event" not in reply:
                return reply["return"]

    def reload(self, *words):
        p = subprocess.run([str(self.h.build / "helpers/reload/qnet-reload"), str(self.dir / "qnet.qmp"), *map(str, words)],
                           capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
                           env={k: v for k, v in os.environ.items() if k != "MAINPID"})
        return Result(p)

    def block(self, name):
        return next(b for b in self.qmp("query-block") if b["device"] == name)

    def size(self, name):
        return self.block(name)["inserted"]["image"]["virtual-size"]

    def content(self, name):
        """Which of the images is in a drive: each has a size of its own."""
        assert "inserted" in self.block(name), f"{name} is empty"
        return str(self.size(name) // 4096)


def image(h, name, mark, owner=VM_UID, mode=0o600):
    path = h.dir / name
    path.write_bytes(b"\0" * 4096 * int(mark))
    os.chown(path, owner, owner)
    path.chmod(mode)
    return path


def test_sizes(h):
    raw, qcow2, over = (h.dir / name for name in ("raw", "qcow2", "over"))
    raw.write_bytes(b"\0" * (1 << 20))
    assert h.qemu_img("create", "-q", "-f", "qcow2", qcow2, "2M").returncode == 0
    assert h.qemu_img("create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", over).returncode == 0
    below = image(h, "below", "1")
    for path in raw, qcow2, over:
        os.chown(path, VM_UID, VM_UID)
    m = Machine(h, "-blockdev", f"file,node-name=x,filename={below}",
                *[w for i, (path, f) in enumerate(((raw, "raw"), (qcow2, "qcow2"), (over, "qcow2")))
                  for w in ("-drive", f"if=none,id=disk{i},format={f},file={path}" + (",file.locking=off" if f == "raw" else ""),
                            "-device", f"virtio-blk-pci,drive=disk{i}")])
    grown = ["--size=disk0:3000001", "--size=disk1:4M", "--size=disk2:8M", f"--backing=disk2:{raw}"]
    done(m.reload(*grown), "disk0 has 3000320 bytes now, and had 1048576", "disk1 has", "disk2 has")
    assert [m.size(f"disk{i}") for i in range(3)] == [3000320, 4 << 20, 8 << 20]
    assert raw.stat().st_size == 3000320
    r = m.reload(*grown)
    assert (r.status, r.text) == (0, ""), r
    # nothing is cut off; what lies over another image than is meant is left as it is; a disk that is not there is no mistake
    r = m.reload("--size=disk1:1M", "--size=disk2:16M", f"--backing=disk2:{below}", "--size=disk7:1G")
    done(r, "disk1 stays at 4194304", "Needs a restart: disk2 lies over", str(raw))
    assert [m.size(f"disk{i}") for i in range(3)] == [3000320, 4 << 20, 8 << 20]


def test_media(h):
    one, two = image(h, "one", "1"), image(h, "two, 2", "2", owner=0)  # QEMU itself may not open this one
    m = Machine(h, "-drive", f"if=none,id=disk0,format=raw,file={one},readonly=on", "-device", "ide-cd,drive=disk0,bus=ide.1",
                "-drive", "if=floppy,id=disk1,index=0")
    m.qmp("cont")  # QEMU closes what nobody needs any longer while the guest runs
    both = [f"--medium=disk0:{two}", f"--medium=disk1:{one}"]
    done(m.reload(*both), f"{two} is in disk0 now", f"{one} is in disk1 now")
    assert (m.content("disk0"), m.content("disk1")) == ("2", "1")
    assert m.block("disk0")["inserted"]["ro"] and m.block("disk1")["inserted"]["ro"]
    r = m.reload(*both)
    assert (r.status, r.text) == (0, ""), r
    assert not os.listxattr(two), "an entry that nobody takes back"
    done(m.reload("--medium=disk0:", "--medium=disk1:"), "Nothing is in disk0 now", "Nothing is in disk1 now")
    assert "inserted" not in m.block("disk0") and "inserted" not in m.block("disk1")
    for path, mark in (one, "1"), (two, "2"), (one, "1"):
        done(m.reload(f"--medium=disk0:{path}"))
        assert m.content("disk0") == mark
    assert len(m.qmp("query-fdsets")) == 1, "descriptors are left behind"
    done(m.reload("--medium=disk0:"))
    fds = os.listdir(f"/proc/{m.process.pid}/fd")
    for _ in range(3):
        done(m.reload(f"--medium=disk0:{two}"))
        done(m.reload("--medium=disk0:"))
    assert len(os.listdir(f"/proc/{m.process.pid}/fd")) == len(fds), "descriptors are left behind"


def test_media_refused(h):
    """Each by itself: the rest is done."""
    one, secret = image(h, "one", "1"), image(h, "secret", "2", owner=0)
    link, qcow2 = h.vm_dir("somebody-s") / "link", h.dir / "qcow2"
    link.symlink_to(secret)
    assert h.qemu_img("create", "-q", "-f", "qcow2", qcow2, "1M").returncode == 0
    m = Machine(h, "-drive", "if=none,id=disk0", "-device", "ide-cd,drive=disk0,bus=ide.0",
                "-drive", "if=none,id=disk1", "-device", "ide-cd,drive=disk1,bus=ide.1")
    for bad, why in (h.dir / "nowhere", "does not exist"), (link, "somebody else's"), (qcow2, "qcow2"), (h.dir, "directory"):
        failed(m.reload(f"--medium=disk0:{bad}", f"--medium=disk1:{one}"), why)
        assert "inserted" not in m.block("disk0")
        assert m.content("disk1") == "1"
        done(m.reload("--medium=disk1:"))


def test_cables(h):
    m = Machine(h, "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,id=card")
    done(m.reload("--link=net0:down"))
    done(m.reload("--link=net0:up"))
    failed(m.reload("--link=net1:down", "--link=net0:up"), "Cannot pull the cable of net1, QEMU refuses")


def test_memory(h):
    m = Machine(h, "-m", "64", "-device", "virtio-balloon-pci,id=balloon")
    done(m.reload("--memory=64M"))
    done(m.reload("--memory=32M"), "leave it 33554432 bytes of memory")
    done(m.reload("--memory=128M"), "Needs a restart: Memory= is 134217728 bytes, and it was started with 67108864")
    m = Machine(h, "-m", "64", name="without")
    done(m.reload("--memory=32M"), "Memory= can only be changed by a restart")


def test_nobody_answers(h):
    m = Machine(h)
    m.process.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    failed(m.reload("--link=net0:up", "--timeout=300ms"), "it hangs, or another client")
    assert time.monotonic() - start < 5
    m.process.kill()
    m.process.wait()
    failed(m.reload("--link=net0:up"), "QEMU does not run")


def test_as_the_machine_s_user(h):
    """QEMU is heard by nobody who is more than itself."""
    directory = h.vm_dir()
    s = socket.socket(socket.AF_UNIX)
    h.stack.callback(s.close)
    s.bind(str(directory / "qnet.qmp"))
    s.listen()
    os.chmod(directory / "qnet.qmp", 0o777)
    p = h.start(h.build / "helpers/reload/qnet-reload", directory / "qnet.qmp", "--timeout=5s", extra_groups=[4])
    s.settimeout(30)
    c, _ = s.accept()
    pid, uid, gid = struct.unpack("3i", c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    assert (pid, uid, gid) == (p.pid, VM_UID, VM_UID)
    with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
        status = dict(line.split(":", 1) for line in f)
    for key in "CapPrm", "CapEff", "CapInh", "CapAmb":
        assert int(status[key], 16) == 0, (key, status[key])
    assert status["NoNewPrivs"].strip() == "1" and not status["Groups"].strip()
    c.close()
    p.wait(30)


def test_usage(h):
    m = Machine(h)
    for word in "--link=net0", "--link=:up", "--link=net0:on", "--size=disk0:0", "--medium=disk0:a", "--memory=x", "--timeout=0":
        assert m.reload(word).status == 2, word
