# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network cards without a bridge: two guests joined by every kind of link that QEMU has, reached through forwarded ports;
one with a tap of its own; one without any card; plugs that are pulled."""
from qnettest import *

SECONDS = 20
GUEST = """
[VM {name}]
System=tiny
KernelCommandLine=addr1=10.1.0.{n}/24 addr2=10.2.0.{n}/24 addr3=10.3.0.{n}/24 addr4=10.4.0.{n}/24 addr5=10.5.0.{n}/24
[Interface]
Type=user
Forward=tcp:127.0.0.1:700{n}:7
[Interface]
Type=multicast
Remote=239.9.0.1:4000
Model={model}
[Interface]
Type=stream
{stream}
[Interface]
Type=dgram
Local=127.0.0.1:400{n}
Remote=127.0.0.1:400{m}
[Interface]
Type=vde
Socket=/srv/vde
[Interface]
Type=vde
Switch=v1
"""
CONFIG = (TINY + GUEST.format(name="left", n=1, m=2, stream="Remote=127.0.0.1:4010", model="virtio")
          + GUEST.format(name="right", n=2, m=1, stream="Local=127.0.0.1:4010", model="virtio") + """
[Switch v1]
Type=vde

[VM alone]
System=tiny
[Interface]
Type=none

[VM routed]
System=tiny
CPUs=2
KernelCommandLine=addr=10.8.0.2/30
[Interface]
HostAddress=10.8.0.1/30
Address=10.8.0.2
Queues=2
VHost=auto
[Interface]
HostAddress=10.8.1.1/30
Link=down

[VM fixed]
System=tiny
[Interface]
Type=user
Address=10.77.0.9
Forward=tcp:7003:7

[VM forced]
System=tiny
[Interface]
HostAddress=10.8.2.1/30
VHost=yes
""")
guests = {}


def test_boot():
    sh("ip link set lo up; install -d -o nobody /srv/vde")
    sh("systemd-run -q --unit=foreign-vde -p User=nobody -p ReadWritePaths=/srv/vde -p Type=forking "
       "vde_switch --daemon --sock /srv/vde --dirmode 0777 --mode 0666")
    configure(lab=CONFIG)
    start(*(vm(n) for n in ("left", "alone", "routed", "fixed")))
    # who connects takes who listens with it, and comes after it
    assert show(vm("right"), "ActiveState") == "active"
    for n, name in enumerate(("left", "right", "fixed"), 1):
        guests[name] = Guest(name, "127.0.0.1", 7000 + n)
        wait_for(f"the shell of {name}", guests[name].who)
    guests["routed"] = Guest("routed", "10.8.0.2").wait()


def pings(guest, ip):
    return " 0% packet loss" in guest.sh(f"ping -c 2 -W 2 {ip}")


def linked(net):
    left, right = guests["left"], guests["right"]
    assert left.sh("hostname") == "left" and right.sh("hostname") == "right"
    wait_for(f"left to reach right by 10.{net}", lambda: pings(left, f"10.{net}.0.2"), timeout=60)
    assert pings(right, f"10.{net}.0.1")
    # a shell there, and more than fits in a frame
    text = left.sh(f"printf 'hostname\\nhead -c 100000 /dev/zero\\nexit\\n' | nc 10.{net}.0.2 7 | tr -d '\\0' ; "
                   f"printf 'head -c 100000 /dev/zero\\nexit\\n' | nc 10.{net}.0.2 7 | wc -c")
    assert text.split() == ["right", "100000"], text


def test_multicast():
    linked(1)


def test_stream():
    linked(2)


def test_dgram():
    linked(3)


def test_vde():
    linked(4)


def test_vde_switch_of_ours():
    linked(5)
    assert show("qnet-switch@v1.service", "ActiveState") == "active"


def test_multicast_stays_on_this_host():
    sh("ip link add out type veth peer name back && ip addr add 192.0.2.1/24 dev out && ip link set out up && ip link set back up")
    sh("ip route add default via 192.0.2.2")
    ours = [link["ifname"] for link in json.loads(sh("ip -j maddr show")) for m in link["maddr"] if m.get("address") == "239.9.0.1"]
    assert ours == ["lo"], f"member of the group by {ours}"


def test_user():
    text = guests["left"].sh("ip -4 addr show dev eth0; ip route")
    assert "10.0.2.15/24" in text and "default via 10.0.2.2" in text, text
    text = guests["fixed"].sh("ip -4 addr show dev eth0; ip route")
    assert "10.77.0.9/24" in text and "default via 10.77.0.2" in text, text
    # the host is .2, and hears the guest on its loopback
    server = socket.create_server(("127.0.0.1", 8099))
    server.settimeout(60)
    guests["fixed"].sh("echo from-the-guest | nc -w 5 10.77.0.2 8099 >/dev/null 2>&1 &")
    connection, _ = server.accept()
    connection.settimeout(30)
    assert connection.recv(100) == b"from-the-guest\n"
    # without an address of the host: all of them
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.close()
    listening = sh("ss -Hltn")
    assert "0.0.0.0:7003" in listening and "127.0.0.1:7001" in listening and "0.0.0.0:7001" not in listening, listening


def monitor(name, *commands):
    """What QEMU answers to these commands of its human monitor."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"/run/qnet/vm/{name}/qmp")
        stream = s.makefile("rw")
        stream.readline()
        text = ""
        for command in ({"execute": "qmp_capabilities"}, *({"execute": "human-monitor-command", "arguments": {"command-line": c}}
                                                           for c in commands)):
            stream.write(json.dumps(command) + "\n")
            stream.flush()
            while True:
                answer = json.loads(stream.readline())
                if "return" in answer:
                    break
            text += str(answer["return"])
        return text


def test_none():
    assert show(vm("alone"), "ActiveState") == "active"
    assert monitor("alone", "info network").strip() in ("", "{}"), monitor("alone", "info network")
    assert "eth0" in guests["left"].sh("ls /sys/class/net")


def test_host_address():
    guest = guests["routed"]
    assert "10.8.0.1/30" in sh("ip -4 -o addr show dev tap-routed")
    assert pings(guest, "10.8.0.1")
    assert not json.loads(sh("ip -j link show tap-routed"))[0].get("master")
    # of the guest's fixed address: found at once when the guest is frozen
    assert "PERMANENT" in entry("10.8.0.2", "tap-routed")


def test_queues():
    assert json.loads(sh("ip -d -j link show tap-routed"))[0]["linkinfo"]["info_data"]["multi_queue"] is True
    queues = guests["routed"].sh("ls /sys/class/net/eth0/queues")
    assert "rx-1" in queues and "tx-1" in queues, queues
    assert "mq=on,vectors=6" in sh(f"tr '\\0' ' ' </proc/{qemu_pid('routed')}/cmdline")


def test_vhost():
    there = os.path.exists("/dev/vhost-net")
    line = sh(f"tr '\\0' ' ' </proc/{qemu_pid('routed')}/cmdline")
    assert f"vhost={'on' if there else 'off'} " in line, line
    if not there:
        assert not succeeds(f"systemctl start {vm('forced')}")
        text = wait_for("a word about vhost", lambda: sh(f"journalctl -b --no-pager -u {vm('forced')} | grep vhost-net", check=False))
        assert "modprobe vhost_net" in text, text


def test_link_down():
    guest = guests["routed"]
    guest.sh("ip link set eth1 up")
    assert guest.sh("cat /sys/class/net/eth0/carrier") == "1"
    assert guest.sh("cat /sys/class/net/eth1/carrier") == "0"
    sh(f"{HELPERS}/qnet-monitor link /run/qnet/vm/routed/qnet.qmp net1 up")
    wait_for("carrier", lambda: guest.sh("cat /sys/class/net/eth1/carrier") == "1")


def test_stop_leaves_nothing():
    stop(*(vm(n) for n in ("left", "right", "alone", "routed", "fixed")))
    wait_for("the taps to go", lambda: not [i for i in interfaces() if i.startswith("tap")])
    assert not list(Path("/run/qnet/vm").glob(".*.env"))
    wait_for("the switch to go", lambda: show("qnet-switch@v1.service", "ActiveState") == "inactive")
    failed = sh("systemctl --failed --plain --no-legend | awk '{print $1}'").split()
    assert set(failed) <= {vm("forced")}, failed


main()
