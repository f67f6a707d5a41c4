/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values in pieces: PIECES("qnet-tap@", tap, ".service") is an array of them. Most of a unit is written out in the
 * source, and there the compiler can count and look at it: such a piece is known to be plain, of characters that no
 * quoting knows, and is copied; the others are looked at a byte at a time. It is a matter of speed only: a literal that
 * is not plain is a piece like any other. */

#include <stddef.h>
#include <string.h>

#define PLAIN_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.-_=:,@+()"

typedef struct Piece {
        const char *text; /* NULL: the end of the array */
        size_t plain;     /* the length of text, when it is known to be plain; else 0 */
} Piece;

/* of a literal: done by the compiler */
static inline __attribute__((always_inline)) size_t plain_length(const char *s) {
        size_t n = strspn(s, PLAIN_CHARACTERS);

        return s[n] == '\0' ? n : 0;
}

#define PIECE(s) ((Piece){ (s), __builtin_constant_p(s) ? plain_length(s) : 0 })
#define PIECES(...) \
        ((const Piece[]){ _PIECES_OF(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1)(__VA_ARGS__), { NULL, 0 } })
#define _PIECES_OF(a, b, c, d, e, f, g, h, n, ...) _PIECES_##n
#define _PIECES_1(s)                               PIECE(s)
#define _PIECES_2(s, ...)                          PIECE(s), _PIECES_1(__VA_ARGS__)
#define _PIECES_3(s, ...)                          PIECE(s), _PIECES_2(__VA_ARGS__)
#define _PIECES_4(s, ...)                          PIECE(s), _PIECES_3(__VA_ARGS__)
#define _PIECES_5(s, ...)                          PIECE(s), _PIECES_4(__VA_ARGS__)
#define _PIECES_6(s, ...)                          PIECE(s), _PIECES_5(__VA_ARGS__)
#define _PIECES_7(s, ...)                          PIECE(s), _PIECES_6(__VA_ARGS__)
#define _PIECES_8(s, ...)                          PIECE(s), _PIECES_7(__VA_ARGS__)
