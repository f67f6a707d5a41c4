/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "alias.h"

#define PREFIX "qnet:"

static const char *const words[] = {
        [ALIAS_TAP] = "vm=",
        [ALIAS_SWITCH] = "switch=",
        [ALIAS_TRUNK] = "trunk=",
        [ALIAS_VXLAN] = "vxlan=",
        [ALIAS_WIRE] = "wire=",
        [ALIAS_UPLINK] = "uplink=",
};

static int parse_word(const char *word, Alias *alias) {
        const char *v;

        if (!(v = startswith(word, "mac=")))
                return 0; /* of a later version */
        if (parse_mac(v, &alias->mac) < 0)
                return -EINVAL;
        alias->has_mac = true;
        return 0;
}

/* Of an uplink. What follows "was=" may hold anything, spaces too. */
static void parse_former(const char *body, char *next, Alias *alias) {
        while (next) {
                const char *v = startswith(next, "was=");

                if (v && *v) {
                        alias->was = (unsigned char) (strlen(PREFIX) + (size_t) (v - body));
                        return;
                }
                if (streq(strsep(&next, " "), "down"))
                        alias->was_down = true;
        }
}

static int parse_name(const char *word, Alias *alias) {
        const char *v = NULL;

        for (AliasKind kind = ALIAS_FOREIGN + 1; kind < (AliasKind) ELEMENTSOF(words) && !v; kind++) {
                v = startswith(word, words[kind]);
                alias->kind = kind;
        }
        if (!v || strlen(v) >= sizeof(alias->name) ||
                        !(alias->kind == ALIAS_WIRE ? ifname_is_valid(v) : name_is_valid(v)))
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
        body = text ? startswith(text, PREFIX) : NULL;
        if (!body)
                return -ENOENT;
        if (strlen(body) >= sizeof(copy))
                return -EINVAL;
        memcpy(copy, body, strlen(body) + 1);

        next = copy;
        r = parse_name(strsep(&next, " "), &alias);
        while (r >= 0 && next && alias.kind == ALIAS_TAP) /* the others have no guest's MAC */
                r = parse_word(strsep(&next, " "), &alias);
        if (r < 0)
                return r;
        if (alias.kind == ALIAS_UPLINK)
                parse_former(copy, next, &alias);
        *ret = alias;
        return 0;
}

const char *alias_format(const Alias *alias, char buf[static ALIAS_SIZE]) {
        char mac[MAC_STRING_SIZE];

        assert(alias->kind > ALIAS_FOREIGN && alias->kind < (AliasKind) ELEMENTSOF(words));
        if (alias->kind == ALIAS_TAP && alias->has_mac)
                snprintf(buf, ALIAS_SIZE, PREFIX "vm=%s mac=%s", alias->name, format_mac(&alias->mac, mac));
        else
                snprintf(buf, ALIAS_SIZE, PREFIX "%s%s%s", words[alias->kind], alias->name,
                                alias->was_down ? " down" : "");
        return buf;
}
