/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "parse-value.h"

/* The bridge's own MAC: the same at every start, so that no port's comings and goings change it and guests
 * keep their ARP entry of the host; another on another machine. */
struct ether_addr switch_mac(const char *name);
