/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "arena.h"
#include "conf-table.h"
#include "problem.h"
#include "sort.h"
#include "validate.h"

typedef enum Role {
        ROLE_OWNER,   /* nobody else may have it */
        ROLE_VISITOR, /* may share it with visitors, not with an owner */
} Role;

/* Somebody has something: an interface name, an address, an image. */
typedef struct Claim {
        const char *name; /* of the thing; NULL: ip is it */
        const IPAddress *ip;
        const char *segment; /* of ip: the bridge */
        const char *what;    /* of an owner, for messages; NULL: as all of them */
        bool derived;        /* from another claim's name: two that are tell no more than those */
        Role role;
        VM *vm; /* one of them */
        Switch *network;
        Origin origin;
        size_t sequence;
} Claim;

typedef struct Claims {
        Model *m;
        Claim *items; /* on the heap: they are needed for a moment only */
        size_t n, n_allocated;
} Claims;

static void claims_done(Claims *c) {
        free(c->items);
}
#define _cleanup_claims_ _cleanup_(claims_done)

static int add_claim(Claims *c, Claim claim) {
        if (c->n == c->n_allocated) {
                size_t n = MAX(2 * c->n_allocated, (size_t) 64);
                Claim *items = reallocarray(c->items, n, sizeof(Claim));
                if (!items)
                        return -ENOMEM;
                c->items = items;
                c->n_allocated = n;
        }
        claim.sequence = c->n;
        c->items[c->n++] = claim;
        return 0;
}

static int compare_ip(const IPAddress *a, const IPAddress *b) {
        if (a->family != b->family)
                return a->family < b->family ? -1 : 1;
        return memcmp(a->bytes, b->bytes, ip_size(a->family));
}

/* The same thing, owners first, else in the order of the model. */
static int compare_claims(const void *x, const void *y) {
        const Claim *a = x, *b = y;
        int r = a->name ? strcmp(a->name, b->name) : compare_ip(a->ip, b->ip) ?: strcmp(a->segment, b->segment);

        if (r != 0)
                return r;
        if (a->role != b->role)
                return a->role < b->role ? -1 : 1;
        return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

static bool same_thing(const Claim *a, const Claim *b) {
        return a->name ? streq(a->name, b->name) : ip_equal(a->ip, b->ip) && streq(a->segment, b->segment);
}

static int attach(Model *m, const Claim *c, bool *said, const char *text) {
        return c->vm ? problem_add(m, &c->vm->problems, &c->vm->n_problems, c->origin, said, "%s", text)
                     : problem_add(m, &c->network->problems, &c->network->n_problems, c->origin, said, "%s",
                                       text);
}

/* One message, for both: it is logged once. */
static int report(Model *m, const Claim *a, const Claim *b, const char *what) {
        _cleanup_free_ char *text = NULL;
        char buf[IP_STRING_SIZE];
        bool said = false;
        int r;

        if (asprintf(&text, "%s %s is that of two: %s %s (%s:%u) and %s %s (%s:%u)", what,
                            a->name ?: format_ip(a->ip, buf), a->vm ? "VM" : "Switch",
                            a->vm ? a->vm->name : a->network->name, a->origin.file, a->origin.line,
                            b->vm ? "VM" : "Switch", b->vm ? b->vm->name : b->network->name, b->origin.file,
                            b->origin.line) < 0)
                return -ENOMEM;
        r = attach(m, b, &said, text);
        if (r >= 0 && (a->vm != b->vm || a->network != b->network || a->origin.line != b->origin.line))
                r = attach(m, a, &said, text);
        return r;
}

/* Every claim to what an owner has, each against that owner: linear, whatever the number of claims. */
static int settle(Claims *c, const char *what) {
        const Claim *first = c->items;
        int r = 0;

        sort_items(c->items, c->n, compare_claims);
        for (size_t i = 1; i < c->n && r >= 0; i++)
                if (!same_thing(first, c->items + i))
                        first = c->items + i;
                else if (first->role == ROLE_OWNER && !(first->derived && c->items[i].derived))
                        r = report(c->m, first, c->items + i, first->what ?: what);
        return r;
}

static int claim_device(Claims *c, VM *vm, const Interface *f, const char *name, const char *key, Role role) {
        return add_claim(c, (Claim){
                                            .name = name,
                                            .role = role,
                                            .vm = vm,
                                            .origin = said_at(&f->said, f->origin, KEYS_INTERFACE, key),
                            });
}

/* Its own, and those that are its ports alone. */
static int claim_switch(Claims *c, Switch *w) {
        int r;

        r = add_claim(c, (Claim){ .name = w->bridge, .network = w, .origin = w->origin });
        for (size_t i = 0; i < w->n_trunks && r >= 0; i++) {
                Trunk *t = w->trunks + i;

                if (!t->port) /* refused */
                        continue;
                r = add_claim(c, (Claim){ .name = t->port, .network = w, .origin = t->origin });
                if (r >= 0)
                        r = add_claim(c, (Claim){ .name = t->peer_port, .network = w, .origin = t->origin });
        }
        if (r >= 0 && w->vxlan->link)
                r = add_claim(c, (Claim){ .name = w->vxlan->link,
                                                 .network = w,
                                                 .origin = said_at(&w->said, w->origin, KEYS_SWITCH, "VXLAN") });
        if (r >= 0 && w->fabric->uplink && !streq(w->fabric->uplink, w->bridge))
                r = add_claim(c, (Claim){ .name = w->fabric->uplink,
                                                 .network = w,
                                                 .origin = said_at(&w->said, w->origin, KEYS_SWITCH, "Uplink") });
        return r;
}

static int check_interface_names(Model *m) {
        _cleanup_claims_ Claims c = { .m = m };
        int r = 0;

        for (size_t i = 0; i < m->n_switches && r >= 0; i++)
                r = claim_switch(&c, m->switches[i]);
        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t i = 0; i < m->vms[v]->n_interfaces && r >= 0; i++) {
                        VM *vm = m->vms[v];
                        const Interface *f = vm->interfaces + i;

                        if (f->tap)
                                r = claim_device(&c, vm, f, f->tap, "Tap", ROLE_OWNER);
                        if (r >= 0 && f->bridge)
                                r = claim_device(&c, vm, f, f->bridge, "Bridge", ROLE_VISITOR);
                        if (r >= 0 && f->wire->device)
                                r = claim_device(&c, vm, f, f->wire->device, "Device",
                                                f->wire->mode == MACVTAP_PASSTHRU ? ROLE_OWNER : ROLE_VISITOR);
                }
        return r < 0 ? r : settle(&c, "Interface name");
}

static int claim_addresses(
                Claims *c, VM *vm, Switch *w, const IPAddress *ips, size_t n, const char *segment, Origin o) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                r = add_claim(c, (Claim){ .ip = ips + i,
                                                 .segment = w && ip_is_link_local(ips + i) ? w->bridge : segment,
                                                 .vm = vm,
                                                 .network = w,
                                                 .origin = o });
        return r;
}

/* Legal, but then a kill log that says the address does not say which guest. */
static void warn_ambiguous(const Claims *c) {
        char buf[IP_STRING_SIZE];

        for (size_t i = 1; i < c->n; i++) {
                const Claim *a = c->items + i - 1, *b = c->items + i;

                if (ip_equal(a->ip, b->ip) && !streq(a->segment, b->segment))
                        model_warning(c->m, b->origin,
                                        "%s is also at %s:%u, on another network: the reaper cannot tell "
                                        "them apart",
                                        format_ip(b->ip, buf), a->origin.file, a->origin.line);
        }
}

/* Of the host: on one network only, for a route to the subnet leads to one. */
static int check_host_addresses(Model *m) {
        _cleanup_claims_ Claims c = { .m = m };
        int r = 0;

        for (size_t i = 0; i < m->n_switches && r >= 0; i++) {
                Switch *w = m->switches[i];
                r = claim_addresses(&c, NULL, w, w->addresses, w->n_addresses, "",
                                said_at(&w->said, w->origin, KEYS_SWITCH, "Address"));
        }
        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t i = 0; i < m->vms[v]->n_interfaces && r >= 0; i++) {
                        const Interface *f = m->vms[v]->interfaces + i;

                        if (f->wire->n_host_addresses > 0)
                                r = claim_addresses(&c, m->vms[v], NULL, f->wire->host_addresses,
                                                f->wire->n_host_addresses, "",
                                                said_at(&f->said, f->origin, KEYS_INTERFACE, "HostAddress"));
                }
        return r < 0 ? r : settle(&c, "Address");
}

/* Switches with trunks between them are one network. */
static const Switch *network_of(const Switch *w) {
        return w->n_segment > 0 ? w->segment[0] : w;
}

/* What frames of the interface reach, by name: a bridge, or a VLAN of it, an interface of the host, or the tap alone */
static const char *segment_of(Model *m, const Interface *f) {
        const char *bridge = f->network ? network_of(f->network)->bridge : f->bridge;

        if (!bridge)
                return f->wire->device ?: f->tap ?: "";
        return f->wire->vlan > 0 ? arena_printf(m->arena, "%s, VLAN %u", bridge, f->wire->vlan) : bridge;
}

/* Of guests: once per network. */
static int check_guest_addresses(Model *m) {
        _cleanup_claims_ Claims c = { .m = m };
        int r = 0;

        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t i = 0; i < m->vms[v]->n_interfaces && r >= 0; i++) {
                        const Interface *f = m->vms[v]->interfaces + i;
                        const char *segment;

                        if (f->n_addresses == 0 || f->type == INTERFACE_USER) /* whose network nobody else sees */
                                continue;
                        segment = segment_of(m, f);
                        if (!segment)
                                return -ENOMEM;
                        r = claim_addresses(&c, m->vms[v], NULL, f->addresses, f->n_addresses, segment,
                                        said_at(&f->said, f->origin, KEYS_INTERFACE, "Address"));
                }
        if (r >= 0)
                r = settle(&c, "Address");
        if (r >= 0)
                warn_ambiguous(&c);
        return r;
}

static bool writes_to_image(const Disk *d) {
        return d->image && d->mode == DISK_PERSISTENT;
}

static int claim_written_images(Claims *c, VM *vm) {
        int r = 0;

        for (size_t i = 0; i < vm->n_disks && r >= 0; i++) {
                const Disk *d = vm->disks + i;

                if (writes_to_image(d))
                        r = add_claim(c, (Claim){
                                                         .name = d->image,
                                                         .what = "With Mode=persistent, image",
                                                         .vm = vm,
                                                         .origin = said_at(&d->said, d->origin, KEYS_DISK, "Image"),
                                         });
        }
        return r;
}

/* The other end of a serial port: its file, socket or device; of a pipe, what QEMU opens beside its path. */
static int claim_serial(Claims *c, VM *vm, const Serial *s) {
        static const char *const ends[] = { ".in", ".out" };
        Claim claim = {
                .name = s->path,
                .what = "Serial port at",
                .vm = vm,
                .origin = said_at(&s->said, s->origin, KEYS_SERIAL, "Path"),
        };
        int r;

        if (!s->path)
                return 0;
        r = add_claim(c, claim);
        claim.derived = true;
        for (size_t i = 0; i < ELEMENTSOF(ends) && s->type == SERIAL_PIPE && r >= 0; i++) {
                claim.name = arena_printf(c->m->arena, "%s%s", s->path, ends[i]);
                r = claim.name ? add_claim(c, claim) : -ENOMEM;
        }
        return r;
}

/* What QEMU listens at for a link between guests */
static int claim_link(Claims *c, VM *vm, const Interface *f) {
        if (!f->wire->local.path)
                return 0;
        return add_claim(c, (Claim){
                                            .name = f->wire->local.path,
                                            .what = "Socket",
                                            .vm = vm,
                                            .origin = said_at(&f->said, f->origin, KEYS_INTERFACE, "Local"),
                            });
}

/* What is only read, key= says of what object. */
static int claim_read(Claims *c, VM *vm, const char *path, const Said *said, Origin origin, KeySet set,
                const char *key) {
        if (!path)
                return 0;
        return add_claim(c, (Claim){
                                            .name = path,
                                            .role = ROLE_VISITOR,
                                            .vm = vm,
                                            .origin = said_at(said, origin, set, key),
                            });
}

static int claim_read_images(Claims *c, VM *vm) {
        int r = 0;

        for (size_t i = 0; i < vm->n_disks && r >= 0; i++) {
                const Disk *d = vm->disks + i;

                if (!writes_to_image(d))
                        r = claim_read(c, vm, d->image, &d->said, d->origin, KEYS_DISK, "Image");
                for (size_t k = 0; k < d->n_backing && r >= 0; k++)
                        r = claim_read(c, vm, d->backing[k].path, &d->said, d->origin, KEYS_DISK, "Backing");
        }
        return r;
}

static int claim_read_files(Claims *c, VM *vm) {
        const struct {
                const char *path, *key;
        } files[] = {
                { vm->kernel, "Kernel" },
                { vm->initrd, "Initrd" },
                { vm->hardware->device_tree, "DeviceTree" },
                { vm->firmware->path, "Firmware" },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(files) && r >= 0; i++)
                r = claim_read(c, vm, files[i].path, &vm->said, vm->origin, KEYS_VM, files[i].key);
        for (size_t i = 0; i < vm->firmware->n_credentials && r >= 0; i++)
                r = claim_read(c, vm, vm->firmware->credentials[i].path, &vm->said, vm->origin, KEYS_VM, "Credentials");
        for (SeedFile f = 0; f < _SEED_FILE_MAX && r >= 0; f++)
                r = claim_read(c, vm, vm->firmware->seed[f], &vm->said, vm->origin, KEYS_VM, "CloudInit");
        return r;
}

/* Who reads what is only of interest when anybody writes. */
static int check_files(Model *m) {
        _cleanup_claims_ Claims c = { .m = m };
        int r = 0;

        for (size_t v = 0; v < m->n_vms && r >= 0; v++) {
                r = claim_written_images(&c, m->vms[v]);
                for (size_t i = 0; i < m->vms[v]->n_serials && r >= 0; i++)
                        r = claim_serial(&c, m->vms[v], m->vms[v]->serials + i);
                for (size_t i = 0; i < m->vms[v]->n_interfaces && r >= 0; i++)
                        r = claim_link(&c, m->vms[v], m->vms[v]->interfaces + i);
        }
        for (size_t v = 0, n = c.n; v < m->n_vms && n > 0 && r >= 0; v++) {
                r = claim_read_images(&c, m->vms[v]);
                if (r >= 0)
                        r = claim_read_files(&c, m->vms[v]);
        }
        return r < 0 ? r : settle(&c, "File");
}

static int check_uuids(Model *m) {
        _cleanup_claims_ Claims c = { .m = m };
        int r = 0;

        for (size_t v = 0; v < m->n_vms && r >= 0; v++) {
                VM *vm = m->vms[v];

                if (vm->hardware->uuid)
                        r = add_claim(&c, (Claim){
                                                          .name = vm->hardware->uuid,
                                                          .vm = vm,
                                                          .origin = said_at(&vm->said, vm->origin, KEYS_VM, "UUID"),
                                          });
        }
        return r < 0 ? r : settle(&c, "UUID");
}

/* VM a-b with tag c, VM a with tag b-c */
static int check_share_units(Model *m) {
        _cleanup_claims_ Claims c = { .m = m };
        int r = 0;

        for (size_t v = 0; v < m->n_vms; v++)
                for (size_t i = 0; i < m->vms[v]->n_shares && r >= 0; i++) {
                        VM *vm = m->vms[v];
                        const Share *s = vm->shares + i;
                        Claim claim = { .vm = vm, .origin = s->origin };

                        if (s->type != SHARE_VIRTIOFS || !s->tag)
                                continue;
                        claim.name = arena_printf(m->arena, "qnet-share@%s-%s", vm->name, s->tag);
                        r = claim.name ? add_claim(&c, claim) : -ENOMEM;
                }
        return r < 0 ? r : settle(&c, "Unit");
}

int validate_unique(Model *m) {
        int r;

        r = check_interface_names(m);
        if (r >= 0)
                r = check_host_addresses(m);
        if (r >= 0)
                r = check_guest_addresses(m);
        if (r >= 0)
                r = check_share_units(m);
        if (r >= 0)
                r = check_uuids(m);
        return r < 0 ? r : check_files(m);
}
