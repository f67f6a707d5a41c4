#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""keys.py GENERATOR - autoload/qnet/keys.vim: sections and keys as the generator's table has them"""

import subprocess
import sys


def lines(*command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def main(generator):
    print('" Made from "qnet-generator --keys": [section, kind, [[key, meaning], ...]]')
    print("let qnet#keys#sections = [")
    for section, kind, _ in lines(generator, "--sections"):
        keys = lines(generator, "--keys", section)
        print(f"      \\ [{quote(section)}, {quote(kind)}, [" + ("" if keys else "]],"))
        for _, key, meaning in keys:
            print(f"      \\ [{quote(key)}, {quote(meaning)}],")
        if keys:
            print("      \\ ]],")
    print("      \\ ]")


if __name__ == "__main__":
    main(sys.argv[1])
