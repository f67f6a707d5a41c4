/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files to Model: which objects there are, and what they say once systems, files and drop-ins have had their turn.
 *
 * For a VM that is, in this order and the later winning: its System= (and that one's, outermost first), each with its
 * own drop-ins; its file; its drop-ins (overrides.h). Keys that take lists go on with the list.
 *
 * A file may open any number of objects and come back to one; two files that both open one VM, switch or system are a
 * mistake and both named. [Lab NAME] and [Reaper] may be anywhere. A drop-in changes what is there; it opens an
 * object only if it names it and stands in NAME.conf.d/ beside a file NAME.conf.
 *
 * [Interface] and [Disk] open a further one each time, also in drop-ins. [Interface N] goes on with number N, counted
 * from 0 (Switch= or Bridge= in [VM] makes number 0), [Interface LABEL] with the one that LABEL opened, or whose Tap=
 * it is, or else opens it; [Interface *] goes on with all that there are by then.
 *
 * Logs; mistakes are attached to the VM or switch as well. 0 or -ENOMEM. */

#include "conf-files.h"
#include "model.h"
#include "specifier.h"

#define VMS_MAX 65536

int model_load(Model *m, const Host *host, const ConfFile *files, size_t n_files);
