# SPDX-License-Identifier: LGPL-2.1-or-later
"""The generator with 10 to 5,000 VMs, a file each, against a bare program that reads and writes the same bytes."""
import os
import shutil
import statistics
import subprocess

from frame import Result, Unavailable

RATIO_GOAL = 1.6
RSS_GOAL_MB = 12
SIZES = (10, 100, 1000, 5000)
VMS_PER_SWITCH = 100

VM = """\
# host {i} of the bench farm
[VM]
Description=Farm host {i}
Lab=farm{lab}
CPUs=2
Memory=256M
Kernel=/var/lib/images/vmlinuz
Initrd=/var/lib/images/initrd.gz
KernelCommandLine=console=ttyS0 panic=5
Switch=s{lab}
"""

SWITCH = """\
[Switch]
Address=10.{lab}.0.1/24
DHCP=yes
Lab=farm{lab}
"""


def write_configuration(directory, n):
    directory.mkdir(parents=True)
    for lab in range((n + VMS_PER_SWITCH - 1) // VMS_PER_SWITCH):
        (directory / f"s{lab}.conf").write_text(SWITCH.format(lab=lab))
    for i in range(n):
        (directory / f"host{i}.conf").write_text(VM.format(i=i, lab=i // VMS_PER_SWITCH))


def write_plan(tree, plan):
    """What the bare program shall do to get the same tree: see bare-generator.c. Gives the number of files."""
    files = 0
    with open(plan, "wb") as out:
        for path, directories, names in os.walk(tree):
            for name in sorted(directories + names):
                full = os.path.join(path, name)
                relative = os.path.relpath(full, tree)
                if os.path.islink(full):
                    out.write(f"L {relative}\t{os.readlink(full)}\n".encode())
                elif os.path.isdir(full):
                    out.write(f"D {relative}\n".encode())
                else:
                    with open(full, "rb") as f:
                        data = f.read()
                    out.write(f"F {len(data)} {relative}\n".encode() + data)
                    files += 1
    return files


def same_tree(a, b):
    return subprocess.run(["diff", "-r", "--no-dereference", a, b], stdout=subprocess.DEVNULL).returncode == 0


class Size:
    """One number of VMs: its configuration, the plan of its output, and a run of either side."""

    def __init__(self, bench, top, n):
        self.bench, self.n, self.out = bench, n, top / "out"
        self.root, self.plan = top / str(n), top / f"plan{n}"
        self.generator = bench.program("generator/qnet-generator")
        self.bare = bench.program("tests/bench/bare-generator")
        write_configuration(self.root / "etc/qnet", n)
        (self.root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        self.run_generator(keep=True)
        if not any((self.out / "normal").glob("qemu-vm@*.service")):
            raise Unavailable("the generator writes no units yet")
        expected = top / "expected"
        (self.out / "normal").rename(expected)
        self.files = write_plan(expected, self.plan)
        for run in self.run_bare, self.run_atomic:
            run(keep=True)
            if not same_tree(expected, self.out / "normal"):
                raise RuntimeError("the bare program does not write what the generator does")
        shutil.rmtree(expected)

    def run(self, keep, *command):
        shutil.rmtree(self.out, ignore_errors=True)
        for name in ("normal", "early", "late"):
            (self.out / name).mkdir(parents=True)
        os.environ["QNET_ROOT"] = str(self.root)
        cost = self.bench.cost(*command)
        if not keep:
            shutil.rmtree(self.out)
        return cost

    def run_generator(self, keep=False):
        return self.run(keep, self.generator, *(self.out / d for d in ("normal", "early", "late")))

    def run_bare(self, keep=False, how=()):
        return self.run(keep, self.bare, self.plan, self.root / "etc/qnet", self.out / "normal", *how)

    def run_atomic(self, keep=False):
        return self.run_bare(keep, ["atomic"])


def rows(bench):
    if not os.path.ismount("/dev/shm"):
        raise Unavailable("no tmpfs at /dev/shm")
    per_vm = {}
    with bench.directory("/dev/shm") as top:
        for n in SIZES[:3] if bench.quick else SIZES:
            bench.label = f"generator, {n} VMs"
            size = Size(bench, top, n)
            ours, bare, atomic = bench.in_turns(bench.rounds(40 if n <= 100 else 20), size.run_generator,
                                                size.run_bare, size.run_atomic)
            per_vm[n] = statistics.median(c.cpu for c in ours) / n
            yield Result(f"generator, {n} VMs: CPU", "ms", [c.cpu / 1000 for c in ours],
                         [c.cpu / 1000 for c in bare], ratio_goal=RATIO_GOAL,
                         note=f"{per_vm[n]:.0f} us/VM, {size.files} files")
            last = ours, bare
    yield Result(f"generator, {n} VMs: CPU, bare but atomic", "ms", [c.cpu / 1000 for c in ours],
                 [c.cpu / 1000 for c in atomic], note="the bare one, too, names a file when it is whole")
    biggest, smaller = sorted(per_vm)[-1], sorted(per_vm)[-2]
    yield Result(f"generator: us/VM at {biggest} against {smaller}", "us", [per_vm[biggest]], [per_vm[smaller]],
                 ratio_goal=1.15, note="1: linear")
    yield Result(f"generator, {biggest} VMs: peak memory", "MB", [c.rss / 1024 for c in last[0]],
                 [c.rss / 1024 for c in last[1]], goal=RSS_GOAL_MB, note="resident; the bare one maps its plan")
