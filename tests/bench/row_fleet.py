# SPDX-License-Identifier: LGPL-2.1-or-later
"""A switch and its ports, started and stopped by systemd, against a shell script that calls ip(8) for each step, against
the same steps in one "ip -batch", and against as many units that do nothing (/bin/true, no sandbox): the least that
systemd itself takes. The guests are no part of it: one target requires all taps of a lab.

Then a switch with 100 ports, and how many processes its stop takes in all.

Where the CPU time goes, of one port on Linux 6.18 with systemd 252: PID 1 takes 4 ms for a stop, the process that it forks
4 ms before it is qnet-tap; a unit of /bin/true without any sandbox 2 and 2. With the unit's sandbox the process took 16 ms:
11 for mounts, 4 for filters, and no one option more than 2. The deletes wait for the kernel side by side, so these waits
hardly count.
"""
from box import sandbox
from frame import Result, need_commands

PORTS, MANY = 50, 100
STOP_GOAL = 1000  # ms, with MANY ports
BARE = """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/true
"""
def configuration(switch, ports, net):
    return f"[Switch {switch}]\nAddress=10.{net}.0.1/24\n" + "".join(
        f"[VM {switch}-{i}]\nKernel=/bench/none\nSwitch={switch}\nMACAddress=52:54:00:{net:02x}:00:{i:02x}\n"
        for i in range(ports))


def holder(units):
    return f"[Unit]\nRequires={' '.join(units)}\nAfter={' '.join(units)}\n"


def taps(switch, ports):
    return [f"qnet-tap@tap-{switch}-{i}.service" for i in range(ports)]


def steps_up(ports):
    yield "link add h1 type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
    yield "addr add 10.99.0.1/24 dev h1"
    yield "link set h1 up"
    for i in range(ports):
        yield f"tuntap add dev h1-{i} mode tap vnet_hdr user 0"
        yield f"link set h1-{i} address fe:54:00:99:00:{i:02x} addrgenmode none alias vm={i}"
        yield f"link set h1-{i} master h1 up"


def steps_down(ports):
    for i in range(ports):
        yield f"link del h1-{i}"
    yield "link del h1"


def set_up(box):
    box.write("/etc/qnet/bench.conf", configuration("few", PORTS, 8) + configuration("many", MANY, 9))
    unit = "/run/systemd/system/"
    box.write(unit + "few.target", holder(taps("few", PORTS)))
    box.write(unit + "many.target", holder(taps("many", MANY)))
    box.write(unit + "bare@.service", BARE)
    box.write(unit + "bare.target", holder([f"bare@{i}.service" for i in range(PORTS + 1)]))
    for name, steps in (("up", list(steps_up(PORTS))), ("down", list(steps_down(PORTS)))):
        box.write(f"/root/{name}.sh", "set -e\n" + "".join(f"ip {s}\n" for s in steps))
        box.write(f"/root/{name}.batch", "".join(f"{s}\n" for s in steps))
    box.sh("systemctl daemon-reload")


def links(box):
    return len(box.run("ip", "-o", "link").splitlines())


def there_and_back(box, up, down, makes):
    """A side: two commands in the sandbox, which make and remove so many links; gives, of both, the milliseconds that it took
    and, last, those of CPU time inside."""
    nothing = links(box)

    def timed(*command):
        return int(box.run("python3", "-B", "/bench/scripts/inside.py", "run", *command).split()[0]) / 1000

    def side():
        times, cpu = [], []
        for command, more in ((up, makes), (down, 0)):
            before = box.cpu()
            times.append(timed(*command))
            cpu.append(box.cpu() - before)
            if links(box) != nothing + more:
                raise RuntimeError(f"{' '.join(command)}: {links(box) - nothing} links, not {more}")
        return *times, *cpu
    return side


def rows(bench):
    bench.program("helpers/network/qnet-tap")
    need_commands("ip")
    with sandbox(bench) as box:
        set_up(box)

        def lab(switch, ports):
            return there_and_back(box, ("systemctl", "start", f"{switch}.target"),
                                  ("systemctl", "stop", f"qnet-switch@{switch}.service"), ports + 1)

        bare = [f"bare@{i}.service" for i in range(PORTS + 1)]
        results = bench.in_turns(
            bench.rounds(20), lab("few", PORTS),
            there_and_back(box, ("sh", "/root/up.sh"), ("sh", "/root/down.sh"), PORTS + 1),
            there_and_back(box, ("ip", "-batch", "/root/up.batch"), ("ip", "-batch", "/root/down.batch"), PORTS + 1),
            there_and_back(box, ("systemctl", "start", "bare.target"), ("systemctl", "stop", *bare), 0), warm_up=1)
        for i, what in enumerate(("start", "stop")):
            ours, script, batch, idle = ([t[i] for t in side] for side in results)
            yield Result(f"{PORTS} ports and a switch {what}, against a script with ip", "ms", ours, script)
            yield Result(f"{PORTS} ports and a switch {what}, against ip -batch", "ms", ours, batch)
            yield Result(f"{PORTS} ports and a switch {what}, against units of /bin/true", "ms", ours, idle)
        yield from many(bench, box, lab("many", MANY))


def many(bench, box, side):
    """Also counts processes and threads: the sandbox has numbers of its own for them, given one after the other."""
    times, = bench.in_turns(bench.rounds(20), side, warm_up=1)
    box.run("systemctl", "start", "many.target")
    before = int(box.sh("echo $$"))
    box.run("systemctl", "stop", "qnet-switch@many.service")
    processes = int(box.sh("echo $$")) - before - 3  # systemctl, its agent for passwords, the last shell
    yield Result(f"{MANY} ports and a switch start", "ms", [t[0] for t in times])
    yield Result("  of it, CPU time of all processes", "ms", [t[2] for t in times])
    yield Result(f"{MANY} ports and a switch stop", "ms", [t[1] for t in times], goal=STOP_GOAL,
                 note=f"{processes} processes and threads")
    yield Result("  of it, CPU time of all processes", "ms", [t[3] for t in times])
