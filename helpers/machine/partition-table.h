/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the disk ends that a raw image is of, by its partition table: such images are often published
 * without the empty end. Reads no more than the first mebibyte; changes nothing. Silent, but for libfdisk's
 * own complaints about tables that it finds broken. */

#include "cleanup.h"

/* GPT: the disk that the table was made for, with the backup table at its end. MBR: the end of the last
 * partition, rounded up to whole cylinders if the table is one of cylinders, heads and sectors: if all
 * partitions begin on tracks. -ENODATA: there is no table, or no partition in it; -EBADMSG: one that makes
 * no sense. */
int partition_table_end(int fd, uint64_t *ret_bytes);
