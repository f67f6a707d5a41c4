/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What qnet-health says: to the journal, a sentence with a MESSAGE_ID that is in units/qnet.catalog, QNET_VM=, UNIT= and
 * QNET_PROBE=; and to the reaper, a line in the kill log. */

#include "watch.h"

#define MESSAGE_VM_UNHEALTHY_STR  "6417ba5e31c8413dbbc991016d873409"
#define MESSAGE_VM_HEALTHY_STR    "47141f0f83d04d2691d711abc3014c39" /* again, after it was reported */
#define MESSAGE_VM_NOT_PROBED_STR "0cbf07bbccb94e988ddddfd5501ff53c" /* for want of something on the host */

/* Whether its unit is active, and neither being started nor stopped; also when systemd cannot be asked. */
bool tell_is_active(Check *c);
/* Negative if the reaper could not be told; the journal knows that then. */
int tell_unhealthy(const Check *c);
void tell_healthy(const Check *c, usec_t ill);
void tell_unable(const Check *c); /* only of the first 20 */
