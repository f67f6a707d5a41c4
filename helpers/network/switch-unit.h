/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "strv.h"

/* What the generator has made of a [Switch], asked of systemd: no configuration is read. Logs. */

/* The arguments that qnet-switch@NAME.service gives to "qnet-switch add", from the bridge on, and behind them
 * "--nat" if there is a unit for that. 1: *ret has them; 0: it is no bridge, nothing to say of it. */
int switch_unit_arguments(const char *name, char ***ret);
