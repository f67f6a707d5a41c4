#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dnsmasq.py GOLDEN - dnsmasq itself accepts the command line of every qnet-dhcp@*.service in tests/generator/*/expect

Skips (77) without dnsmasq."""

import glob
import os
import re
import shlex
import shutil
import subprocess
import sys


def command(path):
    """The words of ExecStart=; of systemd's escapes none but %% occurs there."""
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"\\\n[ \t]*", " ", f.read())
    return shlex.split(re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)[1].replace("%%", "%"))


def main(golden):
    dnsmasq = shutil.which("dnsmasq", path="/usr/sbin:/sbin:" + os.environ["PATH"])
    if not dnsmasq:
        print("skipped: no dnsmasq")
        return 77
    units = sorted(glob.glob(os.path.join(golden, "*/expect/qnet-dhcp@*.service")))
    failed = 0
    for unit in units:
        words = command(unit)
        p = subprocess.run([dnsmasq, *words[1:], "--test"], capture_output=True, text=True)
        if p.returncode != 0 or "syntax check OK" not in p.stderr:
            print(f"FAIL {os.path.relpath(unit, golden)}: {p.stderr.strip()}")
            failed += 1
    print(f"{len(units)} command lines, {failed} refused")
    return failed > 0 or len(units) < 5


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
