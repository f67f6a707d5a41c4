/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of kill logs stand on: a reader as the reaper has it, in a child process; what others do
 * to the log; and what came of it. "Acting" is a line in the file "acted", and where the reaper compares
 * invocation IDs, this reader looks whether it is there. */

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "kill-log.h"
#include "test.h"

extern char directory[]; /* of this test program, from set_up() to tear_down() */
extern char path[];      /* of the log in it */
extern int state;        /* the state directory */
extern bool linked;      /* the reader keeps hard links */
extern int calls_left;   /* of the child, which is killed at the last one; -1: for ever */

int set_up(void **unused);
int tear_down(void **unused);
void begin(void); /* no log, no state */
void shell(const char *format, ...) _printf_(1, 2);

void must(int r);           /* in a child: ends it */
int read_once(void);        /* in a child: until nothing is new; the exit status */
int reader(int kill_at);    /* that in a child; 1 it was killed, 0 it came to its end */
void take(void);            /* that, unharmed */
char *acted(void);          /* one string, lines joined by spaces, in order */
void clear_acted(void);     /* forget them */
uint64_t lines_taken(void); /* says the cursor */
void expect_at(int source_line, const char *what, uint64_t lines);
#define expect(what, lines) expect_at(__LINE__, what, lines)

void put(const char *flags_and_text); /* ">text": truncate, ">>text": append, as a shell does */
void tick(void);                      /* the clock of file times goes in steps of up to 10 ms */
