/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ExecStart= of the units of a switch, by the D-Bus interface of systemd, org.freedesktop.systemd1(5): with all drop-ins,
 * and as words, so nothing is to be unquoted. libsystemd is loaded when it is needed, see common/log.c. */

#include <dlfcn.h>
#include <systemd/sd-bus.h>

#include "log.h"
#include "switch-unit.h"

#define DESTINATION "org.freedesktop.systemd1"
#define UNIT_PATH   "/org/freedesktop/systemd1/unit"
#define TIMEOUT     (20 * USEC_PER_SEC) /* PID 1 does not answer while it reloads */

/* What is used of the library, under the library's own names */
#define FUNCTIONS                             \
        X(sd_bus_open_system)                 \
        X(sd_bus_new)                         \
        X(sd_bus_set_address)                 \
        X(sd_bus_start)                       \
        X(sd_bus_set_method_call_timeout)     \
        X(sd_bus_path_encode)                 \
        X(sd_bus_get_property)                \
        X(sd_bus_get_property_string)         \
        X(sd_bus_message_enter_container)     \
        X(sd_bus_message_read_basic)          \
        X(sd_bus_message_read_strv)           \
        X(sd_bus_message_unref)               \
        X(sd_bus_flush_close_unref)
typedef struct Library {
#define X(f) __typeof__(f) *f;
        FUNCTIONS
#undef X
} Library;

static Library lib;

static int load(void) {
        void *handle = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_NODELETE);

        if (!handle)
                return -ELIBACC;
#define X(f)                                                   \
        *(void **) &lib.f = dlsym(handle, #f); /* POSIX */ \
        if (!lib.f)                                            \
                return -ELIBBAD;
        FUNCTIONS
#undef X
        return 0;
}

static void bus_close(sd_bus **bus) {
        if (*bus)
                lib.sd_bus_flush_close_unref(*bus);
}
#define _cleanup_bus_ _cleanup_(bus_close)

static void message_unref(sd_bus_message **m) {
        if (*m)
                lib.sd_bus_message_unref(*m);
}
#define _cleanup_message_ _cleanup_(message_unref)

/* The system bus; when dbus-daemon is down, PID 1's private socket, which root may use. */
static int open_bus(sd_bus **ret) {
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = lib.sd_bus_open_system(ret);
        if (r >= 0)
                return r;
        r = lib.sd_bus_new(&bus);
        if (r >= 0)
                r = lib.sd_bus_set_address(bus, "unix:path=/run/systemd/private");
        if (r >= 0)
                r = lib.sd_bus_start(bus);
        if (r >= 0)
                *ret = TAKE_PTR(bus);
        return r;
}

/* Of the first command: a(sasbttttuii), a path, its words, and what became of it */
static int read_words(sd_bus_message *m, char ***ret) {
        const char *path;
        int r;

        r = lib.sd_bus_message_enter_container(m, 'a', "(sasbttttuii)");
        if (r >= 0)
                r = lib.sd_bus_message_enter_container(m, 'r', "sasbttttuii");
        if (r == 0)
                return -ENOEXEC;
        if (r >= 0)
                r = lib.sd_bus_message_read_basic(m, 's', &path);
        return r < 0 ? r : lib.sd_bus_message_read_strv(m, ret);
}

/* Asking for a unit loads it. -ENOENT: there is none, -ENOEXEC: it has no command. */
static int get_words(sd_bus *bus, const char *prefix, const char *name, char ***ret) {
        _cleanup_free_ char *path = NULL, *load_state = NULL;
        _cleanup_message_ sd_bus_message *m = NULL;
        char unit[300];
        int r;

        snprintf(unit, sizeof(unit), "%s@%s.service", prefix, name);
        r = lib.sd_bus_path_encode(UNIT_PATH, unit, &path);
        if (r >= 0)
                r = lib.sd_bus_get_property_string(
                                bus, DESTINATION, path, DESTINATION ".Unit", "LoadState", NULL, &load_state);
        if (r < 0)
                return r;
        if (!streq(load_state, "loaded"))
                return -ENOENT;
        r = lib.sd_bus_get_property(
                        bus, DESTINATION, path, DESTINATION ".Service", "ExecStart", NULL, &m, "a(sasbttttuii)");
        return r < 0 ? r : read_words(m, ret);
}

static int add_nat(sd_bus *bus, const char *name, char ***list) {
        _cleanup_strv_ char **words = NULL;
        int r;

        r = get_words(bus, "qnet-nat", name, &words);
        if (r == -ENOENT || r == -ENOEXEC)
                return 0;
        return r < 0 ? r : strv_extend(list, "--nat");
}

/* 1: it is a bridge. */
static int check_words(const char *name, char *const *words) {
        const char *program = words && *words ? strrchr(*words, '/') : NULL;

        if (program && streq(program, "/qnet-switch") && words[1] && streq(words[1], "add") && words[2])
                return 1;
        if (program && streq(program, "/qnet-fail")) {
                log_error("Switch %s has mistakes in its configuration, see: systemctl status qnet-switch@%s", name,
                                name);
                return -ENOEXEC;
        }
        return 0;
}

static int collect(sd_bus *bus, const char *name, char ***ret) {
        _cleanup_strv_ char **words = NULL, **list = NULL;
        int r;

        r = get_words(bus, "qnet-switch", name, &words);
        if (r == -ENOENT) {
                log_error("There is no switch %s: no [Switch %s] is configured, or \"systemctl daemon-reload\" is missing. "
                          "To ask for a bridge that is not configured, give --name= too",
                                name, name);
                return r;
        }
        if (r >= 0)
                r = check_words(name, words);
        if (r == -ENOEXEC || r == 0)
                return r;
        for (size_t i = 2; r >= 0 && words[i]; i++)
                r = strv_extend(&list, words[i]);
        if (r >= 0)
                r = add_nat(bus, name, &list);
        if (r < 0)
                return log_error_errno(r, "Cannot ask systemd for the unit of switch %s: %m", name);
        *ret = TAKE_PTR(list);
        return 1;
}

int switch_unit_arguments(const char *name, char ***ret) {
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = load();
        if (r >= 0)
                r = open_bus(&bus);
        if (r >= 0)
                r = lib.sd_bus_set_method_call_timeout(bus, TIMEOUT);
        if (r < 0)
                return log_error_errno(r, "Cannot ask systemd for the unit of switch %s: %m", name);
        return collect(bus, name, ret);
}
