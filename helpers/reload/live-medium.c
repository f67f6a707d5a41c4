/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is in a CD or floppy drive. QEMU gets the image as a descriptor (add-fd): its sandbox need not show the file, and
 * nothing has to be taken back later. The name of the file stays with the descriptor, so that the next reload knows it. */

#include "log.h"
#include "reload.h"

/* What a guest that uses the medium gets to let go of it. */
#define LET_GO_TIMEOUT (3 * USEC_PER_SEC)
#define FDSET          "/dev/fdset/"

/* The number in "/dev/fdset/N", -1: an ordinary name. */
static json_int_t set_of(const char *name) {
        const char *number = startswith(name, FDSET);
        char *end;
        long n = number && *number ? strtol(number, &end, 10) : -1;

        return n >= 0 && !*end ? n : -1;
}

/* What add-fd was told of the set. */
static int name_of_set(Reload *r, json_int_t number, char **ret) {
        json_auto_t *sets = NULL;
        json_t *set;
        size_t i;
        int e;

        e = qmp_command(r->qmp, "query-fdsets", r->deadline, &sets);
        if (e < 0)
                return e;
        json_array_foreach (sets, i, set) {
                json_t *fd = json_array_get(json_object_get(set, "fds"), 0);
                const char *name = json_string_value(json_object_get(fd, "opaque"));

                if (name && json_integer_value(json_object_get(set, "fdset-id")) == number)
                        return (*ret = strdup(name)) ? 0 : -ENOMEM;
        }
        return (*ret = strdup("?")) ? 0 : -ENOMEM;
}

/* "": the drive is empty */
static int current(Reload *r, json_t *block, char **ret_name, json_int_t *ret_set) {
        const char *name = json_string_value(json_object_get(json_object_get(block, "inserted"), "file")) ?: "";

        *ret_set = set_of(name);
        if (*ret_set >= 0)
                return name_of_set(r, *ret_set, ret_name);
        return (*ret_name = strdup(name)) ? 0 : -ENOMEM;
}

static void on_event(const char *name, json_t *data, void *userdata) {
        bool *opened = userdata;

        *opened |= streq(name, "DEVICE_TRAY_MOVED") && json_is_true(json_object_get(data, "tray-open"));
}

/* A guest that has locked the drive is asked by QEMU to eject, and may do so. */
static int change(Reload *r, const char *command, json_t *arguments, bool locked) {
        usec_t deadline = MIN(r->deadline, deadline_after(LET_GO_TIMEOUT));
        bool opened = false;
        int e, k = 0;

        qmp_set_event(r->qmp, on_event, &opened);
        e = qmp_command_with(r->qmp, command, arguments, r->deadline, NULL);
        if (e == -EREMOTEIO && locked) {
                while (k >= 0 && !opened)
                        k = qmp_wait_event(r->qmp, deadline);
                if (opened)
                        e = qmp_command_with(r->qmp, command, arguments, r->deadline, NULL);
                else if (k < 0 && k != -ETIMEDOUT)
                        e = k;
        }
        qmp_set_event(r->qmp, NULL, NULL);
        return e;
}

/* 1: done; 0: refused, and told */
static int told(Reload *r, const Setting *s, int e, bool locked) {
        if (e >= 0) {
                log_info("%s is in %s now.", *s->value ? s->value : "Nothing", s->id);
                return 1;
        }
        if (e != -EREMOTEIO || !locked)
                return live_refused(r, e, "change what is in", s->id);
        r->failed = true;
        log_error("The guest uses what is in %s and does not let go of it: unmount it there, and reload again.", s->id);
        return 0;
}

static int eject(Reload *r, const Setting *s, bool locked) {
        json_auto_t *arguments = json_pack("{s:s}", "device", s->id);

        return told(r, s, change(r, "eject", arguments, locked), locked);
}

static int forget_set(Reload *r, json_int_t set) {
        json_auto_t *arguments = json_pack("{s:I}", "fdset-id", set);
        int e;

        if (set < 0)
                return 0;
        e = qmp_command_with(r->qmp, "remove-fd", arguments, r->deadline, NULL);
        return e == -EREMOTEIO ? 0 : e; /* QEMU has closed it by itself */
}

static int insert(Reload *r, const Setting *s, bool locked) {
        json_auto_t *arguments = NULL;
        char name[sizeof(FDSET) + 24];
        json_int_t set;
        int e, k;

        e = qmp_add_fd(r->qmp, s->fd, s->value, r->deadline, &set);
        if (e < 0)
                return live_refused(r, e, "give an image to", s->id);
        snprintf(name, sizeof(name), FDSET "%" JSON_INTEGER_FORMAT, set);
        arguments = json_pack("{s:s, s:s, s:s, s:s}", "device", s->id, "filename", name, "format", "raw",
                        "read-only-mode", "read-only");
        e = told(r, s, change(r, "blockdev-change-medium", arguments, locked), locked);
        k = e == 0 ? forget_set(r, set) : 0;
        return k < 0 ? k : e;
}

int live_medium(Reload *r, const Setting *s, json_t *block) {
        bool locked = json_is_true(json_object_get(block, "locked"));
        _cleanup_free_ char *now = NULL;
        json_int_t set;
        int e;

        e = current(r, block, &now, &set);
        if (e < 0)
                return live_refused(r, e, "look into", s->id);
        if (streq(now, s->value))
                return 0;
        if (s->refused) { /* and why was told */
                r->failed = true;
                return 0;
        }
        e = *s->value ? insert(r, s, locked) : eject(r, s, locked);
        return e <= 0 ? e : forget_set(r, set);
}
