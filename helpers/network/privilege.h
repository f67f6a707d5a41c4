/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For a command that systemd runs with all privileges: from root to nobody with CAP_NET_ADMIN alone, and no way back; of a
 * program that is not run by root, nothing changes. Silent; negative errno. */
int privilege_keep_net_admin(void);
