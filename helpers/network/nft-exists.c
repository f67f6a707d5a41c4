/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Is there a table of that name for devices, is there a chain that forwarded packets pass? One message there and one back, or
 * a few, on a socket of nfnetlink: most taps, leases and switches have to do with none, and for those the library with all
 * that it brings need not be loaded. */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <endian.h>
#include <sys/socket.h>

#include "nft.h"

typedef struct Request {
        struct nlmsghdr header;
        struct nfgenmsg family;
        struct nlattr attribute;
        char name[NFT_TABLE_MAXNAMELEN];
} Request;

static size_t build(Request *q, const char *name) {
        size_t n = strlen(name) + 1, size;

        assert(n <= sizeof(q->name));
        *q = (Request){
                .header = { .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE,
                        .nlmsg_flags = NLM_F_REQUEST,
                        .nlmsg_seq = 1 },
                .family = { .nfgen_family = NFPROTO_NETDEV, .version = NFNETLINK_V0 },
                .attribute = { .nla_type = NFTA_TABLE_NAME, .nla_len = (uint16_t) (NLA_HDRLEN + n) },
        };
        memcpy(q->name, name, n);
        size = offsetof(Request, name) + NLA_ALIGN(n);
        q->header.nlmsg_len = (uint32_t) size;
        return size;
}

/* Netlink's messages are aligned as a struct nlmsghdr is. */
typedef union Reply {
        struct nlmsghdr header;
        struct {
                struct nlmsghdr header;
                struct nlmsgerr error;
        } refused;
        char bytes[4096];
} Reply;

/* A socket on which the request was sent */
static int ask(const void *request, size_t size) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

        if (fd < 0)
                return -errno;
        if (sendto(fd, request, size, 0, (struct sockaddr *) &kernel, sizeof(kernel)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static ssize_t receive(int fd, void *buf, size_t size) {
        ssize_t n;

        do
                n = recv(fd, buf, size, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return n < (ssize_t) sizeof(struct nlmsghdr) ? -EBADMSG : n;
}

static int error_of(const Reply *reply, ssize_t n) {
        return n < (ssize_t) sizeof(reply->refused) ? -EBADMSG : reply->refused.error.error;
}

static bool is_without_nftables(int r) { /* the kernel */
        return r == -ENOENT || r == -EINVAL || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT;
}

int nft_netdev_table_exists(const char *name) {
        _cleanup_close_ int fd = -1;
        Request q;
        Reply reply;
        ssize_t n;
        int r;

        fd = ask(&q, build(&q, name));
        if (fd < 0)
                return is_without_nftables(fd) ? 0 : fd;
        n = receive(fd, &reply, sizeof(reply));
        if (n < 0)
                return (int) n;
        if (reply.header.nlmsg_type != NLMSG_ERROR)
                return 1;
        r = error_of(&reply, n);
        return is_without_nftables(r) ? 0 : r;
}

/* ---- chains ---- */

/* NULL: there is none of that type. */
static const struct nlattr *find(const void *attributes, size_t size, unsigned short type) {
        const char *p = attributes;

        while (size >= sizeof(struct nlattr)) {
                const struct nlattr *a = (const void *) p;
                size_t step = NLA_ALIGN(a->nla_len);

                if (a->nla_len < sizeof(*a) || a->nla_len > size)
                        return NULL;
                if ((a->nla_type & NLA_TYPE_MASK) == type)
                        return a;
                p += MIN(step, size);
                size -= MIN(step, size);
        }
        return NULL;
}

static const struct nlattr *find_in(const struct nlattr *nest, unsigned short type) {
        return nest ? find(nest + 1, nest->nla_len - sizeof(*nest), type) : NULL;
}

static bool is_forward_chain(const struct nlmsghdr *h) {
        const struct nfgenmsg *g = (const void *) (h + 1);
        const size_t fixed = sizeof(*h) + NLA_ALIGN(sizeof(*g));
        const struct nlattr *table, *number;
        uint32_t hook;

        if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN) || h->nlmsg_len < fixed ||
                        (g->nfgen_family != NFPROTO_IPV4 && g->nfgen_family != NFPROTO_IPV6 &&
                                        g->nfgen_family != NFPROTO_INET))
                return false;
        table = find(g + 1, h->nlmsg_len - fixed, NFTA_CHAIN_TABLE);
        number = find_in(find(g + 1, h->nlmsg_len - fixed, NFTA_CHAIN_HOOK), NFTA_HOOK_HOOKNUM);
        if (!table || !number || number->nla_len < sizeof(*number) + sizeof(hook))
                return false;
        memcpy(&hook, number + 1, sizeof(hook));
        return be32toh(hook) == NF_INET_FORWARD && !startswith((const char *) (table + 1), "qnet-");
}

/* 1: there is one; 0: go on; -ENODATA: that was all. */
static int look(const char *buf, size_t n) {
        for (size_t at = 0; n - at >= sizeof(struct nlmsghdr);) {
                const struct nlmsghdr *h = (const void *) (buf + at);

                if (h->nlmsg_len < sizeof(*h) || h->nlmsg_len > n - at)
                        return -EBADMSG;
                if (h->nlmsg_type == NLMSG_DONE)
                        return -ENODATA;
                if (h->nlmsg_type == NLMSG_ERROR)
                        return error_of((const void *) h, (ssize_t) (n - at));
                if (is_forward_chain(h))
                        return 1;
                at += MIN((size_t) NLMSG_ALIGN(h->nlmsg_len), n - at);
        }
        return 0;
}

int nft_forward_chain_exists(void) {
        const struct {
                struct nlmsghdr header;
                struct nfgenmsg family;
        } q = {
                .header = { .nlmsg_len = sizeof(q),
                        .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                        .nlmsg_seq = 1 },
                .family = { .nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0 },
        };
        _cleanup_close_ int fd = -1;
        _Alignas(struct nlmsghdr) char buf[32 * 1024];
        ssize_t n;
        int r;

        fd = ask(&q, sizeof(q));
        if (fd < 0)
                return is_without_nftables(fd) ? 0 : fd;
        do {
                n = receive(fd, buf, sizeof(buf));
                r = n < 0 ? (int) n : look(buf, (size_t) n);
        } while (r == 0);
        return r == -ENODATA || is_without_nftables(r) ? 0 : r;
}
