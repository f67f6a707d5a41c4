# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests of the network helpers (tests/netns) that need what the build machine's kernel may lack, or that another kernel
may answer otherwise"""
import os
import subprocess
import sys
from pathlib import Path

SECONDS = 600
GROUPS = ["switch", "tap-set", "vlan", "trunk", "vxlan", "macvtap"]

build = Path("/run/netns-tests")   # as a build directory has them
(build / "helpers").mkdir(parents=True)
(build / "helpers/network").symlink_to("/usr/libexec/qnet")
os.chmod("/dev/net/tun", 0o666)
tests = subprocess.Popen(["/tests/netns/run", build, *GROUPS], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace")
for line in tests.stdout:
    verdict, _, rest = line.partition(" ")
    print(f"{verdict} netns/{rest}" if verdict in ("ok", "FAIL", "skip") else line, end="", flush=True)
sys.exit(1 if tests.wait() else 0)
