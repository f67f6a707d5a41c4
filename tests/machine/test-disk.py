# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import random
import signal
import struct
import subprocess
import time
from pathlib import Path

from host import VM_UID, Skip, wait_for


def free(r):
    assert r.status == 0 and r.text == "", f"should be free: {r}"


def refused(r, *words):
    assert r.status == 1, f"should be refused: {r}"
    for w in words:
        assert str(w) in r.text, f"'{w}' is not in: {r.text}"
    assert r.text.count("\n") == 1, f"one message, not: {r.text}"


# ---- guard: what the host uses

def test_guard_free(h):
    image = h.image()
    free(h.disk("guard", image))
    free(h.disk("guard", image, "--write"))


def test_guard_loop_attached(h):
    image = h.image()
    device = h.loop(image)
    refused(h.disk("guard", image, "--write"), device, "losetup -d")
    free(h.disk("guard", image))
    free(h.disk("guard", device, "--write"))


def test_guard_mounted(h):
    image = h.image()
    device = h.loop(image)
    where = h.mount(device)
    for subject in (image, device):
        refused(h.disk("guard", subject, "--write"), "mounted on", where, f"umount {where}")
        refused(h.disk("guard", subject), "mounted on", where)
    h.umount()
    free(h.disk("guard", device, "--write"))


def test_guard_mounted_read_only(h):
    image = h.image()
    device = h.loop(image)
    h.mount(device, "-o", "ro")
    for subject in (image, device):
        refused(h.disk("guard", subject, "--write"), "mounted on")
        free(h.disk("guard", subject))
    # the superblock counts: a read-only bind mount of a file system that is written to elsewhere is no excuse
    h.umount()
    where = h.mount(device)
    other = h.dir / "bind"
    other.mkdir()
    h.sh("mount", "--bind", where, other)
    h.stack.callback(subprocess.run, ["umount", str(other)], check=False)
    h.sh("mount", "-o", "remount,bind,ro", other)
    h.umount()
    refused(h.disk("guard", image), "mounted on", other)


def test_guard_image_by_another_name(h):
    image = h.image()
    h.mount(h.loop(image))
    hard, soft = h.dir / "hard", h.dir / "soft"
    os.link(image, hard)
    soft.symlink_to(image)
    renamed = image.rename(h.dir / "renamed")
    for name in (hard, soft, renamed):
        if name != soft:
            refused(h.disk("guard", name, "--write"), name, "mounted on")
    soft.unlink()
    soft.symlink_to(renamed)
    refused(h.disk("guard", soft, "--write"), "mounted on")


def test_guard_partition(h):
    image = h.image(mib=16, fs=False)
    device = h.loop(image)
    partition = device + "p1"
    # not by a partition table, which not every kernel reads
    h.sh("addpart", device, 1, 2048, 16384)
    h.stack.callback(subprocess.run, ["delpart", device, "1"], check=False, stderr=subprocess.DEVNULL)
    wait_for(lambda: os.path.exists(partition), "device node of the partition")
    h.sh("mkfs.ext4", "-q", partition)
    where = h.mount(partition)
    refused(h.disk("guard", device, "--write"), f"its partition {partition} is mounted on", where)
    refused(h.disk("guard", device), f"its partition {partition} is mounted on", where)
    refused(h.disk("guard", partition, "--write"), "it is mounted on", where)
    refused(h.disk("guard", image), partition, "mounted on", where)


def test_guard_mounted_in_another_namespace(h):
    image = h.image()
    device = h.loop(image)
    where = h.dir / "there"
    where.mkdir()
    flag = where / "lost+found"
    p = h.start("unshare", "--mount", "--propagation", "private", "sh", "-c", f"mount {device} {where} && exec sleep 60")
    wait_for(lambda: Path(f"/proc/{p.pid}/root{flag}").exists(), "mount in a namespace")
    refused(h.disk("guard", device, "--write"), "in use", device)
    refused(h.disk("guard", device), "in use", device)
    refused(h.disk("guard", image), "in use", device)


def test_guard_loop_over_loop(h):
    image = h.image()
    lower = h.loop(image)
    upper = h.loop(lower)
    where = h.mount(upper)
    refused(h.disk("guard", image), upper, "mounted on", where)
    refused(h.disk("guard", lower, "--write"), upper, "mounted on", where)


def test_guard_swap(h):
    image = h.image(fs=False)
    device = h.loop(image)
    h.sh("mkswap", device)
    h.sh("swapon", device)
    h.stack.callback(subprocess.run, ["swapoff", device], check=False)
    refused(h.disk("guard", device), "swap", f"swapoff {device}")
    refused(h.disk("guard", image, "--write"), "swap")


def test_guard_device_mapper(h):
    if not os.path.exists("/dev/mapper/control"):
        raise Skip("this kernel has no device mapper (holders: see the unit test of mounts)")
    device = h.loop(h.image())
    name = f"qnet-test-{os.getpid()}"
    h.sh("dmsetup", "create", name, "--table", f"0 2048 linear {device} 0")
    h.stack.callback(subprocess.run, ["dmsetup", "remove", name], check=False)
    refused(h.disk("guard", device, "--write"), name, "built on it")


def test_guard_no_image(h):
    refused(h.disk("guard", h.dir / "nothing"), "does not exist")
    refused(h.disk("guard", h.dir), "is a directory")
    refused(h.disk("guard", "/dev/null"), "neither a file nor a disk")
    (h.dir / "a").symlink_to(h.dir / "b")
    (h.dir / "b").symlink_to(h.dir / "a")
    refused(h.disk("guard", h.dir / "a"), "Too many levels")
    os.mkfifo(h.dir / "fifo")
    refused(h.disk("guard", h.dir / "fifo"), "neither a file nor a disk")
    for words in ((), ("guard",), ("guard", "relative"), ("guard", "/a//b"), ("steal", "/x"), ("guard", "/x", "--nope"),
                  ("guard", "/x", "/y"), ("prepare", "/x"), ("release", "/x")):
        assert h.disk(*words).status == 2, words


# ---- guard: other machines

def test_guard_another_writer(h):
    image = h.image()
    p = h.qemu_with_disk(f"file={image}", "format=raw")
    for words in (("--write",), ()):
        refused(h.disk("guard", image, *words), f"process {p.pid} (qemu-system-x86")
    h.end(p)
    free(h.disk("guard", image, "--write"))


def test_guard_another_reader(h):
    image = h.image()
    p = h.qemu_with_disk(f"file={image}", "format=raw", "readonly=on")
    free(h.disk("guard", image))
    refused(h.disk("guard", image, "--write"), f"process {p.pid}")


def test_guard_base_of_an_overlay(h):
    image, overlay = h.image(), h.dir / "o.qcow2"
    assert h.disk("prepare", overlay, f"--backing={image}", "--backing-format=raw").status == 0
    p = h.qemu_with_disk(f"file={overlay}", "format=qcow2")
    free(h.disk("guard", image))
    refused(h.disk("guard", image, "--write"), f"process {p.pid}")
    refused(h.disk("guard", overlay), f"process {p.pid}")


def test_guard_writer_on_a_device(h):
    device = h.loop(h.image())
    p = h.qemu_with_disk(f"file={device}", "format=raw")
    refused(h.disk("guard", device, "--write"), f"process {p.pid}")


# ---- access

def as_vm(path, write):
    return subprocess.run(["setpriv", f"--reuid={VM_UID}", f"--regid={VM_UID}", "--clear-groups", "sh", "-c",
                           'exec 3<"$0"' if not write else 'exec 3<>"$0"', str(path)], stderr=subprocess.DEVNULL).returncode == 0


def mode(path):
    return os.stat(path).st_mode & 0o777


def acl(path):
    try:
        return os.getxattr(path, "system.posix_acl_access")
    except OSError:
        return None


def test_grant_and_release(h):
    image, owner = h.image(), h.vm_dir()
    for write in (False, True):
        image.chmod(0o640)
        assert not as_vm(image, False)
        words = ("guard", image, f"--grant-to-owner-of={owner}", *(["--write"] if write else []))
        free(h.disk(*words))
        free(h.disk(*words))
        assert as_vm(image, False) and as_vm(image, True) == write
        free(h.disk("release", image, f"--grant-to-owner-of={owner}"))
        free(h.disk("release", image, f"--uid={VM_UID}"))
        assert not as_vm(image, False)
        assert acl(image) is None and mode(image) == 0o640


def test_grant_not_needed(h):
    image, owner = h.image(), h.vm_dir()
    image.chmod(0o644)
    free(h.disk("guard", image, f"--grant-to-owner-of={owner}"))
    assert acl(image) is None


def test_grant_widens_nobody_else(h):
    image, owner = h.image(), h.vm_dir()
    entries = ((1, 6, 0xffffffff), (2, 6, 5555), (4, 6, 0xffffffff), (16, 0, 0xffffffff), (32, 0, 0xffffffff))
    os.setxattr(image, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries))
    free(h.disk("guard", image, f"--grant-to-owner-of={owner}", "--write"))
    assert as_vm(image, True)
    p = subprocess.run(["setpriv", "--reuid=5555", "--regid=5555", "--clear-groups", "cat", str(image)], capture_output=True)
    assert p.returncode != 0, "an entry that the mask had shut is open"
    free(h.disk("release", image, f"--uid={VM_UID}"))
    assert not as_vm(image, False)


def test_grant_out_of_reach(h):
    owner, closed = h.vm_dir(), h.dir / "closed"
    closed.mkdir()
    image = h.image("closed/image")
    image.chmod(0o600)
    closed.chmod(0o700)
    refused(h.disk("guard", image, f"--grant-to-owner-of={owner}"), f"may not search {closed};", f"chmod o+x {closed}")
    assert acl(image) is None
    refused(h.disk("guard", image, "--grant-to-owner-of=/nonexistent"), "owner of /nonexistent")


def test_grant_not_on_another_s_word(h):
    owner, home, secret = h.vm_dir(), h.dir / "home", h.image("secret")
    secret.chmod(0o600)
    home.mkdir()
    home.chmod(0o755)
    own = h.image("home/own")
    own.chmod(0o600)
    os.chown(own, 5555, 5555)
    (home / "link").symlink_to(secret)
    (h.dir / "link").symlink_to(secret)
    os.link(secret, home / "hard")
    grant = f"--grant-to-owner-of={owner}"
    for path in (home / "link", home / "hard", h.dir / "link"):  # all of it root's
        free(h.disk("guard", path, grant))
        free(h.disk("release", path, grant))
    os.chown(home, 5555, 5555)
    for name in ("link", "hard"):
        refused(h.disk("guard", home / name, grant, "--write"), f"{home} on the way to it is somebody else's")
    os.chown(h.dir / "link", 5555, 5555, follow_symlinks=False)
    refused(h.disk("guard", h.dir / "link", grant), f"{h.dir}/link on the way to it is somebody else's")
    assert acl(secret) is None and not as_vm(secret, False)
    free(h.disk("guard", own, grant, "--write"))  # a user's image in a directory of theirs
    assert as_vm(own, True)
    secret.chmod(0o644)
    free(h.disk("guard", home / "link", grant))  # nothing to give: everybody may read it
    assert acl(secret) is None


def test_grant_without_acls(h):
    where = h.dir / "mnt"
    where.mkdir()
    h.sh("mount", "-t", "ramfs", "ramfs", where)
    h.stack.callback(subprocess.run, ["umount", str(where)], check=False)
    where.chmod(0o755)
    image = where / "image"
    image.write_bytes(b"x")
    image.chmod(0o600)
    refused(h.disk("guard", image, f"--grant-to-owner-of={h.vm_dir()}", "--write"), "no ACLs", f"chmod o+rw {image}")
    free(h.disk("release", image, f"--uid={VM_UID}"))


def test_grant_read_only_file_system(h):
    device = h.loop(h.image())
    where = h.mount(device)
    (where / "image").write_bytes(b"x")
    h.umount()
    where = h.mount(device, "-o", "ro")
    refused(h.disk("guard", where / "image", f"--grant-to-owner-of={h.vm_dir()}", "--write"), "read-only file system")


# ---- overlays

def prepare(h, overlay, backing, *more, format="raw", uid=VM_UID):
    return h.disk("prepare", overlay, f"--backing={backing}", f"--backing-format={format}", *more, uid=uid)


def test_prepare(h):
    image, overlay = h.image(), h.vm_dir() / "disk0.qcow2"
    image.chmod(0o644)
    free(prepare(h, overlay, image))
    info = h.image_info(overlay)
    assert info["format"] == "qcow2" and info["full-backing-filename"] == str(image), info
    assert info["backing-filename-format"] == "raw" and info["virtual-size"] == 8 << 20, info
    before = os.stat(overlay)
    assert (before.st_uid, before.st_mode & 0o777) == (VM_UID, 0o600)
    free(prepare(h, overlay, image))
    assert os.stat(overlay).st_ino == before.st_ino
    assert os.listdir(overlay.parent) == ["disk0.qcow2"]


def test_prepare_names(h):
    names = ["with space", "comma,comma,,", "colon:colon", "nbd:localhost", "quote'\"", "per%cent$HOME", "back\\slash",
             "ümläut", "file=x,format=raw", "json:{}", "-dash", "#hash;", "*?[a]"]
    for i, name in enumerate(names):
        (h.dir / name).mkdir()
        image, overlay = h.dir / name / f"im {name}", h.vm_dir(f"vm{i}") / f"o {name}.qcow2"
        image.write_bytes(name.encode().ljust(65536, b"."))
        image.chmod(0o644)
        free(prepare(h, overlay, image))
        free(prepare(h, overlay, image))
        # what the guest would read is what is in the image
        plain = h.dir / "plain.qcow2"
        plain.unlink(missing_ok=True)
        os.link(overlay, plain)
        out = h.dir / "out.raw"
        p = h.qemu_img("convert", "-O", "raw", plain, out)
        assert p.returncode == 0, p.stderr
        assert out.read_bytes() == image.read_bytes(), name


def test_prepare_size(h):
    image, vm = h.image(), h.vm_dir()
    image.chmod(0o644)
    free(prepare(h, vm / "a", image, f"--size={32 << 20}"))
    assert h.image_info(vm / "a")["virtual-size"] == 32 << 20
    refused(prepare(h, vm / "b", image, f"--size={4 << 20}"), "less than", image)
    assert not (vm / "b").exists()
    for size in ("0", "-1", "1X", ""):
        assert prepare(h, vm / "c", image, f"--size={size}").status == 2, size


def test_prepare_qcow2_base(h):
    base, vm = h.dir / "base.qcow2", h.vm_dir()
    assert h.qemu_img("create", "-q", "-f", "qcow2", base, "16M").returncode == 0
    base.chmod(0o644)
    free(prepare(h, vm / "a", base, format="qcow2"))
    assert h.image_info(vm / "a")["backing-filename-format"] == "qcow2"
    free(prepare(h, vm / "b", base, format="raw"))  # as said, if it is said
    refused(prepare(h, vm / "a", base, format="raw"), "Format=")
    image = h.image()
    image.chmod(0o644)
    refused(prepare(h, vm / "c", image, format="qcow2"), "not a qcow2 image")
    assert sorted(os.listdir(vm)) == ["a", "b"]


def test_prepare_other_overlay_there(h):
    image, other, vm = h.image(), h.image("other"), h.vm_dir()
    overlay = vm / "disk0.qcow2"
    for i in (image, other):
        i.chmod(0o644)
    free(prepare(h, overlay, image))
    before = overlay.read_bytes()
    refused(prepare(h, overlay, other), overlay, image, other, f"remove {overlay}")
    overlay.write_bytes(b"QFI\xfb garbage")
    refused(prepare(h, overlay, image), overlay, "remove it")
    overlay.write_bytes(b"")
    refused(prepare(h, overlay, image), "not a qcow2 image")
    overlay.write_bytes(before)
    free(prepare(h, overlay, image))
    overlay.rename(vm / "elsewhere")
    overlay.symlink_to(vm / "elsewhere")
    refused(prepare(h, overlay, image), "Cannot open the overlay")


def test_prepare_image_changed_since(h):
    image, overlay = h.image(), h.vm_dir() / "disk0.qcow2"
    image.chmod(0o644)
    free(prepare(h, overlay, image))
    os.utime(image, (time.time() + 60, time.time() + 60))
    r = prepare(h, overlay, image)
    if r.text == "":
        raise Skip("this file system does not record when a file was made")
    assert r.status == 0 and "was changed after the overlay" in r.text, r


def test_prepare_no_access(h):
    image, vm = h.image(), h.vm_dir()
    image.chmod(0o600)
    refused(prepare(h, vm / "a", image), "not readable", f"chmod o+r {image}")
    image.chmod(0o644)
    closed = h.dir / "closed"
    closed.mkdir(mode=0o700)
    image = image.rename(closed / "image")
    refused(prepare(h, vm / "a", image), f"may not search {closed};")
    refused(prepare(h, vm / "a", h.dir / "nothing"), "does not exist")
    refused(prepare(h, vm / "a", "/dev/null"), "neither a file nor a disk")
    refused(prepare(h, h.dir / "nowhere/a", h.image("x")), "nowhere")
    assert os.listdir(vm) == []
    assert prepare(h, vm / "a", "relative").status == 2
    assert prepare(h, vm / "a", "json:{}").status == 2
    assert prepare(h, vm / "a", image, format="vmdk").status == 2


def test_prepare_killed_at_any_moment(h):
    """nothing or a whole one; a later run cleans up"""
    image, vm = h.image(), h.vm_dir()
    overlay = vm / "disk0.qcow2"
    image.chmod(0o644)
    command = ["setpriv", f"--reuid={VM_UID}", f"--regid={VM_UID}", "--clear-groups", h.program("qnet-disk"), "prepare",
               str(overlay), f"--backing={image}", "--backing-format=raw"]
    start = time.monotonic()
    assert subprocess.run(command).returncode == 0
    usual = time.monotonic() - start
    overlay.unlink()
    made = left = 0
    for i in range(60):
        p = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, usual * 1.2))
        if i % 2:
            os.killpg(p.pid, signal.SIGKILL)  # as systemd does, qemu-img too
        else:
            p.kill()  # qemu-img goes on by itself
        p.wait()
        left += any(n.startswith(".") for n in os.listdir(vm))
        if overlay.exists():
            made += 1
            check = h.qemu_img("check", "-q", overlay)
            assert check.returncode == 0, f"round {i}: {check.stdout}{check.stderr}"
            assert h.image_info(overlay)["full-backing-filename"] == str(image)
            overlay.unlink()
    time.sleep(0.3)  # for the last qemu-img that was left alone
    free(prepare(h, overlay, image))
    assert os.listdir(vm) == ["disk0.qcow2"], os.listdir(vm)
    assert made > 0 and left > 0, f"the moments were badly chosen: {made} made, {left} left over of 60"


def test_prepare_many_at_once(h):
    image, vm = h.image(), h.vm_dir()
    overlay = vm / "disk0.qcow2"
    image.chmod(0o644)
    command = ["setpriv", f"--reuid={VM_UID}", f"--regid={VM_UID}", "--clear-groups", h.program("qnet-disk"), "prepare",
               str(overlay), f"--backing={image}", "--backing-format=raw"]
    all_of_them = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(8)]
    assert [p.wait() for p in all_of_them] == [0] * 8
    assert os.listdir(vm) == ["disk0.qcow2"]
