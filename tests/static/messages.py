#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""messages.py HEADER PAGE - the manual page lists the MESSAGE_IDs that the header defines, and no others"""

import re
import sys


def main(header, page):
    with open(header, encoding="utf-8") as f:
        defined = set(re.findall(r'"([0-9a-f]{32})"', f.read()))
    with open(page, encoding="utf-8") as f:
        listed = set(re.findall(r"^\.It Li ([0-9a-f]{32})$", f.read(), re.MULTILINE))
    for message in sorted(defined ^ listed):
        print(f"{message} is only in {header if message in defined else page}")
    return 0 if defined and defined == listed else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
