/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For tests of the reading half: text (conf-text.h) to a model, and what is wrong with it as text again. */

#include "model.h"

/* On a host with a fixed machine ID and the name "testhost". Nothing is logged. */
Model *model_of(const char *text);

/* "host1 /etc/qnet/test.conf:2: Memory=lots is not ..." lines: VMs, then switches, then labs, in the order of names. On the
 * heap. */
char *problems_of(const Model *m);

/* Fails at file:line unless problems_of(), warnings and errors are as expected. */
void check_problems(const char *text, const char *expected, unsigned n_errors, unsigned n_warnings,
                const char *file, int line);
/* Each problem is attached to one object and logged once; no warnings. */
#define problems_one(text, expected) check_problems((text), (expected), (unsigned) -1, 0, __FILE__, __LINE__)
