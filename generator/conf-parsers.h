/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values of keys to members of the model, a function per kind of value. All of them are silent and leave the member
 * as it was unless they succeed.
 *
 * In: the text behind "Key=", UTF-8 without control characters but tabs, specifiers as written. 0, -ENOMEM, or
 * -EINVAL with setting->why set: the end of the sentence "Memory=lots ...".
 *
 * An empty value comes only to the parsers of keys whose row has size 0 (lists, and keys that fill several members). */

#include "model.h"
#include "specifier.h"

typedef struct Setting {
        Arena *arena;
        const Specifiers *specifiers;
        VM *vm;         /* of [VM] and [System], else NULL */
        Said *said;     /* of the object or part the key is in */
        Origin origin;  /* of the key */
        Origin section; /* of the section header above it */
        const char *why;
        const char *warning; /* of success: the end of a sentence, too, "KillLog=/x ..., ignoring" */
} Setting;

typedef int (*KeyParser)(Setting *s, char *value, void *member);

/* Refuses what cannot be one argument of a program; 0 if it can. */
int setting_check_argument(Setting *s, const char *text);

int parse_text(Setting *s, char *value, void *member);        /* char *: printable */
int parse_object_name(Setting *s, char *value, void *member); /* char *: name_is_valid() */
int parse_interface_name(Setting *s, char *value, void *member);
int parse_path(Setting *s, char *value, void *member); /* char *: absolute, normalized, printable */
/* "help", "q35,help", "x,?": QEMU prints a list and exits with success. */
bool asks_for_help(const char *s);
int parse_word(Setting *s, char *value, void *member); /* char *: [A-Za-z0-9_.-], begins with no '-' or '.' */
int parse_qemu_options(Setting *s, char *value, void *member); /* char *: the same with '=', ',' and '+' */
int parse_architecture(Setting *s, char *value, void *member);
int parse_switch_flag(Setting *s, char *value, void *member); /* bool */
int parse_cpus(Setting *s, char *value, void *member);
int parse_memory(Setting *s, char *value, void *member);
int parse_mtu(Setting *s, char *value, void *member);
int parse_time_span(Setting *s, char *value, void *member); /* usec_t */
int parse_accelerator(Setting *s, char *value, void *member);
int parse_display(Setting *s, char *value, void *member);
int parse_serial_type(Setting *s, char *value, void *member);
int parse_share_type(Setting *s, char *value, void *member);
int parse_share_tag(Setting *s, char *value, void *member);
int parse_security_model(Setting *s, char *value, void *member);

/* several members: member is the VM, Disk, Interface, Switch or Reaper itself */
int parse_instances(Setting *s, char *value, void *member);
int parse_kernel_command_line(Setting *s, char *value, void *member); /* appends */
int parse_extra_args(Setting *s, char *value, void *member);          /* appends */
int parse_kill_logs(Setting *s, char *value, void *member);
int parse_report_listen(Setting *s, char *value, void *member); /* conf-parsers-report.c */
int parse_report_allow(Setting *s, char *value, void *member);
int parse_short_image(Setting *s, char *value, void *member); /* [VM] Image= */

/* conf-parsers-hardware.c; member is the VM, its Hardware, or one member of that */
int parse_memory_slots(Setting *s, char *value, void *member); /* unsigned */
int parse_huge_pages(Setting *s, char *value, void *member);
int parse_gdb(Setting *s, char *value, void *member);
int parse_screen_size(Setting *s, char *value, void *member);
int parse_keyboard(Setting *s, char *value, void *member); /* char * */
int parse_boot(Setting *s, char *value, void *member);
int parse_clock(Setting *s, char *value, void *member); /* char * */
int parse_uuid(Setting *s, char *value, void *member);  /* char *: lower case */
int parse_watchdog(Setting *s, char *value, void *member); /* char *: a device, or "yes" */
int parse_watchdog_action(Setting *s, char *value, void *member);
int parse_panic_action(Setting *s, char *value, void *member);
int parse_replay(Setting *s, char *value, void *member);
int parse_device(Setting *s, char *value, void *member); /* appends */
int parse_smbios(Setting *s, char *value, void *member); /* appends */

/* conf-parsers-life.c; member is the Life, or one member of that */
int parse_ready(Setting *s, char *value, void *member);
int parse_stop(Setting *s, char *value, void *member);

/* conf-parsers-firmware.c; member is the Firmware */
int parse_firmware(Setting *s, char *value, void *member);
int parse_credentials(Setting *s, char *value, void *member); /* appends */
int parse_cloud_init(Setting *s, char *value, void *member);  /* appends */

/* conf-parsers-recovery.c; member is the Recovery, or one member of that */
int parse_recover(Setting *s, char *value, void *member);
int parse_recover_timeout(Setting *s, char *value, void *member);  /* usec_t */
int parse_black_box(Setting *s, char *value, void *member);        /* unsigned */
int parse_black_box_memory(Setting *s, char *value, void *member); /* uint64_t */

/* conf-parsers-network.c */
int parse_listen_address(Setting *s, char *value, void *member); /* [Serial] Address= */
int parse_network_switch(Setting *s, char *value, void *member); /* [Interface] Switch=, Bridge= */
int parse_network_bridge(Setting *s, char *value, void *member);
int parse_short_switch(Setting *s, char *value, void *member); /* [VM] Switch=, Bridge= */
int parse_short_bridge(Setting *s, char *value, void *member);
int parse_mac_address(Setting *s, char *value, void *member);
int parse_guest_addresses(Setting *s, char *value, void *member);
int parse_switch_addresses(Setting *s, char *value, void *member);

/* conf-parsers-switch.c; what has no type is of the Switch, its Fabric or its VXLAN itself */
int parse_switch_type(Setting *s, char *value, void *member);
int parse_dhcp(Setting *s, char *value, void *member);       /* appends */
int parse_dhcp_lease(Setting *s, char *value, void *member); /* usec_t */
int parse_domain(Setting *s, char *value, void *member);     /* char * */
int parse_ageing(Setting *s, char *value, void *member);
int parse_group_forward_mask(Setting *s, char *value, void *member); /* unsigned */
int parse_trunk(Setting *s, char *value, void *member);              /* appends */
int parse_vxlan(Setting *s, char *value, void *member);
int parse_vxlan_peers(Setting *s, char *value, void *member);     /* appends */
int parse_multicast_group(Setting *s, char *value, void *member); /* IPAddress */
int parse_station(Setting *s, char *value, void *member);         /* IPAddress */
int parse_port(Setting *s, char *value, void *member);            /* unsigned */

/* conf-parsers-interface.c; member is the Wire, or one member of that */
int parse_interface_type(Setting *s, char *value, void *member);
int parse_macvtap_mode(Setting *s, char *value, void *member);
int parse_link_end(Setting *s, char *value, void *member); /* LinkEnd */
int parse_vlan(Setting *s, char *value, void *member);     /* unsigned */
int parse_trunk_vlans(Setting *s, char *value, void *member); /* VlanSet: adds */
int parse_queues(Setting *s, char *value, void *member);
int parse_vhost(Setting *s, char *value, void *member);
int parse_link_state(Setting *s, char *value, void *member); /* bool: down */
int parse_forwards(Setting *s, char *value, void *member);   /* appends */
int parse_host_addresses(Setting *s, char *value, void *member); /* appends */
int parse_capture(Setting *s, char *value, void *member);
int parse_capture_size(Setting *s, char *value, void *member);
int parse_capture_files(Setting *s, char *value, void *member);
int parse_rates(Setting *s, char *value, void *member);    /* of both directions: uint64_t[] */
int parse_delays(Setting *s, char *value, void *member);   /* usec_t[] */
int parse_percents(Setting *s, char *value, void *member); /* unsigned[] */

/* conf-parsers-disk.c; format, size, boot index and backing are of the Disk itself */
int parse_disk_mode(Setting *s, char *value, void *member);
int parse_disk_media(Setting *s, char *value, void *member);
int parse_disk_cache(Setting *s, char *value, void *member);
int parse_disk_serial(Setting *s, char *value, void *member); /* char * */
int parse_disk_format(Setting *s, char *value, void *member);
int parse_disk_size(Setting *s, char *value, void *member);
int parse_boot_index(Setting *s, char *value, void *member);
int parse_disk_backing(Setting *s, char *value, void *member); /* appends */

/* conf-parsers-health.c */
int parse_health_probe(Setting *s, char *value, void *member); /* of the Health itself */
int parse_health_action(Setting *s, char *value, void *member);
int parse_health_interval(Setting *s, char *value, void *member);
int parse_health_timeout(Setting *s, char *value, void *member);
int parse_health_failures(Setting *s, char *value, void *member); /* unsigned */

/* For all of them: why is set and -EINVAL returned, or -ENOMEM. */
int setting_refuse(Setting *s, const char *format, ...) _printf_(2, 3);
/* A number, and a size of bytes; min_text: as a message calls the least. */
int setting_number(Setting *s, char *value, unsigned min, unsigned max, unsigned *ret);
int setting_bytes(Setting *s, char *value, uint64_t min, const char *min_text, uint64_t *ret);
/* Addresses with white space between, added to a list; what: as a message calls one. */
int setting_addresses(Setting *s, char *value, int (*parse)(const char *, IPAddress *), const char *what,
                IPAddress **addresses, size_t *n);
bool ip_is_station(const IPAddress *ip); /* neither multicast nor "any" */
/* "4000", "127.0.0.1:4000", "[::1]:4000": where a socket of the host is. Writes into text. */
bool split_endpoint(char *text, IPAddress *ip, unsigned *port);
/* Specifiers, then tabs refused: what comes out is printable. */
int setting_expand(Setting *s, char *value, char **ret);
/* [VM] Switch=, Image=: the part of the VM that they are short for; NULL when there is none. */
Interface *vm_short_interface(VM *vm);
Disk *vm_short_disk(VM *vm);
