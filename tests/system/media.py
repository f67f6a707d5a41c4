# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a PC boots from: floppy disk, CD, USB stick and disks, in the order that BootIndex= says."""
import struct
from qnettest import *

SECONDS = 30
IMAGES = Path("/var/lib/media")
CONFIG = """
[System pc]
Accelerator=tcg
Memory=32M
Machine=pc
StopTimeoutSec=1

[VM floppy-first]
System=pc
[Disk]
Image=/var/lib/media/floppy
Media=floppy
BootIndex=0
[Disk]
Image=/var/lib/media/disk
Bus=ide
BootIndex=1
[Disk]
Media=cdrom

[VM disk-first]
System=pc
[Disk]
Image=/var/lib/media/floppy
Media=floppy
BootIndex=1
[Disk]
Image=/var/lib/media/disk
Bus=ide
BootIndex=0

[VM cd]
System=pc
Machine=q35
[Disk]
Size=1M
BootIndex=2
[Disk]
Image=/var/lib/media/cd
Media=cdrom
BootIndex=1

[VM stick]
System=pc
[Disk]
Image=/var/lib/media/stick
Bus=usb
Mode=ephemeral
BootIndex=0
[Disk]
Image=/var/lib/media/disk
BootIndex=1

[VM empty]
System=pc
[Disk]
Media=floppy
[Disk]
Image=/var/lib/media/nvme
Bus=nvme
Mode=readonly
BootIndex=3
"""


def boot_sector(name):
    """Writes a line to the first serial port, and halts."""
    code = bytes.fromhex("31c0 8ed8 be157c baf803 ac 84c0 7403 ee ebf8 f4 ebfd")
    return (code + f"booted from {name}\r\n".encode() + b"\0").ljust(510, b"\0") + b"\x55\xaa"


def cd(name):
    """El Torito, no emulation: the boot record in sector 17, its catalog in 19, four sectors of 512 bytes from 20 on."""
    catalog = bytearray(struct.pack("<BBH24sHBB", 1, 0, 0, b"", 0, 0x55, 0xaa))
    struct.pack_into("<H", catalog, 28, -sum(struct.unpack("<16H", catalog)) & 0xffff)
    catalog += struct.pack("<BBHBBHI20x", 0x88, 0, 0, 0, 0, 4, 20)
    image = bytearray(32 * 2048)
    for sector, content in ((16, b"\1CD001\1"), (17, b"\0CD001\1EL TORITO SPECIFICATION".ljust(71, b"\0") + struct.pack("<I", 19)),
                            (18, b"\xffCD001\1"), (19, catalog), (20, boot_sector(name))):
        image[sector * 2048:sector * 2048 + len(content)] = content
    return bytes(image)


def booted(name):
    def said():
        return [e["MESSAGE"] for e in journal(f"_SYSTEMD_UNIT={vm(name)}") if "booted from" in str(e.get("MESSAGE", ""))]
    start(vm(name))
    lines = wait_for(f"{name} to boot", said, 60)
    stop(vm(name))
    return lines[-1].strip().removeprefix("booted from ")


def test_boot_order():
    IMAGES.mkdir(mode=0o755)
    for name in ("disk", "stick", "nvme"):
        (IMAGES / name).write_bytes(boot_sector(name).ljust(1 << 20, b"\0"))
    (IMAGES / "floppy").write_bytes(boot_sector("floppy").ljust(1440 << 10, b"\0"))
    (IMAGES / "cd").write_bytes(cd("cd"))
    configure(media=CONFIG)
    found = {name: booted(name) for name in ("floppy-first", "disk-first", "cd", "stick", "empty")}
    assert found == {"floppy-first": "floppy", "disk-first": "disk", "cd": "cd", "stick": "stick", "empty": "nvme"}, found


main()
