# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside the sandbox, times one thing, prints it in microseconds.

  inside.py start UNIT        systemctl start UNIT, until it returns
  inside.py qemu QMP ARGV...  QEMU started by hand, until it has answered qmp_capabilities on the socket QMP; then
                              it is told to quit, and waited for
"""
import json
import os
import socket
import subprocess
import sys
import time


def start(unit):
    began = time.monotonic()
    subprocess.run(["systemctl", "start", unit], check=True, stdin=subprocess.DEVNULL)
    return time.monotonic() - began


def connect(path, qemu):
    while qemu.poll() is None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            return connection
        except OSError:
            connection.close()
            time.sleep(.0005)
    raise SystemExit(f"QEMU ended with status {qemu.returncode}")


def qemu(path, *argv):
    if os.path.exists(path):
        os.unlink(path)
    began = time.monotonic()
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    connection = connect(path, child)
    stream = connection.makefile("rw")
    json.loads(stream.readline())["QMP"]
    stream.write('{"execute": "qmp_capabilities"}\n')
    stream.flush()
    json.loads(stream.readline())["return"]
    took = time.monotonic() - began
    stream.write('{"execute": "quit"}\n')
    stream.flush()
    child.wait()
    return took


print(f"{ {'start': start, 'qemu': qemu}[sys.argv[1]](*sys.argv[2:]) * 1e6:.0f}")
