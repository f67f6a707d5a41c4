#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""readme.py GENERATOR README PAGE - what the README and qnet.conf(5) show is so

Each configuration in them is compiled on its own: no error, no warning, and a unit for each object that it opens.
The README's table of directories has every directory with sources, and no other; programs that it names exist."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

UNITS = {"VM": "qemu-vm@{}.service", "Switch": "qnet-switch@{}.service", "Lab": "qnet-lab@{}.target"}


def examples(path):
    text = Path(path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return re.findall(r"^```ini\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed", text, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.startswith("[")]


def complaints(generator, example):
    with tempfile.TemporaryDirectory(prefix="qnet-readme.") as root:
        conf = Path(root, "etc/qnet/example.conf")
        conf.parent.mkdir(parents=True)
        Path(root, "etc/machine-id").write_text("0" * 31 + "1\n", encoding="ascii")
        # what an example takes from another one
        if "System=tiny" in example and "[System tiny]" not in example:
            example += "\n[System tiny]\nKernel=/k\n"
        if "Switch=s1" in example and "[Switch s1]" not in example:
            example += "\n[Switch s1]\n"
        conf.write_text(example, encoding="utf-8")
        done = subprocess.run([generator, f"--root={root}", "--dry-run"], capture_output=True, text=True)
    yield from done.stderr.splitlines()
    if done.returncode != 0:
        yield f"exit status {done.returncode}"
    for kind, name in re.findall(r"^\[(\w+) (\S+)\]", example, re.MULTILINE):
        if kind in UNITS and "Instances=" not in example and UNITS[kind].format(name) not in done.stdout:
            yield f"no {UNITS[kind].format(name)}"


def directories(top):
    """As the table has them: those with files in them, not those that only hold such."""
    for path in sorted(p for d in ("*", "helpers/*", "tests/*") for p in top.glob(d) if p.is_dir()):
        if re.match(r"build|\.|__pycache__", path.name) or path.name in ("helpers", "tests"):
            continue
        if any(p.is_file() for p in path.rglob("*")):
            yield f"{path.relative_to(top)}/"


def layout(readme):
    top, text = Path(readme).resolve().parent, Path(readme).read_text(encoding="utf-8")
    listed, there = set(re.findall(r"^\| `([\w/]+/)` \|", text, re.MULTILINE)), set(directories(top))
    yield from (f"{readme}: directory {d} is not in the table" for d in sorted(there - listed))
    yield from (f"{readme}: there is no directory {d}" for d in sorted(listed - there))
    for program in sorted(set(re.findall(r"\btests/[\w/.-]*\w", text))):
        if not (top / program).exists():
            yield f"{readme}: there is no {program}"


def main(generator, *documents):
    found = list(layout(documents[0]))
    for document in documents:
        shown = examples(document)
        if not shown:
            found.append(f"{document}: no example found")
        for example in shown:
            found += [f"{document}: {line}\n{example}" for line in complaints(generator, example)]
    print("\n".join(found) or "all of it is so")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
