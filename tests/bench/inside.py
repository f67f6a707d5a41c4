# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside the sandbox, times one thing, prints it in microseconds.

  inside.py start UNIT TAP    systemctl start UNIT, until it returns; then, of it, until the unit TAP was active, and
                              until PID 1 had forked UNIT's main process
  inside.py qemu QMP ARGV...  QEMU started by hand, until it has answered qmp_capabilities on the socket QMP; then
                              it is told to quit, and waited for
"""
import json
import os
import socket
import subprocess
import sys
import time


def timestamp(unit, which):
    text = subprocess.run(["systemctl", "show", "-P", which, unit], check=True, stdout=subprocess.PIPE).stdout
    return int(text) / 1e6


def start(unit, tap):
    began = time.monotonic()
    subprocess.run(["systemctl", "start", unit], check=True, stdin=subprocess.DEVNULL)
    took = time.monotonic() - began
    return (took, timestamp(tap, "ActiveEnterTimestampMonotonic") - began,
            timestamp(unit, "ExecMainStartTimestampMonotonic") - began)


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
    took = time.monotonic() - began,
    stream.write('{"execute": "quit"}\n')
    stream.flush()
    child.wait()
    return took


print(*(f"{t * 1e6:.0f}" for t in {"start": start, "qemu": qemu}[sys.argv[1]](*sys.argv[2:])))
