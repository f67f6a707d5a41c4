/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What serial ports and shared directories of a virtual machine lie on, before it starts: made where it is missing and
 * can be made, checked to be what it should, and opened to the machine's user by an entry in its ACL (access.h). All
 * comes in by argv. Runs as root, in the host's namespaces; without --to-owner-of= also as the machine's user. */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "parse-value.h"
#include "program.h"

static const char help_text[] =
                "Usage: qnet-grant file|pipe|tty|socket PATH [--to-owner-of=DIR]\n"
                "       qnet-grant directory PATH [--write] [--to-owner-of=DIR]\n"
                "       qnet-grant release PATH --to-owner-of=DIR\n"
                "\n"
                "  file       a file, made if it is missing\n"
                "  pipe       PATH.in and PATH.out, FIFOs, made if they are missing\n"
                "  tty        a serial port\n"
                "  socket     a socket that somebody listens at\n"
                "  directory  a directory: fail, and say why, if it cannot be used; it is never changed\n"
                "  release    take back what was granted\n"
                "\n"
                "      --to-owner-of=DIR  give the owner of DIR, a virtual machine's user, access\n"
                "      --write            the virtual machine will write to the directory\n"
                "  -h, --help             show this\n"
                "      --version          show the version\n";

typedef struct Grant {
        const char *path;
        const char *owner_of; /* NULL: nobody, it is only made and checked */
        bool write;
        Identity to;
} Grant;

static int get_identity(Grant *g) {
        struct stat st;

        if (!g->owner_of)
                return 0;
        if (stat(g->owner_of, &st) < 0)
                return log_error_errno(errno, "Cannot tell the virtual machine's user, the owner of %s: %m",
                                g->owner_of);
        g->to = (Identity){ st.st_uid, st.st_gid };
        return 0;
}

static int log_out_of_reach(const Grant *g, const char *path, int r, const char *culprit) {
        if (culprit)
                return log_error_errno(r,
                                "%s is out of the virtual machine's reach: its user (%u) may not search %s; type "
                                "'chmod o+x %s', or use another path.",
                                path, g->to.uid, culprit, culprit);
        if (r == -EOPNOTSUPP)
                return log_error_errno(r,
                                "The virtual machine's user (%u) may not open %s, and its file system has no ACLs; "
                                "type 'chmod o+rw %s', or use another path.",
                                g->to.uid, path, path);
        return log_error_errno(r, "Cannot open %s to the virtual machine's user (%u): %m", path, g->to.uid);
}

/* No entry when the mode bits do: nothing to take back then. */
static int grant_one(const Grant *g, int fd, const char *path) {
        _cleanup_free_ char *culprit = NULL;
        int r;

        if (!g->owner_of)
                return 0;
        r = access_check(&g->to, path, true, &culprit);
        if (r >= 0)
                return 0;
        if (r == -EACCES && !culprit) {
                r = access_grant(fd, g->to.uid, true);
                if (r >= 0)
                        r = access_check(&g->to, path, true, &culprit);
                if (r >= 0)
                        return 0;
        }
        return log_out_of_reach(g, path, r, culprit);
}

/* A link in its place may be somebody else's doing, and so may a second name of it. */
static int open_checked(const char *path, mode_t type, const char *what) {
        _cleanup_close_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return log_error_errno(errno, "Cannot open %s: %m", path);
        if ((st.st_mode & S_IFMT) != type || st.st_nlink != 1)
                return log_error_errno(EINVAL, "%s is there, but is not %s; remove it, or use another path.",
                                path, what);
        return TAKE_FD(fd);
}

static int verb_file(Grant *g) {
        _cleanup_close_ int made = open(g->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
        _cleanup_close_ int fd = -1;

        if (made < 0 && errno != EEXIST)
                return log_error_errno(errno, "Cannot make %s: %m", g->path);
        fd = open_checked(g->path, S_IFREG, "a file of one name");
        return fd < 0 ? fd : grant_one(g, fd, g->path);
}

static int verb_pipe(Grant *g) {
        static const char *const suffixes[] = { "in", "out" };

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                _cleanup_free_ char *path = NULL;
                _cleanup_close_ int fd = -1;
                int r;

                if (asprintf(&path, "%s.%s", g->path, suffixes[i]) < 0)
                        return log_oom();
                if (mkfifo(path, 0660) < 0 && errno != EEXIST)
                        return log_error_errno(errno, "Cannot make the FIFO %s: %m", path);
                fd = open_checked(path, S_IFIFO, "a FIFO");
                if (fd < 0)
                        return fd;
                r = grant_one(g, fd, path);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int verb_tty(Grant *g) {
        /* a link is how udev names it by what is plugged in */
        _cleanup_close_ int fd = open(g->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV))
                return log_error_errno(
                                errno, "There is no %s: plug it in, or correct Path= of [Serial].", g->path);
        if (fd < 0)
                return log_error_errno(errno, "Cannot open %s: %m", g->path);
        if (!isatty(fd))
                return log_error_errno(
                                ENOTTY, "%s is not a serial port; correct Path= of [Serial].", g->path);
        return grant_one(g, fd, g->path);
}

static int verb_socket(Grant *g) {
        _cleanup_close_ int fd = open_checked(g->path, S_IFSOCK, "a socket");

        return fd < 0 ? fd : grant_one(g, fd, g->path);
}

static int log_useless_directory(const Grant *g, int r, const char *culprit) {
        if (culprit)
                return log_out_of_reach(g, g->path, r, culprit);
        if (r == -EROFS)
                return log_error_errno(
                                r, "Directory %s is on a read-only file system; use ReadOnly=yes.", g->path);
        return log_error_errno(r,
                        "The virtual machine's user (%u) may not %s %s: %m; type 'chmod o+%s %s', or use Type=virtiofs%s.",
                        g->to.uid, g->write ? "write to" : "read", g->path, g->write ? "rwx" : "rx", g->path,
                        g->write ? " or ReadOnly=yes" : "");
}

/* Nothing is granted: it would hold for the directory, and not for what is in it. */
static int verb_directory(Grant *g) {
        _cleanup_free_ char *culprit = NULL, *inside = NULL;
        struct stat st;
        int r;

        if (stat(g->path, &st) < 0)
                return errno == ENOENT ? log_error_errno(errno,
                                                         "Directory %s does not exist: make it, or correct Path= "
                                                         "of [Share].",
                                                         g->path)
                                       : log_error_errno(errno, "Cannot use directory %s: %m", g->path);
        if (!S_ISDIR(st.st_mode))
                return log_error_errno(ENOTDIR, "%s is not a directory; correct Path= of [Share].", g->path);
        if (!g->owner_of)
                return 0;
        if (asprintf(&inside, "%s/.", g->path) < 0) /* it must also be possible to search it */
                return log_oom();
        r = access_check(&g->to, inside, g->write, &culprit);
        return r < 0 ? log_useless_directory(g, r, culprit) : 0;
}

static int verb_release(Grant *g) {
        static const char *const suffixes[] = { "", ".in", ".out" };
        int first = 0;

        if (!g->owner_of)
                return program_usage("Release from whom? Give --to-owner-of=.");
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                _cleanup_free_ char *path = NULL;
                _cleanup_close_ int fd = -1;
                int r;

                if (asprintf(&path, "%s%s", g->path, suffixes[i]) < 0)
                        return log_oom();
                fd = open(path, O_PATH | O_CLOEXEC);
                r = fd >= 0 ? access_revoke(fd, g->to.uid) : errno == ENOENT ? 0 : -errno;
                if (r < 0)
                        log_error_errno(r, "Cannot take %s from the virtual machine's user (%u): %m", path,
                                        g->to.uid);
                first = first < 0 ? first : r;
        }
        return first;
}

static const struct {
        const char *name;
        int (*run)(Grant *g);
} verbs[] = {
        { "file", verb_file },
        { "pipe", verb_pipe },
        { "tty", verb_tty },
        { "socket", verb_socket },
        { "directory", verb_directory },
        { "release", verb_release },
};

enum { OPTION_OWNER_OF = PROGRAM_OPTION_FIRST, OPTION_WRITE };
static const struct option options[] = {
        PROGRAM_OPTIONS,
        { "to-owner-of", required_argument, NULL, OPTION_OWNER_OF },
        { "write", no_argument, NULL, OPTION_WRITE },
        {},
};

/* 1 to go on, else what run() returns */
static int parse_option(int c, Grant *g) {
        switch (c) {
        case 'h':
                return program_help(help_text);
        case PROGRAM_OPTION_VERSION:
                return program_version();
        case OPTION_OWNER_OF:
                g->owner_of = optarg;
                return 1;
        case OPTION_WRITE:
                g->write = true;
                return 1;
        default:
                return PROGRAM_USAGE;
        }
}

static int run(int argc, char *argv[]) {
        Grant g = { 0 };
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                r = parse_option(c, &g);
                if (r <= 0)
                        return r;
        }
        if (argc - optind != 2)
                return program_usage("Give a verb and a path.");
        g.path = argv[optind + 1];
        if (!path_is_normalized(g.path))
                return program_usage("%s is not an absolute path in its shortest form.", g.path);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(argv[optind], verbs[i].name)) {
                        r = get_identity(&g);
                        return r < 0 ? r : verbs[i].run(&g);
                }
        return program_usage("'%s' is not file, pipe, tty, socket, directory or release.", argv[optind]);
}

int main(int argc, char *argv[]) {
        log_setup("qnet-grant");
        return program_exit_status(run(argc, argv));
}
