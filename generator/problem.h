/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Mistakes in the configuration: each is logged once, counted in the Model, and attached to every object that cannot
 * be used because of it. These functions log; whoever calls them does not. */

#include "model.h"

/* So many are kept with an object, whose unit says them; the log has them all. */
#define PROBLEMS_MAX 32

/* Attached to list (NULL: none), and logged unless said is set and *said already. 0 or -ENOMEM. */
int problem_add(Model *m, Problem **list, size_t *n, Origin origin, bool *said, const char *format, ...)
                _printf_(6, 7);
#define vm_problem(m, vm, origin, ...) \
        problem_add((m), &(vm)->problems, &(vm)->n_problems, (origin), NULL, __VA_ARGS__)
#define switch_problem(m, sw, origin, ...) \
        problem_add((m), &(sw)->problems, &(sw)->n_problems, (origin), NULL, __VA_ARGS__)
#define model_problem(m, origin, ...) problem_add((m), NULL, NULL, (origin), NULL, __VA_ARGS__)

/* Survived: logged and counted only. */
void model_warning(Model *m, Origin origin, const char *format, ...) _printf_(3, 4);

/* Text out of a file, for a message: at most 80 bytes of it, and an ellipsis; printable in any case. */
#define SHOWN_SIZE 96
const char *shown(const char *text, char buf[static SHOWN_SIZE]);
#define SHOW(text) shown((text), (char[SHOWN_SIZE]){ 0 })
