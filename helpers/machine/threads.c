/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "threads.h"

#define PROCESSES_MAX 64
#define THREADS_MAX   1024 /* of a process */
#define TEXT_MAX      8192U

/* A file below directory, printable; false: it cannot be read. */
static bool read_text(int directory, const char *name, char buf[static TEXT_MAX]) {
        _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, buf, TEXT_MAX - 1);

        if (n < 0)
                return false;
        while (n > 0 && isspace((unsigned char) buf[n - 1]))
                n--;
        buf[n] = '\0';
        for (char *p = buf; *p; p++)
                if ((unsigned char) *p < ' ' && !strchr("\n\t", *p))
                        *p = '?';
        return true;
}

static void write_named(int directory, const char *name, FILE *f) {
        char text[TEXT_MAX];

        if (read_text(directory, name, text) && *text)
                fprintf(f, "  %s: %s\n", name, text);
}

static void write_state(int directory, FILE *f) {
        static const char *const keys[] = { "State:", "voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:" };
        char text[TEXT_MAX], *saved = NULL;

        if (!read_text(directory, "status", text))
                return;
        for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved))
                for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                        if (startswith(line, keys[i]))
                                fprintf(f, "  %s\n", line);
}

static void write_stack(int directory, FILE *f) {
        char text[TEXT_MAX], *saved = NULL;

        if (!read_text(directory, "stack", text))
                return;
        fputs("  stack:\n", f);
        for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved))
                fprintf(f, "    %s\n", line);
}

static bool is_number(const char *s) {
        return *s && strspn(s, "0123456789") == strlen(s);
}

static int open_directory(int parent, const char *name) {
        return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static DIR *list_directory(int parent, const char *name) {
        int fd = open_directory(parent, name);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d)
                safe_close(fd);
        return d;
}

static void write_threads(int process, FILE *f) {
        _cleanup_closedir_ DIR *d = list_directory(process, "task");
        struct dirent *e;
        int n = 0;

        while (d && (e = readdir(d)) && n < THREADS_MAX) {
                _cleanup_close_ int thread = -1;
                char comm[TEXT_MAX];

                if (!is_number(e->d_name) || (thread = open_directory(dirfd(d), e->d_name)) < 0 ||
                                !read_text(thread, "comm", comm))
                        continue;
                n++;
                fprintf(f, "thread %s (%s)\n", e->d_name, comm);
                write_state(thread, f);
                write_named(thread, "wchan", f);
                write_named(thread, "syscall", f);
                write_stack(thread, f);
        }
}

int threads_write(uid_t user, FILE *f) {
        _cleanup_closedir_ DIR *d = opendir("/proc");
        struct dirent *e;
        struct stat st;
        int n = 0;

        if (!d)
                return -errno;
        while ((e = readdir(d)) && n < PROCESSES_MAX) {
                _cleanup_close_ int process = -1;
                char text[TEXT_MAX];

                if (!is_number(e->d_name) || atoi(e->d_name) == getpid() ||
                                fstatat(dirfd(d), e->d_name, &st, 0) < 0 || st.st_uid != user)
                        continue;
                process = open_directory(dirfd(d), e->d_name);
                if (process < 0 || !read_text(process, "status", text))
                        continue;
                fprintf(f, "%sprocess %s\n%s\n\n", n > 0 ? "\n" : "", e->d_name, text);
                write_threads(process, f);
                n++;
        }
        return n;
}

int capabilities_drop(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

        /* ambient ones go with the permitted ones, capabilities(7) */
        if (syscall(SYS_capset, &header, none) < 0)
                return -errno;
        return 0;
}
