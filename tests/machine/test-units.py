# SPDX-License-Identifier: LGPL-2.1-or-later
"""The static units and drop-ins, beside units of the shape that the generator writes, before systemd's own judges."""
import os
import shutil
import subprocess

from host import SOURCE, Skip

EXPOSURE_MAX = 20  # 2.0
GENERATED = {
    "qemu-vm@t.service": "Type=exec\nUser=qnet-t\nExecStart=/bin/true\n",
    "qnet-tap@tap-t.service": "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    "qnet-switch@s.service": "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    "qnet-dhcp@s.service": "Type=exec\nExecStart=/bin/true\n",
    "qnet-tpm@t.service": "Type=exec\nExecStart=/bin/true\n",
    "qnet-health.service": "Type=oneshot\nExecStart=/bin/true\n",
}


def units(h):
    path = h.dir / "units"
    shutil.copytree(SOURCE / "units", path)
    for template in list(path.glob("*.in")):
        text = template.read_text().replace("@HELPERDIR@", "/bin/true ")
        (path / template.stem.replace("@.", "@x.")).write_text(text)
    for name, service in GENERATED.items():
        (path / name).write_text(f"[Unit]\nDescription=x\n[Service]\n{service}")
    return path


def analyze(h, path, *words):
    environment = dict(os.environ, SYSTEMD_UNIT_PATH=f"{path}:", COLUMNS="200")
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, env=environment)


def test_verify(h):
    path = units(h)
    names = sorted(n for n in os.listdir(path) if n.endswith((".service", ".path", ".target", ".slice")))
    assert len(names) >= 6, names
    for name in names:
        p = analyze(h, path, "verify", "--man=no", "--recursive-errors=no", str(path / name))
        own = [line for line in (p.stdout + p.stderr).splitlines() if "qnet" in line or "qemu-vm" in line]
        assert p.returncode == 0 and not own, f"{name}: {p.stdout}{p.stderr}"


def test_exposure(h):
    path = units(h)
    for name in sorted(n for n in os.listdir(path) if n.endswith(".service")):
        p = analyze(h, path, "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", str(path / name))
        assert p.returncode == 0, f"{name}: {p.stdout.splitlines()[-1:]}{p.stderr}"


def test_relaxed_lines_say_why(h):
    """whatever is off in the sandbox has a comment before it"""
    for path in (SOURCE / "units").glob("*.service.d/10-qnet.conf"):
        before = ""
        for line in path.read_text().splitlines():
            if line.endswith("=no") or line.startswith(("CapabilityBoundingSet=CAP", "ProtectHome=read-only", "SupplementaryGroups=")):
                assert before.startswith("#") or before.startswith("DynamicUser") or before.startswith("User="), f"{path}: {line}"
            before = line


def test_accounts_and_files(h):
    root = h.dir / "root"
    (root / "etc").mkdir(parents=True)
    for tool, conf in (("systemd-sysusers", "sysusers.conf"), ("systemd-tmpfiles", "tmpfiles.conf")):
        if not shutil.which(tool):
            raise Skip(f"no {tool}")
        more = ["--create"] if tool == "systemd-tmpfiles" else []
        p = subprocess.run([tool, f"--root={root}", *more, str(SOURCE / "units" / conf)], capture_output=True, text=True)
        assert p.returncode == 0, p.stderr
    groups = (root / "etc/group").read_text()
    gid = {line.split(":")[0]: int(line.split(":")[2]) for line in groups.splitlines()}
    assert "kvm" in gid
    log = os.stat(root / "run/qnet/kill.log")
    assert (log.st_mode & 0o7777, log.st_uid, log.st_gid) == (0o660, 0, gid["qnet"]), oct(log.st_mode)
    for name in ("run/qnet", "run/qnet/vm"):
        assert os.stat(root / name).st_mode & 0o7777 == 0o755
