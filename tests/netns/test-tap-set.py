# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-tap set, and what add has besides bridges: addresses of the host, queues, the plug"""
from lab import *  # noqa: F403

IFF_MULTI_QUEUE = 0x0100


def add(name="tap-a", *words, vm="a", mac=MAC, verb="add", **options):
    return tap(verb, name, f"--vm={vm}", f"--mac={mac}", *words, **options)


def make_switch(*words):
    switch("add", "s1", "--name=s1", "--address=10.9.0.1/24", *words)


def port(name):
    return link(name)["linkinfo"].get("info_slave_data", {})


def link_news(f):
    """What the kernel said of links while f ran"""
    child = subprocess.Popen(["ip", "monitor", "link"], stdout=subprocess.PIPE, text=True)
    children.append(child)
    time.sleep(0.2)
    f()
    time.sleep(0.2)
    child.terminate()
    return child.communicate()[0]


def test_set_changes_a_running_tap_without_a_flap():
    make_switch("--mtu=1400")
    add("tap-a", "--bridge=s1")
    guest = Guest("tap-a")
    carries("tap-a")
    news = link_news(lambda: add("tap-a", "--bridge=s1", "--isolated", "--mtu=1300", verb="set"))
    assert port("tap-a")["isolated"] is True and link("tap-a")["mtu"] == 1300
    assert "tap-a" in news and "NO-CARRIER" not in news and "state DOWN" not in news, news
    add("tap-a", "--bridge=s1", verb="set")
    assert port("tap-a")["isolated"] is False and link("tap-a")["mtu"] == 1400
    assert not link_news(lambda: add("tap-a", "--bridge=s1", verb="set"))
    guest.close()


def test_set_refuses():
    make_switch()
    add("tap-a", "--bridge=s1", verb="set", status=1, says="There is no tap tap-a")
    make_tun("t0")
    add("t0", "--bridge=s1", verb="set", status=1, says="a tap device without an alias")
    add("tap-a", "--bridge=s1")
    add("tap-a", "--bridge=s1", vm="b", verb="set", status=1, says="the tap of VM a")


def test_comes_to_another_bridge():
    make_switch()
    switch("add", "s2", "--name=s2")
    add("tap-a", "--bridge=s1")
    guest = Guest("tap-a")
    carries("tap-a")
    add("tap-a", "--bridge=s2", "--isolated", verb="set")
    t = link("tap-a")
    assert t["master"] == "s2" and "UP" in t["flags"] and port("tap-a")["isolated"] is True, t
    guest.close()


def test_link_down():
    make_switch()
    add("tap-a", "--bridge=s1", "--link=down")
    assert "UP" not in link("tap-a")["flags"] and link("tap-a")["master"] == "s1"
    guest = Guest("tap-a")
    add("tap-a", "--bridge=s1", "--link=up", verb="set")
    carries("tap-a")
    assert "inet6" not in ip("-6 addr show dev tap-a")
    guest.noise()
    wait_until(lambda: fdb_port(MAC) == "tap-a")
    add("tap-a", "--bridge=s1", "--link=down", verb="set")
    assert "UP" not in link("tap-a")["flags"]
    add("tap-a", "--bridge=s1", "--link=off", status=2, says="--link=off is neither")
    guest.close()


def test_several_queues():
    make_switch()
    add("tap-a", "--bridge=s1", "--queues=2")
    assert link("tap-a")["linkinfo"]["info_data"]["multi_queue"] is True
    one = Guest("tap-a", flags=IFF_MULTI_QUEUE)
    two = Guest("tap-a", flags=IFF_MULTI_QUEUE)
    carries("tap-a")
    tap("own", "tap-a", 0, status=1, says="does a QEMU of VM a still run?")
    add("tap-a", "--bridge=s1", verb="set", says="goes on with several queues")
    one.close(), two.close()
    wait_until(lambda: "LOWER_UP" not in link("tap-a")["flags"])
    tap("own", "tap-a", 0)
    add("tap-a", "--bridge=s1", "--queues=0", status=2, says="--queues=0 ")


def test_addresses_of_the_host():
    add("tap-a", "--host-address=10.9.1.1/30", "--host-address=fd01::1/64")
    t = link("tap-a")
    assert "master" not in t and t["mtu"] == 1500 and "UP" in t["flags"], t
    assert addresses("tap-a") == {"10.9.1.1/30", "fd01::1/64"}
    assert open("/proc/sys/net/ipv6/conf/tap-a/accept_ra").read().strip() == "0"
    assert parameter("tap-a", "ucast_probes") == 3600
    guest = Guest("tap-a")
    carries("tap-a")
    guest.ask("10.9.1.2", "10.9.1.1")
    wait_until(lambda: neighbours("tap-a").get("10.9.1.2", ("",))[0] == MAC)
    assert any(f[12:14] == b"\x08\x06" for f in guest.frames())
    add("tap-a", "--host-address=10.9.1.5/30", verb="set")
    assert addresses("tap-a") == {"10.9.1.5/30"} and "LOWER_UP" in link("tap-a")["flags"]
    guest.close()
    tap("own", "tap-a", 0, "--pin=10.9.1.6")
    assert neighbours("tap-a")["10.9.1.6"] == (MAC, "PERMANENT")
    tap("del", "tap-a")
    assert link("tap-a") is None


def test_from_addresses_to_a_bridge_and_back():
    make_switch()
    add("tap-a", "--host-address=10.9.1.1/30")
    add("tap-a", "--bridge=s1")
    assert link("tap-a")["master"] == "s1" and not addresses("tap-a")
    add("tap-a", "--host-address=10.9.1.1/30")
    assert "master" not in link("tap-a") and addresses("tap-a") == {"10.9.1.1/30"}


def test_leaves_nothing_when_an_address_is_refused():
    add("tap-a", "--mtu=1000", "--host-address=fd01::1/64", status=1, says="fd01::1/64")
    assert link("tap-a") is None


def test_bad_arguments():
    for words, says in ((["--bridge=s1", "--host-address=10.9.1.1/30"], "either --bridge= or"),
                        (["--host-address=10.9.1.1"], "--host-address=10.9.1.1 is not"),
                        (["--host-address=10.9.1.1/30", "--isolated"], "on a bridge"),
                        (["--bridge=s1", "--vlan=0"], "--vlan=0 "),
                        (["--bridge=s1", "--vlan=4095"], "--vlan=4095 "),
                        (["--bridge=s1", "--trunk-vlans=10,"], "--trunk-vlans=10, "),
                        (["--bridge=s1", "--trunk-vlans=30-20"], "--trunk-vlans=30-20 "),
                        (["--bridge=s1", "--vlan=1", "--trunk-vlans=2"], "is it --native-vlan=1?"),
                        (["--bridge=s1", "--native-vlan=5"], "alone it is --vlan=5"),
                        (["--bridge=s1", "--device=eth0"], "add does not take --device")):
        add("tap-a", *words, status=2, says=says)
