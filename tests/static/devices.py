#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""devices.py GENERATOR - the .device units that VMs are bound to are those that systemd-escape(1) names

Block devices with names of odd bytes, made by hand and at random, are compiled as images; the BindsTo= and After= of the
unit must be what "systemd-escape --path" says, as systemd reads them. Skips (77) without systemd-escape."""

import os
import random
import shutil
import subprocess
import sys
import tempfile

BY_HAND = ["/dev/sda", "/dev/disk/by-id/ata-ST1000_1-part2", "/dev/disk/by-label/ä b", "/dev/mapper/vg--x-lv",
           "/dev/.hidden", "/dev/a.b:c_d", "/dev/a,b=c;d", "/dev/back\\slash", "/dev/100%", "/dev/$x", "/dev/\"q\"'",
           "/dev/disk/by-partlabel/EFI\\x20System"]
ALPHABET = "abzAZ019_-.:,;%$\\\"'#=+~ äß€/"


def at_random(n):
    r = random.Random(3)
    for _ in range(n):
        path = "/dev/d" + "".join(r.choice(ALPHABET) for _ in range(r.randrange(1, 20)))
        if os.path.normpath(path) == path and path == path.strip() and not path.endswith("\\"):
            yield path


def bound(text, key):
    return [line.removeprefix(key + "=") for line in text.splitlines() if line.startswith(key + "=")]


def main(generator):
    if not shutil.which("systemd-escape"):
        print("no systemd-escape")
        return 77
    paths = BY_HAND + list(at_random(300))
    with tempfile.TemporaryDirectory(prefix="qnet-devices-") as root:
        os.makedirs(f"{root}/etc/qnet")
        os.mkdir(f"{root}/units")
        with open(f"{root}/etc/machine-id", "w", encoding="ascii") as f:
            f.write("0123456789abcdef0123456789abcdef\n")
        for i, path in enumerate(paths):
            with open(f"{root}/etc/qnet/v{i}.conf", "w", encoding="utf-8") as f:
                f.write("[VM]\n[Disk]\nImage=" + path.replace("%", "%%") + "\n")
        p = subprocess.run([generator] + [f"{root}/units"] * 3, env={"QNET_ROOT": root, "SYSTEMD_SCOPE": "system"},
                           capture_output=True, text=True)
        if p.returncode:
            print(p.stderr)
            return 1
        names = subprocess.run(["systemd-escape", "--path", "--suffix=device", *paths], check=True, capture_output=True,
                               text=True).stdout.split()
        failed = 0
        for i, (path, name) in enumerate(zip(paths, names, strict=True)):
            with open(f"{root}/units/qemu-vm@v{i}.service", encoding="utf-8") as f:
                text = f.read()
            if bound(text, "BindsTo") != [name] or name not in bound(text, "After") or bound(text, "RequiresMountsFor"):
                print(f"FAIL {path}: {bound(text, 'BindsTo')}, and systemd-escape says {name}")
                failed += 1
    print(f"{len(paths)} devices, {failed} wrong")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
