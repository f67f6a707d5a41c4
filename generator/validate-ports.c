/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Serial ports and shared directories: what one VM says against itself. What two VMs want is in validate-unique.c. */

#include <sys/un.h>

#include "arena.h"
#include "conf-table.h"
#include "problem.h"
#include "validate.h"

#define RUN_DIR   "/run/qnet/vm/"
#define STATE_DIR "/var/lib/qnet/vm/"

#define PC_SERIAL_PORTS 4

#define serial_problem(m, vm, s, key, ...) \
        vm_problem((m), (vm), said_at(&(s)->said, (s)->origin, KEYS_SERIAL, (key)), __VA_ARGS__)
#define share_problem(m, vm, s, key, ...) \
        vm_problem((m), (vm), said_at(&(s)->said, (s)->origin, KEYS_SHARE, (key)), __VA_ARGS__)

bool path_is_temporary(const char *path) {
        return startswith(path, "/tmp/") || startswith(path, "/var/tmp/") || streq(path, "/tmp") ||
               streq(path, "/var/tmp");
}

bool path_is_of_qnet(const char *path) {
        static const char *const directories[] = { "/run/qnet", "/var/lib/qnet", "/var/lib/private" };

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                const char *rest = startswith(path, directories[i]);

                if (rest && (!*rest || *rest == '/'))
                        return true;
        }
        return false;
}

static bool is_of_vm(const VM *vm, const char *path) {
        const char *rest = startswith(path, RUN_DIR) ?: startswith(path, STATE_DIR);

        rest = rest ? startswith(rest, vm->name) : NULL;
        return rest && *rest == '/';
}

static bool uses_path(SerialType type) {
        return type == SERIAL_FILE || type == SERIAL_TTY || type == SERIAL_UNIX || type == SERIAL_PIPE;
}

static bool uses_address(SerialType type) {
        return type == SERIAL_TCP || type == SERIAL_TELNET;
}

/* Files stay, sockets and pipes go with the VM. */
static int default_path(Model *m, const VM *vm, Serial *s) {
        s->path = s->type == SERIAL_FILE
                                  ? arena_printf(m->arena, STATE_DIR "%s/serial%u.log", vm->name, s->index)
                                  : arena_printf(m->arena, RUN_DIR "%s/serial%u", vm->name, s->index);
        return s->path ? 0 : -ENOMEM;
}

/* Those that other settings of the VM make in its directory. */
static bool is_socket_of_qemu(const char *name) {
        static const char *const names[] = { "qmp", "qnet.qmp", "vnc", "spice", "gdb", "agent" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(names[i], name))
                        return true;
        return false;
}

const char *vm_socket_name(const VM *vm, const char *path) {
        const char *name = startswith(path, RUN_DIR);

        name = name ? startswith(name, vm->name) : NULL;
        return name && name[0] == '/' && !strchr(name + 1, '/') && !is_socket_of_qemu(name + 1) &&
                                               strlen(path) < sizeof(((struct sockaddr_un *) NULL)->sun_path)
                               ? name + 1
                               : NULL;
}

static int validate_path(Model *m, VM *vm, Serial *s) {
        bool device = startswith(s->path, "/dev/");

        if (s->type == SERIAL_TTY && !device)
                return serial_problem(m, vm, s, "Path",
                                "Path=%s is not a serial port of the host, such as /dev/ttyS0", s->path);
        if (s->type != SERIAL_TTY &&
                        (device || startswith(s->path, "/proc/") || startswith(s->path, "/sys/")))
                return serial_problem(m, vm, s, "Path",
                                "Path=%s is a device or the kernel's, and Type= is %s", s->path,
                                serial_type_to_string(s->type));
        if (path_is_temporary(s->path))
                return serial_problem(m, vm, s, "Path",
                                "Path=%s: a VM has a /tmp of its own, use another directory", s->path);
        if (s->type != SERIAL_UNIX && path_is_of_qnet(s->path) && !is_of_vm(vm, s->path))
                return serial_problem(m, vm, s, "Path",
                                "Path=%s is in a directory of qnet's or of another VM", s->path);
        if (s->type != SERIAL_UNIX)
                return 0;
        if (strlen(s->path) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
                return serial_problem(m, vm, s, "Path", "Path=%s is too long for a socket", s->path);
        if (!vm_socket_name(vm, s->path))
                return serial_problem(m, vm, s, "Path",
                                "Path=%s: a socket can be in " RUN_DIR
                                "%s/ only, and not be called qmp, qnet.qmp, vnc, spice, gdb or agent",
                                s->path, vm->name);
        return 0;
}

static int validate_serial(Model *m, VM *vm, Serial *s) {
        const char *type = serial_type_to_string(s->type);

        if (!s->device)
                s->device = (char *) "serial";
        if (s->path && !uses_path(s->type))
                return serial_problem(m, vm, s, "Path", "Path= has no meaning with Type=%s", type);
        if (s->port > 0 && !uses_address(s->type))
                return serial_problem(m, vm, s, "Address", "Address= has no meaning with Type=%s", type);
        if (vm->n_problems > 0)
                return 0; /* what seems to be missing may have been refused */
        if (s->port == 0 && uses_address(s->type))
                return serial_problem(m, vm, s, "Type", "Type=%s needs Address=, a port to listen at", type);
        if (!s->path && s->type == SERIAL_TTY)
                return serial_problem(m, vm, s, "Type", "Type=tty needs Path=, a serial port of the host");
        if (!uses_path(s->type))
                return 0;
        return s->path ? validate_path(m, vm, s) : default_path(m, vm, s);
}

/* What is a list: there is one standard output, and a PC has so many ports; QEMU would ignore the rest. */
static int check_serials(Model *m, VM *vm) {
        bool pc = (streq(vm->architecture, "x86_64") || streq(vm->architecture, "i386")) &&
                  !startswith(vm->machine, "microvm");
        const Serial *output = NULL;
        unsigned ports = 0;
        int r = 0;

        for (size_t i = 0; i < vm->n_serials && r >= 0; i++) {
                const Serial *s = vm->serials + i;

                if (s->type == SERIAL_CONSOLE || s->type == SERIAL_JOURNAL) {
                        if (output)
                                r = serial_problem(m, vm, s, "Type",
                                                "Type=%s: the unit's output is that of [Serial] at %s:%u already",
                                                serial_type_to_string(s->type), output->origin.file,
                                                output->origin.line);
                        else
                                output = s;
                }
                if (r >= 0 && pc && streq(s->device, "serial") && ++ports == PC_SERIAL_PORTS + 1)
                        r = vm_problem(m, vm, s->origin,
                                        "A PC has four serial ports; use Device=pci-serial or Device=virtconsole");
        }
        return r;
}

int validate_serials(Model *m, VM *vm) {
        int r = 0;

        for (size_t i = 0; i < vm->n_serials && r >= 0; i++) {
                vm->serials[i].index = (unsigned) i;
                r = validate_serial(m, vm, vm->serials + i);
        }
        /* with a broken machine nothing is known of it */
        return r < 0 || vm->n_serials == 0 || !vm->machine ? r : check_serials(m, vm);
}

bool path_is_of_kernel(const char *path) {
        static const char *const directories[] = { "/dev", "/proc", "/sys" };

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                const char *rest = startswith(path, directories[i]);

                if (rest && (!*rest || *rest == '/'))
                        return true;
        }
        return streq(path, "/");
}

static int validate_share(Model *m, VM *vm, Share *s) {
        if (!s->path && vm->n_problems > 0)
                return 0; /* it may have been refused */
        if (!s->path)
                return share_problem(m, vm, s, "Path", "[Share] has no Path=");
        if (path_is_of_kernel(s->path))
                return share_problem(
                                m, vm, s, "Path", "Path=%s cannot be shared, it is the host itself", s->path);
        if (path_is_of_qnet(s->path))
                return share_problem(
                                m, vm, s, "Path", "Path=%s is a directory of qnet's or of a VM", s->path);
        if (path_is_temporary(s->path))
                return share_problem(m, vm, s, "Path",
                                "Path=%s: a VM has a /tmp of its own, use another directory", s->path);
        if (!s->tag)
                s->tag = s->label && strlen(s->label) <= SHARE_TAG_MAX
                                         ? s->label
                                         : arena_printf(m->arena, "share%u", s->index);
        if (!s->tag)
                return -ENOMEM;
        for (const Share *other = vm->shares; other < s; other++)
                if (streq_ptr(other->tag, s->tag))
                        return share_problem(m, vm, s, "Tag", "Tag %s is that of [Share] at %s:%u already",
                                        s->tag, other->origin.file, other->origin.line);
        if (s->type == SHARE_9P)
                return 0;
        if (strpbrk(s->path, ",\\"))
                return share_problem(m, vm, s, "Path",
                                "Path=%s has a comma or a backslash, which virtiofsd cannot take", s->path);
        if (said_at(&s->said, (Origin){ 0 }, KEYS_SHARE, "SecurityModel").file &&
                        s->security != SECURITY_PASSTHROUGH)
                return share_problem(m, vm, s, "SecurityModel",
                                "SecurityModel=%s is for Type=9p; with virtiofs owners and modes are the host's",
                                security_model_to_string(s->security));
        if (vm->memory == 0 && vm->machine)
                return share_problem(m, vm, s, "Type",
                                "Type=virtiofs needs Memory=, as the guest's memory is shared");
        return 0;
}

int validate_shares(Model *m, VM *vm) {
        int r = 0;

        for (size_t i = 0; i < vm->n_shares && r >= 0; i++) {
                vm->shares[i].index = (unsigned) i;
                r = validate_share(m, vm, vm->shares + i);
        }
        return r;
}
