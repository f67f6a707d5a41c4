/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <endian.h>

#include "qcow2.h"

#define QCOW2_MAGIC      0x514649fbU /* "QFI\xfb" */
#define EXTENSION_END    0U
#define EXTENSION_FORMAT 0xe2792acaU
#define BACKING_FILE_MAX 1023
#define HEADER_SIZE_V2   72
#define EXTENSIONS_MAX   64

typedef struct Header {
        uint32_t magic, version;
        uint64_t backing_file_offset;
        uint32_t backing_file_size, cluster_bits;
        uint64_t size;
        uint32_t crypt_method, l1_size;
        uint64_t l1_table_offset, refcount_table_offset;
        uint32_t refcount_table_clusters, nb_snapshots;
        uint64_t snapshots_offset;
        /* version 3 */
        uint64_t incompatible_features, compatible_features, autoclear_features;
        uint32_t refcount_order, header_length;
} __attribute__((packed)) Header;

/* Exactly n bytes; a file that ends before is broken. */
static int read_at(int fd, void *p, size_t n, uint64_t offset) {
        ssize_t k;

        if (offset > INT64_MAX - n)
                return -EBADMSG;
        k = pread(fd, p, n, (off_t) offset);
        return k < 0 ? -errno : (size_t) k == n ? 0 : -EBADMSG;
}

static int read_text(int fd, char *text, size_t n, uint64_t offset) {
        int r;

        r = read_at(fd, text, n, offset);
        if (r < 0)
                return r;
        text[n] = '\0';
        return strlen(text) == n ? 0 : -EBADMSG;
}

static int read_backing_format(int fd, uint64_t offset, Qcow2 *q) {
        for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
                uint32_t e[2];
                int r;

                r = read_at(fd, e, sizeof(e), offset);
                if (r < 0)
                        return r;
                e[0] = be32toh(e[0]);
                e[1] = be32toh(e[1]);
                if (e[0] == EXTENSION_END)
                        return 0;
                offset += sizeof(e);
                if (e[0] == EXTENSION_FORMAT)
                        return e[1] < sizeof(q->backing_format)
                                               ? read_text(fd, q->backing_format, e[1], offset)
                                               : -EBADMSG;
                offset += ((uint64_t) e[1] + 7) & ~UINT64_C(7);
        }
        return -EBADMSG;
}

int qcow2_read(int fd, Qcow2 *ret) {
        Qcow2 q = {};
        Header h = {};
        uint32_t length;
        ssize_t n;
        int r;

        n = pread(fd, &h, sizeof(h), 0);
        if (n < 0)
                return -errno;
        if (n < 4 || be32toh(h.magic) != QCOW2_MAGIC)
                return -EMEDIUMTYPE;
        q.version = be32toh(h.version);
        q.size = be64toh(h.size);
        if (n < HEADER_SIZE_V2 || (q.version != 2 && q.version != 3) ||
                        (q.version == 3 && n < (ssize_t) sizeof(h)))
                return -EBADMSG;

        length = be32toh(h.backing_file_size);
        if (h.backing_file_offset != 0 && length > 0) {
                if (length > BACKING_FILE_MAX)
                        return -EBADMSG;
                r = read_text(fd, q.backing_file, length, be64toh(h.backing_file_offset));
                if (r < 0)
                        return r;
        }
        r = read_backing_format(fd, q.version == 3 ? be32toh(h.header_length) : HEADER_SIZE_V2, &q);
        if (r < 0)
                return r;
        *ret = q;
        return 0;
}
