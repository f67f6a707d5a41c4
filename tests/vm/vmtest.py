# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests in a whole Debian are written with; "run --help" tells how. It has all of tests/system/qnettest.py
and what follows."""
import fcntl
import selectors
import struct
import threading

from qnettest import *  # noqa: F401,F403
from qnettest import Path, json, os, re, sh, shlex, show, succeeds, vm, wait_for

TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE = 0x400454ca, 0x2, 0x1000, 0x100


def holder(unit):
    return "hold-" + re.sub(r"[^\w-]", "-", unit)


def hold(*units):
    """Starts units that would stop at once, as nobody needs them (StopWhenUnneeded=): something needs them now."""
    # what nobody needs any more may be stopping still; systemd-run does not replace jobs
    wait_for("the end of all jobs", lambda: not sh("systemctl list-jobs --no-legend").strip())
    for unit in units:
        sh(f"systemd-run --quiet --collect --unit={holder(unit)} -p Requires={unit} -p After={unit} sleep infinity")
        wait_for(unit, lambda u=unit: succeeds(f"systemctl is-active --quiet {u}"))


def let_go(*units):
    for unit in units:
        sh(f"systemctl stop {holder(unit)}.service")


def open_tap(name):
    """A descriptor on a tap, as a VM's QEMU has it, but without virtio's headers; it makes the tap if there is none."""
    flags, now = IFF_TAP | IFF_NO_PI, Path(f"/sys/class/net/{name}/tun_flags")
    if now.exists():
        flags |= int(now.read_text(), 16) & IFF_MULTI_QUEUE
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    os.set_blocking(fd, False)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return fd


class Peer:
    """Plays the guest of a VM: a network namespace, whose eth0 has the VM's MAC address and is at the other end of its tap.

        host1 = Peer("host1", "10.9.0.2/24")     # starts what qemu-vm@host1 needs: tap, switch, DHCP server
        host1.sh("ping -c 1 10.9.0.1")
        host1.close()

    Without an address there is host1.dhcp(). It ends with the test file. With a MAC address it has nothing to do with a VM,
    and the tap is there already or is made."""
    def __init__(self, name, *addresses, tap=None, mac=None):
        self.name, self.tap, self.units = name, tap or f"tap-{name}", []
        if not mac:
            self.units = [u for u in f"{show(vm(name), 'Requires')} {show(vm(name), 'Wants')}".split() if u.startswith("qnet-")]
            hold(*self.units)
            mac = re.search(r" mac=(\S+)", Path(f"/sys/class/net/{self.tap}/ifalias").read_text())[1]
        sh(f"ip netns add {name} && ip netns exec {name} sysctl -qw net.ipv6.conf.default.accept_dad=0 && ip -n {name} link set lo up")
        self.fds = open_tap(self.tap), open_tap(f"peer{os.getpid()}")
        sh(f"ip link set peer{os.getpid()} netns {name} name eth0 address {mac}; ip -n {name} link set eth0 up")
        for address in addresses:
            self.sh(f"ip addr add {address} dev eth0")
        self.wake, self.woken = os.pipe()
        self.pump = threading.Thread(target=self._pump, daemon=True)
        self.pump.start()

    def _pump(self):
        other = dict(zip(self.fds, reversed(self.fds)))
        with selectors.DefaultSelector() as selector:
            for fd in (*self.fds, self.wake):
                selector.register(fd, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == self.wake:
                        return
                    try:
                        os.write(other[key.fd], os.read(key.fd, 65536))
                    except OSError:     # an interface is down
                        pass

    def sh(self, command, **options):
        return sh(f"ip netns exec {self.name} bash -c {shlex.quote(command)}", **options)

    def succeeds(self, command):
        return succeeds(f"ip netns exec {self.name} bash -c {shlex.quote(command)}")

    def reaches(self, ip, seconds=10):
        """Whether ping does, within so many seconds; for what must not be reached, say few."""
        return self.succeeds(f"ping -n -c 1 -W 1 -w {seconds} {ip}")

    def dhcp(self):
        """Its address, from the DHCP server of its switch."""
        self.sh(f"busybox udhcpc -i eth0 -f -q -n -t 20 -T 1 -x hostname:{self.name} -s /tests/guest/udhcpc")
        return json.loads(self.sh("ip -j -4 addr show eth0"))[0]["addr_info"][0]["local"]

    def close(self):
        os.write(self.woken, b"x")
        self.pump.join()
        for fd in (*self.fds, self.wake, self.woken):
            os.close(fd)
        sh(f"ip netns delete {self.name}")
        let_go(*self.units)
