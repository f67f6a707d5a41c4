# SPDX-License-Identifier: LGPL-2.1-or-later
"""UEFI with variables that stay, a TPM of the VM's own, credentials and a seed for cloud-init, in the units' sandboxes."""
from qnettest import *

SECONDS = 15
CONFIG = TINY + """
[VM uefi]
Accelerator=tcg
Memory=256M
Firmware=uefi
TPM=yes
StopTimeoutSec=1

[VM told]
System=tiny
Switch=s1
KernelCommandLine=addr=10.9.0.5/24
Credentials=some.secret:/etc/secret
CloudInit=user-data:/etc/user.yaml
StopTimeoutSec=1

[Switch s1]
Address=10.9.0.1/24
"""
STATE = Path("/var/lib/qnet/vm/uefi")


def test_uefi_reaches_its_shell():
    if not Path("/usr/share/qemu/firmware").is_dir():
        raise Skip("no firmware is described on this host")
    if not Path("/usr/bin/swtpm").exists():
        raise Skip("no swtpm")
    configure(lab=CONFIG)
    start(vm("uefi"))
    assert show("qnet-tpm@uefi.service", "ActiveState") == "active"
    assert not succeeds("runuser -u nobody -- test -w /run/qnet/tpm/uefi"), "anybody can talk to the TPM"
    wait_for("UEFI's shell", lambda: "UEFI Interactive Shell" in sh(f"journalctl -b -a --no-pager -o cat -u {vm('uefi')}"))


def test_variables_and_tpm_stay():
    before = sh(f"sha256sum {STATE}/nvram")
    template = sh("sha256sum /usr/share/OVMF/OVMF_VARS_4M.fd", check=False)
    assert before.split()[0] != template.split()[0], "the firmware has written nothing"
    assert sh("find -L /var/lib/qnet/tpm/uefi -name tpm2-00.permall"), "the TPM has no state"
    sh(f"systemctl kill --signal=KILL --kill-whom=main {vm('uefi')}")  # QEMU is gone, its TPM goes with it, both come back
    wait_for("the restart", lambda: show(vm("uefi"), "NRestarts") == "1" and show(vm("uefi"), "ActiveState") == "active")
    assert show("qnet-tpm@uefi.service", "ActiveState") == "active"
    stop(vm("uefi"))
    wait_for("the TPM to end", lambda: show("qnet-tpm@uefi.service", "ActiveState") == "inactive")
    wait_for("its socket to go", lambda: not Path("/run/qnet/tpm/uefi").exists())
    start(vm("uefi"))
    stop(vm("uefi"))


def test_secrets_reach_the_guest_only():
    Path("/etc/secret").write_text("the secret of the guest")
    Path("/etc/user.yaml").write_text("#cloud-config\nhostname: seeded\n")
    sh("chmod 600 /etc/secret /etc/user.yaml")
    start(vm("told"))
    guest = Guest("told", "10.9.0.5").wait()
    seed = guest.sh("dd if=/dev/vda bs=2048 skip=16 count=180 2>/dev/null | tr -d '\\0' | grep -a -c -e seeded -e cidata -e 'local-hostname: told'")
    assert int(seed) >= 1, seed
    assert "the secret" not in sh(f"systemctl cat {vm('told')}; cat /proc/{qemu_pid('told')}/cmdline | tr '\\0' ' '")
    path = "/sys/firmware/qemu_fw_cfg/by_name/opt/io.systemd.credentials/some.secret/raw"
    if guest.sh(f"test -e {path} && echo there") == "there":
        assert guest.sh(f"cat {path}") == "the secret of the guest"
    fw_cfg = f"/run/credentials/{vm('told')}/some.secret"
    assert sh(f"cat {fw_cfg}") == "the secret of the guest" and sh(f"stat -c %a {fw_cfg}") in ("400", "440")
    stop(vm("told"))


def test_missing_secret_says_so():
    sh("rm /etc/secret")
    assert not succeeds(f"systemctl start {vm('told')}")
    assert "/etc/secret" in sh(f"systemctl status --no-pager --full {vm('told')}", check=False)


main()
