#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""writers.py GENERATOR [SECONDS] - two generators write to one directory, both killed at random; a reader looks on

Whatever the reader opens under the name of a unit or a link must be whole, byte for byte what an undisturbed run
writes, at any moment. In the end nothing else is there, but for temporary files, whose names systemd ignores."""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

CONF = """[Switch s1]
Address=10.9.0.1/16
DHCP=yes

[VM guest]
Instances=60
Switch=s1
Lab=lan
Autostart=yes
Accelerator=tcg
"""


class Check:
    def __init__(self, generator, scratch):
        self.generator = generator
        self.root = os.path.join(scratch, "root")
        os.makedirs(os.path.join(self.root, "etc/qnet"))
        with open(os.path.join(self.root, "etc/machine-id"), "w") as f:
            f.write("0123456789abcdef0123456789abcdef\n")
        with open(os.path.join(self.root, "etc/qnet/guests.conf"), "w") as f:
            f.write(CONF)
        self.early = os.path.join(scratch, "early")
        os.mkdir(self.early)
        self.expected = {}
        self.failures = []
        self.reads = self.kills = self.runs = 0

    def start(self, directory):
        return subprocess.Popen([self.generator, directory, self.early, self.early],
                                env={"QNET_ROOT": self.root, "PATH": "/usr/bin:/bin", "SYSTEMD_SCOPE": "system"},
                                stdin=subprocess.DEVNULL)

    def entries(self, directory):
        for base, _, files in os.walk(directory):
            for name in files:
                path = os.path.join(base, name)
                yield os.path.relpath(path, directory), path

    def content(self, path):
        try:
            return "-> " + os.readlink(path) if os.path.islink(path) else open(path, "rb").read()
        except FileNotFoundError:  # replaced just now
            return None

    def look(self, directory):
        for name, path in self.entries(directory):
            if os.path.basename(name).startswith("."):
                continue
            content = self.content(path)
            self.reads += content is not None
            if content is not None and content != self.expected.get(name):
                self.failures.append(f"{name}: {len(content)} bytes, expected {len(self.expected.get(name, ''))}")

    def empty(self, directory):
        for name, path in list(self.entries(directory)):
            if os.path.basename(name).startswith("."):
                continue  # may be a writer's, between its last two system calls
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass

    def storm(self, directory, seconds):
        writers, end, r = [], time.monotonic() + seconds, random.Random(1)
        while time.monotonic() < end:
            while len(writers) < 2:
                # from the first system call to a little after the last
                writers.append((self.start(directory), time.monotonic() + r.uniform(0, 1.5 * self.duration)))
                self.runs += 1
            self.look(directory)
            if r.random() < 0.1:  # also into an empty directory, as systemd has it
                self.empty(directory)
            for writer in list(writers):
                if writer[0].poll() is None and time.monotonic() >= writer[1]:
                    writer[0].send_signal(signal.SIGKILL)
                    writer[0].wait()
                    self.kills += 1
                if writer[0].poll() is not None:
                    if writer[0].returncode not in (0, -signal.SIGKILL):
                        self.failures.append(f"exit status {writer[0].returncode}")
                    writers.remove(writer)
        for writer, _ in writers:
            writer.kill()
            writer.wait()

    def run(self, scratch, seconds):
        alone, shared = os.path.join(scratch, "alone"), os.path.join(scratch, "shared")
        os.mkdir(alone)
        os.mkdir(shared)
        before = time.monotonic()
        if self.start(alone).wait() != 0:
            return ["the generator failed"]
        self.duration = time.monotonic() - before
        self.expected = {name: self.content(path) for name, path in self.entries(alone)}
        self.storm(shared, seconds)
        if self.start(shared).wait() != 0:
            return ["the generator failed at the end"]
        self.look(shared)
        there = {name for name, _ in self.entries(shared)}
        if missing := self.expected.keys() - there:
            self.failures.append(f"missing at the end: {sorted(missing)}")
        left = [os.path.basename(name) for name in there - self.expected.keys()]
        if strange := [name for name in left if not re.fullmatch(r"\.qnet-[0-9a-f]{16}\.tmp", name)]:
            self.failures.append(f"left behind: {strange}")
        self.left = len(left)
        return self.failures


def main():
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as scratch:
        check = Check(os.path.abspath(sys.argv[1]), scratch)
        failures = check.run(scratch, seconds)
    if failures or check.kills < 10 or check.reads < 1000:
        print(f"FAIL writers {len(failures)} of {check.reads} reads wrong, {check.kills} of {check.runs} runs killed")
        print("\n".join(failures[:20]))
        return 1
    print("ok writers")
    print(f"{check.reads} reads, {check.kills} of {check.runs} runs killed, {check.left} temporary files left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
