/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a VM needs of its host and only its host can tell, looked at before QEMU starts, to say in a sentence what to do
 * where QEMU or systemd would say what went wrong; and when it has ended, whether that was a panic. Runs as the VM's user, within its sandbox. Changes nothing. */

#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "parse-value.h"
#include "program.h"

/* in units/qnet.catalog */
#define MESSAGE_PANIC_STR    "681e236993464638922d1db15d262a49"
#define MESSAGE_GIVEN_UP_STR "ebe06c523d384b979e4f4bc344d61487"

typedef struct Check {
        const char *package, *device, *sysfs;
        uint64_t page_size; /* bytes; 0: the host's default */
} Check;

static int check_program(char *words[], void *userdata) {
        const Check *c = userdata;
        const char *path = words[0];

        if (access(path, X_OK) >= 0)
                return 0;
        if (errno == ENOENT && c->package)
                return log_error_errno(
                                errno, "There is no %s on this host: apt install %s", path, c->package);
        return log_error_errno(errno, "Cannot run %s: %m", path);
}

static int check_file(char *words[], void *userdata) {
        const char *path = words[0];
        struct stat st;

        if (stat(path, &st) < 0)
                return log_error_errno(
                                errno, "Cannot read %s, which Credentials= or CloudInit= names: %m", path);
        if (S_ISREG(st.st_mode))
                return 0;
        return log_error_errno(EINVAL, "%s, which Credentials= or CloudInit= names, is not a file.", path);
}

static int check_kvm(char *words[], void *userdata) {
        const Check *c = userdata;
        const char *device = c->device ?: "/dev/kvm";
        _cleanup_close_ int fd = open(device, O_RDWR | O_CLOEXEC);
        int version;

        if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV))
                return log_error_errno(errno,
                                "KVM does not work, %s: %m. Enable virtualization in the firmware of this host (on "
                                "a virtual one, nested virtualization) and load kvm_intel or kvm_amd, or say "
                                "Accelerator=tcg.",
                                device);
        if (fd < 0)
                return log_error_errno(errno,
                                "KVM is not for this VM's user, %s: %m. Its group must be kvm: udevadm trigger %s, "
                                "or say Accelerator=tcg.",
                                device, device);
        version = ioctl(fd, KVM_GET_API_VERSION, 0);
        if (version != KVM_API_VERSION)
                return log_error_errno(version < 0 ? errno : EPROTONOSUPPORT,
                                "%s is not KVM's: %m. Load kvm_intel or kvm_amd, or say Accelerator=tcg.",
                                device);
        return 0;
}

static int check_vhost(char *words[], void *userdata) {
        const Check *c = userdata;
        const char *device = c->device ?: "/dev/vhost-net";
        _cleanup_close_ int fd = open(device, O_RDWR | O_CLOEXEC);

        if (fd >= 0)
                return 0;
        if (errno == EACCES || errno == EPERM)
                return log_error_errno(errno,
                                "vhost-net is not for this VM's user, %s: %m. Its group must be kvm: udevadm trigger %s, "
                                "or say VHost=auto.",
                                device, device);
        return log_error_errno(errno, "There is no vhost-net, %s: %m. Type modprobe vhost_net, or say VHost=auto.",
                        device);
}

/* /proc/meminfo is hidden from VMs; the kernel's default is what a hugetlbfs without options has, and memfd takes. */
static int default_page_size(uint64_t *ret) {
        _cleanup_close_ int fd = memfd_create("qnet-check", MFD_CLOEXEC | MFD_HUGETLB);
        struct statfs s;

        if (fd < 0 || fstatfs(fd, &s) < 0)
                return -errno;
        *ret = (uint64_t) s.f_bsize;
        return 0;
}

static int read_number(const char *path, uint64_t *ret) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char buf[32];
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, buf, sizeof(buf) - 1);
        if (n <= 0)
                return n < 0 ? -errno : -EIO;
        buf[n] = '\0';
        buf[strcspn(buf, "\n")] = '\0';
        return parse_uint64(buf, 0, UINT64_MAX, ret);
}

static int check_hugepages(char *words[], void *userdata) {
        const Check *c = userdata;
        const char *bytes = words[0];
        uint64_t size, page = c->page_size, free_pages = 0, wanted;
        _cleanup_free_ char *path = NULL;
        int r;

        if (parse_uint64(bytes, 1, INT64_MAX, &size) < 0)
                return program_usage("%s is not a number of bytes.", bytes);
        if (page == 0) {
                r = default_page_size(&page);
                if (r < 0)
                        return log_error_errno(r, "This host has no huge pages: %m. Leave HugePages= out.");
        }
        if (asprintf(&path, "%s/hugepages-%" PRIu64 "kB/free_hugepages", c->sysfs, page / 1024) < 0)
                return log_oom();
        r = read_number(path, &free_pages);
        if (r < 0)
                return log_error_errno(r, "Huge pages of %" PRIu64 "K are none of this host's, %s: %m",
                                page / 1024, path);
        wanted = size / page + (size % page > 0);
        if (free_pages < wanted)
                return log_error_errno(ENOMEM,
                                "The VM needs %" PRIu64 " huge pages of %" PRIu64 "K and %" PRIu64
                                " are free: write a larger number into %.*snr_hugepages, or vm.nr_hugepages= into "
                                "/etc/sysctl.d/",
                                wanted, page / 1024, free_pages,
                                (int) (strlen(path) - strlen("free_hugepages")), path);
        return 0;
}

static const char *get(const char *variable) {
        return getenv(variable) ?: "";
}

/* QEMU, told to, makes of a panic exit status 1; so it does of a mistake in its command line, but says that itself. */
static bool is_panic(const char *code, const char *status) {
        return streq(code, "exited") && streq(status, "1");
}

/* systemd.exec(5): how the main process has ended */
static int check_panic(char *words[], void *userdata) {
        char vm[NAME_LENGTH_MAX + 16];
        const char *const fields[] = { "MESSAGE_ID=" MESSAGE_PANIC_STR, vm, NULL };

        if (!is_panic(get("EXIT_CODE"), get("EXIT_STATUS")))
                return 0;
        snprintf(vm, sizeof(vm), "QNET_VM=%.*s", NAME_LENGTH_MAX, words[0]);
        log_fields(LOG_ERR,
                        "The guest's kernel has panicked, unless QEMU itself complains above; its last words are on its "
                        "console",
                        fields);
        return 0;
}

/* The same of OnFailure=. "systemctl status" shows of a unit that is not started again nothing of its lives before. */
static int check_given_up(char *words[], void *userdata) {
        const char *result = get("MONITOR_SERVICE_RESULT"), *why;
        char vm[NAME_LENGTH_MAX + 16], object[NAME_LENGTH_MAX + 64], text[512];
        const char *const fields[] = { "MESSAGE_ID=" MESSAGE_GIVEN_UP_STR, vm, object, NULL };

        why = is_panic(get("MONITOR_EXIT_CODE"), get("MONITOR_EXIT_STATUS"))
                              ? "its guest panics, or QEMU refuses to start"
              : streq(result, "signal") || streq(result, "start-limit-hit")
                              ? "it was restarted again and again, and was never well for long"
                              : "see the messages of its unit";
        snprintf(vm, sizeof(vm), "QNET_VM=%.*s", NAME_LENGTH_MAX, words[0]);
        snprintf(object, sizeof(object), "OBJECT_SYSTEMD_UNIT=qemu-vm@%.*s.service", NAME_LENGTH_MAX, words[0]);
        snprintf(text, sizeof(text), "VM %.*s has failed and is not started again: %s", NAME_LENGTH_MAX, words[0], why);
        log_fields(LOG_ERR, text, fields);
        return 0;
}

enum { OPTION_PACKAGE = PROGRAM_OPTION_FIRST, OPTION_DEVICE, OPTION_PAGE_SIZE, OPTION_SYSFS };
static const ProgramOption options[] = {
        { OPTION_PACKAGE, "package", "NAME", "Debian's package with the program" },
        { OPTION_DEVICE, "device", "PATH", "Instead of /dev/kvm or /dev/vhost-net" },
        { OPTION_PAGE_SIZE, "page-size", "BYTES", "Instead of the host's default" },
        { OPTION_SYSFS, "sysfs", "DIR", "Instead of /sys/kernel/mm/hugepages" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        Check *c = userdata;

        switch (option) {
        case OPTION_PACKAGE:
                c->package = value;
                return 0;
        case OPTION_DEVICE:
                c->device = value;
                return 0;
        case OPTION_PAGE_SIZE:
                if (parse_uint64(value, 1024, INT64_MAX, &c->page_size) < 0)
                        return program_usage("--page-size=%s is not a number of bytes.", value);
                return 0;
        case OPTION_SYSFS:
                c->sysfs = value;
                return 0;
        }
        return PROGRAM_USAGE;
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "program", 1, 1, "PATH", "is it there, and can be run?", check_program,
                        .options = BIT(OPTION_PACKAGE) },
        { "file", 1, 1, "PATH", "is it there?", check_file },
        { "kvm", 0, 0, "", "can KVM be used?", check_kvm, .options = BIT(OPTION_DEVICE) },
        { "vhost", 0, 0, "", "is there vhost-net?", check_vhost, .options = BIT(OPTION_DEVICE) },
        { "hugepages", 1, 1, "BYTES", "is so much memory in huge pages free?", check_hugepages,
                        .options = BIT(OPTION_PAGE_SIZE) | BIT(OPTION_SYSFS) },
        { "panic", 1, 1, "VM", "after QEMU has ended: was that a panic of the guest? It says so, and does not fail",
                        check_panic },
        { "given-up", 1, 1, "VM", "what its unit's OnFailure= starts: say why it is not started again", check_given_up },
        {},
};

static const Program program = {
        .about = "Look for what a virtual machine needs of its host; where it is missing, say what to do about it.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        Check c = { .sysfs = "/sys/kernel/mm/hugepages" };

        log_setup("qnet-check");
        return program_exit_status(program_run(&program, argc, argv, &c));
}
