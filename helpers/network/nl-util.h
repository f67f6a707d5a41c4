/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libnl inside helpers/network/rtnl*.c: scope cleanup, and what those files share. Not for others: rtnl.h is.
 *
 * Messages are built with libnl's NLA_PUT_*() (they jump to nla_put_failure, where the builder returns
 * -EMSGSIZE: all our messages are short) and read with its policies, so that a short or oversized
 * attribute is -EBADMSG. */

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/socket.h>

#include "rtnl.h"

DEFINE_CLEANUP(struct nl_msg *, nlmsg_free)
DEFINE_CLEANUP(struct nl_sock *, nl_socket_free)
#define _cleanup_nl_msg_  _cleanup_(nlmsg_freep)
#define _cleanup_nl_sock_ _cleanup_(nl_socket_freep)

/* A message of that type with its fixed header (ifinfomsg, ndmsg ...); NULL: no memory. flags: NLM_F_ACK
 * for a change, NLM_F_DUMP for a list, neither for what the kernel answers with one message or an error. */
struct nl_msg *message_new(int type, int flags, const void *header, size_t header_size);

/* Called for each reply of the kernel that is neither an acknowledgement nor an error; negative ends the
 * request with that error once the kernel has said all. */
typedef int (*reply_t)(struct nlmsghdr *h, void *userdata);

/* Sends, waits for the kernel's verdict. With NLM_F_DUMP: -EINTR if the table changed meanwhile. f may be
 * NULL. */
int rtnl_call(Rtnl *rtnl, struct nl_msg *m, reply_t f, void *userdata);

/* Attributes behind the fixed header into tb[0..max]; -EBADMSG when short or against the policy. */
int message_parse(struct nlmsghdr *h, size_t header_size, struct nlattr **tb, int max,
                const struct nla_policy *policy);

/* A growing array for dumps: element (size bytes) is copied to the end. */
typedef struct List {
        void *items;
        size_t n, allocated;
} List;
int list_append(List *list, const void *element, size_t size);
static inline void list_done(List *list) {
        free(list->items);
}
#define _cleanup_list_ _cleanup_(list_done)

/* How often a dump that changes interrupt is begun anew, before -EAGAIN */
#define DUMP_TRIES 16

/* What a reply says; -EBADMSG: not understood, -ENOENT: fine, but not of a kind that we look at. Shown to
 * tests. */
int link_from_message(struct nlmsghdr *h, Link *ret);
int neighbour_from_message(struct nlmsghdr *h, Neighbour *ret);
int address_from_message(struct nlmsghdr *h, int *ret_ifindex, IPAddress *ret);
int vxlan_from_message(struct nlmsghdr *h, Vxlan *ret); /* -EINVAL: of another kind */
/* Adds those of that port to *vlans; what is of other ports or types is passed over. */
int vlans_from_message(struct nlmsghdr *h, int ifindex, PortVlans *vlans);
int link_address_from_message(struct nlmsghdr *h, int *ret_ifindex, LinkAddress *ret);
int route_from_message(struct nlmsghdr *h, Route *ret);
/* The one entry that the kernel answers RTM_GETNEIGH with */
int neighbour_get_one(Rtnl *rtnl, struct nl_msg *m, Neighbour *ret);
