/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The machine itself: processors, memory, display, what it is made of and how it is watched. */

#include <ctype.h>
#include <inttypes.h>
#include <time.h>

#include "conf-parsers.h"
#include "nearest.h"
#include "rare.h"
#include "words.h"

#define CPUS_MAX        4096
#define SCREEN_MAX      16384
#define OPTION_LIST_MAX 256 /* Device= and SMBIOS= of a VM */

/* ---- CPUs= ---- */

typedef struct CPUs {
        unsigned n, max, sockets, cores, threads; /* 0: not said */
} CPUs;

static int parse_cpus_word(Setting *s, char *word, bool first, CPUs *c) {
        char *value = strchr(word, '=');
        unsigned *number = NULL;

        if (!value && first)
                value = word, number = &c->n;
        else if (value) {
                *value++ = '\0';
                number = streq(word, "max")       ? &c->max
                         : streq(word, "sockets") ? &c->sockets
                         : streq(word, "cores")   ? &c->cores
                         : streq(word, "threads") ? &c->threads
                                                  : NULL;
        }
        if (!number)
                return setting_refuse(s, "is not a number, or NUMBER,sockets=N,cores=N,threads=N,max=N");
        if (parse_unsigned(value, 1, CPUS_MAX, number) < 0)
                return setting_refuse(s, "is not a number from 1 to %u", CPUS_MAX);
        return 0;
}

static int check_cpus(Setting *s, CPUs *c) {
        uint64_t product = (uint64_t) (c->sockets ?: 1) * (c->cores ?: 1) * (c->threads ?: 1);
        unsigned all;

        if (c->n == 0) {
                if (product > CPUS_MAX)
                        return setting_refuse(s, "makes more than %u CPUs", CPUS_MAX);
                c->n = c->max ?: (unsigned) product;
        }
        all = c->max ?: c->n;
        if (all < c->n)
                return setting_refuse(s, "has max=%u, which is less than %u", all, c->n);
        if (all % product != 0 || (c->sockets && c->cores && c->threads && all != product))
                return setting_refuse(s,
                                "does not add up: sockets, cores and threads make %" PRIu64
                                " CPUs, and not %u",
                                product, all);
        return 0;
}

/* A number alone, which is what VMs say, is nothing of Hardware. */
static int set_topology(Setting *s, VM *vm, const CPUs *c) {
        bool said = c->max > 0 || c->sockets > 0 || c->cores > 0 || c->threads > 0;
        Hardware *h;

        if (!said && vm->hardware == &hardware_defaults)
                return 0;
        h = vm_own_hardware(s->arena, vm);
        if (!h)
                return -ENOMEM;
        h->cpus_max = c->max;
        h->sockets = c->sockets;
        h->cores = c->cores;
        h->threads = c->threads;
        return 0;
}

int parse_cpus(Setting *s, char *value, void *member) {
        VM *vm = member;
        CPUs c = { 0 };
        char *text, *word;
        bool first = true;
        int r;

        if (*value) {
                r = setting_expand(s, value, &text);
                if (r < 0)
                        return r;
                text = arena_strdup(s->arena, text);
                if (!text)
                        return -ENOMEM;
                while ((word = strsep(&text, ","))) {
                        r = parse_cpus_word(s, word, first, &c);
                        if (r < 0)
                                return r;
                        first = false;
                }
                r = check_cpus(s, &c);
                if (r < 0)
                        return r;
        }
        r = set_topology(s, vm, &c);
        if (r < 0)
                return r;
        vm->cpus = c.n ?: 1;
        return 0;
}

/* ---- memory ---- */

int parse_memory_slots(Setting *s, char *value, void *member) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        return parse_unsigned(text, 1, 256, member) < 0 ? setting_refuse(s, "is not a number from 1 to 256")
                                                        : 0;
}

int parse_huge_pages(Setting *s, char *value, void *member) {
        Hardware *h = member;
        uint64_t size;
        char *text;
        bool yes;
        int r;

        if (!*value) {
                h->huge_pages = false;
                h->huge_page_size = 0;
                return 0;
        }
        if (parse_boolean(value, &yes) >= 0) {
                h->huge_pages = yes;
                h->huge_page_size = 0;
                return 0;
        }
        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (parse_size(text, &size) < 0 || size < 16 * 1024 || size > UINT64_C(16) << 30 ||
                        (size & (size - 1)))
                return setting_refuse(s, "is neither yes nor no nor the size of a page, such as 2M or 1G");
        h->huge_pages = true;
        h->huge_page_size = size;
        return 0;
}

/* ---- where QEMU listens ---- */

/* "127.0.0.1:1", "[::1]:1": the number is min..max */
static int parse_endpoint(
                Setting *s, const char *text, unsigned min, unsigned max, const char *number, Endpoint *ret) {
        const char *colon = strrchr(text, ':');
        char buf[INET6_ADDRSTRLEN + 2];
        Endpoint e = { .ip.family = AF_UNSPEC };
        size_t n = colon ? (size_t) (colon - text) : 0;
        bool bracket = text[0] == '[' && n > 2 && text[n - 1] == ']';
        int r = -EINVAL;

        if (colon && n < sizeof(buf)) {
                snprintf(buf, sizeof(buf), "%.*s", (int) (bracket ? n - 2 : n), bracket ? text + 1 : text);
                r = parse_ip(buf, &e.ip);
        }
        if (r < 0 || bracket != (e.ip.family == AF_INET6))
                return setting_refuse(s,
                                "is not an address of the host and %s, such as 127.0.0.1:%u or [::1]:%u",
                                number, min, min);
        if (parse_unsigned(colon + 1, min, max, &e.port) < 0)
                return setting_refuse(s, "does not end in %s from %u to %u", number, min, max);
        *ret = e;
        return 0;
}

static int parse_display_at(Setting *s, Display kind, const char *at, Endpoint *e) {
        int r;

        if (kind == DISPLAY_NONE)
                return setting_refuse(s, "has an address that no display is at");
        if (kind == DISPLAY_SPICE)
                return parse_endpoint(s, at, 1, 65535, "a TCP port", e);
        /* as VNC's own programs have it: a small number, which is the port less 5900 */
        r = parse_endpoint(s, at, 0, 99, "the number of a VNC display", e);
        if (r >= 0)
                e->port += 5900;
        return r;
}

int parse_display(Setting *s, char *value, void *member) {
        static const char *const windows[] = { "gtk", "sdl", "curses", "cocoa", "spice-app", "dbus",
                "egl-headless" };
        VM *vm = member;
        Hardware *h = vm_own_hardware(s->arena, vm);
        Endpoint e = { .ip.family = AF_UNSPEC };
        char *text, word[16];
        const char *at;
        int kind, r;

        if (!h)
                return -ENOMEM;
        r = setting_expand(s, *value ? value : (char *) "none", &text);
        if (r < 0)
                return r;
        at = strchrnul(text, ':');
        snprintf(word, sizeof(word), "%.*s", (int) MIN(at - text, (ptrdiff_t) sizeof(word) - 1), text);
        for (size_t i = 0; i < ELEMENTSOF(windows); i++)
                if (streq(word, windows[i]))
                        return setting_refuse(s,
                                        "needs somebody's desktop or terminal, and a system service has "
                                        "none; say vnc or spice, and point a viewer to its socket");
        kind = display_from_string(word);
        if (kind < 0)
                return setting_refuse(s, "is not one of none, vnc, spice, vnc:IP:DISPLAY, spice:IP:PORT");
        r = *at ? parse_display_at(s, (Display) kind, at + 1, &e) : 0;
        if (r < 0)
                return r;
        vm->display = (Display) kind;
        h->display = e;
        return 0;
}

int parse_gdb(Setting *s, char *value, void *member) {
        Hardware *h = member;
        Endpoint e = { .ip.family = AF_UNSPEC };
        bool yes = false;
        int r;

        if (*value && parse_boolean(value, &yes) < 0) {
                char *text;

                yes = true;
                r = setting_expand(s, value, &text);
                if (r >= 0)
                        r = parse_endpoint(s, text, 1, 65535, "a TCP port", &e);
                if (r < 0)
                        return r;
        }
        h->gdb = yes;
        h->gdb_at = e;
        return 0;
}

/* ---- screen and keyboard ---- */

int parse_screen_size(Setting *s, char *value, void *member) {
        Hardware *h = member;
        unsigned width = 0, height = 0;
        int r;

        if (*value) {
                char *text, *x, first[8];

                r = setting_expand(s, value, &text);
                if (r < 0)
                        return r;
                x = strchr(text, 'x');
                if (x)
                        snprintf(first, sizeof(first), "%.*s", (int) MIN(x - text, (ptrdiff_t) 7), text);
                if (!x || parse_unsigned(first, 16, SCREEN_MAX, &width) < 0 ||
                                parse_unsigned(x + 1, 16, SCREEN_MAX, &height) < 0)
                        return setting_refuse(s, "is not WIDTHxHEIGHT in pixels, such as 1280x800");
        }
        h->width = width;
        h->height = height;
        return 0;
}

int parse_keyboard(Setting *s, char *value, void *member) {
        /* QEMU's, /usr/share/qemu/keymaps */
        static const char *const layouts[] = { "ar", "bepo", "cz", "da", "de", "de-ch", "en-gb", "en-us",
                "es", "et", "fi", "fo", "fr", "fr-be", "fr-ca", "fr-ch", "hr", "hu", "is", "it", "ja", "lt",
                "lv", "mk", "nl", "no", "pl", "pt", "pt-br", "ru", "sl", "sv", "th", "tr" };
        Nearest nearest;
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        nearest = nearest_init(text);
        for (size_t i = 0; i < ELEMENTSOF(layouts); i++) {
                if (streq(layouts[i], text)) {
                        *(const char **) member = layouts[i];
                        return 0;
                }
                nearest_try(&nearest, layouts[i]);
        }
        return setting_refuse(s, "is not one of QEMU's keyboard layouts, such as de or en-us%s",
                        HINT(nearest.best));
}

/* ---- starting ---- */

int parse_boot(Setting *s, char *value, void *member) {
        static const struct {
                const char *word, *letter;
        } devices[] = { { "floppy", "a" }, { "disk", "c" }, { "cdrom", "d" }, { "network", "n" } };
        Hardware *h = member;
        char order[ELEMENTSOF(devices) + 1] = "";
        char **words = NULL;
        bool menu = false;
        size_t n = 0;
        int r;

        r = words_split(s->arena, value, &words, &n, &s->why);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                const char *letter = NULL;

                r = setting_expand(s, words[i], words + i);
                if (r < 0)
                        return r;

                for (size_t k = 0; k < ELEMENTSOF(devices); k++)
                        if (streq(words[i], devices[k].word))
                                letter = devices[k].letter;
                if (!letter && !streq(words[i], "menu"))
                        return setting_refuse(s, "is not a list of disk, cdrom, floppy, network and menu");
                if (letter ? strchr(order, *letter) != NULL : menu)
                        return setting_refuse(s, "names something twice");
                if (letter)
                        strcat(order, letter);
                else
                        menu = true;
        }
        h->boot_order = NULL;
        if (*order) {
                h->boot_order = arena_strdup(s->arena, order);
                if (!h->boot_order)
                        return -ENOMEM;
        }
        h->boot_menu = menu;
        return 0;
}

/* "d" is a digit, all else itself */
static bool looks_like(const char *s, const char *pattern, const char *digits) {
        for (; *pattern; s++, pattern++)
                if (*pattern == 'd' ? !*s || !strchr(digits, *s) : *s != *pattern)
                        return false;
        return !*s;
}

/* A date that there is, as QEMU's -rtc base= takes it */
static bool date_is_valid(const char *s) {
        struct tm tm = { 0 }, made;
        const char *end;

        if (!looks_like(s, "dddd-dd-dd", "0123456789") && !looks_like(s, "dddd-dd-ddTdd:dd:dd", "0123456789"))
                return false;
        end = strptime(s, strchr(s, 'T') ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d", &tm);
        if (!end || *end || tm.tm_year < 70)
                return false;
        made = tm;
        (void) timegm(&made); /* 31 February becomes a day of March */
        return made.tm_mday == tm.tm_mday && made.tm_mon == tm.tm_mon && made.tm_hour == tm.tm_hour &&
               made.tm_sec == tm.tm_sec;
}

int parse_clock(Setting *s, char *value, void *member) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (!streq(text, "utc") && !streq(text, "localtime") && !date_is_valid(text))
                return setting_refuse(s, "is not one of utc, localtime, YYYY-MM-DD, YYYY-MM-DDTHH:MM:SS");
        *(char **) member = text;
        return 0;
}

int parse_uuid(Setting *s, char *value, void *member) {
        char *text;
        int r;

        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        if (!looks_like(text, "dddddddd-dddd-dddd-dddd-dddddddddddd", "0123456789abcdefABCDEF"))
                return setting_refuse(s, "is not a UUID, such as 6ba7b810-9dad-41d1-80b4-00c04fd430c8");
        text = arena_strdup(s->arena, text);
        if (!text)
                return -ENOMEM;
        for (char *p = text; *p; p++)
                *p = (char) tolower((unsigned char) *p);
        *(char **) member = text;
        return 0;
}

/* ---- watching ---- */

static int parse_word_of(Setting *s, const char *value, int (*from_string)(const char *), const char *words) {
        int v = from_string(value);

        return v < 0 ? setting_refuse(s, "is not one of %s", words) : v;
}

int parse_watchdog_action(Setting *s, char *value, void *member) {
        int r = parse_word_of(s, value, watchdog_action_from_string,
                        "reset, shutdown, poweroff, pause, inject-nmi, debug, none");

        if (r < 0)
                return r;
        *(WatchdogAction *) member = (WatchdogAction) r;
        return 0;
}

int parse_panic_action(Setting *s, char *value, void *member) {
        int r = parse_word_of(s, value, panic_action_from_string, "exit-failure, shutdown, pause, none");

        if (r < 0)
                return r;
        *(PanicAction *) member = (PanicAction) r;
        return 0;
}

int parse_replay(Setting *s, char *value, void *member) {
        int r = parse_word_of(s, value, replay_from_string, "record, replay, none");

        if (r < 0)
                return r;
        *(Replay *) member = (Replay) r;
        return 0;
}

/* validate finds the machine's own for "yes" */
int parse_watchdog(Setting *s, char *value, void *member) {
        bool yes;

        if (parse_boolean(value, &yes) < 0)
                return parse_word(s, value, member);
        *(const char **) member = yes ? "yes" : NULL;
        return 0;
}

/* ---- lists of QEMU's own language ---- */

static int append_option(Setting *s, char *text, char ***list, size_t *n) {
        int r;

        if (*n >= OPTION_LIST_MAX)
                return setting_refuse(s, "is more than %d of them", OPTION_LIST_MAX);
        r = setting_check_argument(s, text);
        return r < 0 ? r : words_append(s->arena, list, n, text);
}

int parse_device(Setting *s, char *value, void *member) {
        Hardware *h = member;
        char *text;
        size_t n;
        int r;

        if (!*value) {
                h->devices = NULL;
                h->n_devices = 0;
                return 0;
        }
        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        n = strcspn(text, ",");
        if (!isalpha((unsigned char) text[0]) || asks_for_help(text) ||
                        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") !=
                                        n)
                return setting_refuse(
                                s, "is not a device of QEMU's, such as virtio-rng-pci or sdhci-pci,id=sd");
        return append_option(s, text, &h->devices, &h->n_devices);
}

/* "key=value" with a name of QEMU's; values of smbios may be anything but a file. */
static int check_smbios_field(Setting *s, const char *field, bool first) {
        size_t n = strspn(field, "abcdefghijklmnopqrstuvwxyz_-"),
               digits = strspn(field + n + (field[n] == '='), "0123456789");

        if (n == 0 || field[n] != '=')
                return setting_refuse(s, "is not type=N,key=value,... with commas in values doubled");
        if (startswith(field, "file=") || startswith(field, "path="))
                return setting_refuse(s, "names a file, which the guest would see; only values can be given");
        if (first && (!startswith(field, "type=") || digits == 0 || digits > 3 ||
                                     !strchr(",", field[n + 1 + digits]) || startswith(field + n + 1 + digits, ",,")))
                return setting_refuse(s, "does not begin with type=NUMBER");
        return 0;
}

int parse_smbios(Setting *s, char *value, void *member) {
        Hardware *h = member;
        char *text;
        bool first = true;
        int r;

        if (!*value) {
                h->smbios = NULL;
                h->n_smbios = 0;
                return 0;
        }
        r = setting_expand(s, value, &text);
        if (r < 0)
                return r;
        for (const char *p = text; p; first = false) {
                r = check_smbios_field(s, p, first);
                if (r < 0)
                        return r;
                while ((p = strchr(p, ',')) && p[1] == ',') /* a comma of the value */
                        p += 2;
                if (p)
                        p++;
        }
        return append_option(s, text, &h->smbios, &h->n_smbios);
}
