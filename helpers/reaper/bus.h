/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the reaper asks of PID 1 (org.freedesktop.systemd1(5)): the state of a unit, kill, restart, and news of jobs that
 * ended. Root asks PID 1 itself, over its private socket, as systemctl(1) does, so a dbus-daemon that is down or hangs is
 * no matter; other users, and root where there is no such socket, ask over the system bus.
 *
 * Silent. Negative errno; bus_is_gone() tells errors of the connection from those of one request. */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <systemd/sd-id128.h>

#include "strv.h"

#define _cleanup_bus_         _cleanup_(sd_bus_flush_close_unrefp)
#define _cleanup_bus_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_bus_error_   _cleanup_(sd_bus_error_free)

typedef enum ActiveState {
        UNIT_ACTIVE,
        UNIT_RELOADING,
        UNIT_INACTIVE,
        UNIT_FAILED,
        UNIT_ACTIVATING,
        UNIT_DEACTIVATING,
        _ACTIVE_STATE_MAX,
} ActiveState;
const char *active_state_to_string(ActiveState s);

typedef struct UnitState {
        bool exists;       /* LoadState=loaded; all else is unset if not */
        bool auto_restart; /* SubState=: died, and systemd is about to start it again */
        ActiveState active;
        sd_id128_t invocation;
        usec_t began;   /* CLOCK_MONOTONIC, when it began to start; 0: never */
        usec_t started; /* CLOCK_MONOTONIC, the later of when it began to start and when that was done; 0: never */
        uint32_t job; /* queued or running for it; 0: none */
        char *job_path;
        bool frozen; /* systemctl freeze */
        usec_t ended; /* CLOCK_MONOTONIC, when it became inactive or failed last; 0: never */
        bool before_ladder, before_black_box; /* it is Before= a qnet-recover@, a qnet-blackbox@ unit: the VM has one */
} UnitState;
void unit_state_done(UnitState *s);
#define _cleanup_unit_state_ _cleanup_(unit_state_done)

typedef void (*bus_job_removed_t)(const char *unit, const char *job_path, const char *result, void *userdata);

/* Connects, and asks to be told when jobs end; f is called from sd_bus_process(). */
int bus_open(bus_job_removed_t f, void *userdata, sd_bus **ret);
bool bus_is_gone(int error);

/* One call, so all of it belongs together. A unit that does not exist is no error. */
int bus_get_unit(sd_bus *bus, const char *unit, UnitState *ret);
/* Names of the loaded units (those that do anything are) that match, systemd.unit(5) "qemu-vm@*.service". */
int bus_list_units(sd_bus *bus, const char *pattern, char ***ret);
/* Why a service ended last time, systemd.exec(5) $SERVICE_RESULT: "success", "exit-code", "signal" ... */
int bus_get_service_result(sd_bus *bus, const char *unit, char **ret);
/* Of the last run: its exit status, or -ENOENT when it has not run or ended otherwise. */
int bus_get_exit_status(sd_bus *bus, const char *unit, int *ret);
/* What it has told in STATUS=, sd_notify(3), since it was started last. */
int bus_get_status_text(sd_bus *bus, const char *unit, char **ret);
int bus_thaw_unit(sd_bus *bus, const char *unit);
int bus_kill_unit(sd_bus *bus,
                const char *unit); /* SIGKILL to all of its processes; 0 also when there are none */
int bus_restart_unit(sd_bus *bus, const char *unit, char **ret_job_path);
/* ret_job_path may be NULL */
int bus_start_unit(sd_bus *bus, const char *unit, char **ret_job_path);
int bus_reset_failed_unit(sd_bus *bus, const char *unit);
