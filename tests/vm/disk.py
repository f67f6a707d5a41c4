# SPDX-License-Identifier: LGPL-2.1-or-later
"""qnet-disk guard, where the kernel has a device mapper."""
from vmtest import *

GUARD = "/usr/libexec/qnet/qnet-disk guard --write"


def test_device_that_another_is_built_on():
    sh("modprobe -a loop dm_mod; truncate -s 1M /var/tmp/disk")
    device = sh("losetup --find --show /var/tmp/disk").strip()
    try:
        sh(f"{GUARD} {device}")
        sh(f"dmsetup create upper --table '0 2048 linear {device} 0'")
        said = sh(f"{GUARD} {device} 2>&1", check=False)
        assert "upper" in said and "built on it" in said and not succeeds(f"{GUARD} {device}"), said
        sh("dmsetup remove upper")
        wait_for("the device to be nobody's", lambda: succeeds(f"{GUARD} {device}"))
    finally:
        sh(f"dmsetup remove upper; losetup --detach {device}; rm /var/tmp/disk", check=False)


main()
