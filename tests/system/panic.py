# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that say themselves that all is lost: by pvpanic, and by a watchdog that nobody feeds."""
from qnettest import *

SECONDS = 50
IMAGES = Path("/var/lib/bare")
TINY_PANICS = TINY + """
[System frail]
System=tiny
Switch=s1
Panic=yes

[Switch s1]
Address=10.9.0.1/24
DHCP=yes
"""
PANIC = """insmod /lib/modules/extra/pvpanic.ko; insmod /lib/modules/extra/pvpanic-mmio.ko
echo c >/proc/sysrq-trigger; echo"""


def starts(name):
    return int(show(vm(name), "NRestarts"))


def panic(guest):
    try:
        guest.sh(PANIC, timeout=5)
    except OSError:
        pass


def test_boot():
    configure(lab=TINY_PANICS + """
[VM again]
System=frail
[VM paused]
System=frail
PanicAction=pause
[VM gone]
System=frail
PanicAction=shutdown
[VM ignored]
System=frail
PanicAction=none
""")
    start(vm("again"), vm("paused"), vm("gone"))


def test_panic_is_a_failure_and_a_restart():
    guest = leased("again", "s1").wait()
    old = invocation("again")
    panic(guest)
    wait_for("a new machine", lambda: invocation("again") not in ("", old) and show(vm("again"), "ActiveState") == "active")
    assert starts("again") == 1 and restarts() == []
    assert any("Kernel panic - not syncing: sysrq triggered crash" in e["MESSAGE"]
               for e in journal(f"_SYSTEMD_INVOCATION_ID={old}") if isinstance(e["MESSAGE"], str))
    guest.wait()
    stop(vm("again"))
    assert show(vm("again"), "Result") == "success"
    assert [e["QNET_VM"] for e in journal("MESSAGE_ID=681e236993464638922d1db15d262a49")] == ["again"], "the stop is none"


def test_panic_pauses():
    guest, pid = leased("paused", "s1").wait(), qemu_pid("paused")
    panic(guest)

    def state():
        with socket.socket(socket.AF_UNIX) as s:
            s.connect("/run/qnet/vm/paused/qmp")
            f = s.makefile("rw")
            f.readline()
            for command in "qmp_capabilities", "query-status":
                f.write(json.dumps({"execute": command}) + "\n")
                f.flush()
                while "return" not in (answer := json.loads(f.readline())):
                    pass
            return answer["return"]["status"]
    wait_for("the pause", lambda: state() == "guest-panicked")
    assert qemu_pid("paused") == pid and show(vm("paused"), "ActiveState") == "active"
    sh(f"systemctl kill -s KILL {vm('paused')}; systemctl stop {vm('paused')}")


def test_panic_ends_it():
    panic(leased("gone", "s1").wait())
    wait_for("the end", lambda: show(vm("gone"), "ActiveState") == "inactive")
    assert show(vm("gone"), "Result") == "success" and starts("gone") == 0


def test_panic_at_every_boot_ends_failed():
    """With three starts instead of ten; the limit is that of the unit"""
    configure(lab=TINY_PANICS + "[VM hopeless]\nSystem=frail\nKernelCommandLine=panic\n")
    assert (show(vm("hopeless"), "StartLimitBurst"), show(vm("hopeless"), "StartLimitIntervalUSec")) == ("10", "10min")
    sh(f"mkdir -p /etc/systemd/system/{vm('hopeless')}.d")
    Path(f"/etc/systemd/system/{vm('hopeless')}.d/90-test.conf").write_text("[Unit]\nStartLimitBurst=3\n")
    sh("systemctl daemon-reload")
    sh(f"systemctl start {vm('hopeless')}", check=False)
    wait_for("the limit", lambda: show(vm("hopeless"), "ActiveState") == "failed" and starts("hopeless") >= 2)
    time.sleep(5)
    assert show(vm("hopeless"), "ActiveState") == "failed" and starts("hopeless") <= 3
    status = sh(f"systemctl status --no-pager {vm('hopeless')}", check=False)
    assert "VM hopeless has failed and is not started again: its guest panics" in status and "Start request repeated too quickly" in status, status
    others = journal(f"_SYSTEMD_UNIT={vm('hopeless')}")
    assert sum("Kernel panic - not syncing: sysrq" in str(e["MESSAGE"]) for e in others) >= 3


def test_watchdog():
    """A guest that hangs with interrupts off"""
    sh(f"mkdir -p {IMAGES}; /tests/guest/bare/build {IMAGES}; chmod 644 {IMAGES}/*")
    configure(dogs="""
[System pc]
Accelerator=tcg
Memory=32M
Machine=pc
StopTimeoutSec=1
Watchdog=ib700
[Disk]
Image=/var/lib/bare/watchdog.bin
Format=raw
Mode=ephemeral
Bus=ide

[VM reset]
System=pc

[VM off]
System=pc
WatchdogAction=poweroff

[VM unfed]
System=pc
WatchdogAction=none
""")

    def armed(name):
        return sum("watchdog: armed" in str(e["MESSAGE"]) for e in journal(f"_SYSTEMD_UNIT={vm(name)}"))
    start(vm("reset"), vm("off"), vm("unfed"))
    pid = qemu_pid("reset")
    wait_for("three boots", lambda: armed("reset") >= 3)
    assert qemu_pid("reset") == pid and starts("reset") == 0, "a reset is no restart"
    wait_for("the end", lambda: show(vm("off"), "ActiveState") == "inactive")
    assert show(vm("off"), "Result") == "success" and starts("off") == 0 and armed("off") == 1
    assert armed("unfed") == 1 and show(vm("unfed"), "ActiveState") == "active"
    stop(vm("reset"), vm("unfed"))


main()
