# SPDX-License-Identifier: LGPL-2.1-or-later
"""Type=macvtap: QEMU has the descriptors of its macvtaps from systemd, each card its own. What runs in the machine is the
boot ROM of its first card, which asks for an address by DHCP; a server in a namespace gives it."""
from vmtest import *

SECONDS = 300
CONFIG = """
[VM m]
Accelerator=tcg
Memory=64M
Stop=quit
[Interface]
Type=macvtap
Device=out0
[Interface]
Type=macvtap
Device=out1
Mode=private
MACAddress=random
[Interface]
Type=macvtap
Device=out2
VHost=auto
"""


def leases():
    path = Path("/run/net0.leases")
    return {line.split()[1] for line in path.read_text().splitlines()} if path.exists() else set()


def macvtaps():
    return {link["ifname"]: link for link in json.loads(sh("ip -j -d link show type macvtap"))}


def check_descriptors(found):
    """Each card has the MAC address of a macvtap, and the descriptor of the same one."""
    process = Path(f"/proc/{show(vm('m'), 'MainPID')}")
    line = process.joinpath("cmdline").read_text().split("\0")
    for n, name in enumerate(sorted(found)):
        fd = next(re.search(r"fd=(\d+)", word)[1] for word in line if word.startswith(f"tap,id=net{n},"))
        assert os.readlink(process / "fd" / fd).endswith(f"/tap{found[name]['ifindex']}"), f"{name} is not {fd}"
        assert any(f"netdev=net{n},mac={found[name]['address']}" in word for word in line), line


def test_each_card_has_its_own_descriptor():
    sh("ip netns add net0; ip link add out0 type veth peer name eth0 netns net0; ip link add out1 type dummy; ip link add out2 type dummy;"
       "for n in 0 1 2; do ip link set out$n up; done; ip -n net0 addr add 10.0.0.1/24 dev eth0; ip -n net0 link set eth0 up")
    sh("systemd-run --quiet --unit=net0 ip netns exec net0 dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --user=root"
       " --interface=eth0 --bind-interfaces --dhcp-range=10.0.0.10,10.0.0.99,1h --dhcp-leasefile=/run/net0.leases --no-ping")
    configure(m=CONFIG)
    start(vm("m"))
    found = macvtaps()
    assert sorted(found) == ["tap-m", "tap1-m", "tap2-m"], found
    assert [found[t]["link"] for t in sorted(found)] == ["out0", "out1", "out2"]
    assert found["tap1-m"]["linkinfo"]["info_data"]["mode"] == "private"
    check_descriptors(found)
    # nobody but root can open the devices
    for link in found.values():
        assert sh(f"stat -c '%U %a' /dev/tap{link['ifindex']}") == "root 600"


def test_packets_pass_both_ways():
    wait_for("the boot ROM to get an address", lambda: leases() == {macvtaps()["tap-m"]["address"]}, timeout=250)


def test_again_after_qemu_was_killed():
    old, before = show(vm("m"), "InvocationID"), macvtaps()
    sh(f"systemctl kill --kill-whom=main --signal=KILL {vm('m')}")
    wait_for("another start", lambda: show(vm("m"), "InvocationID") != old and show(vm("m"), "ActiveState") == "active")
    found = macvtaps()
    assert {t: link["ifindex"] for t, link in found.items()} == {t: link["ifindex"] for t, link in before.items()}
    assert found["tap-m"]["address"] == before["tap-m"]["address"]
    assert found["tap1-m"]["address"] != before["tap1-m"]["address"], "random"
    check_descriptors(found)


def test_restarted_with_new_macvtaps():
    stop(vm("m"))
    wait_for("the macvtaps to go", lambda: not macvtaps())
    start(vm("m"))
    check_descriptors(macvtaps())
    stop(vm("m"))
    wait_for("the macvtaps to go", lambda: not macvtaps())


def test_without_the_interface():
    configure(m=CONFIG.replace("out1", "out9"))
    quick = Path("/run/systemd/system/sys-subsystem-net-devices-out9.device.d")
    quick.mkdir(parents=True)
    (quick / "quick.conf").write_text("[Unit]\nJobTimeoutSec=2s\n")
    sh("systemctl daemon-reload")
    assert not succeeds(f"systemctl start {vm('m')}")
    sh(f"rm -r {quick}; systemctl daemon-reload")


main()
