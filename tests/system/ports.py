# SPDX-License-Identifier: LGPL-2.1-or-later
"""Serial ports of every type carry what the guest writes, and shared directories files, out of the sandbox."""
from qnettest import *

SECONDS = 15
FILES, SHARED = Path("/srv/serial"), Path("/srv/shared")
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24

[VM ports]
System=tiny
Switch=s1
KernelCommandLine=addr=10.9.0.5/24
[Serial]
Type=journal
[Serial log]
Type=file
Path=/srv/serial/ports.log
[Serial]
Type=unix
[Serial]
Type=telnet
Address=127.0.0.1:4001
[Serial]
Type=file
Device=virtconsole
[Serial]
Type=pipe
Path=/srv/serial/pipe
Device=virtconsole
[Serial]
Type=pty
Device=virtconsole
[Serial]
Type=tcp
Address=127.0.0.1:4002
Device=virtconsole
[Serial]
Type=tty
Path={tty}
Device=virtconsole

[VM plain]
System=tiny
Switch=s1
KernelCommandLine=addr=10.9.0.6/24

[VM shares]
System=tiny
Switch=s1
KernelCommandLine=addr=10.9.0.7/24
[Share host]
Type=virtiofs
Path=/srv/shared/a b
[Share]
Type=virtiofs
Path=/srv/shared/ro
Tag=ro
ReadOnly=yes
"""
guests = {}
tty = None


def wait_read(what, read, wanted):
    def look():
        look.seen += read()
        return wanted in look.seen
    look.seen = b""
    wait_for(f"{wanted} from {what}", look, timeout=30)


def reader(end):
    """What a descriptor or a socket has, without waiting."""
    def read():
        try:
            return end.recv(4096) if isinstance(end, socket.socket) else os.read(end, 4096)
        except BlockingIOError:
            return b""
    if isinstance(end, socket.socket):
        end.setblocking(False)
    else:
        os.set_blocking(end, False)
    return read


def test_boot():
    global tty
    tty = os.openpty()
    import tty as modes
    modes.setraw(tty[1])
    FILES.mkdir()
    for name in ("a b", "ro"):
        (SHARED / name).mkdir(parents=True)
    (SHARED / "ro/there").write_text("from the host\n")
    (SHARED / "secret").write_text("outside\n")
    name = os.ttyname(tty[1])
    os.chmod(name, 0o666)  # there are no ACLs on pseudo terminals
    configure(lab=CONFIG.format(tty=name))
    start(vm("ports"), vm("plain"), vm("shares"))
    guests.update(ports=Guest("ports", "10.9.0.5"), plain=Guest("plain", "10.9.0.6"), shares=Guest("shares", "10.9.0.7"))
    for guest in guests.values():
        guest.wait()
    guests["ports"].sh("insmod /lib/modules/extra/virtio_console.ko")


def say(device, text):
    guests["ports"].sh(f"echo {text} >/dev/{device}")


def test_journal_has_the_name_of_the_guest():
    say("ttyS0", "to-the-journal")
    for line in ("to-the-journal", "guest: ready ports"):
        wait_for(line, lambda line=line: [e for e in journal("QNET_VM=ports") if line in e["MESSAGE"]], timeout=30)
    assert all(e["_SYSTEMD_UNIT"] == vm("ports") for e in journal("QNET_VM=ports"))
    wait_for("the other guest's lines", lambda: [e for e in journal("QNET_VM=plain") if "guest: ready plain" in e["MESSAGE"]])
    assert not [e for e in journal("QNET_VM=plain") if "to-the-journal" in e["MESSAGE"]]


def test_file_that_is_not_the_vms():
    say("ttyS1", "to-the-file")
    wait_for("the file", lambda: "to-the-file" in (FILES / "ports.log").read_text(), timeout=30)
    assert sh(f"stat -c %U {FILES}/ports.log") == "root"


def test_file_of_its_own():
    say("hvc0", "to-its-file")
    wait_for("the file", lambda: "to-its-file" in Path("/var/lib/qnet/vm/ports/serial4.log").read_text(), timeout=30)


def test_unix_socket_both_ways():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("/run/qnet/vm/ports/serial2")
        say("ttyS2", "to-the-socket")
        wait_read("the socket", reader(s), b"to-the-socket")
        guests["ports"].sh("head -n 1 /dev/ttyS2 >/heard & sleep 1")
        s.setblocking(True)
        s.sendall(b"from-the-socket\n")
        wait_for("the guest to hear", lambda: guests["ports"].sh("cat /heard") == "from-the-socket", timeout=30)


def test_telnet_and_tcp():
    with socket.create_connection(("127.0.0.1", 4001), timeout=10) as s:
        assert s.recv(1) == b"\xff", "telnet begins with a command"
        say("ttyS3", "to-telnet")
        wait_read("telnet", reader(s), b"to-telnet")
    with socket.create_connection(("127.0.0.1", 4002), timeout=10) as s:
        say("hvc3", "to-tcp")
        wait_read("tcp", reader(s), b"to-tcp")


def test_pipe():
    end = os.open(FILES / "pipe.out", os.O_RDONLY | os.O_NONBLOCK)
    say("hvc1", "to-the-pipe")
    wait_read("the pipe", reader(end), b"to-the-pipe")
    os.close(end)


def test_pty_is_told():
    text = wait_for("the name", lambda: re.search(r"redirected to (/dev/pts/\d+) \(label serial6\)",
                                                  sh(f"journalctl -b --no-pager -u {vm('ports')}")))
    end = os.open(text[1], os.O_RDWR | os.O_NOCTTY)
    time.sleep(1.5)  # QEMU looks once a second whether anybody has opened it
    say("hvc2", "to-the-pty")
    wait_read("the pseudo terminal", reader(end), b"to-the-pty")
    os.close(end)


def test_serial_port_of_the_host():
    say("hvc4", "to-the-tty")
    wait_read("the serial port", reader(tty[0]), b"to-the-tty")


def test_share_both_ways():
    guest = guests["shares"]
    guest.sh("insmod /lib/modules/extra/fuse.ko; insmod /lib/modules/extra/virtiofs.ko; mkdir -p /mnt/host /mnt/ro")
    assert guest.sh("mount -t virtiofs host /mnt/host && mount -t virtiofs ro /mnt/ro && echo yes") == "yes"
    guest.sh("echo from the guest >/mnt/host/made; chown 1234:5678 /mnt/host/made; chmod 640 /mnt/host/made")
    assert (SHARED / "a b/made").read_text() == "from the guest\n"
    assert sh(f"stat -c '%u:%g %a' '{SHARED}/a b/made'") == "1234:5678 640"
    (SHARED / "a b/other").write_text("from the host\n")
    assert guest.sh("cat /mnt/host/other") == "from the host"


def test_share_that_is_read_only():
    guest = guests["shares"]
    assert guest.sh("cat /mnt/ro/there") == "from the host"
    assert "Read-only" in guest.sh("echo x 2>&1 >/mnt/ro/there || echo Read-only", timeout=60)
    assert "Read-only file system" in guest.sh("touch /mnt/ro/new 2>&1")
    assert sorted(p.name for p in (SHARED / "ro").iterdir()) == ["there"]
    assert (SHARED / "ro/there").read_text() == "from the host\n"


def test_share_is_a_cage():
    guest = guests["shares"]
    guest.sh("ln -s /etc/shadow /mnt/host/link; ln -s ../secret /mnt/host/up")
    assert "outside" not in guest.sh("cat /mnt/host/../secret /mnt/host/up 2>&1")
    out = guest.sh("cp /bin/busybox /mnt/host/su; chmod 4755 /mnt/host/su 2>&1; mknod /mnt/host/sda b 8 0 2>&1; ls -l /mnt/host")
    assert "not permitted" in out, out
    assert not (SHARED / "a b/sda").exists()
    assert sh(f"stat -c %a '{SHARED}/a b/su'")[-4:] in ("755", "0755"), out


def test_virtiofsd_is_the_vms_alone():
    unit = "qnet-share@shares-host.service"
    assert show(unit, "ActiveState") == "active"
    assert sh("stat -c '%U %a' /run/qnet/share/shares.0").split()[0] == "root"
    uid = Path(f"/proc/{qemu_pid('ports')}/status").read_text().split("Uid:\t")[1].split()[0]
    assert not succeeds(f"setpriv --reuid={uid} --clear-groups python3 -c 'import socket; "
                        "socket.socket(socket.AF_UNIX).connect(\"/run/qnet/share/shares.0\")'")
    level = sh(f"systemd-analyze security --no-pager {unit} | tail -n 1", check=False)
    assert float(re.search(r"Overall exposure level.*: ([\d.]+)", level)[1]) <= 2.0, level


def test_share_comes_back_with_the_guest():
    old = invocation("shares")
    os.kill(qemu_pid("shares"), signal.SIGKILL)
    wait_for("a new one", lambda: invocation("shares") not in ("", old) and show(vm("shares"), "ActiveState") == "active")
    guest = guests["shares"].wait()
    guest.sh("insmod /lib/modules/extra/fuse.ko; insmod /lib/modules/extra/virtiofs.ko")
    assert guest.sh("mount -t virtiofs host /mnt && cat /mnt/made") == "from the guest"


def test_stopping_leaves_nothing():
    stop(vm("ports"), vm("plain"), vm("shares"))
    assert "+" not in sh(f"ls -l {FILES}"), "an access control entry is left: " + sh(f"ls -l {FILES}")
    wait_for("virtiofsd to end", lambda: not sh("systemctl list-units --plain --no-legend --state=active 'qnet-share@*'"))
    assert not list(Path("/run/qnet/share").iterdir())
    assert not sh("systemctl --failed --no-legend --plain"), sh("systemctl --failed --no-legend --plain")


def test_missing_things_say_so():
    sh(f"rm -rf {SHARED}/ro")
    configure(lab=CONFIG.format(tty="/dev/ttyUSB7"))
    assert not succeeds(f"systemctl start {vm('shares')}")
    assert "/srv/shared/ro does not exist: make it" in sh(f"systemctl status --no-pager --full {vm('shares')}", check=False)
    daemon = sh(f"systemctl show -P ExecStart qnet-share@shares-ro.service | sed -n 's/.*path=\\([^ ]*\\).*/\\1/p'")
    os.rename(daemon, daemon + ".away")
    assert not succeeds(f"systemctl start {vm('shares')}")
    assert "apt install virtiofsd" in sh(f"systemctl status --no-pager --full {vm('shares')}", check=False)
    assert not succeeds(f"systemctl start {vm('ports')}")
    assert "no /dev/ttyUSB7: plug it in" in sh(f"systemctl status --no-pager --full {vm('ports')}", check=False)


main()
