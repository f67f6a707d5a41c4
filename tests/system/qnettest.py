# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the system tests are written with. It runs inside a sandbox, as root; a test file is

    from qnettest import *

    def test_something():
        ...assert...

    main()

Each function is one test, in the order of the file; they share the sandbox. Nothing here asserts on short times: two
cores may be busy with other guests, so whatever is waited for gets minutes.
"""
import inspect
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

PATIENCE = 180
HELPERS = "/usr/libexec/qnet"
KILL_LOG = "/run/qnet/kill.log"
TASKGEN_LOG = "/tmp/taskgen_qemusession_ip_kill.log"

# One guest system for all: small, quick to boot without KVM.
TINY = """
[System tiny]
Accelerator=tcg
Memory=128M
Kernel=/var/lib/images/vmlinux
Initrd=/var/lib/images/initrd.gz
KernelCommandLine=console=ttyS0 quiet mitigations=off tsc=reliable random.trust_cpu=on hn=%i
"""


def main():
    """Runs the test functions of the calling file; exits 1 if one failed. It ends with one named test_boot... that
    fails, as the others use what that boots."""
    caller = inspect.stack()[1]
    suite = Path(caller.filename).stem
    failed = False
    tests = [(n, f) for n, f in caller.frame.f_globals.items() if n.startswith("test_") and callable(f)]
    for i, (name, function) in enumerate(tests):
        name = f"{suite}/{name.removeprefix('test_')}"
        started = time.monotonic()
        try:
            function()
            print(f"ok {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except Skip as skip:
            print(f"skip {name} {skip}", flush=True)
        except Exception as e:  # pylint: disable=broad-except
            failed = True
            traceback.print_exc(file=sys.stdout)
            print(sh("journalctl -b --no-pager -o short-monotonic -n 80; systemctl --failed --no-pager", check=False))
            print(f"FAIL {name} {type(e).__name__}: {' '.join(str(e).split())[:300]}", flush=True)
            if function.__name__.startswith("test_boot"):
                for other, _ in tests[i + 1:]:
                    print(f"FAIL {suite}/{other.removeprefix('test_')} not run, as that has failed", flush=True)
                break
    sys.exit(1 if failed else 0)


class Skip(Exception):
    """Raise with the reason."""


def sh(command, check=True, timeout=PATIENCE, **options):
    """Standard output (and error) of a shell command, stripped."""
    done = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, check=False, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"'{command}' failed with exit status {done.returncode}: {done.stdout.strip()}")
    return done.stdout.strip()


def succeeds(command, **options):
    try:
        sh(command, **options)
        return True
    except AssertionError:
        return False


def wait_for(what, condition, timeout=PATIENCE):
    """Polls until condition() is true, returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(.1)


# --- configuration and units ---------------------------------------------------------------------------------------

def configure(**files):
    """Writes /etc/qnet/NAME.conf for each argument, after removing all others, and reloads."""
    sh("rm -rf /etc/qnet/*")
    for name, text in files.items():
        Path(f"/etc/qnet/{name}.conf").write_text(text)
    sh("systemctl daemon-reload")


def vm(name):
    return f"qemu-vm@{name}.service"


def show(unit, key):
    return sh(f"systemctl show -P {key} {shlex.quote(unit)}")


def invocation(name):
    return show(vm(name), "InvocationID")


def qemu_pid(name):
    pid = int(show(vm(name), "MainPID"))
    assert pid > 0, f"{vm(name)} has no process"
    return pid


def start(*units):
    sh("systemctl start " + " ".join(shlex.quote(u) for u in units))


def stop(*units):
    sh("systemctl stop " + " ".join(shlex.quote(u) for u in units))


def journal(*matches):
    """Entries of the journal as dictionaries."""
    sh("journalctl --sync", check=False)
    text = sh("journalctl -b --no-pager -o json " + " ".join(shlex.quote(m) for m in matches) + " 2>/dev/null")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def restarts(name=None):
    """The reaper's journal entries about restarts of this VM, or of any."""
    return [e for e in journal("SYSLOG_IDENTIFIER=qnet-reaper") if "QNET_RESTART_USEC" in e
            and (name is None or e.get("QNET_VM") == name)]


# --- guests --------------------------------------------------------------------------------------------------------

class Guest:
    """A test guest (tests/guest/init), by its address."""
    def __init__(self, name, ip, port=7):
        self.name, self.ip, self.port = name, ip, port

    def answers(self, timeout=1):
        return succeeds(f"ping -n -c 1 -W {timeout} {self.ip}")

    def wait(self):
        """Until it is up and its shell answers."""
        wait_for(f"{self.name} to answer ping at {self.ip}", self.answers)
        wait_for(f"the shell of {self.name}", self.who)
        return self

    def sh(self, command, timeout=30):
        """What a command prints in the guest."""
        with socket.create_connection((self.ip, self.port), timeout=timeout) as s:
            s.sendall(f"{command}\nexit\n".encode())
            s.shutdown(socket.SHUT_WR)
            data = b""
            while chunk := s.recv(4096):
                data += chunk
        return data.decode(errors="replace").strip()

    def who(self):
        """(boot id, seconds since boot), or None."""
        try:
            boot, uptime, *_ = self.sh("cat /proc/sys/kernel/random/boot_id /proc/uptime", timeout=10).split()
            return boot, float(uptime)
        except (OSError, ValueError):
            return None

    def freeze(self):
        """Stops its QEMU, as a hang would; when the hold-off is over, as the reaper would leave it alone before."""
        past_hold_off(self.name)
        os.kill(qemu_pid(self.name), signal.SIGSTOP)
        wait_for(f"{self.name} to fall silent", lambda: not self.answers())


def lease(mac, path):
    """The address that a dnsmasq has given to a MAC address, by its lease file."""
    rows = [line.split() for line in Path(path).read_text().splitlines()] if Path(path).exists() else []
    return next((row[2] for row in rows if len(row) >= 5 and row[1] == mac), None)


def leased(name, switch):
    """The guest, once the switch's DHCP server has given it an address."""
    path = f"/var/lib/qnet/dhcp/{switch}.leases"
    return Guest(name, wait_for(f"a lease for {name}", lambda: lease(mac_of(name), path)))


def foreign_leased(name, bridge="netbr1"):
    """The same for foreign_bridge()."""
    path = f"/run/foreign-{bridge}.leases"
    return Guest(name, wait_for(f"a lease for {name} on {bridge}", lambda: lease(mac_of(name), path)))


# --- the reaper ----------------------------------------------------------------------------------------------------

# taskgen's QemuSession, to the letter: any user, open for append, one address and a newline.
CLIENT = """
import sys
for ip in sys.argv[2:]:
    with open(sys.argv[1], "a") as log:
        log.write(ip + "\\n")
"""


def report(*addresses, log=KILL_LOG):
    """Appends addresses to a kill log as an unprivileged client."""
    sh("setpriv --reuid=nobody --regid=nogroup --groups=qnet --inh-caps=-all python3 -c "
       + " ".join(shlex.quote(a) for a in (CLIENT, log, *addresses)))


def past_hold_off(name, seconds=10):
    """Waits until the VM has been running for longer than HoldoffSec=."""
    wait_for(f"{name} to be older than the hold-off", lambda: time.clock_gettime(time.CLOCK_MONOTONIC)
             - int(show(vm(name), "ActiveEnterTimestampMonotonic")) / 1e6 > seconds + .5)


def reaper_idle():
    """Waits until nothing of the reaper's runs or is queued, so that "nothing was restarted" can be said."""
    quiet = 0
    while quiet < 5:
        time.sleep(.2)
        states = sh("systemctl is-active qnet-reaper.service qnet-reaper-check.service", check=False).split()
        quiet = quiet + 1 if all(s in ("inactive", "failed") for s in states) else 0


def entry(ip, dev):
    """The neighbour entry as "ip neigh" shows it, or ''."""
    return sh(f"ip neigh show {ip} dev {dev}", check=False)


def mac_of(name):
    """Of the VM's first interface, from its tap's alias."""
    for link in json.loads(sh("ip -j link")):
        words = link.get("ifalias", "").split()
        if words and words[0] == f"qnet:vm={name}":
            return [w for w in words if w.startswith("mac=")][0][4:]
    raise AssertionError(f"no tap has an alias for {name}")


def interfaces():
    # not "ip -j link", which may say that its list is inconsistent, while they come and go
    return sorted(p.name for p in Path("/sys/class/net").iterdir() if p.is_dir())


def foreign_bridge(name="netbr1", net="172.25.1"):
    """A bridge that was there before qnet, with a DHCP server that is not ours, as the seed has it."""
    sh(f"ip link add {name} type bridge forward_delay 0 && ip addr add {net}.1/24 dev {name} && ip link set {name} up")
    sh(f"systemd-run -q --unit=foreign-dhcp-{name} dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface={name}"
       f" --bind-interfaces --dhcp-range={net}.10,{net}.200,255.255.255.0,1h --no-ping"
       f" --dhcp-leasefile=/run/foreign-{name}.leases --user=nobody")

