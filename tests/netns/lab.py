# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the network helpers stand on: a namespace, the helpers, ip(8), and a guest behind a tap.

A guest is this process: it opens the tap as QEMU does and writes Ethernet frames.
"""
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 0x40000, 2
TUNSETIFF, IFF_TAP, IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 2, 1, 0x1000, 0x4000
TUNSETPERSIST, TUNSETOWNER = 0x400454CB, 0x400454CC
VNET_HEADER = bytes(10)
BROADCAST = "ff:ff:ff:ff:ff:ff"
MAC = "52:54:00:00:00:07"
MAC2 = "52:54:00:00:00:08"

libc = ctypes.CDLL(None, use_errno=True)
helpers = None
directory = None
children = []


class Skip(Exception):
    pass


def set_build_directory(path):
    global helpers
    helpers = path / "helpers/network"


def enter():
    global directory
    if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    if not os.path.exists("/dev/net/tun"):
        raise Skip("no /dev/net/tun")
    directory = Path(tempfile.mkdtemp(prefix="qnet-netns-"))
    ip("link set lo up")


def leave():
    for child in children:
        if child.poll() is None:
            child.kill()
    if directory:
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for where in reversed([m for m in mounts if m.startswith(f"{directory}/")]):
            libc.umount2(where.encode(), MNT_DETACH)
        shutil.rmtree(directory, ignore_errors=True)


def path(name=""):
    """In the test's own directory, which goes when it ends"""
    return directory / name


# ---- programs ----

def program(name, user=None):
    """Its path; for another user that of a copy, as the build directory may be closed to him."""
    if user is None:
        return str(helpers / name)
    os.chmod(directory, 0o755)
    return shutil.copy(helpers / name, directory / name)


class Done:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"status {self.status}, stdout {self.out!r}, stderr {self.err!r}"


def helper(name, *words, status=0, says="", env=None, user=None):
    """Runs it; its exit status must be that (None: any), and stderr must hold the words of says (and nothing without any; anything if
    that is None)."""
    done = subprocess.run([program(name, user), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, env={**os.environ, **(env or {})}, user=user)
    done = Done(done.returncode, done.stdout, done.stderr)
    assert status in (None, done.status), f"{name} {words}: expected status {status}, got {done}"
    assert says is None or (says in done.err and bool(says) == bool(done.err)), f"{name} {words}: expected {says!r}, got {done}"
    return done


def switch(*words, **options):
    return helper("qnet-switch", *words, **options)


def tap(*words, **options):
    return helper("qnet-tap", *words, **options)


def trunk(*words, **options):
    return helper("qnet-trunk", *words, **options)


def vxlan(*words, **options):
    return helper("qnet-vxlan", *words, **options)


def arp(*words, **options):
    return helper("qnet-arp", *words, **options).out


def lease(*words, interface=None, **options):
    env = {"DNSMASQ_INTERFACE": interface} if interface else {}
    return helper("qnet-lease", *words, env={**env, **options.pop("env", {})}, **options)


def start(name, *words, user=None):
    child = subprocess.Popen([program(name, user), *map(str, words)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, user=user)
    children.append(child)
    return child


def finish(child, status=0, timeout=10):
    out, err = child.communicate(timeout=timeout)
    assert child.returncode == status, f"expected status {status}, got {Done(child.returncode, out, err)}"
    return Done(child.returncode, out, err)


def is_running(child, seconds):
    """It has not ended within that time."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def traced(name, *words, status=0):
    """[system call] of a helper"""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    out = directory / "strace"
    done = subprocess.run(["strace", "-f", "-s", "100000", "-v", "-o", out, program(name), *map(str, words)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # which needs ptrace for itself
    assert done.returncode == status, f"{name} {words}: expected status {status}, got {done.returncode}"
    lines = [line.split(maxsplit=1)[1] for line in out.read_text().splitlines()]
    return [line for line in lines if "(" in line]


# ---- ip(8) ----

def ip(words, check=True):
    done = subprocess.run(["ip", *words.split()], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"ip {words}: {done.stderr}"
    return done.stdout


def ip_batch(lines):
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def link(name):
    """The link as "ip -d -j link" describes it, or None"""
    out = ip(f"-d -j link show dev {name}", check=False)
    if not out.strip():
        return None
    found = json.loads(out)[0]
    for part in ("info_data", "info_slave_data"):  # clocks run
        data = found.get("linkinfo", {}).get(part, {})
        for key in [k for k in data if k.endswith("_timer")]:
            del data[key]
    return found


def addresses(name):
    """{"10.9.0.1/24"}, without link-local ones"""
    found = json.loads(ip(f"-j addr show dev {name}"))[0]["addr_info"]
    return {f"{a['local']}/{a['prefixlen']}" for a in found if a["scope"] == "global"}


def neighbours(name):
    """{ip: (mac, state)}"""
    found = []
    for family in ("-4", "-6"):
        found += json.loads(ip(f"{family} -j neigh show dev {name}") or "[]")
    return {n["dst"]: (n.get("lladdr"), n["state"][0]) for n in found}


def fdb_port(mac):
    out = subprocess.run(["bridge", "-j", "fdb", "show"], capture_output=True, text=True, check=True).stdout
    ports = [e["ifname"] for e in json.loads(out) if e["mac"] == mac and e.get("master")]
    return ports[0] if ports else None


def parameter(name, key, table="inet arp_cache"):
    """One of the neighbour table's for that device, such as ucast_probes"""
    text = ip(f"ntable show dev {name}")
    section = text[text.index(table):]
    words = section.split("inet6", 1)[0].split() if table.startswith("inet ") else section.split()
    return int(words[words.index(key) + 1])


def wait_until(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


# ---- a guest ----

def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


class Guest:
    """Holds the tap as QEMU would. persistent taps stay when it is closed."""

    def __init__(self, ifname, mac=MAC, uid=None, flags=0):
        self.mac, self.ifname = mac, ifname
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        request = struct.pack("16sH22x", ifname.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags)
        try:
            if uid is not None:
                os.seteuid(uid)
            fcntl.ioctl(self.fd, TUNSETIFF, request)
        except OSError:
            os.close(self.fd)
            raise
        finally:
            if uid is not None:
                os.seteuid(0)

    def close(self):
        os.close(self.fd)

    def send(self, payload, ethertype, to=BROADCAST, vlan=None):
        tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
        os.write(self.fd, VNET_HEADER + mac_bytes(to) + mac_bytes(self.mac) + tag + struct.pack("!H", ethertype) +
                 payload)

    def arp(self, operation, my_ip, his_ip, to=BROADCAST, his_mac="00:00:00:00:00:00"):
        self.send(struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, mac_bytes(self.mac),
                              socket.inet_aton(my_ip), mac_bytes(his_mac), socket.inet_aton(his_ip)), 0x0806, to)

    def ask(self, my_ip, host_ip):
        """An ARP request for the host's address: the host then has the guest's in its table"""
        self.arp(1, my_ip, host_ip)

    def noise(self, to=BROADCAST, vlan=None):
        """Anything at all, without an address of the guest"""
        self.send(bytes(50), 0x88B5, to, vlan)

    def heard(self, other, seconds=0.3):
        """What of another guest's noise arrives: the set of the tags, None for without"""
        found = set()
        for f in self.frames(seconds):
            tagged = f[12:14] == b"\x81\x00"
            if f[6:12] == mac_bytes(other.mac) and f[16 if tagged else 12:][:2] == b"\x88\xb5":
                found.add(struct.unpack("!H", f[14:16])[0] & 0xfff if tagged else None)
        return found

    def frames(self, seconds=0.3):
        """Those that come within that time, without their virtio header"""
        found, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                found.append(os.read(self.fd, 70000)[len(VNET_HEADER):])
            except BlockingIOError:
                time.sleep(0.005)
        return found


def make_tun(name, layer=IFF_TAP, persistent=True):
    """A tap or tun that is not of qnet"""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), layer | IFF_NO_PI))
    if persistent:
        fcntl.ioctl(fd, TUNSETPERSIST, 1)
    os.close(fd)


def has_vlans():
    """The kernel's bridges filter VLANs."""
    ip("link add qnet-probe type bridge vlan_filtering 1", check=False)
    found = "vlan_filtering" in (link("qnet-probe") or {}).get("linkinfo", {}).get("info_data", {})
    ip("link del qnet-probe", check=False)
    return found


def needs_vlans():
    if not has_vlans():
        raise Skip("this kernel's bridges do not filter VLANs")


def vlans(name):
    """{vlan: flags} of a port, flags of "PVID", "Egress Untagged\""""
    out = subprocess.run(["bridge", "-j", "vlan", "show", "dev", name], capture_output=True, text=True, check=True).stdout
    found = {}
    for entry in json.loads(out or "[]"):
        for v in entry["vlans"]:
            for n in range(v["vlan"], v.get("vlanEnd", v["vlan"]) + 1):
                found[n] = set(v.get("flags", []))
    return found


ACCESS = {"PVID", "Egress Untagged"}


def carries(*names):
    """Waits until these taps, held by guests, have carrier."""
    wait_until(lambda: all("LOWER_UP" in link(t)["flags"] for t in names))


def make_lab(*addresses):
    """Switch s1 and a tap on it"""
    switch("add", "s1", "--name=s1", *[f"--address={a}" for a in addresses or ("10.9.0.1/24", "fd00::1/64")])
    tap("add", "tap-a", "--vm=a", f"--mac={MAC}", "--bridge=s1")
