/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <unistd.h>

#include "bus.h"
#include "string-table.h"

#define DESTINATION  "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER      DESTINATION ".Manager"
#define CALL_TIMEOUT (20 * USEC_PER_SEC) /* PID 1 does not answer while it reloads */

static const char *const active_state_table[_ACTIVE_STATE_MAX] = {
        [UNIT_ACTIVE] = "active",
        [UNIT_RELOADING] = "reloading",
        [UNIT_INACTIVE] = "inactive",
        [UNIT_FAILED] = "failed",
        [UNIT_ACTIVATING] = "activating",
        [UNIT_DEACTIVATING] = "deactivating",
};
DECLARE_STRING_TABLE(active_state, ActiveState);
DEFINE_STRING_TABLE(active_state, ActiveState);

typedef struct Listener {
        bus_job_removed_t f;
        void *userdata;
} Listener;

void unit_state_done(UnitState *s) {
        free(s->job_path);
        *s = (UnitState){ 0 };
}

bool bus_is_gone(int error) {
        switch (error < 0 ? -error : error) {
        case ENOTCONN:
        case ECONNRESET:
        case EPIPE:
        case ETIMEDOUT:
        case ESHUTDOWN:
        case ECHILD:       /* dbus-daemon: PID 1 cannot be activated; it is not on the bus now */
        case EHOSTUNREACH: /* nor known there */
        case EHOSTDOWN:
        case ENXIO:
                return true;
        default:
                return false;
        }
}

/* ---- connecting ---- */

static int job_removed(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *path, *unit, *result;
        Listener *l = userdata;
        uint32_t id;

        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0)
                l->f(unit, path, result, l->userdata);
        return 0;
}

static int open_private(sd_bus **ret) {
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, "unix:path=/run/systemd/private");
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

/* dbus-daemon takes the match and the call that subscribes; on PID 1's own socket signals come unasked. */
static int listen_system(sd_bus *bus, Listener *l) {
        int r;

        r = sd_bus_match_signal(bus, NULL, DESTINATION, MANAGER_PATH, MANAGER, "JobRemoved", job_removed, l);
        if (r < 0)
                return r;
        return sd_bus_call_method(bus, DESTINATION, MANAGER_PATH, MANAGER, "Subscribe", NULL, NULL, NULL);
}

static int try_open(Listener *l, bool private, sd_bus **ret) {
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = private ? open_private(&bus) : sd_bus_open_system(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_method_call_timeout(bus, CALL_TIMEOUT);
        if (r < 0)
                return r;
        if (private)
                r = sd_bus_add_match(bus, NULL, "type='signal',interface='" MANAGER "',member='JobRemoved'",
                                job_removed, l);
        else
                r = listen_system(bus, l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

int bus_open(bus_job_removed_t f, void *userdata, sd_bus **ret) {
        static Listener listener; /* one bus per process */
        int r = -ENOENT;

        listener = (Listener){ .f = f, .userdata = userdata };
        if (geteuid() == 0)
                r = try_open(&listener, true, ret);
        /* a PID 1 that executes itself anew refuses for a moment, and is not on the bus either */
        return r == -ENOENT || r == -EACCES ? try_open(&listener, false, ret) : r;
}

/* ---- units ---- */

/* That is what the generator writes for a VM with Recover=, BlackBox=; no request of its own is needed for it. */
static int read_before(sd_bus_message *m, UnitState *s) {
        const char *unit;
        int r;

        r = sd_bus_message_enter_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &unit)) > 0) {
                s->before_ladder |= startswith(unit, "qnet-recover@") != NULL;
                s->before_black_box |= startswith(unit, "qnet-blackbox@") != NULL;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* The properties that we look at; each is read into its own field. */
static int read_property(sd_bus_message *m, const char *name, UnitState *s, const char **load) {
        const char *text, *path;
        const void *id;
        uint64_t usec;
        size_t n;
        int r;

        if (streq(name, "LoadState"))
                return sd_bus_message_read(m, "v", "s", load);
        if (streq(name, "ActiveState")) {
                r = sd_bus_message_read(m, "v", "s", &text);
                if (r < 0)
                        return r;
                r = active_state_from_string(text);
                s->active = r < 0 ? UNIT_INACTIVE : (ActiveState) r; /* "maintenance": leave it alone */
                return 0;
        }
        if (streq(name, "SubState") || streq(name, "FreezerState")) {
                r = sd_bus_message_read(m, "v", "s", &text);
                if (r < 0)
                        return r;
                s->auto_restart |= streq(text, "auto-restart");
                s->frozen |= streq(text, "frozen") || streq(text, "freezing");
                return 0;
        }
        if (streq(name, "InactiveExitTimestampMonotonic") || streq(name, "ActiveEnterTimestampMonotonic")) {
                r = sd_bus_message_read(m, "v", "t", &usec);
                if (r >= 0)
                        s->started = MAX(s->started, usec);
                if (r >= 0 && startswith(name, "Inactive"))
                        s->began = usec;
                return r;
        }
        if (streq(name, "InactiveEnterTimestampMonotonic"))
                return sd_bus_message_read(m, "v", "t", &s->ended);
        if (streq(name, "Before"))
                return read_before(m, s);
        if (streq(name, "Job")) {
                r = sd_bus_message_read(m, "v", "(uo)", &s->job, &path);
                if (r < 0 || s->job == 0)
                        return r;
                free(s->job_path);
                s->job_path = strdup(path);
                return s->job_path ? 0 : -ENOMEM;
        }
        if (streq(name, "InvocationID")) {
                r = sd_bus_message_enter_container(m, 'v', "ay");
                if (r >= 0)
                        r = sd_bus_message_read_array(m, 'y', &id, &n);
                if (r < 0)
                        return r;
                if (n == sizeof(s->invocation)) /* it is empty before the first start */
                        memcpy(&s->invocation, id, n);
                return sd_bus_message_exit_container(m);
        }
        return sd_bus_message_skip(m, "v");
}

static int read_properties(sd_bus_message *m, UnitState *s) {
        const char *name, *load = "";
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_property(m, name, s, &load);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        s->exists = streq(load, "loaded");
        return r;
}

int bus_get_unit(sd_bus *bus, const char *unit, UnitState *ret) {
        _cleanup_bus_message_ sd_bus_message *reply = NULL;
        _cleanup_unit_state_ UnitState s = { 0 };
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode(MANAGER_PATH "/unit", unit, &path);
        if (r < 0)
                return r;
        r = sd_bus_call_method(bus, DESTINATION, path, "org.freedesktop.DBus.Properties", "GetAll", NULL,
                        &reply, "s", DESTINATION ".Unit");
        if (r < 0)
                return r;
        r = read_properties(reply, &s);
        if (r < 0)
                return r;
        *ret = s;
        s = (UnitState){ 0 };
        return 0;
}

int bus_list_units(sd_bus *bus, const char *pattern, char ***ret) {
        _cleanup_bus_message_ sd_bus_message *reply = NULL;
        _cleanup_strv_ char **names = NULL;
        const char *name, *load;
        int r;

        r = sd_bus_call_method(bus, DESTINATION, MANAGER_PATH, MANAGER, "ListUnitsByPatterns", NULL, &reply,
                        "asas", 0, 1, pattern);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", &name, NULL, &load, NULL, NULL, NULL,
                                          NULL, NULL, NULL, NULL)) > 0)
                if (streq(load, "loaded"))
                        r = strv_extend(&names, name);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}

static int get_service_property(sd_bus *bus, const char *unit, const char *property, char type, void *ret) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode(MANAGER_PATH "/unit", unit, &path);
        if (r < 0)
                return r;
        if (type == 's')
                return sd_bus_get_property_string(
                                bus, DESTINATION, path, DESTINATION ".Service", property, NULL, ret);
        return sd_bus_get_property_trivial(bus, DESTINATION, path, DESTINATION ".Service", property, NULL, type, ret);
}

int bus_get_service_result(sd_bus *bus, const char *unit, char **ret) {
        return get_service_property(bus, unit, "Result", 's', ret);
}

int bus_get_exit_status(sd_bus *bus, const char *unit, int *ret) {
        int32_t code, status;
        int r;

        r = get_service_property(bus, unit, "ExecMainCode", 'i', &code);
        if (r >= 0)
                r = get_service_property(bus, unit, "ExecMainStatus", 'i', &status);
        if (r < 0)
                return r;
        if (code != CLD_EXITED)
                return -ENOENT;
        *ret = status;
        return 0;
}

int bus_get_status_text(sd_bus *bus, const char *unit, char **ret) {
        return get_service_property(bus, unit, "StatusText", 's', ret);
}

int bus_thaw_unit(sd_bus *bus, const char *unit) {
        return sd_bus_call_method(bus, DESTINATION, MANAGER_PATH, MANAGER, "ThawUnit", NULL, NULL, "s", unit);
}

int bus_kill_unit(sd_bus *bus, const char *unit) {
        _cleanup_bus_error_ sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(bus, DESTINATION, MANAGER_PATH, MANAGER, "KillUnit", &e, NULL, "ssi", unit,
                        "all", SIGKILL);
        if (r < 0 && (sd_bus_error_has_name(&e, "org.freedesktop.systemd1.NoSuchProcess") ||
                                     sd_bus_error_has_name(&e, "org.freedesktop.systemd1.NoSuchUnit") ||
                                     r == -ESRCH))
                return 0;
        return r;
}

/* PID 1 has accepted the job when this returns. */
static int queue_job(sd_bus *bus, const char *method, const char *unit, char **ret_job_path) {
        _cleanup_bus_message_ sd_bus_message *reply = NULL;
        const char *path;
        char *copy;
        int r;

        r = sd_bus_call_method(
                        bus, DESTINATION, MANAGER_PATH, MANAGER, method, NULL, &reply, "ss", unit, "replace");
        if (r >= 0 && ret_job_path)
                r = sd_bus_message_read(reply, "o", &path);
        if (r < 0 || !ret_job_path)
                return r;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        *ret_job_path = copy;
        return 0;
}

int bus_restart_unit(sd_bus *bus, const char *unit, char **ret_job_path) {
        return queue_job(bus, "RestartUnit", unit, ret_job_path);
}

int bus_start_unit(sd_bus *bus, const char *unit, char **ret_job_path) {
        return queue_job(bus, "StartUnit", unit, ret_job_path);
}

int bus_reset_failed_unit(sd_bus *bus, const char *unit) {
        return sd_bus_call_method(bus, DESTINATION, MANAGER_PATH, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit);
}
