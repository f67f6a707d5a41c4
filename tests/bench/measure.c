/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* measure COMMAND [ARG...] [";" COMMAND [ARG...]]...
 *
 * Runs the commands one after the other and prints "WALL CPU RSS": microseconds by the clock and of CPU (user and
 * system, the command's own children too) in all, and the largest resident set in KiB. The time is from before the
 * spawn to after the reaping. A small program does this rather than the caller, as a child is accounted the resident
 * set of the process that it was spawned from.
 *
 * What the commands print goes to a memfd: not to /dev/null, which lets grep stop at its first match. A command that
 * fails ends it all, with status 1. */

#include <inttypes.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "cleanup.h"

extern char **environ;

static uint64_t now_nsec(void) {
        struct timespec ts;

        assert(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
        return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static uint64_t timeval_usec(const struct timeval *t) {
        return (uint64_t) t->tv_sec * USEC_PER_SEC + (uint64_t) t->tv_usec;
}

static int run_one(char *argv[], uint64_t *wall_nsec, uint64_t *cpu_usec, long *rss) {
        _cleanup_close_ int out = memfd_create("stdout", MFD_CLOEXEC);
        posix_spawn_file_actions_t actions;
        struct rusage usage;
        uint64_t start;
        pid_t pid;
        int r, status;

        if (out < 0 || posix_spawn_file_actions_init(&actions) != 0 ||
                        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO) != 0)
                return -ENOMEM;
        start = now_nsec();
        r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
        if (r == 0 && wait4(pid, &status, 0, &usage) < 0)
                r = errno;
        *wall_nsec += now_nsec() - start;
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0) {
                fprintf(stderr, "measure: %s: %s\n", argv[0], strerror(r));
                return -r;
        }
        if (status != 0) {
                fprintf(stderr, "measure: %s: wait status %#x\n", argv[0], (unsigned) status);
                return -EPROTO;
        }
        *cpu_usec += timeval_usec(&usage.ru_utime) + timeval_usec(&usage.ru_stime);
        *rss = MAX(*rss, usage.ru_maxrss);
        return 0;
}

int main(int argc, char *argv[]) {
        uint64_t wall = 0, cpu = 0;
        long rss = 0;

        if (argc < 2) {
                fprintf(stderr, "usage: measure COMMAND [ARG...] [\";\" COMMAND [ARG...]]...\n");
                return 2;
        }
        for (char **command = argv + 1; command && *command;) {
                char **end = command;

                while (*end && !streq(*end, ";"))
                        end++;
                char **next = *end ? end + 1 : NULL;
                *end = NULL;
                if (run_one(command, &wall, &cpu, &rss) < 0)
                        return 1;
                command = next;
        }
        printf("%.1f %" PRIu64 " %ld\n", (double) wall / 1000, cpu, rss);
        return 0;
}
