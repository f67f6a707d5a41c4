# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import signal
import socket
import threading
import time


def done(r, text=""):
    assert r.status == 0 and text in r.text, r


def failed(r, *words):
    assert r.status == 1, r
    for w in words:
        assert w in r.text, f"'{w}' is not in: {r.text}"


def machine(h, *words, wait=True):
    s = h.dir / "qnet.qmp"
    return s, h.qemu("-M", "none", *words, socket_path=s, wait=wait)


def seconds(f):
    start = time.monotonic()
    f()
    return time.monotonic() - start


def test_wait(h):
    s, p = machine(h, wait=False)  # the socket comes later
    done(h.monitor("wait", s, pid=p.pid))
    done(h.monitor("wait", s))


def test_wait_paused(h):
    s, p = machine(h, "-S")
    failed(h.monitor("wait", s, "--timeout=300ms"), "the guest is prelaunch")
    done(h.monitor("wait", s, "--paused"))


def test_wait_until_it_runs(h):
    s, other = h.dir / "qnet.qmp", h.dir / "qmp"
    p = h.qemu("-M", "none", "-S", "-qmp", f"unix:{other},server=on,wait=off", socket_path=s)
    t = threading.Timer(0.5, resume, [other])
    t.start()
    took = seconds(lambda: done(h.monitor("wait", s, "--timeout=10s", pid=p.pid)))
    t.join()
    assert 0.4 < took < 2, took


def resume(path):
    c = socket.socket(socket.AF_UNIX)
    c.connect(str(path))
    c.sendall(b'{"execute":"qmp_capabilities"}\n{"execute":"cont"}\n')
    time.sleep(0.2)
    c.close()


def test_wait_for_nobody(h):
    assert 0.2 < seconds(lambda: failed(h.monitor("wait", h.dir / "no", "--timeout=300ms"), "Timed out")) < 2


def test_wait_ends_with_qemu(h):
    """not after the time-out: systemd would sit there for 90 seconds with a QEMU that refused its command line"""
    p = h.start("qemu-system-x86_64", "-M", "nonsense")
    assert seconds(lambda: failed(h.monitor("wait", h.dir / "no", pid=p.pid), "QEMU has ended")) < 5
    p.wait()
    failed(h.monitor("wait", h.dir / "no", pid=p.pid), "QEMU has ended")
    # also when it goes while we talk
    s, p = machine(h, "-S")
    threading.Timer(0.3, p.kill).start()
    assert seconds(lambda: failed(h.monitor("wait", s), "QEMU has ended")) < 5


def test_busy_socket(h):
    """QEMU serves one client at a time; a second is connected by the kernel, but hears nothing"""
    s, p = machine(h)
    clients = []
    for i in range(3):  # one served, the others fill the backlog
        c = socket.socket(socket.AF_UNIX)
        c.setblocking(False)
        h.stack.callback(c.close)
        try:
            c.connect(str(s))
        except BlockingIOError:
            break
        clients.append(c)
        failed(h.monitor("wait", s, "--timeout=300ms"), "another client")
        failed(h.monitor("quit", s, "--timeout=300ms"), "another client")
        done(h.monitor("powerdown", s, "--timeout=300ms"), "another client")
    assert p.poll() is None
    for c in clients:
        c.close()
    done(h.monitor("wait", s))


def test_quit(h):
    s, p = machine(h)
    done(h.monitor("quit", s, pid=p.pid), "host-qmp-quit")
    assert p.wait(1) == 0
    done(h.monitor("quit", s))
    s.unlink(missing_ok=True)
    done(h.monitor("quit", s))


def test_powerdown_deaf(h):
    """the button is pressed until time is up; then QEMU is ended, and that is not a failure"""
    s, other = h.dir / "s", h.dir / "user.qmp"
    p = h.qemu("-M", "q35", "-S", "-qmp", f"unix:{other},server=on,wait=off", socket_path=s)
    c = socket.socket(socket.AF_UNIX)
    c.connect(str(other))
    c.sendall(b'{"execute":"qmp_capabilities"}\n{"execute":"cont"}\n')
    took = seconds(lambda: done(h.monitor("powerdown", s, "--timeout=1s", "--repeat=200ms", pid=p.pid), "did not power down"))
    assert 0.9 < took < 2, took
    c.settimeout(1)
    heard = b""
    while heard.count(b'"POWERDOWN"') < 4:
        heard += c.recv(65536)
    assert p.poll() == 0, "by SIGTERM or not at all"


class FakeAgent(threading.Thread):
    """Says what a guest agent says, to one client"""
    def __init__(self, h, answers, then=None):
        super().__init__(daemon=True)
        self.path, self.answers, self.then, self.heard = h.dir / "agent", answers, then, []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.path))
        self.server.listen()
        h.stack.callback(self.server.close)
        self.start()

    def run(self):
        c, _ = self.server.accept()
        for line in c.makefile("rb"):
            request = json.loads(line)
            self.heard.append(request["execute"])
            answer = self.answers.get(request["execute"])
            if answer:
                c.sendall(answer.replace(b"ID", str(request.get("arguments", {}).get("id")).encode()))
            if self.then and request["execute"] == "guest-shutdown":
                self.then()


def test_powerdown_by_agent(h):
    s, p = machine(h)
    agent = FakeAgent(h, {"guest-sync": b'\xff{"return": 1}\nrubbish\n{"return": ID}\n'}, then=p.kill)
    r = h.monitor("powerdown", s, f"--agent={agent.path}", "--timeout=20s", pid=p.pid)
    done(r, "agent shuts it down")
    assert agent.heard == ["guest-sync", "guest-shutdown"], agent.heard


def test_powerdown_by_agent_that_is_ignored(h):
    """the agent has taken it, and the guest does nothing"""
    s, p = machine(h)
    agent = FakeAgent(h, {"guest-sync": b'{"return": ID}\n'})
    took = seconds(lambda: done(h.monitor("powerdown", s, f"--agent={agent.path}", "--timeout=1s", pid=p.pid), "did not power down"))
    assert 0.9 < took < 3 and p.poll() == 0, took


def test_powerdown_without_agent(h):
    s, p = machine(h)
    refusing = FakeAgent(h, {"guest-sync": b'{"return": ID}\n', "guest-shutdown": b'{"error": {"desc": "no\\u001b way"}}\n'})
    r = h.monitor("powerdown", s, f"--agent={refusing.path}", "--timeout=1s", pid=p.pid)
    done(r, "agent refuses to shut it down, pressing the power button: no? way")
    refusing.path.unlink()
    s, p = machine(h)
    silent = FakeAgent(h, {"guest-sync": b'{"return": 5}\n' * 3})
    done(h.monitor("powerdown", s, f"--agent={silent.path}", "--timeout=7s", pid=p.pid), "agent does not answer")
    assert silent.heard == ["guest-sync"]
    s, p = machine(h)
    done(h.monitor("powerdown", s, f"--agent={h.dir}/no", "--timeout=1s", pid=p.pid), "Cannot ask the guest's agent")


def test_powerdown_gone(h):
    s, p = machine(h)
    p.kill()
    p.wait()
    done(h.monitor("powerdown", s, pid=p.pid))
    done(h.monitor("powerdown", s))
    done(h.monitor("powerdown", h.dir / "no"))


def test_powerdown_ends_with_qemu(h):
    s, p = machine(h)
    threading.Timer(0.5, p.kill).start()
    assert 0.3 < seconds(lambda: done(h.monitor("powerdown", s, "--timeout=20s", pid=p.pid))) < 3


def test_frozen(h):
    s, p = machine(h)
    os.kill(p.pid, signal.SIGSTOP)
    failed(h.monitor("wait", s, "--timeout=300ms", pid=p.pid), "it hangs")
    done(h.monitor("powerdown", s, "--timeout=300ms", pid=p.pid), "it hangs")
    os.kill(p.pid, signal.SIGCONT)
    done(h.monitor("wait", s, pid=p.pid))


def test_not_qmp(h):
    s = h.dir / "http"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(s))
    server.listen()
    h.stack.callback(server.close)
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            try:
                c, _ = server.accept()
                c.sendall(b"SSH-2.0-nonsense\r\n" * 10)
                c.close()
            except OSError:
                pass
    threading.Thread(target=serve, daemon=True).start()
    failed(h.monitor("wait", s), "does not speak QMP")
    done(h.monitor("powerdown", s), "Cannot power the guest down")
    failed(h.monitor("quit", s), "does not speak QMP")
    stop.set()


def test_usage(h):
    for words in ((), ("wait",), ("dance", "/x"), ("wait", "/x", "/y"), ("wait", "/x", "--timeout=soon"), ("wait", "/x", "--timeout=0"),
                  ("powerdown", "/x", "--repeat=1us"), ("wait", "/x", "--nope")):
        assert h.monitor(*words).status == 2, words
    for name in ("qnet-monitor", "qnet-disk", "qnet-fail"):
        done(h.helper(name, "--help"), "Usage:")
        done(h.helper(name, "--version"), name)
    failed(h.monitor("quit", "/" + "x" * 200), "File name too long")


def test_fail(h):
    r = h.helper("qnet-fail", "host1.conf:7: Memory=lots is not a size", "second: no")
    assert r.status == 1
    assert r.text.splitlines() == ["qnet-fail: host1.conf:7: Memory=lots is not a size", "qnet-fail: second: no"], r.text
    for odd in (":7: x", "a:b: c", "a:0: c", "::", ": ", "%s%n", "a:99999999999999: b", ""):
        assert h.helper("qnet-fail", odd).text == f"qnet-fail: {odd}\n", odd
    assert h.helper("qnet-fail").status == 2
