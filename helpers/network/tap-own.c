/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-tap own: just before QEMU starts, gives the tap to the VM's user, picks a random MAC if asked, and
 * makes the guest's static addresses permanent neighbour entries, so that a guest that freezes is found by
 * its address. */

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "describe.h"
#include "env-file.h"
#include "log.h"
#include "tap.h"
#include "tap-security.h"
#include "tun.h"

#ifndef IFF_LOWER_UP /* of linux/if.h, which does not go with net/if.h; on a tap: somebody holds it */
#define IFF_LOWER_UP (1U << 16)
#endif

static int find_owner(const TapArguments *a, uid_t *ret) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (!a->owner_of) {
                *ret = a->owner;
                return 0;
        }
        fd = open(a->owner_of, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return log_error_errno(errno, "Cannot tell the owner of directory %s: %m", a->owner_of);
        *ret = st.st_uid;
        return 0;
}

static int find_tap(Rtnl *rtnl, const TapArguments *a, Link *ret) {
        char text[LINK_DESCRIPTION_SIZE];
        int r;

        r = link_get_by_name(rtnl, a->ifname, ret);
        if (r == -ENODEV)
                return log_error_errno(r, "There is no tap %s", a->ifname);
        if (r < 0)
                return log_error_errno(r, "Cannot look up %s: %m%s", a->ifname, rtnl_reason(rtnl));
        if (!link_is_our_tap(ret)) {
                log_error("%s is not a tap of a VM, but %s", a->ifname, link_describe(ret, text));
                return -EPERM;
        }
        return 0;
}

static int give(const TapArguments *a, const Link *link, uid_t uid) {
        _cleanup_close_ int fd = -1;
        int r;

        /* one with several queues would let us in as one more */
        r = link->multi_queue && (link->flags & IFF_LOWER_UP)
                            ? -EBUSY
                            : tun_attach(a->ifname, link->ifindex, link->multi_queue, &fd);
        if (r == -EBUSY)
                return log_error_errno(r,
                                "Tap %s is held by another process; does a QEMU of VM %s still run?",
                                a->ifname, link->alias.name);
        if (r >= 0)
                r = tun_set_owner(fd, uid);
        if (r < 0)
                return log_error_errno(r, "Cannot give tap %s to user %u: %m", a->ifname, (unsigned) uid);
        return 0;
}

static bool is_taken(const Link *taps, size_t n, const struct ether_addr *mac) {
        for (size_t i = 0; i < n; i++)
                if (taps[i].alias.has_mac && mac_equal(&taps[i].alias.mac, mac))
                        return true;
        return false;
}

/* QEMU's own prefix, then three random bytes that no tap of ours has */
static int pick_mac(Rtnl *rtnl, struct ether_addr *ret) {
        struct ether_addr mac = { .ether_addr_octet = { 0x52, 0x54, 0x00 } };
        _cleanup_free_ Link *taps = NULL;
        size_t n;
        int r;

        r = link_list(rtnl, &(LinkFilter){ .alias = ALIAS_TAP }, &taps, &n);
        if (r < 0)
                return log_error_errno(r, "Cannot list taps: %m%s", rtnl_reason(rtnl));
        do
                if (getrandom(mac.ether_addr_octet + 3, 3, 0) != 3)
                        return log_error_errno(errno, "Cannot get random bytes: %m");
        while (is_taken(taps, n, &mac));
        *ret = mac;
        return 0;
}

static int change_mac(Rtnl *rtnl, const TapArguments *a, Link *link) {
        Alias alias = link->alias;
        char text[ALIAS_SIZE];
        struct ether_addr own;
        int r;

        r = pick_mac(rtnl, &alias.mac);
        if (r < 0)
                return r;
        if (alias.has_mac) {
                r = tap_unpin(rtnl, link);
                if (r < 0)
                        log_warning_errno(r,
                                        "Cannot remove the neighbour entries of the old MAC of %s, ignoring: %m%s",
                                        a->ifname, rtnl_reason(rtnl));
        }
        alias.has_mac = true;
        own = link_is_macvtap(link) ? alias.mac : tap_own_mac(&alias.mac);
        r = link_set(rtnl, &(LinkChange){
                                           .ifindex = link->ifindex,
                                           .alias = alias_format(&alias, text),
                                           .mac = &own,
                           });
        if (r < 0)
                return log_error_errno(
                                r, "Cannot change the MAC of tap %s: %m%s", a->ifname, rtnl_reason(rtnl));
        link->alias = alias;
        return tap_security_set_mac(a->ifname, &alias.mac);
}

static int tell_mac(const TapArguments *a, const struct ether_addr *mac) {
        char name[32], text[MAC_STRING_SIZE];
        int r;

        snprintf(name, sizeof(name), "QNET_MAC%u", a->index);
        r = env_file_set(a->env_file, name, format_mac(mac, text));
        if (r < 0)
                return log_error_errno(r, "Cannot write %s to %s: %m", name, a->env_file);
        return 0;
}

static int pin(Rtnl *rtnl, const TapArguments *a, const Link *link) {
        char text[IP_STRING_SIZE];
        int r, device;

        if (a->n_pins == 0)
                return 0;
        if (!link->alias.has_mac) {
                log_error("Cannot pin addresses of VM %s: tap %s has no MAC of the guest yet (--mac=random)",
                                link->alias.name, a->ifname);
                return -EINVAL;
        }
        r = tap_find_neighbour_device(rtnl, link, &device);
        if (r < 0)
                return log_error_errno(r, "Cannot tell where the host meets VM %s: %m%s", link->alias.name,
                                rtnl_reason(rtnl));
        for (size_t i = 0; i < a->n_pins; i++) {
                r = neighbour_pin(rtnl, device, &a->pins[i], &link->alias.mac);
                if (r < 0)
                        return log_error_errno(r, "Cannot make %s of VM %s a permanent neighbour: %m%s",
                                        format_ip(&a->pins[i], text), link->alias.name, rtnl_reason(rtnl));
        }
        return 0;
}

int tap_own(Rtnl *rtnl, const TapArguments *a) {
        Link link;
        uid_t uid = (uid_t) -1;
        int r;

        r = find_owner(a, &uid);
        if (r < 0)
                return r;
        r = find_tap(rtnl, a, &link);
        if (r < 0)
                return r;
        if (a->store && !link_is_macvtap(&link)) {
                log_error("%s is not a macvtap: QEMU opens a tap by its name, without --store", a->ifname);
                return -EINVAL;
        }
        r = link_is_macvtap(&link) ? 0 : give(a, &link, uid); /* of a macvtap, QEMU gets a descriptor */
        if (r < 0)
                return r;
        if (a->random_mac) {
                r = change_mac(rtnl, a, &link);
                if (r >= 0)
                        r = tell_mac(a, &link.alias.mac);
                if (r < 0)
                        return r;
        }
        if (a->vhost) {
                r = tap_tell_vhost(a);
                if (r < 0)
                        return r;
        }
        r = pin(rtnl, a, &link);
        return r < 0 || !a->store ? r : tap_store(a, &link);
}
