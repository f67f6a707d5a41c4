# SPDX-License-Identifier: LGPL-2.1-or-later
"""Capture=: the unit that writes what passes a tap, from the tap's start to its end"""
import time

from vmtest import *

UNIT, DIRECTORY = "qnet-capture@tap-host1.service", Path("/var/lib/qnet/capture/tap-host1")
LAB = """
[Switch s1]
Address=10.9.0.1/24

[VM host1]
Kernel=/k
[Interface]
Switch=s1
Capture={}
CaptureSize=64K
CaptureFiles=3

[VM host2]
Kernel=/k
[Interface]
Switch=s1
"""
peer = None


def files(directory=DIRECTORY):
    return sorted(directory.glob("*.pcapng"))


def pings(directory=DIRECTORY):
    """Sequence numbers of the echo requests and replies that the files have"""
    text = "".join(sh(f"tcpdump -Z root -n -r {f} icmp 2>/dev/null") + "\n" for f in files(directory))
    return [(kind, int(number)) for kind, number in re.findall(r"ICMP echo (\w+), id \d+, seq (\d+)", text)]


def test_starts_with_the_tap():
    global peer
    configure(lab=LAB.format("yes"))
    peer = Peer("host1", "10.9.0.2/24")
    wait_for("the capture", lambda: show(UNIT, "ActiveState") == "active")
    assert "tap-host1-0001.pcapng" in show(UNIT, "StatusText"), show(UNIT, "StatusText")
    assert not succeeds("systemctl is-active --quiet qnet-capture@tap-host2.service")
    peer.sh("ping -n -c 5 -i 0.2 -s 100 10.9.0.1")
    time.sleep(1)
    found = pings()
    assert found == [(kind, i) for i in range(1, 6) for kind in ("request", "reply")], found


def test_has_one_capability():
    pid = show(UNIT, "MainPID")
    status = Path(f"/proc/{pid}/status").read_text()
    assert re.search(r"CapEff:\s*0000000000002000", status) and re.search(r"CapBnd:\s*0000000000002000", status), status
    assert not re.search(r"Uid:\s*0", status), status
    text = sh(f"systemd-analyze security --no-pager {UNIT} | tail -n 1", check=False)
    level = float(re.search(r"Overall exposure level.*: ([\d.]+)", text)[1])
    print(f"# exposure {level}", flush=True)
    assert level <= 2.0, text


def test_ring():
    peer.sh("ping -n -q -c 300 -f -s 1000 10.9.0.1")
    time.sleep(1)
    found = files()
    assert len(found) == 3 and all(f.stat().st_size <= 65536 for f in found), [(f.name, f.stat().st_size) for f in found]
    numbers = [n for kind, n in pings() if kind == "request"]
    assert numbers[-1] == 300 and numbers == list(range(numbers[0], 301)), numbers
    assert found[-1].name in show(UNIT, "StatusText")


def test_goes_on_after_being_killed():
    before = files()[-1]
    sh(f"systemctl kill --signal=KILL {UNIT}")
    wait_for("a new file", lambda: files()[-1].name > before.name and "Writing" in show(UNIT, "StatusText"))
    peer.sh("ping -n -c 3 -i 0.2 10.9.0.1")
    time.sleep(1)
    assert [n for kind, n in pings() if kind == "reply"][-3:] == [1, 2, 3], pings()[-6:]


def test_ends_with_the_tap():
    peer.close()
    wait_for("the tap's end", lambda: not Path("/sys/class/net/tap-host1").exists())
    wait_for("its own end", lambda: show(UNIT, "ActiveState") == "inactive")
    assert show(UNIT, "Result") == "success" and files()


def test_own_directory():
    configure(lab=LAB.format("/srv/some/captures"))
    host1 = Peer("host1", "10.9.0.2/24")
    directory = Path("/srv/some/captures/tap-host1")
    wait_for("the capture", lambda: show(UNIT, "ActiveState") == "active")
    host1.sh("ping -n -c 2 -i 0.2 10.9.0.1")
    wait_for("the frames", lambda: len(pings(directory)) == 4)
    host1.close()
    wait_for("the end", lambda: show(UNIT, "ActiveState") == "inactive")

    sh(f"chown -R daemon {directory}")       # somebody else's: nothing of his is touched, and the guest has its network
    host1 = Peer("host1", "10.9.0.2/24")
    assert host1.reaches("10.9.0.1")
    wait_for("the message", lambda: "belongs to user 1; remove or rename it" in sh(f"journalctl --no-pager -u {UNIT}"))
    assert directory.stat().st_uid == 1
    host1.close()


main()
