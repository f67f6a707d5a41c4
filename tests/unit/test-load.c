/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "conf-table.h"
#include "model-text.h"
#include "nearest.h"
#include "strv.h"
#include "test.h"

/* What a VM has, in a few words, so that a case is a line: "host1 mem=512M,cpus=1 if=s1/tap-host1 disk=/a" */
static void describe(FILE *f, const VM *vm) {
        fprintf(f, "%s %" PRIu64 "K", vm->name, vm->memory / 1024);
        if (vm->cpus != 1)
                fprintf(f, " cpus=%u", vm->cpus);
        if (vm->kernel)
                fprintf(f, " kernel=%s", vm->kernel);
        if (vm->kernel_command_line)
                fprintf(f, " append=%s", vm->kernel_command_line);
        if (vm->hardware != &hardware_defaults)
                fprintf(f, " hardware=%u/%s", vm->hardware->cpus_max, vm->hardware->vga ?: "?");
        for (size_t i = 0; i < vm->n_interfaces; i++) {
                const Interface *n = vm->interfaces + i;
                fprintf(f, " if=%s/%s", n->switch_name ?: n->bridge ?: "?", n->tap);
                if (n->mtu)
                        fprintf(f, "/%u", n->mtu);
        }
        for (size_t i = 0; i < vm->n_disks; i++)
                fprintf(f, " disk=%s/%s", vm->disks[i].image ?: "?", disk_mode_to_string(vm->disks[i].mode));
        STRV_FOREACH (s, vm->extra_args)
                fprintf(f, " <%s>", *s);
        for (size_t i = 0; i < vm->passthrough.n; i++)
                fprintf(f, " %s.%s=%s", vm->passthrough.items[i].section, vm->passthrough.items[i].key,
                                vm->passthrough.items[i].value);
        fputc('\n', f);
}

static void vms_are(const char *text, const char *expected, const char *file, int line) {
        _cleanup_model_ Model *m = model_of(text);
        _cleanup_free_ char *out = NULL, *problems = problems_of(m);
        size_t n_out;
        FILE *f = open_memstream(&out, &n_out);

        for (size_t i = 0; i < m->n_vms; i++)
                describe(f, m->vms[i]);
        fclose(f);
        _assert_string_equal(problems, "", file, line);
        _assert_int_equal(m->n_errors, 0, file, line);
        _assert_int_equal(m->n_warnings, 0, file, line);
        _assert_string_equal(out, expected, file, line);
}
#define vms_one(text, expected) vms_are((text), (expected), __FILE__, __LINE__)

#define M512 "524288K"
#define N62  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void test_objects(void **state) {
        vms_one("", "");
        vms_one("[VM]\n", "test " M512 "\n");
        vms_one("[VM b]\n[VM a]\n", "a " M512 "\nb " M512 "\n");
        vms_one("[VM a]\nCPUs=2\n[VM b]\n[VM a]\nMemory=1M\n", "a 1024K cpus=2\nb " M512 "\n");
        vms_one("--- /etc/qnet/host1.conf\n[VM]\nMemory=2M\n--- /etc/qnet/b.conf\n[VM]\n",
                        "b " M512 "\nhost1 2048K\n");
        vms_one("[VM a]\nMemory=1M\nMemory=\n", "a " M512 "\n");
        vms_one("[VM a]\nMachine=microbit\n", "a 0K\n"); /* the board has what it has */
        vms_one("[X-Mine]\nA=1\n[VM a]\nX-Key=1\n[X-Other]\nMemory=1M\n", "a " M512 "\n");
        vms_one("[Lab l]\n[Switch s]\n[Reaper]\n[System y]\n", "");
        vms_one("--- /etc/qnet/a b.conf\n[VM ok]\n", "ok " M512 "\n");
}

static void test_lists(void **state) {
        vms_one("[VM a]\nKernel=/k\nKernelCommandLine=a b\nKernelCommandLine=c\n",
                        "a " M512 " kernel=/k append=a b c\n");
        vms_one("[VM a]\nKernel=/k\nKernelCommandLine=a\nKernelCommandLine=\nKernelCommandLine=c\n",
                        "a " M512 " kernel=/k append=c\n");
        vms_one("[VM a]\nExtraArgs=-x 'a b'\nExtraArgs=\"\"\n", "a " M512 " <-x> <a b> <>\n");
        vms_one("[VM a]\nExtraArgs=-x\nExtraArgs=\nExtraArgs=y\n", "a " M512 " <y>\n");
        vms_one("[VM a]\n[Service]\nA=1\nA=\n[Unit]\nB=%n \"x\n",
                        "a " M512 " Service.A=1 Service.A= Unit.B=%n \"x\n");
}

static void test_specifiers(void **state) {
        vms_one("[VM a]\nKernel=/%i/%n/%N/%H/%m%t%S%h/%%/x\n",
                        "a " M512
                        " kernel=/a/qemu-vm@a.service/qemu-vm@a/testhost/0123456789abcdef0123456789abcdef"
                        "/run/var/lib/root/%/x\n");
        vms_one("[System y]\nKernel=/k/%i\n[VM a]\nSystem=y\n[VM b]\nSystem=y\n",
                        "a " M512 " kernel=/k/a\nb " M512 " kernel=/k/b\n");
        vms_one("[VM a]\nExtraArgs='%i x' %%i\n", "a " M512 " <a x> <%i>\n");
        problems_one("[VM a]\nKernel=/%q\n",
                        "a /etc/qnet/test.conf:2: Kernel=/%q has the unknown specifier %q (a literal % is written %%)\n");
        problems_one("[VM a]\nKernel=/100%\n",
                        "a /etc/qnet/test.conf:2: Kernel=/100% has a single % (a literal one is written %%)\n");
}

static void test_parts(void **state) {
        static const char two[] =
                        "[Switch s]\n[Switch t]\n[VM a]\n[Interface]\nSwitch=s\n[Interface]\nSwitch=t\n";
        char text[512];

        vms_one(two, "a " M512 " if=s/tap-a if=t/tap1-a\n");
        vms_one("[Switch s]\n[VM a]\nSwitch=s\n", "a " M512 " if=s/tap-a\n");
        vms_one("[VM a]\nBridge=br0\n[Interface 0]\nTap=x\n", "a " M512 " if=br0/x\n");
        vms_one("[VM a]\n[Interface]\nBridge=br1\n[VM a]\nBridge=br0\n",
                        "a " M512 " if=br0/tap-a if=br1/tap1-a\n");
        vms_one("[VM a]\nBridge=br0\nBridge=\n", "a " M512 "\n");
        vms_one("[VM a]\nImage=/i\n[Disk]\nImage=/j\nMode=readonly\n[Disk 0]\nMode=ephemeral\n",
                        "a " M512 " disk=/i/ephemeral disk=/j/readonly\n");
        vms_one("[VM a]\nImage=/i\nImage=\n[Disk]\nImage=/j\n", "a " M512 " disk=/j/overlay\n");
        snprintf(text, sizeof(text), "%s[Interface 0]\nMTU=900\n", two);
        vms_one(text, "a " M512 " if=s/tap-a/900 if=t/tap1-a\n");
        snprintf(text, sizeof(text), "%s[Interface *]\nMTU=900\n", two);
        vms_one(text, "a " M512 " if=s/tap-a/900 if=t/tap1-a/900\n");
        snprintf(text, sizeof(text), "%s[Interface 2]\nSwitch=s\n", two);
        vms_one(text, "a " M512 " if=s/tap-a if=t/tap1-a if=s/tap2-a\n");
        vms_one("[VM a]\n[Interface wan]\nBridge=b\n[Interface lan]\nBridge=c\n[Interface wan]\nMTU=99\n",
                        "a " M512 " if=b/tap-a/99 if=c/tap1-a\n");
        vms_one("[VM a]\n[Interface]\nBridge=b\nTap=my0\n[Interface my0]\nMTU=99\n",
                        "a " M512 " if=b/my0/99\n");
        problems_one("[VM a]\n[Disk 1]\nImage=/i\n",
                        "a /etc/qnet/test.conf:2: [Disk 1]: there is no number 1, the next would be 0\n");
        problems_one("[VM a]\n[Disk 99999999999999999999]\n",
                        "a /etc/qnet/test.conf:2: [Disk 99999999999999999999]: there is no number 99999999999999999999, "
                        "the next would be 0\n");
        problems_one("[VM a]\n[Disk a/b]\n", "a /etc/qnet/test.conf:2: [Disk a/b]: not a number or name\n");
}

static void test_systems(void **state) {
        static const char base[] = "[System base]\nMemory=1M\nCPUs=2\nKernel=/k\nKernelCommandLine=one\n"
                                   "[Interface]\nBridge=br0\n[Service]\nNice=1\n"
                                   "[System child]\nSystem=base\nCPUs=3\nKernelCommandLine=two\n";
        char text[1024];

        snprintf(text, sizeof(text), "%s[VM a]\nSystem=base\n", base);
        vms_one(text, "a 1024K cpus=2 kernel=/k append=one if=br0/tap-a Service.Nice=1\n");
        snprintf(text, sizeof(text), "%s[VM a]\nSystem=child\nMemory=2M\nKernelCommandLine=three\n", base);
        vms_one(text, "a 2048K cpus=3 kernel=/k append=one two three if=br0/tap-a Service.Nice=1\n");
        snprintf(text, sizeof(text), "%s[VM a]\nMemory=2M\nSystem=base\nSystem=child\n", base);
        vms_one(text, "a 2048K cpus=3 kernel=/k append=one two if=br0/tap-a Service.Nice=1\n");
        snprintf(text, sizeof(text), "%s[VM a]\nSystem=base\n[Interface 0]\nBridge=br1\n[Service]\nNice=2\n",
                        base);
        vms_one(text, "a 1024K cpus=2 kernel=/k append=one if=br1/tap-a Service.Nice=1 Service.Nice=2\n");
        snprintf(text, sizeof(text), "%s[VM a]\nSystem=base\nSystem=\n", base);
        vms_one(text, "a " M512 "\n");
        vms_one("[Switch s]\n[System y]\nSwitch=s\n[VM a]\nSystem=y\nBridge=br0\n",
                        "a " M512 " if=br0/tap-a\n");
}

static void test_system_problems(void **state) {
        problems_one("[VM a]\nSystem=debain\n[System debian]\n",
                        "a /etc/qnet/test.conf:2: System=debain is not declared anywhere (did you mean debian?)\n");
        check_problems("[System a]\nSystem=b\n[System b]\nSystem=a\n[VM v]\nSystem=a\n[VM ok]\n",
                        "v /etc/qnet/test.conf:4: System=a makes a circle: a -> b -> a\n", 2, 0, __FILE__,
                        __LINE__);
        check_problems("[System a]\nSystem=a\n", "", 1, 0, __FILE__, __LINE__);
        /* once in the log, and with everybody who has it */
        check_problems("[System y]\nMemory=lots\n[VM a]\nSystem=y\n[VM b]\nSystem=y\n",
                        "a /etc/qnet/test.conf:2: Memory=lots is not a size, such as 512M or 2G\n"
                        "b /etc/qnet/test.conf:2: Memory=lots is not a size, such as 512M or 2G\n",
                        1, 0, __FILE__, __LINE__);
        check_problems("[System unused]\nMemory=lots\n", "", 1, 0, __FILE__, __LINE__);
}

/* Keys of Hardware: a copy for each VM that says one, and for no other. */
static void test_rare(void **state) {
        vms_one("[VM a]\nCPUs=2\n[VM b]\nDescription=b\n", "a " M512 " cpus=2\nb " M512 "\n");
        vms_one("[System s]\nVGA=std\n[VM a]\nSystem=s\nCPUs=2,max=4\n[VM b]\nSystem=s\nVGA=qxl\n[VM c]\n",
                        "a " M512 " cpus=2 hardware=4/std\nb " M512 " hardware=0/qxl\nc " M512 "\n");
        vms_one("[VM a]\nCPUs=2,max=4\nCPUs=3\n", "a " M512 " cpus=3 hardware=0/?\n");
        vms_one("[VM a]\nVGA=std\nVGA=\nCPUs=1,max=2\nCPUs=\n", "a " M512 " hardware=0/?\n");
        vms_one("[VM w]\nInstances=2\nVGA=%i\n",
                        "w1 " M512 " hardware=0/w1\nw2 " M512 " hardware=0/w2\n");
}

static void test_instances(void **state) {
        vms_one("[VM a]\nInstances=2\nKernel=/%i\n", "a1 " M512 " kernel=/a1\na2 " M512 " kernel=/a2\n");
        vms_one("[VM a]\nInstances=0\n", "");
        vms_one("[VM a]\nInstances=3\nInstances=\n", "a " M512 "\n");
        vms_one("[System y]\nInstances=2\n[VM a]\nSystem=y\n", "a1 " M512 "\na2 " M512 "\n");
        vms_one("[VM a]\nInstances=2\n--- /etc/qnet/a.conf.d/1.conf\n[VM]\nCPUs=2\n"
                "--- /etc/qnet/a2.conf.d/2.conf\n[VM]\nCPUs=3\n",
                        "a1 " M512 " cpus=2\na2 " M512 " cpus=3\n");
        problems_one("[VM a]\nInstances=many\n",
                        "a /etc/qnet/test.conf:2: Instances=many is not a number from 0 to 1024\n");
        /* 62 letters: one digit more is a name, two are not */
        problems_one("[VM " N62 "]\nInstances=9\n", "");
        problems_one("[VM " N62 "]\nInstances=10\n",
                        N62 " /etc/qnet/test.conf:2: Instances=10: the name " N62 "10 is longer than 63 characters\n");
        problems_one("[VM a]\nInstances=1\n[VM a1]\n",
                        "a1 /etc/qnet/test.conf:2: Instances= makes a second VM a1, the other is at /etc/qnet/test.conf:3\n");
        check_problems("[VM a]\nInstances=2\nMemory=lots\n",
                        "a1 /etc/qnet/test.conf:3: Memory=lots is not a size, such as 512M or 2G\n"
                        "a2 /etc/qnet/test.conf:3: Memory=lots is not a size, such as 512M or 2G\n",
                        1, 0, __FILE__, __LINE__);
}

static void test_overrides(void **state) {
#define A "--- /etc/qnet/lab-a.conf\n[VM]\nMemory=1M\n"
        vms_one(A "--- /etc/qnet/lab-a.conf.d/1.conf\n[VM]\nMemory=2M\n", "lab-a 2048K\n");
        vms_one(A "--- /etc/qnet/lab-.conf.d/1.conf\n[VM]\nMemory=2M\n", "lab-a 2048K\n");
        vms_one(A "--- /etc/qnet/vm.d/1.conf\n[VM]\nMemory=2M\n", "lab-a 2048K\n");
        /* by name of file, whatever the directory */
        vms_one(A "--- /etc/qnet/lab-a.conf.d/1.conf\n[VM]\nMemory=2M\n--- /etc/qnet/vm.d/2.conf\n[VM]\nMemory=3M\n",
                        "lab-a 3072K\n");
        /* the more specific directory hides the file of that name in the others, also with nothing in it */
        vms_one(A "--- /etc/qnet/lab-a.conf.d/1.conf\n[VM]\nCPUs=2\n--- /etc/qnet/vm.d/1.conf\n[VM]\nMemory=3M\n",
                        "lab-a 1024K cpus=2\n");
        vms_one(A "--- /etc/qnet/lab-a.conf.d/1.conf\n--- /etc/qnet/lab-.conf.d/1.conf\n[VM]\nMemory=3M\n",
                        "lab-a 1024K\n");
        vms_one(A "--- /etc/qnet/lab-.conf.d/1.conf -> /dev/null\n--- /etc/qnet/vm.d/1.conf\n[VM]\nMemory=3M\n",
                        "lab-a 1024K\n");
        /* one that names its object */
        vms_one("[VM x]\n[VM y]\n--- /etc/qnet/test.conf.d/1.conf\n[VM y]\nMemory=3M\n",
                        "x " M512 "\ny 3072K\n");
        vms_one("[VM x]\n--- /etc/qnet/vm.d/1.conf\n[VM x]\nMemory=3M\n[VM]\nCPUs=2\n", "x 3072K cpus=2\n");
        vms_one("[VM x]\n--- /etc/qnet/x.conf.d/1.conf\n[VM]\nMemory=3M\n", "x 3072K\n");
        /* and may open it, beside its file */
        vms_one("[Switch s]\n--- /etc/qnet/test.conf.d/1.conf\n[VM new]\nMemory=3M\n", "new 3072K\n");
        vms_one(A "--- /etc/qnet/vm.d/1.conf\n[VM]\n[Interface]\nBridge=b\n", "lab-a 1024K if=b/tap-lab-a\n");
        vms_one("[System y]\n[VM a]\nSystem=y\n--- /etc/qnet/system.d/1.conf\n[System]\nMemory=3M\n",
                        "a 3072K\n");
}

static void test_override_problems(void **state) {
        check_problems("[VM x]\n--- /etc/qnet/y.conf.d/1.conf\n[VM]\nMemory=3M\n", "", 0, 1, __FILE__,
                        __LINE__);
        check_problems("[VM x]\n--- /etc/qnet/vm.d/1.conf\n[VM y]\n", "", 0, 1, __FILE__, __LINE__);
        problems_one("[VM x]\n--- /etc/qnet/x.conf.d/1.conf\nnonsense\n",
                        "x /etc/qnet/x.conf.d/1.conf:1: Neither a section nor an assignment: nonsense\n");
        problems_one("[VM x]\n--- /etc/qnet/vm.d/1.conf\nMemory=1M\n",
                        "x /etc/qnet/vm.d/1.conf:1: Assignment stands in no section: Memory\n");
        problems_one("[VM x]\n--- /etc/qnet/test.conf.d/1.conf\n[Interface]\n",
                        "x /etc/qnet/test.conf.d/1.conf:1: Section stands below no object, such as [VM]: Interface\n");
        problems_one("[VM x]\n--- /etc/qnet/x.conf.d/1.conf\n[VM]\nMemory=lots\n",
                        "x /etc/qnet/x.conf.d/1.conf:2: Memory=lots is not a size, such as 512M or 2G\n");
}

/* What cannot be read is said by the VM that it most likely was about; others go on. */
static void test_attribution(void **state) {
        problems_one("--- /etc/qnet/host1.conf\nnonsense\n--- /etc/qnet/host2.conf\n[VM]\n",
                        "host1 /etc/qnet/host1.conf:1: Neither a section nor an assignment: nonsense\n");
        problems_one("[VM a\nMemory=lots\n[VM b]\n",
                        "a /etc/qnet/test.conf:1: Section header lacks its closing bracket: [VM a\n"
                        "a /etc/qnet/test.conf:2: Memory=lots is not a size, such as 512M or 2G\n");
        problems_one("Memory=1\n[VM a]\n[VM b]\n",
                        "a /etc/qnet/test.conf:1: Assignment stands in no section: Memory\n");
        problems_one("[VM a]\nMemory=lots\nCPUs=0\nnonsense\nLab=a/b\n[VM b]\n",
                        "a /etc/qnet/test.conf:2: Memory=lots is not a size, such as 512M or 2G\n"
                        "a /etc/qnet/test.conf:3: CPUs=0 is not a number from 1 to 4096\n"
                        "a /etc/qnet/test.conf:4: Neither a section nor an assignment: nonsense\n"
                        "a /etc/qnet/test.conf:5: Lab=a/b is not a name: letters, digits, '_', '.' and '-', at most 63, "
                        "a letter or digit first\n");
        problems_one("[VM a b]\n",
                        "test /etc/qnet/test.conf:1: Name is not made of letters, digits, '_', '.' and '-', a letter or digit "
                        "first, at most 63: a b\n");
        check_problems("[VM a b]\nMemory=lots\n[Interface]\n[VM c]\n", "", 1, 0, __FILE__, __LINE__);
        check_problems("--- /etc/qnet/a b.conf\n[VM]\n", "", 1, 0, __FILE__, __LINE__);
        check_problems("[Lab l]\nAutostart=maybe\n[Reaper]\nHoldoffSec=x\n[Reaper x]\n",
                        "l /etc/qnet/test.conf:2: Autostart=maybe is neither yes nor no\n", 3, 0, __FILE__, __LINE__);
        problems_one("[Switch s]\n[Interface]\nTap=x\n",
                        "s /etc/qnet/test.conf:2: A Switch has no such section: Interface\n");
}

static void test_two_files(void **state) {
        problems_one("--- /etc/qnet/a.conf\n[VM x]\n--- /etc/qnet/b.conf\n[VM x]\n",
                        "x /etc/qnet/b.conf:1: VM x is opened at /etc/qnet/a.conf:1 already; what changes it belongs into a "
                        "drop-in\n");
        problems_one("--- /etc/qnet/a.conf\n[Lab x]\n[VM a]\nLab=x\n--- /etc/qnet/b.conf\n[Lab x]\n",
                        "x /etc/qnet/b.conf:1: Lab x is opened at /etc/qnet/a.conf:1 already; what changes it belongs into a "
                        "drop-in\n");
        vms_one("[Lab x]\n[Reaper]\n[Lab x]\nAutostart=yes\n[Reaper]\nHoldoffSec=1\n"
                "--- /etc/qnet/x.conf.d/1.conf\n[Lab x]\nAutostart=no\n[Reaper]\nHoldoffSec=2\n",
                        "");
}

static void test_reaper(void **state) {
        _cleanup_model_ Model *m = model_of(
                        "--- /etc/qnet/a.conf\n[Reaper]\nKillLog=/run/qnet/kill.log\nKillLog=/a\nKillLog=/b\n"
                        "KillLog=/a\n--- /etc/qnet/b.conf\n[Reaper]\nKillLog=/c\nHoldoffSec=1\n");

        assert_int_equal(m->n_errors, 1); /* two files */
        assert_int_equal(m->n_warnings, 2);
        assert_int_equal(m->reaper.n_kill_logs, 2);
        assert_string_equal(m->reaper.kill_logs[0], "/a");
        assert_string_equal(m->reaper.kill_logs[1], "/b");
        assert_int_equal(m->reaper.hold_off, 10 * USEC_PER_SEC);
}

static void test_unknown(void **state) {
        check_problems("[VM a]\nMemroy=1\n", "", 0, 1, __FILE__, __LINE__);
        check_problems("[Vm a]\nMemory=lots\n[Interface]\nTap=%q\n", "", 0, 1, __FILE__, __LINE__);
        check_problems("[VM a]\n[Shaer]\nx=1\n[Disk]\nImage=/i\nMode=none\n",
                        "a /etc/qnet/test.conf:6: Mode=none is not one of overlay, persistent, ephemeral, readonly\n",
                        1, 1, __FILE__, __LINE__);
}

static void nearest_is(const char *best, const char *expected, const char *file, int line) {
        _assert_string_equal(best ?: "-", expected, file, line);
}
#define key_one(name, expected) nearest_is(key_nearest(KEYS_VM, name), expected, __FILE__, __LINE__)

static void test_nearest(void **state) {
        char longer[NEAREST_LENGTH_MAX + 2];

        key_one("Memroy", "Memory");
        key_one("memory", "Memory");
        key_one("KernelCommandline", "KernelCommandLine");
        key_one("CPU's", "CPUs");
        key_one("Frobnicate", "-");
        key_one("", "-");
        nearest_is(section_nearest("Swich"), "Switch", __FILE__, __LINE__);
        memset(longer, 'M', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        key_one(longer, "-");
}

/* Work must not grow faster than the text: so many lines and objects are done at once. */
static void test_many(void **state) {
        char *text = NULL;
        size_t n_text;
        FILE *f = open_memstream(&text, &n_text);
        _cleanup_model_ Model *m = NULL;

        fputs("[VM args]\n", f);
        for (int i = 0; i < 100000; i++)
                fputs("ExtraArgs=a b\n", f);
        for (int i = 0; i < 20000; i++)
                fprintf(f, "[VM v%d]\nCPUs=2\n", i);
        fputs("--- /etc/qnet/test.conf.d/1.conf\n", f);
        for (int i = 0; i < 20000; i++)
                fprintf(f, "[VM v%d]\nCPUs=3\n", i);
        fclose(f);
        m = model_of(text);
        assert_int_equal(m->n_vms, 20001);
        assert_int_equal(model_vm(m, "args")->n_extra_args, 200000);
        assert_int_equal(model_vm(m, "v19999")->cpus, 3);
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_objects),
                cmocka_unit_test(test_lists),
                cmocka_unit_test(test_specifiers),
                cmocka_unit_test(test_parts),
                cmocka_unit_test(test_systems),
                cmocka_unit_test(test_system_problems),
                cmocka_unit_test(test_rare),
                cmocka_unit_test(test_instances),
                cmocka_unit_test(test_overrides),
                cmocka_unit_test(test_attribution),
                cmocka_unit_test(test_override_problems),
                cmocka_unit_test(test_two_files),
                cmocka_unit_test(test_reaper),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_nearest),
                cmocka_unit_test(test_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
