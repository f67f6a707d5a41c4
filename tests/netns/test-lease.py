# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-lease, as dnsmasq would call it, and called by dnsmasq"""
import random

from lab import *  # noqa: F403


def test_add_and_del():
    make_lab()
    lease("add", MAC2, "10.9.0.7", "host", interface="s1")
    assert neighbours("s1") == {"10.9.0.7": (MAC2, "PERMANENT")}
    lease("old", MAC2.upper(), "10.9.0.7", interface="s1")
    lease("add", MAC, "10.9.0.8", interface="s1")
    lease("del", MAC2, "10.9.0.7", "host", interface="s1")
    assert neighbours("s1") == {"10.9.0.8": (MAC, "PERMANENT")}
    lease("del", MAC2, "10.9.0.7", "host", interface="s1")


def test_add_takes_over():
    make_lab()
    ip(f"neigh add 10.9.0.7 lladdr {MAC2} dev s1 nud stale")
    lease("add", MAC, "10.9.0.7", interface="s1")
    assert neighbours("s1") == {"10.9.0.7": (MAC, "PERMANENT")}


def test_del_only_of_the_same_guest():
    make_lab()
    lease("add", MAC2, "10.9.0.7", interface="s1")
    lease("del", "52:54:00:00:00:77", "10.9.0.7", interface="s1")
    assert "10.9.0.7" in neighbours("s1")
    ip(f"neigh replace 10.9.0.7 lladdr {MAC2} dev s1 nud reachable")
    lease("del", MAC2, "10.9.0.7", interface="s1")
    assert "10.9.0.7" in neighbours("s1"), "an entry that the guest made itself is none of the lease"


def test_del_leaves_a_guest_that_is_there():
    make_lab()
    lease("add", MAC, "10.9.0.7", interface="s1")
    lease("add", MAC2, "10.9.0.8", interface="s1")
    lease("del", MAC, "10.9.0.7", interface="s1")
    lease("del", MAC2, "10.9.0.8", interface="s1")
    assert neighbours("s1") == {"10.9.0.7": (MAC, "PERMANENT")}, "a frozen guest cannot renew"
    tap("del", "tap-a")
    assert neighbours("s1") == {}


def test_without_interface_the_route_tells():
    make_lab()
    lease("old", MAC2, "10.9.0.7")
    assert neighbours("s1") == {"10.9.0.7": (MAC2, "PERMANENT")}
    lease("del", MAC2, "10.9.0.7", env={"DNSMASQ_INTERFACE": ""})
    assert neighbours("s1") == {}
    lease("old", MAC, "203.0.113.1", status=1, says="Cannot tell the bridge of the lease of 203.0.113.1")


def test_only_bridges_are_touched():
    make_lab()
    ip("link add v0 type veth peer name v1")
    ip("link set v0 up")
    lease("add", MAC, "10.9.0.7", interface="v0")
    assert neighbours("v0") == {}
    lease("add", MAC2, "10.9.0.7", interface="gone", status=1, says="No such device")


def test_ipv6_leases():
    make_lab()
    duid = "00:01:00:01:2c:11:22:33:52:54:00:00:00:07"
    lease("add", duid, "fd00::7", interface="s1", env={"DNSMASQ_MAC": MAC2})
    assert neighbours("s1") == {"fd00::7": (MAC2, "PERMANENT")}
    lease("del", duid, "fd00::7", interface="s1", env={"DNSMASQ_MAC": MAC2})
    lease("add", duid, "fd00::8", interface="s1")
    assert neighbours("s1") == {}


def test_other_verbs_and_hardware_are_ignored():
    make_lab()
    for words in (["init"], ["tftp", "100", "10.9.0.7", "/f"], ["relay-snoop", "10.9.0.7", "s1", "fd00::/64"],
                  ["arp-add", MAC, "10.9.0.7"], ["arp-del", MAC, "10.9.0.7"],
                  ["add", "06-01:23:45:67:89:ab", "10.9.0.7"]):
        lease(*words, interface="s1")
    assert neighbours("s1") == {}


def test_hostile_arguments():
    make_lab()
    for words in (["add"], ["add", MAC], ["add", "x", "10.9.0.7"], ["add", MAC, "10.9.0.7/24"], ["add", MAC, ""],
                  ["add", "ff:ff:ff:ff:ff:ff", "10.9.0.7"], ["add", "--help=", MAC, "10.9.0.7"], []):
        done = subprocess.run([program("qnet-lease"), *words], capture_output=True, env={"DNSMASQ_INTERFACE": "s1"})
        assert done.returncode == 2, (words, done)
    lease("add", MAC, "10.9.0.7", "--help; $(reboot) %s\n", interface="s1")
    lease("add", MAC, "10.9.0.9", interface="../../etc", status=1, says="No such device")
    assert neighbours("s1") == {"10.9.0.7": (MAC, "PERMANENT")}


# ---- dnsmasq itself; the guest's side is RFC 2131 by hand ----

def udp(payload):
    length = 8 + len(payload)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + header[12:]
    return header + struct.pack("!HHHH", 68, 67, length, 0) + payload


def dhcp_send(guest, kind, xid, options=b"", own_ip="0.0.0.0"):
    bootp = struct.pack("!BBBBIHH4s4s4s4s16s192x", 1, 1, 6, 0, xid, 0, 0x8000, socket.inet_aton(own_ip), bytes(4), bytes(4),
                        bytes(4), mac_bytes(guest.mac))
    guest.send(udp(bootp + b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + options + b"\xff"), 0x0800)


def dhcp_reply(guest, xid):
    """(kind, address offered)"""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for f in guest.frames(0.1):
            bootp = f[14 + 20 + 8:]
            if f[12:14] == b"\x08\x00" and f[23] == 17 and f[36:38] == b"\x00\x44" and bootp[4:8] == struct.pack("!I", xid):
                options = bootp[240:]
                assert options[0] == 53, options
                return options[2], socket.inet_ntoa(bootp[16:20])
    raise AssertionError("dnsmasq does not answer")


def dhcp(guest, options=b""):
    """The address that it got"""
    xid = random.getrandbits(32)
    dhcp_send(guest, 1, xid, options)
    kind, address = dhcp_reply(guest, xid)
    assert kind == 2, kind
    server = b"\x36\x04" + socket.inet_aton("10.9.0.1")
    dhcp_send(guest, 3, xid, b"\x32\x04" + socket.inet_aton(address) + server + options)
    kind, address = dhcp_reply(guest, xid)
    assert kind == 5, kind
    return address


def start_dnsmasq():
    if not shutil.which("dnsmasq"):
        raise Skip("dnsmasq is not installed")
    child = subprocess.Popen(
        ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--port=0", "--interface=s1", "--user=root",
         "--bind-interfaces", "--dhcp-authoritative", "--dhcp-ignore-clid", "--no-ping", "--log-facility=-",
         f"--dhcp-leasefile={path('leases')}", f"--dhcp-script={program('qnet-lease')}",
         "--dhcp-range=10.9.0.10,10.9.0.20,1h"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=open(path("dnsmasq.log"), "w"))
    children.append(child)
    wait_until(lambda: "DHCP, IP range" in path("dnsmasq.log").read_text())
    return child


def test_every_lease_of_dnsmasq_is_a_neighbour():
    make_lab()
    server = start_dnsmasq()
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    address = dhcp(guest)
    wait_until(lambda: neighbours("s1").get(address) == (MAC, "PERMANENT"))

    # the reaper deletes it, the guest boots again, and has the same lease
    arp("del", address)
    assert dhcp(guest) == address
    wait_until(lambda: neighbours("s1").get(address) == (MAC, "PERMANENT"))

    # the server starts anew, with the leases of its file
    arp("del", address)
    server.terminate()
    server.wait(5)
    server = start_dnsmasq()
    wait_until(lambda: neighbours("s1").get(address) == (MAC, "PERMANENT"))

    # released, but the guest is there
    dhcp_send(guest, 7, 1, b"\x36\x04" + socket.inet_aton("10.9.0.1"), address)
    wait_until(lambda: MAC not in path("leases").read_text())
    assert neighbours("s1").get(address) == (MAC, "PERMANENT")
    guest.close()
    tap("del", "tap-a")
    assert address not in neighbours("s1")
    server.terminate()


def test_no_lease_in_the_name_of_another():
    make_lab()
    tap("add", "tap-b", "--vm=b", f"--mac={MAC2}", "--bridge=s1")
    server = start_dnsmasq()
    victim, thief = Guest("tap-a"), Guest("tap-b", MAC2)
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"] and "LOWER_UP" in link("tap-b")["flags"])
    address = dhcp(victim, b"\x3d\x07\x01" + mac_bytes(MAC))
    thief.mac = MAC
    assert dhcp(thief, b"\x3d\x06\x00thief") == address, "the victim's MAC has a second address"
    wait_until(lambda: neighbours("s1").get(address) == (MAC, "PERMANENT"))
    server.terminate()
