/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What configuration files cannot say, or say only in ways that tests/generator would need a tree each
 * for. Whole units are compared there. */

#include "emit.h"
#include "rare.h"
#include "test.h"

typedef struct Lan {
        Interface interface;
        IPAddress own[2], guest;
        Disk disk;
        Lab lab;
        Switch network;
        DHCPRange range;
        VM vm;
        VM *vms[1];
        Switch *switches[1];
        Lab *labs[1];
        Model model;
        char *text; /* of all units */
} Lan;

/* One VM on one switch, with nothing but what must be set. */
static void lan_begin(Lan *l) {
        *l = (Lan){
                .lab = { .name = (char *) "lan" },
                .network = { .name = (char *) "s1",
                                .bridge = (char *) "br-s1",
                                .fabric = &fabric_defaults,
                                .vxlan = &vxlan_defaults,
                                .origin = { "/etc/qnet/s1.conf", 1 } },
                .interface = { .tap = (char *) "tap-a",
                                .model = (char *) "virtio",
                                .wire = &wire_defaults,
                                .origin = { "/etc/qnet/a.conf", 5 } },
                .disk = { .image = (char *) "/srv/a.raw", .bus = (char *) "virtio" },
                .vm = { .name = (char *) "a",
                                .origin = { "/etc/qnet/a.conf", 1 },
                                .user = (char *) "qnet-a",
                                .architecture = (char *) "x86_64",
                                .machine = (char *) "q35",
                                .cpus = 1,
                                .memory = 256 << 20,
                                .ready_timeout = 90 * USEC_PER_SEC,
                                .stop_timeout = 30 * USEC_PER_SEC,
                                .firmware = &firmware_defaults,
                                .hardware = &hardware_defaults,
                                .recovery = &recovery_defaults,
                                .life = &life_defaults },
                .model = { .n_vms = 1, .n_switches = 1, .reaper = { .hold_off = 10 * USEC_PER_SEC } },
        };
        l->interface.network = &l->network;
        assert_int_equal(parse_mac("52:54:00:12:34:56", &l->interface.mac), 0);
        assert_int_equal(parse_ip_prefix("10.9.0.1/24", &l->own[0]), 0);
        l->network.addresses = l->own;
        l->network.n_addresses = 1;
        l->vm.interfaces = &l->interface;
        l->vm.n_interfaces = 1;
        l->vm.disks = &l->disk;
        l->vms[0] = &l->vm;
        l->switches[0] = &l->network;
        l->labs[0] = &l->lab;
        l->model.vms = l->vms;
        l->model.switches = l->switches;
        l->model.labs = l->labs;
}

static void lan_emit(Lan *l) {
        size_t n;
        FILE *f = open_memstream(&l->text, &n);
        UnitWriter *w;

        assert_non_null(f);
        assert_int_equal(unit_writer_new_stream(f, "/out", &w), 0);
        assert_int_equal(emit_all(&l->model, w), 0);
        unit_writer_free(w);
        fclose(f);
}

static void lan_dhcp(Lan *l, const char *first, const char *last) {
        l->network.dhcp = true;
        l->network.dhcp_lease = 3600 * USEC_PER_SEC;
        l->network.ranges = &l->range;
        l->network.n_ranges = 1;
        l->range.prefix = l->own[0].prefix;
        assert_int_equal(parse_ip(first, &l->range.first), 0);
        assert_int_equal(parse_ip(last, &l->range.last), 0);
}

#define has_one(l, expected)                                               \
        do {                                                               \
                if (!strstr((l)->text, expected))                          \
                        fail_msg("no \"%s\" in\n%s", expected, (l)->text); \
        } while (0)
#define has_no(l, unexpected)                                             \
        do {                                                              \
                if (strstr((l)->text, unexpected))                        \
                        fail_msg("\"%s\" in\n%s", unexpected, (l)->text); \
        } while (0)

static void test_defaults(void **state) {
        Lan l;

        lan_begin(&l);
        lan_emit(&l);
        has_one(&l, "# /out/qemu-vm@a.service\n[Unit]\nDescription=Virtual machine a\n");
        has_one(&l, "Requires=qnet-tap@tap-a.service\nAfter=qnet-tap@tap-a.service\n");
        has_one(&l, "TimeoutStartSec=100s\nTimeoutStopSec=40s\n");
        /* nothing to boot: from the network */
        has_one(&l, "        -device virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56\n");
        has_no(&l, "EnvironmentFile");
        has_no(&l, "qnet-dhcp@");
        has_no(&l, "qnet-lab@");
        has_no(&l, "qnet-reaper");
        has_no(&l, "->");
        free(l.text);
}

static void test_limits(void **state) {
        Lan l;

        lan_begin(&l);
        l.vm.ready_timeout = USEC_INFINITY;
        l.vm.stop_timeout = USEC_INFINITY - 1;
        l.vm.memory = (64 << 20) + 1;
        lan_emit(&l);
        has_one(&l, "TimeoutStartSec=infinity\nTimeoutStopSec=infinity\n");
        has_one(&l, "qnet.qmp --timeout=infinity\n");
        has_one(&l, " -m 67108865B \\\n");
        free(l.text);

        lan_begin(&l);
        l.vm.memory = 0;
        l.vm.life = &(Life){ .ready = READY_ADDRESS };
        l.vm.n_interfaces = 0; /* nobody to wait for */
        lan_emit(&l);
        has_no(&l, " -m ");
        has_no(&l, "qnet-arp");
        free(l.text);
}

static void accelerator_one(
                const char *architecture, Accelerator accelerator, const char *cpu, const char *expected) {
        Lan l;

        lan_begin(&l);
        l.vm.architecture = (char *) architecture;
        l.vm.accelerator = accelerator;
        l.vm.cpu = (char *) cpu;
        lan_emit(&l);
        has_one(&l, expected);
        free(l.text);
}

static void test_accelerator(void **state) {
#if defined(__x86_64__)
        accelerator_one("x86_64", ACCELERATOR_AUTO, NULL,
                        "-accel kvm \\\n        -accel tcg \\\n        -cpu max \\\n");
        accelerator_one("i386", ACCELERATOR_AUTO, "qemu32",
                        "-accel kvm \\\n        -accel tcg \\\n        -cpu qemu32 ");
#endif
        accelerator_one("arm", ACCELERATOR_AUTO, NULL,
                        "-machine q35 \\\n        -accel tcg \\\n        -smp");
        accelerator_one("x86_64", ACCELERATOR_KVM, NULL,
                        "-machine q35 \\\n        -accel kvm \\\n        -smp");
        accelerator_one("x86_64", ACCELERATOR_TCG, NULL,
                        "-machine q35 \\\n        -accel tcg \\\n        -smp");
}

#define disk_one(image_, mode_, format_, bus_, expected) \
        do {                                             \
                Lan l;                                   \
                lan_begin(&l);                           \
                l.disk.image = (char *) image_;          \
                l.disk.mode = mode_;                     \
                l.disk.format = format_;                 \
                l.disk.bus = (char *) bus_;              \
                if (strstr(expected, "cd"))              \
                        l.disk.media = MEDIA_CDROM;      \
                l.vm.n_disks = 1;                        \
                lan_emit(&l);                            \
                has_one(&l, expected);                   \
                free(l.text);                            \
        } while (0)
#define DRIVE(rest, device) "-drive if=none,id=disk0,format=" rest " \\\n        -device " device "\n"

static void test_disk(void **state) {
        disk_one("/a.raw", DISK_OVERLAY, DISK_RAW, "virtio",
                        DRIVE("qcow2,file=/var/lib/qnet/vm/a/disk0.qcow2", "virtio-blk-pci,drive=disk0"));
        disk_one("/a.raw", DISK_OVERLAY, DISK_RAW, "virtio", "--backing=/a.raw --backing-format=raw\n");
        disk_one("/a,b", DISK_PERSISTENT, DISK_QCOW2, "nvme",
                        DRIVE("qcow2,file=/a,,b", "nvme,drive=disk0,serial=disk0"));
        disk_one("/a b", DISK_EPHEMERAL, DISK_RAW, "virtio-blk-device",
                        " -drive \"if=none,id=disk0,format=raw,file=/a b,snapshot=on\"");
        disk_one("/a", DISK_READONLY, DISK_RAW, "scsi",
                        "readonly=on \\\n        -device virtio-scsi-pci,id=scsi \\\n        -device "
                        "scsi-hd,drive=disk0,bus=scsi.0\n");
        disk_one("/a", DISK_READONLY, DISK_RAW, "ide",
                        "-drive if=ide,id=disk0,format=raw,file=/a,readonly=on,index=0,media=cdrom\n");
        disk_one("/a", DISK_READONLY, DISK_RAW, "sata", "-device ide-cd,drive=disk0,bus=sata.0\n");
        disk_one("/dev/sdb", DISK_PERSISTENT, DISK_RAW, "virtio", "\nDeviceAllow=/dev/sdb rw\n");
        disk_one("/dev/sdb", DISK_EPHEMERAL, DISK_RAW, "virtio", "\nDeviceAllow=/dev/sdb r\n");
        disk_one("/a $b %c", DISK_PERSISTENT, DISK_RAW, "virtio", "\nReadWritePaths=\"-/a $b %%c\"\n");
        disk_one("/a", DISK_PERSISTENT, DISK_RAW, "virtio",
                        "\nExecStopPost=+" HELPERDIR
                        "/qnet-disk release /a --grant-to-owner-of=/run/qnet/vm/a\n");
}

/* dnsmasq has words of its own where a host's name stands */
#define dhcp_name_one(name_, expected)                                                \
        do {                                                                          \
                Lan l;                                                                \
                lan_begin(&l);                                                        \
                lan_dhcp(&l, "10.9.0.2", "10.9.0.254");                               \
                assert_int_equal(parse_ip("10.9.0.7", &l.guest), 0);                  \
                l.interface.addresses = &l.guest;                                     \
                l.interface.n_addresses = 1;                                          \
                l.vm.name = (char *) name_;                                           \
                lan_emit(&l);                                                         \
                has_one(&l, "--dhcp-host=52:54:00:12:34:56,10.9.0.7," expected "\n"); \
                free(l.text);                                                         \
        } while (0)

static void test_dhcp_name(void **state) {
        dhcp_name_one("host1", "host1");
        dhcp_name_one("ignore", "ignore.");
        dhcp_name_one("infinite", "infinite.");
        dhcp_name_one("7", "7.");
        dhcp_name_one("45m", "45m.");
        dhcp_name_one("2w", "2w.");
        dhcp_name_one("45x", "45x");
        dhcp_name_one("4m5", "4m5");
        dhcp_name_one("s", "s");
}

static void dhcp_range_one(
                const char *own, const char *first, const char *last, usec_t lease, const char *expected) {
        Lan l;

        lan_begin(&l);
        assert_int_equal(parse_ip_prefix(own, &l.own[0]), 0);
        lan_dhcp(&l, first, last);
        l.network.dhcp_lease = lease;
        lan_emit(&l);
        has_one(&l, expected);
        free(l.text);
}

static void test_dhcp_range(void **state) {
        dhcp_range_one("10.0.0.1/24", "10.0.0.2", "10.0.0.9", 120 * USEC_PER_SEC,
                        "        --dhcp-range=10.0.0.2,10.0.0.9,120\n");
        dhcp_range_one("10.0.0.1/8", "10.0.0.2", "10.0.3.233", USEC_INFINITY,
                        "        --dhcp-range=10.0.0.2,10.0.3.233,infinite\n");
        dhcp_range_one("10.0.0.1/8", "10.0.0.2", "10.0.3.234", USEC_INFINITY,
                        "infinite \\\n        --dhcp-lease-max=1001\n");
        dhcp_range_one("fd00::1/112", "fd00::10", "fd00::20", 120 * USEC_PER_SEC,
                        "        --dhcp-range=fd00::10,fd00::20,112,120\n");
}

/* An address outside the switch's networks is pinned, but not given by DHCP. */
static void test_dhcp_foreign_address(void **state) {
        Lan l;

        lan_begin(&l);
        lan_dhcp(&l, "10.9.0.2", "10.9.0.254");
        assert_int_equal(parse_ip("10.9.1.7", &l.guest), 0);
        l.interface.addresses = &l.guest;
        l.interface.n_addresses = 1;
        lan_emit(&l);
        has_one(&l, "--pin=10.9.1.7\n");
        has_no(&l, "--dhcp-host");
        free(l.text);
}

static void test_broken(void **state) {
        Problem problems[] = {
                { { "/etc/qnet/a.conf", 7 }, (char *) "Memory=lots % $ is not a size" },
                { {}, (char *) "nowhere" },
        };
        Lan l;

        lan_begin(&l);
        l.vm.problems = problems;
        l.vm.n_problems = 2;
        l.vm.autostart = true;
        lan_emit(&l);
        has_one(&l, "Type=oneshot\nExecStart=" HELPERDIR "/qnet-fail \\\n"
                    "        \"/etc/qnet/a.conf:7: Memory=lots %% $$ is not a size\" \\\n        nowhere\n");
        has_one(&l, "# /out/qemu-vm@a.service.d/10-qnet.conf -> /dev/null\n");
        has_one(&l, "# /out/qnet.target.wants/qemu-vm@a.service -> ../qemu-vm@a.service\n");
        has_no(&l, "qnet-tap");
        has_no(&l, "qemu-system");
        free(l.text);

        /* the switch's fault, not the VM's */
        lan_begin(&l);
        l.network.problems = problems;
        l.network.n_problems = 1;
        l.network.dhcp = true;
        lan_emit(&l);
        has_one(&l, "\"Switch s1 is broken, see /etc/qnet/a.conf:7\"\n");
        has_one(&l, "# /out/qnet-switch@s1.service.d/10-qnet.conf -> /dev/null\n");
        has_no(&l, "qnet-tap");
        has_no(&l, "dnsmasq");
        free(l.text);
}

#define install_one(key_, value_, expected)                                                             \
        do {                                                                                            \
                Passthrough lines[] = { { "Install", (char *) key_, (char *) value_ } };                \
                Lan l;                                                                                  \
                lan_begin(&l);                                                                          \
                l.vm.passthrough = (PassthroughList){ lines, 1 };                                       \
                lan_emit(&l);                                                                           \
                if (expected[0])                                                                        \
                        has_one(&l, "# /out/" expected "/qemu-vm@a.service -> ../qemu-vm@a.service\n"); \
                else                                                                                    \
                        has_no(&l, " -> ");                                                             \
                free(l.text);                                                                           \
        } while (0)

static void test_install(void **state) {
        install_one("WantedBy", "x.target", "x.target.wants");
        install_one("WantedBy", "y.target  a\\x2db@c.service", "a\\x2db@c.service.wants");
        install_one("RequiredBy", "x.service", "x.service.requires");
        install_one("WantedBy", "", "");
        install_one("WantedBy", "../../etc/x.target", "");
        install_one("WantedBy", "x@.service", "");
        install_one("WantedBy", "%i.target", "");
        install_one("WantedBy", ".target", "");
        install_one("WantedBy", "x", "");
        install_one("Alias", "x.service", "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_accelerator),
                cmocka_unit_test(test_disk),
                cmocka_unit_test(test_dhcp_name),
                cmocka_unit_test(test_dhcp_range),
                cmocka_unit_test(test_dhcp_foreign_address),
                cmocka_unit_test(test_broken),
                cmocka_unit_test(test_install),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
