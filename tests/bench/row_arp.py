# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-arp get with 10 and with 10,000 neighbour entries, against "ip neigh show | grep"."""
import re
import shutil
import subprocess

from frame import Result, enter_private_network, need_commands, need_root

RATIO_GOAL = 1.1
FEW, MANY = 10, 10000


def address(i):
    return f"10.{9 + i // 65536}.{i // 256 % 256}.{i % 256}"


def fill(device, n):
    """A bridge with n neighbours. Permanent ones: the kernel's limit of 1,024 does not count them."""
    subprocess.run(["ip", "link", "add", device, "type", "bridge"], check=True)
    subprocess.run(["ip", "addr", "add", "10.9.0.1/16", "dev", device], check=True)
    subprocess.run(["ip", "link", "set", device, "up"], check=True)
    batch = "".join(f"neigh add {address(i)} lladdr 52:54:00:00:{i // 256:02x}:{i % 256:02x} dev {device}\n"
                    for i in range(2, n + 2))
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)


def system_calls(command):
    """How many system calls it makes; None without strace."""
    if not shutil.which("strace"):
        return None
    text = subprocess.run(["strace", "-f", "-c", *command], text=True, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, check=True).stderr
    total = re.search(r"^100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+\s+)?total$", text, re.M)
    return int(total.group(1)) if total else None


def measure(bench, n):
    arp = bench.program("helpers/network/qnet-arp")
    subprocess.run(["ip", "link", "del", "br0"], stderr=subprocess.DEVNULL)
    fill("br0", n)
    wanted = address(n // 2 + 2)
    get = [arp, "get", wanted, "--dev=br0"]
    any_device = [arp, "get", wanted]
    show = ["sh", "-c", f"ip neigh show | grep -F '{wanted} '"]
    bench.label = f"ARP, {n} entries"
    found = bench.in_turns(bench.rounds(100), lambda: bench.cost(*get).wall, lambda: bench.cost(*any_device).wall,
                           lambda: bench.cost(*show).wall)
    return found, system_calls(get), system_calls(any_device)


def rows(bench):
    need_root()
    need_commands("ip", "grep")
    bench.program("helpers/network/qnet-arp")
    enter_private_network()
    few, few_calls, few_any = measure(bench, FEW)
    many, many_calls, many_any = measure(bench, MANY)

    def calls(a, b):
        return "" if a is None else f"{b} system calls, {a} with {FEW}"

    yield Result(f"ARP get, {FEW} entries, against ip | grep", "us", few[0], few[2])
    yield Result(f"ARP get, {MANY} entries, against ip | grep", "us", many[0], many[2])
    yield Result(f"ARP get, {MANY} entries against {FEW}", "us", many[0], few[0], ratio_goal=RATIO_GOAL,
                 note=calls(few_calls, many_calls))
    yield Result(f"the same without --dev", "us", many[1], few[1], ratio_goal=RATIO_GOAL,
                 note=calls(few_any, many_any))
