# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import socket
import stat
import subprocess

from host import VM_UID, Skip

OTHER_UID = VM_UID + 1


def grant(h, verb, path, *words, to="vm"):
    return h.helper("qnet-grant", verb, path, f"--to-owner-of={h.vm_dir(to)}", *words)


def granted(r):
    assert r.status == 0 and r.text == "", f"should be granted: {r}"


def refused(r, *words):
    assert r.status == 1, f"should be refused: {r}"
    for w in words:
        assert str(w) in r.text, f"'{w}' is not in: {r.text}"
    assert r.text.count("\n") == 1, f"one message, not: {r.text}"


def may(h, uid, path, mode="rw"):
    """The kernel says it, to a process of that user."""
    test = " -a ".join(f"-{m} {path}" for m in mode)
    return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "sh", "-c", f"[ {test} ]"],
                          check=False).returncode == 0


def open_directory(h):
    """where everybody can search, as h.dir may be root's alone"""
    os.chmod(h.dir, 0o755)
    parent = h.dir.parent
    if not parent.stat().st_mode & stat.S_IXOTH:
        raise Skip(f"{parent} is closed to others")


def test_grant_file(h):
    open_directory(h)
    path = h.dir / "guest.log"
    granted(grant(h, "file", path))
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0 and path.stat().st_uid == 0
    assert may(h, VM_UID, path) and not may(h, OTHER_UID, path, "r")
    path.write_text("kept")
    granted(grant(h, "file", path))
    assert path.read_text() == "kept"
    granted(grant(h, "release", path))
    assert not may(h, VM_UID, path, "r")
    assert "system.posix_acl_access" not in os.listxattr(path), "the entry is gone, the list is not"
    granted(grant(h, "release", h.dir / "nothing"))


def test_grant_file_refuses_what_is_another(h):
    open_directory(h)
    target, link, hard, directory = (h.dir / n for n in ("target", "link", "hard", "directory"))
    target.write_text("")
    link.symlink_to(target)
    os.link(target, hard)
    directory.mkdir()
    for path in (link, hard, target, directory):
        refused(grant(h, "file", path), path, "is not a file of one name")
    assert not may(h, VM_UID, target, "w")
    refused(grant(h, "file", h.dir / "missing/x"), "Cannot make", "No such file")


def test_grant_file_out_of_reach(h):
    open_directory(h)
    closed = h.dir / "closed"
    closed.mkdir(mode=0o700)
    refused(grant(h, "file", closed / "x"), f"may not search {closed}", f"chmod o+x {closed}")


def test_grant_pipe(h):
    open_directory(h)
    granted(grant(h, "pipe", h.dir / "p"))
    for end in ("p.in", "p.out"):
        assert stat.S_ISFIFO((h.dir / end).stat().st_mode)
        assert may(h, VM_UID, h.dir / end) and not may(h, OTHER_UID, h.dir / end, "r")
    granted(grant(h, "pipe", h.dir / "p"))
    granted(grant(h, "release", h.dir / "p"))
    assert not may(h, VM_UID, h.dir / "p.in", "r")
    (h.dir / "q.out").write_text("")
    refused(grant(h, "pipe", h.dir / "q"), "q.out", "is not a FIFO")


def test_pipe_of_its_own(h):
    """without anybody to grant it to, as the machine's user"""
    directory = h.vm_dir()
    open_directory(h)
    r = h.helper("qnet-grant", "pipe", directory / "serial0", uid=VM_UID)
    assert r.status == 0, r
    assert (directory / "serial0.out").stat().st_uid == VM_UID


def test_grant_tty(h):
    refused(grant(h, "tty", "/dev/qnet-no-such-tty"), "no /dev/qnet-no-such-tty", "plug it in")
    refused(grant(h, "tty", "/dev/zero"), "not a serial port")
    a, b = os.openpty()
    try:
        name = os.ttyname(b)
        os.chmod(name, 0o600)
        refused(grant(h, "tty", name), "no ACLs", f"chmod o+rw {name}")  # devpts has none; /dev has
        os.chmod(name, 0o666)
        granted(grant(h, "tty", name))
    finally:
        os.close(a)
        os.close(b)


def test_grant_socket(h):
    open_directory(h)
    path = h.dir / "socket"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        os.chmod(path, 0o600)
        assert not may(h, VM_UID, path, "w")
        granted(grant(h, "socket", path))
        assert may(h, VM_UID, path) and not may(h, OTHER_UID, path, "w")
    (h.dir / "file").write_text("")
    refused(grant(h, "socket", h.dir / "file"), "is not a socket")
    refused(grant(h, "socket", h.dir / "missing"), "Cannot open", "missing")


def test_directory_is_only_looked_at(h):
    open_directory(h)
    path = h.dir / "shared"
    refused(grant(h, "directory", path), path, "does not exist: make it")
    path.mkdir(mode=0o700)
    os.chmod(path, 0o700)
    refused(grant(h, "directory", path), "may not read", f"chmod o+rx {path}", "Type=virtiofs")
    os.chmod(path, 0o704)
    refused(grant(h, "directory", path), "may not read")  # it cannot be searched
    os.chmod(path, 0o755)
    granted(grant(h, "directory", path))
    refused(grant(h, "directory", path, "--write"), "may not write to", "ReadOnly=yes")
    os.chmod(path, 0o777)
    granted(grant(h, "directory", path, "--write"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o777
    (h.dir / "file").write_text("")
    refused(grant(h, "directory", h.dir / "file"), "is not a directory")
    r = h.helper("qnet-grant", "directory", path)
    assert r.status == 0, r


def test_grant_usage(h):
    for words in ([], ["file"], ["file", "relative"], ["file", "/a/../b"], ["give", "/x"], ["release", "/x"],
                  ["file", "/x", "y"], ["file", "/x", "--what"]):
        r = h.helper("qnet-grant", *words)
        assert r.status == 2, f"{words}: {r}"
    assert h.helper("qnet-grant", "--help").status == 0
    assert h.helper("qnet-grant", "--version").status == 0


def test_grant_port(h):
    """QEMU's own socket to a group; whatever else the machine's user has put there stays as it is"""
    open_directory(h)
    directory = h.vm_dir()
    name, gid = "daemon", 1

    def listen(path, uid):
        s = socket.socket(socket.AF_UNIX)
        s.bind(str(path))
        os.chmod(path, 0o700)
        os.chown(path, uid, uid)
        h.stack.callback(s.close)
        return path

    def port(path, group=name):
        return h.helper("qnet-grant", "port", path, f"--to-group={group}")

    def rights(path):
        st = os.lstat(path)
        return st.st_uid, st.st_gid, oct(stat.S_IMODE(st.st_mode))

    own = listen(directory / "agent", VM_UID)
    granted(port(own))
    assert rights(own) == (VM_UID, gid, "0o660")
    granted(port(own))
    foreign = listen(h.dir / "foreign", OTHER_UID)
    before = rights(foreign)
    refused(port(directory / "nothing"), "No such file")
    (directory / "link").symlink_to(foreign)
    refused(port(directory / "link"), "not a socket")
    os.link(foreign, directory / "hard")
    refused(port(directory / "hard"), "not a socket")
    os.unlink(directory / "hard")
    os.rename(foreign, directory / "moved")
    refused(port(directory / "moved"), "not the virtual machine's own")
    assert rights(directory / "moved") == before
    (directory / "file").write_text("")
    refused(port(directory / "file"), "not a socket")
    refused(port(own, "no-such-group"), "There is no group no-such-group")
    assert h.helper("qnet-grant", "port", own).status == 2


def test_own_directory_is_made_and_given(h):
    open_directory(h)
    os.umask(0o077)      # as the unit has it
    path = h.dir / "captures/below/tap-a"
    granted(grant(h, "own-directory", path))
    st = path.stat()
    assert st.st_uid == VM_UID and stat.S_IMODE(st.st_mode) == 0o755 and may(h, VM_UID, path, "rwx"), st
    assert path.parent.stat().st_uid == os.getuid() and not may(h, OTHER_UID, path, "w")
    granted(grant(h, "own-directory", path))
    os.chown(path, 61234, 61234)     # of DynamicUser=, the last time
    granted(grant(h, "own-directory", path))
    assert path.stat().st_uid == VM_UID


def test_own_directory_of_somebody_else(h):
    open_directory(h)
    path = h.dir / "tap-a"
    path.mkdir()
    refused(grant(h, "own-directory", path), "belongs to user 0", "another path")
    os.chown(path, 1000, 1000)
    refused(grant(h, "own-directory", path), "belongs to user 1000")
    assert path.stat().st_uid == 1000
    link = h.dir / "tap-b"
    link.symlink_to("/")
    refused(grant(h, "own-directory", link), "Cannot open directory")
    file = h.dir / "tap-c"
    file.write_bytes(b"")
    refused(grant(h, "own-directory", file), "Cannot open directory")


def test_own_directory_out_of_reach(h):
    open_directory(h)
    closed = h.dir / "closed"
    closed.mkdir(mode=0o700)
    refused(grant(h, "own-directory", closed / "tap-a"), f"type 'chmod o+x {closed}'")
