/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In come keys, values and arguments, out goes the text of one unit, in the writer's buffer. The only place
 * that escapes. What is escaped, and why it is enough, in the words of systemd.syntax(7) and
 * systemd.service(5):
 *   - a line that ends in an odd number of backslashes goes on in the next line: so a value never ends in one;
 *   - a continued line that starts with '#' or ';' is a comment: arguments that have one are quoted;
 *   - "%" is a specifier in all values, "%%" is a percent sign;
 *   - "$NAME" and "${NAME}" are variables in commands, "$$" is a dollar sign, within quotes too;
 *   - a ";" alone separates commands, '";"' is an argument;
 *   - in double quotes only '"' and '\' mean anything, after the two above. */

#include "parse-value.h"
#include "unit-writer-internal.h"

#define CONTINUED " \\\n        "

void unit_fail(UnitWriter *w, int error) {
        if (w->error == 0)
                w->error = error;
}

static bool grow(UnitWriter *w, size_t n) {
        size_t a = MAX(w->size + n, w->allocated * 2);
        char *p = realloc(w->buf, a);

        if (!p) {
                unit_fail(w, -ENOMEM);
                return false;
        }
        w->buf = p;
        w->allocated = a;
        return true;
}

static inline char *reserve(UnitWriter *w, size_t n) { /* room for n more bytes, or NULL after fail() */
        if (w->size + n > w->allocated && !grow(w, n))
                return NULL;
        return w->buf + w->size;
}

/* memcpy(3) for what is a word or two most often: most of a unit is pieces of that length. */
static inline void copy(char *to, const char *from, size_t n) {
        if (n > 16)
                memcpy(to, from, n);
        else if (n >= 8) { /* from both ends, they may overlap */
                uint64_t head, tail;

                memcpy(&head, from, 8);
                memcpy(&tail, from + n - 8, 8);
                memcpy(to, &head, 8);
                memcpy(to + n - 8, &tail, 8);
        } else
                for (size_t i = 0; i < n; i++)
                        to[i] = from[i];
}

static inline void put(UnitWriter *w, const char *s, size_t n) {
        char *p = reserve(w, n);

        if (!p)
                return;
        copy(p, s, n);
        w->size += n;
}

static inline void put_string(UnitWriter *w, const char *s) {
        put(w, s, strlen(s));
}

/* What a byte of text asks for. */
enum {
        PERCENT = 1 << 0, /* doubled in every value */
        DOLLAR = 1 << 1,  /* doubled in commands */
        QUOTE = 1 << 2,   /* a backslash before it in words */
        SPLITS = 1 << 3,  /* a word with it is put in quotes */
        HIGH = 1 << 4,    /* may be UTF-8 */
        REFUSED = 1 << 5,
        COMMA = 1 << 6, /* doubled in lists of QEMU's */
        END = 1 << 7,
};

#define BYTE_CLASSES                                                                                       \
        [0x00] = END,                                                                                      \
        [0x01 ... 0x1f] = REFUSED, [' '] = SPLITS, ['"'] = QUOTE | SPLITS, ['#'] = SPLITS, ['$'] = DOLLAR, \
        ['%'] = PERCENT, ['\''] = SPLITS, [';'] = SPLITS, ['\\'] = QUOTE | SPLITS, [0x7f] = REFUSED,       \
        [0x80 ... 0xff] = HIGH
static const unsigned char byte_class[256] = { BYTE_CLASSES };
static const unsigned char byte_class_comma[256] = { BYTE_CLASSES, [','] = COMMA };

/* Whether none of eight bytes is of any class; commas: ',' is no class here. The usual tricks with carries: they may say no
 * where yes is right, behind a byte that is of one, never yes where no is right. */
static bool is_simple(uint64_t v, bool commas) {
        const uint64_t ones = UINT64_C(0x0101010101010101);
        /* what is below '+' is of some class, or rare; behind it come ',' and '-' */
        uint64_t below = v - ones * (commas ? '+' : '-');

        return ((v | below | ((v ^ ones * ';') - ones) | ((v ^ ones * '\\') - ones) | ((v ^ ones * 127) - ones)) &
                               ones << 7) == 0;
}

/* The same with less than eight, which may overlap. */
static bool copy_simple_short(char *to, const char *s, size_t n, bool commas) {
        uint32_t head, tail;

        if (n < 4) {
                for (size_t i = 0; i < n; i++) {
                        if ((commas ? byte_class : byte_class_comma)[(unsigned char) s[i]])
                                return false;
                        to[i] = s[i];
                }
                return true;
        }
        memcpy(&head, s, 4);
        memcpy(&tail, s + n - 4, 4);
        if (!is_simple((uint64_t) tail << 32 | head, commas))
                return false;
        memcpy(to, &head, 4);
        memcpy(to + n - 4, &tail, 4);
        return true;
}

/* Copies s while looking at it; false: there is something in it that asks for more than that. */
static bool copy_simple(char *to, const char *s, size_t n, bool commas) {
        uint64_t v;

        if (n < 8)
                return copy_simple_short(to, s, n, commas);
        for (size_t i = 0;; i = MIN(i + 8, n - 8)) { /* the last eight may have been in part of those before */
                memcpy(&v, s + i, 8);
                if (!is_simple(v, commas))
                        return false;
                memcpy(to + i, &v, 8);
                if (i == n - 8)
                        return true;
        }
}

/* Appends s, for which there is room. Bytes of a class in doubled are written twice, those of a class in escaped get a
 * backslash. Returns the classes that were seen. */
static _noinline_ unsigned put_with_escapes(
                UnitWriter *w, const char *s, unsigned doubled, unsigned escaped) {
        const unsigned char *class = doubled & COMMA ? byte_class_comma : byte_class;
        char *start = w->buf + w->size, *p = start;
        unsigned seen = 0;

        for (const char *rest = s;; rest++) {
                unsigned k = class[(unsigned char) *rest];

                if (k) { /* seldom */
                        if (k & END)
                                break;
                        seen |= k;
                        if (k & (doubled | escaped))
                                *p++ = k & doubled ? *rest : '\\';
                }
                *p++ = *rest;
        }
        w->size += (size_t) (p - start);
        if ((seen & REFUSED) || ((seen & HIGH) && !text_is_printable(s)))
                unit_fail(w, -EINVAL);
        return seen;
}

static unsigned put_escaped(UnitWriter *w, const char *s, unsigned doubled, unsigned escaped) {
        size_t n = strlen(s);
        char *p = reserve(w, 2 * n);

        if (!p)
                return 0;
        if (!copy_simple(p, s, n, !(doubled & COMMA)))
                return put_with_escapes(w, s, doubled, escaped);
        w->size += n;
        return 0;
}

static inline unsigned put_piece(UnitWriter *w, Piece piece, unsigned doubled, unsigned escaped) {
        if (piece.plain == 0)
                return put_escaped(w, piece.text, doubled, escaped);
        put(w, piece.text, piece.plain);
        return 0;
}

/* Ends a value that started at offset start. Space around it would get lost in systemd's parser, so it is
 * refused rather than changed; after an odd number of backslashes a space, which does get lost, keeps the
 * line from going on. */
static void end_value(UnitWriter *w, size_t start) {
        size_t backslashes = 0;

        if (w->error < 0)
                return;
        if (w->size > start && (w->buf[start] == ' ' || w->buf[w->size - 1] == ' '))
                unit_fail(w, -EINVAL);
        while (backslashes < w->size - start && w->buf[w->size - 1 - backslashes] == '\\')
                backslashes++;
        if (backslashes % 2 == 1)
                put(w, " ", 1);
        put(w, "\n", 1);
}

static size_t begin_value(UnitWriter *w, Piece key) {
        put_piece(w, key, 0, 0);
        put(w, "=", 1);
        return w->size;
}

void unit_section_piece(UnitWriter *w, Piece section) {
        if (w->size > 0)
                put(w, "\n", 1);
        put(w, "[", 1);
        put_piece(w, section, 0, 0);
        put(w, "]\n", 2);
}

void unit_text_pieces(UnitWriter *w, Piece key, const Piece pieces[]) {
        size_t start = begin_value(w, key);

        for (; pieces->text; pieces++)
                put_piece(w, *pieces, PERCENT, 0);
        end_value(w, start);
}

void unit_raw_pieces(UnitWriter *w, Piece key, const Piece pieces[]) {
        size_t start = begin_value(w, key);

        for (; pieces->text; pieces++)
                put_piece(w, *pieces, 0, 0);
        end_value(w, start);
}

size_t unit_here(const UnitWriter *w) {
        return w->size;
}

void unit_copy(UnitWriter *w, size_t from, size_t to) {
        char *p = reserve(w, to - from);

        if (!p)
                return;
        memcpy(p, w->buf + from, to - from);
        w->size += to - from;
}

void unit_dependency_pieces(UnitWriter *w, Piece key, const Piece pieces[]) {
        size_t start = w->size;

        unit_raw_pieces(w, key, pieces);
        if (w->error < 0)
                return;
        start += key.plain ?: strlen(key.text);
        put(w, "After", strlen("After"));
        unit_copy(w, start, w->size - strlen("After"));
}

/* ---- words and commands ---- */

static void arg_add(UnitWriter *w, Piece piece, unsigned doubled) {
        if (put_piece(w, piece, doubled, QUOTE) & SPLITS)
                w->arg_quoted = true;
}

static void arg_begin(UnitWriter *w) {
        w->arg_start = w->size;
        w->arg_quoted = false;
}

void unit_arg_begin(UnitWriter *w) {
        put(w, " ", 1);
        arg_begin(w);
}

void unit_option_begin(UnitWriter *w) {
        put_string(w, CONTINUED);
        arg_begin(w);
}

void unit_option_named_piece(UnitWriter *w, Piece name) {
        put_string(w, CONTINUED);
        put_piece(w, name, 0, 0);
        unit_arg_begin(w);
}

void unit_arg_add_piece(UnitWriter *w, Piece piece) {
        arg_add(w, piece, PERCENT | DOLLAR);
}

void unit_arg_add_commas_doubled(UnitWriter *w, const char *text) {
        arg_add(w, (Piece){ text, 0 }, PERCENT | DOLLAR | COMMA);
}

void unit_arg_add_variable(UnitWriter *w, const char *name) {
        put(w, "${", 2);
        put_string(w, name);
        put(w, "}", 1);
}

void unit_arg_end(UnitWriter *w) {
        size_t n = w->size - w->arg_start;
        char *p;

        /* only now is it known whether there must be quotes around it; the escapes are the same */
        if (!w->arg_quoted && n > 0)
                return;
        if (!reserve(w, 2) || w->error < 0)
                return;
        p = w->buf + w->arg_start;
        memmove(p + 1, p, n);
        p[0] = p[n + 1] = '"';
        w->size += 2;
}

void unit_word(UnitWriter *w, const char *key, const char *text, const char *rest) {
        size_t start = begin_value(w, (Piece){ key, 0 });

        arg_begin(w);
        arg_add(w, (Piece){ text, 0 }, PERCENT); /* "$" means nothing outside commands */
        unit_arg_end(w);
        if (rest) {
                put(w, " ", 1);
                put_escaped(w, rest, 0, 0);
        }
        end_value(w, start);
}

void unit_exec_pieces(UnitWriter *w, Piece key, const char *prefix, const Piece program[]) {
        begin_value(w, key);
        put_string(w, prefix);
        arg_begin(w);
        for (; program->text; program++)
                arg_add(w, *program, PERCENT); /* the path of the program is not looked at for variables */
        unit_arg_end(w);
}

static void arg_pieces(UnitWriter *w, const Piece pieces[]) {
        for (; pieces->text; pieces++)
                arg_add(w, *pieces, PERCENT | DOLLAR);
        unit_arg_end(w);
}

void unit_arg_pieces(UnitWriter *w, const Piece pieces[]) {
        unit_arg_begin(w);
        arg_pieces(w, pieces);
}

void unit_option_pieces(UnitWriter *w, const Piece pieces[]) {
        unit_option_begin(w);
        arg_pieces(w, pieces);
}

void unit_exec_end(UnitWriter *w) {
        put(w, "\n", 1);
}

const char *format_number(uint64_t n, char buf[static NUMBER_STRING_SIZE]) {
        char digits[NUMBER_STRING_SIZE], *p = digits + sizeof(digits) - 1;

        *p = 0;
        do
                *--p = (char) ('0' + n % 10);
        while ((n /= 10) > 0);
        return memcpy(buf, p, digits + sizeof(digits) - p);
}

const char *format_span(usec_t t, char buf[static NUMBER_STRING_SIZE]) {
        if (t == USEC_INFINITY)
                return strcpy(buf, "infinity");
        if (t % USEC_PER_SEC == 0)
                return strcat((char *) format_number(t / USEC_PER_SEC, buf), "s");
        if (t % USEC_PER_MSEC == 0)
                return strcat((char *) format_number(t / USEC_PER_MSEC, buf), "ms");
        return strcat((char *) format_number(t, buf), "us");
}

char *unit_name_escape_path(const char *path) {
        static const char hex[] = "0123456789abcdef";
        char *ret = malloc(strlen(path) * 4 + 1), *p = ret;

        if (!ret)
                return NULL;
        for (const char *s = path; *s; s++) {
                bool alnum = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');

                if (*s == '/')
                        *p++ = '-';
                else if (alnum || *s == ':' || *s == '_' || (*s == '.' && s > path))
                        *p++ = *s;
                else {
                        *p++ = '\\';
                        *p++ = 'x';
                        *p++ = hex[(unsigned char) *s >> 4];
                        *p++ = hex[*s & 15];
                }
        }
        *p = 0;
        return ret;
}
