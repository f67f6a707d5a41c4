# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-switch check, and what add warns of. Each finding is made for real, and where it harms, the harm is seen; then what
the sentence says to type is typed, and both are gone."""
import pty
import re
import shutil

from firewalls import DOCKER, FIREWALLD, UFW
from routed import *  # noqa: F403

ALONE = ("test_bridge_netfilter",)     # its module is for all network namespaces, and puts fragments together
SWITCH = ("--address=10.9.0.1/24", "--address=fd00::1/64")


def check(*words, status=None, finds=None, switch_words=SWITCH, **options):
    """[finding]; finds: "kind" or "kind words of the message" of each, in order"""
    expected = finds if isinstance(finds, (list, tuple)) else [finds] if finds else []
    done = switch("check", "s1", "--name=s1", *switch_words, *words, "--json", status=None, **options)
    found = json.loads(done.out)
    assert len(found) == len(expected), (found, expected)
    for f, text in zip(found, expected):
        kind, _, says = text.partition(" ")
        assert f["switch"] == "s1" and f["kind"] == kind and says in f["message"], (f, text)
    errors = any(f["severity"] == "error" for f in found)
    assert done.status == int(errors) and (status is None or done.status == status), done
    return found


def follow(found, n=1, **names):
    """Types the commands that stand behind the last colon of the sentence"""
    for command in found[n - 1]["message"].rsplit(": ", 1)[1].split("; "):
        for name, value in names.items():
            command = re.sub(rf"\b{name}\b", value, command)
        command = re.sub("^(ip6?tables) ", r"\1-nft ", command.split(", or ")[0])  # which iptables is, differs
        assert command.split()[0] in ("ip", "nft", "iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy", "sysctl"), command
        done = subprocess.run(command.split(), capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"


def veth(name, *addresses, up=True):
    ip(f"link add {name} type veth peer name {name}-peer")
    for a in addresses:
        ip(f"addr add {a} dev {name}" + (" nodad" if ":" in a else ""))
    if up:
        ip(f"link set {name} up")
        ip(f"link set {name}-peer up")


def leads(address):
    """By which device"""
    return json.loads(ip(f"-j route get {address}"))[0]["dev"]


def make(*words):
    return switch("add", "s1", "--name=s1", *SWITCH, *words)


def warns(says, *words):
    """What add says, which does it all the same"""
    found = switch("add", "s1", "--name=s1", *SWITCH, *words, says=says).err
    assert link("s1")["ifalias"] == "qnet:switch=s1"
    return found


# ---- nothing ----

def test_finds_nothing_on_an_ordinary_host():
    veth("eth0", "192.0.2.1/24", "2001:db8::1/64")
    ip("route add default via 192.0.2.2")
    ip("route add 10.8.0.0/16 via 192.0.2.2")
    ip("route add 10.9.1.0/24 via 192.0.2.2")
    veth("eth1", "10.9.2.1/24", "fd00:1::1/64")
    everything = ("--uplink=eth0", "--nat", "--mtu=1400", "--stp")
    check(*everything)
    assert switch("check", "s1", "--name=s1", *SWITCH).out == "Nothing of this host is in the way of switch s1.\n"
    assert switch("check", "s1", "--name=s1", *SWITCH, "--json").out == "[]\n"
    make("--mtu=1400")
    check(*everything)
    ip("link set eth1 mtu 1400 master s1")
    check(*everything)
    before = ip("-4 addr show") + ip("-4 route show table all")
    check(*everything)
    assert before == ip("-4 addr show") + ip("-4 route show table all")


def test_finds_nothing_under_an_uplink():
    """Whose network may be the switch's own"""
    veth("eth0", "10.9.0.5/24")
    ip("route add default via 10.9.0.2")
    check("--uplink=eth0", "--nat")
    check(finds="route The host routes 10.9.0.0/24 to eth0")
    make("--uplink=eth0")
    helper("qnet-uplink", "add", "s1", "--name=s1", "--device=eth0", "--keep-address=10.9.0.1/24", "--keep-address=fd00::1/64",
           says="eth0 is now a port of s1")
    assert "10.9.0.5/24" in addresses("s1")
    check("--uplink=eth0", "--nat")
    make("--uplink=eth0")
    make()
    switch("add", "s2", "--name=s2", "--uplink=eth9")  # on its way


# ---- (b) names ----

def test_a_device_has_the_name():
    veth("s1")
    found = check(finds="name The name s1 is taken by a veth device without an alias")
    switch("add", "s1", "--name=s1", status=1, says="the name is taken")
    follow(found, OTHER="other")
    check()
    make()


def test_a_bridge_of_others_has_the_name():
    ip("link add s1 type bridge")
    found = check(finds="name The name s1 is taken by a bridge without an alias, which is not of qnet. Plug VMs into it by Bridge=s1")
    follow(found, OTHER="other")
    check()
    switch("add", "s1", "--name=other")
    check(finds="name The name s1 is taken by the bridge of switch other")


def test_an_alternative_name():
    veth("eth0")
    ip("link property add dev eth0 altname s1")
    found = check(finds="name The name s1 is an alternative name of eth0, a veth device")
    switch("add", "s1", "--name=s1", status=1, says="s1")
    follow(found)
    check()
    make()


# ---- (c) addresses and routes ----

def test_the_host_has_an_address_elsewhere():
    veth("eth1", "10.9.0.1/16")
    found = check(finds=["address 10.9.0.1 of switch s1 on eth1"])
    warns("The host has the address 10.9.0.1 of switch s1 on eth1 already")
    follow(found)
    check()
    veth("eth2", "fd00::1/64", up=False)
    found = check(finds=["address fd00::1 of switch s1 on eth2"])
    follow(found)
    check()
    ip("addr add 10.9.0.1/32 dev lo")
    check(finds="address 10.9.0.1 of switch s1 on lo")


def test_a_network_of_the_host():
    veth("eth1", "10.9.0.5/24")
    found = check(finds="route The host routes 10.9.0.0/24 to eth1, so guests of switch s1, which is 10.9.0.0/24, cannot be reached")
    warns("The host routes 10.9.0.0/24 to eth1")
    assert leads("10.9.0.7") == "eth1"
    follow(found)
    assert leads("10.9.0.7") == "s1"
    check()
    make()


def test_a_network_of_the_host_in_ipv6():
    veth("eth1", "fd00::5/64")
    make_again = check(finds="route The host routes fd00::/64 to eth1")
    warns("The host routes fd00::/64 to eth1")
    assert leads("fd00::7") == "eth1"
    follow(make_again)
    assert leads("fd00::7") == "s1"
    check()


def test_a_part_of_the_network_is_elsewhere():
    veth("eth1", "192.0.2.1/24")
    for n in range(3):
        ip(f"route add 10.9.0.{64 + n}/32 via 192.0.2.2")
    found = check(finds="route The host routes 10.9.0.64/32 to eth1, and has 2 more such routes")
    warns("10.9.0.64/32 to eth1")
    assert leads("10.9.0.64") == "eth1"
    follow(found)
    assert leads("10.9.0.64") == "s1"
    found = check(finds="route 10.9.0.65/32 to eth1, and has 1 more")
    follow(found)
    follow(check(finds="route 10.9.0.66/32 to eth1, so"))
    ip("route add unreachable 10.9.0.128/25")
    found = check(finds="route The host routes 10.9.0.128/25 to nothing")
    follow(found)
    ip("-6 route add prohibit fd00::8000/113")
    follow(check(finds="route The host routes fd00::8000/113 to nothing"))
    check()


def test_the_network_is_a_part_of_another():
    veth("eth1", "192.0.2.1/24")
    ip("route add 10.0.0.0/8 via 192.0.2.2")
    ip("-6 route add fd00::/8 dev eth1")
    check(status=0, finds=["route The network 10.9.0.0/24 of switch s1 is a part of 10.0.0.0/8, which the host routes to eth1",
                           "route fd00::/64 of switch s1 is a part of fd00::/8"])
    done = switch("check", "s1", "--name=s1", *SWITCH)
    assert done.out.startswith("warning: The network 10.9.0.0/24") and done.out.count("\n") == 2, done
    warns("10.9.0.0/24 of switch s1 is a part of 10.0.0.0/8")


def test_routes_that_are_no_trouble():
    veth("eth1", "192.0.2.1/24")
    for route in ("0.0.0.0/1 via 192.0.2.2", "128.0.0.0/1 via 192.0.2.2", "default via 192.0.2.2", "unreachable 10.0.0.0/8",
                  "10.9.1.0/24 via 192.0.2.2", "10.9.0.0/24 via 192.0.2.2 table 255"):
        ip(f"route add {route}")
    ip("-6 route add 2000::/3 dev eth1")
    ip("-6 route add default dev eth1")
    ip("-6 route add unreachable fd00::/16")
    found = [f for f in json.loads(switch("check", "s1", "--name=s1", *SWITCH, "--json", status=None).out)]
    assert not [f for f in found if "table 255" not in f["message"]], found
    ip("route del 10.9.0.0/24 table 255")
    check()
    make()
    ip("route add 10.9.0.128/25 via 10.9.0.7")  # over the switch
    check()


def test_routes_in_other_tables():
    veth("eth1", "192.0.2.1/24")
    ip("route add 10.9.0.0/24 via 192.0.2.2 table 52")
    found = check(status=0, finds="route The host routes 10.9.0.0/24 to eth1 table 52")
    follow(found)
    check()
    ip("link add v1 type vrf table 77", check=False)
    if not link("v1"):
        raise Skip("no VRF in this kernel; the rest has passed")
    ip("link set v1 up")
    ip("link set eth1 master v1")
    ip("route add 10.9.0.0/24 via 192.0.2.2 table 77")
    check()


# ---- (d) MTU ----

def test_a_port_is_too_small():
    veth("eth1")
    make("--mtu=9000")
    ip("link set eth1 master s1")
    found = check("--mtu=9000", status=0, finds="mtu Port eth1 takes packets of 1500 bytes, switch s1 of 9000")
    warns("Port eth1 takes packets of 1500 bytes", "--mtu=9000")
    check("--mtu=1500")
    tap("add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1")
    check("--mtu=9001", finds="mtu Port eth1 (and 1 more port) takes")
    follow(found)
    check("--mtu=9000")


def test_an_uplink_is_too_small():
    veth("eth0", "192.0.2.1/24")
    found = check("--mtu=9000", "--uplink=eth0", status=1, finds="mtu The uplink eth0 takes packets of 1500 bytes, switch s1 of 9000")
    check("--uplink=eth0")  # the bridge then takes what its ports take
    check("--mtu=1400", "--uplink=eth0")
    make("--mtu=9000")
    helper("qnet-uplink", "add", "s1", "--name=s1", "--device=eth0", *[f"--keep-{a[2:]}" for a in SWITCH], says="eth0 is now")
    check("--mtu=9000", "--uplink=eth0", status=1, finds="mtu The uplink eth0")
    warns("The uplink eth0 takes packets of 1500", "--mtu=9000")
    follow(found)
    check("--mtu=9000", "--uplink=eth0")


# ---- (e) rp_filter ----

def two_ways(best="eth1", second="eth0"):
    veth("eth0", "192.0.2.1/24")
    veth("eth1", "198.51.100.1/24")
    gateways = {"eth0": "192.0.2.2", "eth1": "198.51.100.2"}
    ip(f"route add default via {gateways[best]} dev {best} metric 100")
    ip(f"route add default via {gateways[second]} dev {second} metric 200")


def rp_filter(device, value):
    Path(f"/proc/sys/net/ipv4/conf/{device}/rp_filter").write_text(str(value))


def test_rp_filter_of_an_uplink():
    two_ways()
    rp_filter("default", 1)
    rp_filter("all", 0)
    found = check("--uplink=eth0", status=0, finds="rp_filter The host has its better way out over eth1, and rp_filter is strict on s1")
    check("--uplink=eth1")  # what comes from afar goes out there, too
    check()
    make()
    check("--uplink=eth0", finds="rp_filter")
    helper("qnet-uplink", "add", "s1", "--name=s1", "--device=eth0", *[f"--keep-{a[2:]}" for a in SWITCH], says="eth0 is now")
    check("--uplink=eth0", finds="rp_filter")
    follow(found)
    check("--uplink=eth0")
    rp_filter("s1", 0)
    check("--uplink=eth0")
    rp_filter("all", 1)
    check("--uplink=eth0", finds="rp_filter strict on s1")
    rp_filter("all", 2)
    check("--uplink=eth0")


def test_rp_filter_of_two_ways_alike():
    veth("eth0", "192.0.2.1/24")
    veth("eth1", "198.51.100.1/24")
    ip("route add default nexthop via 192.0.2.2 dev eth0 nexthop via 198.51.100.2 dev eth1")
    rp_filter("default", 1)
    rp_filter("all", 1)
    check("--uplink=eth0")
    check("--uplink=eth1", "--nat")


def test_rp_filter_of_a_second_way_in():
    two_ways()
    rp_filter("eth0", 1)
    rp_filter("all", 0)
    found = check("--nat", status=0, finds="rp_filter strict on eth0: what comes in there from afar is dropped, also what Forward=")
    check()
    follow(found)
    check("--nat")
    rp_filter("eth0", 0)
    rp_filter("eth1", 1)
    check("--nat")


# ---- (f) uplinks ----

def test_what_cannot_be_an_uplink():
    veth("eth0")
    check("--uplink=eth9", finds="uplink There is no interface eth9 to be the uplink of switch s1")
    ip("link set lo name loop0")
    check("--uplink=loop0", finds="uplink Cannot make loop0 the uplink of switch s1: it is the loopback device")
    ip("link add br0 type bridge")
    check("--uplink=br0", finds="uplink it is a bridge; connect VMs to it by Bridge=")
    ip("link set eth0 master br0")
    check("--uplink=eth0", finds="uplink it is a port of br0 already; if that is a bridge, connect the VMs to it by Bridge=br0")
    ip("link set eth0 nomaster")
    switch("add", "s2", "--name=s2")
    helper("qnet-uplink", "add", "s2", "--name=s2", "--device=eth0")
    check("--uplink=eth0", finds='uplink eth0 is the uplink of switch s2; stop that first, by "systemctl stop qnet-uplink@s2"')
    helper("qnet-uplink", "del", "s2", "--name=s2")
    check("--uplink=eth0")
    make_tun("t0")
    check("--uplink=t0", finds="uplink it is a tap or tun device")


def test_a_wireless_uplink():
    veth("eth0")
    subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/class/net"], check=True)
    os.makedirs("/sys/class/net/eth0/phy80211")
    check("--uplink=eth0", finds="uplink it is wireless, and an access point takes frames of one MAC address only; use NAT=yes")


# ---- (a) firewalls ----

def needs_bridge_netfilter():
    if not os.path.exists("/proc/sys/net/bridge/bridge-nf-call-iptables"):
        subprocess.run(["modprobe", "br_netfilter"], capture_output=True)
    if not os.path.exists("/proc/sys/net/bridge/bridge-nf-call-iptables"):
        raise Skip("no br_netfilter in this kernel")
    for what in ("iptables", "ip6tables"):
        calls(what, 1)


def calls(what, value):
    Path(f"/proc/sys/net/bridge/bridge-nf-call-{what}").write_text(str(value))


def run(command):
    if not shutil.which(command.split()[0]):
        raise Skip(f"{command.split()[0]} is not installed")
    done = subprocess.run(command.split(), capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def two_guests():
    """Asserts whether the one reaches the other: over IPv4, and over IPv6"""
    guest, other = Node(), Node()
    guest.join("g7", ["10.9.0.7/24", "fd00::7/64"], master="s1")
    other.join("g8", ["10.9.0.8/24", "fd00::8/64"], master="s1")
    wait_until(lambda: guest.ask("ping", "10.9.0.1") and guest.ask("ping", "fd00::1"))

    def reaches(*expected):
        for address, wanted in zip(("10.9.0.8", "fd00::8"), expected, strict=True):
            got = guest.ask("ping", address, seconds=5 if wanted else 0.3)
            assert bool(got) == wanted, (address, got)
    return reaches


def test_bridge_netfilter_and_docker():
    needs_bridge_netfilter()
    make()
    reaches = two_guests()
    check()
    reaches(True, True)
    nft("-f -", DOCKER.strip())
    reaches(False, True)
    found = check(status=1, finds="firewall The table ip filter drops what guests send to each other over s1, to which br_netfilter "
                                  "hands it (net.bridge.bridge-nf-call-iptables)")
    warns("The table ip filter drops what guests send to each other over s1")
    run("iptables-nft -S DOCKER-USER")
    follow(found)
    reaches(True, True)
    check()
    make()


def test_bridge_netfilter_turned_off():
    needs_bridge_netfilter()
    nft("-f -", DOCKER.strip() + "\n" + DOCKER.strip().replace(" ip ", " ip6 "))
    make_words = ("firewall The table ip filter drops", "firewall The table ip6 filter drops")
    check(finds=make_words)
    calls("ip6tables", 0)
    check(finds=make_words[0])
    calls("iptables", 0)
    check()
    make()
    two_guests()(True, True)


def test_bridge_netfilter_and_iptables():
    """As iptables-nft writes it, with what nftables has no words for"""
    needs_bridge_netfilter()
    run("iptables-nft -P FORWARD DROP")
    run("iptables-nft -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    run("iptables-nft -A FORWARD -i docker0 -j ACCEPT")
    check(finds="firewall The table ip filter drops")
    run("iptables-nft -A FORWARD -m physdev --physdev-is-bridged -j ACCEPT")
    check()
    check("--nat", finds="firewall The table ip filter drops what is forwarded for the guests behind s1")
    run("iptables-nft -P FORWARD ACCEPT")
    run("iptables-nft -F FORWARD")
    check("--nat")
    run("iptables-nft -A FORWARD -j REJECT --reject-with icmp-host-prohibited")
    check(finds="firewall The table ip filter drops what guests")
    run("iptables-nft -I FORWARD -m limit --limit 1/s -j LOG")
    run("iptables-nft -I FORWARD -i s+ -o s+ -j ACCEPT")
    check()


def test_bridge_netfilter_and_a_firewall_of_ones_own():
    needs_bridge_netfilter()
    make()
    reaches = two_guests()
    nft("-f -", """add table inet filter
add chain inet filter forward { type filter hook forward priority 0; policy drop; }
add rule inet filter forward ct state established,related accept""")
    reaches(False, False)
    found = check(finds="firewall The chain forward of the table inet filter drops what guests send")
    follow(found)
    reaches(True, True)
    check()


def test_bridge_netfilter_and_ufw_and_firewalld():
    needs_bridge_netfilter()
    nft("-f -", UFW.strip())
    check(finds="firewall ufw drops what guests send to each other over s1, to which br_netfilter hands it "
                "(net.bridge.bridge-nf-call-iptables); to let it pass: ufw route allow in on s1 out on s1")
    nft("flush ruleset")
    nft("-f -", FIREWALLD.strip())
    check(finds="firewall firewalld rejects what guests send")


def legacy(command, six=""):
    if not os.path.exists(f"/proc/net/ip{six}_tables_names"):
        subprocess.run(["modprobe", f"ip{six}table_filter"], capture_output=True)
    if not os.path.exists(f"/proc/net/ip{six}_tables_names"):
        raise Skip("no iptables-legacy in this kernel")
    run(f"ip{six}tables-legacy {command}")


def test_bridge_netfilter_and_iptables_legacy():
    needs_bridge_netfilter()
    make()
    reaches = two_guests()
    legacy("-P FORWARD DROP")
    legacy("-N DOCKER-USER")
    legacy("-N DOCKER")
    legacy("-A DOCKER-USER -j RETURN")
    legacy("-A FORWARD -j DOCKER-USER")
    legacy("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    legacy("-A FORWARD -s 10.0.0.0/8 -j LOG")
    legacy("-A FORWARD -i docker0 -j ACCEPT")
    legacy("-A FORWARD -o docker0 -j DOCKER")
    legacy("-A DOCKER -j ACCEPT")
    reaches(False, True)
    found = check(finds="firewall The table ip filter of iptables-legacy drops what guests send to each other over s1")
    follow(found)
    reaches(True, True)
    check()
    legacy("-D DOCKER-USER -i s1 -o s1 -j ACCEPT")
    for rule in ("FORWARD -i s+ -j DOCKER", "FORWARD ! -i docker0 -g DOCKER", "FORWARD -o s1 -j ACCEPT"):
        legacy(f"-A {rule}")
        check()
        legacy(f"-D {rule}")
        check(finds="firewall")
    legacy("-I DOCKER -i s1 -j RETURN")
    legacy("-A FORWARD -i s1 -j DOCKER")
    check(finds="firewall")
    legacy("-A FORWARD -i s1 -g DOCKER-USER")
    legacy("-A FORWARD -j ACCEPT")
    check(finds="firewall")  # what is gone to does not come back
    legacy("-F FORWARD")
    legacy("-P FORWARD ACCEPT")
    check()
    legacy("-A FORWARD -j REJECT")
    check(finds="firewall")


def test_bridge_netfilter_and_ip6tables_legacy():
    needs_bridge_netfilter()
    make()
    reaches = two_guests()
    legacy("-P FORWARD DROP", "6")
    legacy("-A FORWARD -i docker0 -j ACCEPT", "6")
    reaches(True, False)
    found = check(finds="firewall The table ip6 filter of iptables-legacy drops what guests")
    follow(found)
    reaches(True, True)
    check()
    check("--nat", finds="firewall The table ip6 filter of iptables-legacy drops what is forwarded for the guests behind s1")


def test_a_firewall_before_nat():
    if os.path.exists("/proc/sys/net/bridge"):
        calls("iptables", 0), calls("ip6tables", 0)
    nft("-f -", DOCKER.strip())
    check()
    found = check("--nat", status=1, finds="firewall The table ip filter drops what is forwarded for the guests behind s1")
    run("iptables-nft -S DOCKER-USER")
    follow(found)
    check("--nat")
    nft("flush ruleset")
    nft("-f -", DOCKER.strip().replace(" ip ", " ip6 "))
    check("--nat", finds="firewall The table ip6 filter drops")
    check("--nat", switch_words=SWITCH[:1])


# ---- how it is said ----

def test_colour_on_a_terminal_only():
    veth("eth1", "10.9.0.1/24")
    words = [program("qnet-switch"), "check", "s1", "--name=s1", *SWITCH]
    plain = subprocess.run(words, capture_output=True, text=True)
    assert plain.returncode == 1 and plain.stdout.startswith("error: The host has") and not plain.stderr, plain
    ours, theirs = pty.openpty()
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert os.read(ours, 4096).startswith(b"\x1b[1;31merror:\x1b[0m The host has")


def test_what_cannot_be_asked():
    """Without privilege the firewall is unknown, the rest is not"""
    needs_bridge_netfilter()
    veth("eth1", "10.9.0.1/24")
    done = switch("check", "s1", "--name=s1", *SWITCH, user=65534, status=1)
    assert "address 10.9.0.1" in done.out and "warning: Cannot tell whether a firewall of the host is in the way: Operation not "\
        "permitted; ask as root\n" in done.out, done


def test_bad_arguments():
    switch("check", "a/b", "--name=s1", status=2, says="a/b")
    switch("check", "s1", "--name=s1", "--uplink=a/b", status=2, says="--uplink=a/b ")
    switch("check", "s1", "--nat", status=2, says="Without --name=")
    switch("check", "s1", "--name=s1", "--hub", "--ageing=5", status=2, says="do not go together")
    switch("add", "s1", "--name=s1", "--nat", status=2, says="add does not take --nat")
    switch("del", "s1", "--name=s1", "--json", status=2, says="del does not take --json")


def test_without_systemd():
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    switch("check", "s1", status=1, says="Cannot ask systemd for the unit of switch s1", env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/none"})
