# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each file in examples/, installed where users find it and as it is: all of them at once, started by the commands that
their first lines show. A guest in each says that it runs. The images are small ones of the tests' own. The labs of many
machines are tried in a whole Debian, by tests/vm/labs.py, as they need VLANs."""
from qnettest import *

SECONDS = 50
EXAMPLES = Path("/usr/share/doc/qnet/examples")
IMAGES = Path("/var/lib/qnet/images")
GENERATOR = "/lib/systemd/system-generators/qnet-generator"
LABS = {"gw.conf", "dmz.conf", "vlan.conf", "trunk.conf"}
STARTING = {}  # by file, what its commands run as
TRIED = set()


def example(*files):
    """Says of a test which files it tries; their guests are started already."""
    TRIED.update(files)
    return lambda function: function


def console(name):
    return sh(f"journalctl -b -a --no-pager -o cat -u {vm(name)}")


def says(name, pattern, timeout=90):
    """What the guest wrote to its serial port, once a line of it has this form."""
    return wait_for(f"{name} to say {pattern}", lambda: re.search(f"^.*{pattern}", console(name), re.M), timeout)


def commands(path):
    """Those that start units, from the comment at the head of a file."""
    head = path.read_text().split("\n\n")[0]
    return re.findall(r"^# {5}.*sudo (systemctl start [^;#\n]*)", head, re.M)


def make_images():
    IMAGES.mkdir(parents=True)
    sh(f"cp /var/lib/images/vmlinuz /var/lib/images/initrd.gz {IMAGES}; /tests/guest/bare/build {IMAGES}")
    boot_sector = (IMAGES / "boot.bin").read_bytes()
    (IMAGES / "floppy.img").write_bytes(boot_sector.ljust(1440 << 10, b"\0"))
    # The boot sector is both the first of the ISO and its El Torito image. A disk of less than one cylinder, 504 KiB, is
    # not started by SeaBIOS, hence the file.
    sh("mkdir /tmp/iso; cp boot.bin /tmp/iso; truncate -s 2048 /tmp/iso/boot.bin; truncate -s 1M /tmp/iso/packages;"
       "xorriso -as mkisofs -quiet -G boot.bin -b boot.bin -no-emul-boot -boot-load-size 4 -o install.iso /tmp/iso", cwd=IMAGES)
    Path("/tmp/startup.nsh").write_text("@echo -off\r\necho startup.nsh runs\r\n")
    sh("mformat -C -f 1440 -i efi.img ::; mcopy -i efi.img /tmp/startup.nsh ::", cwd=IMAGES)
    (IMAGES / "debian.img").write_bytes(b"of debian.img".ljust(8 << 20, b"\0"))
    sh("qemu-img create -q -f qcow2 -b debian.img -F raw course.qcow2;"
       "qemu-io -f qcow2 -c 'write -P 0x63 1M 4k' course.qcow2", cwd=IMAGES)  # 0x63: "c", as in course


def test_boot_all():
    make_images()
    sh(f"rm -rf /etc/qnet; cp -r {EXAMPLES} /etc/qnet; systemctl daemon-reload")
    assert sh(f"{GENERATOR} --dry-run 2>&1 >/dev/null") == "", "the examples do not go together"
    # UEFI takes longest
    files = sorted((p for p in EXAMPLES.glob("*.conf") if p.name not in LABS), key=lambda p: (not p.stem.startswith("uefi"), p))
    STARTING.update({p.name: [subprocess.Popen(c.split()) for c in commands(p)] for p in files})


def test_commands_work():
    assert all(STARTING.values()), f"no command that starts it: {[name for name, c in STARTING.items() if not c]}"
    failed = [name for name, started in STARTING.items() if any(c.wait(PATIENCE) for c in started)]
    assert not failed, f"not started: {failed}"


@example("five-lines.conf")
def test_five_lines():
    says("hello", "guest: ready")


@example("wires.conf")
def test_wires():
    one, two = Guest("wire1", "127.0.0.1", 2201), Guest("wire2", "127.0.0.1", 2202)
    wait_for("their shells", lambda: one.who() and two.who())
    assert "1 packets received" in one.sh("ping -c 1 10.11.0.2") and "1 packets received" in two.sh("ping -c 1 10.11.0.1")


@example("lab.conf")
def test_lab():
    for name in ("lan1", "lan2", "lan3"):
        says(name, f"guest: ready {name} ")
    one, two = leased("lan1", "lan").wait(), leased("lan2", "lan").wait()
    assert "1 packets received" in one.sh(f"ping -c 1 {two.ip}")
    stop("qnet-lab@lan.target")
    wait_for("the lab to go", lambda: not Path("/sys/class/net/lan").exists())
    assert [show(vm(f"lan{i}"), "ActiveState") for i in (1, 2, 3)] == ["inactive"] * 3


@example("floppy.conf")
def test_floppy():
    says("dos", "started from drive 00")


@example("cdrom.conf")
def test_cd():
    says("install", "started from drive e0")


@example("usb-stick.conf")
def test_usb_stick():
    says("live", "started from drive 80")
    assert "usb-storage" in show(vm("live"), "ExecStart")


@example("realview.conf")
def test_bare_metal_arm():
    for name in ("board1", "board2"):
        says(name, "bare metal on ARM, network chip 01180001")
    assert mac_of("board1") != mac_of("board2")
    assert show("qnet-reaper.path", "Paths").count(TASKGEN_LOG), "the kill log is not watched"


@example("riscv.conf")
def test_bare_metal_riscv():
    says("riscv", "bare metal on RISC-V, hart 00000000")


@example("kernel.conf", "kernel.conf.d/verbose.conf")
def test_kernel_arguments():
    says("kernel", "Command line: console=ttyS0 panic=5 ignore_loglevel log_buf_len=1M$")
    says("kernel", "guest: ready")


@example("course.conf")
def test_chain_of_images():
    before = sh("sha256sum debian.img course.qcow2", cwd=IMAGES)
    says("student1", "guest: ready student1 ")
    student, other = leased("student1", "course").wait(), leased("student2", "course").wait()
    assert student.sh("head -c 13 /dev/vda") == "of debian.img"
    assert student.sh("dd if=/dev/vda bs=1M skip=1 count=1 2>/dev/null | head -c 3") == "ccc"
    student.sh("echo kept | dd of=/dev/vda bs=1M seek=2 conv=notrunc; echo taken | dd of=/dev/vdb conv=notrunc; sync")
    assert other.sh("dd if=/dev/vda bs=1M skip=2 count=1 2>/dev/null | head -c 4 | tr '\\0' 0") == "0000"
    stop(vm("student1"))
    assert sh("qemu-img dd -f qcow2 -O raw if=student1.qcow2 of=/tmp/taken bs=512 count=1; head -c 5 /tmp/taken", cwd=IMAGES) == "taken"
    start(vm("student1"))
    assert student.wait().sh("dd if=/dev/vda bs=1M skip=2 count=1 2>/dev/null | head -c 4") == "kept"
    assert sh("sha256sum debian.img course.qcow2", cwd=IMAGES) == before, "an image below the overlays was changed"


@example("session.conf")
def test_session_with_router():
    """The router has what [System node] says and what [System forwarder] adds; it forwards once it has its routes."""
    router, alice, bob = Guest("router", "10.9.2.2").wait(), leased("alice", "left").wait(), leased("bob", "right").wait()
    assert router.sh("hostname; nproc; cat /proc/sys/net/ipv4/ip_forward").split() == ["router", "2", "1"]
    router.sh("ip link set eth1 up; ip addr add 10.9.3.2/24 dev eth1")
    alice.sh("ip route replace 10.9.3.0/24 via 10.9.2.2")
    bob.sh("ip route replace 10.9.2.0/24 via 10.9.3.2")
    answer = alice.sh(f"ping -c 2 {bob.ip}")
    assert "0% packet loss" in answer and "ttl=63" in answer, answer


@example("uefi.conf")
def test_uefi():
    if not Path("/usr/share/OVMF").is_dir():
        raise Skip("no ovmf")
    says("uefi", "startup.nsh runs")


@example("uefi-arm.conf")
def test_uefi_arm():
    if not Path("/usr/share/AAVMF").is_dir():
        raise Skip("no qemu-efi-aarch64")
    says("uefi-arm", "startup.nsh runs")


def test_every_file_is_tried():
    files = {str(p.relative_to(EXAMPLES)) for p in EXAMPLES.rglob("*") if p.is_file()}
    assert files == TRIED | LABS, f"not tried, or not installed: {files ^ (TRIED | LABS)}"


main()
