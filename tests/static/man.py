#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""man.py PAGE... - the manual pages, as built, are free of what mandoc and man warn about

Also: every page of ours that another one refers to exists, and nothing was left unsubstituted.
Skips (77) when mandoc or man is missing."""

import os
import re
import shutil
import subprocess
import sys


def complaints(page, names):
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    yield from (lint.stdout + lint.stderr).splitlines()
    # groff's own opinion; "man" shows a page as the reader will see it
    env = dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="80", MAN_KEEP_FORMATTING="")
    man = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, text=True, env=env)
    yield from man.stderr.splitlines()
    if man.returncode != 0:
        yield f"man: exit status {man.returncode}"

    text = open(page, encoding="utf-8").read()
    for word in re.findall(r"@[A-Z]+@", text):
        yield f"{page}: {word} was not substituted"
    for name, section in re.findall(r"^\.Xr (q(?:net|emu-vm)\S*) ([0-9])", text, re.MULTILINE):
        if f"{name}.{section}" not in names:
            yield f"{page}: there is no page {name}({section})"


def main(pages):
    for program in "mandoc", "man":
        if not shutil.which(program):
            print(f"SKIP: {program} is not installed")
            return 77
    names = {os.path.basename(page) for page in pages}
    found = [line for page in pages for line in complaints(page, names)]
    print("\n".join(found) or f"{len(pages)} pages are clean")
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
