/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Is there a table of that name for devices? One message there and one back, on a socket of nfnetlink: most taps and most leases have
 * to do with none, and for those the library with all that it brings need not be loaded. */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
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

int nft_netdev_table_exists(const char *name) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        Request q;
        Reply reply;
        ssize_t n;

        if (fd < 0)
                return errno == EPROTONOSUPPORT ? 0 : -errno;
        if (sendto(fd, &q, build(&q, name), 0, (struct sockaddr *) &kernel, sizeof(kernel)) < 0)
                return -errno;
        do
                n = recv(fd, &reply, sizeof(reply), 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n < (ssize_t) sizeof(reply.header))
                return -EBADMSG;
        if (reply.header.nlmsg_type != NLMSG_ERROR)
                return 1;
        if (n < (ssize_t) sizeof(reply.refused))
                return -EBADMSG;
        switch (reply.refused.error.error) {
        case -ENOENT:
        case -EINVAL: /* a kernel without nf_tables */
        case -EOPNOTSUPP:
                return 0;
        default:
                return reply.refused.error.error;
        }
}
