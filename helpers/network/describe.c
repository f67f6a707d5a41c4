/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "describe.h"

static const char *kind_in_words(const Link *link) {
        if (streq(link->kind, "tun"))
                return link->is_tap ? "a tap device" : "a tun device (layer 3, no tap)";
        if (streq(link->kind, "openvswitch"))
                return "an Open vSwitch device";
        if (streq(link->kind, "bridge"))
                return "a bridge";
        return NULL;
}

const char *link_describe(const Link *link, char buf[static LINK_DESCRIPTION_SIZE]) {
        const char *kind = kind_in_words(link);
        int n;

        if (link->alias.kind == ALIAS_TAP)
                snprintf(buf, LINK_DESCRIPTION_SIZE, "the tap of VM %s", link->alias.name);
        else if (link->alias.kind == ALIAS_SWITCH)
                snprintf(buf, LINK_DESCRIPTION_SIZE, "the bridge of switch %s", link->alias.name);
        else if (link->alias.kind == ALIAS_TRUNK)
                snprintf(buf, LINK_DESCRIPTION_SIZE, "an end of the trunk %s", link->alias.name);
        else if (link->alias.kind == ALIAS_VXLAN)
                snprintf(buf, LINK_DESCRIPTION_SIZE, "the VXLAN tunnel of bridge %s", link->alias.name);
        else if (link->alias.kind == ALIAS_WIRE)
                snprintf(buf, LINK_DESCRIPTION_SIZE, "the wire of tap %s", link->alias.name);
        else if (link->alias.kind == ALIAS_UPLINK)
                snprintf(buf, LINK_DESCRIPTION_SIZE, "the uplink of switch %s", link->alias.name);
        else {
                if (kind)
                        n = snprintf(buf, LINK_DESCRIPTION_SIZE, "%s ", kind);
                else
                        n = snprintf(buf, LINK_DESCRIPTION_SIZE, "a%s%s device ",
                                        *link->kind ? " " : " network", link->kind);
                if (*link->alias_text)
                        snprintf(buf + n, LINK_DESCRIPTION_SIZE - (size_t) n, "with the alias \"%s\"",
                                        link->alias_text);
                else
                        snprintf(buf + n, LINK_DESCRIPTION_SIZE - (size_t) n, "without an alias");
        }
        for (char *p = buf; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 127)
                        *p = '?';
        return buf;
}
