/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Specifiers of systemd.unit(5) in values, as far as they make sense here; resolved while loading, so that units hold
 * plain text:
 *
 *     %i the object's name     %n the unit's name    %N the same without suffix    %H the host's name
 *     %m its machine ID        %t /run               %S /var/lib                   %h home directory     %% a "%"
 *
 * An unknown one is an error. Silent. */

#include <limits.h>

#include "arena.h"

/* What of the host the configuration can depend on. */
typedef struct Host {
        char name[HOST_NAME_MAX + 1];
        char machine_id[33]; /* 32 hex digits; empty when there is none */
        char runtime[PATH_MAX], state[PATH_MAX], home[PATH_MAX];
} Host;

/* root: NULL or a directory: etc/machine-id and etc/hostname in it are read then, never those of the running host. */
void host_read(const char *root, bool user, Host *ret);

typedef struct Specifiers {
        const Host *host;
        const char *name;        /* of the object */
        const char *unit_prefix; /* "qemu-vm@" */
        const char *unit_suffix; /* ".service" */
} Specifiers;

/* s itself when there is nothing to do. -EINVAL: *ret_why tells, as the end of "Key=value ...". */
int specifiers_expand(Arena *a, const Specifiers *sp, char *s, char **ret, const char **ret_why);
