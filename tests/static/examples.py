#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples.py GENERATOR EXAMPLES README TEST LABS BUILD - each file of EXAMPLES is clean, explained, listed, tried and installed

Clean: the generator has nothing to say of it, alone (with its drop-ins) and with all others. Explained: two to five lines
of comment at its head, with a command, whose units are there. Listed: a row of the README's table. Tried: TEST, which
starts them with real guests, or LABS, which has namespaces in their places, says so. Installed: the build installs the directory as documentation."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def compile_one(generator, *paths):
    """What the generator says, and the units that it makes."""
    with tempfile.TemporaryDirectory(prefix="qnet-examples.") as root:
        etc = Path(root, "etc/qnet")
        etc.mkdir(parents=True)
        Path(root, "etc/machine-id").write_text("0" * 31 + "1\n", encoding="ascii")
        for path in paths:
            shutil.copy(path, etc)
            if (drop_ins := Path(f"{path}.d")).is_dir():
                shutil.copytree(drop_ins, etc / drop_ins.name)
        done = subprocess.run([generator, f"--root={root}", "--dry-run"], capture_output=True, text=True)
    says = done.stderr.splitlines()
    return says + ([f"exit status {done.returncode}"] if done.returncode else []), done.stdout


def head_mistakes(path, units):
    """What is wrong with the comment at its head."""
    head = path.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    if not 2 <= len(head) <= 5 or not all(line.startswith("# ") for line in head):
        yield f"{len(head)} lines at its head, not two to five lines of comment and an empty line"
    commands = [line for line in head if re.match(r"# {5}.*systemctl (re)?start ", line)]
    if not commands:
        yield "no command at its head that starts it"
    for line in commands:
        yield from (f"'{unit}' at its head is none of its units"
                    for unit in re.findall(r"(?:qemu-vm|qnet-lab)@[\w.-]+\w", line)
                    if not re.search(rf"{re.escape(unit)}(\.service)?\b(?![\w.@-])", units))


def installed(build, examples):
    plan = json.loads(subprocess.run(["meson", "introspect", "--installed", build], check=True, capture_output=True).stdout)
    if not plan.get(str(examples), "").endswith("/share/doc/qnet/examples"):
        yield f"{examples} is not installed as share/doc/qnet/examples"


def tried_by(test, labs):
    """The files that they try."""
    of_test = re.findall(r"^@example\((.*)\)$", Path(test).read_text(encoding="utf-8"), re.M)
    of_labs = re.findall(r'^ +open_lab\("(.*)"\)$', Path(labs).read_text(encoding="utf-8"), re.M)
    return {*re.findall(r'"([^"]*)"', " ".join(of_test)), *(f"{name}.conf" for name in of_labs)}


def main(generator, examples, readme, test, labs, build):
    examples, text, tried = Path(examples), Path(readme).read_text(encoding="utf-8"), tried_by(test, labs)
    files = sorted(p for p in examples.rglob("*") if p.is_file())
    tops = sorted(examples.glob("*.conf"))
    found = list(installed(build, examples))
    says, everything = compile_one(generator, *tops)
    found += [f"all together: {line}" for line in says]
    for path in files:
        name = str(path.relative_to(examples))
        if path in tops:
            found += [f"{name}: {line}" for line in compile_one(generator, path)[0]]
        found += [f"{name}: {line}" for line in head_mistakes(path, everything)]
        if f"| [`{name}`](examples/{name}) |" not in text:
            found.append(f"{name}: not in the table of {readme}")
        if name not in tried:
            found.append(f"{name}: neither {test} nor {labs} tries it")
    if len(tops) < 10:
        found.append(f"only {len(tops)} examples in {examples}")
    listed = set(re.findall(r"\(examples/([\w./-]+)\)", text))
    found += [f"{readme}: there is no examples/{name}" for name in sorted(listed - {str(p.relative_to(examples)) for p in files})]
    print("\n".join(found) or f"{len(files)} files are as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
