/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf-table.h"
#include "model-text.h"
#include "names.h"
#include "test.h"

#define T "/etc/qnet/test.conf:"

static void test_defaults(void **state) {
        _cleanup_model_ Model *m = model_of(
                        "[VM a]\nImage=/x.qcow2\n[Disk]\nImage=/y\n[VM b]\nArchitecture=aarch64\n");
        const VM *a = model_vm(m, "a"), *b = model_vm(m, "b");

        assert_string_equal(a->user, "qnet-a");
        assert_int_equal(a->disks[0].format, DISK_QCOW2);
        assert_int_equal(a->disks[1].format, DISK_RAW);
        assert_int_equal(a->disks[1].index, 1);
        assert_string_equal(a->disks[1].bus, "virtio");
        assert_string_equal(b->machine, "virt");
        assert_null(model_vm(m, "c"));
}

static void test_references(void **state) {
        _cleanup_model_ Model *m = model_of(
                        "[VM a]\nLab=z\nSwitch=s\n[Switch s]\nLab=y\n[Lab z]\nDescription=d\n"
                        "[VM b]\nLab=y\n");

        assert_int_equal(m->n_labs, 2);
        assert_string_equal(m->labs[0]->name, "y");
        assert_null(m->labs[0]->origin.file);
        assert_string_equal(m->labs[1]->description, "d");
        assert_ptr_equal(model_vm(m, "a")->lab, m->labs[1]);
        assert_ptr_equal(model_vm(m, "b")->lab, m->labs[0]);
        assert_ptr_equal(model_vm(m, "a")->interfaces[0].network, m->switches[0]);
        assert_string_equal(m->switches[0]->bridge, "s");
        problems_one("[VM a]\nSwitch=lna\n[Switch lan]\n",
                        "a " T "2: Switch=lna is not declared anywhere (did you mean lan?)\n");
        problems_one("[VM a]\n[Interface]\n", "a " T "2: [Interface] has neither Switch= nor Bridge=; or say HostAddress= or another Type=\n");
        problems_one("[VM a]\n[Interface]\nSwitch=s\nBridge=b\n[Switch s]\n",
                        "a " T "4: Bridge=b cannot be: the same section says both Switch= and Bridge=\n");
        problems_one("[VM a]\nBridge=b\nSwitch=s\n[Switch s]\n",
                        "a " T "3: Switch=s cannot be: the same section says both Switch= and Bridge=\n");
}

static void test_machine(void **state) {
        problems_one("[VM a]\nArchitecture=xtensa\n[Disk]\nImage=/i\nMedia=cdrom\nBus=virtio\n",
                        "a " T "2: Architecture=xtensa has no machine that suits all, say Machine=\n");
        problems_one("[VM a]\nArchitecture=xtensa\n",
                        "a " T "2: Architecture=xtensa has no machine that suits all, say Machine=\n");
        problems_one("[VM a]\nInitrd=/i\n[VM b]\nKernelCommandLine=x\n[VM c]\nReady=address\n",
                        "a " T "2: Initrd= needs Kernel=\n"
                        "b " T "4: KernelCommandLine= needs Kernel=\n"
                        "c " T "6: Ready=address needs an interface\n");
        problems_one("[VM a]\n[Disk]\n[Disk]\nImage=/i\nMode=readonly\nSize=1G\n",
                        "a " T "2: [Disk] has neither Image= nor Size=\n"
                        "a " T "6: Size= makes a disk larger, and this is Mode=readonly\n");
}

static void value_is_refused(const char *line, const char *file, int line_number) {
        char text[512], expected[128];
        _cleanup_model_ Model *m = NULL;
        _cleanup_free_ char *problems = NULL;

        snprintf(text, sizeof(text), "[VM a]\n%s\n", line);
        m = model_of(text);
        problems = problems_of(m);
        snprintf(expected, sizeof(expected), "a " T "%u: ", strchr(line, '\n') ? 3 : 2);
        if (strncmp(problems, expected, strlen(expected)) != 0)
                _assert_string_equal(problems, expected, file, line_number);
}
#define refused_one(line) value_is_refused((line), __FILE__, __LINE__)

static void test_hostile_values(void **state) {
        refused_one("Machine=q35,$(x)");
        refused_one("Machine=-device");
        refused_one("CPU=host;x");
        refused_one("CPU=a b");
        refused_one("Architecture=../bin/sh");
        refused_one("Architecture=x86_64/..");
        refused_one("Architecture=X");
        refused_one("Kernel=relative");
        refused_one("Kernel=/a/../b");
        refused_one("Kernel=/a\tb");
        refused_one("Kernel=//a");
        refused_one("Description=a\tb");
        refused_one("ExtraArgs=\"a\\nb\"");
        refused_one("ExtraArgs=\"");
        refused_one("System=a/b");
        refused_one("Lab=%i/x");
        refused_one("Lab=-x");
        refused_one("Bridge=a/b");
        refused_one("Bridge=..");
        refused_one("Bridge=sixteen-bytes-ab");
        refused_one("Switch=a b");
        refused_one("Memory=-1");
        refused_one("Memory=99999999999999999999");
        refused_one("Memory=12");
        refused_one("Memory=16E");
        refused_one("Memory=1G2");
        refused_one("CPUs=1.5");
        refused_one("CPUs=4097");
        refused_one("SMBIOS=type=1,,file=/etc/shadow");
        refused_one("SMBIOS=type=1,,");
        refused_one("Autostart=perhaps");
        refused_one("Accelerator=xen");
        refused_one("Ready=now");
        refused_one("StopTimeoutSec=soon");
        refused_one("Instances=1025");
        refused_one("Image=/i/");
        refused_one("[Interface]\nMACAddress=01:00:00:00:00:01");
        refused_one("[Interface]\nMACAddress=00:00:00:00:00:00");
        refused_one("[Interface]\nMACAddress=52:54:00:0:0:1");
        refused_one("[Interface]\nModel=e1000,mac=x");
        refused_one("[Interface]\nTap=a b");
        refused_one("[Interface]\nAddress=10.0.0.1/24");
        refused_one("[Interface]\nAddress=224.0.0.1");
        refused_one("[Interface]\nAddress=0.0.0.0");
        refused_one("[Interface]\nAddress=10.0.0.1,10.0.0.2");
        refused_one("[Interface]\nMTU=67");
        refused_one("[Interface]\nMTU=65536");
        refused_one("[Disk]\nBus=virtio,x");
        refused_one("[Disk]\nFormat=vmdk");
        refused_one("[Disk]\nSize=1");
        refused_one("[Service]\nA b=c");
        refused_one("[Service]\nA=b\tc");
}

/* A and B say where they listen: "", or the addresses in the message. */
static void listeners_are(const char *a, const char *b, const char *address, const char *second, const char *file,
                int line) {
        char text[256], message[256], expected[600] = "";
        bool turned = second[0] == '<'; /* B is the one that has the other's address */

        snprintf(text, sizeof(text), "[VM a]\n%s\n[VM b]\n%s\n", a, b);
        snprintf(message, sizeof(message), "Address %s is that of two: VM %s (" T "%d) and VM %s (" T "%d%s%s)\n",
                        address, turned ? "b" : "a", turned ? 4 : 2, turned ? "a" : "b", turned ? 2 : 4,
                        second[turned] ? ", " : "", second + turned);
        if (*address)
                snprintf(expected, sizeof(expected), "a " T "2: %sb " T "4: %s", message, message);
        check_problems(text, expected, *address ? 1 : 0, 0, file, line);
}
#define listen_one(a, b, address, second) listeners_are((a), (b), (address), (second), __FILE__, __LINE__)

static void test_listeners(void **state) {
        listen_one("GDB=127.0.0.1:1234", "GDB=127.0.0.1:1235", "", "");
        listen_one("GDB=127.0.0.1:1234", "GDB=127.0.0.2:1234", "", "");
        listen_one("GDB=127.0.0.1:1234", "GDB=[::1]:1234", "", "");
        listen_one("GDB=0.0.0.0:1234", "GDB=[::1]:1234", "", "");
        listen_one("GDB=[::1]:1234", "Display=spice:[::1]:1234", "[::1]:1234", "");
        listen_one("GDB=0.0.0.0:5901", "Display=vnc:127.0.0.1:1", "0.0.0.0:5901", "127.0.0.1:5901");
        listen_one("GDB=127.0.0.1:5901", "Display=vnc:0.0.0.0:1", "0.0.0.0:5901", "<127.0.0.1:5901");
        listen_one("GDB=[::]:5901", "Display=vnc:127.0.0.1:1", "[::]:5901", "127.0.0.1:5901");
        listen_one("GDB=[::]:5901", "Display=vnc:[::1]:1", "[::]:5901", "[::1]:5901");
        listen_one("GDB=0.0.0.0:5901", "Display=vnc:[::]:1", "[::]:5901", "<0.0.0.0:5901");
        check_problems("[VM a]\nGDB=0.0.0.0:4000\n[Serial]\nType=tcp\nAddress=4000\n",
                        "a " T "5: Address 0.0.0.0:4000 is that of two: VM a (" T "2) and VM a (" T
                        "5, 127.0.0.1:4000)\n"
                        "a " T "2: Address 0.0.0.0:4000 is that of two: VM a (" T "2) and VM a (" T
                        "5, 127.0.0.1:4000)\n",
                        1, 0, __FILE__, __LINE__);
}

/* A has a serial port at /f, what B says ends at line 6. */
static void file_is_taken(const char *type, const char *b, const char *what, const char *file, int line) {
        char text[256], message[256], expected[600] = "";

        snprintf(text, sizeof(text), "[VM a]\n[Serial]\nPath=/f\nType=%s\n[VM b]\n%s\n", type, b);
        snprintf(message, sizeof(message), "Serial port at %s is that of two: VM a (" T "3) and VM b (" T "%d)\n",
                        what, strchr(b, '\n') ? 7 : 6);
        if (*what)
                snprintf(expected, sizeof(expected), "a " T "3: %sb " T "%d: %s", message, strchr(b, '\n') ? 7 : 6,
                                message);
        check_problems(text, expected, *what ? 1 : 0, 0, file, line);
}
#define file_one(type, b, what) file_is_taken((type), (b), (what), __FILE__, __LINE__)

static void test_files(void **state) {
        file_one("file", "Image=/f", "/f");
        file_one("file", "Kernel=/f", "/f");
        file_one("file", "Kernel=/k\nInitrd=/f", "/f");
        file_one("file", "DeviceTree=/f", "/f");
        file_one("file", "Credentials=x:/f", "/f");
        file_one("file", "CloudInit=user-data:/f", "/f");
        file_one("file", "Firmware=/f", "/f");
        file_one("file", "[Disk]\nImage=/f.out", "");
        file_one("pipe", "[Disk]\nImage=/f.out", "/f.out");
        file_one("pipe", "Kernel=/f.in", "/f.in");
        problems_one("[VM a]\nKernel=/f\n[VM b]\nKernel=/f\nImage=/f\n[Serial]\nType=file\nPath=/g\n", "");
        check_problems("[VM a]\n[Serial]\nType=pipe\nPath=/p\n[VM b]\n[Serial]\nType=pipe\nPath=/p\n",
                        "a " T "4: Serial port at /p is that of two: VM a (" T "4) and VM b (" T "8)\n"
                        "b " T "8: Serial port at /p is that of two: VM a (" T "4) and VM b (" T "8)\n",
                        1, 0, __FILE__, __LINE__);
}

/* ExtraArgs= with n arguments of size bytes */
static Model *model_with_arguments(size_t n, size_t size) {
        char *text = malloc(n * (size + 12) + 16), *p = stpcpy(text, "[VM a]\n");
        Model *m;

        for (size_t i = 0; i < n; i++) {
                p = stpcpy(p, "ExtraArgs=");
                memset(p, 'x', size);
                p = stpcpy(p + size, "\n");
        }
        m = model_of(text);
        free(text);
        return m;
}

static void arguments_are(size_t n, size_t size, const char *expected, const char *file, int line) {
        _cleanup_model_ Model *m = model_with_arguments(n, size);
        _cleanup_free_ char *problems = problems_of(m);
        const char *end = strstr(problems, expected);

        if (*expected ? !end || streq(end, problems) : *problems)
                _assert_string_equal(problems, expected, file, line);
}
#define arguments_one(n, size, expected) arguments_are((n), (size), (expected), __FILE__, __LINE__)

static void test_long_commands(void **state) {
        arguments_one(1, 128 * 1024 - 1, "");
        arguments_one(1, 128 * 1024, " has an argument of 131072 bytes, and Linux takes 131071 at most\n");
        arguments_one(9, 100 * 1024, "");
        arguments_one(10, 100 * 1024, T "11: QEMU's command line gets longer than 1 MiB, the most that systemd reads: ");
}

static void test_boards(void **state) {
        problems_one("[VM a]\nCPUs=255\nMachine=pc-i440fx-7.2\n[VM b]\nCPUs=288\n[VM c]\nCPUs=512\n"
                     "Architecture=riscv64\n[VM d]\nCPUs=4096\nArchitecture=ppc64\n",
                        "");
        check_problems("[VM a]\nCPUs=289\n", "", 0, 1, __FILE__, __LINE__);
        problems_one("[VM a]\nCPUs=256\nMachine=pc,hpet=off\n",
                        "a " T "2: CPUs=256: Machine=pc,hpet=off has room for 255\n");
        problems_one("[VM a]\nCPUs=1,max=4096\nMachine=microvm\n",
                        "a " T "2: CPUs=4096: Machine=microvm has room for 288\n");
}

/* What all values have in common that are a text of their own. */
static void test_specifiers(void **state) {
        _cleanup_model_ Model *m = model_of("[VM 2]\nMemory=1G\nMemoryMax=2G\nMemorySlots=%i\nHugePages=%iM\n"
                                            "Display=vnc\nScreenSize=%i0x%i00\n[VM de]\nKeyboard=%i\n"
                                            "[VM menu]\nBoot=disk %i\n[VM 2020-01-01]\nClock=%i\n");
        _cleanup_free_ char *problems = problems_of(m);
        const Hardware *h = model_vm(m, "2")->hardware;

        assert_string_equal(problems, "");
        assert_int_equal(h->memory_slots, 2);
        assert_int_equal(h->huge_page_size, 2 << 20);
        assert_int_equal(h->width, 20);
        assert_int_equal(h->height, 200);
        assert_string_equal(model_vm(m, "de")->hardware->keyboard, "de");
        assert_true(model_vm(m, "menu")->hardware->boot_menu);
        assert_string_equal(model_vm(m, "2020-01-01")->hardware->clock, "2020-01-01");
        problems_one("[VM a]\nClock=%q\n",
                        "a " T "2: Clock=%q has the unknown specifier %q (a literal % is written %%)\n");
}

static void test_names(void **state) {
        Arena *a = arena_new();

        assert_string_equal(derive_tap(a, "host1", 0), "tap-host1");
        assert_string_equal(derive_tap(a, "host1", 10), "tap10-host1");
        assert_string_equal(derive_tap(a, "01234567890", 0), "tap-01234567890");
        assert_string_equal(derive_tap(a, "012345678901", 0), "tap6893ece8efc8");
        assert_string_equal(derive_bridge(a, "lan"), "lan");
        assert_string_equal(derive_bridge(a, "a-switch-with-a-long-name"), "swb4088f4f98ac");
        assert_string_equal(derive_user(a, "host-1_x"), "qnet-host-1_x");
        assert_string_equal(derive_user(a, "abcdefghijklmnopqrstuvwxyz"), "qnet-abcdefghijklmnopqrstuvwxyz");
        assert_string_equal(derive_user(a, "abcdefghijklmnopqrstuvwxyz0"), "qnet-5d8821ec4410117b");
        assert_string_equal(derive_user(a, "Host1"), "qnet-b431fb6f03dc7b8f");
        assert_string_equal(derive_user(a, "a.b"), "qnet-98923899150a7650");
        assert_string_not_equal(derive_user(a, "b431fb6f03dc7b8f"), "qnet-b431fb6f03dc7b8f");
        arena_free(a);
}

static void test_macs(void **state) {
        _cleanup_model_ Model *m = NULL, *again = NULL;
        char mac[MAC_STRING_SIZE], text[256];
        const VM *a;

        m = model_of("[VM a]\nBridge=b\n[Interface]\nBridge=b\n[Interface]\nBridge=b\nMACAddress=52:54:00:AA:00:01\n"
                     "[Interface]\nBridge=b\nMACAddress=random\n");
        a = model_vm(m, "a");
        assert_string_equal(format_mac(&a->interfaces[0].mac, mac), "52:54:00:04:43:b0");
        assert_string_equal(format_mac(&a->interfaces[1].mac, mac), "52:54:00:45:ab:90");
        assert_string_equal(format_mac(&a->interfaces[2].mac, mac), "52:54:00:aa:00:01");
        assert_int_equal(a->interfaces[3].mac_policy, MAC_RANDOM);

        /* somebody has fixed what would be derived: another is derived, the fixed one stays */
        snprintf(text, sizeof(text), "[VM z]\n[Interface]\nBridge=b\nMACAddress=%s\n[VM a]\nBridge=b\n",
                        "52:54:00:04:43:b0");
        again = model_of(text);
        assert_int_equal(again->n_errors, 0);
        assert_false(mac_equal(
                        &model_vm(again, "a")->interfaces[0].mac, &model_vm(again, "z")->interfaces[0].mac));
}

/* Some of 20,000 derived addresses of 24 bits are the same at first. */
static void test_mac_collisions(void **state) {
        _cleanup_model_ Model *m = model_new();
        char *text = NULL;
        bool *seen = calloc(1 << 24, sizeof(bool));
        size_t n_text;
        FILE *f = open_memstream(&text, &n_text);

        for (int i = 0; i < 20000; i++)
                fprintf(f, "[VM v%d]\nBridge=b\n", i);
        fclose(f);
        model_free(m);
        m = model_of(text);
        for (size_t i = 0; i < m->n_vms; i++) {
                const uint8_t *o = m->vms[i]->interfaces[0].mac.ether_addr_octet;
                size_t k = (size_t) o[3] << 16 | (size_t) o[4] << 8 | o[5];

                assert_false(seen[k]);
                seen[k] = true;
        }
        free(seen);
        free(text);
}

/* Both owners say the same, each at its own line; logged once, so one error. */
static void check_clash(const char *text, const char *message, const char *origins[static 2],
                const char *file, int line) {
        char expected[1024];

        snprintf(expected, sizeof(expected), "%s: %s\n%s: %s\n", origins[0], message, origins[1], message);
        check_problems(text, expected, 1, 0, file, line);
}
#define clash_one(text, a, b, message) \
        check_clash((text), (message), (const char *[]){ (a), (b) }, __FILE__, __LINE__)

static void test_clashes(void **state) {
        clash_one("[VM a]\n[Interface]\nBridge=x\nMACAddress=52:54:00:00:00:01\n"
                  "[VM b]\n[Interface]\nBridge=y\nMACAddress=52:54:00:00:00:01\n",
                        "a " T "4", "b " T "8",
                        "MACAddress=52:54:00:00:00:01 is that of two: VM a (" T "4) and VM b (" T "8)");
        clash_one("[VM a]\n[Interface]\nBridge=x\nTap=t\n[VM b]\n[Interface]\nBridge=y\nTap=t\n", "a " T "4",
                        "b " T "8", "Interface name t is that of two: VM a (" T "4) and VM b (" T "8)");
        clash_one("[VM a]\n[Interface]\nBridge=x\n[VM b]\n[Interface]\nBridge=y\nTap=tap-a\n", "a " T "2",
                        "b " T "7", "Interface name tap-a is that of two: VM a (" T "2) and VM b (" T "7)");
        clash_one("[VM a]\nSwitch=s\n[Interface 0]\nAddress=10.0.0.5\n"
                  "[VM b]\nSwitch=s\n[Interface 0]\nAddress=10.0.0.6 10.0.0.5\n[Switch s]\n",
                        "a " T "4", "b " T "8",
                        "Address 10.0.0.5 is that of two: VM a (" T "4) and VM b (" T "8)");
        clash_one("[VM a]\n[Disk]\nImage=/i\nMode=persistent\n[VM b]\nImage=/i\n", "a " T "3", "b " T "6",
                        "With Mode=persistent, image /i is that of two: VM a (" T "3) and VM b (" T "6)");
        clash_one("[Switch s]\nAddress=10.0.0.1/24\n[Switch t]\nAddress=10.0.0.1/16\n", "s " T "2",
                        "t " T "4",
                        "Address 10.0.0.1 is that of two: Switch s (" T "2) and Switch t (" T "4)");
        clash_one("[VM a]\nBridge=s\n[Switch s]\n", "a " T "2", "s " T "3",
                        "Interface name s is that of two: Switch s (" T "3) and VM a (" T "2)");
        problems_one("[VM a]\n[Disk]\nImage=/i\nMode=readonly\n[VM b]\nImage=/i\n[VM c]\nBridge=x\n[VM d]\nBridge=x\n",
                        "");
        /* legal, but the reaper cannot tell */
        check_problems("[VM a]\nBridge=x\n[Interface 0]\nAddress=10.0.0.5\n"
                       "[VM b]\nBridge=y\n[Interface 0]\nAddress=10.0.0.5\n",
                        "", 0, 1, __FILE__, __LINE__);
}

static void range_is(const char *text, const char *expected, const char *file, int line) {
        _cleanup_model_ Model *m = model_of(text);
        _cleanup_free_ char *problems = problems_of(m);
        char first[IP_STRING_SIZE], last[IP_STRING_SIZE], range[8 * IP_STRING_SIZE];

        _assert_string_equal(problems, "", file, line);
        *range = '\0';
        for (size_t i = 0; i < m->switches[0]->n_ranges; i++)
                snprintf(range + strlen(range), sizeof(range) - strlen(range), "%s%s-%s", i > 0 ? " " : "",
                                format_ip(&m->switches[0]->ranges[i].first, first),
                                format_ip(&m->switches[0]->ranges[i].last, last));
        _assert_string_equal(m->switches[0]->dhcp ? range : "no", expected, file, line);
}
#define range_one(address, dhcp, expected) \
        range_is("[Switch s]\nAddress=" address "\nDHCP=" dhcp "\n", expected, __FILE__, __LINE__)

static void test_dhcp(void **state) {
        range_one("10.9.0.1/24", "yes", "10.9.0.2-10.9.0.254");
        range_one("10.9.0.254/24", "yes", "10.9.0.1-10.9.0.253");
        range_one("10.9.0.100/24", "yes", "10.9.0.101-10.9.0.254");
        range_one("10.9.0.1/30", "yes", "10.9.0.2-10.9.0.2");
        range_one("172.25.1.1/16", "yes", "172.25.1.2-172.25.255.254");
        range_one("fd00::1/64 10.9.0.1/24", "yes", "10.9.0.2-10.9.0.254");
        range_one("10.9.0.1/24", "no", "no");
        range_one("10.9.0.1/24", "", "no");
        range_one("10.9.0.1/24", "10.9.0.100-10.9.0.200", "10.9.0.100-10.9.0.200");
        range_one("fd00::1/64", "fd00::100-fd00::1ff", "fd00::100-fd00::1ff");
        range_one("fd00::1/64 10.9.0.1/24", "fd00::100-fd00::1ff 10.9.0.20-10.9.0.29",
                        "10.9.0.20-10.9.0.29 fd00::100-fd00::1ff");
        range_one("10.9.0.1/24", "yes\nDHCP=10.9.0.20-10.9.0.29", "10.9.0.20-10.9.0.29");
        range_one("fd00::1/64 10.9.0.1/24", "yes\nDHCP=fd00::100-fd00::1ff", "10.9.0.2-10.9.0.254 fd00::100-fd00::1ff");
        range_one("10.9.0.1/24", "10.9.0.20-10.9.0.29\nDHCP=no", "no");
        range_one("10.9.0.1/24", "10.9.0.20-10.9.0.29\nDHCP=\nDHCP=10.9.0.30-10.9.0.39", "10.9.0.30-10.9.0.39");
        problems_one("[Switch s]\nDHCP=yes\n", "s " T "2: DHCP= needs an IPv4 Address= of the switch\n");
        problems_one("[Switch s]\nAddress=10.0.0.1/31\nDHCP=yes\n",
                        "s " T "3: DHCP=yes finds no addresses to give away in 10.0.0.1/31\n");
        problems_one("[Switch s]\nAddress=10.0.0.1/24\nDHCP=10.0.0.1-10.0.0.9\n",
                        "s " T "3: DHCP=10.0.0.1-10.0.0.9 contains the host's own address 10.0.0.1\n");
        problems_one("[Switch s]\nAddress=10.0.0.1/24\nDHCP=10.0.1.1-10.0.1.9\n",
                        "s " T "3: DHCP=10.0.1.1-10.0.1.9 does not lie within the subnet of an Address=\n");
        problems_one("[Switch s]\nAddress=10.0.0.1/24\nDHCP=10.0.0.9-10.0.0.255\n",
                        "s " T "3: DHCP=10.0.0.9-10.0.0.255 does not lie within the subnet of an Address=\n");
        problems_one("[Switch s]\nAddress=10.0.0.1/24\nDHCP=10.0.0.9-10.0.0.2\n",
                        "s " T
                        "3: DHCP=10.0.0.9-10.0.0.2 is neither yes nor no nor a range of addresses, such as "
                        "10.9.0.100-10.9.0.200\n");
        problems_one("[Switch s]\nAddress=10.0.0.0/24\n",
                        "s " T "2: Address=10.0.0.0/24 is the subnet's own or its broadcast address\n");
}

static void test_dhcp_limits(void **state) {
        problems_one("[Switch s]\nAddress=fd00::1/48\nDHCP=fd00::2-fd00::9\n",
                        "s " T "3: DHCP=fd00::2-fd00::9 is in fd00::1/48, and dnsmasq needs a prefix of 64 or "
                        "longer\n");
        problems_one("[Switch s]\nAddress=fd00::1/48 fd00::1:1/112\nDHCP=fd00::1:2-fd00::1:9\n", "");
        problems_one("[Switch s]\nAddress=10.0.0.1/24 10.0.0.2/16\nDHCP=10.0.0.200-10.0.1.9\n", "");
        problems_one("[Switch s]\nDHCPLeaseSec=119\n",
                        "s " T "2: DHCPLeaseSec=119 is less than 2 minutes, the shortest lease of dnsmasq's\n");
        problems_one("[Switch s]\nDHCPLeaseSec=4294967295\n",
                        "s " T "2: DHCPLeaseSec=4294967295 is more than 136 years, the longest lease of dnsmasq's; "
                        "say infinity\n");
        problems_one("[Switch s]\nDHCPLeaseSec=2min\n[Switch t]\nDHCPLeaseSec=4294967294\n"
                     "[Switch u]\nDHCPLeaseSec=infinity\n",
                        "");
}

/* What both say, once in the log; "" when there is no such thing. */
static void subnets_are(const char *a, const char *b, const char *overlap, const char *file, int line) {
        char text[256], expected[512] = "", message[200];

        snprintf(text, sizeof(text), "[Switch a]\nAddress=%s\n[Switch b]\nAddress=%s\n", a, b);
        snprintf(message, sizeof(message), "Subnets overlap: %s\n", overlap);
        if (*overlap)
                snprintf(expected, sizeof(expected), "a " T "2: %sb " T "4: %s", message, message);
        check_problems(text, expected, *overlap ? 1 : 0, 0, file, line);
}
#define overlap_one(a, b, overlap) subnets_are((a), (b), (overlap), __FILE__, __LINE__)
#define OF_A                       " of Switch a (" T "2)"
#define OF_B                       " of Switch b (" T "4)"

static void test_subnets(void **state) {
        overlap_one("10.9.0.1/24", "10.9.1.1/24", "");
        overlap_one("10.9.0.1/25", "10.9.0.129/25", "");
        overlap_one("10.9.0.1/24", "10.9.0.2/24", "10.9.0.0/24" OF_A " and 10.9.0.0/24" OF_B);
        overlap_one("10.9.0.1/16", "10.9.7.1/24", "10.9.0.0/16" OF_A " and 10.9.7.0/24" OF_B);
        overlap_one("10.9.7.1/25", "10.9.0.1/16", "10.9.0.0/16" OF_B " and 10.9.7.0/25" OF_A);
        overlap_one("10.9.0.1/24 10.9.0.2/32 10.9.0.9/30", "10.8.0.1/24", "");
        overlap_one("10.9.0.1/16 10.9.7.1/24", "10.9.7.129/25", "10.9.7.0/24" OF_A " and 10.9.7.128/25" OF_B);
        overlap_one("fd00::1/64", "fd00:0:0:1::1/64", "");
        overlap_one("fd00::1/63", "fd00:0:0:1::1/64", "fd00::/63" OF_A " and fd00:0:0:1::/64" OF_B);
        overlap_one("fe80::1/64", "fe80::1/64", "");
        overlap_one("fe80::1/64", "fe80::2/64", "");
        overlap_one("10.0.0.1/8", "a00::1/8", "");
}

static void test_addresses(void **state) {
#define ON "[Switch s]\nAddress=10.0.0.1/24\n[VM a]\nSwitch=s\n[Interface 0]\nAddress="
        problems_one(ON "10.0.0.5 fd00::5\n", "");
        problems_one(ON "10.0.1.5\n", "a " T "6: Address=10.0.1.5 is in no subnet of switch s (" T "1)\n");
        problems_one(ON "10.0.0.255\n",
                        "a " T "6: Address=10.0.0.255 is the own or the broadcast address of 10.0.0.1/24\n");
        problems_one(ON "10.0.0.1\n",
                        "a " T "6: Address=10.0.0.1 is that of the host on switch s (" T "1)\n");
}

/* The cause stands in the log once; whoever cannot start because of it says so too. */
static void test_broken_switch(void **state) {
        check_problems("[VM a]\nSwitch=s\n[VM b]\n[Switch s]\nAddress=10.0.0.1\nDHCP=yes\n",
                        "a " T "2: Switch s is broken, see " T
                        "5: Address=10.0.0.1 is not an IP address with a prefix, such as "
                        "10.9.0.1/24\n"
                        "s " T
                        "5: Address=10.0.0.1 is not an IP address with a prefix, such as 10.9.0.1/24\n",
                        1, 0, __FILE__, __LINE__);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_references),
                cmocka_unit_test(test_machine),
                cmocka_unit_test(test_hostile_values),
                cmocka_unit_test(test_listeners),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_long_commands),
                cmocka_unit_test(test_boards),
                cmocka_unit_test(test_specifiers),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_macs),
                cmocka_unit_test(test_mac_collisions),
                cmocka_unit_test(test_clashes),
                cmocka_unit_test(test_dhcp),
                cmocka_unit_test(test_dhcp_limits),
                cmocka_unit_test(test_subnets),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_broken_switch),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
