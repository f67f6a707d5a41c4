# SPDX-License-Identifier: LGPL-2.1-or-later
"""A boot with a configuration in /etc/qnet (etc/qnet/boot.conf here), on a kernel and under a systemd that are all its own."""
from vmtest import *


def test_pid1_is_systemd_and_content():
    assert Path("/proc/1/comm").read_text().strip() == "systemd"
    assert sh("systemd-detect-virt") == "qemu"
    wait_for("the boot to end", lambda: sh("systemctl is-system-running", check=False) not in ("initializing", "starting"))
    assert sh("systemctl is-system-running", check=False) == "running", sh("systemctl --failed --no-legend")
    assert "memory" in Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()


def test_generator_ran_at_boot():
    for unit in ("qnet-switch@s1.service", "qnet-switch@s2.service", "qemu-vm@host1.service"):
        assert show(unit, "FragmentPath") == f"/run/systemd/generator/{unit}", show(unit, "FragmentPath")
        assert show(unit, "SourcePath") == "/etc/qnet/boot.conf"


def test_autostart_at_boot():
    assert show("qnet.target", "ActiveState") == "active"
    assert show("qnet-switch@s2.service", "ActiveState") == "active"
    assert show("qnet-switch@s1.service", "ActiveState") == "inactive"
    assert interfaces() == ["lo", "s2"], interfaces()
    assert show("qnet-reaper.path", "SubState") == "waiting"


def test_switch_has_address_and_alias():
    hold("qnet-switch@s1.service")
    link, = json.loads(sh("ip -j -d link show s1"))
    assert link["linkinfo"]["info_kind"] == "bridge"
    assert link["ifalias"].startswith("qnet:switch=s1"), link["ifalias"]
    address, = [a for a in json.loads(sh("ip -j -4 addr show s1"))[0]["addr_info"]]
    assert (address["local"], address["prefixlen"]) == ("10.9.0.1", 24)
    wait_for("its .device unit", lambda: show("sys-subsystem-net-devices-s1.device", "ActiveState") == "active")
    let_go("qnet-switch@s1.service")
    wait_for("the bridge to go", lambda: interfaces() == ["lo", "s2"])


def test_peer_gets_address_by_dhcp():
    peer = Peer("host1")
    address = peer.dhcp()
    assert address.startswith("10.9.0."), address
    assert peer.reaches("10.9.0.1")
    assert succeeds(f"ping -n -c 1 -W 5 {address}")
    assert "PERMANENT" in entry(address, "s1"), entry(address, "s1")
    resolved = sh(f"{HELPERS}/qnet-reaper resolve {address}")
    assert "host1" in resolved, resolved
    peer.close()
    wait_for("tap and switch to go", lambda: interfaces() == ["lo", "s2"])


main()
