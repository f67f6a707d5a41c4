/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the reaper tells the journal: a sentence for a person, a MESSAGE_ID with an entry in units/qnet.catalog, and the
 * facts as fields: QNET_LOG=, QNET_LINE=, QNET_VM=, QNET_IP=, QNET_MAC=, QNET_TAP=, QNET_BRIDGE=, UNIT=,
 * QNET_RESTART_USEC=, QNET_RECOVER_USEC=, QNET_BLACKBOX=, JOB_RESULT=. OBJECT_SYSTEMD_UNIT= makes "journalctl -u qemu-vm@NAME" show it. */

#include "cursor.h"
#include "log.h"

/* Each is in the catalog; tests/static holds manual page and header together. */
#define MESSAGE_VM_RESTARTED_STR  "9d6078fff3b44cb19845192523168698"
#define MESSAGE_VM_RECOVERED_STR  "64ce4647536e4000956df84eb626eaeb" /* it is back, in the same QEMU */
#define MESSAGE_VM_FAILED_STR     "af4420ba796447bbbc8297641dd5658f" /* it did not come up again */
#define MESSAGE_VM_LEFT_ALONE_STR "b4a36599909a41b4b42730e8d5b0f45b" /* known, but not to be restarted now */
#define MESSAGE_LINE_UNKNOWN_STR  "fab8e08dd07e41c2be7d3e90eb67c5b3" /* no VM was found */
#define MESSAGE_LINE_REFUSED_STR  "cce57b25ae234334b2692930c2301bda" /* several could be meant */
#define MESSAGE_LOG_UNUSABLE_STR  "58979053ba9a4510a2886a11954118dc"

/* usec: USEC_INFINITY for not known; black_box: its directory, or NULL */
void report_restarted(const char *log, const Pending *p, usec_t usec, const char *black_box);
void report_recovered(const char *log, const Pending *p, usec_t usec, const char *black_box);
void report_failed(const char *log, const Pending *p, const char *job_result, const char *why);
void report_log(const char *log, int error);

/* The following come with every line of a log, so only the first 20 of a process are said; report_rest() says how many
 * were not. vm: NULL where none was found. */
void report_left_alone(const char *log, const Pending *p, const char *why);
void report_unknown(const char *log, const char *line, const char *why, bool refused);
void report_rest(void);
