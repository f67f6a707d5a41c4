# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-tap"""
import re
import stat

from lab import *  # noqa: F403

UID = 12345
LEAVING = 0x71627965  # LINK_GROUP_LEAVING


def add(name="tap-a", *words, vm="a", mac=MAC, bridge="s1", **options):
    return tap("add", name, f"--vm={vm}", f"--mac={mac}", f"--bridge={bridge}", *words, **options)


def make_switch(*words):
    switch("add", "s1", "--name=s1", "--address=10.9.0.1/24", *words)


def port(name):
    return link(name)["linkinfo"].get("info_slave_data", {})


def test_makes_a_tap():
    make_switch("--mtu=1400")
    add(mac=MAC.upper())
    t = link("tap-a")
    data = t["linkinfo"]["info_data"]
    assert data["type"] == "tap" and data["vnet_hdr"] and data["persist"] and not data["pi"], data
    assert not data["multi_queue"], data
    assert t["ifalias"] == f"qnet:vm=a mac={MAC}", t
    assert t["address"] == "fe" + MAC[2:], t
    assert (t["master"], t["mtu"]) == ("s1", 1400), t
    assert "UP" in t["flags"], t
    assert port("tap-a")["isolated"] is False
    assert t["inet6_addr_gen_mode"] == "none", t


def test_has_no_ipv6_address_also_with_carrier():
    make_switch()
    add()
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    time.sleep(0.5)
    assert "inet6" not in ip("-6 addr show dev tap-a")
    guest.close()


def test_is_changed_in_one_message():
    make_switch()
    calls = traced("qnet-tap", "add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1")
    sent = [c for c in calls if c.startswith("sendmsg(")]
    assert len([c for c in sent if "RTM_NEWLINK" in c]) == 1, sent
    assert len(sent) == 2, sent
    assert port("tap-a")


def test_again_changes_nothing():
    make_switch()
    add()
    before = link("tap-a")
    calls = traced("qnet-tap", "add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1")
    assert not [c for c in calls if c.startswith("sendmsg(") and "RTM_NEWLINK" in c]
    assert link("tap-a") == before


def test_again_while_the_guest_runs():
    make_switch()
    add()
    guest = Guest("tap-a")
    add("tap-a", "--isolated", "--mtu=1300")
    assert port("tap-a")["isolated"] is True and link("tap-a")["mtu"] == 1300
    guest.close()


def test_adopted_tap_comes_to_the_state_asked_for():
    make_switch()
    switch("add", "s2", "--name=s2", "--mtu=1300")
    add("tap-a", "--isolated")
    ip("link set tap-a down")
    add(mac=MAC2, bridge="s2")
    t = link("tap-a")
    assert (t["master"], t["mtu"], t["address"]) == ("s2", 1300, "fe" + MAC2[2:]), t
    assert t["ifalias"].endswith(MAC2) and "UP" in t["flags"]
    assert port("tap-a")["isolated"] is False
    add("tap-a", "--isolated", mac=MAC2, bridge="s2")
    assert port("tap-a")["isolated"] is True
    add("tap-a", "--isolated", mac=MAC2, bridge="s1")
    assert port("tap-a")["isolated"] is True


def test_isolated_ports_do_not_hear_each_other():
    make_switch()
    for name, mac, words in (("tap-a", MAC, ["--isolated"]), ("tap-b", MAC2, ["--isolated"]),
                             ("tap-c", "52:54:00:00:00:09", [])):
        add(name, *words, vm=name, mac=mac)
    a, b, c = Guest("tap-a"), Guest("tap-b", MAC2), Guest("tap-c", "52:54:00:00:00:09")
    wait_until(lambda: all("LOWER_UP" in link(t)["flags"] for t in ("tap-a", "tap-b", "tap-c")))
    a.noise()
    heard = [any(f[6:12] == mac_bytes(MAC) for f in g.frames()) for g in (b, c)]
    assert heard == [False, True], heard


def test_refuses_what_it_does_not_own():
    make_switch()
    add()
    before = link("tap-a")
    add(vm="b", status=1, says="the name is taken by the tap of VM a")
    assert link("tap-a") == before
    make_tun("t0")
    add("t0", status=1, says="the name is taken by a tap device without an alias")
    make_tun("t1", IFF_TUN)
    ip("link set t1 alias qnet:vm=a")
    add("t1", status=1, says="the name is taken")
    ip("link add v0 type veth peer name v1")
    add("v0", status=1, says="a veth device without an alias")
    add("s1", status=1, says="the bridge of switch s1")
    for name in ("t0", "t1", "v0", "s1"):
        assert "master" not in link(name), name


def test_refuses_what_is_no_linux_bridge():
    add(bridge="none", status=1, says="There is no bridge none")
    ip("link add v0 type veth peer name v1")
    add(bridge="v0", status=1, says="that is no Linux bridge but a veth device")
    assert link("tap-a") is None


def test_leaves_nothing_when_it_fails():
    make_switch()
    add("tap-a", "--mtu=65535", status=1, says="with an MTU of 65535")  # a tap's largest is 65521
    assert link("tap-a") is None


def test_leaves_nothing_when_killed():
    make_switch()
    for call in ("TUNSETIFF", "RTM_NEWLINK", "TUNSETOWNER"):
        words = ["strace", "-f", "-o", "/dev/null", "-e", "trace=ioctl,sendmsg", "-e",
                 f"inject={'sendmsg' if call == 'RTM_NEWLINK' else 'ioctl'}:signal=KILL:when=" +
                 {"TUNSETIFF": "1", "TUNSETOWNER": "4", "RTM_NEWLINK": "2"}[call]]
        if not shutil.which("strace"):
            raise Skip("strace is not installed")
        done = subprocess.run([*words, program("qnet-tap"), "add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1"],
                              capture_output=True)
        assert done.returncode != 0, done
        assert link("tap-a") is None, call


def test_foreign_bridge_gets_neighbour_parameters():
    ip("link add netbr1 type bridge")
    ip("link set netbr1 up")
    assert parameter("netbr1", "ucast_probes") == 3
    add(bridge="netbr1")
    for table in ("inet arp_cache", "inet6 ndisc_cache"):
        assert parameter("netbr1", "ucast_probes", table) == 3600
    assert link("netbr1").get("ifalias") is None


def test_only_its_owner_may_open_it():
    make_switch()
    add()
    try:
        Guest("tap-a", uid=UID)
        assert False, "anyone may open a new tap"
    except PermissionError:
        pass
    tap("own", "tap-a", UID)
    Guest("tap-a", uid=UID).close()
    try:
        Guest("tap-a", uid=UID + 1)
        assert False, "another user may open the tap"
    except PermissionError:
        pass
    add("tap-b", f"--owner={UID}", vm="b", mac=MAC2)
    Guest("tap-b", uid=UID).close()
    add("tap-b", f"--owner={UID + 1}", vm="b", mac=MAC2)
    Guest("tap-b", uid=UID + 1).close()
    assert link("tap-b")["linkinfo"]["info_data"]["vnet_hdr"]


def test_group():
    make_switch()
    add("tap-a", "--group=nogroup")
    data = link("tap-a")["linkinfo"]["info_data"]
    assert data["group"] == "nogroup" and "user" not in data, data
    add("tap-b", "--group=no-such-group", status=2, says="no-such-group")


def test_own_takes_the_owner_of_a_directory():
    make_switch()
    add()
    os.chown(path(), UID, UID)
    tap("own", "tap-a", f"--owner-of={path()}")
    Guest("tap-a", uid=UID).close()
    (path("l")).symlink_to("/")
    tap("own", "tap-a", f"--owner-of={path()}/l", status=1, says="Cannot tell the owner")
    tap("own", "tap-a", f"--owner-of={path()}/none", status=1, says="No such file")
    tap("own", "tap-a", "nobody")
    assert link("tap-a")["linkinfo"]["info_data"]["user"] == "nobody"
    tap("own", "tap-a", "no-such-user", status=2, says="no-such-user")


def test_own_refuses():
    make_switch()
    add()
    tap("own", "tap-x", 0, status=1, says="There is no tap tap-x")
    make_tun("t0")
    tap("own", "t0", 0, status=1, says="t0 is not a tap of a VM, but a tap device without an alias")
    guest = Guest("tap-a")
    tap("own", "tap-a", 0, status=1, says="does a QEMU of VM a still run?")
    guest.close()
    tap("own", "tap-a", 0)


def own_random(index=0, env=None, *words, **options):
    return tap("own", "tap-a", UID, "--mac=random", f"--index={index}", f"--env-file={env or path('env')}",
               *words, **options)


def test_random_mac():
    make_switch()
    add(mac="random")
    t = link("tap-a")
    assert t["ifalias"] == "qnet:vm=a" and t["address"].startswith("fe:"), t
    tap("own", "tap-a", 0, "--pin=10.9.0.7", status=1, says="has no MAC of the guest yet")
    own_random(0, None, "--pin=10.9.0.7")
    first = (path("env")).read_text()
    assert re.fullmatch(r"QNET_MAC0=52:54:00:[0-9a-f:]{8}\n", first), first
    mac = first.strip().split("=")[1]
    t = link("tap-a")
    assert t["ifalias"] == f"qnet:vm=a mac={mac}" and t["address"] == "fe" + mac[2:], t
    assert neighbours("s1") == {"10.9.0.7": (mac, "PERMANENT")}
    own_random()
    assert (path("env")).read_text() != first
    assert neighbours("s1") == {}, "the old MAC's pins must go"
    add(mac="random")
    assert mac_bytes(link("tap-a")["address"])[1:] == mac_bytes((path("env")).read_text().split("=")[1])[1:]


def test_random_mac_while_links_come_and_go():
    make_switch()
    add(mac="random")
    for i in range(80):
        make_tun(f"t{i}")
    churn = subprocess.Popen(["sh", "-c", "while ip link add v0 type veth peer name v1 && ip link del v0; do :; done"])
    children.append(churn)
    for _ in range(150):
        own_random()


def test_env_file_keeps_other_lines():
    make_switch()
    add(mac="random")
    env = path("env")
    env.write_text("QNET_MAC1=52:54:00:01:01:01\nQNET_MAC0=old\nQNET_MAC01=x\n"
                   "EVIL=1\\\nA=\"\nexport B=1\n=\n; x\nlast=")
    own_random(0)
    lines = env.read_text().splitlines()
    assert lines[:2] == ["QNET_MAC1=52:54:00:01:01:01", "QNET_MAC01=x"] and len(lines) == 3, lines
    assert lines[2].startswith("QNET_MAC0=52:54:00:")
    own_random(1)
    assert [line.split("=")[0] for line in env.read_text().splitlines()] == ["QNET_MAC01", "QNET_MAC0", "QNET_MAC1"]
    assert sorted(p.name for p in path().iterdir()) == ["env"]


def test_env_file_in_a_hostile_directory():
    make_switch()
    add(mac="random")
    victim, env = path("victim"), path("env")
    victim.write_text("keep\n")
    env.symlink_to(victim)
    own_random()
    assert victim.read_text() == "keep\n" and not env.is_symlink() and env.read_text().startswith("QNET_MAC0=")
    env.unlink()
    os.mkfifo(env)
    own_random()
    assert stat.S_ISREG(env.stat().st_mode)
    env.unlink()
    os.link(victim, env)
    own_random()
    assert victim.read_text() == "keep\n" and env.stat().st_nlink == 1
    env.unlink()
    env.write_bytes(b"A=" + b"x" * 300000)
    own_random()
    assert env.stat().st_size < 70000
    env.unlink()
    env.mkdir()
    own_random(status=1, says="Is a directory")
    path("real").mkdir()
    path("link").symlink_to("real")
    own_random(env=path("link/env"), status=1, says="Cannot write QNET_MAC0")
    assert sorted(str(p.relative_to(path())) for p in path().rglob("*")) == ["env", "link", "real", "victim"]


def test_pins():
    make_switch("--address=fd00::1/64")
    add()
    tap("own", "tap-a", 0, "--pin=10.9.0.7", "--pin=fd00::7")
    assert neighbours("s1") == {"10.9.0.7": (MAC, "PERMANENT"), "fd00::7": (MAC, "PERMANENT")}
    ip(f"neigh replace 10.9.0.7 lladdr {MAC2} dev s1 nud reachable")
    tap("own", "tap-a", 0, "--pin=10.9.0.7")
    assert neighbours("s1")["10.9.0.7"] == (MAC, "PERMANENT")
    tap("own", "tap-a", 0, "--pin=10.9.0.7/24", status=2, says="--pin=10.9.0.7/24")
    tap("del", "tap-a")
    add(mac="random")
    tap("own", "tap-a", 0, "--pin=10.9.0.7", status=1, says="has no MAC of the guest yet")


def test_pins_survive_the_loss_of_carrier():
    make_switch()
    add()
    tap("own", "tap-a", 0, "--pin=10.9.0.7")
    Guest("tap-a").close()
    wait_until(lambda: "LOWER_UP" not in link("s1")["flags"])
    assert neighbours("s1") == {"10.9.0.7": (MAC, "PERMANENT")}


def test_del_removes_tap_and_pins():
    make_switch("--address=fd00::1/64")
    ip("link add v0 type veth peer name v1")  # the bridge's carrier, with which goes what is not permanent
    for words in ("v0 master s1 up", "v1 up"):
        ip(f"link set {words}")
    wait_until(lambda: "LOWER_UP" in link("s1")["flags"])
    add()
    tap("own", "tap-a", 0, "--pin=10.9.0.7", "--pin=fd00::7")
    ip(f"neigh add 10.9.0.8 lladdr {MAC2} dev s1 nud permanent")
    ip(f"neigh add 10.9.0.9 lladdr {MAC} dev s1 nud stale")
    tap("del", "tap-a")
    assert link("tap-a") is None
    assert neighbours("s1") == {"10.9.0.8": (MAC2, "PERMANENT"), "10.9.0.9": (MAC, "STALE")}
    tap("del", "tap-a")


def test_del_only_its_own():
    make_tun("t0")
    tap("del", "t0", status=1, says="Not removing t0: it is not a tap of a VM")
    make_switch()
    tap("del", "s1", status=1, says="the bridge of switch s1")
    assert link("t0") and link("s1")


def test_other_taps_are_left_alone():
    make_switch()
    add()
    before = link("tap-a")
    add("tap-b", vm="b", mac=MAC2)
    tap("del", "tap-b")
    assert link("tap-a") == before


def test_one_request_removes_all_that_leave():
    make_switch()
    for name in "abc":
        add(f"tap-{name}")
    stays = link("tap-a")["ifindex"]
    for name in ("tap-b", "tap-c"):
        add(name)
        ip(f"link set {name} group {LEAVING}")
    add("tap-d")
    sent = [c for c in traced("qnet-tap", "del", "tap-d") if c.startswith("sendmsg(") and "RTM_DELLINK" in c]
    assert len(sent) == 1, sent
    assert [link(f"tap-{name}") for name in "bcd"] == [None] * 3 and link("tap-a")["ifindex"] == stays


def test_del_keeps_no_privilege_but_one():
    """Its unit runs it as root, without a sandbox."""
    make_switch()
    add()
    calls = traced("qnet-tap", "del", "tap-a")
    first = next(i for i, c in enumerate(calls) if "AF_NETLINK" in c)
    before = [" ".join(c.split()) for c in calls[:first] if c.startswith(("prctl", "set", "capset"))]
    for call in ("PR_SET_NO_NEW_PRIVS, 1", "setgroups(0, NULL) = 0", "setresgid(65534, 65534, 65534) = 0",
                 "setresuid(65534, 65534, 65534) = 0", "effective=1<<CAP_NET_ADMIN, permitted=1<<CAP_NET_ADMIN, inheritable=0"):
        assert any(call in c for c in before), (call, before)
    assert link("tap-a") is None


def test_many_are_removed_at_once():
    """No matter who finds whose tap gone: each succeeds, and nobody else's goes."""
    make_switch()
    names = [f"tap-{i}" for i in range(24)]
    for name in names:
        add(name)
    stay = {name: link(name) for name in names[::6]}
    for child in [start("qnet-tap", "del", name) for name in names if name not in stay]:
        done = finish(child, timeout=60)
        assert not done.out and not done.err, done
    assert {name: link(name) for name in names if link(name)} == stay


def test_del_finds_its_tap_gone_with_anothers():
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    make_switch()
    add()
    add("tap-b", vm="b", mac=MAC2)
    slow = subprocess.Popen(["strace", "-f", "-o", "/dev/null", "-e", "trace=sendmsg", "-e",
                             "inject=sendmsg:signal=STOP:when=2", program("qnet-tap"), "del", "tap-a"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    children.append(slow)
    wait_until(lambda: link("tap-a")["group"] == str(LEAVING), 30)
    tap("del", "tap-b")
    assert link("tap-a") is None and slow.poll() is None
    pid = int(Path(f"/proc/{slow.pid}/task/{slow.pid}/children").read_text())
    os.kill(pid, signal.SIGCONT)
    assert finish(slow, timeout=60).err == ""


def test_one_made_again_does_not_leave():
    """Neither after a del that was killed nor while others are removed"""
    make_switch()
    add()
    add("tap-b", vm="b", mac=MAC2)
    ip(f"link set tap-a group {LEAVING}")
    before = link("tap-a")
    tap("set", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1", status=1, says="There is no tap tap-a")
    add()
    again = link("tap-a")
    assert again["ifindex"] != before["ifindex"] and again["group"] == "default", again
    assert (again["ifalias"], again["master"]) == (before["ifalias"], "s1"), again
    tap("del", "tap-b")
    assert link("tap-a") == again and link("tap-b") is None
    add()
    assert link("tap-a") == again


def test_del_killed_at_any_request():
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    make_switch()
    add("tap-b", vm="b", mac=MAC2)
    other, left = link("tap-b"), 0
    for number in range(1, 20):
        add()
        done = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", "trace=sendmsg", "-e",
                               f"inject=sendmsg:signal=KILL:when={number}", program("qnet-tap"), "del", "tap-a"],
                              capture_output=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        if done.returncode == 0:
            break
        left += bool(link("tap-a")) and link("tap-a")["group"] != "default"
        if number % 2:
            add()
            assert link("tap-a")["group"] == "default", number
        tap("del", "tap-a")
        assert link("tap-a") is None and link("tap-b") == other, number
    assert left > 0 and 3 < number < 19, (left, number)


def test_del_with_a_link_that_cannot_be_deleted_among_those_that_leave():
    make_switch()
    add()
    ip(f"link set lo group {LEAVING}")
    tap("del", "tap-a")
    assert link("tap-a") is None and link("lo")


def test_fdb_has_the_port_of_the_guest():
    make_switch()
    add()
    guest = Guest("tap-a")
    wait_until(lambda: "LOWER_UP" in link("tap-a")["flags"])
    guest.noise()
    wait_until(lambda: fdb_port(MAC) == "tap-a")
    guest.close()
    wait_until(lambda: fdb_port(MAC) is None)


def test_bad_arguments():
    tap(status=2, says="Expected a verb")
    tap("add", "tap-a", "--vm=a", "--bridge=s1", status=2, says="must be given")
    tap("add", "tap-a", "--vm=a", f"--mac={MAC}", status=2, says="either --bridge= or --host-address=")
    tap("add", "x" * 16, "--vm=a", f"--mac={MAC}", "--bridge=s1", status=2, says="x" * 16)
    for bad in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "x", ""):
        add(mac=bad, status=2, says=f"--mac={bad} ")
    add("tap-a", "--vm=../x", status=2, says="--vm=../x")
    tap("add", "tap-a", "extra", status=2, says="extra")
    tap("own", "tap-a", status=2, says="either a user or --owner-of=")
    tap("own", "tap-a", "0", "--owner-of=/", status=2, says="either a user or --owner-of=")
    tap("own", "tap-a", "0", "--mac=random", status=2, says="--env-file= goes with")
    tap("own", "tap-a", "0", f"--mac={MAC}", status=2, says="--mac=random only")
    tap("own", "tap-a", "0", "--env-file=../x", "--mac=random", status=2, says="../x")
    tap("del", "tap-a", "--vm=a", status=2, says="del does not take --vm")
    tap("add", "tap-a", "--nonsense", status=2, says="Unknown option")
    assert tap("--help").out.startswith("Usage:")
