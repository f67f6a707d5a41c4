# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks: an overlay keeps the image pristine, a persistent disk is written, what the host uses is refused."""
import hashlib
from qnettest import *

SECONDS = 15
IMAGES = Path("/var/lib/disks")
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24

[System disky]
System=tiny
Switch=s1

[VM over]
System=tiny
Switch=s1
KernelCommandLine=addr=10.9.0.5/24
Image=/var/lib/disks/base.raw

[VM keep]
System=tiny
Switch=s1
KernelCommandLine=addr=10.9.0.6/24
[Disk]
Image=/var/lib/disks/keep.raw
Mode=persistent

[VM thief]
System=tiny
[Disk]
Image=/var/lib/disks/mounted.raw
Mode=persistent
""".replace("[System disky]\nSystem=tiny\nSwitch=s1\n\n", "")


def digest(name):
    return hashlib.sha256((IMAGES / name).read_bytes()).hexdigest()


def write_mark(guest, mark):
    guest.sh(f"printf %s {mark} | dd of=/dev/vda bs=512 seek=3 count=1 conv=sync,fsync 2>/dev/null; sync")
    assert read_mark(guest) == mark


def read_mark(guest):
    return guest.sh("dd if=/dev/vda bs=512 skip=3 count=1 2>/dev/null | tr -d '\\0'")


def test_overlay_keeps_the_image():
    IMAGES.mkdir(mode=0o755)
    for name in ("base.raw", "keep.raw", "mounted.raw"):
        sh(f"truncate -s 16M {IMAGES}/{name}")
    configure(lab=CONFIG)
    before = digest("base.raw")
    start(vm("over"))
    guest = Guest("over", "10.9.0.5").wait()
    write_mark(guest, "overlaid")
    stop(vm("over"))
    assert digest("base.raw") == before, "the image was written to"
    overlay = sh("find -L /var/lib/qnet/vm/over -name 'disk*.qcow2'")
    assert overlay, "no overlay"
    assert "/var/lib/disks/base.raw" in sh(f"qemu-img info {overlay}")
    start(vm("over"))
    assert read_mark(guest.wait()) == "overlaid", "the overlay was not kept"
    stop(vm("over"))


def test_persistent_disk_is_written():
    # not the VM's by its permissions: the unit must open it for the VM's user, and take that back
    sh(f"chmod 600 {IMAGES}/keep.raw")
    start(vm("keep"))
    guest = Guest("keep", "10.9.0.6").wait()
    write_mark(guest, "kept")
    stop(vm("keep"))
    assert b"kept" in (IMAGES / "keep.raw").read_bytes()
    assert sh(f"stat -c '%a %U' {IMAGES}/keep.raw") == "600 root"
    assert "+" not in sh(f"ls -l {IMAGES}/keep.raw").split()[0], "an access control entry is left"


def test_two_writers_are_refused():
    configure(lab=CONFIG + "[VM second]\nSystem=tiny\n[Disk]\nImage=/var/lib/disks/keep.raw\nMode=persistent\n")
    started = [n for n in ("keep", "second") if succeeds(f"systemctl start {vm(n)}")]
    assert len(started) < 2, "two VMs write to one image"
    stop(vm("keep"), vm("second"))
    configure(lab=CONFIG)


def test_image_that_the_host_has_mounted_is_refused():
    # Loop devices are the whole machine's; "mount" sets them to free themselves, also when the sandbox dies.
    sh("mknod -m 660 /dev/loop-control c 10 237; for i in $(seq 0 63); do mknod -m 660 /dev/loop$i b 7 $i; done")
    if not succeeds("losetup -f"):
        raise Skip("this kernel has no loop devices")
    sh(f"mkfs.ext4 -q {IMAGES}/mounted.raw")
    sh(f"mkdir -p /mnt/m && mount -o loop {IMAGES}/mounted.raw /mnt/m")
    try:
        assert not succeeds(f"systemctl start {vm('thief')}"), "a mounted image was handed to a guest"
        status = sh(f"systemctl status --no-pager --full {vm('thief')}", check=False)
        assert "mounted.raw" in status and "mount" in status, status
    finally:
        sh("umount /mnt/m")
    start(vm("thief"))
    stop(vm("thief"))


def test_missing_image_says_so():
    sh(f"rm {IMAGES}/mounted.raw")
    assert not succeeds(f"systemctl start {vm('thief')}")
    assert "mounted.raw" in sh(f"systemctl status --no-pager --full {vm('thief')}", check=False)


main()
