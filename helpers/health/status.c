/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-health status: the same probes, once, and for a person to see. The table is that of the unit, which PID 1 knows
 * (StandardInputData on D-Bus): no second place, and no configuration is read. */

#include <jansson.h>

#include "bus.h"
#include "log.h"
#include "status.h"

#define UNIT "/org/freedesktop/systemd1/unit/qnet_2dhealth_2eservice"

int status_read_table(FILE **ret) {
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_bus_message_ sd_bus_message *reply = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        const void *data;
        size_t n;
        int r;

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error_errno(r, "Cannot connect to the system bus: %m");
        r = sd_bus_get_property(bus, "org.freedesktop.systemd1", UNIT, "org.freedesktop.systemd1.Service",
                        "StandardInputData", &error, &reply, "ay");
        if (r >= 0)
                r = sd_bus_message_read_array(reply, 'y', &data, &n);
        if (r < 0)
                return log_error_errno(r, "Cannot ask systemd for qnet-health.service: %s",
                                error.message ?: strerror(-r));
        f = tmpfile();
        if (!f || fwrite(data, 1, n, f) != n || fflush(f) != 0)
                return log_error_errno(errno, "Cannot keep the table of qnet-health.service: %m");
        rewind(f);
        *ret = TAKE_PTR(f);
        return 0;
}

static const char *outcome(const Check *c) {
        return c->heard ? "well" : c->silent ? "silent" : c->stopped ? "stopped" : "unknown";
}

static json_t *check_json(const Check *c, const char *ip) {
        json_t *j = json_object();

        json_object_set_new(j, "vm", json_string(c->target->name));
        json_object_set_new(j, "probe", json_string(probe_to_string(c->target->probe)));
        json_object_set_new(j, "address", ip ? json_string(ip) : json_null());
        json_object_set_new(j, "state", json_string(outcome(c)));
        json_object_set_new(j, "answerUSec", c->heard ? json_integer((json_int_t) c->took) : json_null());
        json_object_set_new(j, "reason", *c->why ? json_string(c->why) : json_null());
        return j;
}

static void print_row(const Check *c, const char *ip) {
        char took[32] = "-";

        if (c->heard)
                snprintf(took, sizeof(took), "%.1f ms", (double) c->took / (double) USEC_PER_MSEC);
        printf("%-20s %-9s %-20s %-7s %10s%s%s\n", c->target->name, probe_to_string(c->target->probe), ip ?: "-",
                        outcome(c), took, c->heard ? "" : "  ", c->heard ? "" : c->why);
}

int status_print(const Watch *w, bool json) {
        json_t *rows = json ? json_array() : NULL;
        bool well = true;

        if (!json)
                printf("%-20s %-9s %-20s %-7s %10s\n", "VM", "PROBE", "ADDRESS", "STATE", "ANSWER");
        for (size_t i = 0; i < w->n; i++) {
                const Check *c = w->checks + i;
                char buf[IP_STRING_SIZE];
                const char *ip = c->ip.family != AF_UNSPEC ? format_ip(&c->ip, buf) : NULL;

                well = well && (c->heard || c->stopped);
                if (json)
                        json_array_append_new(rows, check_json(c, ip));
                else
                        print_row(c, ip);
        }
        if (json) {
                json_dumpf(rows, stdout, JSON_INDENT(2));
                putchar('\n');
                json_decref(rows);
        }
        return fflush(stdout) == 0 ? well : log_error_errno(errno, "Cannot print: %m");
}
