/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The preflight's questions about firewalls: does one drop what is to be routed for guests (NAT), and does br_netfilter
 * hand what guests send to each other to one that drops it, as Docker's does. */

#include <fcntl.h>

#include "firewall.h"
#include "preflight.h"

/* Without br_netfilter there is no such file. */
static bool bridges_call(const char *what) {
        _cleanup_close_ int fd = -1;
        char path[64], c;

        snprintf(path, sizeof(path), "/proc/sys/net/bridge/bridge-nf-call-%s", what);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd >= 0 && read(fd, &c, 1) == 1 && c != '0';
}

static int check(Preflight *p, Nft *nft, FirewallWay way, bool ipv4, bool ipv6) {
        _cleanup_strv_ char **sentences = NULL;
        int r;

        if (!ipv4 && !ipv6)
                return 0;
        r = firewall_check(nft, way, p->bridge, ipv4, ipv6, &sentences);
        STRV_FOREACH(s, sentences)
                if (r >= 0)
                        r = preflight_add(p, true, "firewall", "%s", *s);
        return r;
}

int preflight_firewall(Preflight *p) {
        bool bridged4 = bridges_call("iptables"), bridged6 = bridges_call("ip6tables");
        _cleanup_nft_ Nft *nft = NULL;
        int r;

        if (!bridged4 && !bridged6 && !p->nat)
                return 0;
        r = nft_forward_chain_exists();
        if (r > 0)
                r = nft_new(&nft);
        if (r >= 0)
                r = check(p, nft, FIREWALL_BRIDGED, bridged4, bridged6);
        if (r >= 0 && p->nat && !p->starting)
                r = check(p, nft, FIREWALL_ROUTED, preflight_has_family(p, AF_INET), preflight_has_family(p, AF_INET6));
        return r;
}
