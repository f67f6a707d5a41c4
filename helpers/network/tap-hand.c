/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What QEMU, which may open no device but its tap, is handed at its start: the descriptor of a macvtap, by way of
 * systemd, which keeps it for the next command of the unit (systemd.service(5), FileDescriptorStoreMax=); and whether
 * this host has vhost-net. */

#include <fcntl.h>
#include <systemd/sd-daemon.h>

#include "env-file.h"
#include "log.h"
#include "tap.h"

#define VHOST_NET "/dev/vhost-net"

static int store(const char *ifname, int fd) {
        char state[128];
        int r;

        /* the one that the unit had before a restart of QEMU goes, whatever became of the macvtap */
        snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", ifname);
        r = sd_notify(0, state);
        if (r > 0) {
                snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s", ifname);
                r = sd_pid_notify_with_fds(0, 0, state, &fd, 1);
        }
        if (r > 0)
                r = sd_notify_barrier(0, 30 * USEC_PER_SEC); /* until systemd has it */
        if (r == 0)
                log_error("Cannot leave macvtap %s with systemd: --store is for a unit with NotifyAccess=exec", ifname);
        return r == 0 ? -ENOTCONN : r;
}

int tap_store(const TapArguments *a, const Link *link) {
        _cleanup_close_ int fd = -1;
        char path[sizeof("/dev/tap4294967295")];
        int r;

        snprintf(path, sizeof(path), "/dev/tap%u", (unsigned) link->ifindex);
        fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return log_error_errno(errno, "Cannot open %s of macvtap %s: %m", path, a->ifname);
        r = store(a->ifname, fd);
        if (r < 0 && r != -ENOTCONN)
                return log_error_errno(r, "Cannot leave macvtap %s with systemd: %m", a->ifname);
        return r < 0 ? r : 0;
}

/* Opening it loads the kernel's module, if there is one. */
int tap_tell_vhost(const TapArguments *a) {
        _cleanup_close_ int fd = open(VHOST_NET, O_RDWR | O_CLOEXEC);
        const char *value = fd >= 0 ? "on" : "off";
        char name[32];
        int r;

        if (fd < 0)
                log_info("QEMU does the work of vhost-net for %s: cannot open " VHOST_NET ": %s", a->ifname,
                                strerror(errno));
        snprintf(name, sizeof(name), "QNET_VHOST%u", a->index);
        r = env_file_set(a->env_file, name, value);
        if (r < 0)
                return log_error_errno(r, "Cannot write %s to %s: %m", name, a->env_file);
        return 0;
}
