/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a VM needs of its host and only its host can tell, looked at before QEMU starts, to say in a sentence what to do
 * where QEMU or systemd would say what went wrong. Runs as the VM's user, within its sandbox. Changes nothing. */

#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "parse-value.h"
#include "program.h"

static const char help_text[] =
                "Usage: qnet-check program PATH [--package=NAME]\n"
                "       qnet-check file PATH\n"
                "       qnet-check kvm [--device=PATH]\n"
                "       qnet-check hugepages BYTES [--page-size=BYTES] [--sysfs=DIRECTORY]\n"
                "\n"
                "Succeeds if the program or file is there, KVM can be used, or so much memory in huge pages is\n"
                "free; otherwise says what to do about it.\n"
                "\n"
                "      --package=NAME     Debian's package with the program\n"
                "      --device=PATH      instead of /dev/kvm\n"
                "      --page-size=BYTES  instead of the host's default\n"
                "      --sysfs=DIRECTORY  instead of /sys/kernel/mm/hugepages\n"
                "  -h, --help             show this\n"
                "      --version          show the version\n";

typedef struct Check {
        const char *package, *device, *sysfs;
        uint64_t page_size; /* bytes; 0: the host's default */
} Check;

static int check_program(const Check *c, const char *path) {
        if (access(path, X_OK) >= 0)
                return 0;
        if (errno == ENOENT && c->package)
                return log_error_errno(
                                errno, "There is no %s on this host: apt install %s", path, c->package);
        return log_error_errno(errno, "Cannot run %s: %m", path);
}

static int check_file(const Check *c, const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return log_error_errno(
                                errno, "Cannot read %s, which Credentials= or CloudInit= names: %m", path);
        if (S_ISREG(st.st_mode))
                return 0;
        return log_error_errno(EINVAL, "%s, which Credentials= or CloudInit= names, is not a file.", path);
}

static int check_kvm(const Check *c, const char *unused) {
        _cleanup_close_ int fd = open(c->device, O_RDWR | O_CLOEXEC);
        int version;

        if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV))
                return log_error_errno(errno,
                                "KVM does not work, %s: %m. Enable virtualization in the firmware of this host (on "
                                "a virtual one, nested virtualization) and load kvm_intel or kvm_amd, or say "
                                "Accelerator=tcg.",
                                c->device);
        if (fd < 0)
                return log_error_errno(errno,
                                "KVM is not for this VM's user, %s: %m. Its group must be kvm: udevadm trigger %s, "
                                "or say Accelerator=tcg.",
                                c->device, c->device);
        version = ioctl(fd, KVM_GET_API_VERSION, 0);
        if (version != KVM_API_VERSION)
                return log_error_errno(version < 0 ? errno : EPROTONOSUPPORT,
                                "%s is not KVM's: %m. Load kvm_intel or kvm_amd, or say Accelerator=tcg.",
                                c->device);
        return 0;
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

static int check_hugepages(const Check *c, const char *bytes) {
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

enum { OPTION_PACKAGE = PROGRAM_OPTION_FIRST, OPTION_DEVICE, OPTION_PAGE_SIZE, OPTION_SYSFS };
static const struct option options[] = {
        PROGRAM_OPTIONS,
        { "package", required_argument, NULL, OPTION_PACKAGE },
        { "device", required_argument, NULL, OPTION_DEVICE },
        { "page-size", required_argument, NULL, OPTION_PAGE_SIZE },
        { "sysfs", required_argument, NULL, OPTION_SYSFS },
        {},
};

/* 1 to go on, else what run() returns */
static int parse_options(int argc, char *argv[], Check *c) {
        int o;

        while ((o = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (o) {
                case 'h':
                        return program_help(help_text);
                case PROGRAM_OPTION_VERSION:
                        return program_version();
                case OPTION_PACKAGE:
                        c->package = optarg;
                        break;
                case OPTION_DEVICE:
                        c->device = optarg;
                        break;
                case OPTION_PAGE_SIZE:
                        if (parse_uint64(optarg, 1024, INT64_MAX, &c->page_size) < 0)
                                return program_usage("--page-size=%s is not a number of bytes.", optarg);
                        break;
                case OPTION_SYSFS:
                        c->sysfs = optarg;
                        break;
                default:
                        return PROGRAM_USAGE;
                }
        return 1;
}

static int run(int argc, char *argv[]) {
        static const struct {
                const char *what;
                int n; /* arguments with it */
                int (*check)(const Check *c, const char *argument);
        } checks[] = { { "program", 2, check_program }, { "file", 2, check_file }, { "kvm", 1, check_kvm },
                { "hugepages", 2, check_hugepages } };
        Check c = { .device = "/dev/kvm", .sysfs = "/sys/kernel/mm/hugepages" };
        int r;

        r = parse_options(argc, argv, &c);
        if (r <= 0)
                return r;
        for (size_t i = 0; optind < argc && i < ELEMENTSOF(checks); i++)
                if (streq(argv[optind], checks[i].what) && argc - optind == checks[i].n)
                        return checks[i].check(&c, checks[i].n > 1 ? argv[optind + 1] : NULL);
        return program_usage("What is to be checked? program PATH, kvm or hugepages BYTES.");
}

int main(int argc, char *argv[]) {
        log_setup("qnet-check");
        return program_exit_status(run(argc, argv));
}
