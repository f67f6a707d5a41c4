#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu.py GOLDEN - QEMU itself accepts the command line of every VM in tests/generator/*/expect

Each command is taken from the unit by systemd's rules, and what it names is put in place: kernels, images and sockets in
a directory of their own, taps in a network namespace of their own (that needs root; else the interfaces are left out).
Then QEMU is started stopped (-S, TCG), must greet on both QMP sockets, must have the NICs with their MAC addresses and
the drives that the options name, and quits when told. A QEMU that is not installed, or a whole run without any, is
skipped (77)."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

VIRTIOFSD = next((p for p in ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd") if os.access(p, os.X_OK)), None)
SWTPM = shutil.which("swtpm")
VDE_SWITCH = shutil.which("vde_switch")
CREDENTIALS = "/run/credentials/a-vm"
RANDOM_MAC = "52:54:00:99:99:"


def unit_commands(path):
    """The words of each ExecStart=, by systemd.syntax(7) and systemd.service(5)."""
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"\\\n[ \t]*", " ", f.read())
    return [words(line) for line in re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)]


def words(line):
    result, word, quote, i = [], None, None, 0
    while i < len(line):
        c = line[i]
        if c == "\\":
            i += 1
            word = (word or "") + line[i]
        elif quote:
            if c == quote:
                quote = None
            else:
                word += c
        elif c in "\"'":
            quote, word = c, word or ""
        elif c == " ":
            if word is not None:
                result.append(word)
            word = None
        else:
            word = (word or "") + c
        i += 1
    if word is not None:
        result.append(word)
    return [variables(w.replace("%%", "%")) for w in result]


def variables(word):
    """$$, ${QNET_MAC0}, ${QNET_VHOST0} and ${CREDENTIALS_DIRECTORY}; nothing else may be there."""
    word = re.sub(r"\$\{QNET_VHOST\d+\}", "off", word)
    word = word.replace("${CREDENTIALS_DIRECTORY}", CREDENTIALS)
    word = re.sub(r"\$\{QNET_MAC(\d+)\}", lambda m: RANDOM_MAC + f"{int(m[1]):02x}", word)
    assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", word), f"a variable in {word}"
    return word.replace("$$", "$")


def split_options(value):
    """{key: value} of "first,key=value,..." by QEMU's rule: a doubled comma is one of the value."""
    parts = [p.replace("\0", ",") for p in value.replace(",,", "\0").split(",")]
    return dict(p.split("=", 1) if "=" in p else (("", p) if i == 0 else (p, "")) for i, p in enumerate(parts))


def double(value):
    return value.replace(",", ",,")


class Machine:
    """One command line, made to run in directory."""

    def __init__(self, command, directory, taps):
        self.directory, self.taps = directory, taps
        self.macs, self.drives, self.sockets = [], [], {}
        self.ends, self.children, self.descriptors = [], [], []
        self.command = [command[0], "-S"]
        i = 1
        while i < len(command):
            self.option(command[i], command[i + 1] if i + 1 < len(command) else None)
            i += 1 if self.is_flag(command[i]) or i + 1 == len(command) else 2

    def is_flag(self, name):
        return name in ("-nodefaults", "-no-user-config", "-S") or not name.startswith("-")

    def option(self, name, value):
        if self.is_flag(name):
            self.command.append(name)
            return
        if name in ("-kernel", "-initrd"):
            value = self.file(value, self.kernel if name == "-kernel" else self.blank)
        elif name == "-accel":
            value = "tcg"
        elif name == "-cpu" and value.split(",")[0] == "host":
            value = "max"
        elif name == "-dtb":
            value = self.file(value, self.device_tree)
        elif name in ("-vnc", "-spice", "-gdb", "-icount"):
            value = re.sub(r"/(run|var/lib)/qnet/vm/[^/,]*", self.directory, value)
            value = value.replace("rr=replay", "rr=record")  # there is no recording
        elif name == "-object" and "hugetlb" in value:  # hosts have none to spare
            value = re.sub(r",(hugetlb|hugetlbsize|prealloc)=\w+", "", value)
        elif name == "-chardev" and "path" in split_options(value):
            value = self.characters(split_options(value), value)
        elif name == "-fsdev":
            options = split_options(value)
            directory = self.file(options["path"], os.mkdir)
            value = value.replace("path=" + double(options["path"]), "path=" + double(directory))
        elif name == "-drive":
            options = split_options(value)
            self.drives.append(options["id"])
            for key, path in options.items():
                if key == "file" or key.endswith(".filename"):
                    kind = options["format" if key == "file" else key.removesuffix("file.filename") + "driver"]
                    image = self.file(path, self.flash if options.get("if") == "pflash" and "unit" in options
                                      else self.qcow2 if kind == "qcow2" else self.raw)
                    value = value.replace(f",{key}={double(path)}", f",{key}={double(image)}")
        elif name == "-fw_cfg" and "file" in split_options(value):
            path = split_options(value)["file"]
            value = value.replace("file=" + double(path), "file=" + double(self.file(path, self.blank)))
        elif name == "-bios":
            value = self.file(value, lambda path: self.sized(path, 128 << 10))
        elif name in ("-netdev", "-nic"):
            value = self.network(split_options(value), value)
        if not self.taps and (name in ("-netdev", "-nic", "-net") or name == "-device" and "netdev=" in value):
            return
        if not self.taps and name == "-object" and "netdev=" in value:
            return
        if name in ("-device", "-nic", "-net"):
            self.macs += [v.lower() for k, v in split_options(value).items() if k in ("mac", "macaddr")]
        self.command += [name, value]

    def network(self, options, value):
        """What a network card is connected to."""
        if "ifname" in options:
            self.tap(options["ifname"], "queues" in options)
        if "fd" in options:  # a macvtap; any tap will do
            self.descriptors.append(self.open_tap(f"fd{options['fd']}"))
            value = value.replace(f"fd={options['fd']}", f"fd={self.descriptors[-1]}")
        if "sock" in options:
            value = value.replace("sock=" + double(options["sock"]), "sock=" + double(self.vde_switch()))
        for key in ("addr.path", "local.path"):
            if key in options:
                path = os.path.join(self.directory, f"{options['id']}.socket")
                value = value.replace(f"{key}={double(options[key])}", f"{key}={path}")
        return value.replace(",vhost=on,vhostforce=on", "")  # hosts may have no vhost-net

    def vde_switch(self):
        path = os.path.join(self.directory, "vde")
        if not os.path.exists(path):
            with open(path + ".log", "wb") as log:  # it ends at the end of its input
                self.children.append(subprocess.Popen([VDE_SWITCH, "--sock", path], stdin=subprocess.PIPE, stdout=log, stderr=log))
            end = time.monotonic() + 20
            while not os.path.exists(os.path.join(path, "ctl")) and time.monotonic() < end:
                time.sleep(0.01)
        return path

    @staticmethod
    def open_tap(name):
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x5002))  # TUNSETIFF, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
        os.set_inheritable(fd, True)
        return fd

    def characters(self, options, value):
        """What a chardev is connected to: sockets of QMP, what [Serial] names, virtiofsd."""
        path = os.path.join(self.directory, options["id"])
        if options[""] == "pipe":
            os.mkfifo(path + ".in")
            os.mkfifo(path + ".out")
        elif options[""] == "serial":
            self.ends += os.openpty()
            path = os.ttyname(self.ends[-1])
        elif options[""] == "socket" and "server" not in options:
            (self.swtpm if options["id"] == "tpm" else self.virtiofsd)(path)
        elif options["id"] in ("qnet", "qmp"):
            self.sockets[options["id"]] = path
        return value.replace("path=" + double(options["path"]), "path=" + double(path))

    def swtpm(self, path):
        """As its unit has it, with the socket as descriptor 3."""
        state = path + ".state"
        os.mkdir(state)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        with open(path + ".log", "wb") as log:
            self.children.append(subprocess.Popen(
                ["sh", "-c", f"exec 3<&{listening.fileno()}; exec {SWTPM} socket --tpm2 --ctrl type=unixio,fd=3 "
                 f"--tpmstate dir={state},mode=0600 --terminate"],
                pass_fds=[listening.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        listening.close()

    def virtiofsd(self, path):
        """As its unit has it, with the socket as descriptor 3."""
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        with open(path + ".log", "wb") as log:
            self.children.append(subprocess.Popen(
                ["sh", "-c", f"exec 3<&{listening.fileno()}; exec {VIRTIOFSD} --fd=3 -f -o source={self.directory} "
                 "-o sandbox=chroot,modcaps=-mknod --rlimit-nofile=0"],
                pass_fds=[listening.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        listening.close()

    def end(self):
        for child in self.children:  # they end when QEMU does
            child.kill()
            child.wait()
        for fd in self.ends + self.descriptors:
            os.close(fd)

    def file(self, path, make):
        """Every byte of the name stays, it only gets another directory."""
        path = os.path.join(self.directory, "files", path.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.exists(path):
            make(path)
        return path

    def blank(self, path):
        with open(path, "wb") as f:
            f.write(b"\0" * 512)

    def raw(self, path):
        self.sized(path, 64 << 20)

    def flash(self, path):
        """Of the size that the board has, or, on x86, of no more than that."""
        self.sized(path, 2 << 20 if "x86_64" in self.command[0] else 64 << 20)

    @staticmethod
    def sized(path, size):
        with open(path, "wb") as f:
            f.truncate(size)

    def qcow2(self, path):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], check=True)

    def kernel(self, path):
        """The least that QEMU takes for an ELF kernel: x86's by PVH, arm's by its entry point."""
        arm = "arm" in self.command[0]
        if "aarch64" in self.command[0]:
            return self.blank(path)
        note = b"" if arm else struct.pack("<III4sI", 4, 4, 18, b"Xen\0", 0x100000)
        e = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01" + b"\0" * 9, 2, 40 if arm else 3, 1, 0x100000, 52,
                        0, 0, 52, 32, 2, 0, 0, 0)
        code = b"\xfe\xff\xff\xea" if arm else b"\xf4" * 4
        start = 52 + 64
        load = struct.pack("<IIIIIIII", 1, start, 0x100000, 0x100000, len(code), len(code), 5, 4)
        notes = struct.pack("<IIIIIIII", 4, start + len(code), 0, 0, len(note), len(note), 4, 4)
        with open(path, "wb") as f:
            f.write(e + load + notes + code + note + b"\0" * 4096)

    def device_tree(self, path):
        """The least: a root that says how wide numbers are."""
        names = b"#address-cells\0#size-cells\0"
        words = [1, 0, 3, 4, 0, 2, 3, 4, 15, 2, 2, 9]
        body = struct.pack(f">{len(words)}I", *words)
        start, reserved = 40, 16
        head = [0xd00dfeed, start + reserved + len(body) + len(names), start + reserved, start + reserved + len(body), start,
                17, 16, 0, len(names), len(body)]
        with open(path, "wb") as f:
            f.write(struct.pack(">10I", *head) + b"\0" * reserved + body + names)

    def tap(self, name, queues):
        if self.taps:
            subprocess.run(["ip", "tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr"] + ["multi_queue"] * queues, check=True)

    def run(self):
        log = os.path.join(self.directory, "log")
        with open(log, "wb") as f:
            qemu = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=f, stderr=f, pass_fds=self.descriptors,
                                    env=dict(os.environ, QEMU_AUDIO_DRV="none"))
        try:
            self.talk(qemu)
            if qemu.wait(20) != 0:
                raise RuntimeError(f"exit status {qemu.returncode}")
            return ""
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as e:
            with open(log, encoding="utf-8", errors="replace") as f:
                return f"{e}\n{f.read()}{self.command}"
        finally:
            qemu.kill()
            qemu.wait()
            self.end()

    def connect(self, qemu, path):
        end = time.monotonic() + 30
        while True:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(20)
            try:
                s.connect(path)
                return s.makefile("rw")
            except OSError:
                if qemu.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("QEMU has ended" if qemu.poll() is not None else "no QMP socket") from None
                time.sleep(0.01)

    def talk(self, qemu):
        if sorted(self.sockets) != ["qmp", "qnet"]:
            raise RuntimeError(f"QMP sockets {sorted(self.sockets)}")
        streams = [self.connect(qemu, path) for path in self.sockets.values()]
        for stream in streams:
            if "QMP" not in json.loads(stream.readline() or "{}"):
                raise RuntimeError("no greeting")
        monitor = streams[0]
        self.ask(monitor, "qmp_capabilities")
        network = self.ask(monitor, "human-monitor-command", {"command-line": "info network"})
        for mac in self.macs:
            # some boards have NICs that do not tell their address
            if f"macaddr={mac}" not in network and not re.search(r"type=nic,\r?\n", network):
                raise RuntimeError(f"no NIC {mac} in: {network}")
        drives = [d["device"] for d in self.ask(monitor, "query-block")]
        for drive in self.drives:
            if drive not in drives:
                raise RuntimeError(f"no drive {drive} in {drives}")
        self.ask(monitor, "quit")

    def ask(self, stream, command, arguments=None):
        json.dump({"execute": command, **({"arguments": arguments} if arguments else {})}, stream)
        stream.write("\n")
        stream.flush()
        while True:
            answer = json.loads(stream.readline() or '{"error": "the end"}')
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]


def run_unit(path, skipped, taps):
    """What is wrong, or ""; None: not a command line of QEMU."""
    commands = unit_commands(path)
    if not commands or "qemu-system" not in commands[0][0]:
        return None
    if not os.access(commands[0][0], os.X_OK):
        skipped.append(f"{os.path.basename(path)}: no {commands[0][0]}")
        return None
    if any("vhost-user-fs" in word for word in commands[0]) and (not VIRTIOFSD or not taps):
        skipped.append(f"{os.path.basename(path)}: {'not root' if VIRTIOFSD else 'no virtiofsd'}")
        return None
    if "-tpmdev" in commands[0] and not SWTPM:
        skipped.append(f"{os.path.basename(path)}: no swtpm")
        return None
    if any(word.startswith("vde,") for word in commands[0]) and not VDE_SWITCH:
        skipped.append(f"{os.path.basename(path)}: no vde_switch")
        return None
    with tempfile.TemporaryDirectory(prefix="qnet-qemu-") as directory:
        if taps:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return Machine(commands[0], directory, taps).run()


def main(golden):
    if os.getuid() == 0 and "QNET_NAMESPACE" not in os.environ:
        os.environ["QNET_NAMESPACE"] = "yes"
        os.execvp("unshare", ["unshare", "--net", sys.executable] + sys.argv)
    taps = os.getuid() == 0
    n = failed = 0
    skipped = [] if taps else ["interfaces: not root"]
    for case in sorted(os.listdir(golden)):
        directory = os.path.join(golden, case, "expect")
        units = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        for unit in units:
            if not unit.startswith("qemu-vm@") or not unit.endswith(".service"):
                continue
            text = run_unit(os.path.join(directory, unit), skipped, taps)
            if text is None:
                continue
            n += 1
            if text:
                print(f"FAIL {case}/{unit}: {text}")
                failed += 1
            if taps:  # the next one may want the same names
                for line in subprocess.run(["ip", "-o", "link", "show", "type", "tun"], capture_output=True,
                                           text=True).stdout.splitlines():
                    subprocess.run(["ip", "link", "del", line.split(": ")[1]], check=True)
    print(f"{n} command lines, {failed} failed; skipped: {'; '.join(skipped) or 'none'}")
    return 77 if n == 0 else failed > 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main(sys.argv[1]))
