/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.systemd1(5), ExecStart of a service: what PID 1 would run now. Over the system bus; when that is down,
 * over PID 1's private socket, which root may use. */

#include <systemd/sd-bus.h>

#include "log.h"
#include "reload.h"

#define DESTINATION  "org.freedesktop.systemd1"
#define UNIT_PATH    "/org/freedesktop/systemd1/unit"
#define CALL_TIMEOUT (5 * USEC_PER_SEC)

#define _cleanup_bus_         _cleanup_(sd_bus_flush_close_unrefp)
#define _cleanup_bus_message_ _cleanup_(sd_bus_message_unrefp)

static int open_bus(bool private, sd_bus **ret) {
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        if (!private)
                return sd_bus_open_system(ret);
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, "unix:path=/run/systemd/private");
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

static int read_argv(sd_bus_message *m, char ***ret) {
        _cleanup_strv_ char **argv = NULL;
        const char *path, *arg;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sasbttttuii)");
        if (r > 0)
                r = sd_bus_message_enter_container(m, 'r', "sasbttttuii");
        if (r > 0)
                r = sd_bus_message_read(m, "s", &path);
        if (r > 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        while (r > 0 && (r = sd_bus_message_read(m, "s", &arg)) > 0) {
                r = strv_extend(&argv, arg);
                if (r >= 0)
                        r = 1;
        }
        if (r < 0)
                return r;
        if (!argv)
                return -ENODATA;
        *ret = TAKE_PTR(argv);
        return 0;
}

static int ask(bool private, const char *path, char ***ret) {
        _cleanup_bus_message_ sd_bus_message *reply = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = open_bus(private, &bus);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, CALL_TIMEOUT);
        if (r >= 0)
                r = sd_bus_get_property(bus, DESTINATION, path, DESTINATION ".Service", "ExecStart", NULL, &reply,
                                "a(sasbttttuii)");
        return r < 0 ? r : read_argv(reply, ret);
}

int unit_command(const char *unit, char ***ret) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode(UNIT_PATH, unit, &path);
        if (r < 0)
                return log_error_errno(r, "%s is not the name of a unit: %m", unit);
        r = ask(false, path, ret);
        if (r < 0 && geteuid() == 0)
                r = ask(true, path, ret);
        return r;
}
