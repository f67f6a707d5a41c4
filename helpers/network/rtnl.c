/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The socket under rtnl.h: one request, the kernel's replies, its verdict. In: a message from message_new(). Out:
 * negative errno, with the kernel's own text kept for rtnl_reason().
 *
 * Why not nl_recvmsgs(): it folds the kernel's errno into the coarser NLE_* (EBUSY, EADDRINUSE, EOPNOTSUPP and
 * others lose their meaning), and has no place for the text of an extended acknowledgement. What libnl returns where
 * it is used (NLE_*) becomes errno here and in no other file.
 *
 * A reply counts only if the kernel sent it (port 0) and it bears the request's sequence number: what an aborted
 * request left in the queue is skipped. */

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "nl-util.h"

#define RECEIVE_SIZE (32U * 1024U) /* the most that the kernel puts into one datagram of a dump */
#define EVENT_BUFFER (1024 * 1024) /* of the socket: some 5,000 news unread */

struct Rtnl {
        struct nl_sock *sk;
        uint32_t sequence;
        char reason[160];
        struct nlmsghdr *pending; /* news: the datagram being read, from malloc */
        struct nlmsghdr *next;
        int left;
};

static int nle_to_errno(int e) {
        switch (abs(e)) {
        case 0:
                return 0;
        case NLE_NOMEM:
                return -ENOMEM;
        case NLE_AGAIN:
                return -EAGAIN;
        case NLE_INTR:
                return -EINTR;
        case NLE_PERM:
        case NLE_NOACCESS:
                return -EPERM;
        case NLE_AF_NOSUPPORT:
        case NLE_PROTO_MISMATCH:
                return -EAFNOSUPPORT;
        case NLE_BAD_SOCK:
                return -EBADF;
        case NLE_MSG_TRUNC:
        case NLE_MSG_TOOSHORT:
        case NLE_MSG_OVERFLOW:
                return -EBADMSG;
        case NLE_EXIST:
                return -EADDRINUSE;
        default:
                return -EIO;
        }
}

Rtnl *rtnl_free(Rtnl *rtnl) {
        if (!rtnl)
                return NULL;
        free(rtnl->pending);
        nl_socket_free(rtnl->sk);
        free(rtnl);
        return NULL;
}

int rtnl_new(Rtnl **ret) {
        _cleanup_rtnl_ Rtnl *rtnl = calloc(1, sizeof(*rtnl));
        const int on = 1;
        int r;

        if (!rtnl)
                return -ENOMEM;
        rtnl->sk = nl_socket_alloc();
        if (!rtnl->sk)
                return -ENOMEM;
        r = nl_connect(rtnl->sk, NETLINK_ROUTE);
        if (r < 0)
                return nle_to_errno(r);
        nl_socket_disable_msg_peek(rtnl->sk);
        r = nl_socket_set_msg_buf_size(rtnl->sk, RECEIVE_SIZE);
        if (r < 0)
                return nle_to_errno(r);

        /* Texts with errors, no copy of the request in them, filters in dumps taken seriously. A kernel that has one
         * of them not does without: then there is no text, and lists are filtered here. */
        (void) setsockopt(nl_socket_get_fd(rtnl->sk), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
        (void) setsockopt(nl_socket_get_fd(rtnl->sk), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
        (void) setsockopt(nl_socket_get_fd(rtnl->sk), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
        *ret = TAKE_PTR(rtnl);
        return 0;
}

const char *rtnl_reason(const Rtnl *rtnl) {
        return rtnl->reason;
}

struct nl_msg *message_new(int type, int flags, const void *header, size_t header_size) {
        _cleanup_nl_msg_ struct nl_msg *m = nlmsg_alloc_simple(type, flags | NLM_F_REQUEST);

        if (!m || nlmsg_append(m, (void *) header, header_size, NLMSG_ALIGNTO) < 0)
                return NULL;
        return TAKE_PTR(m);
}

int message_parse(struct nlmsghdr *h, size_t header_size, struct nlattr **tb, int max,
                const struct nla_policy *policy) {
        if (nlmsg_parse(h, (int) header_size, tb, max, policy) < 0)
                return -EBADMSG;
        return 0;
}

int list_append(List *list, const void *element, size_t size) {
        if (list->n == list->allocated) {
                size_t n = MAX(list->allocated * 2, (size_t) 16);
                void *p = reallocarray(list->items, n, size);
                if (!p)
                        return -ENOMEM;
                list->items = p;
                list->allocated = n;
        }
        memcpy((char *) list->items + list->n * size, element, size);
        list->n++;
        return 0;
}

/* linux/netlink.h: struct nlmsgerr, then, with NLM_F_ACK_TLVS, attributes; NETLINK_CAP_ACK left out the request. */
static void keep_reason(Rtnl *rtnl, struct nlmsghdr *h) {
        static const struct nla_policy policy[NLMSGERR_ATTR_MAX + 1] = {
                [NLMSGERR_ATTR_MSG] = { .type = NLA_STRING },
        };
        struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
        const char *text;

        if ((h->nlmsg_flags & (NLM_F_ACK_TLVS | NLM_F_CAPPED)) != (NLM_F_ACK_TLVS | NLM_F_CAPPED))
                return;
        if (message_parse(h, sizeof(struct nlmsgerr), tb, NLMSGERR_ATTR_MAX, policy) < 0 ||
                        !tb[NLMSGERR_ATTR_MSG])
                return;
        text = nla_data(tb[NLMSGERR_ATTR_MSG]);
        snprintf(rtnl->reason, sizeof(rtnl->reason), ": %.*s", (int) nla_len(tb[NLMSGERR_ATTR_MSG]), text);
}

/* One datagram of the kernel's; 0: somebody else's, nothing in it. */
static int receive(Rtnl *rtnl, struct nlmsghdr **ret) {
        struct sockaddr_nl from = { 0 };
        unsigned char *buf = NULL;
        int n;

        n = nl_recv(rtnl->sk, &from, &buf, NULL);
        if (n < 0) /* NLE_NOMEM stands for ENOBUFS too, which is the one that happens: news got lost */
                return n == -NLE_NOMEM ? -ENOBUFS : nle_to_errno(n);
        if (n == 0 || from.nl_pid != 0) {
                if (n > 0)
                        free(buf);
                return 0;
        }
        *ret = (struct nlmsghdr *) (void *) buf;
        return n;
}

typedef struct Request {
        reply_t f;
        void *userdata;
        int result;  /* the first error of f, or -EINTR for an interrupted dump */
        bool single; /* the reply is the verdict too */
        bool done;
} Request;

/* The verdict in NLMSG_ERROR and NLMSG_DONE: both start with an int that is 0 or negative errno. */
static int read_verdict(Rtnl *rtnl, struct nlmsghdr *h, Request *q) {
        int e = 0;

        q->done = true;
        if (h->nlmsg_type == NLMSG_ERROR && nlmsg_datalen(h) < (int) sizeof(struct nlmsgerr))
                return -EBADMSG;
        if (nlmsg_datalen(h) >= (int) sizeof(e))
                memcpy(&e, nlmsg_data(h), sizeof(e));
        if (e < 0 && h->nlmsg_type == NLMSG_ERROR)
                keep_reason(rtnl, h);
        return e < 0 ? e : q->result;
}

static int read_message(Rtnl *rtnl, struct nlmsghdr *h, Request *q) {
        int r;

        if (h->nlmsg_seq != rtnl->sequence)
                return 0;
        if ((h->nlmsg_flags & NLM_F_DUMP_INTR) && q->result == 0)
                q->result = -EINTR;
        switch (h->nlmsg_type) {
        case NLMSG_NOOP:
                return 0;
        case NLMSG_ERROR:
        case NLMSG_DONE:
                return read_verdict(rtnl, h, q);
        case NLMSG_OVERRUN:
                q->result = -ENOBUFS;
                return 0;
        }
        if (q->f && q->result == 0) {
                r = q->f(h, q->userdata);
                if (r < 0)
                        q->result = r;
        }
        q->done = q->single;
        return q->single ? q->result : 0;
}

int rtnl_call(Rtnl *rtnl, struct nl_msg *m, reply_t f, void *userdata) {
        Request q = {
                .f = f,
                .userdata = userdata,
                .single = !(nlmsg_hdr(m)->nlmsg_flags & (NLM_F_ACK | NLM_F_DUMP)),
        };
        int r;

        rtnl->reason[0] = '\0';
        rtnl->sequence = nl_socket_use_seq(rtnl->sk);
        nlmsg_hdr(m)->nlmsg_seq = rtnl->sequence;
        nlmsg_hdr(m)->nlmsg_pid = nl_socket_get_local_port(rtnl->sk);
        r = nl_send(rtnl->sk, m);
        if (r < 0)
                return nle_to_errno(r);

        while (!q.done) {
                _cleanup_free_ struct nlmsghdr *buf = NULL;
                int left;

                left = receive(rtnl, &buf);
                if (left < 0)
                        return left;
                r = 0;
                for (struct nlmsghdr *h = buf; h && nlmsg_ok(h, left) && !q.done; h = nlmsg_next(h, &left))
                        r = read_message(rtnl, h, &q);
        }
        return r;
}

int rtnl_subscribe(Rtnl *rtnl) {
        int r;

        /* the default of some 200 kB holds but few; what the limit of the system is, it caps by itself */
        (void) nl_socket_set_buffer_size(rtnl->sk, EVENT_BUFFER, 0);
        r = nl_socket_add_memberships(rtnl->sk, RTNLGRP_NEIGH, RTNLGRP_LINK, 0);
        return nle_to_errno(r);
}

static int event_from_message(struct nlmsghdr *h, Event *ret) {
        switch (h->nlmsg_type) {
        case RTM_NEWNEIGH:
                ret->kind = EVENT_NEIGHBOUR;
                return neighbour_from_message(h, &ret->neighbour);
        case RTM_DELLINK: /* of AF_BRIDGE: only no longer a port */
                if (!nlmsg_valid_hdr(h, sizeof(struct ifinfomsg)))
                        return -EBADMSG;
                if (((struct ifinfomsg *) nlmsg_data(h))->ifi_family != AF_UNSPEC)
                        return -ENOENT;
                ret->kind = EVENT_LINK_GONE;
                ret->ifindex = ((struct ifinfomsg *) nlmsg_data(h))->ifi_index;
                return 0;
        default:
                return -ENOENT;
        }
}

/* From the datagram at hand; false: nothing more in it that is news to us. */
static bool read_pending(Rtnl *rtnl, Event *ret) {
        while (rtnl->pending && nlmsg_ok(rtnl->next, rtnl->left)) {
                struct nlmsghdr *h = rtnl->next;
                rtnl->next = nlmsg_next(h, &rtnl->left);
                if (event_from_message(h, ret) >= 0)
                        return true;
        }
        free(rtnl->pending);
        rtnl->pending = NULL;
        return false;
}

static int wait_readable(int fd, usec_t deadline) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        struct timespec now, left;
        usec_t t;
        int r;

        clock_gettime(CLOCK_MONOTONIC, &now);
        t = (usec_t) now.tv_sec * USEC_PER_SEC + (usec_t) now.tv_nsec / 1000;
        t = deadline > t ? deadline - t : 0;
        left = (struct timespec){ (time_t) (t / USEC_PER_SEC), (long) (t % USEC_PER_SEC) * 1000 };
        r = ppoll(&p, 1, deadline == USEC_INFINITY ? NULL : &left, NULL);
        return r < 0 ? -errno : r;
}

int rtnl_next_event(Rtnl *rtnl, usec_t deadline, Event *ret) {
        Event event = { 0 };
        int r;

        while (!read_pending(rtnl, &event)) {
                event = (Event){ 0 };
                r = wait_readable(nl_socket_get_fd(rtnl->sk), deadline);
                if (r == -EINTR)
                        continue;
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                r = receive(rtnl, &rtnl->pending);
                if (r == -ENOBUFS) {
                        event.kind = EVENT_LOST;
                        break;
                }
                if (r < 0)
                        return r;
                rtnl->next = rtnl->pending;
                rtnl->left = r;
        }
        *ret = event;
        return 0;
}
