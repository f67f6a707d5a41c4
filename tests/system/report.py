# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reports that come over sockets: local datagrams, TCP with a list of who may. They end in the kill log, and with the VM."""
import os
import socket

from qnettest import *

SECONDS = 25
SOCKET = "/run/qnet/kill.sock"
HELPER = "/usr/libexec/qnet/qnet-report"
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24

[VM alice]
System=tiny
KernelCommandLine=addr=10.9.0.5/24
[Interface]
Switch=s1
Address=10.9.0.5
"""
LISTEN = "[Reaper]\nListen=127.0.0.1:7177 [::1]:7177\nAllow=127.0.0.2 ::1\n"


def log_lines():
    with open(KILL_LOG, "rb") as f:
        return f.read().split(b"\n")


def said(text):
    return any(text in str(e.get("MESSAGE")) for u in ("qnet-report", "qnet-report-tcp@*") for e in journal("-u", u))


def talk(data, source="127.0.0.2", to=("127.0.0.1", 7177)):
    """What it answers; who is thrown out while still sending gets a reset behind the answer."""
    answer = b""
    with socket.create_connection(to, timeout=10, source_address=(source, 0)) as c:
        try:
            c.sendall(data)
            c.shutdown(socket.SHUT_WR)
            while part := c.recv(4096):
                answer += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    return answer


def test_datagram_of_a_user_restarts_the_vm():
    sh("systemctl start qnet-report.socket")
    configure(lab=CONFIG)
    start(vm("alice"))
    Guest("alice", "10.9.0.5").wait()
    past_hold_off("alice")
    old = invocation("alice")
    # a user of the group, and nothing else; the first of them is nobody's
    sh(f"setpriv --reuid=65534 --regid=65534 --groups=$(getent group qnet | cut -d: -f3) {HELPER} send 192.0.2.7 10.9.0.5")
    wait_for("the restart", lambda: invocation("alice") not in (old, ""))
    reaper_idle()
    assert len(restarts("alice")) == 1
    assert said("User 65534") and said("reported 10.9.0.5")
    stop(vm("alice"))


def test_a_stranger_may_not():
    done = sh(f"setpriv --reuid=65534 --regid=65534 --clear-groups {HELPER} send 10.9.0.5 2>&1", check=False)
    assert "Permission denied" in done and "group qnet" in done, done


def test_what_is_no_report_reaches_no_log():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    before = len(log_lines())
    for data in (b"\0\1\2", b"x" * 2000, b"", b"\n\n", "Zürich".encode(), b"192.0.2.8\n192.0.2.9\n\x1b[2J\n192.0.2.10"):
        s.sendto(data, SOCKET)
    wait_for("the last of them", lambda: b"192.0.2.10" in log_lines())
    assert log_lines()[before - 1:] == [b"192.0.2.8", b"192.0.2.9", b"192.0.2.10", b""]
    assert said("it is not printable text") and said("it is longer than a line may be")


def test_many_datagrams():
    """None lost, and not a start for each. A sender waits when the socket is full."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for i in range(2000):
        s.sendto(b"198.51.100.%d" % (i % 250), SOCKET)
    s.sendto(b"the.end", SOCKET)
    wait_for("the last of them", lambda: b"the.end" in log_lines())
    lines = log_lines()
    assert lines.index(b"the.end") - lines.index(b"198.51.100.0") == 2000
    wait_for("the end of the service", lambda: show("qnet-report", "ActiveState") == "inactive")
    assert show("qnet-report.socket", "SubState") == "listening"


def test_off_unless_asked_for():
    assert show("qnet-report-tcp.socket", "LoadState") == "not-found"
    configure(lab=CONFIG, reaper="[Reaper]\nListen=127.0.0.1:7177\n")
    assert show("qnet-report-tcp.socket", "LoadState") == "not-found", "everybody may report"


def test_over_tcp():
    configure(lab=CONFIG, reaper=LISTEN)
    sh("systemctl start qnet-report-tcp.socket")
    assert talk(b"192.0.2.21\n  192.0.2.22\r\n\n\x07\n") == b"ok\nok\nerror: not a report\n"
    assert talk(b"192.0.2.23\n", "::1", ("::1", 7177)) == b"ok\n"
    lines = log_lines()
    for line in (b"192.0.2.21", b"192.0.2.22", b"192.0.2.23"):
        assert line in lines, line
    answer = talk(b"192.0.2.2")
    assert b"no newline" in answer, f"half an address may be another's, and the answer is {answer}"
    assert b"192.0.2.2" not in log_lines()
    assert b"not a report" in talk(b"y" * 1500)
    assert b"too many" in talk(b"192.0.2.24\n" * 1001)
    assert said("127.0.0.2 reported 192.0.2.21")


def test_only_from_those_who_are_allowed():
    """Both gates: the kernel's, and, that being open, the helper's."""
    try:
        assert talk(b"192.0.2.31\n", source="127.0.0.3") == b""
    except TimeoutError:
        pass
    os.makedirs("/run/systemd/system/qnet-report-tcp.socket.d", exist_ok=True)
    with open("/run/systemd/system/qnet-report-tcp.socket.d/90-open.conf", "w") as f:
        f.write("[Socket]\nIPAddressDeny=\nIPAddressAllow=\n")
    sh("systemctl daemon-reload; systemctl restart qnet-report-tcp.socket")
    assert talk(b"192.0.2.31\n", source="127.0.0.3") == b"error: you may not report\n"
    assert talk(b"192.0.2.32\n") == b"ok\n"
    assert b"192.0.2.31" not in log_lines() and b"192.0.2.32" in log_lines()
    assert said("127.0.0.3 wanted to report")
    assert "qnet-report" not in sh("systemctl --failed --no-legend --plain || :"), "a refused peer left a failed unit"


main()
