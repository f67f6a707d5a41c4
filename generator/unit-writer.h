/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From keys and values to unit files and links: the one place that knows systemd's quoting and the one that
 * touches the output directory. Emitters say what, never how it is written and never where.
 *
 * A unit is put together in memory and reaches the directory in unit_close(), whole or not at all: it is
 * written under a temporary name and renamed. Links likewise. Whoever else writes to the directory meanwhile,
 * and wherever one of them is killed, a reader sees a complete unit or none.
 *
 * Values are of two kinds. Text is what somebody wrote or named, and reaches systemd exactly as it is: '%' is
 * doubled and, in commands, '$' too, quotes and backslashes are escaped. Raw is systemd's own language and is
 * passed on, only that a line stays one line. Both refuse control characters and what is not UTF-8, as
 * systemd does (systemd.syntax(7)): there is no such thing as a value with a newline in it.
 *
 * Values are given in pieces, eight at most, that are put together, so that nobody formats strings on the way:
 *
 *     unit_open(w, "qnet-tap@", tap, ".service");
 *     unit_section(w, "Unit");
 *     unit_text(w, "Description", "Tap ", tap);
 *     unit_exec(w, "ExecStart", "", HELPERDIR "/qnet-tap");
 *     unit_arg(w, "add");
 *     unit_arg(w, "--mtu=", "9000");
 *     unit_exec_end(w);
 *     r = unit_close(w);
 *
 * The setters return nothing: the first error sticks to the unit and unit_close() returns it. Silent
 * throughout. */

#include "cleanup.h"
#include "pieces.h"

typedef struct UnitWriter UnitWriter;

/* Units go to dir, which must exist. */
int unit_writer_new(const char *dir, UnitWriter **ret);
/* Units are printed, each under a line "# DIR/NAME", links as "# DIR/LINK -> TARGET"; dir is only shown.
 * The stream stays the caller's. */
int unit_writer_new_stream(FILE *stream, const char *dir, UnitWriter **ret);
UnitWriter *unit_writer_free(UnitWriter *w); /* always NULL */
DEFINE_CLEANUP(UnitWriter *, unit_writer_free)
#define _cleanup_unit_writer_ _cleanup_(unit_writer_freep)

/* The unit's name in pieces: the writer is its owner until unit_close(). A '/' in it makes a drop-in
 * ("qnet-reaper.path.d/50-qnet.conf"); the directory is made. */
#define unit_open(w, ...) unit_open_pieces((w), __VA_ARGS__, NULL)
void unit_open_pieces(UnitWriter *w, ...) _sentinel_;
/* 0, or the first error: of a value (-EINVAL, -ENOMEM), or of the system (-ENOSPC and so on). */
int unit_close(UnitWriter *w);
const char *unit_name(const UnitWriter *w); /* of the unit or link written last, for messages */

#define unit_section(w, section) unit_section_piece((w), PIECE(section))
void unit_section_piece(UnitWriter *w, Piece section);

/* key=value for settings that take the rest of the line and expand specifiers (Description=, SourcePath=,
 * ...). */
#define unit_text(w, key, ...) unit_text_pieces((w), PIECE(key), PIECES(__VA_ARGS__))
void unit_text_pieces(UnitWriter *w, Piece key, const Piece pieces[]);
/* The same without any escaping. */
#define unit_raw(w, key, ...) unit_raw_pieces((w), PIECE(key), PIECES(__VA_ARGS__))
void unit_raw_pieces(UnitWriter *w, Piece key, const Piece pieces[]);
/* The same, of a unit that key= (Requires, Wants, BindsTo, PartOf) says, and once more with After=. */
#define unit_dependency(w, key, ...) unit_dependency_pieces((w), PIECE(key), PIECES(__VA_ARGS__))
void unit_dependency_pieces(UnitWriter *w, Piece key, const Piece pieces[]);
/* For settings that take a list of quoted words (ReadWritePaths=, DeviceAllow=): the text as one word,
 * then rest, raw, after a space if it is not NULL. */
void unit_word(UnitWriter *w, const char *key, const char *text, const char *rest);

/* A command line, systemd.service(5): prefix is of "-@:+!" or empty, program an absolute path that is
 * ours. Then the arguments, one call each. unit_option() starts a line of its own (continued with a
 * backslash), unit_arg() goes on in the same line. */
#define unit_exec(w, key, prefix, ...) unit_exec_pieces((w), PIECE(key), (prefix), PIECES(__VA_ARGS__))
void unit_exec_pieces(UnitWriter *w, Piece key, const char *prefix, const Piece program[]);
#define unit_arg(w, ...) unit_arg_pieces((w), PIECES(__VA_ARGS__))
void unit_arg_pieces(UnitWriter *w, const Piece pieces[]);
#define unit_option(w, ...) unit_option_pieces((w), PIECES(__VA_ARGS__))
void unit_option_pieces(UnitWriter *w, const Piece pieces[]);
/* One argument in several calls, the only way to a variable of the unit's environment in it. */
void unit_arg_begin(UnitWriter *w);    /* goes on in the same line */
void unit_option_begin(UnitWriter *w); /* in a line of its own */
/* behind name, which has nothing to be quoted, in a line of their own */
#define unit_option_named(w, name) unit_option_named_piece((w), PIECE(name))
void unit_option_named_piece(UnitWriter *w, Piece name);
#define unit_arg_add(w, text) unit_arg_add_piece((w), PIECE(text))
void unit_arg_add_piece(UnitWriter *w, Piece piece);
void unit_arg_add_commas_doubled(UnitWriter *w, const char *text); /* as in QEMU's lists of key=value */
void unit_arg_add_variable(UnitWriter *w, const char *name);       /* ${name}: set at run time, never split */
void unit_arg_end(UnitWriter *w);
void unit_exec_end(UnitWriter *w);

/* What two commands of a unit have in common: it is written once, between two places, and copied. */
size_t unit_here(const UnitWriter *w);
void unit_copy(UnitWriter *w, size_t from, size_t to);

/* Link name (in pieces; "qnet.target.wants/x.service", directories are made) to target, as symlink(2)
 * takes it. A link that is there already is replaced atomically, unless it is the same. */
#define unit_link(w, target, ...) unit_link_pieces((w), (target), __VA_ARGS__, NULL)
int unit_link_pieces(UnitWriter *w, const char *target, ...) _sentinel_;

/* What is not a string: a number, and a time span of microseconds as systemd.time(7) reads it ("90s",
 * "1500ms", "infinity"). Both return buf. */
#define NUMBER_STRING_SIZE sizeof("18446744073709551615us")
const char *format_number(uint64_t n, char buf[static NUMBER_STRING_SIZE]);
const char *format_span(usec_t t, char buf[static NUMBER_STRING_SIZE]);

/* systemd-escape --path, for a path below / without the leading slash ("sys/subsystem/net/devices/tap-a"):
 * systemd.unit(5), "String Escaping for Inclusion in Unit Names". NULL when out of memory. */
char *unit_name_escape_path(const char *path);
