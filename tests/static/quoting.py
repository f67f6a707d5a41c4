#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""quoting.py WRITE-UNIT - what the unit-writer writes, systemd reads back as it was

Strings of odd bytes, made by hand and at random, go through WRITE-UNIT into a unit. The real systemd then loads it
("systemd --test --user", which starts nothing) and dumps what it understood. Skips (77) when that is missing or refuses
to run."""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

SYSTEMD = "/lib/systemd/systemd"

BY_HAND = [
    "plain", "two words", "  leading and trailing  ", "", " ", ";", "\\;", "; x", "#x", "# x", "-", "-@:+!", "--",
    "$", "$$", "$HOME", "${HOME}", "$$HOME", "%", "%%", "%n", "%i %h %%s", "100%", '"', "'", "it's", '"quoted"',
    "\\", "\\\\", "ends\\", "\\n", "\\x41", "\\u00e4", "\\%", "\\$", '\\"', "a,b,,c", "a=b", "[Service]", "ExecStart=/x",
    "ä€🐎", "Ünï cödé $x %y", "{a,b}", "*", "?", "~", "`id`", "$(id)", "a&b|c<d>e", "!x", "^", "\u00a0", "\u2028",
    "/img/a b,c;d%e$f\\g\"h'i.raw", "x" * 5000, "%" * 300 + "$" * 300 + "\\" * 301,
]
DESCRIPTION = "50% \\$HOME \"of\" it; #x \\"
ALPHABET = " \"'\\%$;#,=-{}abnxu0/@:+!~*?[]äß€🐎"


def at_random(n):
    r = random.Random(1)
    return ["".join(r.choice(ALPHABET) for _ in range(r.randrange(12))) for _ in range(n)]


def split_dump(line):
    """The words of a "Command Line:" of the dump: double quotes, a backslash before what is special in them."""
    words, word, i, quoted = [], None, 0, False
    while i < len(line):
        c = line[i]
        if quoted and c == "\\":
            i += 1
            word += line[i]
        elif c == '"':
            quoted = not quoted
            word = word or ""
        elif c == " " and not quoted:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + c
        i += 1
    return words + ([word] if word is not None else [])


def dump(directory, unit):
    """What systemd says of the unit: Description, list of command lines, messages."""
    command = [SYSTEMD, "--test", "--user", f"--unit={unit}"]
    env = {"HOME": directory, "XDG_RUNTIME_DIR": directory + "/run", "SYSTEMD_UNIT_PATH": directory + ":", "LC_ALL": "C.UTF-8"}
    if os.getuid() == 0:  # systemd does not test as root
        for path in [directory, directory + "/run"]:
            os.chown(path, 65534, 65534)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + command
    p = subprocess.run(command, capture_output=True, env=env, timeout=60)
    text = p.stdout.decode()
    part = re.search(rf"-> Unit {re.escape(unit)}:\n(.*?)(?=\n\t-> Unit |\n-> By jobs|\Z)", text, re.DOTALL)
    if not part:
        return None, [], p.stderr.decode()
    part = part.group(1)
    return (re.search(r"^\t\tDescription: (.*)$", part, re.MULTILINE).group(1),
            [split_dump(l) for l in re.findall(r"^\t+Command Line: (.*)$", part, re.MULTILINE)],
            p.stderr.decode())


def main(write_unit):
    if not os.path.exists(SYSTEMD):
        print(f"skipped: no {SYSTEMD}")
        return 77
    strings = BY_HAND + at_random(400)
    failures = 0
    with tempfile.TemporaryDirectory(prefix="qnet-quoting-") as directory:
        os.mkdir(directory + "/run", 0o700)
        subprocess.run([write_unit, directory, "odd.service", DESCRIPTION] + strings, check=True)
        subprocess.run([write_unit, directory, "plain.service", "plain"], check=True)
        description, _, errors = dump(directory, "plain.service")
        if description != "plain":
            print(f"skipped: {SYSTEMD} --test does not run here: {errors.strip()}")
            return 77
        description, commands, errors = dump(directory, "odd.service")
    expected = [DESCRIPTION] + strings
    # "$$" is what stands for a dollar sign until the command is run, and no other dollar sign may be there
    for got, string in zip(commands[0][1:], expected, strict=True):
        if "$" in got.replace("$$", "") or got.replace("$$", "$") != string:
            print(f"argument {string!r} became {got!r}")
            failures += 1
    # of each word systemd says that it is not an absolute path; of long ones it does not
    words = re.findall(r"ReadWritePaths= path is not absolute, ignoring: w:(.*)$", errors, re.MULTILINE)
    words = [w for w in words if len(w) < 500]
    for got, string in zip(words, [e for e in expected if len(e) < 500], strict=True):
        if got != string:
            print(f"word {string!r} became {got!r}")
            failures += 1
    if description != DESCRIPTION:
        print(f"Description {DESCRIPTION!r} became {description!r}")
        failures += 1
    print(f"{len(expected)} strings, {failures} failures")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
