#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""keys.py [--update] GENERATOR README PAGE - README and qnet.conf(5) know the keys that the generator knows

The README holds the table of "qnet-generator --keys" as it is; --update writes it. In the manual page each key has
an entry ".It Ic Key=" below the heading ".Sh [SECTION] ...", and no other key has one; and somewhere an example shows it,
"Key=value"."""

import re
import subprocess
import sys

BEGIN, END = "<!-- keys: written by tests/static/keys.py --update -->\n", "<!-- end of keys -->\n"


def generator_keys(program):
    out = subprocess.run([program, "--keys"], check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def table(keys):
    rows = ["| section | key | meaning |", "|---|---|---|"]
    rows += [f"| `[{section}]` | `{key}=` | {help} |" for section, key, help in keys]
    return "\n".join(rows) + "\n"


def replace_table(text, keys):
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n" + table(keys) + "\n" + END + rest.split(END)[1]


def page_keys(text):
    section = None
    for line in text.splitlines():
        if heading := re.match(r'\.Sh "?(.*)', line):
            name = re.match(r"\[(\w+)\]", heading[1])
            section = name and name[1]
        elif section and (item := re.match(r"\.It Ic (\w+)=", line)):
            yield section, item[1]


def shown_keys(text):
    """Those of ".Ql Key=value" and of the examples."""
    return set(re.findall(r"^(?:\.(?:Ql|Dl|Pq Ql) )?(\w+)=\S", text, re.MULTILINE))


def main(args):
    update = args[0] == "--update"
    program, readme, page = args[update:]
    keys = generator_keys(program)
    with open(readme, encoding="utf-8") as f:
        text = f.read()
    wanted = replace_table(text, keys)
    if update:
        with open(readme, "w", encoding="utf-8") as f:
            f.write(wanted)
        text = wanted

    complaints = [] if text == wanted else [f"{readme}: the table of keys is stale, run: {sys.argv[0]} --update ..."]
    with open(page, encoding="utf-8") as f:
        described = f.read()
    found, shown = list(page_keys(described)), shown_keys(described)
    known = [(section, key) for section, key, _ in keys]
    complaints += [f"{page}: [{s}] {k}= is not described" for s, k in known if (s, k) not in found]
    complaints += [f"{page}: no example has [{s}] {k}=" for s, k in known if k not in shown]
    complaints += [f"{page}: there is no [{s}] {k}=" for s, k in found if (s, k) not in known]
    complaints += [f"{page}: [{s}] {k}= comes twice" for s, k in set(found) if found.count((s, k)) > 1]
    print("\n".join(complaints) or f"{len(known)} keys are described")
    return 1 if complaints or not known else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
