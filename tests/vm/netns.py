# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests of the network helpers (tests/netns) that need what the build machine's kernel may lack, or that another kernel
may answer otherwise"""
import os
import re
import subprocess
import sys
from pathlib import Path

SECONDS = 900
GROUPS = ["vlan", "trunk", "vxlan", "macvtap", "security", "nat/guests-reach-out", "nat/nobody-reaches-in",
          "nat/the-last-puts-forwarding-back", "nat/router-advertisements-still-count", "nat/many-at-once", "firewall/docker",
          "tap/one-request-removes-all-that-leave",
          "preflight/routes-in-other-tables", "preflight/bridge-netfilter-and-docker", "preflight/bridge-netfilter-and-iptables-legacy"]
LEFT_OUT = "killed"   # hundreds of runs of a program are too many for QEMU without KVM


def tests_of(group):
    if "/" in group:
        return [group]
    text = Path(f"/tests/netns/test-{group}.py").read_text()
    return [f"{group}/{t.replace('_', '-')}" for t in re.findall(r"^def test_(\w+)", text, re.MULTILINE) if LEFT_OUT not in t]


build = Path("/run/netns-tests")   # as a build directory has them
(build / "helpers").mkdir(parents=True)
(build / "helpers/network").symlink_to("/usr/libexec/qnet")
os.chmod("/dev/net/tun", 0o666)
tests = subprocess.Popen(["/tests/netns/run", build, *(t for g in GROUPS for t in tests_of(g))], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace")
for line in tests.stdout:
    verdict, _, rest = line.partition(" ")
    print(f"{verdict} netns/{rest}" if verdict in ("ok", "FAIL", "skip") else line, end="", flush=True)
subprocess.run(["modprobe", "-r", "br_netfilter"])  # what other files measure must not pass it
sys.exit(1 if tests.wait() else 0)
