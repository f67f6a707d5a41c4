/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qemu-option.h"

void option_begin_piece(UnitWriter *w, Piece name, Piece first) {
        unit_option_named_piece(w, name);
        unit_arg_add_piece(w, first);
}

static void begin_key(UnitWriter *w, Piece key) {
        unit_arg_add(w, ",");
        unit_arg_add_piece(w, key);
        unit_arg_add(w, "=");
}

void option_key_piece(UnitWriter *w, Piece key, const char *value) {
        begin_key(w, key);
        unit_arg_add_commas_doubled(w, value);
}

void option_key_number(UnitWriter *w, const char *key, uint64_t value) {
        char number[NUMBER_STRING_SIZE];

        option_key(w, key, format_number(value, number));
}

void option_key_id(UnitWriter *w, const char *key, const char *prefix, unsigned index) {
        char number[NUMBER_STRING_SIZE];

        begin_key(w, PIECE(key));
        unit_arg_add(w, prefix);
        unit_arg_add(w, format_number(index, number));
}

void option_end(UnitWriter *w) {
        unit_arg_end(w);
}

void option_piece(UnitWriter *w, Piece name, Piece value) {
        unit_option_named_piece(w, name);
        unit_arg_add_piece(w, value);
        unit_arg_end(w);
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
