# SPDX-License-Identifier: LGPL-2.1-or-later
"""usage: tests/run [--quick] [SUITE...]

Builds qnet and runs its tests; all suites, or those named. "system/lab" names one file of the system tests, "vm/boot" one
of those in a whole Debian.
Needs root (namespaces, a sandboxed systemd). Installs missing Debian packages, leaves everything else as it was.

  --quick   leave out the second compiler, fuzzing, and what takes longest of the system tests

Suites: build (every compiler), unit (what "meson test" runs), one per directory tests/*/ that has a program "run",
host (nothing was left behind).

A suite's "run BUILDDIR" prints a line per test, "ok NAME", "FAIL NAME REASON" or "skip NAME REASON"; what it prints
otherwise is shown if a test fails. It cleans up when it gets SIGTERM.
"""
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
CACHE = TESTS / ".cache"
SUITE_TIMEOUT = 25 * 60
QUICK_LEAVES_OUT = {"fuzz"}
NOT_A_VERDICT = {"bench"}
MOSTLY_WAIT = {"reaper"}         # these begin with the first suite after the build, and are reported in their turn
INSTALLED = {"system", "vm"}     # these run what "meson install" made, and know names of files and --quick
COLOURS = {"ok": "32", "FAIL": "31;1", "skip": "33"}
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class Interrupted(Exception):
    pass


def paint(word):
    return f"\033[{COLOURS[word]}m{word:4}\033[m" if sys.stdout.isatty() else f"{word:4}"


def say(text=""):
    print(text, flush=True)


class Results:
    def __init__(self):
        self.ok, self.failed, self.skipped = [], [], []

    def add(self, verdict, name, reason="", seconds=None):
        {"ok": self.ok, "FAIL": self.failed, "skip": self.skipped}[verdict].append((name, reason))
        used = "" if seconds is None else f"  ({seconds:.1f} s)"
        say(f"  {paint(verdict)} {name}{'  ' if reason else ''}{reason}{used}")

    def line(self):
        return f"{len(self.ok)} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"


def spawn(command, stdout=subprocess.PIPE, **options):
    """A child in a process group of its own, which gets SIGTERM should we be killed."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT, text=True,
                            errors="replace", start_new_session=True,
                            preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM), **options)


def end(child):
    """SIGTERM lets a suite clean up; a minute later it is SIGKILL."""
    for sig, patience in ((signal.SIGTERM, 60), (signal.SIGKILL, 10)):
        try:
            os.killpg(child.pid, sig)
            child.wait(patience)
            return
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


class Early:
    """A suite that runs beside others; what it prints is kept until its turn."""
    def __init__(self, command):
        self.file = tempfile.TemporaryFile("w+", errors="replace")
        self.child = spawn(command, stdout=self.file)

    def lines(self):
        try:
            self.child.wait(SUITE_TIMEOUT)
        except subprocess.TimeoutExpired:
            end(self.child)
        self.file.seek(0)
        yield from self.file.read().splitlines()
        return self.child.wait()


early = {}


def lines_of(command, **options):
    """Yields the lines a child prints, as they come; returns its exit status (use "yield from")."""
    child = spawn(command, **options)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(child.pid, signal.SIGTERM))
    signal.alarm(SUITE_TIMEOUT)
    try:
        for line in child.stdout:
            yield line.rstrip("\n")
        return child.wait()
    except BaseException:
        # another Ctrl-C must not disturb the cleaning up
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, signal.SIG_IGN)
        end(child)
        raise
    finally:
        signal.alarm(0)


def show(lines):
    for line in lines[-200:]:
        say(f"       | {line}")


def suite_build(results, quick, _):
    for kind, what in (("sanitized", "gcc with sanitizers"), ("clang", "clang"), ("install", "gcc, installed")):
        if kind == "clang" and quick:
            results.add("skip", "build/clang", "--quick")
            continue
        build(results, kind, what)


def build(results, kind, what):
    start = time.monotonic()
    done = subprocess.run([TESTS / "lib/build", kind], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True)
    results.add("ok" if done.returncode == 0 else "FAIL", f"build/{kind}", what, time.monotonic() - start)
    if done.returncode != 0:
        show(done.stdout.splitlines())
    return done.returncode == 0


MESON_LINE = re.compile(r"^ *\d+/\d+ (?:[\w:+-]+ / )?(\S.*?) +(OK|FAIL|SKIP|TIMEOUT|ERROR|EXPECTEDFAIL|UNEXPECTEDPASS) +([\d.]+)s")


def suite_unit(results, quick, _):
    """What "meson test" runs, but for suites that have a "run" of their own."""
    command = ["meson", "test", "-C", str(CACHE / "build-sanitized"), "--no-rebuild", "--print-errorlogs", "--timeout-multiplier", "4",
               "--num-processes", str(os.cpu_count() or 1)]
    for suite in suites_with_run():
        command += ["--no-suite", suite]
    if quick:
        command += ["--no-suite", "fuzz"]
    seen = {}
    lines = yield_all(lines_of(command))
    reasons = skip_reasons()
    for line in lines.lines:
        match = MESON_LINE.match(line)
        if not match or match[1] in seen:
            continue
        seen[match[1]] = True
        verdict = {"OK": "ok", "EXPECTEDFAIL": "ok", "SKIP": "skip"}.get(match[2], "FAIL")
        reason = "" if verdict == "ok" else reasons.get(match[1], "it did not say why") if verdict == "skip" else match[2].lower()
        results.add(verdict, f"unit/{match[1]}", reason, float(match[3]))
    failed = any(name.startswith("unit/") for name, _ in results.failed)
    if not seen or (lines.status and not failed):
        results.add("FAIL", "unit/meson-test", f"exit status {lines.status}")
        failed = True
    if failed:
        show(lines.lines)


def skip_reasons():
    """meson does not show what a skipped test printed; its log has it."""
    import json
    reasons = {}
    log = CACHE / "build-sanitized/meson-logs/testlog.json"
    if log.exists():
        for line in log.read_text().splitlines():
            test = json.loads(line)
            text = (test.get("stdout", "") + test.get("stderr", "")).strip().splitlines()
            if test.get("result") == "SKIP" and text:
                reasons[test["name"].split(" / ")[-1]] = text[-1]
    return reasons


class yield_all:
    """All lines of a child, and its exit status."""
    def __init__(self, generator):
        self.lines = []
        while True:
            try:
                self.lines.append(next(generator))
            except StopIteration as stop:
                self.status = stop.value
                return


def command_of(name, quick, only):
    if name in INSTALLED:
        return [str(TESTS / name / "run"), str(CACHE / "install"), *(["--quick"] if quick else []), *only]
    return [str(TESTS / name / "run"), str(CACHE / "build-sanitized")]


def suite_directory(name):
    def run(results, quick, only):
        other, count, failures = [], 0, 0
        generator = early[name].lines() if name in early else lines_of(command_of(name, quick, only))
        while True:
            try:
                line = next(generator)
            except StopIteration as stop:
                status = stop.value
                break
            verdict, _, rest = line.partition(" ")
            if verdict not in COLOURS or not rest.strip():
                other.append(line)
                continue
            test, _, reason = rest.strip().partition(" ")
            results.add(verdict, f"{name}/{test}", reason.strip())
            count += 1
            if verdict == "FAIL":
                failures += 1
                show(other)
            other = []
        if count == 0 or (status != 0 and failures == 0):
            results.add("FAIL", f"{name}/run", f"exit status {status} after {count} tests")
            show(other)
        elif failures:
            show(other)
    return run


def suites_with_run():
    return sorted(p.parent.name for p in TESTS.glob("*/run") if os.access(p, os.X_OK)
                  and p.parent.name not in NOT_A_VERDICT)


def host_state():
    """What tests could leave behind on the host."""
    state = {f"interface {p.name}" for p in Path("/sys/class/net").iterdir()}
    state |= {f"mount {line.split()[1]}" for line in Path("/proc/mounts").read_text().splitlines()}
    state |= {f"network namespace {p.name}" for p in Path("/run/netns").glob("*")}
    state |= {f"file {p}" for p in [*Path("/tmp").glob("qnet-*"), Path("/run/qnet"), Path("/etc/qnet")] if p.exists()}
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        state |= {f"cgroup {p}" for p in Path(root).glob("**/qnet*")}
    return state


def suite_host(before):
    def run(results, _quick, _only):
        deadline = time.monotonic() + 10
        while (left := host_state() - before) and time.monotonic() < deadline:
            time.sleep(.2)
        if left:
            results.add("FAIL", "host/nothing-left", ", ".join(sorted(left)))
        else:
            results.add("ok", "host/nothing-left")
    return run


def main(arguments):
    if "-h" in arguments or "--help" in arguments:
        say(__doc__.strip())
        return 0
    quick = "--quick" in arguments
    wanted = [a for a in arguments if a != "--quick"]
    directories = suites_with_run()
    directories.sort(key=lambda name: (name in INSTALLED, name))
    before = host_state()
    known = {"build": suite_build, "unit": suite_unit, **{d: suite_directory(d) for d in directories},
             "host": suite_host(before)}
    unknown = [w for w in wanted if w.partition("/")[0] not in known or w.startswith("-")]
    if unknown:
        say(f"run: no suite {', '.join(unknown)}; there are: {', '.join(known)}")
        return 2
    if os.geteuid() != 0:
        say("run: must be root (namespaces, a sandboxed systemd); for the rest there is meson test")
        return 1

    only = {}
    for w in wanted:
        only.setdefault(w.partition("/")[0], []).extend(w.split("/", 1)[1:])
    chosen = [n for n in known if (n in only if wanted else not (quick and n in QUICK_LEAVES_OUT))]
    results = Results()
    start = time.monotonic()
    try:
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, interrupted)
        if "build" not in chosen:
            for kind in ("sanitized", "install"):
                if not build(results, kind, "needed for the rest"):
                    raise SystemExit
        for i, name in enumerate(chosen, 1):
            began = time.monotonic()
            say(f"[{i}/{len(chosen)}] {name}")
            if name != "build" and not early:
                early.update({n: Early(command_of(n, quick, [])) for n in chosen if n in MOSTLY_WAIT})
            known[name](results, quick, only.get(name, []))
            say(f"       {time.monotonic() - began:.1f} s")
            if name == "build" and results.failed:
                break
    except Interrupted:
        results.add("FAIL", "run", "interrupted")
    except SystemExit:
        pass
    finally:
        for other in early.values():
            if other.child.poll() is None:
                end(other.child)
        give_back_cache()
    summary(results, time.monotonic() - start)
    return 1 if results.failed or not results.ok else 0


def interrupted(*_):
    raise Interrupted


def give_back_cache():
    """What root made below somebody else's tree is theirs."""
    owner = TESTS.stat()
    if owner.st_uid != 0:
        subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", str(CACHE)], check=False)


def summary(results, seconds):
    say()
    for verdict, tests in (("skip", results.skipped), ("FAIL", results.failed)):
        for name, reason in tests:
            say(f"{paint(verdict)} {name}  {reason}")
    say(f"{int(seconds // 60)} min {seconds % 60:.0f} s")
    say(results.line())


sys.exit(main(sys.argv[1:]))
