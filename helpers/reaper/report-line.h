/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reports that do not come through a file: from sockets, that is from anybody who may connect. What is a line at all
 * is appended to the kill log, and the reaper judges it like any other. */

#include "parse-value.h"

#define REPORT_LINE_MAX 1023 /* bytes without the newline; the reaper drops longer ones */

/* One line of n bytes, without its newline. 1: a line, and *ret_start, *ret_n are it without white space around; 0:
 * blank; -EMSGSIZE: too long; -EILSEQ: has bytes that are not printable ASCII. */
int report_line(const char *line, size_t n, const char **ret_start, size_t *ret_n);

/* Who may report: addresses, or networks by a prefix ("10.9.0.0/24"), or contexts of vsock(7) ("cid:3"). */
typedef struct ReportPeer {
        IPAddress ip; /* prefix 32 or 128: just this one; AF_UNSPEC: cid */
        unsigned cid;
} ReportPeer;

/* -EINVAL, -ERANGE. */
int report_peer_parse(const char *s, ReportPeer *ret);

struct sockaddr;

/* Whether the peer with that address is one of them. An IPv4 address in IPv6 form counts as IPv4. */
bool report_peer_allowed(const struct sockaddr *peer, const ReportPeer *list, size_t n);
/* "10.9.0.17", "vsock context 3"; returns buf */
#define REPORT_PEER_SIZE (IP_STRING_SIZE + sizeof("vsock context "))
const char *report_peer_format(const struct sockaddr *peer, char buf[static REPORT_PEER_SIZE]);
