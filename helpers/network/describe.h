/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stands where we wanted something else, in words for an error message: `a veth device with the alias "x"`, `the tap
 * of VM host1`, `a bridge that is not of qnet`. */

#include "rtnl.h"

#define LINK_DESCRIPTION_SIZE (ALIAS_SIZE + 64)
const char *link_describe(const Link *link, char buf[static LINK_DESCRIPTION_SIZE]); /* returns buf */
