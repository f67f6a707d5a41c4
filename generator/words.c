/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "parse-value.h"
#include "words.h"

int words_append(Arena *a, char ***words, size_t *n, char *word) {
        size_t used = *n > 0 ? *n + 1 : 0; /* with the NULL */
        char **slot, **w = *words;

        if (used == 0) {
                slot = arena_append(a, w, used);
                if (!slot)
                        return -ENOMEM;
        }
        slot = arena_append(a, w, used);
        if (!slot)
                return -ENOMEM;
        w[used - 2] = word;
        w[used - 1] = NULL;
        *words = w;
        *n = used - 1;
        return 0;
}

/* U+0001 to U+10FFFF without surrogates, as UTF-8; the number of bytes, 0 when there is no such character. */
static size_t encode_utf8(uint32_t c, char out[static 4]) {
        if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        if (c < 0x80) {
                out[0] = (char) c;
                return 1;
        }
        if (c < 0x800) {
                out[0] = (char) (0xc0 | c >> 6);
                out[1] = (char) (0x80 | (c & 0x3f));
                return 2;
        }
        if (c < 0x10000) {
                out[0] = (char) (0xe0 | c >> 12);
                out[1] = (char) (0x80 | (c >> 6 & 0x3f));
                out[2] = (char) (0x80 | (c & 0x3f));
                return 3;
        }
        out[0] = (char) (0xf0 | c >> 18);
        out[1] = (char) (0x80 | (c >> 12 & 0x3f));
        out[2] = (char) (0x80 | (c >> 6 & 0x3f));
        out[3] = (char) (0x80 | (c & 0x3f));
        return 4;
}

static bool parse_digits(const char *s, size_t n, unsigned base, uint32_t *ret) {
        uint32_t v = 0;

        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char) s[i];
                unsigned digit = isdigit(c) ? c - 0U - '0' : isxdigit(c) ? (c | 0x20U) - 'a' + 10U : 99U;
                if (digit >= base)
                        return false;
                v = v * base + digit;
        }
        *ret = v;
        return true;
}

/* What follows a backslash: how many bytes of it, and what they mean. 0: no escape that there is. */
static size_t unescape(const char *s, char out[static 4], size_t *ret_n) {
        static const char letters[] = "abfnrtv\\\"'s", meanings[] = "\a\b\f\n\r\t\v\\\"' ";
        const char *p = *s ? strchr(letters, *s) : NULL;
        uint32_t v;

        *ret_n = 1;
        if (p) {
                out[0] = meanings[p - letters];
                return 1;
        }
        if (*s == 'x' || (*s >= '0' && *s <= '7')) { /* a byte */
                bool hex = *s == 'x';
                if (!parse_digits(s + hex, hex ? 2 : 3, hex ? 16 : 8, &v) || v == 0 || v > 255)
                        return 0;
                out[0] = (char) v;
                return 3;
        }
        if (*s == 'u' || *s == 'U') {
                size_t n = *s == 'u' ? 4 : 8;
                if (!parse_digits(s + 1, n, 16, &v))
                        return 0;
                *ret_n = encode_utf8(v, out);
                return *ret_n > 0 ? n + 1 : 0;
        }
        return 0;
}

/* One word from *s on, into out; NULL or why not. *s is then behind it. */
static const char *next_word(const char **s, char *out, size_t *ret_n) {
        const char *p = *s;
        char quote = *p == '"' || *p == '\'' ? *p++ : '\0', *start = out;

        for (; *p && (quote ? *p != quote : *p != ' ' && *p != '\t'); p++) {
                if (*p == '\\') {
                        char bytes[4];
                        size_t n, k = unescape(p + 1, bytes, &n);
                        if (k == 0)
                                return "has a backslash that is no escape (a literal one is written \\\\)";
                        out = mempcpy(out, bytes, n);
                        p += k;
                } else if (!quote && (*p == '"' || *p == '\''))
                        return "has a quote in the middle of a word; quote the word as a whole";
                else
                        *out++ = *p;
        }
        if (quote && *p != quote)
                return "has a quote that is not closed";
        if (quote && *++p && *p != ' ' && *p != '\t')
                return "has text right behind a closing quote";
        *s = p;
        *ret_n = (size_t) (out - start);
        return NULL;
}

static bool is_utf8(const char *s) {
        for (const unsigned char *p = (const unsigned char *) s; *p;) {
                size_t n = utf8_sequence(p);
                if (n == 0)
                        return false;
                p += n;
        }
        return true;
}

int words_split(Arena *a, const char *s, char ***ret, size_t *ret_n, const char **ret_why) {
        char *buf = arena_alloc(a, strlen(s) * 2 + 2), **words = NULL;
        size_t n_words = 0, n;
        int r;

        if (!buf)
                return -ENOMEM;
        for (;;) {
                s += strspn(s, " \t");
                if (!*s)
                        break;
                *ret_why = next_word(&s, buf, &n);
                if (*ret_why)
                        return -EINVAL;
                buf[n] = '\0';
                if (!is_utf8(buf)) {
                        *ret_why = "has escapes that are not UTF-8";
                        return -EINVAL;
                }
                r = words_append(a, &words, &n_words, buf);
                if (r < 0)
                        return r;
                buf += n + 1;
        }
        *ret = words;
        *ret_n = n_words;
        return 0;
}
