/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ini.h"
#include "test.h"
#include "words.h"

/* Records as text, one a line: "3 [name]", "4 key=value", "5 ! message: text". */
static void ini_n(const char *text, size_t size, const char *expected, const char *file, int line) {
        char *copy = malloc(size + 1), *out = NULL;
        size_t n_out;
        FILE *f = open_memstream(&out, &n_out);
        IniReader r;
        IniLine l;

        memcpy(copy, text, size);
        ini_open(&r, copy, size);
        while (ini_next(&r, &l)) {
                fprintf(f, "%u ", l.line);
                if (l.type == INI_SECTION)
                        fprintf(f, "[%s]\n", l.name);
                else if (l.type == INI_ASSIGNMENT)
                        fprintf(f, "%s=%s\n", l.name, l.value);
                else
                        fprintf(f, "! %s: %s\n", l.name, l.value ?: "-");
        }
        fclose(f);
        _assert_string_equal(out, expected, file, line);
        free(out);
        free(copy);
}

#define ini_one(text, expected) ini_n((text), sizeof(text) - 1, (expected), __FILE__, __LINE__)

static void test_lines(void **state) {
        ini_one("", "");
        ini_one("\n\n", "");
        ini_one("[VM host1]", "1 [VM host1]\n");
        ini_one("[VM]\nMemory=1G\n", "1 [VM]\n2 Memory=1G\n");
        ini_one("  [ VM  host1 ]  \n  A  =  b c  \n", "1 [VM  host1]\n2 A=b c\n");
        ini_one("A=", "1 A=\n");
        ini_one("A==b=", "1 A==b=\n");
        ini_one("A=b # no comment", "1 A=b # no comment\n");
        ini_one("A=[x]", "1 A=[x]\n");
        ini_one("\xef\xbb\xbf[VM]\n", "1 [VM]\n");
        ini_one("[VM]\r\nA=1\r\n\r\nB=2\r\n", "1 [VM]\n2 A=1\n4 B=2\n");
        ini_one("A=caf\xc3\xa9", "1 A=caf\xc3\xa9\n");
        ini_one("A=a\tb", "1 A=a\tb\n");
}

static void test_comments(void **state) {
        ini_one("# a\n ; b\n\t#c\nA=1", "4 A=1\n");
        ini_one("#\xff\x01 any bytes\nA=1", "2 A=1\n");
        ini_one("# no continuation \\\nA=1", "2 A=1\n");
}

static void test_continuation(void **state) {
        ini_one("A=1 \\\n  2 \\\n3\nB=4", "1 A=1    2  3\n4 B=4\n");
        ini_one("A=1\\\n# comment\n  ; another\n2\n", "1 A=1 2\n");
        ini_one("A=1\\\n\nB=2", "1 A=1\n3 B=2\n");
        ini_one("A=1\\\\\nB=2", "1 A=1\\\\\n2 B=2\n");
        ini_one("A=1\\\\\\\n2", "1 A=1\\\\ 2\n");
        ini_one("A=1\\", "1 A=1\n");
        ini_one("A=1\\\r\n2\r\n", "1 A=1 2\n");
        ini_one("A=1\\\n\t\t2", "1 A=1   2\n");
        ini_one("\\\nA=1", "1 A=1\n");
        ini_one("A=\\\n# only a comment", "1 A=\n");
}

static void test_errors(void **state) {
        ini_one("[VM", "1 ! Section header lacks its closing bracket: [VM\n");
        ini_one("[VM] x\nA=1", "1 ! Section header lacks its closing bracket: [VM] x\n2 A=1\n");
        ini_one("[]", "1 ! Section header is malformed: []\n");
        ini_one("[  ]", "1 ! Section header is empty: -\n");
        ini_one("[a[b]", "1 ! Section header is malformed: [a[b]\n");
        ini_one("[", "1 ! Section header lacks its closing bracket: [\n");
        ini_one("nonsense", "1 ! Neither a section nor an assignment: nonsense\n");
        ini_one("=x", "1 ! No key before '=': =x\n");
        ini_one("A=\xff\nB=1", "1 ! Line is not valid UTF-8: -\n2 B=1\n");
        ini_one("A=\xc3", "1 ! Line is not valid UTF-8: -\n");
        ini_one("A=\x01\nB=1", "1 ! Line has a control character: -\n2 B=1\n");
        ini_one("A=b\0c\nB=1", "1 ! Line has a control character: -\n2 B=1\n");
        ini_one("\0", "1 ! Line has a control character: -\n");
        ini_one("A=b\rc", "1 ! Line has a control character: -\n");
        ini_one("A=\x7f", "1 ! Line has a control character: -\n");
}

/* Every byte at every place of a word of eight: nothing hides behind its neighbours. */
static void test_every_byte(void **state) {
        for (unsigned c = 1; c < 256; c++)
                for (size_t i = 0; i < 16; i++) {
                        char text[] = "A=xxxxxxxxxxxxxxxx";
                        bool bad = (c < 32 && c != '\t') || c >= 127;
                        IniReader r;
                        IniLine l;

                        if (c == '\n' || (c == '\r' && i == 15))
                                continue;
                        text[2 + i] = (char) c;
                        ini_open(&r, text, sizeof(text) - 1);
                        assert_true(ini_next(&r, &l));
                        assert_int_equal(l.type, bad ? INI_ERROR : INI_ASSIGNMENT);
                }
}

static void test_long(void **state) {
        size_t n = INI_LINE_MAX + 64 * 1024 + 5;
        char *text = malloc(n);

        memset(text, 'x', n);
        memcpy(text, "A=", 2);
        memcpy(text + n - 5, "\nB=1\n", 5);
        ini_n(text, n, "1 ! Line is longer than 1 MiB: -\n2 B=1\n", __FILE__, __LINE__);
        for (size_t i = 40; i < n - 5; i += 40) /* the same in pieces */
                memcpy(text + i, "\\\n", 2);
        ini_n(text, n, "1 ! Line is longer than 1 MiB: -\n27854 B=1\n", __FILE__, __LINE__);
        free(text);
}

static void words_n(const char *text, const char *expected, const char *file, int line) {
        Arena *a = arena_new();
        const char *why = NULL;
        char **words = NULL, *out;
        size_t n = 0, n_out;
        FILE *f = open_memstream(&out, &n_out);
        int r = words_split(a, text, &words, &n, &why);

        if (r < 0)
                fprintf(f, "!%s", why);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "<%s>", words[i]);
        fclose(f);
        if (n > 0 && words[n])
                fail_msg("the list does not end with NULL");
        _assert_string_equal(out, expected, file, line);
        free(out);
        arena_free(a);
}
#define words_one(text, expected) words_n((text), (expected), __FILE__, __LINE__)

static void test_words(void **state) {
        words_one("", "");
        words_one("  ", "");
        words_one("a b\t c ", "<a><b><c>");
        words_one("1 2 3 4 5 6 7 8 9", "<1><2><3><4><5><6><7><8><9>");
        words_one("\"a b\" 'c \"d' \"\"", "<a b><c \"d><>");
        words_one("a\\x20b \\\\ \\s \\'", "<a b><\\>< ><'>");
        words_one("'\\u20ac' \\U0001f600 \\303\\251", "<\xe2\x82\xac><\xf0\x9f\x98\x80><\xc3\xa9>");
        words_one("a'b", "!has a quote in the middle of a word; quote the word as a whole");
        words_one("'a'b", "!has text right behind a closing quote");
        words_one("\"a b", "!has a quote that is not closed");
        words_one("a\\q", "!has a backslash that is no escape (a literal one is written \\\\)");
        words_one("a\\", "!has a backslash that is no escape (a literal one is written \\\\)");
        words_one("a\\x0", "!has a backslash that is no escape (a literal one is written \\\\)");
        words_one("a\\x00", "!has a backslash that is no escape (a literal one is written \\\\)");
        words_one("a\\ud800", "!has a backslash that is no escape (a literal one is written \\\\)");
        words_one("a\\xff", "!has escapes that are not UTF-8");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_comments),
                cmocka_unit_test(test_continuation),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_long),
                cmocka_unit_test(test_every_byte),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
