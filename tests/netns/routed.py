# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host between guests and servers: further namespaces, joined to the test's own by veth pairs.

A server answers over TCP and UDP, both families, with the address that it sees the question come from.
"""
import sys

from lab import *  # noqa: F403

PORT = 80
ECHO = """
import socket, threading
def tcp():
    s = socket.create_server(("::", %(port)d), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        c, peer = s.accept()
        c.sendall(peer[0].encode())
        c.close()
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", %(port)d))
    print("ready", flush=True)
    while True:
        data, peer = s.recvfrom(100)
        s.sendto(peer[0].encode(), peer)
threading.Thread(target=tcp, daemon=True).start()
udp()
""" % {"port": PORT}
ASK = """
import socket, sys
kind, ip, port, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET,
                  socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(seconds)
s.connect((ip, port))
if kind == "udp":
    s.send(b"?")
print(s.recv(100).decode().removeprefix("::ffff:"))
"""


class Node:
    """A namespace; its links are made with join()."""

    def __init__(self, serves=False):
        self.process = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        children.append(self.process)
        own = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(f"/proc/{self.process.pid}/ns/net") != own)
        self.ip("link set lo up")
        # addresses are usable at once: what does not arrive then is not just late
        self.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
        knob("ipv6/conf/default/accept_dad", 0)
        if serves:
            self.serve()

    def words(self, *words):
        return ["nsenter", "-t", str(self.process.pid), "-n", *words]

    def run(self, *words, check=True):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"{words}: {done.stderr}"
        return done

    def ip(self, words):
        return self.run("ip", *words.split()).stdout

    def serve(self):
        server = subprocess.Popen(self.words(sys.executable, "-c", ECHO), stdout=subprocess.PIPE, text=True)
        children.append(server)
        assert server.stdout.readline() == "ready\n"
        time.sleep(0.05)

    def join(self, ifname, addresses, gateways=(), master=None):
        """Its eth0; ifname is the host's end."""
        ip(f"link add {ifname} type veth peer name eth0 netns {self.process.pid}")
        if master:
            ip(f"link set {ifname} master {master}")
        ip(f"link set {ifname} up")
        for a in addresses:
            self.ip(f"addr add {a} dev eth0" + (" nodad" if ":" in a else ""))
        self.ip("link set eth0 up")
        for g in gateways:
            self.ip(f"route add default via {g}")

    def ask(self, kind, address, port=PORT, seconds=0.5):
        """The address that the server saw, "yes" for a ping; None: no answer"""
        if kind == "ping":
            done = self.run("ping", "-n", "-c1", f"-W{seconds}", address, check=False)
            return "yes" if done.returncode == 0 else None
        done = self.run(sys.executable, "-c", ASK, kind, address, str(port), str(seconds), check=False)
        return done.stdout.strip() or None


def host_ask(kind, address, port=PORT, seconds=0.5):
    done = subprocess.run([sys.executable, "-c", ASK, kind, address, str(port), str(seconds)], capture_output=True,
                          text=True)
    return done.stdout.strip() or None


def guest_on(bridge, number, network="10.9.0", network6="fd00:"):
    """Behind the bridge, its gateway the host, with a server"""
    node = Node(serves=True)
    node.join(f"g{number}", [f"{network}.{number}/24", f"{network6}:{number}/64"],
              [f"{network}.1", f"{network6}:1"], bridge)
    return node


def server_on(ifname, network="192.0.2", network6="2001:db8:", default=True):
    """On a network of the host's, which is its gateway: it would find the guests"""
    node = Node(serves=True)
    node.join(ifname, [f"{network}.2/24", f"{network6}:2/64"], [])
    ip(f"addr add {network}.1/24 dev {ifname}")
    ip(f"addr add {network6}:1/64 dev {ifname} nodad")
    node.ip(f"route add default via {network}.1")
    node.ip(f"route add default via {network6}:1")
    return node


def nft(words, text=None):
    done = subprocess.run(["nft", *words.split()], input=text, capture_output=True, text=True)
    assert done.returncode == 0, f"nft {words}: {done.stderr}"
    return done.stdout


def tables():
    return sorted(nft("list tables").split("table ")[1:])


def knobs():
    """{"ipv4/conf/e0/forwarding": "0"}, all that a NAT may touch"""
    found = {}
    for family, names in (("ipv4", ["forwarding", "route_localnet"]),
                          ("ipv6", ["forwarding", "force_forwarding", "accept_ra"])):
        for device in Path(f"/proc/sys/net/{family}/conf").iterdir():
            for name in names:
                if (device / name).exists():
                    found[f"{family}/conf/{device.name}/{name}"] = (device / name).read_text().strip()
    return found


def knob(name, value=None):
    path = Path("/proc/sys/net") / name
    if value is not None:
        path.write_text(f"{value}\n")
    return path.read_text().strip()


def each_kill(name, *words, calls="sendmsg,sendto,write"):
    """Runs the helper again and again, killed at its first such call, its second ..., until it ends by itself. Yields
    after each kill how many calls were made."""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    for n in range(1, 300):
        done = subprocess.run(
            ["strace", "-f", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:signal=KILL:when={n}",
             program(name), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        if done.returncode == 0:
            assert n > 3, "it made no calls"
            return
        assert done.returncode == -signal.SIGKILL, done
        yield n
    assert False, "it does not end"
