/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lists of quoted words, as systemd.syntax(7) has them: white space separates; a word may stand in double or single
 * quotes as a whole; backslash escapes count inside and outside of quotes (\a \b \f \n \r \t \v \\ \" \' \s \xHH \OOO
 * \uHHHH \UHHHHHHHH). What systemd.syntax(7) leaves open is refused, never guessed: a quote in the middle of a word,
 * text right behind a closing quote, an unknown escape, an escape that makes a NUL or is not UTF-8. Silent. */

#include "arena.h"

/* 0, -ENOMEM, or -EINVAL with *ret_why: the end of the sentence "ExtraArgs=... ". The words are not appended then. */
int words_split(Arena *a, const char *s, char ***ret, size_t *ret_n, const char **ret_why);

/* A strv in the arena: the array ends with NULL. 0 or -ENOMEM. */
int words_append(Arena *a, char ***words, size_t *n, char *word);
