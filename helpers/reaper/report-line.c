/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "report-line.h"

int report_line(const char *line, size_t n, const char **ret_start, size_t *ret_n) {
        while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t' || line[n - 1] == '\r'))
                n--;
        while (n > 0 && (*line == ' ' || *line == '\t')) {
                line++;
                n--;
        }
        if (n == 0)
                return 0;
        if (n > REPORT_LINE_MAX)
                return -EMSGSIZE;
        for (size_t i = 0; i < n; i++)
                if (line[i] < ' ' || line[i] > '~')
                        return -EILSEQ;
        *ret_start = line;
        *ret_n = n;
        return 1;
}

int report_peer_parse(const char *s, ReportPeer *ret) {
        const char *cid = startswith(s, "cid:");
        ReportPeer p = { 0 };
        int r;

        if (cid)
                r = parse_unsigned(cid, 0, VMADDR_CID_ANY - 1, &p.cid);
        else if (strchr(s, '/'))
                r = parse_ip_prefix(s, &p.ip);
        else {
                r = parse_ip(s, &p.ip);
                p.ip.prefix = (unsigned char) (8 * ip_size(p.ip.family));
        }
        if (r >= 0)
                *ret = p;
        return r;
}

/* An address that the kernel gives; AF_UNSPEC for families without. */
static IPAddress peer_ip(const struct sockaddr *peer) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) (const void *) peer;
        const struct sockaddr_in *in = (const struct sockaddr_in *) (const void *) peer;
        IPAddress ip = { .family = AF_UNSPEC };

        if (peer->sa_family == AF_INET) {
                ip.family = AF_INET;
                memcpy(ip.bytes, &in->sin_addr, 4);
        } else if (peer->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
                ip.family = AF_INET;
                memcpy(ip.bytes, in6->sin6_addr.s6_addr + 12, 4);
        } else if (peer->sa_family == AF_INET6) {
                ip.family = AF_INET6;
                memcpy(ip.bytes, &in6->sin6_addr, 16);
        }
        return ip;
}

static bool in_network(const IPAddress *ip, const IPAddress *network) {
        unsigned bytes = network->prefix / 8U, bits = network->prefix % 8U;

        if (ip->family != network->family || memcmp(ip->bytes, network->bytes, bytes) != 0)
                return false;
        return bits == 0 || ((ip->bytes[bytes] ^ network->bytes[bytes]) >> (8 - bits)) == 0;
}

bool report_peer_allowed(const struct sockaddr *peer, const ReportPeer *list, size_t n) {
        const struct sockaddr_vm *vm = (const struct sockaddr_vm *) (const void *) peer;
        const IPAddress ip = peer_ip(peer);

        for (size_t i = 0; i < n; i++) {
                if (list[i].ip.family == AF_UNSPEC && peer->sa_family == AF_VSOCK && vm->svm_cid == list[i].cid)
                        return true;
                if (ip.family != AF_UNSPEC && list[i].ip.family != AF_UNSPEC && in_network(&ip, &list[i].ip))
                        return true;
        }
        return false;
}

const char *report_peer_format(const struct sockaddr *peer, char buf[static REPORT_PEER_SIZE]) {
        const struct sockaddr_vm *vm = (const struct sockaddr_vm *) (const void *) peer;
        const IPAddress ip = peer_ip(peer);

        if (ip.family != AF_UNSPEC)
                return format_ip(&ip, buf);
        if (peer->sa_family == AF_VSOCK)
                snprintf(buf, REPORT_PEER_SIZE, "vsock context %u", vm->svm_cid);
        else
                snprintf(buf, REPORT_PEER_SIZE, "address family %u", (unsigned) peer->sa_family);
        return buf;
}
