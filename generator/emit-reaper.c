/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* [Reaper], into drop-ins of the static units of the reaper. Without it, and with everything at its
 * default, there are none: the static units work as they are. The paths and the hold-off below are those
 * that stand in them. */

#include "emit-internal.h"
#include "strv.h"

#define KILL_LOG         "/run/qnet/kill.log"
#define HOLD_OFF_DEFAULT (10 * USEC_PER_SEC)

static int emit_path(const Reaper *reaper, UnitWriter *w) {
        unit_open(w, "qnet-reaper.path.d/50-qnet.conf");
        unit_section(w, "Path");
        STRV_FOREACH (log, reaper->kill_logs)
                unit_text(w, "PathModified", *log); /* adds to the built-in one */
        return unit_close(w);
}

static void emit_logs(const Reaper *reaper, UnitWriter *w) {
        unit_option(w, "--log=" KILL_LOG);
        STRV_FOREACH (log, reaper->kill_logs)
                unit_option(w, "--log=", *log);
        unit_exec_end(w);
}

static int emit_service(const Reaper *reaper, UnitWriter *w) {
        char span[NUMBER_STRING_SIZE];

        unit_open(w, "qnet-reaper.service.d/50-qnet.conf");
        unit_section(w, "Service");
        unit_raw(w, "ExecStart", ""); /* a oneshot would run both */
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-reaper");
        unit_arg(w, "run");
        unit_option(w, "--hold-off=", format_span(reaper->hold_off, span));
        emit_logs(reaper, w);
        emit_passthrough(&reaper->passthrough, w);
        return unit_close(w);
}

static int emit_check(const Reaper *reaper, UnitWriter *w) {
        unit_open(w, "qnet-reaper-check.service.d/50-qnet.conf");
        unit_section(w, "Service");
        unit_raw(w, "ExecStart", "");
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-reaper");
        unit_arg(w, "check");
        emit_logs(reaper, w);
        return unit_close(w);
}

/* Reports from elsewhere: a process for each connection, qnet-report-tcp@.service. */
static int emit_socket(const Reaper *reaper, UnitWriter *w) {
        unit_open(w, "qnet-report-tcp.socket");
        unit_section(w, "Unit");
        unit_raw(w, "Description", "Reports of frozen virtual machines from other hosts");
        unit_raw(w, "Documentation", "man:qnet-report(8)");
        emit_origin(&reaper->origin, w);
        unit_section(w, "Socket");
        STRV_FOREACH (at, reaper->listens)
                unit_raw(w, "ListenStream", *at);
        unit_raw(w, "Accept", "yes");
        unit_raw(w, "FreeBind", "yes"); /* the address may be that of a switch, which comes later */
        unit_raw(w, "MaxConnections", "16");
        unit_raw(w, "MaxConnectionsPerSource", "4");
        /* the first gate, in the kernel; qnet-report is the second, and the one for vsock */
        unit_raw(w, "IPAddressDeny", "any");
        STRV_FOREACH (peer, reaper->allows)
                if (!startswith(*peer, "cid:"))
                        unit_raw(w, "IPAddressAllow", *peer);
        return unit_close(w);
}

static int emit_connection(const Reaper *reaper, UnitWriter *w) {
        unit_open(w, "qnet-report-tcp@.service.d/50-qnet.conf");
        unit_section(w, "Service");
        unit_raw(w, "ExecStart", "");
        unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-report");
        unit_arg(w, "stream");
        STRV_FOREACH (peer, reaper->allows)
                unit_option(w, "--allow=", *peer);
        unit_exec_end(w);
        return unit_close(w);
}

int emit_reaper(const Reaper *reaper, UnitWriter *w) {
        bool logs = strv_length(reaper->kill_logs) > 0;
        int r = 0;

        if (logs)
                r = emit_path(reaper, w);
        if (r >= 0 && logs)
                r = emit_check(reaper, w);
        if (r >= 0 && (logs || reaper->hold_off != HOLD_OFF_DEFAULT || reaper->passthrough.n > 0))
                r = emit_service(reaper, w);
        if (r >= 0 && reaper->n_listens > 0)
                r = emit_socket(reaper, w);
        if (r >= 0 && reaper->n_listens > 0)
                r = emit_connection(reaper, w);
        if (r >= 0 && reaper->n_listens > 0)
                r = emit_link(w, "qnet.target", ".wants", "qnet-report-tcp", "", ".socket");
        return r;
}
