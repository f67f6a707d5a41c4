# SPDX-License-Identifier: LGPL-2.1-or-later
"""A switch with a DHCP server, started and stopped by systemctl, against the same network of libvirt by virsh, where libvirt
is installed. It has no ports: those of libvirt come with its guests.
"""
from box import sandbox
from frame import Result
from row_fleet import there_and_back

SWITCH = "[Switch alone]\nAddress=10.7.0.1/24\nDHCP=yes\nAutostart=yes\n"
UNITS = ("qnet-switch@alone.service", "qnet-dhcp@alone.service")
NETWORK = """\
<network>
  <name>lv</name>
  <forward mode='open'/>
  <bridge name='lv' stp='off' delay='0'/>
  <ip address='10.77.0.1' netmask='255.255.255.0'><dhcp><range start='10.77.0.10' end='10.77.0.200'/></dhcp></ip>
</network>
"""
VIRSH = ("virsh", "-q", "-c", "network:///system")


def has_libvirt(box):
    try:
        box.sh("command -v libvirtd; command -v virsh")
    except RuntimeError:
        return False
    box.write("/root/lv.xml", NETWORK)
    box.sh(f"""systemd-run -q --unit=libvirtd libvirtd
        for i in $(seq 100); do {' '.join(VIRSH)} net-define /root/lv.xml && exit; sleep .1; done; exit 1""")
    return True


def rows(bench):
    bench.program("helpers/network/qnet-switch")
    with sandbox(bench) as box:
        box.write("/etc/qnet/bench.conf", SWITCH)
        box.write("/run/systemd/system/qnet-dhcp@.service.d/60-bench.conf", "[Unit]\nStartLimitIntervalSec=0\n")
        box.sh("systemctl daemon-reload")
        sides = [there_and_back(box, ("systemctl", "start", *UNITS), ("systemctl", "stop", *UNITS), 1)]
        note = "libvirt is not installed"
        if has_libvirt(box):
            sides.append(there_and_back(box, (*VIRSH, "net-start", "lv"), (*VIRSH, "net-destroy", "lv"), 1))
            note = ""
        ours, *libvirt = bench.in_turns(bench.rounds(20), *sides, warm_up=1)
        for i, what in enumerate(("start", "stop")):
            yield Result(f"switch with DHCP {what}, against libvirt's", "ms", [t[i] for t in ours],
                         *([t[i] for t in side] for side in libvirt), note=note)
