# SPDX-License-Identifier: LGPL-2.1-or-later
"""The generator under a real systemd: stable, atomic, verified, and what Autostart= does."""
import hashlib
import random
from qnettest import *

SECONDS = 5
GENERATOR = "/lib/systemd/system-generators/qnet-generator"
CONFIG = TINY + """
[Switch s1]
Address=10.9.0.1/24
DHCP=yes
Autostart=yes
[Switch s2]
Address=10.8.0.1/24
MTU=1400
[VM auto]
System=tiny
Autostart=yes
Recover=reset restart
BlackBox=yes
Switch=s1
[VM disks]
System=tiny
Image=/var/lib/images/disk.raw
[Interface]
Switch=s1
MACAddress=random
[Interface]
Switch=s2
Isolated=yes
[VM farm]
System=tiny
Bridge=netbr1
Instances=4
Lab=farm
[VM arm]
Architecture=arm
Machine=realview-pbx-a9
CPUs=2
Memory=256M
Kernel=/var/lib/images/image.elf
[Interface]
Switch=s1
Model=lan9118
[Lab farm]
Description=A farm
[Reaper]
KillLog=/tmp/taskgen_qemusession_ip_kill.log
HoldoffSec=5s
[VM broken]
Memory=lots
"""


def tree(directory):
    """{path: contents or link target} of everything below."""
    out = {}
    for path in sorted(Path(directory).rglob("*")):
        if path.is_symlink():
            out[str(path.relative_to(directory))] = "-> " + os.readlink(path)
        elif path.is_file():
            out[str(path.relative_to(directory))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return out


def test_daemon_reload_is_idempotent():
    configure(lab=CONFIG)
    first = tree("/run/systemd/generator")
    assert f"{vm('auto')}" in first and "qnet-switch@s1.service" in first, list(first)
    sh("systemctl daemon-reload")
    assert tree("/run/systemd/generator") == first


def test_every_unit_verifies():
    units = sh("cd /run/systemd/generator && ls -d $PWD/qemu-vm@*.service $PWD/qnet-*@*.service $PWD/qnet-*@*.target").split()
    units += ["qnet.target", "qnet.slice", "qnet-reaper.path", "qnet-reaper.service", "qnet-reaper-check.service"]
    assert len(units) > 20, units
    text = sh("systemd-analyze verify --man=no --recursive-errors=yes " + " ".join(units), check=False)
    ours = [line for line in text.splitlines() if re.search(r"qnet|qemu-vm", line)]
    assert not ours, "\n".join(ours)


def test_security_of_the_units():
    for unit in (vm("auto"), "qnet-switch@s1.service", "qnet-dhcp@s1.service", "qnet-tap@tap-auto.service",
                 "qnet-reaper.service", "qnet-reaper-check.service", "qnet-recover@auto.service", "qnet-blackbox@auto.service"):
        text = sh(f"systemd-analyze security --no-pager {unit} | tail -n 1", check=False)
        level = float(re.search(r"Overall exposure level.*: ([\d.]+)", text)[1])
        assert level <= 2.0, f"{unit}: {level}"


def test_autostart():
    wanted = sh("systemctl list-dependencies --plain --no-pager qnet.target")
    assert vm("auto") in wanted and "qnet-switch@s1.service" in wanted, wanted
    assert vm("disks") not in wanted and "qnet-switch@s2.service" not in wanted, wanted
    assert "qnet.target" in sh("systemctl list-dependencies --plain --no-pager multi-user.target")


def test_concurrent_and_killed_generators():
    """Whatever stands in the directory is whole, and once one run gets through it is all there."""
    reference = Path("/tmp/reference")
    sh(f"mkdir -p {reference}; {GENERATOR} {reference} {reference} {reference}", check=False)
    want = tree(reference)
    assert want
    out = Path("/tmp/target")
    out.mkdir()
    for _ in range(40):
        running = [subprocess.Popen([GENERATOR, out, out, out], stderr=subprocess.DEVNULL) for _ in range(4)]
        time.sleep(random.uniform(0, .006))
        for child in running[1:]:
            child.kill()
        for child in running:
            child.wait()
        got = {k: v for k, v in tree(out).items() if k in want}
        for path, value in got.items():
            assert want[path] == value, f"{path} is not whole"
        strange = [k for k in tree(out) if k not in want and not Path(k).name.startswith((".", "#"))]
        assert not strange, strange
    assert {k: v for k, v in tree(out).items() if k in want} == want


def test_writes_nothing_elsewhere():
    out = Path("/tmp/strace-out")
    before = tree("/etc/qnet"), tree("/var/lib/qnet")
    out.mkdir()
    sh(f"{GENERATOR} {out} {out} {out}", check=False)
    assert (tree("/etc/qnet"), tree("/var/lib/qnet")) == before
    assert not list(Path("/run/qnet/vm").iterdir())


main()
