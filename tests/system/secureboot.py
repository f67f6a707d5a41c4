# SPDX-License-Identifier: LGPL-2.1-or-later
"""Secure Boot in a guest: the same disk, with a program that nobody has signed, without and with SecureBoot=."""
from qnettest import *

SECONDS = 50
CONFIG = """
[System disk]
Accelerator=tcg
Memory=256M
Firmware=uefi
StopTimeoutSec=1
[Disk]
Image=/var/lib/unsigned.raw
Mode=ephemeral

[VM open]
System=disk

[VM secure]
System=disk
SecureBoot=yes
"""
RUNS = "guest: an unsigned program runs"
COMPILE = ("gcc -Wall -Werror -Wno-unused-parameter -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables"
           " -fcf-protection=none -fno-ident -mno-red-zone -fPIE -Os -c -o /tmp/hello.o /tests/guest/efi-hello.c")
LINK = "ld -m i386pep --subsystem 10 -e efi_main -o /tmp/hello.efi /tmp/hello.o"


def console(name):
    return sh(f"journalctl -b -a --no-pager -o cat -u {vm(name)} | tr -d '\\r\\0'", check=False)


def needs(*paths):
    for path in paths:
        if not Path(path).exists():
            raise Skip(f"no {path}")


def test_unsigned_program_runs_without():
    needs("/usr/share/OVMF/OVMF_VARS_4M.fd", "/usr/bin/mcopy")
    sh(f"{COMPILE} && {LINK}")
    # a medium without partitions, which UEFI boots from \\EFI\\BOOT
    sh("truncate -s 32M /var/lib/unsigned.raw && mformat -i /var/lib/unsigned.raw :: && mmd -i /var/lib/unsigned.raw ::EFI ::EFI/BOOT"
       " && mcopy -i /var/lib/unsigned.raw /tmp/hello.efi ::EFI/BOOT/BOOTX64.EFI")
    configure(lab=CONFIG)
    start(vm("open"))
    wait_for("the program", lambda: RUNS in console("open"))
    stop(vm("open"))


def test_secure_boot_refuses_it():
    needs("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", "/var/lib/unsigned.raw")
    start(vm("secure"))
    refusal = r"BdsDxe: failed to load Boot\w+ .*(Access Denied|Security Violation)"
    wait_for("the refusal", lambda: re.search(refusal, console("secure")))
    assert RUNS not in console("secure")
    stop(vm("secure"))


main()
