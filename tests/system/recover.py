# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that hang are brought back rung by rung, and how they were found is saved before."""
import struct
import zlib

from qnettest import *

SECONDS = 60
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24

[Reaper]
HoldoffSec=3

# hangs inside, and is reset
[VM host1]
System=tiny
VGA=std
Recover=reset restart
RecoverTimeoutSec=120
BlackBox=2
KernelCommandLine=addr=10.9.0.5/24
[Interface]
Switch=s1
Address=10.9.0.5

# nothing is ever done to it
[VM other]
System=tiny
Switch=s1
KernelCommandLine=addr=10.9.0.6/24

# a reset does not bring it back in time
[VM slow]
System=tiny
Recover=reset restart
RecoverTimeoutSec=1
Switch=s1
KernelCommandLine=addr=10.9.0.7/24

# powers down
[VM soft]
System=tiny
Recover=powerdown restart
RecoverTimeoutSec=60
BlackBox=yes
BlackBoxMemory=16M
Switch=s1
KernelCommandLine=addr=10.9.0.8/24
"""
guests = {}
# A panic that waits for its reboot spins with interrupts off: nothing answers any more, and the CPU is busy.
HANG = "echo 100000 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger"


def boxes(name):
    return sorted(Path(f"/var/lib/qnet/vm/{name}/blackbox").glob("*"))


def recovered(name):
    return [e for e in journal("SYSLOG_IDENTIFIER=qnet-reaper", f"QNET_VM={name}") if "QNET_RECOVER_USEC" in e]


def boots(name):
    """How often the guest has said that it is up, in all invocations."""
    return sum("guest: ready" in str(e.get("MESSAGE")) for e in journal("-u", vm(name)))


def hang(name, command=HANG):
    past_hold_off(name, 3)
    try:
        guests[name].sh(f"({command}) >/dev/null 2>&1 &", timeout=5)
    except OSError:
        pass
    wait_for(f"{name} to fall silent", lambda: not guests[name].answers())


def others_untouched(before):
    for name, (run, who) in before.items():
        assert invocation(name) == run, f"{name} was restarted, too"
        boot, uptime = guests[name].who()
        assert boot == who[0] and uptime > who[1], f"{name} has booted anew"


def state_of(*names):
    return {name: (invocation(name), guests[name].who()) for name in names}


def reports_end():
    reaper_idle()
    pending = sh("cat /var/lib/qnet/reaper/*", check=False)
    assert "pending" not in pending, pending


def test_boot():
    configure(lab=CONFIG)
    start(*(vm(n) for n in ("host1", "other", "slow", "soft")))
    for name, last in (("host1", 5), ("other", 6), ("slow", 7), ("soft", 8)):
        guests[name] = Guest(name, f"10.9.0.{last}").wait()


def test_hang_inside_is_reset_and_qemu_kept():
    before, pid, run, who = state_of("other", "slow", "soft"), qemu_pid("host1"), invocation("host1"), guests["host1"].who()
    hang("host1")
    report("10.9.0.5")
    entry = wait_for("host1 to be recovered", lambda: recovered("host1"))[-1]
    guests["host1"].wait()
    assert guests["host1"].who()[0] != who[0], "it is the same boot"
    assert qemu_pid("host1") == pid and invocation("host1") == run, "QEMU was replaced"
    assert int(entry["QNET_RECOVER_USEC"]) > 0 and entry["QNET_IP"] == "10.9.0.5" and re.fullmatch(r"[0-9a-f]{32}", entry["MESSAGE_ID"])
    others_untouched(before)
    reports_end()
    assert len(recovered("host1")) == 1 and not restarts("host1")
    assert entry["QNET_BLACKBOX"] == str(boxes("host1")[-1])


def png_size(path):
    """Of a PNG picture that is whole: every chunk is checked, and the pixels are unpacked."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
    at, pixels, kinds = 8, b"", []
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0], f"checksum of {kind}"
        kinds.append(kind)
        if kind == b"IHDR":
            width, height = struct.unpack(">II", body[:8])
        if kind == b"IDAT":
            pixels += body
        at += 12 + n
    assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND", kinds
    assert len(zlib.decompress(pixels)) >= width * height
    return width, height


def test_black_box_tells_how_it_was():
    box = boxes("host1")[-1]
    assert {p.name for p in box.iterdir()} == {"about.txt", "threads.txt", "status.json", "registers.txt", "screen.png", "console.txt"}
    width, height = png_size(box / "screen.png")
    assert width >= 320 and height >= 200, (width, height)
    assert json.loads((box / "status.json").read_text())["running"] is True
    assert re.search(r"^RIP=[0-9a-f]{16}", (box / "registers.txt").read_text(), re.M)
    console = (box / "console.txt").read_text()
    assert "sysrq triggered crash" in console, console[-500:]
    threads = (box / "threads.txt").read_text()
    # the CPU spins, the others sleep
    assert "State:\tR (running)" in threads and "State:\tS (sleeping)" in threads and "  stack:\n    [" in threads \
        and re.search(r"^  wchan: [a-z_]*poll", threads, re.M) and re.search(r"^  syscall: \d+ 0x", threads, re.M), threads
    assert "qemu-vm@host1.service" in (box / "about.txt").read_text()
    assert sh(f"stat -c '%a' {box}") == "700"


def test_frozen_qemu_is_seen_from_outside_and_replaced():
    before, run = state_of("other", "slow", "soft"), invocation("host1")
    n = len(boxes("host1"))
    past_hold_off("host1", 3)
    time.sleep(3)
    guests["host1"].freeze()
    begin = time.monotonic()
    report("10.9.0.5")
    wait_for("a new host1", lambda: invocation("host1") not in ("", run))
    # black box 2 s, ladder 2 s: QEMU answers neither
    assert time.monotonic() - begin < 30, "it took as long as if a guest were waited for"
    entry = wait_for("the journal entry", lambda: restarts("host1"))[-1]
    guests["host1"].wait()
    others_untouched(before)
    reports_end()
    assert len(boxes("host1")) == n + 1
    box = boxes("host1")[-1]
    assert entry["QNET_BLACKBOX"] == str(box)
    threads = (box / "threads.txt").read_text()
    assert "State:\tT (stopped)" in threads and "do_signal_stop" in threads, threads
    assert "does not answer" in (box / "about.txt").read_text()
    assert not (box / "screen.png").exists()


def test_restart_without_ladder_when_the_line_says_so():
    run, n = invocation("host1"), len(recovered("host1"))
    past_hold_off("host1", 3)
    report("10.9.0.5 restart")
    wait_for("a new host1", lambda: invocation("host1") not in ("", run))
    guests["host1"].wait()
    reports_end()
    assert len(recovered("host1")) == n and len(boxes("host1")) == 2, "BlackBox=2 keeps two"


def test_kept_are_the_newest():
    old = boxes("host1")
    assert len(old) == 2
    sh("systemctl start qnet-blackbox@host1")
    new = boxes("host1")
    assert len(new) == 2 and new[0] == old[1] and new[1] > old[1], (old, new)
    assert sh("systemctl show -P StatusText qnet-blackbox@host1") == f"Saved {new[1]}"
    assert guests["host1"].answers(), "it was disturbed"
    assert (new[1] / "screen.png").exists()


def box_seconds(name):
    began, ended = (int(show(f"qnet-blackbox@{name}.service", f"ExecMain{k}TimestampMonotonic")) for k in ("Start", "Exit"))
    assert ended > began > 0
    return (ended - began) / 1e6


def test_black_box_when_another_client_has_the_socket():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("/run/qnet/vm/host1/qnet.qmp")
        assert b"QMP" in s.recv(4096)
        sh("systemctl start qnet-blackbox@host1")
        # its own bound is 2 s; the rest is for a busy machine
        assert box_seconds("host1") < 4, box_seconds("host1")
    box = boxes("host1")[-1]
    assert "another client is connected" in (box / "about.txt").read_text()
    assert {p.name for p in box.iterdir()} == {"about.txt", "threads.txt", "console.txt"}
    assert "guest: ready" in (box / "console.txt").read_text()
    sh("systemctl start qnet-blackbox@host1")
    assert (boxes("host1")[-1] / "screen.png").exists()


def test_black_box_keeps_no_privilege():
    # asked while the guest's QEMU is looked for in vain, as a listener that says nothing
    sh("systemctl stop qnet-blackbox@host1; kill -STOP " + str(qemu_pid("host1")))
    try:
        sh("systemctl start --no-block qnet-blackbox@host1")
        pid = wait_for("the black box", lambda: int(show("qnet-blackbox@host1.service", "MainPID")))
        box = wait_for("its directory", lambda: boxes("host1")[-1:])[0]
        time.sleep(.2)
        status = Path(f"/proc/{pid}/status").read_text()
        for kind in ("Eff", "Prm", "Amb", "Inh"):
            assert re.search(rf"^Cap{kind}:\t0+$", status, re.M), status
        assert box
    finally:
        os.kill(qemu_pid("host1"), signal.SIGCONT)
    wait_for("its end", lambda: show("qnet-blackbox@host1.service", "ActiveState") == "inactive")


def test_next_rung_when_reset_is_not_enough():
    before, run = state_of("other", "host1", "soft"), invocation("slow")
    hang("slow")
    report("slow")
    wait_for("a new slow", lambda: invocation("slow") not in ("", run))
    guests["slow"].wait()
    text = " ".join(e["MESSAGE"] for e in journal("SYSLOG_IDENTIFIER=qnet-recover", "-u", "qnet-recover@slow"))
    assert "Trying: reset" in text and "does not answer ARP in time" in text, text
    others_untouched(before)
    reports_end()
    assert len(restarts("slow")) == 1 and not recovered("slow")
    assert not boxes("slow")
    assert not sh("systemctl --failed --no-legend --plain"), "a unit stays failed"


def test_power_button_and_memory():
    run = invocation("soft")
    hang("soft", "ip link set eth0 down")
    report("soft")
    wait_for("a new soft", lambda: invocation("soft") not in ("", run))
    guests["soft"].wait()
    reports_end()
    assert len(restarts("soft")) == 1
    assert any("guest: power button" in str(e.get("MESSAGE")) for e in journal("-u", vm("soft")))
    memory = boxes("soft")[-1] / "memory.elf"
    assert memory.read_bytes()[:4] == b"\x7fELF" and 16 << 20 <= memory.stat().st_size < 18 << 20, memory.stat()


def test_rung_from_the_line():
    # its ladder has no reset, so this one comes from the report
    pid, who = qemu_pid("soft"), guests["soft"].who()
    hang("soft")
    report("10.9.0.8 reset")
    wait_for("soft to be recovered", lambda: recovered("soft"))
    guests["soft"].wait()
    assert qemu_pid("soft") == pid and guests["soft"].who()[0] != who[0]
    reports_end()
    assert not list(Path("/run/qnet/recover").iterdir())


def test_reaper_killed_on_the_ladder():
    time.sleep(3)
    assert guests["host1"].wait()
    n, ready = len(recovered("host1")), boots("host1")
    pid = qemu_pid("host1")
    hang("host1")
    report("10.9.0.5")
    wait_for("the recovery to run", lambda: show("qnet-recover@host1.service", "ActiveState") == "activating")
    for _ in range(3):
        main_pid = wait_for("the reaper to run", lambda: int(show("qnet-reaper.service", "MainPID")))
        os.kill(main_pid, signal.SIGKILL)
        time.sleep(.3)
    wait_for("host1 to be recovered", lambda: len(recovered("host1")) > n)
    guests["host1"].wait()
    reports_end()
    assert qemu_pid("host1") == pid
    assert len(recovered("host1")) == n + 1
    wait_for("host1 to have booted", lambda: boots("host1") > ready)
    assert boots("host1") == ready + 1, f"{boots('host1') - ready} resets"


def test_stopped_meanwhile_stays_stopped():
    hang("soft")
    time.sleep(3)
    report("10.9.0.8")
    wait_for("the recovery to run", lambda: show("qnet-recover@soft.service", "ActiveState") == "activating")
    sh("systemctl kill -s KILL qemu-vm@soft; systemctl stop qemu-vm@soft")
    reports_end()
    assert show(vm("soft"), "ActiveState") in ("inactive", "failed")


main()
