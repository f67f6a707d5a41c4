#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""verify.py UNITS GOLDEN - systemd-analyze verify has nothing to say about any unit that is shipped or generated

UNITS is units/ in the sources, GOLDEN tests/generator/: each case's expect/ is verified together with the shipped units
and drop-ins, as systemd will see them. Programs that are not installed are replaced by one that is. Skips (77) without
systemd-analyze."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

SUFFIXES = (".service", ".path", ".target", ".slice", ".timer", ".socket")


def install(source, destination):
    """What units/meson.build does: *.in loses its suffix, and @HELPERDIR@."""
    for base, _, files in os.walk(source):
        for name in files:
            path = os.path.join(base, name)
            into = os.path.join(destination, os.path.relpath(path, source)).removesuffix(".in")
            if not into.endswith(SUFFIXES) and not os.path.dirname(into).endswith(".d") and ".wants" not in into:
                continue
            os.makedirs(os.path.dirname(into), exist_ok=True)
            if os.path.lexists(into):
                os.unlink(into)
            if os.path.islink(path):
                os.symlink(os.readlink(path).replace("/lib/systemd/system", destination), into)
                continue
            with open(path, encoding="utf-8") as f:
                text = f.read().replace("@HELPERDIR@", "/usr/libexec/qnet")
            with open(into, "w", encoding="utf-8") as f:
                f.write(re.sub(r"^(Exec\w+=[-@:+!]*)(/\S+)", program, text, flags=re.MULTILINE))


def program(match):
    return match.group(1) + (match.group(2) if os.access(match.group(2), os.X_OK) else "/bin/true")


def verify(directory, units):
    """What is wrong with the units of that directory, or ""."""
    p = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"] +
                       [os.path.join(directory, u) for u in units], capture_output=True, text=True,
                       env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_UNIT_PATH": directory + ":",
                            "SYSTEMD_LOG_COLOR": "no", "LC_ALL": "C.UTF-8"})
    ours = [line for line in (p.stdout + p.stderr).splitlines()
            if directory in line or re.search(r"\bq(net|emu-vm)\b", line)]
    if p.returncode == 0 and not ours:
        return ""
    return f"exit status {p.returncode}\n" + (p.stdout + p.stderr).replace(directory + "/", "")


def instances(names):
    """Units to verify: those that are there; of a template nothing, unless somebody made an instance."""
    return sorted(n for n in names if n.endswith(SUFFIXES) and "@." not in n)


def main(shipped, golden):
    if not shutil.which("systemd-analyze"):
        print("skipped: no systemd-analyze")
        return 77
    failed = verified = 0
    cases = {"shipped": None}
    for case in sorted(os.listdir(golden)):
        if os.path.isdir(os.path.join(golden, case, "expect")):
            cases[case] = os.path.join(golden, case, "expect")
    for case, tree in cases.items():
        with tempfile.TemporaryDirectory(prefix="qnet-verify-") as directory:
            install(shipped, directory)
            if tree:
                install(tree, directory)
            units = instances(os.listdir(directory))
            text = verify(directory, units)
        verified += len(units)
        if text:
            print(f"FAIL {case}: {text}")
            failed += 1
    print(f"{verified} units in {len(cases)} trees verified, {failed} trees failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
