# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests in a whole Debian are written with; "run --help" tells how. It has all of tests/system/qnettest.py
and what follows."""
import contextlib
import ctypes
import fcntl
import selectors
import struct
import threading

from qnettest import *  # noqa: F401,F403
from qnettest import Path, json, os, re, sh, shlex, show, succeeds, vm, wait_for

LIBC = ctypes.CDLL(None)
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE = 0x400454ca, 0x2, 0x1000, 0x100


def holder(unit):
    return "hold-" + re.sub(r"[^\w-]", "-", unit)


def hold(*units):
    """Starts units that would stop at once, as nobody needs them (StopWhenUnneeded=): something needs them now."""
    # what nobody needs any more may be stopping still; systemd-run does not replace jobs
    wait_for("the end of all stops", lambda: " stop " not in sh("systemctl list-jobs --no-legend"))
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


@contextlib.contextmanager
def inside(name):
    """A network namespace, for what is made meanwhile."""
    with open("/proc/thread-self/ns/net", "rb") as own, open(f"/run/netns/{name}", "rb") as other:
        assert LIBC.setns(other.fileno(), 0) == 0
        try:
            yield
        finally:
            assert LIBC.setns(own.fileno(), 0) == 0


class Peer:
    """Plays the guest of a VM: a network namespace, whose eth0, eth1 ... have the MAC addresses of the VM's cards and are at the
    other ends of its taps.

        host1 = Peer("host1", "10.9.0.2/24")     # starts what qemu-vm@host1 needs: taps, switches, DHCP servers
        host1.sh("ping -c 1 10.9.0.1")
        host1.close()

    The addresses are eth0's; without one there is host1.dhcp(). It ends with the test file. With started=True the taps are there
    already. With a MAC address it has nothing to do with a VM, and the tap is there already or is made."""
    def __init__(self, name, *addresses, tap=None, mac=None, started=False):
        self.name, self.units, self.taps, self.fds = name, [], [tap or f"tap-{name}"], []
        if not mac:
            unit = next(Path("/run/systemd").glob(f"generator*/{vm(name)}")).read_text()
            self.taps = re.findall(r"^ .*,ifname=([\w.-]+)", unit, re.M)
            self.units = [] if started else re.findall(r"^(?:Requires|Wants)=(qnet-.*)", unit, re.M)
            hold(*self.units)
        self.tap = self.taps[0]
        sh(f"ip netns add {name}")
        with inside(name):
            Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        lines = ["link set lo up"]
        for n, port in enumerate(self.taps):
            self.fds.append(open_tap(port))
            with inside(name):
                self.fds.append(open_tap(f"eth{n}"))
            address = mac or re.search(r" mac=(\S+)", Path(f"/sys/class/net/{port}/ifalias").read_text())[1]
            lines.append(f"link set eth{n} address {address} up")
        self.ip(*lines, *(f"addr add {address} dev eth0" for address in addresses))
        self.wake, self.woken = os.pipe()
        self.pump = threading.Thread(target=self._pump, daemon=True)
        self.pump.start()

    def ip(self, *lines):
        """What ip(8) takes, several at once."""
        sh(f"ip -n {self.name} -batch - <<'.'\n" + "\n".join(lines) + "\n.")

    def _pump(self):
        other = {}
        for tap, card in zip(self.fds[::2], self.fds[1::2]):
            other.update({tap: card, card: tap})
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

    def send(self, frame, card=0):
        """A frame, as it is, to the VM's tap."""
        os.write(self.fds[2 * card], frame)

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
