# SPDX-License-Identifier: LGPL-2.1-or-later
"""Odd bytes reach QEMU exactly as they were written, or are refused."""
from qnettest import *

SECONDS = 20
# what the user means, and how a shell-like quoting writes it
ODD = ["two words", "a,b=c", "50%", "%n", "$HOME", "${HOME}", "a;b", "\\", "\\n", "'", '"', "it's \"so\"", "#no", "ünï€",
       "", "*", "~", "`id`", "a\\x20b", "\\\\", "%%", "$$", ";", "-"]


def quoted(word):
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def arguments(name):
    return Path(f"/proc/{qemu_pid(name)}/cmdline").read_bytes().decode().split("\0")[:-1]


def test_extra_arguments():
    # strings that the firmware hands to the guest; QEMU takes any
    options = [w for word in ODD if word for w in ("-smbios", f"type=11,value={word.replace(',', ',,')}")]
    configure(odd=TINY + "[VM odd]\nSystem=tiny\nExtraArgs=" + " ".join(quoted(w) for w in options) + "\n")
    start(vm("odd"))
    wait_for("QEMU", lambda: show(vm("odd"), "MainPID") != "0")
    got = arguments("odd")
    for option in options:
        assert option in got, f"{option!r} did not arrive: {got}"
    at = got.index("-smbios")
    assert got[at:at + len(options)] == options, "order or number differ"
    stop(vm("odd"))


def test_kernel_command_line():
    line = "console=ttyS0 quiet a=\"b c\" d='e' 100%% $HOME ; x,y \\\\ ünï"
    configure(odd=TINY + f"[VM odd]\nSystem=tiny\nKernelCommandLine=\nKernelCommandLine={line}\n")
    start(vm("odd"))
    got = arguments("odd")
    appended = got[got.index("-append") + 1]
    wanted = line.replace("%%", "%")
    assert appended in (wanted, wanted.replace("\\\\", "\\")), appended
    stop(vm("odd"))


def test_paths_with_odd_bytes():
    directory = Path("/var/lib/odd, 50% $x;ü")
    directory.mkdir(exist_ok=True)
    sh(f"cp /var/lib/images/initrd.gz '{directory}/ini trd,x'; cp /var/lib/images/vmlinux '{directory}/vm linux'")
    written = str(directory).replace("%", "%%")
    configure(odd=f"[VM odd]\nAccelerator=tcg\nMemory=128M\nKernel={written}/vm linux\nInitrd={written}/ini trd,x\n"
              "KernelCommandLine=console=ttyS0 quiet addr=10.9.0.5/24\nSwitch=s1\n[Switch s1]\nAddress=10.9.0.1/24\n")
    start(vm("odd"))
    Guest("odd", "10.9.0.5").wait()
    got = arguments("odd")
    assert f"{directory}/vm linux" in got, got
    stop(vm("odd"))


def test_description_and_names():
    configure(odd="[VM a-B_c.9]\nDescription=100%% \\\"odd\\\" $x; ü\nAccelerator=tcg\nMemory=64M\nStopTimeoutSec=1s\nKernel=/var/lib/images/vmlinux\n")
    start(vm("a-B_c.9"))
    assert "100%" in show(vm("a-B_c.9"), "Description") and "$x; ü" in show(vm("a-B_c.9"), "Description")
    assert "a-B_c.9" in arguments("a-B_c.9") or "guest=a-B_c.9" in arguments("a-B_c.9")
    stop(vm("a-B_c.9"))


def test_bad_names_are_refused():
    for name in ("a b", "../x", "ü", "-x", "a@b", "x" * 64, "a/b", "%n"):
        out = sh(f"mkdir -p /tmp/r/etc/qnet; cat >/tmp/r/etc/qnet/x.conf <<'EOF'\n[VM {name}]\nKernel=/k\nEOF\n"
                 "QNET_ROOT=/tmp/r /lib/systemd/system-generators/qnet-generator --dry-run 2>&1; echo status=$?", check=False)
        assert "status=1" in out and "x.conf:1" in out, f"{name!r}: {out}"


main()
