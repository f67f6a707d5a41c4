# SPDX-License-Identifier: LGPL-2.1-or-later
"""inside.py NAME:SECONDS... - in the guest: runs test files one after the other, each as a unit of its own

What they print goes to our standard output, a serial port that "run" reads on the host; "end of NAME" after each. Between
two files the machine becomes what it was, as far as a network goes."""
import json
import subprocess
import sys
from pathlib import Path


def sh(command):
    return subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False).stdout


def links():
    return {link["ifname"] for link in json.loads(sh("ip -j link"))}


def run_file(name, seconds):
    command = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit=test-{name}", "-p", "TimeoutStopSec=5",
               "-p", "Environment=PYTHONPATH=/tests/vm:/tests/system LC_ALL=C.UTF-8 COLUMNS=200 HOME=/root PYTHONUNBUFFERED=1",
               "timeout", "-k", "5", str(seconds), "python3", "-B", f"/tests/vm/{name}.py"]
    test = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace")
    verdicts = set()
    for line in test.stdout:
        print(line, end="", flush=True)
        verdicts.add(line.partition(" ")[0])
    status = test.wait()
    if status == 0 and verdicts & {"ok", "skip"} or status == 1 and "FAIL" in verdicts:
        return
    print(sh("journalctl -b --no-pager -o short-monotonic -n 60"), end="")
    why = f"was not done after {seconds} s" if status in (124, 137) else f"ended with exit status {status}"
    print(f"FAIL {name} {why}", flush=True)


def clean(before):
    """Stops what is qnet's, removes what a test may have made."""
    sh("systemctl stop qnet.slice 'qemu-vm@*' 'qnet-*@*'; systemctl reset-failed; rm -rf /etc/qnet/*")
    sh("ip -all netns delete; nft flush ruleset")
    for link in sorted(links() - before):
        sh(f"ip link delete {link}")
    sh("systemctl daemon-reload")


def main():
    print(f"guest: booted in {Path('/proc/uptime').read_text().split()[0]} s", flush=True)
    before = links()
    for i, argument in enumerate(sys.argv[1:]):
        name, _, seconds = argument.partition(":")
        if i > 0:
            clean(before)
        run_file(name, int(seconds))
        print(f"end of {name}", flush=True)


main()
