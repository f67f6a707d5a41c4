/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* qnet-nat add and del. The order is what makes them safe to kill: rules and the memory of what was off come first, in
 * one transaction, then forwarding is turned on; and the other way round, forwarding is turned off, then rules and memory
 * go in one transaction. Whoever comes next does the same again, and ends where an undisturbed run would have. */

#include "log.h"
#include "nat.h"

#define LOCK_TABLE   NAT_SHARED_TABLE "-lock"
#define LOCK_TIMEOUT (30 * USEC_PER_SEC)

static int lock_and_load(Nft *nft, NatState *ret) {
        int r;

        r = nft_lock(nft, LOCK_TABLE, LOCK_TIMEOUT);
        if (r == -ETIMEDOUT)
                return log_error_errno(r, "Another qnet-nat holds the table " LOCK_TABLE " since long: %m");
        if (r < 0)
                return log_error_errno(r, "Cannot make an nftables table: %m%s", nft_reason(nft));
        r = nat_state_load(nft, ret);
        if (r < 0)
                return log_error_errno(r,
                                "Cannot read the table " NAT_SHARED_TABLE ": %m%s. To begin anew: nft delete table inet "
                                NAT_SHARED_TABLE,
                                nft_reason(nft));
        return 0;
}

/* Rules and memory in one transaction */
static int commit(Nft *nft, const NatArguments *a, const NatState *s, bool add) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int r;

        if (!f)
                return log_oom();
        if (add)
                nat_table_write(f, a);
        else
                fprintf(f, "add table inet " NAT_TABLE "%s\ndelete table inet " NAT_TABLE "%s\n", a->name,
                                a->name);
        nat_state_write(f, s);
        if (fclose(f) != 0)
                return log_oom();
        r = nft_run(nft, text);
        if (r < 0)
                return log_error_errno(r, "Cannot %s the table " NAT_TABLE "%s: %m%s", add ? "write" : "remove",
                                a->name, nft_reason(nft));
        return 0;
}

static const NatDevice *find_device(const NatState *s, const char *ifname, const char *nat) {
        for (size_t i = 0; i < s->n_devices; i++)
                if ((ifname && streq(s->devices[i].ifname, ifname)) || (nat && streq(s->devices[i].nat, nat)))
                        return &s->devices[i];
        return NULL;
}

static int turn_off(Rtnl *rtnl, Nft *nft, NatState *s, const char *nat) {
        const NatDevice *device = find_device(s, NULL, nat);
        char ifname[IFNAMSIZ];

        if (!device)
                return 0;
        memcpy(ifname, device->ifname, sizeof(ifname));
        if (s->n_devices == 1)
                return nat_forwarding_turn_off(rtnl, nft, s);
        return nat_forwarding_turn_off_device(rtnl, s, ifname);
}

static int undo(Rtnl *rtnl, Nft *nft, NatState *s, const NatArguments *a) {
        int r, q;

        r = turn_off(rtnl, nft, s, a->name);
        nat_state_remove_device(s, a->name);
        q = commit(nft, a, s, false);
        return r < 0 ? r : q;
}

/* What the switch was called or which device it had before may have changed. */
static int take_device(Rtnl *rtnl, Nft *nft, NatState *s, const NatArguments *a) {
        const NatDevice *device = find_device(s, NULL, a->name);
        int r;

        if (device && !streq(device->ifname, a->device)) {
                r = undo(rtnl, nft, s, a);
                if (r < 0)
                        return r;
                nat_state_done(s);
                *s = (NatState){ 0 };
                r = nat_state_load(nft, s);
                if (r < 0)
                        return log_error_errno(r, "Cannot read the table " NAT_SHARED_TABLE ": %m%s",
                                        nft_reason(nft));
        }
        device = find_device(s, a->device, NULL);
        if (device && !streq(device->nat, a->name)) {
                log_error("%s has a NAT already, %s. To remove that: qnet-nat del %s", a->device, device->nat,
                                device->nat);
                return -EEXIST;
        }
        if (!device && nat_state_add_device(s, a->device, a->name) < 0)
                return log_oom();
        return 0;
}

int nat_add(Rtnl *rtnl, Nft *nft, const NatArguments *a) {
        _cleanup_nat_state_ NatState s = { 0 };
        int r;

        r = lock_and_load(nft, &s);
        if (r >= 0)
                r = take_device(rtnl, nft, &s, a);
        if (r >= 0)
                r = nat_forwarding_plan(rtnl, &s, a);
        if (r >= 0)
                r = commit(nft, a, &s, true);
        if (r < 0)
                return r;
        r = nat_forwarding_turn_on(nft, &s);
        if (r < 0)
                (void) undo(rtnl, nft, &s, a);
        return r;
}

int nat_del(Rtnl *rtnl, Nft *nft, const NatArguments *a) {
        _cleanup_nat_state_ NatState s = { 0 };
        int r;

        r = lock_and_load(nft, &s);
        return r < 0 ? r : undo(rtnl, nft, &s, a);
}
