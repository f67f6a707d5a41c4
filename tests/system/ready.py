# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ready= and Stop=: when a start is done, how a stop begins, and what a guest does by itself."""
from qnettest import *

SECONDS = 80
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24

[VM quick]
System=tiny
KernelCommandLine=addr=10.9.0.5/24 noacpi
Switch=s1
Stop=quit

[VM asked]
System=tiny
KernelCommandLine=addr=10.9.0.6/24 noacpi agent
Switch=s1
Stop=agent

[VM deaf]
System=tiny
KernelCommandLine=addr=10.9.0.7/24 noacpi
Switch=s1
StopTimeoutSec=3s
[Disk]
Size=16M
"""


def messages(name, run):
    return [str(e.get("MESSAGE")) for e in journal("-u", vm(name), f"_SYSTEMD_INVOCATION_ID={run}")]


def stopped(name):
    """How long a stop took, and what was said meanwhile"""
    run, began = invocation(name), time.monotonic()
    stop(vm(name))
    took = time.monotonic() - began
    assert show(vm(name), "Result") == "success" and show(vm(name), "ExecMainStatus") == "0", show(vm(name), "Result")
    return took, messages(name, run)


def starts(name):
    """How often it was started since the host was"""
    return len([e for e in journal(f"UNIT={vm(name)}", "_PID=1") if str(e["MESSAGE"]).startswith("Starting ")])


def test_boot():
    configure(lab=CONFIG)
    start(vm("quick"), vm("asked"), vm("deaf"))
    for name, ip in ("quick", "10.9.0.5"), ("asked", "10.9.0.6"), ("deaf", "10.9.0.7"):
        Guest(name, ip).wait()


def test_reboot_is_no_restart():
    guest, run, pid = Guest("quick", "10.9.0.5"), invocation("quick"), qemu_pid("quick")
    boot = guest.who()[0]
    try:
        guest.sh("reboot -f", timeout=5)
    except OSError:
        pass
    wait_for("another boot", lambda: (guest.who() or [boot])[0] != boot)
    assert (invocation("quick"), qemu_pid("quick"), show(vm("quick"), "NRestarts")) == (run, pid, "0")


def test_quit_does_not_wait_for_a_power_button():
    took, said = stopped("quick")
    assert took < 10, f"it took {took:.1f} s"  # StopTimeoutSec= is 90 s
    assert not any("signal 15" in line for line in said), said


def test_agent_shuts_down():
    took, said = stopped("asked")
    assert any("guest: shut down by agent" in line for line in said), said
    assert any("The guest's agent shuts it down" in line for line in said), said
    assert took < 60


def test_deaf_guest_is_quit_with_its_disk_written():
    guest = Guest("deaf", "10.9.0.7")
    # past the guest's cache, and without a flush: what QEMU itself still holds is the map of the image
    wrote = guest.sh("for i in 1 2 3 4 5 6 7 8; do dd if=/init of=/dev/vda bs=512 count=1 seek=$((i * 3000)) oflag=direct 2>&1; done; "
                     "md5sum /init >/dev/null; dd if=/init bs=512 count=1 2>/dev/null | md5sum")
    assert "invalid" not in wrote, wrote
    sum_of = wrote.split()[-2]
    took, said = stopped("deaf")
    assert took >= 3, "it had no time to power down"
    assert any("The guest did not power down in time" in line for line in said), said
    assert any("quit" in line for line in said) and not any("signal 15" in line for line in said), said
    start(vm("deaf"))
    guest.wait()
    for i in range(1, 9):
        assert guest.sh(f"dd if=/dev/vda bs=512 count=1 skip={i * 3000} 2>/dev/null | md5sum").split()[0] == sum_of, i


def test_poweroff_from_inside_ends_it():
    guest, started = Guest("deaf", "10.9.0.7"), starts("deaf")
    try:
        guest.sh("poweroff -f", timeout=5)
    except OSError:
        pass
    wait_for("the unit to end", lambda: show(vm("deaf"), "ActiveState") == "inactive")
    time.sleep(3)  # RestartSec= is 2 s
    assert (show(vm("deaf"), "ActiveState"), show(vm("deaf"), "Result")) == ("inactive", "success")
    assert starts("deaf") == started, "it was started again"


READY = TINY + """
[Switch s1]
Address=10.9.0.1/24

# it is pinned before it starts, and sends its first packets long before it has the address
[VM address]
System=tiny
KernelCommandLine=addr=10.9.0.11/24 late=6 noacpi
Ready=address
Stop=quit
[Interface]
Switch=s1
Address=10.9.0.11

[VM port]
System=tiny
KernelCommandLine=addr=10.9.0.12/24 late=6 noacpi
Ready=tcp:7
Stop=quit
[Interface]
Switch=s1
Address=10.9.0.12

[VM agent]
System=tiny
KernelCommandLine=addr=10.9.0.13/24 agent
Ready=agent
Stop=quit
Switch=s1

[VM notify]
System=tiny
KernelCommandLine=addr=10.9.0.14/24 notify noacpi
Ready=notify
Stop=quit
Switch=s1

[VM console]
System=tiny
KernelCommandLine=addr=10.9.0.15/24 late=4 noacpi
Ready=console:guest: ready %i
Stop=quit
Switch=s1

[VM closed]
System=tiny
KernelCommandLine=addr=10.9.0.16/24 noacpi
Ready=tcp:81
ReadyTimeoutSec=12s
Stop=quit
[Interface]
Switch=s1
Address=10.9.0.16

[VM silent]
System=tiny
KernelCommandLine=addr=10.9.0.17/24 noacpi
Ready=console:Welcome to nowhere
ReadyTimeoutSec=3s
Stop=quit
Switch=s1

[VM mute]
System=tiny
KernelCommandLine=addr=10.9.0.18/24 noacpi
Ready=agent
ReadyTimeoutSec=3s
Stop=quit
Switch=s1

[VM nobody]
System=tiny
KernelCommandLine=addr=10.9.0.19/24 noacpi
Ready=address
ReadyTimeoutSec=3s
Stop=quit
[Interface]
Switch=s1
Address=10.9.0.99
"""


def status_of(name):
    return re.search(r'^ *Status: "(.*)"$', sh(f"systemctl status {vm(name)}", check=False), re.M)


def starting(name, awaited):
    """Starts it, and looks on: systemctl does not return before it is active; what is awaited is shown meanwhile."""
    with subprocess.Popen(["systemctl", "start", vm(name)]) as client:
        try:
            wait_for(f"the status of {name}", lambda: (found := status_of(name)) and re.search(awaited, found[1]))
            assert show(vm(name), "ActiveState") == "activating" and client.poll() is None
            assert client.wait(PATIENCE) == 0
        finally:
            client.kill()
    assert show(vm(name), "ActiveState") == "active"
    assert not status_of(name), "it is still said what is awaited"


def test_address_is_one_that_answers():
    configure(lab=READY)
    starting("address", "^Waiting for an address of 52:54:00:[0-9a-f:]+ on s1 that answers$")
    assert succeeds("ping -n -c 1 -W 3 10.9.0.11"), "it does not answer yet"
    stop(vm("address"))


def test_port_takes_connections_and_others_wait():
    Path("/run/systemd/system/after.service").write_text(
        f"[Unit]\nRequires={vm('port')}\nAfter={vm('port')}\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
        "ExecStart=bash -c 'exec 3<>/dev/tcp/10.9.0.12/7; echo hostname >&3; head -n 1 <&3'\n")
    sh("systemctl daemon-reload; systemctl start --no-block after.service")
    starting("port", "^Waiting for TCP port 7 of 52:54:00:[0-9a-f:]+ on s1$")
    socket.create_connection(("10.9.0.12", 7), timeout=.9).close()      # at once: a lost SYN is sent again after a second
    wait_for("who waits for it", lambda: show("after.service", "ActiveState") in ("active", "failed"))
    assert any(e.get("MESSAGE") == "port" for e in journal("-u", "after.service"))
    stop("after.service", vm("port"))


def test_agent_answers():
    starting("agent", "^Waiting for the guest's agent$")
    stop(vm("agent"))


def test_guest_notifies():
    starting("notify", "^Guest: Half way$")
    stop(vm("notify"))


def test_console_has_the_text():
    starting("console", r"""^Waiting for .guest: ready console. on the guest.s console$""")
    assert any(m.startswith("guest: ready console ") for m in messages("console", invocation("console")))
    stop(vm("console"))


def test_a_start_in_vain_says_why():
    for name, why in (("closed", r"Waited 12\.0 s in vain for TCP port 81 of \S+ on s1: 10\.9\.0\.16: (Connection refused|no answer)\."),
                      ("silent", r'Waited 3\.0 s in vain for "Welcome to nowhere" on the guest\'s console\.'),
                      ("mute", r"Waited 3\.0 s in vain for the guest's agent\."),
                      ("nobody", r"Waited 3\.0 s in vain for an address of \S+ on s1 that answers: 10\.9\.0\.99 does not answer ARP\.")):
        assert not succeeds(f"systemctl start {vm(name)}"), name
        said = [str(e["MESSAGE"]) for e in journal("-u", vm(name))]
        assert any(re.fullmatch(why, line) for line in said), (name, said)
        wait_for(f"{name} to end", lambda n=name: show(vm(n), "ActiveState") in ("failed", "inactive"))


def test_qemu_that_dies_is_not_waited_for():
    client = subprocess.Popen(["systemctl", "start", vm("agent")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("the status", lambda: status_of("agent"))
    os.kill(qemu_pid("agent"), signal.SIGTERM)
    began = time.monotonic()
    assert client.wait(PATIENCE) != 0 and time.monotonic() - began < 20
    assert any("QEMU has ended while its guest was waited for" in str(e["MESSAGE"]) for e in journal("-u", vm("agent")))


main()
