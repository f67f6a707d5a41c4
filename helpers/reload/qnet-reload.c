/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-reload: ExecReload= of a virtual machine. What of its configuration can change while QEMU runs comes in by argv,
 * and goes to QEMU over QMP; what cannot is found by comparing the unit's command with the process's, and told.
 *
 * Privilege: as root it opens the images that QEMU is given, reads the command line of QEMU and asks systemd for that of
 * the unit. Then it becomes the machine's user, before it hears the first word from QEMU. */

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "guard.h"
#include "log.h"
#include "parse-value.h"
#include "program.h"
#include "reload.h"

#define COMMAND_MAX    ((size_t) 2 * 1024 * 1024) /* what the kernel lets a program have; of so many words ours has none: */
#define WORDS_MAX      16384
#define RETRY_INTERVAL 5000000 /* nanoseconds */
#define LINES_MAX      16      /* of differences; so many explain enough */

static void settings_done(Settings *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->items[i].id);
                safe_close(l->items[i].fd);
        }
        free(l->items);
}

static void reload_done(Reload *r) {
        settings_done(&r->links);
        settings_done(&r->sizes);
        settings_done(&r->backings);
        settings_done(&r->media);
        strv_free(r->wanted);
        strv_free(r->running);
        comparison_free(r->comparison);
        json_decref(r->blocks);
        qmp_free(r->qmp);
}

/* ---- as root ---- */

/* Of the directory of the socket: the machine's user is its owner. */
static char *parent_of(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? strndup(path, (size_t) (slash - path)) : strdup(".");
}

static int open_media(Reload *r) {
        _cleanup_free_ char *directory = parent_of(r->socket);

        if (!directory)
                return log_oom();
        for (size_t i = 0; i < r->media.n; i++) {
                Setting *s = r->media.items + i;
                Guard g = { .image = s->value, .owner_of = directory, .uid = UINT_MAX };

                if (*s->value)
                        s->refused = guard_open(&g, &s->fd) < 0;
        }
        return 0;
}

/* The words of /proc/PID/cmdline, each with a NUL at its end. The process may have changed them. */
static int split_words(char *text, size_t n, char ***ret) {
        _cleanup_strv_ char **words = NULL;
        size_t count = 0;

        for (char *p = text; p < text + n; p += strlen(p) + 1)
                count++;
        if (count == 0 || count > WORDS_MAX)
                return count == 0 ? -ENODATA : -E2BIG;
        words = calloc(count + 1, sizeof(*words));
        for (size_t i = 0; words && i < count; i++, text += strlen(text) + 1) {
                words[i] = strdup(text);
                if (!words[i])
                        return -ENOMEM;
        }
        if (!words)
                return -ENOMEM;
        *ret = TAKE_PTR(words);
        return 0;
}

static int running_command(char ***ret) {
        _cleanup_free_ char *text = malloc(COMMAND_MAX + 1);
        const char *e = getenv("MAINPID");
        _cleanup_close_ int fd = -1;
        char path[64];
        unsigned pid;
        size_t n = 0;
        ssize_t k;

        if (!text)
                return -ENOMEM;
        if (!e || parse_unsigned(e, 1, INT32_MAX, &pid) < 0)
                return -ESRCH;
        snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        while ((k = read(fd, text + n, COMMAND_MAX - n)) > 0)
                n += (size_t) k;
        text[n] = '\0';
        return k < 0 ? -errno : split_words(text, n, ret);
}

/* What was opened to the machine's user when it started is not for it any longer; whatever QEMU has open stays so. (The
 * path is QEMU's word, if that was taken over: nothing but its own user's entry is ever removed.) */
static void take_back_media(const Reload *r) {
        _cleanup_free_ char *directory = parent_of(r->socket);

        for (size_t i = 0; directory && geteuid() == 0 && i < r->media.n; i++) {
                const Setting *s = r->media.items + i;
                _cleanup_free_ char *image = NULL;

                if (drive_image(r->running, s->id, &image) < 0 || streq(image, s->value) || s->refused ||
                                !path_is_normalized(image))
                        continue;
                (void) guard_release(&(Guard){ .image = image, .owner_of = directory, .uid = UINT_MAX }); /* and it tells */
        }
}

/* Without it nobody knows whether an id still means what it meant when QEMU started. */
static int log_no_comparison(const Reload *r, int e) {
        return log_error_errno(e, "Cannot compare QEMU's command line with that of %s, so nothing is changed: %m", r->unit);
}

static int get_commands(Reload *r) {
        int e;

        if (!r->unit)
                return 0;
        e = unit_command(r->unit, &r->wanted);
        if (e >= 0)
                e = running_command(&r->running);
        return e < 0 ? log_no_comparison(r, e) : 0;
}

static int become_owner(const char *socket) {
        _cleanup_free_ char *directory = parent_of(socket);
        struct stat st;

        if (geteuid() != 0)
                return 0;
        if (!directory)
                return log_oom();
        if (stat(directory, &st) < 0)
                return log_error_errno(errno, "Cannot tell the virtual machine's user, the owner of %s: %m", directory);
        if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
                        setresuid(st.st_uid, st.st_uid, st.st_uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return log_error_errno(errno, "Cannot become user %u: %m", st.st_uid);
        return 0;
}

/* ---- as the machine's user ---- */

static int compare(Reload *r) {
        _cleanup_strv_ char **drives = NULL;
        int e = 0;

        if (!r->unit)
                return 0;
        for (size_t i = 0; e >= 0 && i < r->media.n; i++)
                e = strv_extend(&drives, r->media.items[i].id);
        if (e >= 0)
                e = comparison_new(r->wanted, r->running, drives, r->memory > 0, &r->comparison);
        return e < 0 ? log_no_comparison(r, e) : 0;
}

static int attach(Reload *r) {
        int fd, e;

        while ((fd = qmp_socket(r->socket)) == -EAGAIN) {
                if (now_monotonic() >= r->deadline)
                        return -ETIMEDOUT;
                nanosleep(&(struct timespec){ .tv_nsec = RETRY_INTERVAL }, NULL);
        }
        if (fd < 0)
                return fd;
        e = qmp_new(fd, &r->qmp);
        return e < 0 ? e : qmp_negotiate(r->qmp, r->deadline);
}

static int log_failure(const Reload *r, int e) {
        switch (e) {
        case -ETIMEDOUT:
                return log_error_errno(e, "QEMU does not answer on %s: it hangs, or another client is connected.", r->socket);
        case -ECONNRESET:
                return log_error_errno(e, "QEMU has ended; its last words are in the journal of the unit.");
        case -ENOENT:
        case -ECONNREFUSED:
                return log_error_errno(e, "Nobody listens on %s: QEMU does not run.", r->socket);
        case -EPROTO:
        case -EMSGSIZE:
                return log_error_errno(e, "What listens on %s does not speak QMP.", r->socket);
        default:
                return log_error_errno(e, "Cannot talk to QEMU on %s: %m", r->socket);
        }
}

static int tell_differences(const Reload *r) {
        _cleanup_strv_ char **lines = NULL;
        size_t n = 0;
        int e;

        if (!r->comparison)
                return 0;
        e = comparison_lines(r->comparison, &lines);
        if (e < 0)
                return log_oom();
        STRV_FOREACH (line, lines)
                if (n++ < LINES_MAX)
                        log_warning("Needs a restart: %s.", *line);
        if (n > LINES_MAX)
                log_warning("Needs a restart: %zu more.", n - LINES_MAX);
        return 0;
}

static int reload(char *words[], void *userdata) {
        Reload *r = userdata;
        int e;

        r->socket = words[0];
        r->deadline = deadline_after(r->timeout);
        e = open_media(r);
        if (e >= 0)
                e = get_commands(r);
        if (e < 0)
                return e;
        take_back_media(r);
        e = become_owner(r->socket);
        if (e >= 0)
                e = compare(r);
        if (e < 0)
                return e;
        e = attach(r);
        if (e >= 0)
                e = live_apply(r);
        if (e < 0)
                (void) log_failure(r, e);
        if (tell_differences(r) < 0 || e < 0)
                return -EIO;
        return r->failed ? -EREMOTEIO : 0;
}

/* ---- arguments ---- */

enum {
        OPTION_UNIT = PROGRAM_OPTION_FIRST,
        OPTION_LINK,
        OPTION_SIZE,
        OPTION_BACKING,
        OPTION_MEDIUM,
        OPTION_MEMORY,
        OPTION_TIMEOUT
};
static const ProgramOption options[] = {
        { OPTION_UNIT, "unit", "UNIT", "Tell what of its ExecStart= QEMU does not run with" },
        { OPTION_LINK, "link", "ID:up|down", "Plug in, or pull, the cable of a network card" },
        { OPTION_SIZE, "size", "ID:SIZE", "Make a disk larger, unless it is as large already" },
        { OPTION_BACKING, "backing", "ID:IMAGE", "What an overlay lies over, or nothing: only looked at" },
        { OPTION_MEDIUM, "medium", "ID:IMAGE", "What is in a CD or floppy drive, or nothing; a raw image" },
        { OPTION_MEMORY, "memory", "SIZE", "What the guest's balloon leaves it" },
        { OPTION_TIMEOUT, "timeout", "SPAN", "In all (default: 10s; or infinity)" },
        {},
};

/* "ID:VALUE" */
static int add_setting(Settings *l, const char *text, Setting **ret) {
        const char *colon = strchr(text, ':');
        Setting *items;
        char *id;

        if (!colon || colon == text)
                return program_usage("%s has no colon behind the id of QEMU's.", text);
        id = strndup(text, (size_t) (colon - text));
        items = id ? reallocarray(l->items, l->n + 1, sizeof(*items)) : NULL;
        if (!items) {
                free(id);
                return log_oom();
        }
        l->items = items;
        items[l->n] = (Setting){ .id = id, .value = colon + 1, .fd = -1 };
        *ret = items + l->n++;
        return 0;
}

static int parse_bytes(const char *text, uint64_t *ret) {
        if (parse_size(text, ret) < 0 || *ret == 0 || *ret > INT64_MAX / 2)
                return program_usage("%s is not a size, such as 1048576, 512M or 2G.", text);
        return 0;
}

static int parse_image(Settings *l, const char *text) {
        Setting *s;
        int e = add_setting(l, text, &s);

        if (e >= 0 && *s->value && !path_is_normalized(s->value))
                return program_usage("%s is not an absolute path in its shortest form.", s->value);
        return e;
}

static int parse_option(int option, const char *value, void *userdata) {
        Reload *r = userdata;
        Setting *s;
        int e;

        switch (option) {
        case OPTION_UNIT:
                r->unit = value;
                return 0;
        case OPTION_LINK:
                e = add_setting(&r->links, value, &s);
                if (e < 0)
                        return e;
                s->up = streq(s->value, "up");
                return s->up || streq(s->value, "down") ? 0 : program_usage("%s is neither up nor down.", s->value);
        case OPTION_SIZE:
                e = add_setting(&r->sizes, value, &s);
                return e < 0 ? e : parse_bytes(s->value, &s->bytes);
        case OPTION_BACKING:
                return parse_image(&r->backings, value);
        case OPTION_MEDIUM:
                return parse_image(&r->media, value);
        case OPTION_MEMORY:
                return parse_bytes(value, &r->memory);
        case OPTION_TIMEOUT:
                if (parse_sec(value, &r->timeout) < 0 || r->timeout == 0)
                        return program_usage("--timeout=%s is not a time span.", value);
                return 0;
        }
        return PROGRAM_USAGE;
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { NULL, 1, 1, "SOCKET", NULL, reload,
                        .options = BIT(OPTION_UNIT) | BIT(OPTION_LINK) | BIT(OPTION_SIZE) | BIT(OPTION_BACKING) |
                                   BIT(OPTION_MEDIUM) | BIT(OPTION_MEMORY) | BIT(OPTION_TIMEOUT) },
        {},
};

static const Program program = {
        .about = "Bring a running QEMU in line with a changed configuration, as far as that goes without a restart,\n"
                 "and tell what needs one.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        _cleanup_(reload_done) Reload r = { .timeout = 10 * USEC_PER_SEC };

        log_setup("qnet-reload");
        return program_exit_status(program_run(&program, argc, argv, &r));
}
