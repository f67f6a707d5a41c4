/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table that all NATs of a host share. Its sets are qnet's memory of what was off before: they live in the kernel,
 * change in one transaction with the rules, and hold as many devices as there are (a table's comment holds 128 bytes).
 *
 * Its one chain keeps strangers out. A network card that forwards, so that answers find their way to the guests, would
 * make the host a router between all its networks: what comes in by such a card and is neither an answer nor asked for
 * by Forward= was not forwarded before and is not now. */

#include "nat.h"

static const char *const set_names[_NAT_SET_MAX] = {
        [NAT_FORWARDING4] = "forwarding4", [NAT_LOCALNET4] = "localnet4", [NAT_FORWARDING6] = "forwarding6",
        [NAT_FORCE6] = "force6",           [NAT_ROUTER6] = "router6",     [NAT_RA6] = "ra6",
};

/* ---- sets ---- */

bool nat_state_has(const NatState *s, NatSet set, const char *name) {
        for (size_t i = 0; i < s->set[set].n; i++)
                if (streq(s->set[set].names[i], name))
                        return true;
        return false;
}

int nat_state_insert(NatState *s, NatSet set, const char *name) {
        NatNames *n = &s->set[set];
        size_t i = n->n;
        void *p;

        if (nat_state_has(s, set, name))
                return 0;
        p = reallocarray(n->names, n->n + 1, sizeof(n->names[0]));
        if (!p)
                return -ENOMEM;
        n->names = p;
        while (i > 0 && strcmp(n->names[i - 1], name) > 0) /* in order: the kernel's is another each time */
                i--;
        memmove(n->names + i + 1, n->names + i, (n->n - i) * sizeof(n->names[0]));
        snprintf(n->names[i], sizeof(n->names[0]), "%s", name);
        n->n++;
        return 1;
}

void nat_state_remove(NatState *s, NatSet set, const char *name) {
        NatNames *n = &s->set[set];

        for (size_t i = 0; i < n->n; i++)
                if (streq(n->names[i], name)) {
                        n->n--;
                        memmove(n->names + i, n->names + i + 1, (n->n - i) * sizeof(n->names[0]));
                        return;
                }
}

void nat_state_clear(NatState *s, NatSet set) {
        s->set[set].n = 0;
}

void nat_state_remove_device(NatState *s, const char *nat) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_devices; i++)
                if (!streq(s->devices[i].nat, nat))
                        s->devices[n++] = s->devices[i];
        s->n_devices = n;
}

int nat_state_add_device(NatState *s, const char *ifname, const char *nat) {
        NatDevice *p;

        p = reallocarray(s->devices, s->n_devices + 1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        s->devices = p;
        p += s->n_devices++;
        snprintf(p->ifname, sizeof(p->ifname), "%s", ifname);
        snprintf(p->nat, sizeof(p->nat), "%s", nat);
        return 0;
}

void nat_state_done(NatState *s) {
        for (NatSet i = 0; i < _NAT_SET_MAX; i++)
                free(s->set[i].names);
        free(s->devices);
}

/* ---- from the kernel ---- */

/* Of /proc/sys/net/ipv4/conf: no device has such a name. */
static bool is_directory(const char *name) {
        return streq(name, "all") || streq(name, "default");
}

/* An element is "eth0", or {"elem": {"val": "s1", "comment": "lan"}}; -EBADMSG: not of our making. */
static int load_element(NatState *s, const char *set, json_t *element) {
        json_t *inner = json_object_get(element, "elem");
        const char *name = json_string_value(inner ? json_object_get(inner, "val") : element);
        const char *nat = json_string_value(json_object_get(inner, "comment"));

        if (!name || (!ifname_is_valid(name) && !is_directory(name)))
                return -EBADMSG;
        if (streq(set, "guests"))
                return nat && name_is_valid(nat) ? nat_state_add_device(s, name, nat) : -EBADMSG;
        for (NatSet i = 0; i < _NAT_SET_MAX; i++)
                if (streq(set, set_names[i]))
                        return nat_state_insert(s, i, name);
        return 0;
}

int nat_state_load(Nft *nft, NatState *ret) {
        _cleanup_nat_state_ NatState s = { 0 };
        _cleanup_json_ json_t *array = NULL;
        json_t *set, *element;
        size_t i = 0, j;
        int r;

        r = nft_query(nft, "list table inet " NAT_SHARED_TABLE, &array);
        if (r < 0 && r != -ENOENT)
                return r;
        while (r >= 0 && (set = nft_next(array, "set", &i)))
                json_array_foreach(json_object_get(set, "elem"), j, element) {
                        r = load_element(&s, json_string_value(json_object_get(set, "name")) ?: "", element);
                        if (r < 0)
                                return r;
                }
        *ret = s;
        s = (NatState){ 0 };
        return 0;
}

/* ---- to the kernel ---- */

static void write_set(FILE *f, const NatNames *set, const char *name) {
        fprintf(f, "\tset %s {\n\t\ttype ifname\n", name);
        for (size_t i = 0; i < set->n; i++)
                fprintf(f, "%s\"%s\"%s", i == 0 ? "\t\telements = { " : ", ", set->names[i],
                                i + 1 == set->n ? " }\n" : "");
        fputs("\t}\n", f);
}

static void write_devices(FILE *f, const NatState *s) {
        fputs("\tset guests {\n\t\ttype ifname\n\t\telements = { ", f);
        for (size_t i = 0; i < s->n_devices; i++)
                fprintf(f, "%s\"%s\" comment \"%s\"", i == 0 ? "" : ", ", s->devices[i].ifname,
                                s->devices[i].nat);
        fputs(" }\n\t}\n", f);
}

/* Frames that a bridge carries come along here with br_netfilter: nobody forwards them. */
static void write_bridged(FILE *f, const NatNames *set) {
        for (size_t i = 0; i < set->n; i++)
                if (!is_directory(set->names[i]))
                        fprintf(f, "\t\tiifname \"%s\" oifname \"%s\" accept\n", set->names[i],
                                        set->names[i]);
}

static void write_guard(FILE *f, const NatState *s) {
        fputs("\tchain forward {\n"
              "\t\ttype filter hook forward priority filter; policy accept;\n"
              "\t\tct state established,related accept\n"
              "\t\tct status dnat accept\n"
              "\t\tiifname @guests accept\n",
                        f);
        write_bridged(f, &s->set[NAT_FORWARDING4]);
        write_bridged(f, &s->set[NAT_FORCE6]);
        fputs("\t\tmeta nfproto ipv4 iifname @forwarding4 counter drop\n"
              "\t\tmeta nfproto ipv6 iifname @force6 counter drop\n"
              "\t}\n",
                        f);
}

void nat_state_write(FILE *f, const NatState *s) {
        fputs("add table inet " NAT_SHARED_TABLE "\ndelete table inet " NAT_SHARED_TABLE "\n", f);
        if (s->n_devices == 0)
                return;
        fputs("table inet " NAT_SHARED_TABLE " {\n", f);
        write_devices(f, s);
        for (NatSet i = 0; i < _NAT_SET_MAX; i++)
                write_set(f, &s->set[i], set_names[i]);
        write_guard(f, s);
        fputs("}\n", f);
}
