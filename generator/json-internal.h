/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What json.c and json-vm.c share: how values that stand in many places look. */

#include <jansson.h>

#include "json.h"

/* json_object_set_new() and json_array_append_new() take a NULL value for a failure: errors are gathered in one
 * flag, whoever makes the value. */
typedef struct Builder {
        bool failed;
} Builder;

json_t *vm_object(Builder *b, const VM *vm); /* json-vm.c */

static inline void put(Builder *b, json_t *object, const char *key, json_t *value) {
        if (json_object_set_new(object, key, value) < 0)
                b->failed = true;
}

static inline void append(Builder *b, json_t *array, json_t *value) {
        if (json_array_append_new(array, value) < 0)
                b->failed = true;
}

static inline json_t *text(const char *s) {
        return s ? json_string(s) : json_null();
}

static inline json_t *number(uint64_t v) {
        return json_integer((json_int_t) MIN(v, (uint64_t) INT64_MAX));
}

static inline json_t *span(usec_t t) {
        return t == USEC_INFINITY ? json_null() : number(t);
}

static inline json_t *unit(const char *prefix, const char *name, const char *suffix) {
        return json_sprintf("%s%s%s", prefix, name, suffix);
}

static inline json_t *origin(Builder *b, Origin o) {
        json_t *j;

        if (!o.file)
                return json_null();
        j = json_object();
        put(b, j, "file", text(o.file));
        put(b, j, "line", number(o.line));
        return j;
}

static inline json_t *strings(Builder *b, char *const *l, size_t n) {
        json_t *j = json_array();

        for (size_t i = 0; i < n; i++)
                append(b, j, text(l[i]));
        return j;
}

static inline json_t *addresses(Builder *b, const IPAddress *ips, size_t n) {
        json_t *j = json_array();
        char buf[IP_STRING_SIZE];

        for (size_t i = 0; i < n; i++)
                append(b, j,
                                text(ips[i].prefix > 0 ? format_ip_prefix(ips + i, buf)
                                                       : format_ip(ips + i, buf)));
        return j;
}

static inline json_t *problems(Builder *b, const Problem *list, size_t n) {
        json_t *j = json_array();

        for (size_t i = 0; i < n; i++) {
                json_t *p = json_object();
                put(b, p, "origin", origin(b, list[i].origin));
                put(b, p, "text", text(list[i].text));
                append(b, j, p);
        }
        return j;
}

static inline json_t *passthrough(Builder *b, const PassthroughList *l) {
        json_t *j = json_array();

        for (size_t i = 0; i < l->n; i++) {
                json_t *p = json_object();
                put(b, p, "section", text(l->items[i].section));
                put(b, p, "key", text(l->items[i].key));
                put(b, p, "value", text(l->items[i].value));
                put(b, p, "origin", origin(b, l->items[i].origin));
                append(b, j, p);
        }
        return j;
}

static inline json_t *trunk_vlans(Builder *b, const VlanSet *set) {
        json_t *j = json_array();

        for (unsigned first = 1, last; vlan_set_run(set, first, &first, &last); first = last + 1)
                append(b, j, first == last ? json_sprintf("%u", first) : json_sprintf("%u-%u", first, last));
        return j;
}
