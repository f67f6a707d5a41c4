# SPDX-License-Identifier: LGPL-2.1-or-later
"""VLANs with whole network stacks on both sides of the ports, and guests in VLANs found by the reaper: by the bridge, and by
a VLAN interface that the host has on it"""
import subprocess
import time

from vmtest import *

HELPER = HELPERS + "/"
MACS = {name: f"52:54:00:00:05:{n:02x}" for n, name in enumerate(("p10", "q10", "p20", "trunk", "plain"))}
peers = {}


def port(name, *words, verb="add", bridge="s1"):
    sh(f"{HELPER}qnet-tap {verb} tap-{name} --vm={name} --mac={MACS[name]} --bridge={bridge} {' '.join(words)}")


def plug(name, *addresses):
    peers[name] = Peer(name, *addresses, tap=f"tap-{name}", mac=MACS[name])


def test_ports():
    sh(f"{HELPER}qnet-switch add s1 --name=s1 --address=10.9.1.1/24 --vlan-filtering")
    port("p10", "--vlan=10"), port("q10", "--vlan=10"), port("p20", "--vlan=20"), port("plain")
    port("trunk", "--trunk-vlans=10,20", "--native-vlan=1")
    plug("p10", "10.9.0.10/24"), plug("q10", "10.9.0.11/24"), plug("p20", "10.9.0.20/24"), plug("plain", "10.9.1.5/24")
    plug("trunk", "10.9.1.6/24")
    peers["trunk"].sh("ip link add link eth0 name v10 type vlan id 10; ip link add link eth0 name v20 type vlan id 20;"
                      "ip addr add 10.9.0.30/24 dev v10; ip link set v10 up; ip link set v20 up")
    assert peers["p10"].reaches("10.9.0.11")
    assert not peers["p10"].reaches("10.9.0.20", seconds=2)
    assert peers["plain"].reaches("10.9.1.1") and not peers["p10"].reaches("10.9.1.1", seconds=2)
    assert peers["plain"].reaches("10.9.1.6"), "the native VLAN"
    assert peers["p10"].reaches("10.9.0.30") and not peers["p20"].reaches("10.9.0.30", seconds=2)
    peers["trunk"].sh("ip addr flush dev v10; ip addr add 10.9.0.30/24 dev v20")
    assert peers["p20"].reaches("10.9.0.30") and not peers["p10"].reaches("10.9.0.30", seconds=2)


def test_a_running_port_changes_its_vlan():
    flaps = Path("/sys/class/net/tap-p20/carrier_changes").read_text()
    port("p20", "--vlan=10", verb="set")
    assert peers["p10"].reaches("10.9.0.20")
    port("p20", "--vlan=20", verb="set")
    assert not peers["p10"].reaches("10.9.0.20", seconds=2)
    assert Path("/sys/class/net/tap-p20/carrier_changes").read_text() == flaps


def resolve(word):
    return json.loads(sh(f"{HELPER}qnet-reaper resolve --json -- {word}", check=False))[0]


def test_a_guest_in_the_hosts_own_vlan_is_found():
    sh("ping -n -c 1 -w 10 10.9.1.5")
    answer = resolve("10.9.1.5")
    assert (answer["vm"], answer["tap"], answer["bridge"]) == ("plain", "tap-plain", "s1"), answer


def test_a_guest_in_another_vlan_is_found_by_the_vlan_interface():
    sh("bridge vlan add dev s1 vid 10 self && ip link add link s1 name s1.10 type vlan id 10 && ip addr add 10.9.0.1/24 dev s1.10"
       " && ip link set s1.10 up && ping -n -c 1 -w 10 10.9.0.11")
    answer = resolve("10.9.0.11")
    assert (answer["vm"], answer["tap"], answer["bridge"]) == ("q10", "tap-q10", "s1"), answer
    assert resolve("fe80::1%s1.10")["error"], "a scope of its own"


def test_one_that_changed_its_mac_is_found_by_the_port():
    peers["q10"].sh("ip link set eth0 down; ip link set eth0 address 52:54:00:99:99:99 up")
    sh("ip neigh flush dev s1.10; ping -n -c 1 -w 10 10.9.0.11")
    assert resolve("10.9.0.11")["vm"] == "q10", resolve("10.9.0.11")
    assert resolve("52:54:00:99:99:99")["vm"] == "q10"
    peers["q10"].sh(f"ip link set eth0 down; ip link set eth0 address {MACS['q10']} up")


def test_one_that_uses_anothers_mac_is_refused():
    peers["p10"].sh(f"ip link set eth0 down; ip link set eth0 address {MACS['q10']} up; ping -n -c 1 -W 1 10.9.0.1 || :")
    assert "last heard it on tap-p10" in resolve(MACS["q10"])["error"]
    peers["p10"].sh(f"ip link set eth0 down; ip link set eth0 address {MACS['p10']} up")
    peers["q10"].sh("ping -n -c 1 -w 10 10.9.0.1")
    assert resolve(MACS["q10"])["vm"] == "q10"


def test_a_pin_is_where_the_host_meets_the_guest():
    peers.pop("p10").close(), peers.pop("p20").close()
    sh(f"{HELPER}qnet-tap own tap-p10 0 --pin=10.9.0.10 && {HELPER}qnet-tap own tap-p20 0 --pin=10.9.0.20")
    assert MACS["p10"] in sh("ip neigh show dev s1.10 nud permanent") and MACS["p20"] in sh("ip neigh show dev s1 nud permanent")
    assert resolve("10.9.0.10")["vm"] == "p10" and resolve("10.9.0.20")["vm"] == "p20"


def test_ready_waits_for_an_address_in_a_vlan():
    sh("ip neigh flush dev s1.10")
    waiting = subprocess.Popen([f"{HELPER}qnet-arp", "wait", MACS["q10"], "--dev=s1", "--timeout=60"],
                               stdout=subprocess.PIPE, text=True)
    time.sleep(.5)
    assert waiting.poll() is None
    peers["q10"].sh("ping -n -c 1 -w 10 10.9.0.1")
    out = waiting.communicate(timeout=60)[0]
    assert waiting.returncode == 0 and "10.9.0.11" in out, out


def test_a_restart_forgets_the_address_on_the_vlan_interface():
    sh("ping -n -c 1 -w 10 10.9.0.11")
    sh("mkdir -p /run/systemd/system; printf '[Service]\\nExecStart=sleep infinity\\n' >/run/systemd/system/qemu-vm@q10.service;"
       "systemctl daemon-reload; systemctl start qemu-vm@q10")
    before = show("qemu-vm@q10.service", "InvocationID")
    wait_for("the hold-off to be over", lambda: sh("echo 10.9.0.11 >>" + KILL_LOG + "; sleep 3") or
             show("qemu-vm@q10.service", "InvocationID") != before)
    wait_for("the entry to be gone", lambda: MACS["q10"] not in sh("ip neigh show dev s1.10"), timeout=20)


def test_macvtap_gets_its_character_device():
    sh("ip link add eth7 type dummy && ip link set eth7 up")
    sh(f"{HELPER}qnet-tap add-macvtap mv-x --vm=x --mac=52:54:00:00:05:77 --device=eth7")
    index = Path("/sys/class/net/mv-x/ifindex").read_text().strip()
    wait_for("its character device", lambda: Path(f"/dev/tap{index}").is_char_device())
    sh("ip link add link eth7 name host7 type macvlan mode bridge && ip addr add 10.7.0.1/24 dev host7 && ip link set host7 up"
       " && ip neigh replace 10.7.0.5 lladdr 52:54:00:00:05:77 dev host7")
    assert resolve("10.7.0.5")["vm"] == "x", resolve("10.7.0.5")
    sh(f"{HELPER}qnet-tap own mv-x 0 --pin=10.7.0.6")
    assert resolve("10.7.0.6")["vm"] == "x"


main()
