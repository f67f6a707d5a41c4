# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job: a lab of guests, one freezes, a client that knows nothing but its address gets it restarted."""
from qnettest import *

SECONDS = 50
LAB = TINY + """
[Switch s1]
Address=10.9.0.1/24
DHCP=yes

[VM host1]
System=tiny
Switch=s1
Lab=lan

[VM host2]
System=tiny
Switch=s1
Lab=lan

[VM old1]
System=tiny
Bridge=netbr1
Lab=lan

[Reaper]
KillLog=/tmp/taskgen_qemusession_ip_kill.log
"""
guests = {}


def test_boot_and_ping():
    foreign_bridge()
    configure(lab=LAB)
    start("qnet-lab@lan.target")
    guests.update(host1=leased("host1", "s1"), host2=leased("host2", "s1"), old1=foreign_leased("old1"))
    for guest in guests.values():
        guest.wait()
        assert show(vm(guest.name), "ActiveState") == "active"
    assert guests["host1"].ip.startswith("10.9.0."), guests["host1"].ip
    assert guests["old1"].ip.startswith("172.25.1."), guests["old1"].ip
    assert guests["host1"].sh(f"ping -c 1 -W 20 {guests['host2'].ip} >/dev/null && echo yes") == "yes"


def test_qemu_is_unprivileged_and_alone():
    users = set()
    for name in guests:
        status = Path(f"/proc/{qemu_pid(name)}/status").read_text()
        uid = re.search(r"^Uid:\t(\d+)", status, re.M)[1]
        assert int(uid) != 0
        assert re.search(r"^CapEff:\t0+$", status, re.M), "QEMU has capabilities"
        users.add(uid)
        assert show(vm(name), "Slice") == "qnet.slice"
    assert len(users) == len(guests), "two VMs share a user"


def restarted_alone(name, log):
    """Freezes one guest, reports it, checks that it and nothing else is new."""
    others = [g for g in guests.values() if g.name != name]
    before = {g.name: (invocation(g.name), g.who()) for g in guests.values()}
    told = len(restarts())
    guests[name].freeze()
    report(guests[name].ip, log=log)
    wait_for(f"a new {name}", lambda: invocation(name) not in ("", before[name][0]) and show(vm(name), "ActiveState") == "active")

    guests[name].wait()
    boot, uptime = guests[name].who()
    assert boot != before[name][1][0], "it is the same boot"
    for other in others:
        assert invocation(other.name) == before[other.name][0], f"{other.name} was restarted too"
        boot, uptime = other.who()
        assert boot == before[other.name][1][0], f"{other.name} has booted anew"
        assert uptime > before[other.name][1][1], f"the clock of {other.name} went back"
    reaper_idle()
    entries = restarts()
    assert len(entries) == told + 1, f"{len(entries) - told} journal entries"
    return entries[-1]


def test_frozen_guest_on_switch_is_restarted_alone():
    mac = mac_of("host1")
    entry = restarted_alone("host1", KILL_LOG)
    assert entry["QNET_VM"] == "host1"
    assert entry["UNIT"] == vm("host1")
    assert entry["QNET_IP"] == guests["host1"].ip
    assert entry["QNET_MAC"] == mac
    assert entry["QNET_TAP"] == "tap-host1"
    assert int(entry["QNET_RESTART_USEC"]) > 0
    assert re.fullmatch(r"[0-9a-f]{32}", entry["MESSAGE_ID"])
    assert "host1" in entry["MESSAGE"] and guests["host1"].ip in entry["MESSAGE"]


def test_catalog_explains_the_entry():
    text = sh("journalctl -b --no-pager -x QNET_VM=host1 -u qnet-reaper")
    assert re.search(r"^░░", text, re.M), "no catalog text"


def test_taskgen_log_and_foreign_bridge():
    entry = restarted_alone("old1", TASKGEN_LOG)
    assert entry["QNET_VM"] == "old1" and entry["QNET_IP"] == guests["old1"].ip


def test_neighbour_entry_is_removed():
    # On netbr1 nothing but the guest itself can bring the entry back. It must not be there while the new guest boots.
    guest = guests["old1"]
    sh(f"ping -n -c 1 {guest.ip}")
    assert "lladdr" in entry(guest.ip, "netbr1")
    # no guest comes back to renew the entry: the new QEMU is stopped at once
    old = invocation("old1")
    monitor = subprocess.Popen(["ip", "monitor", "neigh", "dev", "netbr1"], stdout=subprocess.PIPE, text=True)
    try:
        guest.freeze()
        report(guest.ip)
        wait_for("a new old1", lambda: invocation("old1") not in ("", old))
        reaper_idle()
    finally:
        monitor.terminate()
    seen = monitor.communicate()[0]
    assert re.search(rf"[Dd]eleted {re.escape(guest.ip)} ", seen), f"the entry was not removed: {seen}"
    guest.wait()


def test_restart_by_name_and_mac():
    for line in ("host2", mac_of("host2")):
        old = invocation("host2")
        guests["host2"].freeze()
        report(line)
        wait_for("a new host2", lambda: invocation("host2") not in ("", old))
        guests["host2"].wait()


def test_stopping_the_lab_leaves_nothing():
    stop("qnet-lab@lan.target")
    wait_for("QEMU to be gone", lambda: not sh("pgrep -x qemu-system-x86 || pgrep qemu-system", check=False))
    # what nobody needs any more stops a moment after the last who did
    wait_for("taps and switch to go", lambda: interfaces() == ["lo", "netbr1"])
    wait_for("their units to stop", lambda: not sh("systemctl list-units --plain --no-legend "
                                                   "'qnet-tap@*' 'qnet-dhcp@*' 'qnet-switch@*' 'qemu-vm@*'"))
    assert not sh("pgrep -a dnsmasq | grep -v netbr1", check=False), "a DHCP server is left"
    assert not sh("ip neigh show nud permanent", check=False), "neighbour entries are left"
    assert not list(Path("/run/qnet/vm").iterdir()), "run-time directories are left"
    assert not sh("systemctl --failed --no-legend --plain"), "a unit has failed"
    for name in guests:
        assert show(vm(name), "Result") == "success"


main()
