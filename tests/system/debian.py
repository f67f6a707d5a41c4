# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole Debian (tests/guest/debian) as a VM's guest, for what its systemd, its cloud-init and its QEMU guest agent make of
what qnet hands over and asks: credentials, a seed, shares, whether it is ready, a shutdown. The guest gets
its address, and with it all that is asked here, by way of the seed."""
import io
import tarfile

from qnettest import *

SLOW = True
SECONDS = 55
CONFIG = """
[Switch s1]
Address=10.9.0.1/24 fd00:9::1/64
DHCP=fd00:9::100-fd00:9::1ff
RouterAdvertisement=yes

[VM deb]
Accelerator=tcg
CPUs=2
Memory=512M
Kernel=/var/lib/debian/vmlinux
KernelCommandLine=root=/dev/nvme0n1 rw init=/sbin/init-payload payload=/dev/vda console=ttyS0 mitigations=off tsc=reliable
KernelCommandLine=random.trust_cpu=on quiet systemd.show_status=0 audit=0
Credentials=some.secret:/etc/secret
Credentials=other.secret:/etc/other
CloudInit=user-data:/etc/seed/user.yaml
CloudInit=network-config:/etc/seed/network.yaml
Ready=agent
ReadyTimeoutSec=300
StopTimeoutSec=300

[Interface]
Switch=s1
MACAddress=52:54:00:00:09:05

[Disk]
Image=/var/lib/debian/debian.raw
Bus=nvme

[Disk]
Image=/var/lib/payload.tar
Format=raw
Mode=readonly

[Share]
Path=/srv/shared
Tag=fast
Type=virtiofs

[Share]
Path=/srv/plain
Tag=plain
Type=9p
"""
USER_DATA = """#cloud-config
hostname: seeded
write_files:
  - path: /etc/from-seed
    content: written by cloud-init
    permissions: '0640'
runcmd:
  - [sh, -c, 'echo "ran as $(id -un)" >/etc/from-runcmd']
"""
NETWORK_CONFIG = """version: 2
ethernets:
  nic0:
    match: {macaddress: "52:54:00:00:09:05"}
    set-name: nic0
    addresses: [10.9.0.5/24]
"""
# what of cloud-init is looked at; the rest takes long, or wants programs that the image has not
MODULES = """
datasource_list: [NoCloud]
cloud_init_modules: [write-files, set_hostname]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
"""
UNITS = "etc/systemd/system"
# a shell for whoever connects, as the small guest has it; and what a secret becomes in a unit
FILES = {f"{UNITS}/shell.service": "[Service]\nExecStart=/bin/busybox nc -ll -p 7 -e /bin/sh\n",
         f"{UNITS}/secret.service": "[Service]\nType=oneshot\nLoadCredential=some.secret\n"
                                    "ExecStart=/bin/sh -c 'cp $CREDENTIALS_DIRECTORY/some.secret /run/got-secret'\n",
         "etc/cloud/cloud.cfg.d/90-small.cfg": MODULES}
ENABLED = ["/lib/systemd/system/systemd-networkd.service", "../shell.service", "../secret.service"]
guest = Guest("deb", "10.9.0.5")


def make_payload(path):
    """What comes over the image's root at the guest's boot."""
    with tarfile.open(path, "w") as tar:
        for name, text in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
        for target in ENABLED:
            info = tarfile.TarInfo(f"{UNITS}/multi-user.target.wants/{os.path.basename(target)}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)


def test_boot_with_address_of_the_seed():
    for name, text in {"/etc/secret": "the secret\nof the guest", "/etc/other": "another", "/etc/seed/user.yaml": USER_DATA,
                       "/etc/seed/network.yaml": NETWORK_CONFIG, "/srv/shared/hello": "by virtiofs", "/srv/plain/hello": "by 9p"}.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    sh("chmod 600 /etc/secret /etc/other /etc/seed/*; chmod 777 /srv/shared /srv/plain")
    make_payload("/var/lib/payload.tar")
    configure(lab=CONFIG)
    start(vm("deb"))
    guest.wait()
    assert guest.sh("systemctl is-active qemu-guest-agent") == "active", "who has answered?"


def test_cloud_init_applies_the_seed():
    wait_for("cloud-init to be done", lambda: "running" not in guest.sh("cloud-init status", timeout=120))
    status = guest.sh("cloud-init status --long", timeout=120)
    assert "status: done" in status and "DataSourceNoCloud" in status, status
    assert guest.sh("hostname") == "seeded"
    assert guest.sh("stat -c %a /etc/from-seed; cat /etc/from-seed").split("\n") == ["640", "written by cloud-init"]
    assert guest.sh("cat /etc/from-runcmd") == "ran as root"
    assert guest.sh("cat /run/cloud-init/.instance-id") == "deb"


def test_systemd_sees_the_credentials():
    assert guest.sh("systemd-creds --system cat some.secret") == "the secret\nof the guest"
    assert guest.sh("systemd-creds --system cat other.secret") == "another"
    assert guest.sh("cat /run/got-secret") == "the secret\nof the guest", "not by LoadCredential= in a unit"


def test_networkd_asks_for_an_ipv6_address():
    """Its address is of the range, pinned to its MAC address, and known to the reaper."""
    ip = wait_for("a lease", lambda: re.search(r" (fd00:9::1[0-9a-f]{2}) ", Path("/var/lib/qnet/dhcp/s1.leases").read_text()))[1]
    wait_for("the guest to have it", lambda: f"{ip}/128" in guest.sh("ip -6 addr show dev nic0 scope global -tentative"))
    assert succeeds(f"ping -n -c 1 -w 10 {ip}")
    assert "52:54:00:00:09:05" in sh(f"ip -6 neigh show {ip} dev s1 nud permanent"), sh("ip -6 neigh")
    assert json.loads(sh(f"{HELPERS}/qnet-reaper resolve --json {ip}"))[0]["vm"] == "deb"


def test_virtiofs_share_is_mounted():
    assert guest.sh("modprobe virtiofs; mount -t virtiofs fast /mnt && cat /mnt/hello && echo back >/mnt/back") == "by virtiofs"
    assert Path("/srv/shared/back").read_text() == "back\n"


def test_9p_share_is_mounted():
    if not guest.sh("modprobe -q 9pnet_virtio && modprobe -q 9p && echo yes"):
        raise Skip("no 9p in the guest's kernel")
    assert guest.sh("mount -t 9p -o trans=virtio,version=9p2000.L plain /srv && cat /srv/hello") == "by 9p"


def test_power_button_and_same_instance_again():
    guest.sh("echo mine >/etc/from-runcmd")     # cloud-init must not do it again, as the instance is the same
    before = guest.who()[0]
    stop(vm("deb"))
    assert show(vm("deb"), "Result") == "success"
    start(vm("deb"))
    wait_for("another boot", lambda: (guest.who() or [before])[0] != before)
    assert guest.sh("cat /run/cloud-init/.instance-id") == "deb"
    assert guest.sh("cat /etc/from-runcmd") == "mine"


def test_agent_shuts_it_down():
    configure(lab=CONFIG.replace("Ready=agent", "Ready=agent\nStop=agent"))
    stop(vm("deb"))
    assert show(vm("deb"), "Result") == "success"
    said = [str(e["MESSAGE"]) for e in journal("-u", vm("deb"))]
    assert "The guest's agent shuts it down." in said, said[-5:]
    assert any("Power down" in line for line in said), "QEMU was ended, not the guest"


main()
