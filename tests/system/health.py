# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-health: a guest that hangs is found without anybody's report, and brought back alone; what is only to be told is
only told."""
import signal as signals

from qnettest import *

SECONDS = 300
guests = {}
ILL, WELL = "6417ba5e31c8413dbbc991016d873409", "47141f0f83d04d2691d711abc3014c39"
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24
DHCP=yes

[VM host1]
System=tiny
Switch=s1
[Health]
IntervalSec=5
Failures=2
TimeoutSec=3
StartSec=20

[VM host2]
System=tiny
Switch=s1
[Health]
Probe=ping
IntervalSec=5
Failures=2
TimeoutSec=3
StartSec=20

[VM web]
System=tiny
Switch=s1
[Health]
Probe=tcp:80
IntervalSec=5
Failures=2
TimeoutSec=3
StartSec=20
Action=notify

[VM inside]
System=tiny
Switch=s1
[Health]
Probe=agent
IntervalSec=5
Failures=2
TimeoutSec=3
StartSec=60

[VM beat]
System=tiny
Switch=s1
[Health]
Probe=heartbeat
IntervalSec=5
Failures=2
StartSec=60

[VM hopeless]
System=tiny
Switch=s1
# no way to a root file system: it hangs before it has a network
KernelCommandLine=rdinit=/nowhere
[Health]
IntervalSec=5
Failures=1
StartSec=11

[VM stopped]
System=tiny
Switch=s1
[Health]
IntervalSec=5
Failures=1
StartSec=0
"""


def told(message_id, name):
    return [e for e in journal(f"MESSAGE_ID={message_id}") if e.get("QNET_VM") == name]


def status(*names):
    return {r["vm"]: r for r in json.loads(sh(f"{HELPERS}/qnet-health status --json {' '.join(names)}", check=False))}


def test_boot():
    configure(lab=CONFIG)
    start(vm("host1"), vm("host2"), vm("web"))
    for name in ("host1", "host2", "web"):
        guests[name] = leased(name, "s1")
        guests[name].wait()
    assert show("qnet-health.timer", "ActiveState") == "active"
    guests["web"].sh("nc -ll -p 80 -e /bin/true >/dev/null 2>&1 </dev/null & echo $! >/pid; echo")
    time.sleep(21)


def test_status():
    found = status()
    assert {n: r["state"] for n, r in found.items()} == {"host1": "well", "host2": "well", "web": "well", **{n: "stopped" for n in ("inside", "beat", "hopeless", "stopped")}}, found
    assert found["host1"]["address"] == guests["host1"].ip and found["host1"]["answerUSec"] > 0
    assert re.search(r"^host2 +ping +" + re.escape(guests["host2"].ip) + r" +well +[0-9.]+ ms$",
                     sh(f"{HELPERS}/qnet-health status host2"), re.M)
    assert succeeds(f"{HELPERS}/qnet-health status"), "who does not run is not ill"
    assert not succeeds(f"{HELPERS}/qnet-health status nobody")


def test_all_well():
    """Some ticks without a word"""
    before = show("qnet-health.service", "InvocationID")
    wait_for("three runs", lambda: len({e["_SYSTEMD_INVOCATION_ID"] for e in journal("UNIT=qnet-health.service")
                                        if "_SYSTEMD_INVOCATION_ID" in e}) >= 0 and
             show("qnet-health.service", "InvocationID") != before)
    time.sleep(12)
    assert show("qnet-health.service", "Result") == "success"
    for name in ("host1", "host2", "web", "stopped"):
        assert told(ILL, name) == [], name
    assert restarts() == []


def found_and_restarted(name, within):
    others = {n: invocation(n) for n in guests if n != name}
    old, at = invocation(name), time.monotonic()
    pid = qemu_pid(name)
    os.kill(pid, signals.SIGSTOP)
    wait_for(f"{name} to be found", lambda: told(ILL, name))
    assert time.monotonic() - at < within, f"it took {time.monotonic() - at:.1f} s"
    wait_for(f"a new {name}", lambda: invocation(name) not in ("", old) and show(vm(name), "ActiveState") == "active")
    guests[name].wait()
    wait_for(f"{name} to be well again", lambda: told(WELL, name))
    assert len(told(ILL, name)) == 1 and len(restarts(name)) == 1, "more than once"
    assert {n: invocation(n) for n in others} == others, "another was restarted too"
    entry = told(ILL, name)[0]
    assert entry["UNIT"] == vm(name) and entry["QNET_ACTION"] == "recover", entry


def test_frozen_guest_is_found_by_arp():
    # within an interval it is due, Failures x Interval, an answer's time, and as much as a busy machine takes
    found_and_restarted("host1", 2 * 5 + 5 + 3 + 5)


def test_frozen_guest_is_found_by_ping():
    found_and_restarted("host2", 2 * 5 + 5 + 3 + 5)


# A panic that waits for its reboot goes in a circle with interrupts off, as a driver's mistake would.
SPIN = "echo 100000 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger"


def cpu_time(name):
    return sum(map(int, Path(f"/proc/{qemu_pid(name)}/stat").read_text().rsplit(")")[1].split()[11:13])) / 100


def test_guest_in_a_circle_is_found():
    """Its QEMU is busy, its monitor answers; but nobody is at home"""
    guests["host2"].wait()
    past_hold_off("host2", 21)
    old, before = invocation("host2"), len(told(ILL, "host2"))
    try:
        guests["host2"].sh(SPIN, timeout=2)
    except OSError:
        pass
    began = cpu_time("host2")
    wait_for("its processor to be busy", lambda: cpu_time("host2") > began + 0.5, 10)
    wait_for("it to be found", lambda: len(told(ILL, "host2")) > before, 40)
    wait_for("a new host2", lambda: invocation("host2") not in ("", old) and show(vm("host2"), "ActiveState") == "active")
    guests["host2"].wait()


def test_closed_port_is_only_told():
    old = invocation("web")
    guests["web"].sh("kill $(cat /pid); echo")
    entry = wait_for("the message", lambda: told(ILL, "web"))[0]
    assert "Connection refused" in entry["MESSAGE"] and entry["QNET_ACTION"] == "notify", entry
    guests["web"].sh("nc -ll -p 80 -e /bin/true >/dev/null 2>&1 </dev/null & echo")
    wait_for("the good news", lambda: told(WELL, "web"))
    assert invocation("web") == old and restarts("web") == []


def test_who_is_stopped_is_not_ill():
    stop(vm("web"))
    time.sleep(12)
    assert len(told(ILL, "web")) == 1 and told(ILL, "stopped") == []
    stop(vm("host1"), vm("host2"))
    wait_for("the timer to stop, as nobody needs it", lambda: show("qnet-health.timer", "ActiveState") == "inactive")


PORT = """insmod /lib/modules/extra/virtio_console.ko
for p in /sys/class/virtio-ports/*; do [ "$(cat $p/name)" = NAME ] && port=/dev/${p##*/}; done
"""
# as qemu-ga: reads a line, answers; while nobody is there, read() returns 0
AGENT = PORT.replace("NAME", "org.qemu.guest_agent.0") + """
( exec 3<>$port; while :; do while read -r l <&3; do id=${l##*:}; echo "{\\"return\\": ${id%%\\}*}}" >&3; done; sleep .2; done
) >/dev/null 2>&1 </dev/null & echo $! >/pid; echo"""
BEAT = PORT.replace("NAME", "qnet.heartbeat") + """
( exec >$port; while :; do echo; sleep 1; done ) 2>/dev/null </dev/null & echo $! >/pid; echo"""


def test_agent_and_heartbeat():
    """By sockets that are open to qnet-health, and to nobody else"""
    start("qnet-switch@s1.service", vm("inside"), vm("beat"))
    for name, what, script in ("inside", "agent", AGENT), ("beat", "heartbeat", BEAT):
        guests[name] = leased(name, "s1").wait()
        st = os.stat(f"/run/qnet/vm/{name}/{what}")
        assert oct(st.st_mode & 0o777) == "0o660" and sh(f"stat -c %G /run/qnet/vm/{name}/{what}") == "qnet-health"
        assert os.stat(f"/run/qnet/vm/{name}/qmp").st_gid != st.st_gid
        guests[name].sh(script)
        for user in "nobody", "qnet-" + ("beat" if name == "inside" else "inside"):
            assert not succeeds(f"setpriv --reuid={user} --clear-groups python3 -c 'import socket; socket.socket(socket.AF_UNIX)"
                                f".connect(\"/run/qnet/vm/{name}/{what}\")'"), user
    wait_for("both to be well", lambda: {r["state"] for r in status("inside", "beat").values()} == {"well"})
    told_before = {n: len(told(ILL, n)) for n in ("inside", "beat")}
    time.sleep(12)
    assert {n: len(told(ILL, n)) for n in ("inside", "beat")} == told_before


def test_program_in_the_guest_has_ended():
    """Its kernel is well, and answers ARP; nothing beats any more"""
    for name in "inside", "beat":
        old, before = invocation(name), len(told(ILL, name))
        past_hold_off(name)
        guests[name].sh("kill $(cat /pid); echo")
        wait_for(f"{name} to be found", lambda: len(told(ILL, name)) > before)
        wait_for(f"a new {name}", lambda: invocation(name) not in ("", old))
    stop(vm("inside"), vm("beat"))


def test_hangs_at_every_boot():
    """With three starts instead of twenty; the limit is that of the unit"""
    unit = vm("hopeless")
    assert show(unit, "StartLimitBurst") == "20" and show(unit, "StartLimitIntervalUSec") == "18min 40s"
    sh(f"mkdir -p /etc/systemd/system/{unit}.d")
    Path(f"/etc/systemd/system/{unit}.d/90-test.conf").write_text("[Unit]\nStartLimitBurst=3\n")
    sh("systemctl daemon-reload")
    start(unit)
    wait_for("the limit", lambda: show(unit, "ActiveState") == "failed")
    reaper_idle()
    assert len(restarts("hopeless")) == 2 and len(told(ILL, "hopeless")) == 3
    assert "it has no address from the DHCP server of s1" in told(ILL, "hopeless")[0]["MESSAGE"]
    time.sleep(12)
    assert len(told(ILL, "hopeless")) == 3, "it goes on"
    text = sh(f"systemctl status --no-pager {unit}", check=False)
    assert "VM hopeless has failed and is not started again: it was restarted again and again" in text, text
    assert "Start request repeated too quickly" in text, text


def test_catalog():
    text = sh(f"journalctl -b --no-pager -x MESSAGE_ID={ILL}")
    assert "Virtual machine host1 does not answer" in text and "qnet-health status host1" in text


main()
