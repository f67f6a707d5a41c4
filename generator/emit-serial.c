/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* [Serial]: a character device of QEMU's each, what it is in the guest, and what the sandbox must let through for it.
 * Files, pipes and serial ports of the host belong to somebody else: qnet-grant opens them to the VM's user before
 * QEMU starts. What lies in a directory of the VM's own needs nothing of that. */

#include "emit-internal.h"
#include "qemu-option.h"

#define RUN_DIR   "/run/qnet/vm/"
#define STATE_DIR "/var/lib/qnet/vm/"

/* ---- the unit ---- */

static bool is_below(const char *path, const char *directory, const VM *vm) {
        const char *rest = startswith(path, directory);

        rest = rest ? startswith(rest, vm->name) : NULL;
        return rest && *rest == '/';
}

static bool is_own(const VM *vm, const Serial *s) {
        return is_below(s->path, RUN_DIR, vm) || is_below(s->path, STATE_DIR, vm);
}

static const char *grant_kind(const Serial *s) { /* NULL: nothing to be opened */
        switch (s->type) {
        case SERIAL_FILE:
                return "file";
        case SERIAL_PIPE:
                return "pipe";
        case SERIAL_TTY:
                return "tty";
        default:
                return NULL;
        }
}

static void emit_access(const VM *vm, const Serial *s, UnitWriter *w) {
        switch (s->type) {
        case SERIAL_FILE:
                if (!is_own(vm, s))
                        emit_writable(s->path, "", w);
                break;
        case SERIAL_PIPE:
                /* opened for reading and writing both, or opening would wait for the other end */
                if (!is_own(vm, s)) {
                        emit_writable(s->path, ".in", w);
                        emit_writable(s->path, ".out", w);
                }
                break;
        case SERIAL_TTY:
                unit_word(w, "DeviceAllow", s->path, "rw");
                break;
        case SERIAL_TCP:
        case SERIAL_TELNET:
                /* these add to what the shared drop-in allows */
                unit_raw(w, "RestrictAddressFamilies", s->address.family == AF_INET ? "AF_INET" : "AF_INET6");
                unit_raw(w, "IPAddressAllow", ip_is_loopback(&s->address) ? "localhost" : "any");
                break;
        default:
                break; /* the VM's own directory, standard output; pseudo terminals are in DevicePolicy=closed */
        }
}

void emit_serial_settings(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_serials; i++)
                emit_access(vm, &vm->serials[i], w);
}

void emit_serial_prepare(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_serials; i++) {
                const Serial *s = &vm->serials[i];
                const char *kind = grant_kind(s);
                bool own = kind && is_own(vm, s);

                if (!kind || (own && s->type == SERIAL_FILE))
                        continue; /* QEMU makes its files itself, but no pipes */
                unit_exec(w, "ExecStartPre", own ? "" : "+", HELPERDIR "/qnet-grant");
                unit_arg(w, kind);
                unit_arg(w, s->path);
                if (!own)
                        unit_arg(w, "--to-owner-of=" RUN_DIR, vm->name);
                unit_exec_end(w);
        }
}

void emit_serial_release(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_serials; i++) {
                const Serial *s = &vm->serials[i];

                if (!grant_kind(s) || is_own(vm, s))
                        continue;
                unit_exec(w, "ExecStopPost", "+", HELPERDIR "/qnet-grant");
                unit_arg(w, "release");
                unit_arg(w, s->path);
                unit_arg(w, "--to-owner-of=" RUN_DIR, vm->name);
                unit_exec_end(w);
        }
}

/* ---- the command line ---- */

static void option_listen(const Serial *s, UnitWriter *w) {
        char ip[IP_STRING_SIZE];

        if (s->type == SERIAL_UNIX)
                option_key(w, "path", s->path);
        else {
                option_key(w, "host", format_ip(&s->address, ip));
                option_key_number(w, "port", s->port);
        }
        unit_arg_add(w, ",server=on,wait=off"); /* the guest runs, whether anybody looks or not */
        if (s->type == SERIAL_TELNET)
                unit_arg_add(w, ",telnet=on");
}

static void emit_backend(const Serial *s, UnitWriter *w) {
        static const char *const backends[_SERIAL_TYPE_MAX] = {
                [SERIAL_CONSOLE] = "stdio",
                [SERIAL_JOURNAL] = "stdio",
                [SERIAL_FILE] = "file",
                [SERIAL_PTY] = "pty",
                [SERIAL_TTY] = "serial",
                [SERIAL_TCP] = "socket",
                [SERIAL_TELNET] = "socket",
                [SERIAL_UNIX] = "socket",
                [SERIAL_PIPE] = "pipe",
        };

        option_begin(w, "-chardev", backends[s->type]);
        option_key_id(w, "id", "serial", s->index);
        if (streq(backends[s->type], "socket"))
                option_listen(s, w);
        else if (s->path)
                option_key(w, "path", s->path);
        if (s->type == SERIAL_FILE)
                unit_arg_add(w, ",append=on"); /* or a restart would wipe out what led to it */
        if (streq(backends[s->type], "stdio"))
                unit_arg_add(w, ",signal=off");
        option_end(w);
}

static void emit_frontend(const VM *vm, const Serial *s, bool first_virtio, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];
        bool soldered = streq(s->device, "serial") || streq(s->device, "parallel");

        if (soldered) {
                unit_option(w, streq(s->device, "serial") ? "-serial" : "-parallel");
                unit_arg_begin(w);
                unit_arg_add(w, "chardev:serial");
        } else {
                if (first_virtio) {
                        option_begin_virtio(vm, "serial", w);
                        option_key(w, "id", "serials");
                        option_end(w);
                }
                option_begin(w, "-device", s->device);
                unit_arg_add(w, ",chardev=serial");
        }
        unit_arg_add(w, format_number(s->index, number));
        /* by its name in the guest: /dev/virtio-ports/LABEL */
        if (streq(s->device, "virtserialport"))
                option_key(w, "name", s->label ?: "qnet");
        option_end(w);
}

void emit_serial_options(const VM *vm, UnitWriter *w) {
        bool any_virtio = false;

        if (vm->n_serials == 0) {
                /* the first serial port is the unit's output: the journal */
                option(w, "-chardev", "stdio,id=console,signal=off");
                option(w, "-serial", "chardev:console");
        }
        for (size_t i = 0; i < vm->n_serials; i++) {
                const Serial *s = &vm->serials[i];
                bool virtio = startswith(s->device, "virtconsole") || startswith(s->device, "virtserialport");

                emit_backend(s, w);
                emit_frontend(vm, s, virtio && !any_virtio, w);
                any_virtio |= virtio;
        }
}
