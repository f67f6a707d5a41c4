/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "cleanup.h"
#include "privilege.h"

#define NOBODY 65534

/* In a user namespace there may be none; then root there is but the user who made it. */
static int become_nobody(void) {
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return -errno;
        if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return errno == EINVAL || errno == EPERM ? 0 : -errno;
        return 0;
}

int privilege_keep_net_admin(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
        int r;

        if (geteuid() != 0)
                return 0;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        r = become_nobody();
        if (r < 0)
                return r;
        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        data[0].permitted &= CAP_TO_MASK(CAP_NET_ADMIN); /* a container's root may not have it: the kernel will say so */
        data[0].effective = data[0].permitted;
        data[1] = (struct __user_cap_data_struct){ 0 };
        data[0].inheritable = 0;
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}
