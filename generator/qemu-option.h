/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* QEMU's options that are lists, "-option first,key=value,...": one call per piece, a comma in a value is doubled
 * (qemu(1)), keys and first are ours. Shared by the files that write parts of QEMU's command line. */

#include "model.h"
#include "unit-writer.h"

#define option(w, name, value) option_piece((w), PIECE(name), PIECE(value)) /* the value as it is */
void option_piece(UnitWriter *w, Piece name, Piece value);

#define option_begin(w, name, first) option_begin_piece((w), PIECE(name), PIECE(first))
void option_begin_piece(UnitWriter *w, Piece name, Piece first);
#define option_key(w, key, value) option_key_piece((w), PIECE(key), (value))
void option_key_piece(UnitWriter *w, Piece key, const char *value);
void option_key_number(UnitWriter *w, const char *key, uint64_t value);
void option_key_id(UnitWriter *w, const char *key, const char *prefix,
                unsigned index); /* an id of ours: "net0" */
void option_end(UnitWriter *w);

/* What connects virtio devices: "pci" wherever there is any, else "ccw" or "device" */
const char *virtio_transport(const VM *vm);
/* "-device virtio-KIND-TRANSPORT", and with another prefix */
void option_begin_virtio(const VM *vm, const char *kind, UnitWriter *w);
void option_begin_on_virtio_bus(const VM *vm, const char *prefix, const char *kind, UnitWriter *w);

/* The machine "virt", "virt-7.2", "virt,gic-version=3" starts with the word "virt" */
bool starts_with_word(const char *s, const char *word);
