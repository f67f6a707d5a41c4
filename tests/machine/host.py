# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of this directory need of the machine, each taken back when the test ends."""
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
VM_UID = 64123  # of the dynamic range, nobody's


class Skip(Exception):
    pass


class Result:
    def __init__(self, process):
        self.status, self.text = process.returncode, process.stdout + process.stderr

    def __repr__(self):
        return f"exit status {self.status}: {self.text}"


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


class Host:
    def __init__(self, build, directory, stack):
        self.build, self.dir, self.stack = build, directory, stack

    # ---- running things

    def sh(self, *words, **more):
        p = subprocess.run([str(w) for w in words], capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
        if p.returncode:
            raise AssertionError(f"{words}: {p.stdout}{p.stderr}")
        return p.stdout.strip()

    def program(self, name):
        return str(self.build / "helpers/machine" / name)

    def helper(self, name, *words, uid=None, **more):
        command = [self.program(name), *map(str, words)]
        if uid is not None:
            command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
        return Result(subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, **more))

    def disk(self, *words, **more):
        return self.helper("qnet-disk", *words, **more)

    def monitor(self, *words, pid=None, **more):
        environment = {k: v for k, v in os.environ.items() if k != "MAINPID"}
        if pid:
            environment["MAINPID"] = str(pid)
        return self.helper("qnet-monitor", *words, env=environment, **more)

    def start(self, *words, **more):
        """a process that ends with the test"""
        p = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, **more)
        self.stack.callback(self.end, p)
        return p

    @staticmethod
    def end(p):
        if p.poll() is None:
            p.send_signal(signal.SIGCONT)
            p.kill()
        p.wait()

    # ---- disks

    def image(self, name="image", mib=8, fs=True):
        path = self.dir / name
        with open(path, "wb") as f:
            f.truncate(mib << 20)
        if fs:
            self.sh("mkfs.ext4", "-q", path)
        return path

    def loop(self, path, *options):
        try:
            device = self.sh("losetup", "-f", "--show", *options, path)
        except AssertionError as e:
            raise Skip(f"no loop device: {e}")
        self.stack.callback(subprocess.run, ["losetup", "-d", device], check=False)
        return device

    def mount(self, device, *options):
        where = self.dir / "mnt"
        where.mkdir(exist_ok=True)
        self.sh("mount", *options, device, where)
        self.stack.callback(subprocess.run, ["umount", str(where)], check=False, stderr=subprocess.DEVNULL)
        return where

    def umount(self):
        self.sh("umount", self.dir / "mnt")

    def vm_dir(self, name="vm"):
        """a directory that belongs to the machine's user, as its RuntimeDirectory= does"""
        path = self.dir / name
        path.mkdir(exist_ok=True)
        os.chown(path, VM_UID, VM_UID)
        return path

    # ---- QEMU

    def qemu(self, *words, socket_path=None, wait=True):
        command = ["qemu-system-x86_64", "-display", "none", "-nodefaults", "-no-user-config", *words]
        if socket_path:
            command += ["-chardev", f"socket,id=q,path={socket_path},server=on,wait=off", "-mon", "chardev=q,mode=control"]
        p = self.start(*command)
        if socket_path and wait:
            wait_for(lambda: self.listens(socket_path), "QEMU's socket")
        return p

    @staticmethod
    def listens(path):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(str(path))
        except OSError:
            return False
        finally:
            s.close()
        return True

    def qemu_with_disk(self, *drive):
        """paused, with the disk open and locked"""
        s = self.dir / "disk.qmp"
        p = self.qemu("-M", "q35", "-S", "-drive", ",".join(["if=none,id=d", *drive]),
                      "-device", "virtio-blk-pci,drive=d", socket_path=s, wait=False)
        # the socket is there before the disk is open, an answer comes after
        r = self.monitor("wait", "--paused", s, pid=p.pid)
        assert r.status == 0, r
        return p

    @staticmethod
    def qemu_img(*words):
        return subprocess.run(["qemu-img", *map(str, words)], capture_output=True, text=True)

    def image_info(self, path):
        p = self.qemu_img("info", "-U", "--output=json", path)
        assert p.returncode == 0, p.stderr
        return json.loads(p.stdout)
