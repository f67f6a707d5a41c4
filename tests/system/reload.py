# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemctl reload: what the guest sees change while it runs, and what is said to need a restart."""
from qnettest import *

SECONDS = 25
IMAGES = Path("/var/lib/reload")
MODULES = ("drivers/scsi/scsi_common", "drivers/scsi/scsi_mod", "drivers/scsi/virtio_scsi", "drivers/cdrom/cdrom",
           "drivers/scsi/sr_mod", "drivers/virtio/virtio_balloon")
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24
NAT=yes

[VM live]
System=tiny
KernelCommandLine=addr=10.9.0.5/24 addr1=10.8.0.6/24 $HOME %%
Balloon=yes
[Interface]
Switch=s1
Address=10.9.0.5
MACAddress=random
[Interface]
Switch=s1
[Disk]
Size=8M
[Disk]
Image=/var/lib/reload/persistent
Mode=persistent
Size=8M
[Disk]
Image=/var/lib/reload/modules
Mode=readonly
[Disk]
Image=/var/lib/reload/one
Media=cdrom
Bus=scsi
"""
guest = Guest("live", "10.9.0.5")


def reload(ok=True):
    """What it says to the journal."""
    began = len(said())
    assert succeeds(f"systemctl reload {vm('live')}") == ok, said()[began:]
    assert show(vm("live"), "ActiveState") == "active" and show(vm("live"), "SubState") == "running"
    return said()[began:]


def said():
    return [str(e["MESSAGE"]) for e in journal(f"_SYSTEMD_UNIT={vm('live')}", "SYSLOG_IDENTIFIER=qnet-reload")]


def cd():
    return guest.sh("dd if=/dev/sr0 bs=2048 count=1 2>/dev/null | tr -d '\\0'")


def carrier():
    return guest.sh("cat /sys/class/net/eth1/carrier")


def total():
    return int(guest.sh("sed -n 's/MemTotal: *//p' /proc/meminfo").split()[0])


def test_boot():
    IMAGES.mkdir(mode=0o755)
    for name in ("one", "two"):
        (IMAGES / name).write_bytes(f"this is {name}".encode().ljust(1 << 20, b"\0"))
        (IMAGES / name).chmod(0o600)
    kernel, = Path("/tests/.cache").glob("kernel-*/lib/modules/*/kernel")
    sh(f"tar -C {kernel} -cf {IMAGES}/modules " + " ".join(f"{m}.ko" for m in MODULES))
    configure(live=CONFIG)
    start(vm("live"))
    guest.wait()
    guest.sh("cd /tmp 2>/dev/null || mkdir /tmp && cd /tmp; tar xf /dev/vdc; " + "".join(f"insmod {m}.ko; " for m in MODULES))
    wait_for("the CD drive", lambda: guest.sh("test -b /dev/sr0 && echo yes"))
    assert cd() == "this is one" and carrier() == "1"


def test_nothing_changed():
    assert reload() == [], said()


def test_what_can_change_does():
    before = invocation("live"), guest.who()[0], qemu_pid("live")
    first, second = CONFIG.split("[Interface]\nSwitch=s1\n[Disk]\n")
    text = f"{first}[Interface]\nSwitch=s1\nLink=down\nIsolated=yes\n[Disk]\n{second}"
    for old, new in (("Size=8M", "Size=12M"), ("/one", "/two"), ("Balloon=yes", "Balloon=yes\nMemory=100M\nCPUs=2"),
                     ("MACAddress=", "Forward=tcp:127.0.0.1:2222:7\nMACAddress=")):
        text = text.replace(old, new)
    configure(live=text)
    memory = total()
    lines = reload()
    assert (invocation("live"), guest.who()[0], qemu_pid("live")) == before, "it was restarted"
    assert carrier() == "0"
    assert guest.sh("cat /sys/block/vd[ab]/size").split() == ["24576", "24576"]
    wait_for("the guest to see the other CD", lambda: cd() == "this is two")
    wait_for("the balloon", lambda: total() < memory - (20 << 10))
    assert [line for line in lines if "restart" in line] == ["Needs a restart: -smp 2, and it runs with -smp 1."], lines
    # the taps are reloaded along, and NAT
    assert Guest("live", "127.0.0.1", port=2222).who()[0] == before[1]
    ports = json.loads(sh("bridge -j -d link show"))
    isolated = {p["ifname"] for p in ports if p.get("isolated")}
    assert isolated == {"tap1-live"}, ports
    assert not os.listxattr(IMAGES / "two"), "an entry that nobody takes back"


def test_guest_holds_the_cd():
    """What is refused is told, and the rest is done."""
    guest.sh("(exec sleep 1000 </dev/sr0 >/dev/null 2>&1) & echo $! >/tmp/pid")
    text = Path("/etc/qnet/live.conf").read_text().replace("Link=down\n", "").replace("Image=/var/lib/reload/two\n", "")
    configure(live=text)
    lines = reload(ok=False)
    assert any("does not let go" in line for line in lines), lines
    assert carrier() == "1" and cd() == "this is two"
    guest.sh("kill $(cat /tmp/pid)")
    wait_for("the CD to be ejected", lambda: succeeds(f"systemctl reload {vm('live')}"))
    assert cd() == ""


def test_sections_that_moved():
    """disk0 is another one now: it is not what grows."""
    configure(live=CONFIG.replace("[Disk]\nSize=8M", "[Disk]\nImage=/var/lib/reload/persistent\nMode=persistent\nSize=64M", 1)
              .replace("[Disk]\nImage=/var/lib/reload/persistent\nMode=persistent\nSize=8M", "[Disk]\nSize=64M"))
    sh("systemctl stop dbus.socket dbus.service")  # PID 1 is asked over its own socket then
    lines = reload()
    sh("systemctl start dbus.socket")
    assert any("Needs a restart: -drive" in line for line in lines), lines
    assert guest.sh("cat /sys/block/vd[ab]/size").split() == ["24576", "24576"]


def test_broken_configuration():
    """The running machine is left alone, and the mistake is where one looks for it."""
    configure(live=CONFIG.replace("Balloon=yes", "Balloon=some"))
    assert not succeeds(f"systemctl reload {vm('live')}")
    status = sh(f"systemctl status --no-pager --full {vm('live')}", check=False)
    assert "active (running)" in status and "live.conf:" in status and "Balloon=some" in status, status


def test_it_stops_as_ever():
    configure(live=CONFIG)
    stop(vm("live"))
    assert show(vm("live"), "Result") == "success"
    assert not [p for p in IMAGES.iterdir() if os.listxattr(p)], "an entry is left"
    assert (IMAGES / "persistent").stat().st_size == 12 << 20


main()
