# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every row of the benchmarks stands on: paired runs, medians, the result, and clean-up.

A row is a function that takes a Bench and yields Result objects (see ROWS in run). Whatever it compares it runs in
turns, so that a slow minute of the machine hits both sides, after rounds that do not count. The figure is the median;
the ratio is the median of the ratios of the pairs; the noise is half the distance between the quartiles of ours,
in percent of its median.
"""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000


class Unavailable(Exception):
    """This row cannot be measured here; says why."""


@dataclass
class Result:
    name: str
    unit: str
    ours: list
    baseline: list = field(default_factory=list)
    ratio_goal: float = None   # ours / baseline at most
    goal: float = None         # ours at most
    note: str = ""

    @property
    def median(self):
        return statistics.median(self.ours)

    @property
    def baseline_median(self):
        return statistics.median(self.baseline) if self.baseline else None

    @property
    def ratio(self):
        if not self.baseline:
            return None
        return statistics.median(a / b for a, b in zip(self.ours, self.baseline))

    @property
    def noise(self):
        if len(self.ours) < 4 or not self.median:
            return None
        low, _, high = statistics.quantiles(self.ours, n=4)
        return 50 * (high - low) / self.median

    @property
    def met(self):
        if self.ratio_goal is not None:
            return self.ratio <= self.ratio_goal
        return None if self.goal is None else self.median <= self.goal

    def as_dict(self):
        return {"row": self.name, "unit": self.unit, "ours": self.median, "baseline": self.baseline_median,
                "ratio": self.ratio, "goal_ratio": self.ratio_goal, "goal": self.goal, "met": self.met,
                "n": len(self.ours), "noise_percent": self.noise, "note": self.note,
                "samples": {"ours": self.ours, "baseline": self.baseline}}


@dataclass
class Cost:
    """Of one run of some commands: microseconds of wall and of CPU time, KiB of resident memory."""
    wall: float
    cpu: float
    rss: int


class Bench:
    def __init__(self, build, install, quick):
        self.build = build        # build directory, a Path
        self.install = install    # tree of "meson install --destdir"
        self.quick = quick
        self.label = ""

    def rounds(self, full):
        return max(5, full // 4) if self.quick else full

    def program(self, *names):
        """Path of a program of the build; Unavailable when this tree does not have it."""
        for name in names:
            path = self.build / name
            if path.exists():
                return str(path)
        raise Unavailable(f"{names[0]} is not built")

    def cost(self, *command):
        """Runs "COMMAND ARG... ; COMMAND..." and says what it cost."""
        done = subprocess.run([self.program("tests/bench/measure"), *map(str, command)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stderr.strip()}")
        wall, cpu, rss = done.stdout.split()
        return Cost(float(wall), float(cpu), int(rss))

    def in_turns(self, rounds, *sides, warm_up=2):
        """Runs each side (a function) in turns; a list of what it returned per side. Who goes first alternates."""
        results = [[] for _ in sides]
        order = list(enumerate(sides))
        for i in range(-warm_up, rounds):
            self.progress(f"{max(i, 0)}/{rounds}")
            for which, side in order if i % 2 else reversed(order):
                value = side()
                if i >= 0:
                    results[which].append(value)
        return results

    def progress(self, text=""):
        if sys.stderr.isatty():
            print(f"\r\033[K{self.label} {text}" if text else "\r\033[K", end="", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def directory(self, parent=None):
        path = tempfile.mkdtemp(prefix="qnet-bench.", dir=parent)
        try:
            yield Path(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)


def need_root():
    if os.geteuid() != 0:
        raise Unavailable("needs root")


def need_commands(*names):
    for name in names:
        if not shutil.which(name):
            raise Unavailable(f"{name} is not installed")


def enter_private_network():
    """Moves this process to a network namespace of its own, with a /sys that shows it. Ends with the process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for command in (["mount", "--make-rprivate", "/"], ["mount", "-t", "sysfs", "sysfs", "/sys"],
                    ["ip", "link", "set", "lo", "up"]):
        subprocess.run(command, check=True)


def in_child(function, bench):
    """Runs the row in a child of ours, so that the namespaces it enters end with it. Gives its results."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 0
        try:
            os.close(reader)
            try:
                answer = {"results": [vars(r) for r in function(bench)]}
            except Unavailable as e:
                answer = {"unavailable": str(e)}
            with os.fdopen(writer, "w") as f:
                json.dump(answer, f)
        except KeyboardInterrupt:
            status = 130
        except BaseException as e:
            print(f"\n{bench.label}: {type(e).__name__}: {e}", file=sys.stderr)
            status = 1
        os._exit(status)
    os.close(writer)
    try:
        with os.fdopen(reader) as f:
            text = f.read()
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGTERM)   # an interrupt for it too; it cleans up
        raise
    finally:
        _, status = os.waitpid(pid, 0)
    if status != 0:
        raise RuntimeError("failed, see above")
    answer = json.loads(text)
    if "unavailable" in answer:
        raise Unavailable(answer["unavailable"])
    return [Result(**r) for r in answer["results"]]
