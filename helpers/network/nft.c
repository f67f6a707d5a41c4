/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libnftables tells an error only as text: "Error: Could not process rule: No such file or directory", then the
 * command and a line of marks below it. The text becomes errno here, and its first line the reason. */

#include <dlfcn.h>
#include <nftables/libnftables.h>
#include <time.h>

#include "nft.h"

#define LOCK_INTERVAL (5 * USEC_PER_MSEC)

/* What is used of the library, under the library's own names */
#define FUNCTIONS                                                                                      \
        X(nft_ctx_new)                                                                                 \
        X(nft_ctx_free)                                                                                \
        X(nft_ctx_buffer_output)                                                                       \
        X(nft_ctx_buffer_error)                                                                        \
        X(nft_ctx_get_output_buffer)                                                                   \
        X(nft_ctx_get_error_buffer)                                                                    \
        X(nft_ctx_output_set_flags)                                                                    \
        X(nft_run_cmd_from_buffer)
typedef struct Library {
#define X(f) __typeof__(f) *f;
        FUNCTIONS
#undef X
} Library;

struct Nft {
        Library lib;
        void *handle;
        struct nft_ctx *ctx;
        char reason[256];
};

Nft *nft_free(Nft *nft) {
        if (!nft)
                return NULL;
        if (nft->ctx)
                nft->lib.nft_ctx_free(nft->ctx);
        if (nft->handle)
                dlclose(nft->handle);
        free(nft);
        return NULL;
}

static int load(Nft *nft) {
        nft->handle = dlopen("libnftables.so.1", RTLD_NOW | RTLD_NODELETE);
        if (!nft->handle)
                return -ELIBACC;
#define X(f)                                                       \
        *(void **) &nft->lib.f = dlsym(nft->handle, #f); /* POSIX */ \
        if (!nft->lib.f)                                           \
                return -ELIBBAD;
        FUNCTIONS
#undef X
        return 0;
}

int nft_new(Nft **ret) {
        _cleanup_nft_ Nft *nft = calloc(1, sizeof(*nft));
        int r;

        if (!nft)
                return -ENOMEM;
        r = load(nft);
        if (r < 0)
                return r;
        nft->ctx = nft->lib.nft_ctx_new(NFT_CTX_DEFAULT);
        if (!nft->ctx || nft->lib.nft_ctx_buffer_output(nft->ctx) != 0 ||
                        nft->lib.nft_ctx_buffer_error(nft->ctx) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(nft);
        return 0;
}

const char *nft_reason(const Nft *nft) {
        return nft->reason;
}

static int keep_reason(Nft *nft, const char *text) {
        static const int known[] = { EPERM, ENOENT, EEXIST, EBUSY, EOPNOTSUPP, ENOMEM, EAFNOSUPPORT, ENOBUFS };
        const char *start = strstr(text, "Error: ");

        start = start ? start + strlen("Error: ") : text;
        snprintf(nft->reason, sizeof(nft->reason), ": %.*s", (int) strcspn(start, "\n"), start);
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (endswith(nft->reason, strerror(known[i])))
                        return -known[i];
        return strstr(text, "syntax error") ? -EINVAL : -EIO;
}

int nft_run(Nft *nft, const char *commands) {
        nft->reason[0] = '\0';
        (void) nft->lib.nft_ctx_get_output_buffer(nft->ctx); /* what nobody has fetched would stay in front */
        if (nft->lib.nft_run_cmd_from_buffer(nft->ctx, commands) == 0)
                return 0;
        return keep_reason(nft, nft->lib.nft_ctx_get_error_buffer(nft->ctx));
}

int nft_query(Nft *nft, const char *command, json_t **ret) {
        _cleanup_json_ json_t *root = NULL;
        json_t *array;
        int r;

        nft->lib.nft_ctx_output_set_flags(nft->ctx, NFT_CTX_OUTPUT_JSON);
        r = nft_run(nft, command);
        nft->lib.nft_ctx_output_set_flags(nft->ctx, 0);
        if (r < 0)
                return r;
        root = json_loads(nft->lib.nft_ctx_get_output_buffer(nft->ctx), 0, NULL);
        array = json_object_get(root, "nftables");
        if (!json_is_array(array))
                return -EBADMSG;
        *ret = json_incref(array);
        return 0;
}

json_t *nft_next(json_t *array, const char *kind, size_t *i) {
        while (*i < json_array_size(array)) {
                json_t *found = json_object_get(json_array_get(array, (*i)++), kind);
                if (found)
                        return found;
        }
        return NULL;
}

/* To others an owned table is EPERM, as is everything to those without the privilege. */
static bool may_list(Nft *nft) {
        return nft_run(nft, "list tables inet") >= 0;
}

int nft_lock(Nft *nft, const char *table, usec_t timeout) {
        const struct timespec interval = { .tv_nsec = (long) LOCK_INTERVAL * 1000 };
        char command[128];
        int r;

        snprintf(command, sizeof(command), "create table inet %s { flags owner; }", table);
        for (usec_t waited = 0; (r = nft_run(nft, command)) == -EEXIST || r == -EPERM; waited += LOCK_INTERVAL) {
                if (waited == 0 && !may_list(nft))
                        return -EPERM;
                if (waited >= timeout)
                        return -ETIMEDOUT;
                nanosleep(&interval, NULL);
        }
        return r;
}
