# SPDX-License-Identifier: LGPL-2.1-or-later
"""What qnet-nat says of firewalls of the host. What it says to type is typed, and then the guests do reach out."""
import re

from firewalls import DOCKER, FIREWALLD, UFW
from routed import *  # noqa: F403

OWN = """
add table inet filter
add chain inet filter forward { type filter hook forward priority filter; policy drop; }
add rule inet filter forward ct state vmap { established : accept, related : accept, invalid : drop }
add rule inet filter forward iifname lan0 accept
"""


def make(rules=""):
    switch("add", "s1", "--name=s1", "--address=10.9.0.1/24", "--address=fd00::1/64")
    nft("-f -", "\n".join(rules.strip().splitlines()))


def add(says="", *words):
    return helper("qnet-nat", "add", "s1", "--device=s1", *words, says=says).err


def follow(err):
    """Types what stands behind the last colon of the sentence; there is no iptables here, so in the words of nft"""
    commands = err.strip().split("to let it pass: ")[1].split("; ")
    for command in commands:
        m = re.fullmatch(r"(ip6?)tables -I (\S+) -(i|o) s1( -m conntrack --ctstate RELATED,ESTABLISHED,DNAT)? -j ACCEPT",
                         command)
        if m:
            state = " ct state related,established" if m[4] else ""
            command = f"nft insert rule {m[1]} filter {m[2]} {m[3]}ifname s1{state} counter accept"
        assert command.startswith("nft "), command
        nft(command.removeprefix("nft "))


def asks(seconds):
    guest = guest_on("s1", 7)
    server_on("e0")
    return guest, lambda: (guest.ask("tcp", "192.0.2.2", seconds=seconds), guest.ask("tcp", "2001:db8::2", seconds=seconds))


def test_no_firewall():
    make()
    add()


def test_docker():
    make(DOCKER)
    guest, ask = asks(0.5)
    err = add("The table ip filter drops what is forwarded for the guests behind s1")
    assert "iptables -I DOCKER-USER -i s1 -j ACCEPT; " in err and err.count("\n") == 1, err
    assert ask() == (None, "2001:db8::1")
    follow(err)
    assert ask() == ("192.0.2.1", "2001:db8::1")
    add()


def test_ufw():
    make(UFW)
    guest, ask = asks(0.5)
    assert "ufw route allow in on s1\n" in add("ufw drops what is forwarded")
    assert ask()[0] is None
    nft("add rule ip filter ufw-user-forward iifname s1 counter accept")
    assert ask()[0] == "192.0.2.1"
    add()


def test_firewalld():
    make(FIREWALLD)
    guest, ask = asks(0.5)
    err = add("firewalld rejects what is forwarded")
    assert "firewall-cmd --permanent --zone=trusted --add-interface=s1; firewall-cmd --reload\n" in err
    assert ask() == (None, None)
    nft("add chain inet firewalld filter_FWD_trusted")
    nft("add rule inet firewalld filter_FWD_trusted accept")
    handle = re.search(r"iifname vmap.*# handle (\d+)", nft("-a list table inet firewalld"))[1]
    nft(f"replace rule inet firewalld filter_FORWARD handle {handle} iifname vmap "
        "{ e0 : goto filter_FWD_public, s1 : goto filter_FWD_trusted }")
    assert ask() == ("192.0.2.1", "2001:db8::1")
    add()


def test_rules_of_ones_own():
    make(OWN)
    guest, ask = asks(0.5)
    err = add("The chain forward of the table inet filter drops what is forwarded for the guests behind s1")
    assert ask() == (None, None)
    follow(err)
    assert ask() == ("192.0.2.1", "2001:db8::1")
    add()


def test_answers_that_are_dropped():
    make("""
add table ip filter
add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }
add rule ip filter FORWARD iifname "s*" accept
""")
    guest, ask = asks(0.5)
    err = add("The table ip filter drops")
    assert ask()[0] is None
    follow(err)
    assert ask()[0] == "192.0.2.1"
    add()


def test_only_the_families_of_the_nat():
    make(DOCKER.replace(" ip ", " ip6 "))
    helper("qnet-nat", "add", "s1", "--device=s1", "--address=10.9.0.1/24")
    add("ip6tables -I DOCKER-USER")


def test_harmless_rules():
    """Nothing is said of rules that do not drop it, nor of those that ask for more than can be told"""
    make("""
add table inet filter
add chain inet filter input { type filter hook input priority 0; policy drop; }
add chain inet filter loop
add chain inet filter loop2
add chain inet filter forward { type filter hook forward priority 0; policy accept; }
add rule inet filter forward ct state invalid drop
add rule inet filter forward iifname e0 drop
add rule inet filter forward iifname s1 oifname e1 drop
add rule inet filter forward oifname s1 ct state new drop
add rule inet filter forward ip saddr 10.66.0.0/16 drop
add rule inet filter forward tcp dport 25 reject
add rule inet filter forward jump loop
add rule inet filter loop goto loop2
add rule inet filter loop drop
add rule inet filter loop2 iifname s2 drop
add table bridge filter
add chain bridge filter forward { type filter hook forward priority 0; policy drop; }
""")
    add()
    nft("add rule inet filter loop2 meta nfproto ipv6 iifname != s2 drop")
    add("The chain forward of the table inet filter drops")
