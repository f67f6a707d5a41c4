/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A VM and its parts, as in "vms" of json.h. */

#include "json-internal.h"

/* "10.9.0.1:80", "[::1]:80", an address without a port, the path of a socket; null: not said */
static json_t *place(const char *path, const IPAddress *ip, unsigned port) {
        char buf[IP_STRING_SIZE];

        if (path || ip->family == AF_UNSPEC)
                return text(path);
        format_ip(ip, buf);
        if (port == 0)
                return json_string(buf);
        return json_sprintf(ip->family == AF_INET6 ? "[%s]:%u" : "%s:%u", buf, port);
}

static json_t *forwards(Builder *b, const Forward *list, size_t n) {
        json_t *j = json_array();

        for (size_t i = 0; i < n; i++) {
                const Forward *f = list + i;
                json_t *one = json_object();
                char buf[IP_STRING_SIZE];

                put(b, one, "protocol", text(f->udp ? "udp" : "tcp"));
                put(b, one, "host", place(NULL, &f->host, f->host_port));
                put(b, one, "guestAddress", text(f->guest.family == AF_UNSPEC ? NULL : format_ip(&f->guest, buf)));
                put(b, one, "guestPort", number(f->guest_port));
                append(b, j, one);
        }
        return j;
}

static json_t *shape(Builder *b, const Shape *s, Direction d) {
        json_t *j = json_object();

        put(b, j, "rate", number(s->rate[d]));
        put(b, j, "delay", span(s->delay[d]));
        put(b, j, "jitter", span(s->jitter[d]));
        put(b, j, "loss", number(s->loss[d]));
        put(b, j, "duplicate", number(s->duplicate[d]));
        put(b, j, "corrupt", number(s->corrupt[d]));
        put(b, j, "reorder", number(s->reorder[d]));
        return j;
}

static void put_wire(Builder *b, json_t *j, const Wire *w) {
        put(b, j, "device", text(w->device));
        put(b, j, "mode", text(w->device ? macvtap_mode_to_string(w->mode) : NULL));
        put(b, j, "socket", text(w->socket));
        put(b, j, "local", place(w->local.path, &w->local.ip, w->local.port));
        put(b, j, "remote", place(w->remote.path, &w->remote.ip, w->remote.port));
        put(b, j, "vlan", number(w->vlan));
        put(b, j, "trunkVLANs", trunk_vlans(b, &w->trunk_vlans));
        put(b, j, "nativeVLAN", number(w->native_vlan));
        put(b, j, "portSecurity", json_boolean(w->port_security));
        put(b, j, "queues", number(MAX(w->queues, 1U)));
        put(b, j, "vhost", text(vhost_to_string(w->vhost)));
        put(b, j, "link", text(w->link_down ? "down" : "up"));
        put(b, j, "forwards", forwards(b, w->forwards, w->n_forwards));
        put(b, j, "hostAddresses", addresses(b, w->host_addresses, w->n_host_addresses));
        put(b, j, "nat", json_boolean(w->nat));
        put(b, j, "capture", json_boolean(w->capture));
        put(b, j, "captureDirectory", text(w->capture_directory));
        put(b, j, "captureSize", number(w->capture_size));
        put(b, j, "captureFiles", number(w->capture_files));
        put(b, j, "toGuest", shape(b, &w->shape, TO_GUEST));
        put(b, j, "fromGuest", shape(b, &w->shape, FROM_GUEST));
}

static json_t *interface(Builder *b, const Interface *i) {
        static const char *const policies[_MAC_POLICY_MAX] = {
                [MAC_DERIVED] = "derived",
                [MAC_FIXED] = "fixed",
                [MAC_RANDOM] = "random",
        };
        char mac[MAC_STRING_SIZE];
        json_t *j = json_object();

        put(b, j, "index", number(i->index));
        put(b, j, "label", text(i->label));
        put(b, j, "origin", origin(b, i->origin));
        put(b, j, "type", text(interface_type_to_string(i->type)));
        put(b, j, "switch", text(i->switch_name));
        put(b, j, "bridge",
                        text(!i->network                         ? i->bridge
                             : i->network->type == SWITCH_BRIDGE ? i->network->bridge
                                                                 : NULL));
        put(b, j, "tap", text(i->tap));
        put(b, j, "model", text(i->model));
        put(b, j, "mac", text(i->mac_policy == MAC_RANDOM ? NULL : format_mac(&i->mac, mac)));
        put(b, j, "macPolicy", text(policies[i->mac_policy]));
        put(b, j, "addresses", addresses(b, i->addresses, i->n_addresses));
        put(b, j, "isolated", json_boolean(i->isolated));
        put(b, j, "mtu", number(i->mtu));
        put_wire(b, j, i->wire);
        return j;
}

static json_t *disk(Builder *b, const Disk *d) {
        json_t *j = json_object(), *backing = json_array();

        put(b, j, "index", number(d->index));
        put(b, j, "label", text(d->label));
        put(b, j, "origin", origin(b, d->origin));
        put(b, j, "image", text(d->image));
        put(b, j, "mode", text(disk_mode_to_string(d->mode)));
        put(b, j, "format", text(disk_format_to_string(d->format)));
        put(b, j, "size", d->size_auto ? text("auto") : number(d->size));
        put(b, j, "media", text(disk_media_to_string(d->media)));
        put(b, j, "bus", text(d->bus));
        put(b, j, "cache", text(disk_cache_to_string(d->cache)));
        put(b, j, "discard", json_boolean(d->discard));
        put(b, j, "serial", text(d->serial));
        put(b, j, "bootIndex", d->boot_index_set ? number(d->boot_index) : json_null());
        for (size_t i = 0; i < d->n_backing; i++) {
                json_t *file = json_object();

                put(b, file, "path", text(d->backing[i].path));
                put(b, file, "format", text(disk_format_to_string(d->backing[i].format)));
                append(b, backing, file);
        }
        put(b, j, "backing", backing);
        return j;
}

static json_t *serial(Builder *b, const Serial *s) {
        char buf[IP_STRING_SIZE];
        json_t *j = json_object();

        put(b, j, "index", number(s->index));
        put(b, j, "label", text(s->label));
        put(b, j, "origin", origin(b, s->origin));
        put(b, j, "type", text(serial_type_to_string(s->type)));
        put(b, j, "path", text(s->path));
        put(b, j, "address", text(s->port > 0 ? format_ip(&s->address, buf) : NULL));
        put(b, j, "port", s->port > 0 ? number(s->port) : json_null());
        put(b, j, "device", text(s->device));
        return j;
}

static json_t *share(Builder *b, const Share *s) {
        bool mapped = s->type == SHARE_9P;
        json_t *j = json_object();

        put(b, j, "index", number(s->index));
        put(b, j, "label", text(s->label));
        put(b, j, "origin", origin(b, s->origin));
        put(b, j, "path", text(s->path));
        put(b, j, "tag", text(s->tag));
        put(b, j, "type", text(share_type_to_string(s->type)));
        put(b, j, "readOnly", json_boolean(s->read_only));
        put(b, j, "securityModel", text(mapped ? security_model_to_string(s->security) : NULL));
        return j;
}

/* "127.0.0.1:5901"; null: the socket in the VM's directory */
static json_t *endpoint(const Endpoint *e) {
        char ip[IP_STRING_SIZE];

        if (e->ip.family == AF_UNSPEC)
                return json_null();
        format_ip(&e->ip, ip);
        return e->ip.family == AF_INET6 ? json_sprintf("[%s]:%u", ip, e->port) : json_sprintf("%s:%u", ip, e->port);
}

static json_t *hardware(Builder *b, const Hardware *h) {
        json_t *j = json_object();

        put(b, j, "cpusMax", number(h->cpus_max));
        put(b, j, "sockets", number(h->sockets));
        put(b, j, "cores", number(h->cores));
        put(b, j, "threads", number(h->threads));
        put(b, j, "memoryMax", number(h->memory_max));
        put(b, j, "memorySlots", number(h->memory_slots));
        put(b, j, "hugePages", json_boolean(h->huge_pages));
        put(b, j, "hugePageSize", number(h->huge_page_size));
        put(b, j, "memoryShared", json_boolean(h->memory_shared));
        put(b, j, "displayAddress", endpoint(&h->display));
        put(b, j, "vga", text(h->vga));
        put(b, j, "screenWidth", number(h->width));
        put(b, j, "screenHeight", number(h->height));
        put(b, j, "keyboard", text(h->keyboard));
        put(b, j, "bootOrder", text(h->boot_order));
        put(b, j, "bootMenu", json_boolean(h->boot_menu));
        put(b, j, "deviceTree", text(h->device_tree));
        put(b, j, "clock", text(h->clock));
        put(b, j, "uuid", text(h->uuid));
        put(b, j, "smbios", strings(b, h->smbios, h->n_smbios));
        put(b, j, "rng", json_boolean(h->rng));
        put(b, j, "balloon", json_boolean(h->balloon));
        put(b, j, "watchdog", text(h->watchdog));
        put(b, j, "watchdogAction", text(watchdog_action_to_string(h->watchdog_action)));
        put(b, j, "panic", json_boolean(h->panic));
        put(b, j, "panicAction", text(panic_action_to_string(h->panic_action)));
        put(b, j, "guestAgent", json_boolean(h->guest_agent));
        put(b, j, "gdb", json_boolean(h->gdb));
        put(b, j, "gdbAddress", endpoint(&h->gdb_at));
        put(b, j, "startPaused", json_boolean(h->start_paused));
        put(b, j, "replay", text(replay_to_string(h->replay)));
        put(b, j, "devices", strings(b, h->devices, h->n_devices));
        return j;
}

static json_t *health(Builder *b, const Health *h) {
        json_t *j = json_object();

        put(b, j, "origin", origin(b, h->origin));
        put(b, j, "probe", text(health_probe_to_string(h->probe)));
        put(b, j, "port", h->port > 0 ? number(h->port) : json_null());
        put(b, j, "intervalUSec", span(h->interval));
        put(b, j, "failures", number(h->failures));
        put(b, j, "timeoutUSec", span(h->timeout));
        put(b, j, "action", text(health_action_to_string(h->action)));
        put(b, j, "startUSec", span(h->start));
        return j;
}

static void put_parts(Builder *b, json_t *j, const VM *vm) {
        json_t *interfaces = json_array(), *disks = json_array(), *serials = json_array(),
               *shares = json_array();

        for (size_t i = 0; i < vm->n_interfaces; i++)
                append(b, interfaces, interface(b, vm->interfaces + i));
        for (size_t i = 0; i < vm->n_disks; i++)
                append(b, disks, disk(b, vm->disks + i));
        for (size_t i = 0; i < vm->n_serials; i++)
                append(b, serials, serial(b, vm->serials + i));
        for (size_t i = 0; i < vm->n_shares; i++)
                append(b, shares, share(b, vm->shares + i));
        put(b, j, "interfaces", interfaces);
        put(b, j, "disks", disks);
        put(b, j, "serials", serials);
        put(b, j, "shares", shares);
        put(b, j, "health", vm->n_health > 0 ? health(b, vm->health) : json_null());
}

static void put_firmware(Builder *b, json_t *j, const VM *vm) {
        static const char *const types[_FIRMWARE_TYPE_MAX] = { [FIRMWARE_BIOS] = "bios", [FIRMWARE_UEFI] = "uefi" };
        json_t *credentials = json_object(), *seed = json_object();

        put(b, j, "firmware", text(types[vm->firmware->type] ?: vm->firmware->path));
        put(b, j, "secureBoot", json_boolean(vm->firmware->secure_boot));
        put(b, j, "tpm", json_boolean(vm->firmware->tpm));
        for (size_t i = 0; i < vm->firmware->n_credentials; i++)
                put(b, credentials, vm->firmware->credentials[i].name, text(vm->firmware->credentials[i].path));
        put(b, j, "credentials", credentials);
        for (SeedFile f = 0; f < _SEED_FILE_MAX; f++)
                if (vm->firmware->seed[f])
                        put(b, seed, seed_file_to_string(f), text(vm->firmware->seed[f]));
        put(b, j, "cloudInit", seed);
}

static void put_recovery(Builder *b, json_t *j, const Recovery *r) {
        json_t *rungs = json_array();

        for (size_t i = 0; i < r->n_rungs; i++)
                append(b, rungs, text(rung_to_string(r->rungs[i])));
        if (r->n_rungs == 0)
                append(b, rungs, text(rung_to_string(RUNG_RESTART)));
        put(b, j, "recover", rungs);
        put(b, j, "recoverTimeoutUSec", span(r->timeout));
        put(b, j, "blackBoxes", number(r->black_boxes));
        put(b, j, "blackBoxMemory", number(r->memory));
}

json_t *vm_object(Builder *b, const VM *vm) {
        json_t *j = json_object();

        put(b, j, "name", text(vm->name));
        put(b, j, "origin", origin(b, vm->origin));
        put(b, j, "unit", unit("qemu-vm@", vm->name, ".service"));
        put(b, j, "problems", problems(b, vm->problems, vm->n_problems));
        put(b, j, "user", text(vm->user));
        put(b, j, "system", text(vm->system_name));
        put(b, j, "lab", text(vm->lab_name));
        put(b, j, "autostart", json_boolean(vm->autostart));
        put(b, j, "register", json_boolean(vm->registered));
        put(b, j, "instance", vm->has_instances ? number(vm->instance) : json_null());
        put(b, j, "description", text(vm->description));
        put(b, j, "architecture", text(vm->architecture));
        put(b, j, "machine", text(vm->machine));
        put(b, j, "cpu", text(vm->cpu));
        put(b, j, "cpus", number(vm->cpus));
        put(b, j, "memory", number(vm->memory));
        put(b, j, "accelerator", text(accelerator_to_string(vm->accelerator)));
        put_firmware(b, j, vm);
        put(b, j, "kernel", text(vm->kernel));
        put(b, j, "initrd", text(vm->initrd));
        put(b, j, "kernelCommandLine", text(vm->kernel_command_line));
        put(b, j, "display", text(display_to_string(vm->display)));
        put(b, j, "extraArgs", strings(b, vm->extra_args, vm->n_extra_args));
        put(b, j, "ready", text(ready_to_string(vm->life->ready)));
        put(b, j, "readyPort", vm->life->ready_port > 0 ? number(vm->life->ready_port) : json_null());
        put(b, j, "readyText", text(vm->life->ready_text));
        put(b, j, "readyTimeoutUSec", span(vm->ready_timeout));
        put(b, j, "stop", text(stop_to_string(vm->life->stop)));
        put(b, j, "stopTimeoutUSec", span(vm->stop_timeout));
        put_recovery(b, j, vm->recovery);
        put(b, j, "hardware", hardware(b, vm->hardware));
        put_parts(b, j, vm);
        put(b, j, "passthrough", passthrough(b, &vm->passthrough));
        return j;
}
