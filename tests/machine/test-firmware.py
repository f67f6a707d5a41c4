# SPDX-License-Identifier: LGPL-2.1-or-later
"""UEFI as the host describes it, seeds for cloud-init, TPMs: what the units' commands make of them, and real QEMU."""
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import time

from host import VM_UID, Skip

SHELL = b"UEFI Interactive Shell"


def needs(program):
    path = shutil.which(program)
    if not path:
        raise Skip(f"no {program}")
    return path


def describe(directory, name, code, nvram, machines=("pc-q35-*",), features=(), **mapping):
    """a description of firmware, and the files that it names"""
    directory.mkdir(exist_ok=True)
    for path, byte in ((code, b"c"), (nvram, b"n")):
        if not path.exists():
            path.write_bytes(byte * 4096)
            path.chmod(0o644)
    (directory / name).write_text(json.dumps({
        "description": name, "interface-types": ["uefi"], "features": list(features), "tags": [],
        "targets": [{"architecture": "x86_64", "machines": list(machines)}],
        "mapping": {"device": "flash", "executable": {"filename": str(code), "format": "raw"},
                    "nvram-template": {"filename": str(nvram), "format": "raw"}, **mapping}}))


def firmware(h, *more, vm=None, machine="q35", directories=None):
    vm = vm or h.vm_dir()
    words = [vm / "code", f"--nvram={vm}/nvram", "--architecture=x86_64", f"--machine={machine}", *more]
    return h.helper("qnet-firmware", *words, *[f"--descriptors={d}" for d in directories or []], uid=VM_UID)


def found(h, *more, **options):
    """the name of the firmware that was taken"""
    vm = h.vm_dir()
    for name in ("code", "nvram"):
        (vm / name).unlink(missing_ok=True)
    r = firmware(h, *more, **options)
    return os.path.basename(os.readlink(vm / "code")) if r.status == 0 else None


def test_order_and_masks(h):
    etc, usr = h.dir / "etc", h.dir / "usr"
    describe(usr, "50-b.json", h.dir / "b", h.dir / "bv")
    describe(usr, "60-c.json", h.dir / "c", h.dir / "cv")
    assert found(h, directories=[etc, usr]) == "b"
    describe(etc, "40-a.json", h.dir / "a", h.dir / "av")
    assert found(h, directories=[etc, usr]) == "a"
    describe(etc, "50-b.json", h.dir / "other", h.dir / "bv")
    (etc / "40-a.json").write_text("")
    assert found(h, directories=[etc, usr]) == "other"
    (etc / "50-b.json").unlink()
    (etc / "50-b.json").symlink_to("/dev/null")
    assert found(h, directories=[etc, usr]) == "c"
    (usr / "60-c.json").rename(usr / "60-c.txt")
    r = firmware(h, directories=[etc, usr])
    assert r.status == 1 and "no UEFI firmware" in r.text and "ovmf" in r.text, r


def test_machines_and_features(h):
    usr = h.dir / "usr"
    describe(usr, "1.json", h.dir / "secure", h.dir / "v", features=["secure-boot", "enrolled-keys", "requires-smm"])
    describe(usr, "2.json", h.dir / "nokeys", h.dir / "v", features=["secure-boot", "requires-smm"])
    describe(usr, "3.json", h.dir / "old", h.dir / "v", machines=["pc-i440fx-*", "pc-q35-4.2"])
    describe(usr, "4.json", h.dir / "plain", h.dir / "v")
    describe(usr, "5.json", h.dir / "stateless", h.dir / "v", machines=["microvm"], mode="stateless")
    describe(usr, "6.json", h.dir / "memory", h.dir / "v", machines=["microvm"], device="memory")
    assert found(h, directories=[usr]) == "plain"
    assert found(h, "--secure-boot", directories=[usr]) == "secure"
    for machine, name in (("pc", "old"), ("pc-q35-4.2", "old"), ("pc-q35-7.2,hpet=off", "plain"), ("q35,smm=off", "plain"),
                          ("microvm", None), ("pc-q35", None), ("*", None), ("", None)):
        assert found(h, machine=machine, directories=[usr]) == name, machine
    assert found(h, "--secure-boot", machine="pc", directories=[usr]) is None
    (h.dir / "plain").unlink()
    r = firmware(h, directories=[usr])
    assert r.status == 1 and f"cannot read {h.dir}/plain" in r.text, r


def test_hostile_descriptions(h):
    """each is a warning at most, and the good one behind them is found"""
    usr = h.dir / "usr"
    describe(usr, "9.json", h.dir / "good", h.dir / "v")
    good = json.loads((usr / "9.json").read_text())
    odd = [b"{", b"[]", b"null", b"\xff\xfe", b"{}" * 100000, b"[" * 60000, b'{"targets": 7, "mapping": []}', b'"' + b"x" * 70000]
    for change in ({"targets": [7, None, {"machines": "x"}]}, {"features": {"a": 1}}, {"interface-types": "uefi"},
                   {"mapping": dict(good["mapping"], executable={"filename": "relative", "format": "raw"})},
                   {"mapping": dict(good["mapping"], executable={"filename": "/a/../b", "format": "raw"})},
                   {"mapping": dict(good["mapping"], executable={"filename": "/etc/passwd", "format": "vmdk"})},
                   {"mapping": dict(good["mapping"], executable=["/etc/passwd"])}):
        odd.append(json.dumps({**good, **change}).encode())
    for i, text in enumerate(odd):
        (usr / f"{i:03}.json").write_bytes(text)
    os.mkfifo(usr / "000-fifo.json")
    (usr / "000-directory.json").mkdir()
    (usr / "000-loop.json").symlink_to("000-loop.json")
    assert found(h, directories=[usr]) in ("good",), firmware(h, directories=[usr])


def test_nvram_is_kept(h):
    usr, vm = h.dir / "usr", h.vm_dir()
    describe(usr, "1.json", h.dir / "code", h.dir / "vars")
    assert firmware(h, directories=[usr]).status == 0
    nvram = vm / "nvram"
    assert nvram.read_bytes() == b"n" * 4096 and nvram.stat().st_mode & 0o777 == 0o600
    nvram.write_bytes(b"g" * 4096)
    assert firmware(h, directories=[usr]).status == 0
    assert nvram.read_bytes() == b"g" * 4096, "the guest's variables are lost"
    assert sorted(os.listdir(vm)) == ["code", "nvram"]
    (h.dir / "vars").write_bytes(b"n" * 8192)
    r = firmware(h, directories=[usr])
    assert r.status == 1 and f"{nvram} does not fit" in r.text and "remove it" in r.text, r
    nvram.unlink()
    nvram.symlink_to("/etc/passwd")
    assert firmware(h, directories=[usr]).status == 1


def test_qcow2_is_unpacked(h):
    usr, vm = h.dir / "usr", h.vm_dir()
    for name in ("code", "vars"):
        (h.dir / "raw").write_bytes(name[0].encode() * 65536)
        h.sh("qemu-img", "convert", "-f", "raw", "-O", "qcow2", h.dir / "raw", h.dir / name)
        (h.dir / name).chmod(0o644)
    describe(usr, "1.json", h.dir / "code", h.dir / "vars", executable={"filename": str(h.dir / "code"), "format": "qcow2"},
             **{"nvram-template": {"filename": str(h.dir / "vars"), "format": "qcow2"}})
    for _ in range(2):
        assert firmware(h, directories=[usr]).status == 0
        assert (vm / "code").read_bytes() == b"c" * 65536 and (vm / "nvram").read_bytes() == b"v" * 65536


def test_nvram_killed_at_any_moment(h):
    usr, vm = h.dir / "usr", h.vm_dir()
    (h.dir / "vars").write_bytes(b"n" * (8 << 20))
    (h.dir / "vars").chmod(0o644)
    describe(usr, "1.json", h.dir / "code", h.dir / "vars")
    command = [h.program("qnet-firmware"), str(vm / "code"), f"--nvram={vm}/nvram", "--architecture=x86_64", "--machine=q35",
               f"--descriptors={usr}"]
    start = time.monotonic()
    assert subprocess.run(command).returncode == 0
    usual = time.monotonic() - start
    made = 0
    for _ in range(40):
        (vm / "nvram").unlink(missing_ok=True)
        p = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, usual))
        p.send_signal(signal.SIGKILL)
        p.wait()
        if (vm / "nvram").exists():
            made += 1
            assert (vm / "nvram").read_bytes() == b"n" * (8 << 20), "half a file"
    assert made < 40, "the moments were badly chosen"
    assert subprocess.run(command).returncode == 0
    assert sorted(os.listdir(vm)) == ["code", "nvram"]


def boot_to_shell(h, *more, seconds=100):
    p = subprocess.Popen(["qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-no-user-config", "-display", "none",
                          "-serial", "stdio", *more], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    h.stack.callback(h.end, p)
    text, end = b"", time.monotonic() + seconds
    while SHELL not in text and time.monotonic() < end:
        if select.select([p.stdout], [], [], 1)[0]:
            chunk = os.read(p.stdout.fileno(), 65536)
            if not chunk:
                break
            text += chunk
    h.end(p)
    return text


def test_real_uefi_shell(h):
    """the host's own firmware, by the host's own descriptions: QEMU runs it as far as its shell"""
    if not os.path.isdir("/usr/share/qemu/firmware"):
        raise Skip("no firmware is described on this host")
    vm = h.vm_dir()
    r = firmware(h)
    assert r.status == 0, r
    fresh = (vm / "nvram").read_bytes()
    text = boot_to_shell(h, "-machine", "q35", "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={vm}/code",
                         "-drive", f"if=pflash,unit=1,format=raw,file={vm}/nvram")
    assert SHELL in text, text[-2000:]
    kept = (vm / "nvram").read_bytes()
    assert kept != fresh, "the firmware has written no variable"
    assert firmware(h).status == 0 and (vm / "nvram").read_bytes() == kept
    assert found(h, "--secure-boot") != found(h)


# ---- cloud-init's seed

def seed(h, *words):
    return h.helper("qnet-seed", h.vm_dir() / "seed.iso", "--name=host1", *words, uid=VM_UID)


def content(h, name):
    out = h.dir / "out"
    out.unlink(missing_ok=True)
    p = subprocess.run(["xorriso", "-no_rc", "-osirrox", "on", "-indev", str(h.dir / "vm/seed.iso"), "-extract", name, str(out)],
                       capture_output=True, text=True)
    return out.read_text() if p.returncode == 0 and out.exists() else None


def test_seed(h):
    needs("xorriso")
    data = h.dir / "any = name,\\ \"of\" a file"
    data.write_text("#cloud-config\nhostname: a\n")
    data.chmod(0o644)
    r = seed(h, f"--user-data={data}")
    assert r.status == 0, r
    image = h.dir / "vm/seed.iso"
    assert b"cidata" in image.read_bytes()[0x8000:0x8800].lower() and image.stat().st_mode & 0o777 == 0o600
    assert content(h, "/user-data") == "#cloud-config\nhostname: a\n"
    assert content(h, "/meta-data") == "instance-id: host1\nlocal-hostname: host1\n"
    assert content(h, "/network-config") is None
    label = subprocess.run(["blkid", "-o", "value", "-s", "LABEL", str(image)], capture_output=True, text=True).stdout.strip()
    assert label == "cidata", label
    # made anew from what the files have now
    data.write_text("#cloud-config\nhostname: b\n")
    meta = h.dir / "meta"
    meta.write_text("instance-id: 2\n")
    r = seed(h, f"--user-data={data}", f"--meta-data={meta}", f"--network-config={meta}", f"--vendor-data={data}")
    assert r.status == 0, r
    assert content(h, "/user-data") == "#cloud-config\nhostname: b\n" and content(h, "/meta-data") == "instance-id: 2\n"
    assert content(h, "/network-config") == "instance-id: 2\n" and content(h, "/vendor-data") == content(h, "/user-data")
    assert os.listdir(h.dir / "vm") == ["seed.iso"]


def test_seed_fails_whole(h):
    needs("xorriso")
    good, big = h.dir / "good", h.dir / "big"
    good.write_text("x\n")
    with open(big, "wb") as f:
        f.truncate(17 << 20)
    for path in (good, big):
        path.chmod(0o644)
    assert seed(h, f"--user-data={good}").status == 0
    before = (h.dir / "vm/seed.iso").read_bytes()
    fifo = h.dir / "fifo"
    os.mkfifo(fifo, 0o644)
    for path, word in ((big, "more than"), (h.dir / "nothing", "No such file"), (fifo, "not a file"), (h.dir, "not a file")):
        r = seed(h, f"--user-data={good}", f"--vendor-data={path}")
        assert r.status == 1 and word in r.text, r
        assert (h.dir / "vm/seed.iso").read_bytes() == before and os.listdir(h.dir / "vm") == ["seed.iso"]
    for words in ((), ("/x",), ("/x", "--name=a/b"), ("/x", "--name=a", "--user-data=relative"), ("x", "--name=a")):
        assert h.helper("qnet-seed", *words).status == 2, words


# ---- credentials and TPM, as the generated command line has them

def test_credential_reaches_the_guest(h):
    """read from fw_cfg by the ports that a guest's kernel uses; qtest plays the guest"""
    value = h.dir / "value"
    value.write_bytes(b"a secret,\n\0of bytes")
    path = h.dir / "qtest"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    h.start("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-S", "-display", "none", "-nodefaults", "-qtest", f"unix:{path}",
            "-qtest-log", "none", "-fw_cfg", f"name=opt/io.systemd.credentials/some.secret,file={value}")
    server.settimeout(20)
    connection, _ = server.accept()
    h.stack.callback(connection.close)
    stream = connection.makefile("rw")

    def ask(command):
        stream.write(command + "\n")
        stream.flush()
        answer = stream.readline().split()
        assert answer and answer[0] == "OK", answer
        return int(answer[1], 0) if len(answer) > 1 else None

    def read(n):
        return bytes(ask("inb 0x511") for _ in range(n))
    ask("outw 0x510 0x19")
    for _ in range(int.from_bytes(read(4), "big")):
        entry = read(64)
        if entry[8:].rstrip(b"\0") == b"opt/io.systemd.credentials/some.secret":
            ask(f"outw 0x510 {int.from_bytes(entry[4:6], 'big'):#x}")
            assert read(int.from_bytes(entry[:4], "big")) == value.read_bytes()
            return
    raise AssertionError("not in fw_cfg")


def test_tpm_for_each_qemu(h):
    """swtpm as its unit has it: ends with its QEMU; the next one goes on with the same state"""
    swtpm, state, path = needs("swtpm"), h.dir / "tpm", h.dir / "tpm.socket"
    state.mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    h.stack.callback(server.close)
    for _ in range(2):
        p = h.start("sh", "-c", f"exec 3<&{server.fileno()}; exec {swtpm} socket --tpm2 --ctrl type=unixio,fd=3 "
                    f"--tpmstate dir={state},mode=0600 --terminate", pass_fds=[server.fileno()])
        monitor = h.dir / "qmp"
        q = h.qemu("-machine", "q35", "-S", "-chardev", f"socket,id=tpm,path={path}", "-tpmdev", "emulator,id=tpm,chardev=tpm",
                   "-device", "tpm-crb,tpmdev=tpm", socket_path=monitor, wait=False)
        assert h.monitor("wait", "--paused", monitor, pid=q.pid).status == 0
        assert p.poll() is None and (state / "tpm2-00.permall").exists()
        q.kill()
        q.wait()
        p.wait(10)
        monitor.unlink(missing_ok=True)
