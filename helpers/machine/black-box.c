/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "black-box.h"
#include "console-tail.h"
#include "ladder.h"
#include "log.h"
#include "threads.h"

#define TIME_MAX     (1700 * USEC_PER_MSEC) /* of the 2 s; the rest is for starting and ending the process */
#define ATTACH_MAX   (700 * USEC_PER_MSEC)
#define CONSOLE_SIZE ((size_t) 64 * 1024)
#define NAME_LENGTH  strlen("20261121T141209.123456Z")

typedef struct Box {
        const BlackBox *options;
        usec_t deadline;
        int fd; /* the directory */
        char name[64];
        char path[PATH_MAX];
        FILE *about;
        pid_t console;
        Qmp *qmp;
} Box;

static void _printf_(2, 3) note(Box *b, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vfprintf(b->about, format, ap);
        va_end(ap);
        fputc('\n', b->about);
}

/* ---- directories ---- */

static bool is_box(const struct dirent *e) {
        return strlen(e->d_name) == NAME_LENGTH && strspn(e->d_name, "0123456789TZ.") == NAME_LENGTH;
}

static int select_box(const struct dirent *e) {
        return is_box(e);
}

/* Of files only; what else somebody may have put there stays. */
static void delete_box(int directory, const char *name) {
        int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *e;

        if (!d) {
                safe_close(fd);
                return;
        }
        while ((e = readdir(d)))
                (void) unlinkat(fd, e->d_name, 0);
        (void) unlinkat(directory, name, AT_REMOVEDIR);
}

static void delete_old(int directory, const char *newest, unsigned keep) {
        struct dirent **list = NULL;
        int n = scandirat(directory, ".", &list, select_box, alphasort); /* oldest first */

        for (int i = 0; i < n; i++) {
                /* a clock that was set back must not cost the one just made */
                if (n - i > (int) keep && !streq(list[i]->d_name, newest))
                        delete_box(directory, list[i]->d_name);
                free(list[i]);
        }
        free(list);
}

static int make_box(Box *b) {
        _cleanup_close_ int parent = -1;
        struct timespec now;
        struct tm tm;
        size_t n;

        if (mkdir(b->options->directory, 0700) < 0 && errno != EEXIST)
                return -errno;
        parent = open(b->options->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (parent < 0)
                return -errno;
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &tm);
        n = strftime(b->name, sizeof(b->name), "%Y%m%dT%H%M%S", &tm);
        snprintf(b->name + n, sizeof(b->name) - n, ".%06ldZ", now.tv_nsec / 1000);
        if (mkdirat(parent, b->name, 0700) < 0)
                return -errno;
        b->fd = openat(parent, b->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (b->fd < 0)
                return -errno;
        snprintf(b->path, sizeof(b->path), "%s/%s", b->options->directory, b->name);
        delete_old(parent, b->name, b->options->keep);
        return 0;
}

static FILE *create(Box *b, const char *name) {
        int fd = openat(b->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        FILE *f = fd < 0 ? NULL : fdopen(fd, "we");

        if (!f)
                safe_close(fd);
        return f;
}

static int write_file(Box *b, const char *name, const char *text, size_t n) {
        FILE *f = create(b, name);
        int r = 0;

        if (!f)
                return -errno;
        if (fwrite(text, 1, n, f) != n)
                r = -EIO;
        if (fclose(f) != 0)
                r = -errno;
        if (r < 0)
                note(b, "%s: %s", name, strerror(-r));
        return r;
}

/* ---- the console: in a process of its own, as nothing bounds how long the journal takes ---- */

static void begin_console(Box *b) {
        int fd;

        b->console = fork();
        if (b->console != 0)
                return;
        fd = openat(b->fd, "console.txt", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        _exit(fd >= 0 && console_tail(b->options->unit, CONSOLE_SIZE, fd) >= 0 ? 0 : 1);
}

static void end_console(Box *b) {
        struct timespec pause = { .tv_nsec = 2000000 };
        int status = 0;

        if (b->console < 0) {
                note(b, "console.txt: cannot start a process");
                return;
        }
        while (waitpid(b->console, &status, WNOHANG) == 0) {
                if (now_monotonic() >= b->deadline) {
                        kill(b->console, SIGKILL);
                        waitpid(b->console, &status, 0);
                        note(b, "console.txt: the journal was not read in time");
                        return;
                }
                nanosleep(&pause, NULL);
        }
        if (status != 0)
                note(b, "console.txt: the journal cannot be read");
}

/* ---- by QMP ---- */

static void failed(Box *b, const char *what, int r) {
        if (r == -EREMOTEIO)
                note(b, "%s: QEMU refuses: %s", what, qmp_error(b->qmp));
        else
                note(b, "%s: %s", what, r == -ETIMEDOUT ? "QEMU did not answer in time" : strerror(-r));
}

static int save_status(Box *b) {
        json_auto_t *reply = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = qmp_command(b->qmp, "query-status", b->deadline, &reply);
        if (r < 0) {
                failed(b, "status.json", r);
                return r;
        }
        text = json_dumps(reply, JSON_INDENT(2));
        return text ? write_file(b, "status.json", text, strlen(text)) : -ENOMEM;
}

static int save_registers(Box *b) {
        json_auto_t *arguments = json_pack("{s:s}", "command-line", "info registers -a"), *reply = NULL;
        int r;

        r = qmp_command_with(b->qmp, "human-monitor-command", arguments, b->deadline, &reply);
        if (r < 0)
                failed(b, "registers.txt", r);
        else if (json_is_string(reply))
                r = write_file(b, "registers.txt", json_string_value(reply), json_string_length(reply));
        return r;
}

static int save_screen(Box *b) {
        json_auto_t *arguments = NULL;
        char path[PATH_MAX + 32];
        int r;

        snprintf(path, sizeof(path), "%s/screen.png", b->path);
        arguments = json_pack("{s:s, s:s}", "filename", path, "format", "png");
        r = qmp_command_with(b->qmp, "screendump", arguments, b->deadline, NULL);
        if (r < 0)
                failed(b, "screen.png", r);
        return r;
}

/* All of it, or as much from the bottom of the address space. */
static json_t *dump_arguments(Box *b, json_int_t size) {
        char path[PATH_MAX + 32];

        snprintf(path, sizeof(path), "file:%s/memory.part", b->path);
        if (size > 0 && (uint64_t) size <= b->options->memory)
                return json_pack("{s:b, s:s, s:b}", "paging", 0, "protocol", path, "detach", 1);
        return json_pack("{s:b, s:s, s:b, s:I, s:I}", "paging", 0, "protocol", path, "detach", 1, "begin",
                        (json_int_t) 0, "length", (json_int_t) b->options->memory);
}

/* 1 when it is complete */
static int wait_for_dump(Box *b) {
        for (;;) {
                json_auto_t *reply = NULL;
                const char *status;
                int r;

                r = qmp_command(b->qmp, "query-dump", b->deadline, &reply);
                if (r < 0)
                        return r;
                status = json_string_value(json_object_get(reply, "status")) ?: "";
                if (streq(status, "completed"))
                        return 1;
                if (!streq(status, "active"))
                        return -EIO;
                do
                        r = qmp_wait_event(b->qmp, MIN(b->deadline, deadline_after(20 * USEC_PER_MSEC)));
                while (r == 0);
                if (r != -ETIMEDOUT || now_monotonic() >= b->deadline)
                        return r;
        }
}

static int save_memory(Box *b) {
        json_auto_t *reply = NULL, *arguments = NULL;
        json_int_t size;
        int r;

        r = qmp_command(b->qmp, "query-memory-size-summary", b->deadline, &reply);
        size = json_integer_value(json_object_get(reply, "base-memory")) +
               json_integer_value(json_object_get(reply, "plugged-memory"));
        if (r >= 0) {
                arguments = dump_arguments(b, size);
                r = qmp_command_with(b->qmp, "dump-guest-memory", arguments, b->deadline, NULL);
        }
        if (r >= 0)
                r = wait_for_dump(b);
        if (r < 0) {
                failed(b, "memory.elf", r);
                return r;
        }
        return renameat(b->fd, "memory.part", b->fd, "memory.elf") < 0 ? -errno : 0;
}

/* From the quick to the slow; one that QEMU refuses is no reason not to ask for the next, one that takes too long is. */
static void ask_qemu(Box *b) {
        int (*const steps[])(Box * b) = { save_status, save_registers, save_screen,
                b->options->memory > 0 ? save_memory : NULL };
        int r;

        r = ladder_attach(b->options->path, MIN(b->deadline, deadline_after(ATTACH_MAX)), &b->qmp);
        if (r == -ETIMEDOUT) {
                note(b, "QEMU does not answer on %s: it hangs, or another client is connected", b->options->path);
                return;
        }
        if (r < 0) {
                note(b, "QEMU cannot be asked on %s: %s", b->options->path, strerror(-r));
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(steps) && steps[i]; i++) {
                r = steps[i](b);
                if (r == -ETIMEDOUT || r == -ECONNRESET || r == -EPROTO || r == -EMSGSIZE)
                        break;
        }
        b->qmp = qmp_free(b->qmp);
}

/* ---- all of it ---- */

/* Before anything else: only this needs privileges. */
static int look_at_threads(char **ret, size_t *ret_n, int *ret_processes) {
        FILE *f = open_memstream(ret, ret_n);
        int r;

        if (!f)
                return log_oom();
        *ret_processes = threads_write(getuid(), f);
        if (fclose(f) != 0)
                return log_oom();
        r = capabilities_drop();
        return r < 0 ? log_error_errno(r, "Cannot give up capabilities: %m") : 0;
}

int black_box_save(const BlackBox *options) {
        Box b = { .options = options, .deadline = deadline_after(TIME_MAX), .fd = -1 };
        _cleanup_free_ char *threads = NULL;
        _cleanup_close_ int fd = -1;
        size_t n_threads = 0;
        int processes = 0, r;

        r = look_at_threads(&threads, &n_threads, &processes);
        if (r < 0)
                return r;
        r = make_box(&b);
        fd = b.fd;
        if (r >= 0) {
                b.about = create(&b, "about.txt");
                r = b.about ? 0 : -errno;
        }
        if (r < 0)
                return log_error_errno(r, "Cannot make a black box in %s: %m", options->directory);

        note(&b, "%s, saved at %s", options->unit, b.name);
        begin_console(&b);
        if (processes <= 0)
                note(&b, "threads.txt: there is no process of the VM");
        else
                (void) write_file(&b, "threads.txt", threads, n_threads);
        ask_qemu(&b);
        end_console(&b);
        if (fclose(b.about) != 0)
                return log_error_errno(errno, "Cannot write black box %s: %m", b.path);
        log_info("Saved %s", b.path);
        (void) sd_notifyf(false, "STATUS=Saved %s", b.path);
        return 0;
}
