# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sandbox with this build of qnet in it, for the rows that need a real systemd."""
import contextlib
import os
import shlex
import subprocess
import time
from pathlib import Path

from frame import HERE, TESTS, Unavailable, need_root

SANDBOX = TESTS / "sandbox"
HELPERS = "/usr/libexec/qnet"


class Box:
    def __init__(self, state):
        self.state = state

    def run(self, *command, stdin=None):
        done = subprocess.run([SANDBOX, "run", self.state, *map(str, command)], text=True, input=stdin or "",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise RuntimeError(f"{shlex.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def sh(self, script):
        return self.run("sh", "-euc", script)

    def cpu(self):
        """CPU time of all that ever ran inside, in milliseconds"""
        cgroup = Path((self.state / "cgroup").read_text(encoding="utf-8").strip())
        return int((cgroup / "payload/cpu.stat").read_text(encoding="utf-8").split()[1]) / 1000

    def write(self, path, text):
        self.run("sh", "-euc", f"mkdir -p {os.path.dirname(path)}; cat >{path}", stdin=text)

    def wait_until_idle(self, *units, timeout=30):
        """Until none of the units runs, and none is about to be started by another."""
        end, quiet = time.monotonic() + timeout, 0
        while quiet < 3:
            if time.monotonic() > end:
                raise RuntimeError(f"{units} do not come to rest")
            states = subprocess.run([SANDBOX, "run", self.state, "systemctl", "is-active", *units], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.split()
            quiet = quiet + 1 if all(s in ("inactive", "failed") for s in states) else 0
            time.sleep(.03)


@contextlib.contextmanager
def sandbox(bench, **binds):
    """A Box, booted, with directories bound at /NAME for every argument, the build at /bench/build."""
    need_root()
    if not SANDBOX.exists():
        raise Unavailable("no tests/sandbox")
    with bench.directory() as top:
        box = Box(top / "state")
        options = [f"--bind={bench.build}:/bench/build", f"--bind={HERE}:/bench/scripts",
                   *(f"--bind={source}:/bench/{name}" for name, source in binds.items())]
        try:
            up = subprocess.run([SANDBOX, "up", f"--owner={os.getpid()}", f"--install={bench.install}", *options,
                                 box.state], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
            if up.returncode != 0:
                raise RuntimeError(f"the sandbox did not boot: {up.stdout.strip()}")
            yield box
        finally:
            subprocess.run([SANDBOX, "down", box.state], stdin=subprocess.DEVNULL)
