# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside the sandbox, times one thing, prints it in microseconds.

  inside.py start UNIT TAP QMP
                              systemctl start UNIT, until it has answered qmp_capabilities on the socket QMP; until
                              systemctl returns; until the unit TAP was active; until PID 1 had forked UNIT's main
                              process
  inside.py run COMMAND...    a command, until it has ended
  inside.py qemu QMP ARGV...  QEMU started by hand, until it has answered qmp_capabilities on the socket QMP; then
                              it is told to quit, and waited for
  inside.py line LOG LINE SERVICE UNIT
                              what kill-log-latency prints for these; and until the guest at the address LINE answers
  inside.py answers IP        until the guest at this address answers
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


def start(unit, tap, path):
    began = time.monotonic()
    systemctl = subprocess.Popen(["systemctl", "start", unit], stdin=subprocess.DEVNULL)
    connection = connect(path, lambda: systemctl.poll() in (None, 0))
    greet(connection)
    took = time.monotonic() - began
    if systemctl.wait() != 0:
        raise SystemExit(f"{unit} did not start")
    returned = time.monotonic() - began
    return (took, returned, timestamp(tap, "ActiveEnterTimestampMonotonic") - began,
            timestamp(unit, "ExecMainStartTimestampMonotonic") - began)


def connect(path, lives):
    """As soon as somebody listens there."""
    while lives():
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            return connection
        except OSError:
            connection.close()
            time.sleep(.0005)
    raise SystemExit("QEMU, or the start of it, ended early")


def greet(connection):
    stream = connection.makefile("rw")
    json.loads(stream.readline())["QMP"]
    stream.write('{"execute": "qmp_capabilities"}\n')
    stream.flush()
    json.loads(stream.readline())["return"]
    return stream


def qemu(path, *argv):
    if os.path.exists(path):
        os.unlink(path)
    began = time.monotonic()
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    stream = greet(connect(path, lambda: child.poll() is None))
    took = time.monotonic() - began,
    stream.write('{"execute": "quit"}\n')
    stream.flush()
    child.wait()
    return took


def answers(ip):
    """Until the shell of a test guest takes a connection; no wait for a lost SYN to be sent again."""
    began = time.monotonic()
    while time.monotonic() < began + 120:
        try:
            socket.create_connection((ip, 7), timeout=.02).close()
            return time.monotonic() - began,
        except OSError:
            time.sleep(.002)
    raise SystemExit(f"the guest at {ip} does not answer")


def line(*words):
    began = time.monotonic()
    stages = subprocess.run(["/bench/build/tests/bench/kill-log-latency", *words], check=True, stdout=subprocess.PIPE).stdout
    answers(words[1])
    return *(int(word) / 1e6 for word in stages.split()), time.monotonic() - began


def run(*command):
    began = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return time.monotonic() - began,


COMMANDS = {"start": start, "qemu": qemu, "run": run, "line": line, "answers": answers}
print(*(f"{t * 1e6:.0f}" for t in COMMANDS[sys.argv[1]](*sys.argv[2:])))
