/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "rung.h"
#include "string-table.h"

static const char *const rung_table[_RUNG_MAX] = {
        [RUNG_RESET] = "reset",
        [RUNG_POWERDOWN] = "powerdown",
        [RUNG_RESTART] = "restart",
};
DEFINE_STRING_TABLE(rung, Rung)
