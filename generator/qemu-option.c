/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qemu-option.h"

void option_begin(UnitWriter *w, const char *name, const char *first) {
        unit_option(w, name);
        unit_arg_begin(w);
        unit_arg_add(w, first);
}

void option_key(UnitWriter *w, const char *key, const char *value) {
        unit_arg_add(w, ",");
        unit_arg_add(w, key);
        unit_arg_add(w, "=");
        unit_arg_add_commas_doubled(w, value);
}

void option_key_number(UnitWriter *w, const char *key, uint64_t value) {
        char number[NUMBER_STRING_SIZE];

        option_key(w, key, format_number(value, number));
}

/* An id of ours: "net0", "disk1" */
void option_key_id(UnitWriter *w, const char *key, const char *prefix, unsigned index) {
        char id[32];

        snprintf(id, sizeof(id), "%s%u", prefix, index);
        option_key(w, key, id);
}

void option_end(UnitWriter *w) {
        unit_arg_end(w);
}

void option(UnitWriter *w, const char *name, const char *value) {
        unit_option(w, name);
        unit_arg(w, value);
}

bool starts_with_word(const char *s, const char *word) {
        const char *rest = startswith(s, word);

        return rest && (!*rest || *rest == '-' || *rest == ',');
}

const char *virtio_transport(const VM *vm) {
        if (streq(vm->architecture, "s390x"))
                return "ccw";
        if (starts_with_word(vm->machine, "microvm") || streq(vm->architecture, "m68k"))
                return "device";
        return "pci";
}

void option_begin_virtio(const VM *vm, const char *kind, UnitWriter *w) {
        option_begin_on_virtio_bus(vm, "virtio-", kind, w);
}

void option_begin_on_virtio_bus(const VM *vm, const char *prefix, const char *kind, UnitWriter *w) {
        option_begin(w, "-device", prefix);
        unit_arg_add(w, kind);
        unit_arg_add(w, "-");
        unit_arg_add(w, virtio_transport(vm));
}
