/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cables, sizes and memory over QMP, and which drive is meant by a medium. What runs under an id may be another thing
 * than the configuration means now, when a section was put before it: nothing is done to that. */

#include <inttypes.h>

#include "log.h"
#include "reload.h"

#define SECTOR 512

int live_refused(Reload *r, int e, const char *what, const char *id) {
        if (e >= 0)
                return 0;
        r->failed = true;
        if (e != -EREMOTEIO)
                return e; /* told by whoever sees the connection end */
        log_error("Cannot %s %s, QEMU refuses: %s", what, id, qmp_error(r->qmp));
        return 0;
}

/* Else the comparison has it that a restart is needed. */
static bool is_meant(const Reload *r, const char *id) {
        return !r->comparison || comparison_same(r->comparison, id);
}

/* ---- [Interface] Link= ---- */

static int apply_link(Reload *r, const Setting *s) {
        json_auto_t *arguments = json_pack("{s:s, s:b}", "name", s->id, "up", s->up);
        int e;

        if (!is_meant(r, s->id))
                return 0;
        e = qmp_command_with(r->qmp, "set_link", arguments, r->deadline, NULL);
        return live_refused(r, e, s->up ? "plug in the cable of" : "pull the cable of", s->id);
}

/* ---- [Disk] ---- */

static json_t *find_block(const Reload *r, const char *id) {
        json_t *block;
        size_t i;

        json_array_foreach (r->blocks, i, block) {
                const char *name = json_string_value(json_object_get(block, "device"));

                if (name && streq(name, id))
                        return block;
        }
        return NULL;
}

static const char *backing_of(json_t *block) {
        return json_string_value(json_object_get(json_object_get(block, "inserted"), "backing_file")) ?: "";
}

/* An overlay's file has the same name whatever it lies over. */
static bool lies_over(const Reload *r, const Setting *s, json_t *block) {
        for (size_t i = 0; i < r->backings.n; i++)
                if (streq(r->backings.items[i].id, s->id))
                        return streq(r->backings.items[i].value, backing_of(block));
        return true;
}

static void check_backing(const Setting *s, json_t *block) {
        _cleanup_free_ char *below = strdup(backing_of(block));

        if (below && !streq(s->value, below))
                log_warning("Needs a restart: %s lies over %s, and runs over %.200s.", s->id, *s->value ? s->value : "nothing",
                                *below ? qmp_printable(below) : "nothing");
}

static int apply_size(Reload *r, const Setting *s, json_t *block) {
        uint64_t wanted = (s->bytes + SECTOR - 1) / SECTOR * SECTOR, size;
        json_auto_t *arguments = json_pack("{s:s, s:I}", "device", s->id, "size", (json_int_t) wanted);
        json_t *inserted = json_object_get(block, "inserted"),
               *value = json_object_get(json_object_get(inserted, "image"), "virtual-size");
        int e;

        if (!json_is_integer(value) || !is_meant(r, s->id) || !lies_over(r, s, block))
                return 0;
        size = (uint64_t) json_integer_value(value);
        if (wanted < size)
                log_warning("%s stays at %" PRIu64 " bytes, more than Size= says: nothing is ever cut off.", s->id, size);
        if (wanted <= size)
                return 0;
        e = qmp_command_with(r->qmp, "block_resize", arguments, r->deadline, NULL);
        if (e >= 0)
                log_info("%s has %" PRIu64 " bytes now, and had %" PRIu64 ".", s->id, wanted, size);
        return live_refused(r, e, "make larger", s->id);
}

static int apply_medium(Reload *r, const Setting *s) {
        json_t *block = find_block(r, s->id);

        if (!block || !is_meant(r, s->id))
                return 0;
        if (!json_is_true(json_object_get(block, "removable"))) /* only where nothing could be compared */
                return 0;
        return live_medium(r, s, block);
}

/* ---- Memory=, with a balloon ---- */

static int apply_memory(Reload *r) {
        json_auto_t *arguments = json_pack("{s:I}", "value", (json_int_t) r->memory), *memory = NULL, *balloon = NULL;
        uint64_t most, now;
        int e;

        e = qmp_command(r->qmp, "query-memory-size-summary", r->deadline, &memory);
        if (e >= 0)
                e = qmp_command(r->qmp, "query-balloon", r->deadline, &balloon);
        if (e == -EREMOTEIO) { /* there is no balloon, which the comparison tells as well */
                log_warning("Memory= can only be changed by a restart: %s.", qmp_error(r->qmp));
                return 0;
        }
        if (e < 0)
                return e;
        most = (uint64_t) json_integer_value(json_object_get(memory, "base-memory"));
        now = (uint64_t) json_integer_value(json_object_get(balloon, "actual"));
        if (r->memory > most)
                log_warning("Needs a restart: Memory= is %" PRIu64 " bytes, and it was started with %" PRIu64 ".", r->memory,
                                most);
        if (r->memory == now || r->memory > most)
                return 0;
        e = qmp_command_with(r->qmp, "balloon", arguments, r->deadline, NULL);
        if (e >= 0)
                log_info("The guest's balloon is to leave it %" PRIu64 " bytes of memory; it had %" PRIu64 ".", r->memory, now);
        return live_refused(r, e, "set", "the balloon");
}

/* ---- all ---- */

static int apply_disks(Reload *r) {
        int e;

        if (r->sizes.n + r->backings.n + r->media.n == 0)
                return 0;
        e = qmp_command(r->qmp, "query-block", r->deadline, &r->blocks);
        if (e < 0)
                return e;
        for (size_t i = 0; i < r->backings.n; i++) {
                json_t *block = find_block(r, r->backings.items[i].id);

                if (block)
                        check_backing(r->backings.items + i, block);
        }
        for (size_t i = 0; e >= 0 && i < r->sizes.n; i++)
                e = apply_size(r, r->sizes.items + i, find_block(r, r->sizes.items[i].id));
        for (size_t i = 0; e >= 0 && i < r->media.n; i++)
                e = apply_medium(r, r->media.items + i);
        return e;
}

int live_apply(Reload *r) {
        int e = 0;

        for (size_t i = 0; e >= 0 && i < r->links.n; i++)
                e = apply_link(r, r->links.items + i);
        if (e >= 0)
                e = apply_disks(r);
        if (e >= 0 && r->memory > 0)
                e = apply_memory(r);
        return e;
}
