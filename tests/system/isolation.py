# SPDX-License-Identifier: LGPL-2.1-or-later
"""No VM reaches what is another's. Tried as who would try it, a QEMU that its guest has taken over: by a command of the VM's
unit, so by its user, in its sandbox, with its devices; and each try by the other one, too, and once by the owner, who can."""
from qnettest import *

SECONDS = 25
DISKS = "/var/lib/disks"
LAB = TINY + f"""
[Switch s1]
Address=10.9.0.1/24
DHCP=yes
"""
VM = """
[VM {name}]
System=tiny
Display=vnc
GuestAgent=yes
[Interface]
Switch=s1
[Disk]
Image={disks}/base.raw
[Disk]
Image={disks}/{name}.raw
Mode=persistent
[Service]
ExecStartPost=/usr/bin/python3 -B /run/try.py {name}
"""
TRY = '''
import errno, fcntl, json, os, signal, socket, struct, sys

def outcome(f, *arguments):
    try:
        f(*arguments)
        return "done"
    except OSError as e:
        return errno.errorcode[e.errno]

def use(path, flags=os.O_RDWR):
    os.close(os.open(path, flags | os.O_CLOEXEC))

def connect(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(1)
        s.connect(path)

def tap(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x1002))
    finally:
        os.close(fd)

def others(directory):
    if not set(os.listdir(directory)) - {me}:
        raise PermissionError(errno.EACCES, "")

def tries(vm, pid):
    run, state = f"/run/qnet/vm/{vm}", f"/var/lib/qnet/vm/{vm}"
    yield "disk", use, f"/var/lib/disks/{vm}.raw"
    yield "disk, to read", use, f"/var/lib/disks/{vm}.raw", os.O_RDONLY
    yield "overlay", use, f"{state}/disk0.qcow2"
    yield "overlay, to read", use, f"{state}/disk0.qcow2", os.O_RDONLY
    yield "state", os.listdir, state
    yield "state, by its true name", os.listdir, f"/var/lib/private/qnet/vm/{vm}"
    yield "a file in its state", use, f"{state}/new", os.O_WRONLY | os.O_CREAT
    yield "a file in its run-time directory", use, f"{run}/new", os.O_WRONLY | os.O_CREAT
    for name in ("qnet.qmp", "qmp", "vnc", "agent"):
        yield f"socket {name}", connect, f"{run}/{name}"
    yield "signal", os.kill, pid, 0
    yield "tap", tap, f"tap-{vm}"

def nobodys():
    yield "new tap", tap, "mine"
    yield "image of all", use, "/var/lib/disks/base.raw"
    yield "kill log", use, "/run/qnet/kill.log", os.O_WRONLY
    yield "socket for reports", connect, "/run/qnet/kill.sock"
    yield "systemd", connect, "/run/systemd/private"
    yield "leases", use, "/var/lib/qnet/dhcp/s1.leases", os.O_WRONLY
    yield "reaper", os.listdir, "/var/lib/qnet/reaper"
    yield "rungs", os.listdir, "/run/qnet/recover"
    yield "state of others", others, "/var/lib/private/qnet/vm"

me, pids = sys.argv[1], json.load(open("/run/pids.json"))
pids[me] = os.environ["MAINPID"]
result = {vm: {what: outcome(f, *a) for what, f, *a in tries(vm, int(pids[vm]))} for vm in pids}
result["nobody"] = {what: outcome(f, *a) for what, f, *a in nobodys()}
print("tried: " + json.dumps(result))
'''


def tried(name):
    """What came of it when this VM was started last."""
    run = invocation(name)
    lines = wait_for("what it tried", lambda: [e["MESSAGE"] for e in journal("-u", vm(name), f"_SYSTEMD_INVOCATION_ID={run}")
                                               if str(e["MESSAGE"]).startswith("tried: ")])
    return json.loads(lines[0].removeprefix("tried: "))


def pids(**found):
    Path("/run/pids.json").write_text(json.dumps(found))


def test_tries():
    Path("/run/try.py").write_text(TRY)
    Path(DISKS).mkdir()
    for name in ("base", "one", "two"):
        sh(f"truncate -s 1M {DISKS}/{name}.raw; chmod 600 {DISKS}/{name}.raw")
    sh("mkdir -p /run/qnet/recover; chmod 700 /run/qnet/recover; systemctl start qnet-report.socket; qnet-reaper status || true")
    configure(lab=LAB + "".join(VM.format(name=n, disks=DISKS) for n in ("one", "two")))
    pids(one=0)
    start(vm("one"))
    pids(one=qemu_pid("one"))
    start(vm("two"))
    # and the first one once more, now that the other is there
    pids(two=qemu_pid("two"))
    sh(f"systemctl restart {vm('one')}")


def test_its_own_is_its_own():
    for name in ("one", "two"):
        own = tried(name)[name]
        wrong = {what: got for what, got in own.items() if got != "done"}
        # QEMU has it already
        assert wrong.pop("tap") == "EBUSY" and not wrong, f"{name}, who should: {wrong}"


def test_no_other_gets_at_it():
    for name, other in (("one", "two"), ("two", "one")):
        got = tried(name)[other]
        wrong = {what: r for what, r in got.items() if r not in ("EACCES", "EPERM", "ENOENT", "ESRCH", "EROFS")}
        assert not wrong, f"{name} has reached of {other}: {wrong}"
        assert got["tap"] == "EPERM", got["tap"]


def test_nor_at_what_is_the_hosts():
    for name in ("one", "two"):
        got = tried(name)["nobody"]
        wrong = {what: r for what, r in got.items() if r not in ("EACCES", "EPERM", "ENOENT", "EROFS")}
        assert not wrong, f"{name} has reached: {wrong}"
        assert got["kill log"] in ("EACCES", "EROFS") and got["systemd"] == "EACCES", got


main()
