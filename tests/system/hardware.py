# SPDX-License-Identifier: LGPL-2.1-or-later
"""Displays, debugging and small devices work in the sandbox of the unit, and what the host lacks is said at start."""
from qnettest import *

SECONDS = 15
# the firmware alone: it runs, and needs nothing
BARE = "Accelerator=tcg\nMemory=64M\nStopTimeoutSec=1s\n"


def connect(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    s = socket.socket(family)
    s.settimeout(60)
    s.connect(address)
    return s


def vnc_greets(address):
    with connect(address) as s:
        greeting = s.recv(12)
    assert greeting.startswith(b"RFB 003."), f"{address}: {greeting}"


def spice_greets(address):
    with connect(address) as s:
        # version 2.2, the main channel, no capabilities
        s.sendall(b"REDQ" + bytes([2, 0, 0, 0, 2, 0, 0, 0, 18, 0, 0, 0]) + bytes([0, 0, 0, 0, 1, 0] + [0] * 8 + [18, 0, 0, 0]))
        assert s.recv(4) == b"REDQ", f"{address} does not speak SPICE"


def gdb_stops(address):
    with connect(address) as s:
        s.sendall(b"+$?#3f")
        answer = b""
        while b"#" not in answer:
            answer += s.recv(100)
    assert b"$T" in answer, f"{address}: {answer}"


def qmp(name, command):
    with connect(f"/run/qnet/vm/{name}/qmp") as s:
        stream = s.makefile("rw")
        stream.readline()
        for execute in ("qmp_capabilities", command):
            stream.write(json.dumps({"execute": execute}) + "\n")
            stream.flush()
            answer = json.loads(stream.readline())
            while "event" in answer:
                answer = json.loads(stream.readline())
        return answer["return"]


def test_displays():
    configure(display="".join(f"[VM {name}]\n{BARE}Display={display}\n{more}\n" for name, display, more in (
        ("vnc", "vnc", "VGA=virtio\nKeyboard=de"), ("vncp", "vnc:127.0.0.1:7", "ScreenSize=800x600"),
        ("vnc6", "vnc:[::1]:8", ""), ("spice", "spice", "VGA=qxl\nGuestAgent=yes"), ("spicep", "spice:127.0.0.1:5930", ""))))
    start(vm("vnc"), vm("vncp"), vm("vnc6"))
    vnc_greets("/run/qnet/vm/vnc/vnc")
    vnc_greets(("127.0.0.1", 5907))
    vnc_greets(("::1", 5908))
    stop(vm("vnc"), vm("vncp"), vm("vnc6"))
    start(vm("spice"), vm("spicep"))
    spice_greets("/run/qnet/vm/spice/spice")
    spice_greets(("127.0.0.1", 5930))
    connect("/run/qnet/vm/spice/agent").close()
    stop(vm("spice"), vm("spicep"))


def test_without_a_display_nobody_listens():
    configure(plain=f"[VM plain]\n{BARE}")
    start(vm("plain"))
    assert show(vm("plain"), "RestrictAddressFamilies") and "AF_INET" not in show(vm("plain"), "RestrictAddressFamilies").split()
    stop(vm("plain"))


def test_debugging():
    configure(debug=f"[VM gdb]\n{BARE}GDB=yes\nStartPaused=yes\n[VM port]\n{BARE}GDB=127.0.0.1:1234\n")
    start(vm("gdb"), vm("port"))
    assert qmp("gdb", "query-status")["status"] == "prelaunch"
    assert qmp("port", "query-status")["status"] == "running"
    gdb_stops("/run/qnet/vm/gdb/gdb")
    gdb_stops(("127.0.0.1", 1234))
    qmp("gdb", "cont")
    wait_for("the guest to run", lambda: qmp("gdb", "query-status")["status"] == "running")
    stop(vm("gdb"), vm("port"))


def test_small_devices():
    configure(all=f"[VM all]\n{BARE}MemoryMax=1G\nMemoryShared=yes\nCPUs=2,sockets=1,cores=2\nRNG=yes\nBalloon=yes\nWatchdog=yes\n"
              "Panic=yes\nGuestAgent=yes\nClock=2006-06-17T16:01:21\nBoot=network menu\nUUID=6ba7b810-9dad-41d1-80b4-00c04fd430c8\n"
              "Device=pci-testdev\nSMBIOS=type=1,serial=%i\n")
    start(vm("all"))
    assert qmp("all", "query-uuid")["UUID"] == "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
    assert qmp("all", "query-balloon")["actual"] == 64 << 20
    assert len(qmp("all", "query-cpus-fast")) == 2
    stop(vm("all"))


def test_replay():
    text = TINY + "[VM twice]\nSystem=tiny\nKernelCommandLine=\nKernelCommandLine=console=ttyS0\nStopTimeoutSec=1s\nReplay={}\n"
    text += "[Disk]\nImage=/var/lib/images/vmlinux\nMode=readonly\n"

    def run(mode):
        configure(twice=text.format(mode))
        start(vm("twice"))
        this = f"_SYSTEMD_INVOCATION_ID={invocation('twice')}"

        def lines():
            return [str(e["MESSAGE"]).strip() for e in journal(this) if e.get("SYSLOG_IDENTIFIER", "").startswith("qemu")]
        wait_for(f"the console with {mode}", lambda: len(lines()) >= 60, timeout=60)
        stop(vm("twice"))
        return lines()[:60]

    recorded = run("record")
    assert Path("/var/lib/qnet/vm/twice/replay.bin").stat().st_size > 1000
    replayed = run("replay")
    assert recorded == replayed, f"{recorded} became {replayed}"


def fails_saying(name, *sentences):
    assert not succeeds(f"systemctl start {vm(name)}"), f"{name} starts"
    said = " ".join(str(e.get("MESSAGE")) for e in journal(f"UNIT={vm(name)}") + journal(f"_SYSTEMD_UNIT={vm(name)}"))
    for sentence in sentences:
        assert sentence in said, f"no {sentence!r} in {said}"


def test_what_the_host_lacks():
    sh("rm -f /usr/bin/qemu-system-sparc")
    configure(lacks=f"[VM sparc]\nArchitecture=sparc\nMachine=SS-5\n[VM kvm]\nAccelerator=kvm\n[VM host]\nCPU=host\n"
              f"[VM huge]\n{BARE}Memory=64G\nHugePages=2M\n")
    fails_saying("sparc", "apt install qemu-system-sparc")
    fails_saying("kvm", "Accelerator=tcg")
    fails_saying("host", "Accelerator=tcg")
    fails_saying("huge", "huge pages")


main()
