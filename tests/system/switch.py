# SPDX-License-Identifier: LGPL-2.1-or-later
"""Switches and what belongs to them: the cable between two, the servers of one for guests on the other, tunnels, and
switches that are processes."""
import grp
import stat
import struct
from qnettest import *

SECONDS = 15
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24 fd00:9::1/64
DHCP=yes
DNS=yes
Domain=lab.example
RouterAdvertisement=yes
Trunk=s2

[Switch s2]
Lab=lan

[VM host1]
System=tiny
Switch=s1

[VM host2]
System=tiny
Switch=s2
Lab=lan

[Switch x1]
VXLAN=42
VXLANPeer=127.0.0.7 127.0.0.8
VXLANLocal=127.0.0.1
Autostart=yes

[Switch n1]
Address=10.7.0.1/24 fd00:7::1/64
NAT=yes
Autostart=yes

[VM host3]
System=tiny
KernelCommandLine=addr=10.77.0.3/24
[Interface]
Type=vde
Switch=v1
MACAddress=52:54:00:00:00:33

[Switch u1]
Uplink=up0
Autostart=yes

[Switch v1]
Type=vde
Autostart=yes
"""


def resolve(name, server="10.9.0.1"):
    """The address of a name, or None"""
    question = b"".join(bytes([len(w)]) + w.encode() for w in name.split(".")) + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + question, (server, 53))
        answer = s.recv(2000)
    return socket.inet_ntoa(answer[-4:]) if answer[6:8] == b"\0\1" else None


def units():
    return set(sh("systemctl list-units --plain --no-legend 'qnet-*@*' 'qemu-vm@*' | cut -d' ' -f1").split())


def ports(bridge):
    return set(os.listdir(f"/sys/class/net/{bridge}/brif"))


def test_boot_guest_at_the_other_end_of_the_cable():
    configure(lab=CONFIG)
    start("qnet-lab@lan.target")
    assert units() >= {"qnet-switch@s1.service", "qnet-dhcp@s1.service", "qnet-trunk@tr-s1-s2.service"}, units()
    assert ports("s1") == {"tr-s1-s2"} and ports("s2") == {"tr-s2-s1", "tap-host2"}
    host2 = leased("host2", "s1")
    host2.wait()


def test_names():
    host2 = leased("host2", "s1")
    assert resolve("host2") == host2.ip
    assert resolve("host2.lab.example") == host2.ip
    assert resolve("host3.lab.example") is None


def test_second_guest_reaches_the_first():
    start(vm("host1"))
    host1 = leased("host1", "s1").wait()
    ip = leased("host2", "s1").ip
    assert host1.sh(f"ping -c 1 -W 20 {ip} >/dev/null && echo yes") == "yes"
    # one server, and one cable, of both
    stop(vm("host1"))
    assert show("qnet-trunk@tr-s1-s2.service", "ActiveState") == "active"
    assert leased("host2", "s1").answers(10)


def test_server_and_cable_go_on_without_harm_to_the_guest():
    pid = qemu_pid("host2")
    sh("systemctl restart qnet-dhcp@s1.service qnet-trunk@tr-s1-s2.service")
    assert ports("s2") == {"tr-s2-s1", "tap-host2"}
    assert qemu_pid("host2") == pid
    wait_for("the guest", leased("host2", "s1").answers)
    sh("systemctl reload qnet-switch@s1.service")
    assert "10.9.0.1/24" in sh("ip addr show dev s1")
    assert leased("host2", "s1").answers(10)


def test_all_stop_with_the_last_guest():
    stop(vm("host2"))
    # the lab has a switch, that a cable, and that another end
    wait_for("other units to stop", lambda: units() == {"qnet-lab@lan.target", "qnet-switch@s2.service",
                                                        "qnet-trunk@tr-s1-s2.service", "qnet-switch@s1.service"})
    stop("qnet-lab@lan.target")
    wait_for("all units to stop", lambda: not units())
    assert not sh("ls /sys/class/net | grep -E '^(tr-|s1|s2|tap)'", check=False)


def test_tunnel():
    start("qnet-vxlan@x1.service")
    assert ports("x1") == {"vx-x1"}
    assert "id 42 local 127.0.0.1" in sh("ip -d link show dev vx-x1")
    assert {"127.0.0.7", "127.0.0.8"} <= set(re.findall(r"dst (\S+)", sh("bridge fdb show dev vx-x1")))
    stop("qnet-switch@x1.service")
    assert not units()
    assert not sh("ls /sys/class/net | grep -E '^(vx-|x1)'", check=False)


def check(name, status=0):
    """[kind, message] of what qnet-switch finds, by the units of the switch"""
    done = subprocess.run([f"{HELPERS}/qnet-switch", "check", name, "--json"], capture_output=True, text=True)
    assert done.returncode == status, done
    return [(f["kind"], f["message"]) for f in json.loads(done.stdout or "null") or []] or done.stderr


def test_check_of_a_configured_switch():
    assert check("n1") == check("s1") == check("v1") == ""
    assert "no [Switch nobody] is configured" in check("nobody", 1)
    configure(lab=CONFIG, bad="[Switch bad]\nMTU=wide\n")
    assert "mistakes in its configuration, see: systemctl status qnet-switch@bad" in check("bad", 1)
    configure(lab=CONFIG)
    kind, message = check("u1", 1)[0]
    assert kind == "uplink" and "There is no interface up0 to be the uplink of switch u1" in message
    # the address is the unit's, and so is the NAT
    sh("ip link add clash0 type veth peer name clash1 && ip addr add 10.7.0.9/24 dev clash0 && ip link set clash0 up")
    sh("nft add table inet mine && nft 'add chain inet mine f { type filter hook forward priority 0; policy drop; }' && "
       "nft add rule inet mine f iifname n1 oifname n1 accept && nft add rule inet mine f iifname != n1 accept")
    (route, message), (firewall, second) = check("n1", 1)
    assert route == "route" and "The host routes 10.7.0.0/24 to clash0" in message
    assert firewall == "firewall" and "what is forwarded for the guests behind n1" in second
    assert check("s1") == ""


def test_a_start_warns_of_what_is_in_the_way():
    start("qnet-switch@n1.service")
    said = [e for e in journal("_SYSTEMD_UNIT=qnet-switch@n1.service") if e["PRIORITY"] == "4"]
    assert any("The host routes 10.7.0.0/24 to clash0" in e["MESSAGE"] for e in said), said
    stop("qnet-switch@n1.service")
    sh("ip link del clash0; nft delete table inet mine")


def test_nat():
    forwarding = Path("/proc/sys/net/ipv4/conf/n1/forwarding")
    start("qnet-nat@n1.service")
    assert "inet qnet-nat-n1" in sh("nft list tables")
    assert forwarding.read_text() == "1\n"
    sh("systemctl reload qnet-nat@n1.service")
    assert "inet qnet-nat-n1" in sh("nft list tables")
    stop("qnet-switch@n1.service")
    assert not units()
    assert "qnet" not in sh("nft list tables")


def test_uplink():
    sh("ip link add up0 type veth peer name up1 && ip addr add 192.0.2.5/24 dev up0 && ip link set up0 up && "
       "ip link set up1 up && ip route add 198.51.100.0/24 via 192.0.2.1")
    start("qnet-uplink@u1.service")
    assert ports("u1") == {"up0"}
    assert "192.0.2.5/24" in sh("ip addr show dev u1")
    assert "via 192.0.2.1 dev u1" in sh("ip route show 198.51.100.0/24")
    sh("systemctl reload qnet-switch@u1.service qnet-uplink@u1.service")
    assert "192.0.2.5/24" in sh("ip addr show dev u1")
    stop("qnet-switch@u1.service")
    assert not units()
    assert "192.0.2.5/24" in sh("ip addr show dev up0")
    assert "via 192.0.2.1 dev up0" in sh("ip route show 198.51.100.0/24")
    # without the interface there is nothing to do
    start("qnet-uplink@u1.service")
    sh("ip link del up1")
    wait_for("the uplink to end", lambda: show("qnet-uplink@u1.service", "ActiveState") == "inactive")
    stop("qnet-switch@u1.service")


# ---- Type=vde ----

def plug(group):
    """A port that speaks vde_plug's language: a length of two bytes, and the frame."""
    child = subprocess.Popen(["setpriv", "--reuid=nobody", "--regid=nogroup", f"--groups={group}", "--inh-caps=-all",
                              "vde_plug", "-g", "qnet-vde", "-m", "0660", "/run/qnet/switch/v1/ctl"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.set_blocking(child.stdout.fileno(), False)
    return child


def test_vde_switch():
    if not succeeds("command -v vde_switch vde_plug"):
        raise Skip("vde_switch is not installed")
    start("qnet-switch@v1.service")
    directory, socket_ = os.stat("/run/qnet/switch/v1/ctl"), os.stat("/run/qnet/switch/v1/ctl/ctl")
    group = grp.getgrnam("qnet-vde").gr_gid
    assert stat.S_IMODE(directory.st_mode) == 0o770 and directory.st_gid == group
    assert stat.S_IMODE(socket_.st_mode) == 0o660 and socket_.st_gid == group
    wait_for("the console", lambda: os.path.exists("/run/qnet/switch/v1/mgmt"))
    assert stat.S_IMODE(os.stat("/run/qnet/switch/v1/mgmt").st_mode) & 0o077 == 0
    pid = int(show("qnet-switch@v1.service", "MainPID"))
    status = Path(f"/proc/{pid}/status").read_text()
    assert int(re.search(r"^Uid:\t(\d+)", status, re.M)[1]) != 0
    assert re.search(r"^CapEff:\t0+$", status, re.M)

    plugs = [plug("qnet-vde"), plug("qnet-vde")]
    time.sleep(1)
    frame = b"\xff" * 6 + b"\x52\x54\0\0\0\1" + b"\x88\xb5" + bytes(50)

    def passes():
        plugs[0].stdin.write(struct.pack("!H", len(frame)) + frame)
        plugs[0].stdin.flush()
        return frame in (plugs[1].stdout.read() or b"")

    wait_for("a frame from plug to plug", passes, 30)
    for p in plugs:
        p.kill()
        p.wait()


def test_guest_on_vde_switch():
    if not succeeds("command -v vde_switch vde_plug"):
        raise Skip("vde_switch is not installed")
    start(vm("host3"))
    child = plug("qnet-vde")
    mac = bytes.fromhex("525400000001")
    frame = (b"\xff" * 6 + mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac +
             socket.inet_aton("10.77.0.1") + bytes(6) + socket.inet_aton("10.77.0.3") + bytes(18))

    def answers():
        child.stdin.write(struct.pack("!H", len(frame)) + frame)
        child.stdin.flush()
        time.sleep(.5)
        return bytes.fromhex("525400000033") + socket.inet_aton("10.77.0.3") in (child.stdout.read() or b"")

    wait_for("the guest to answer", answers)
    child.kill()
    child.wait()
    stop(vm("host3"))


def test_vde_is_for_its_group():
    if not succeeds("command -v vde_switch vde_plug"):
        raise Skip("vde_switch is not installed")
    stranger = plug("qnet")
    assert stranger.wait(30) != 0


def test_vde_stops():
    stop("qnet-switch@v1.service")
    assert show("qnet-switch@v1.service", "Result") == "success"
    assert not os.path.exists("/run/qnet/switch/v1")


def test_security_of_the_units():
    for unit in ("qnet-trunk@tr-s1-s2.service", "qnet-vxlan@x1.service", "qnet-nat@n1.service", "qnet-uplink@u1.service",
                 "qnet-dhcp@s1.service", "qnet-switch@v1.service", "qnet-switch@s1.service"):
        text = sh(f"systemd-analyze security --no-pager {unit} | tail -n 1", check=False)
        level = float(re.search(r"Overall exposure level.*: ([\d.]+)", text)[1])
        print(f"{unit}: {level}")
        assert level <= 2.0, f"{unit}: {level}"


main()
