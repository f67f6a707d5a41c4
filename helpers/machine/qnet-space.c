/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-space: finds the machines that QEMU has paused because no room was left for a disk, says so and what to do, and lets
 * them go on when there is room again. QEMU has kept the write that failed and does it once more then, so the guest notices
 * nothing but the time.
 *
 * A timer runs it while machines do. It ends at once when none is paused, so nothing is remembered; else when none is any
 * more. In: the monitors' sockets below --run-dir=. Privilege: CAP_DAC_OVERRIDE, as each is open to its machine's user alone. */

#include <dirent.h>
#include <inttypes.h>
#include <sys/statvfs.h>
#include <time.h>

#include "parse-value.h"
#include "program.h"
#include "qmp.h"

/* in units/qnet.catalog */
#define MESSAGE_NO_ROOM_STR "d5c1b9b81284485ab3e179dded11b40b"
#define MESSAGE_GOES_ON_STR "394ee40c3c03493192c4677eacd0b2ba"

#define ANSWER_TIMEOUT (200 * USEC_PER_MSEC) /* of a QEMU that runs; there may be many, one after the other */
#define LOOK_INTERVAL  USEC_PER_SEC          /* for room */
#define SCAN_INTERVAL  (30 * USEC_PER_SEC)   /* for others, while this one waits */
#define PAUSE_MAX      (60 * USEC_PER_SEC)   /* between attempts with a disk whose room cannot be seen */
#define ROOM_ENOUGH    (UINT64_C(16) << 20)  /* bytes; on a small file system a sixteenth of it */

typedef struct Paused {
        char *name, *disk; /* disk: NULL if it is not known */
        bool resumed;      /* and not yet seen whether that has lasted */
        usec_t next, pause;
        struct Paused *after;
} Paused;

typedef struct Space {
        const char *run_dir;
        Paused *list;
} Space;

static Paused *paused_free(Paused *p) {
        free(p->name);
        free(p->disk);
        free(p);
        return NULL;
}

static void space_done(Space *s) {
        while (s->list) {
                Paused *p = s->list;

                s->list = p->after;
                paused_free(p);
        }
}

/* ---- what is said ---- */

static void say(int level, const char *message_id, const Paused *p, const char *text) {
        char id[64], vm[NAME_LENGTH_MAX + 16], unit[NAME_LENGTH_MAX + 32], object[NAME_LENGTH_MAX + 64];
        _cleanup_free_ char *disk = NULL;
        const char *fields[] = { id, vm, unit, object, NULL, NULL };

        snprintf(id, sizeof(id), "MESSAGE_ID=%s", message_id);
        snprintf(vm, sizeof(vm), "QNET_VM=%s", p->name);
        snprintf(unit, sizeof(unit), "UNIT=qemu-vm@%s.service", p->name);
        snprintf(object, sizeof(object), "OBJECT_SYSTEMD_UNIT=qemu-vm@%s.service", p->name);
        if (p->disk && asprintf(&disk, "QNET_DISK=%s", p->disk) >= 0)
                fields[4] = disk;
        log_fields(level, text, fields);
}

static void tell_paused(const Paused *p) {
        _cleanup_free_ char *text = NULL;
        struct statvfs s;
        int r;

        if (p->disk && statvfs(p->disk, &s) >= 0)
                r = asprintf(&text,
                                "VM %s is paused: no room is left for its disk %s (%" PRIu64 " KiB free). Nothing is lost. Make "
                                "room there, and it goes on by itself.",
                                p->name, p->disk, (uint64_t) s.f_bavail * s.f_frsize / 1024);
        else
                r = asprintf(&text,
                                "VM %s is paused: no room is left for its disk %s. Nothing is lost. Make room, and it goes on "
                                "by itself within a minute.",
                                p->name, p->disk ?: "");
        if (r >= 0)
                say(LOG_WARNING, MESSAGE_NO_ROOM_STR, p, text);
}

static void tell_resumed(const Paused *p) {
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "VM %s goes on: there is room again for its disk %s", p->name, p->disk ?: "") >= 0)
                say(LOG_NOTICE, MESSAGE_GOES_ON_STR, p, text);
}

/* ---- what QEMU says ---- */

/* Negative also for one that has ended, hangs, or has another client. */
static int attach(const Space *s, const char *name, Qmp **ret) {
        char path[PATH_MAX];
        int fd, r;

        if (snprintf(path, sizeof(path), "%s/%s/qnet.qmp", s->run_dir, name) >= (int) sizeof(path))
                return -ENAMETOOLONG;
        fd = qmp_socket(path);
        if (fd < 0)
                return fd;
        r = qmp_new(fd, ret);
        return r < 0 ? r : qmp_negotiate(*ret, deadline_after(ANSWER_TIMEOUT));
}

/* 1: it waits for room, 0 it does not */
static int ask_status(Qmp *qmp) {
        json_auto_t *reply = NULL;
        const char *status;
        int r;

        r = qmp_command(qmp, "query-status", deadline_after(ANSWER_TIMEOUT), &reply);
        status = json_string_value(json_object_get(reply, "status"));
        return r < 0 ? r : status && streq(status, "io-error");
}

/* The file of the first disk that has found no room; NULL: QEMU does not say. */
static char *ask_disk(Qmp *qmp) {
        json_auto_t *reply = NULL;
        json_t *block;
        size_t i;

        if (qmp_command(qmp, "query-block", deadline_after(ANSWER_TIMEOUT), &reply) < 0)
                return NULL;
        json_array_foreach(reply, i, block) {
                const char *status = json_string_value(json_object_get(block, "io-status"));
                const char *file = json_string_value(json_object_get(json_object_get(block, "inserted"), "file"));
                char *copy;

                if (!status || !streq(status, "nospace") || !file || file[0] != '/')
                        continue;
                copy = strdup(file);
                return copy ? qmp_printable(copy) : NULL;
        }
        return NULL;
}

/* ---- one that is paused ---- */

/* What cannot be looked at, a file of a private /tmp or a volume that grows, is tried. */
static bool has_room(const Paused *p) {
        struct statvfs s;
        uint64_t size;

        if (!p->disk || statvfs(p->disk, &s) < 0)
                return true;
        size = (uint64_t) s.f_blocks * s.f_frsize;
        return size == 0 || (uint64_t) s.f_bavail * s.f_frsize >= MIN(ROOM_ENOUGH, size / 16);
}

/* false: it needs us no more. One that does not answer is asked again. */
static bool try_to_resume(const Space *s, Paused *p) {
        _cleanup_qmp_ Qmp *qmp = NULL;
        int r;

        r = attach(s, p->name, &qmp);
        if (r >= 0)
                r = ask_status(qmp);
        if (r == 0 && p->resumed)
                tell_resumed(p);
        if (r == 0 || r == -ENOENT || r == -ECONNREFUSED || r == -ECONNRESET)
                return false;
        if (p->resumed) /* but there was not room enough */
                p->pause = MIN(p->pause * 2, PAUSE_MAX);
        p->resumed = r > 0 && has_room(p) && qmp_command(qmp, "cont", deadline_after(ANSWER_TIMEOUT), NULL) >= 0;
        return true;
}

/* false: it needs us no more */
static bool look_after(const Space *s, Paused *p, bool in_any_case) {
        usec_t now = now_monotonic();

        if (!in_any_case && (now < p->next || !(p->resumed || has_room(p))))
                return true;
        if (!try_to_resume(s, p))
                return false;
        p->next = now + p->pause;
        return true;
}

static void look_after_all(Space *s, bool in_any_case) {
        for (Paused **p = &s->list; *p;) {
                Paused *one = *p;

                if (look_after(s, one, in_any_case)) {
                        p = &one->after;
                        continue;
                }
                *p = one->after;
                paused_free(one);
        }
}

/* ---- all that run ---- */

static bool is_known(const Space *s, const char *name) {
        for (const Paused *p = s->list; p; p = p->after)
                if (streq(p->name, name))
                        return true;
        return false;
}

/* One that does not answer is looked at the next time. */
static int look_at(Space *s, const char *name) {
        _cleanup_qmp_ Qmp *qmp = NULL;
        Paused *p;

        if (attach(s, name, &qmp) < 0 || ask_status(qmp) <= 0)
                return 0;
        p = calloc(1, sizeof(Paused));
        if (!p)
                return log_oom();
        *p = (Paused){ .name = strdup(name), .disk = ask_disk(qmp), .pause = LOOK_INTERVAL, .after = s->list };
        s->list = p;
        if (!p->name)
                return log_oom();
        tell_paused(p);
        return 0;
}

static int scan(Space *s) {
        _cleanup_closedir_ DIR *d = opendir(s->run_dir);
        struct dirent *e;
        int r = 0;

        if (!d && errno == ENOENT) /* no machine has run yet */
                return 0;
        if (!d)
                return log_error_errno(errno, "Cannot list %s: %m", s->run_dir);
        while (r >= 0 && (e = readdir(d)))
                if (name_is_valid(e->d_name) && !is_known(s, e->d_name))
                        r = look_at(s, e->d_name);
        return r;
}

static int verb_run(char *words[], void *userdata) {
        Space *s = userdata;
        int r;

        r = scan(s);
        for (usec_t scanned = now_monotonic(); r >= 0 && s->list;) {
                bool again = now_monotonic() - scanned >= SCAN_INTERVAL;

                look_after_all(s, again);
                if (again) {
                        r = scan(s);
                        scanned = now_monotonic();
                }
                if (r >= 0 && s->list)
                        nanosleep(&(struct timespec){ .tv_sec = LOOK_INTERVAL / USEC_PER_SEC }, NULL);
        }
        return r;
}

enum { OPTION_RUN_DIR = PROGRAM_OPTION_FIRST };
static const ProgramOption options[] = {
        { OPTION_RUN_DIR, "run-dir", "DIR",
                        "Where the run-time directories of the machines are; default:\n"
                        "/run/qnet/vm" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        Space *s = userdata;

        s->run_dir = value;
        return 0;
}

static const ProgramVerb verbs[] = {
        { "run", 0, 0, "", "look at all that run now; wait with those that are paused, until none is", verb_run,
                        .options = PROGRAM_BIT(OPTION_RUN_DIR) },
        {},
};

static const Program program = {
        .about = "Let virtual machines that are paused, as no room was left for a disk, go on when there is room again.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        _cleanup_(space_done) Space s = { .run_dir = "/run/qnet/vm" };

        log_setup("qnet-space");
        return program_exit_status(program_run(&program, argc, argv, &s));
}
