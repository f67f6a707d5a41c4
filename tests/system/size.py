# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sizes and contents of disks: made, made larger, to the end of a partition table, blank, killed half-way, chains."""
import random
import struct
from qnettest import *

SECONDS = 20
IMAGES = Path("/var/lib/disks")
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24

[VM sizes]
System=tiny
Switch=s1
KernelCommandLine=addr=10.9.0.5/24
[Disk made]
Image=/var/lib/disks/new.raw
Mode=persistent
Size=8M
Serial=made
[Disk qcow2]
Image=/var/lib/disks/new.qcow2
Mode=persistent
Size=12M
[Disk keep]
Image=/var/lib/disks/openwrt.image
Mode=persistent
Size=auto
[Disk over]
Image=/var/lib/disks/pristine.image
Size=auto
[Disk gone]
Image=/var/lib/disks/pristine.image
Mode=ephemeral
Size=auto
[Disk blank]
Size=16M
[Disk chain]
Image=/var/lib/disks/top
Format=qcow2
Mode=readonly
Backing=qcow2:/var/lib/disks/middle, 2
Backing=raw:/var/lib/disks/bottom
[Disk drive]
Media=cdrom

[VM vague]
System=tiny
Image=/var/lib/disks/top
"""
LARGER = CONFIG.replace("Size=8M", "Size=32M").replace("Size=12M", "Size=64M").replace("Size=16M", "Size=128M")


def openwrt(path):
    """The table of the OpenWrt images: 16 heads, 63 sectors; cylinders 1-9 and 10-42."""
    entries = b"".join(struct.pack("<B3sB3sII", 0, b"\x01\x01\0", 0x83, bytes([15, 63, last]), first, n)
                       for first, n, last in ((63, 9009, 8), (9135, 33201, 41)))
    path.write_bytes(b"\0" * 446 + entries.ljust(64, b"\0") + b"\x55\xaa")


def sectors(guest):
    return [int(n) for n in guest.sh("cat /sys/block/vd?/size").split()]


def test_disks_are_made_and_as_large_as_said():
    IMAGES.mkdir(mode=0o755)
    for name in ("openwrt.image", "pristine.image"):
        openwrt(IMAGES / name)
    (IMAGES / "bottom").write_bytes(b"from the bottom".ljust(4 << 20, b"\0"))
    for lower, format_, upper in (("bottom", "raw", "middle, 2"), ("middle, 2", "qcow2", "top")):
        # what the header says to lie below is not there: only Backing= leads on
        sh(f"cd {IMAGES} && qemu-img create -q -u -f qcow2 -b /nonexistent -F {format_} '{upper}' 4M")
    sh(f"chmod 600 {IMAGES}/*")
    configure(sizes=CONFIG)
    start(vm("sizes"))
    guest = Guest("sizes", "10.9.0.5").wait()
    assert sectors(guest) == [16384, 24576, 42336, 42336, 42336, 32768, 8192], sectors(guest)
    assert guest.sh("cat /sys/block/vda/serial") == "made"
    assert guest.sh("dd if=/dev/vdg bs=15 count=1 2>/dev/null") == "from the bottom"
    for disk in "abcdef":
        guest.sh(f"printf was-here-{disk} | dd of=/dev/vd{disk} bs=512 seek=9 conv=sync,fsync 2>/dev/null; sync")
    stop(vm("sizes"))
    assert (IMAGES / "openwrt.image").stat().st_size == 42336 * 512
    assert (IMAGES / "pristine.image").stat().st_size == 512, "the image was written to"
    assert sh(f"stat -c '%a %U' {IMAGES}/new.raw") == "600 root"


def test_disks_grow_and_keep_what_is_in_them():
    configure(sizes=LARGER)
    start(vm("sizes"))
    guest = Guest("sizes", "10.9.0.5").wait()
    assert sectors(guest) == [65536, 131072, 42336, 42336, 42336, 262144, 8192], sectors(guest)
    kept = [guest.sh(f"dd if=/dev/vd{disk} bs=512 skip=9 count=1 2>/dev/null | tr -d '\\0'") for disk in "abcdef"]
    assert kept == ["was-here-a", "was-here-b", "was-here-c", "was-here-d", "", "was-here-f"], kept
    stop(vm("sizes"))


def test_power_cut_while_disks_are_made():
    """Whatever is killed half-way, the next start finds its disks whole."""
    sh(f"rm -rf {IMAGES}/new.* /var/lib/private/qnet/vm/sizes/*")
    dice = random.Random(5)
    for i in range(12):
        configure(sizes=LARGER if i % 2 else CONFIG)
        sh(f"systemctl start --no-block {vm('sizes')}")
        time.sleep(dice.uniform(0, .6))
        sh(f"systemctl kill --kill-whom=all --signal=KILL {vm('sizes')}", check=False)
        sh(f"systemctl stop {vm('sizes')}; systemctl reset-failed {vm('sizes')}", check=False)
    configure(sizes=LARGER)
    start(vm("sizes"))
    guest = Guest("sizes", "10.9.0.5").wait()
    assert sectors(guest) == [65536, 131072, 42336, 42336, 42336, 262144, 8192], sectors(guest)
    stop(vm("sizes"))
    left = sh(f"find {IMAGES} /var/lib/private/qnet/vm/sizes -name '.*.new-*'", check=False)
    assert not left, left


def test_a_format_is_never_guessed():
    assert not succeeds(f"systemctl start {vm('vague')}"), "the guest would see the container"
    status = sh(f"systemctl status --no-pager --full {vm('vague')}", check=False)
    assert "Format=qcow2" in status, status


main()
