/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ini.h"
#include "parse-value.h"

void ini_open(IniReader *r, char *text, size_t size) {
        static const char bom[] = "\xef\xbb\xbf";

        text[size] = '\0';
        *r = (IniReader){ .next = text, .end = text + size };
        if (size >= sizeof(bom) - 1 && memcmp(text, bom, sizeof(bom) - 1) == 0)
                r->next += sizeof(bom) - 1;
}

/* One line of the file, without its end; *ret is not terminated. */
static bool next_physical(IniReader *r, char **ret, size_t *ret_size) {
        char *start = r->next, *end;

        if (start >= r->end)
                return false;
        end = memchr(start, '\n', (size_t) (r->end - start)) ?: r->end;
        r->next = end + 1;
        r->line++;
        if (end > start && end[-1] == '\r')
                end--;
        *ret = start;
        *ret_size = (size_t) (end - start);
        return true;
}

static bool is_comment(const char *s, size_t n) {
        while (n > 0 && (*s == ' ' || *s == '\t'))
                s++, n--;
        return n > 0 && (*s == '#' || *s == ';');
}

/* An odd number of backslashes at the end: the last is none that another escapes. */
static bool is_continued(const char *s, size_t n) {
        size_t k = 0;

        while (k < n && s[n - 1 - k] == '\\')
                k++;
        return k % 2 == 1;
}

/* Lines that a backslash joins, moved together; comment lines are dropped, also between joined ones. *ret is
 * terminated. */
static bool next_logical(IniReader *r, char **ret, size_t *ret_size, unsigned *ret_line) {
        char *line = NULL, *s;
        size_t size = 0, n;

        while (next_physical(r, &s, &n)) {
                if (is_comment(s, n))
                        continue;
                if (!line) {
                        line = s;
                        size = n;
                        *ret_line = r->line;
                } else {
                        for (size_t i = 0; i < n && (s[i] == ' ' || s[i] == '\t'); i++)
                                s[i] = ' ';
                        memmove(line + size, s, n);
                        size += n;
                }
                if (!is_continued(line, size))
                        break;
                line[size - 1] = ' ';
        }
        if (!line)
                return false;
        line[size] = '\0';
        *ret = line;
        *ret_size = size;
        return true;
}

/* Eight bytes at once: are all of them printable ASCII? The usual tricks with carries: they may say no where yes is
 * right, behind a byte that is none, never yes where no is right. */
static bool is_plain(const unsigned char *p) {
        const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
        uint64_t v, del;

        memcpy(&v, p, sizeof(v));
        del = v ^ ones * 127;
        return (((v - ones * 32) | (del - ones) | v) & tops) == 0;
}

/* What keeps the bytes of a line from being text at all, or NULL. */
static const char *line_error(const char *s, size_t n) {
        const unsigned char *p = (const unsigned char *) s;

        if (n > INI_LINE_MAX)
                return "Line is longer than 1 MiB";
        for (size_t i = 0; i < n;) {
                size_t k = 1;
                if (n - i >= 8 && is_plain(p + i)) {
                        i += 8;
                        continue;
                }
                if (n - i < 8 && n >= 8 && is_plain(p + n - 8)) /* with some of those before */
                        return NULL;
                if (p[i] < 32 ? p[i] != '\t' : p[i] == 127)
                        return "Line has a control character";
                if (p[i] >= 128)
                        k = utf8_sequence(p + i);
                if (k == 0)
                        return "Line is not valid UTF-8";
                i += k;
        }
        return NULL;
}

static char *strip(char *s, size_t n) {
        while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
                n--;
        s[n] = '\0';
        while (*s == ' ' || *s == '\t')
                s++;
        return s;
}

static void error_line(IniLine *l, const char *message, char *text) {
        l->type = INI_ERROR;
        l->name = message;
        l->value = text;
}

static void parse_section(char *s, IniLine *l) {
        size_t n = strlen(s);

        if (s[n - 1] != ']') {
                error_line(l, "Section header lacks its closing bracket", s);
                return;
        }
        if (n == 2 || strcspn(s + 1, "[]") != n - 2) {
                error_line(l, "Section header is malformed", s);
                return;
        }
        l->type = INI_SECTION;
        l->name = strip(s + 1, n - 2);
        if (!*l->name)
                error_line(l, "Section header is empty", NULL);
}

static void parse_assignment(char *s, IniLine *l) {
        char *eq = strchr(s, '=');

        if (!eq) {
                error_line(l, "Neither a section nor an assignment", s);
                return;
        }
        if (eq == s) {
                error_line(l, "No key before '='", s);
                return;
        }
        l->type = INI_ASSIGNMENT;
        l->name = strip(s, (size_t) (eq - s));
        l->value = strip(eq + 1, strlen(eq + 1));
}

bool ini_next(IniReader *r, IniLine *ret) {
        char *s;
        size_t n;

        while (next_logical(r, &s, &n, &ret->line)) {
                const char *message = line_error(s, n);
                if (message) {
                        error_line(ret, message, NULL);
                        return true;
                }
                s = strip(s, n);
                if (!*s)
                        continue;
                if (*s == '[')
                        parse_section(s, ret);
                else
                        parse_assignment(s, ret);
                return true;
        }
        return false;
}
