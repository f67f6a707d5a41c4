# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-disk create and grow, Size= of overlays, blank disks, and what is in an image against its format"""
import os
import random
import signal
import struct
import subprocess
import time

from host import VM_UID

SECTOR = 512


def free(r):
    assert r.status == 0 and r.text == "", f"should be done without a word: {r}"


def refused(r, *words):
    assert r.status == 1, f"should be refused: {r}"
    for w in words:
        assert str(w) in r.text, f"'{w}' is not in: {r.text}"
    assert r.text.count("\n") == 1, f"one message, not: {r.text}"


def chs(sector, heads, track):
    """as in an MBR: three bytes; what is too far away for them is the largest"""
    c, rest = divmod(sector, heads * track)
    h, s = divmod(rest, track)
    if c > 1023:
        c, h, s = 1023, heads - 1, track - 1
    return bytes([h, (s + 1) | (c >> 8) << 6, c & 0xff])


def mbr(path, partitions, heads=255, track=63, size=SECTOR):
    """partitions: (first, sectors) or (first, sectors, type)"""
    entries = b""
    for first, n, *kind in partitions:
        entries += (b"\0" + chs(first, heads, track) + bytes(kind or [0x83]) + chs(first + n - 1, heads, track)
                    + struct.pack("<II", first, n))
    with open(path, "wb") as f:
        f.write(b"\0" * 446 + entries.ljust(64, b"\0") + b"\x55\xaa")
        f.truncate(max(size, SECTOR))
    path.chmod(0o644)
    return path


def size_of(path):
    return os.stat(path).st_size


# ---- grow --size=auto

def test_grow_openwrt(h):
    """16 heads, 63 sectors: cylinders 1-9 and 10-42; 42 * 1008 = 42336 sectors"""
    image = mbr(h.dir / "openwrt.image", [(63, 9009), (9135, 33201)], heads=16)
    before = image.read_bytes()
    free(h.disk("grow", image))
    assert size_of(image) == 42336 * SECTOR == 21676032, size_of(image)
    assert image.read_bytes()[:SECTOR] == before and not any(image.read_bytes()[SECTOR:])
    inode = os.stat(image).st_ino
    free(h.disk("grow", image, "--size=auto"))
    assert (os.stat(image).st_ino, size_of(image)) == (inode, 21676032)


def test_grow_to_whole_cylinders(h):
    for end, sectors in ((42336, 42336), (42335, 42336), (41329, 42336), (41328, 41328)):
        image = mbr(h.dir / "image", [(63, 9009), (9135, end - 9135)], heads=16)
        free(h.disk("grow", image))
        assert size_of(image) == sectors * SECTOR, (end, size_of(image) / SECTOR)


def test_grow_without_cylinders(h):
    """made in units of a mebibyte, as today: the end of the last partition"""
    image = mbr(h.dir / "image", [(2048, 10000), (20480, 12345)])
    free(h.disk("grow", image))
    assert size_of(image) == (20480 + 12345) * SECTOR, size_of(image) / SECTOR
    # out of order, and with an extended partition whose inside is not there
    image = mbr(h.dir / "image", [(20480, 50001), (2048, 10000), (81920, 40960, 5)])
    free(h.disk("grow", image))
    assert size_of(image) == 122880 * SECTOR, size_of(image) / SECTOR


def test_grow_gpt(h):
    image = h.dir / "image"
    for n in (32 << 20, (1 << 30) + 4096):
        image.unlink(missing_ok=True)
        with open(image, "wb") as f:
            f.truncate(n)
        subprocess.run(["sfdisk", "-q", image], input="label: gpt\nsize=4M\nsize=8M\n", text=True, check=True)
        os.truncate(image, 14 << 20)
        free(h.disk("grow", image))
        assert size_of(image) == n, size_of(image)


def test_grow_large_enough(h):
    image = mbr(h.dir / "image", [(2048, 2048)], size=5 << 20)
    free(h.disk("grow", image))
    assert size_of(image) == 5 << 20


def test_grow_nothing_to_go_by(h):
    for content in (b"", b"\0" * 4096, b"\xff" * 4096, b"\0" * 510 + b"\x55\xaa"):
        image = h.dir / "image"
        image.write_bytes(content)
        refused(h.disk("grow", image), "Size=auto", image, "say the size")
        assert image.read_bytes() == content
    refused(h.disk("grow", h.dir / "nothing"), "nothing")
    refused(h.disk("grow", "/dev/null"), "neither a file nor a disk")


def test_grow_hostile_tables(h):
    """random bytes in tables: refused, or grown to where a table can reach; never another end"""
    dice = random.Random(7)
    image, gpt = h.dir / "image", h.dir / "gpt"
    with open(gpt, "wb") as f:
        f.truncate(8 << 20)
    subprocess.run(["sfdisk", "-q", gpt], input="label: gpt\nsize=2M\n", text=True, check=True)
    head = gpt.read_bytes()[:1 << 16]
    for i in range(60):
        content = bytearray(head if i % 2 else b"\0" * 446 + dice.randbytes(64) + b"\x55\xaa")
        for _ in range(i % 2 * 4):
            content[dice.randrange(446, 2048)] = dice.randrange(256)
        image.write_bytes(content)
        r = h.disk("grow", image)
        assert r.status in (0, 1), r
        assert size_of(image) <= (2 << 32) * SECTOR


# ---- grow --size=

def test_grow_raw(h):
    image = h.image(fs=False)
    free(h.disk("grow", image, f"--size={16 << 20}"))
    assert size_of(image) == 16 << 20
    free(h.disk("grow", image, "--size=32M", "--format=raw"))
    assert size_of(image) == 32 << 20
    r = h.disk("grow", image, "--size=1M")
    assert r.status == 0 and "nothing is ever cut off" in r.text and size_of(image) == 32 << 20, r
    free(h.disk("grow", image, f"--size={(32 << 20) + 1}"))
    assert size_of(image) == (32 << 20) + SECTOR
    for size in ("0", "-1", "lots", "", "9E"):
        assert h.disk("grow", image, f"--size={size}").status == 2, size


def test_grow_qcow2(h):
    """without a look at what lies below: a hostile header opens no other file"""
    image = h.dir / "image.qcow2"
    assert h.qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", "/nonexistent", "-F", "raw", image, "8M").returncode == 0
    free(h.disk("grow", image, "--size=24M", "--format=qcow2"))
    assert h.image_info(image)["virtual-size"] == 24 << 20
    assert h.qemu_img("check", "-q", "-U", image).returncode in (0, 1)
    refused(h.disk("grow", image, "--size=32M"), "Format=qcow2")
    refused(h.disk("grow", image, "--format=qcow2"), "Size=auto is for raw images")
    odd = h.dir / "o,dd \"'{}:.qcow2"
    assert h.qemu_img("create", "-q", "-f", "qcow2", image, "8M").returncode == 0
    image.rename(odd)
    free(h.disk("grow", odd, "--size=24M", "--format=qcow2"))


def test_grow_in_use(h):
    image = h.image(fs=False)
    p = h.qemu_with_disk(f"file={image}", "format=raw")
    refused(h.disk("grow", image, "--size=16M"), f"process {p.pid}", "larger")
    assert size_of(image) == 8 << 20


def test_grow_device(h):
    device = h.loop(h.image())
    free(h.disk("grow", device, "--size=8M"))
    refused(h.disk("grow", device, "--size=9M"), "cannot be made larger here")


def test_grow_killed_at_any_moment(h):
    """the one size or the other, and the content as it was"""
    pattern = os.urandom(1 << 20)
    raw, qcow2 = h.dir / "image.raw", h.dir / "image.qcow2"
    for image in (raw, qcow2):
        usual = None
        done = 0
        for i in range(24):
            raw.write_bytes(pattern)
            if image == qcow2:
                assert h.qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, qcow2).returncode == 0
            name = image.suffix[1:]
            command = [h.program("qnet-disk"), "grow", str(image), f"--format={name}", "--size=64G"]
            start = time.monotonic()
            p = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if usual is None:
                assert p.wait() == 0
                usual = time.monotonic() - start
            else:
                time.sleep(random.uniform(0, usual * 1.2))
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
            info = h.qemu_img("info", "-f", name, image).stdout
            size = h.image_info(image)["virtual-size"]
            assert size in (1 << 20, 64 << 30), (image, size, info)
            done += size == 64 << 30
            if image == qcow2:
                check = h.qemu_img("check", "-q", "-f", "qcow2", image)
                assert check.returncode in (0, 3), f"{check.stdout}{check.stderr}"  # 3: clusters that nobody uses
                with open(h.dir / "first", "wb"):
                    pass
                p = h.qemu_img("dd", "-f", "qcow2", "-O", "raw", "bs=1M", "count=1", f"if={image}", f"of={h.dir / 'first'}")
                assert p.returncode == 0, p.stderr
                assert (h.dir / "first").read_bytes() == pattern
            else:
                with open(image, "rb") as f:
                    assert f.read(1 << 20) == pattern
            free(h.disk(*command[1:]))
        assert done > 0


# ---- create

def test_create(h):
    for name in ("raw", "qcow2"):
        image = h.dir / f"new.{name}"
        free(h.disk("create", image, "--size=5M", f"--format={name}"))
        assert os.stat(image).st_mode & 0o777 == 0o600
        info = h.image_info(image)
        assert (info["format"], info["virtual-size"]) == (name, 5 << 20), info
        inode = os.stat(image).st_ino
        free(h.disk("create", image, "--size=50M", f"--format={name}"))
        assert os.stat(image).st_ino == inode and h.image_info(image)["virtual-size"] == 5 << 20
    free(h.disk("create", h.dir / "default", "--size=1"))
    assert size_of(h.dir / "default") == SECTOR
    assert sorted(os.listdir(h.dir)) == ["default", "new.qcow2", "new.raw"]


def test_create_where_it_cannot(h):
    (h.dir / "link").symlink_to(h.dir / "nothing")
    refused(h.disk("create", h.dir / "link", "--size=1M"), "link to nothing")
    refused(h.disk("create", h.dir / "no/where", "--size=1M"), h.dir / "no")
    assert os.listdir(h.dir) == ["link"]
    for words in ((), ("--size=auto",), ("--size=1M", "--format=vmdk")):
        assert h.disk("create", h.dir / "x", *words).status == 2, words


def test_create_killed_at_any_moment(h):
    directory = h.dir / "images"
    directory.mkdir()
    image = directory / "new.qcow2"
    command = [h.program("qnet-disk"), "create", str(image), "--size=1G", "--format=qcow2"]
    start = time.monotonic()
    assert subprocess.run(command).returncode == 0
    usual = time.monotonic() - start
    made = left = 0
    for _ in range(40):
        image.unlink(missing_ok=True)
        p = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, usual * 1.2))
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        left += any(n.startswith(".") for n in os.listdir(directory))
        if image.exists():
            made += 1
            assert h.image_info(image)["virtual-size"] == 1 << 30
            assert h.qemu_img("check", "-q", image).returncode == 0
    image.unlink(missing_ok=True)
    free(h.disk(*command[1:]))
    assert os.listdir(directory) == ["new.qcow2"]
    assert made > 0 and left > 0, f"the moments were badly chosen: {made} made, {left} left over of 40"


# ---- overlays and blank disks

def test_prepare_size_auto(h):
    image = mbr(h.dir / "openwrt.image", [(63, 9009), (9135, 33201)], heads=16)
    overlay = h.vm_dir() / "disk0.qcow2"
    words = ("prepare", overlay, f"--backing={image}", "--backing-format=raw", "--size=auto")
    free(h.disk(*words, uid=VM_UID))
    assert h.image_info(overlay)["virtual-size"] == 21676032
    assert size_of(image) == SECTOR, "the image stays as it is"
    free(h.disk(*words, uid=VM_UID))
    assert h.disk(*words[:-1], "--size=1M", uid=VM_UID).status == 0


def test_prepare_grows(h):
    image, overlay = h.image(), h.vm_dir() / "o,dd disk.qcow2"
    image.chmod(0o644)
    words = ("prepare", overlay, f"--backing={image}", "--backing-format=raw")
    free(h.disk(*words, uid=VM_UID))
    free(h.disk(*words, "--size=64M", uid=VM_UID))
    assert h.image_info(overlay)["virtual-size"] == 64 << 20
    r = h.disk(*words, "--size=32M", uid=VM_UID)
    assert r.status == 0 and "nothing is ever cut off" in r.text, r
    free(h.disk(*words, uid=VM_UID))
    assert h.image_info(overlay)["virtual-size"] == 64 << 20


def test_prepare_blank(h):
    image, disk = h.image(), h.vm_dir() / "disk0.qcow2"
    image.chmod(0o644)
    free(h.disk("prepare", disk, "--size=3G", uid=VM_UID))
    info = h.image_info(disk)
    assert info["virtual-size"] == 3 << 30 and "backing-filename" not in info, info
    inode = os.stat(disk).st_ino
    free(h.disk("prepare", disk, "--size=4G", uid=VM_UID))
    assert (h.image_info(disk)["virtual-size"], os.stat(disk).st_ino) == (4 << 30, inode)
    refused(h.disk("prepare", disk, f"--backing={image}", "--backing-format=raw", uid=VM_UID), "overlay of nothing", image)
    disk.unlink()
    free(h.disk("prepare", disk, f"--backing={image}", "--backing-format=raw", uid=VM_UID))
    refused(h.disk("prepare", disk, "--size=3G", uid=VM_UID), image, "without Image=")
    for words in ((), ("--size=auto",), (f"--backing={image}",), ("--backing-format=raw", "--size=1M")):
        assert h.disk("prepare", disk, *words).status == 2, words


def test_prepare_fresh(h):
    image, overlay = h.image(), h.vm_dir() / "disk0.qcow2"
    image.chmod(0o644)
    words = ("prepare", overlay, f"--backing={image}", "--backing-format=raw", "--size=16M", "--fresh")
    free(h.disk(*words, uid=VM_UID))
    inode = os.stat(overlay).st_ino
    overlay.write_bytes(b"whatever the guest has made of it")
    free(h.disk(*words, uid=VM_UID))
    assert h.image_info(overlay)["virtual-size"] == 16 << 20 and os.stat(overlay).st_ino != inode
    assert os.listdir(overlay.parent) == ["disk0.qcow2"]


# ---- the content of an image

def test_guard_format(h):
    raw, qcow2 = h.image(), h.dir / "base.img"
    assert h.qemu_img("create", "-q", "-f", "qcow2", qcow2, "16M").returncode == 0
    for more in ((), ("--write",)):
        free(h.disk("guard", raw, *more))
        free(h.disk("guard", raw, "--format=raw", *more))
        refused(h.disk("guard", raw, "--format=qcow2", *more), raw, "not a qcow2 image")
        refused(h.disk("guard", qcow2, *more), qcow2, "Format=qcow2", "Format=raw")
        free(h.disk("guard", qcow2, "--format=qcow2", *more))
        free(h.disk("guard", qcow2, "--format=raw", *more))
    assert h.disk("guard", raw, "--format=vmdk").status == 2
    damaged = h.dir / "damaged"
    damaged.write_bytes(qcow2.read_bytes()[:60])
    refused(h.disk("guard", damaged), "Format=")
    refused(h.disk("guard", damaged, "--format=qcow2"), "damaged")
    device = h.loop(qcow2)
    refused(h.disk("guard", device), "Format=qcow2")


def test_guard_chain_that_would_be_guessed(h):
    base, image = h.image("base"), h.dir / "image.qcow2"
    assert h.qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", image).returncode == 0
    free(h.disk("guard", image, "--format=qcow2"))
    content = image.read_bytes()
    at = content.index(struct.pack(">I", 0xe2792aca))
    image.write_bytes(content[:at] + struct.pack(">I", 0x12345678) + content[at + 4:])
    refused(h.disk("guard", image, "--format=qcow2"), "of which format", "Backing=", "qemu-img rebase -u")
    free(h.disk("guard", image, "--format=qcow2", "--explicit-backing"))
