/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "alias.h"

static int parse_word(const char *word, Alias *alias) {
        const char *v;

        if (!(v = startswith(word, "mac=")))
                return 0; /* of a later version */
        if (parse_mac(v, &alias->mac) < 0)
                return -EINVAL;
        alias->has_mac = true;
        return 0;
}

static int parse_name(const char *word, Alias *alias) {
        const char *v;

        if ((v = startswith(word, "vm=")))
                alias->kind = ALIAS_TAP;
        else if ((v = startswith(word, "switch=")))
                alias->kind = ALIAS_SWITCH;
        else
                return -EINVAL;
        if (!name_is_valid(v) || strlen(v) >= sizeof(alias->name))
                return -EINVAL;
        memcpy(alias->name, v, strlen(v) + 1);
        return 0;
}

int alias_parse(const char *text, Alias *ret) {
        Alias alias = { .kind = ALIAS_FOREIGN };
        char copy[ALIAS_SIZE], *next;
        const char *body;
        int r;

        *ret = alias;
        body = text ? startswith(text, "qnet:") : NULL;
        if (!body)
                return -ENOENT;
        if (strlen(body) >= sizeof(copy))
                return -EINVAL;
        memcpy(copy, body, strlen(body) + 1);

        next = copy;
        r = parse_name(strsep(&next, " "), &alias);
        while (r >= 0 && next && alias.kind == ALIAS_TAP) /* a switch has no guest's MAC */
                r = parse_word(strsep(&next, " "), &alias);
        if (r < 0)
                return r;
        *ret = alias;
        return 0;
}

const char *alias_format(const Alias *alias, char buf[static ALIAS_SIZE]) {
        char mac[MAC_STRING_SIZE];

        assert(alias->kind == ALIAS_TAP || alias->kind == ALIAS_SWITCH);
        if (alias->kind == ALIAS_SWITCH)
                snprintf(buf, ALIAS_SIZE, "qnet:switch=%s", alias->name);
        else if (alias->has_mac)
                snprintf(buf, ALIAS_SIZE, "qnet:vm=%s mac=%s", alias->name, format_mac(&alias->mac, mac));
        else
                snprintf(buf, ALIAS_SIZE, "qnet:vm=%s", alias->name);
        return buf;
}
