/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* nftables, by way of libnftables: commands in the language of nft(8), each call one transaction, which the kernel
 * takes as a whole or not at all. One Nft is one socket and no child process. The library is loaded by nft_new(): programs
 * that seldom need it start without.
 *
 * All functions are silent and return negative errno; what the kernel or the parser said is in nft_reason().
 * Everything needs CAP_NET_ADMIN. nft.c is the one file that includes the library. Who writes commands puts into them
 * what parse-value.h has let pass (names, addresses), which needs no quoting. */

#include <jansson.h>

#include "cleanup.h"

typedef struct Nft Nft;

int nft_new(Nft **ret);
Nft *nft_free(Nft *nft); /* always NULL */
static inline void nft_freep(Nft **p) {
        nft_free(*p);
}
#define _cleanup_nft_ _cleanup_(nft_freep)

#define _cleanup_json_ _cleanup_(json_decrefp)

/* ": text", the first line of what was said to the call that failed last, or "": for appending to a message. */
const char *nft_reason(const Nft *nft);

/* -ENOENT, -EEXIST ... as the kernel answered; -EINVAL: no such command; -EIO: anything else. */
int nft_run(Nft *nft, const char *commands);

/* The answer to one "list ..." command: the array "nftables" of libnftables-json(5). -ENOENT: there is none. */
int nft_query(Nft *nft, const char *command, json_t **ret);

/* The n-th object of that kind ("set", "chain", "rule", "counter" ...) in such an array; NULL when there are no more.
 * *i starts with 0 and is moved behind it. */
json_t *nft_next(json_t *array, const char *kind, size_t *i);

/* 1: there is; 0: there is none. Needs no Nft, nor the library. */
int nft_netdev_table_exists(const char *name);

/* 1: there is a chain that forwarded packets pass, of a table that is not of qnet; 0: there is none. Likewise */
int nft_forward_chain_exists(void);

/* A table that only this socket may change and that goes with it, whatever ends the process (flags owner, Linux 5.12):
 * a lock in the network namespace. Waits for it; -ETIMEDOUT. nft_free() releases it. */
int nft_lock(Nft *nft, const char *table, usec_t timeout);
