/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What serial ports and shared directories of a virtual machine lie on, before it starts: made where it is missing and
 * can be made, checked to be what it should, and opened to the machine's user by an entry in its ACL (access.h). All
 * comes in by argv. Runs as root, in the host's namespaces; without --to-owner-of= also as the machine's user. */

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "parse-value.h"
#include "program.h"

typedef struct Grant {
        const char *path;
        const char *owner_of; /* NULL: nobody, it is only made and checked */
        const char *group;    /* of "port" */
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

static int grant_file(Grant *g) {
        _cleanup_close_ int made = open(g->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
        _cleanup_close_ int fd = -1;

        if (made < 0 && errno != EEXIST)
                return log_error_errno(errno, "Cannot make %s: %m", g->path);
        fd = open_checked(g->path, S_IFREG, "a file of one name");
        return fd < 0 ? fd : grant_one(g, fd, g->path);
}

static int grant_pipe(Grant *g) {
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

static int grant_tty(Grant *g) {
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

static int grant_socket(Grant *g) {
        _cleanup_close_ int fd = open_checked(g->path, S_IFSOCK, "a socket");

        return fd < 0 ? fd : grant_one(g, fd, g->path);
}

/* The directory of the path, and whether what fd is belongs to the same user. */
static bool is_of_directory(const char *path, int fd) {
        _cleanup_free_ char *directory = strndup(path, (size_t) (strrchr(path, '/') - path));
        struct stat own, above;

        return directory && fstat(fd, &own) >= 0 && lstat(directory, &above) >= 0 && S_ISDIR(above.st_mode) &&
               own.st_uid == above.st_uid;
}

/* The other way round: a socket of QEMU's, whose directory is the machine's, is opened to a group of the host's. What
 * lies there may be the doing of a guest that has taken QEMU over: only a socket of its own is touched. */
static int grant_port(Grant *g) {
        _cleanup_close_ int fd = open_checked(g->path, S_IFSOCK, "a socket");
        const struct group *group;
        char self[64];

        if (fd < 0)
                return fd;
        if (!is_of_directory(g->path, fd))
                return log_error_errno(EPERM, "%s is not the virtual machine's own", g->path);
        group = getgrnam(g->group);
        if (!group)
                return log_error_errno(ENOENT, "There is no group %s; type 'systemd-sysusers'.", g->group);
        snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        if (fchownat(fd, "", (uid_t) -1, group->gr_gid, AT_EMPTY_PATH) < 0 || chmod(self, 0660) < 0)
                return log_error_errno(errno, "Cannot open %s to the group %s: %m", g->path, g->group);
        return 0;
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
static int grant_directory(Grant *g) {
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

/* systemd.exec(5): the users of DynamicUser= */
static bool is_dynamic(uid_t uid) {
        return uid >= 61184 && uid <= 65519;
}

static int make_parents(const char *path) {
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
                *p = '\0';
                if (mkdir(copy, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
        }
        return 0;
}

static int check_reach(const Grant *g) {
        _cleanup_free_ char *culprit = NULL;
        int r;

        r = access_check(&g->to, g->path, true, &culprit);
        if (r < 0 && culprit)
                return log_error_errno(r,
                                "%s is out of reach: user %u may not search %s; type 'chmod o+x %s', or use another path.",
                                g->path, g->to.uid, culprit, culprit);
        return r < 0 ? log_error_errno(r, "User %u cannot write to %s: %m", g->to.uid, g->path) : 0;
}

/* For a user that systemd makes up for a service, maybe another one each time: it owns the directory while it runs. One that
 * was somebody else's is not taken from him. */
static int grant_own_directory(Grant *g) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        bool made;
        int r;

        umask(0022); /* the unit's own is for what the service writes */
        r = make_parents(g->path);
        if (r < 0)
                return log_error_errno(r, "Cannot make the directories above %s: %m", g->path);
        made = mkdir(g->path, 0755) >= 0;
        if (!made && errno != EEXIST)
                return log_error_errno(errno, "Cannot make directory %s: %m", g->path);
        fd = open(g->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return log_error_errno(errno, "Cannot open directory %s: %m", g->path);
        if (st.st_uid == g->to.uid)
                return check_reach(g);
        if (!made && !is_dynamic(st.st_uid)) {
                log_error("Directory %s belongs to user %u; remove or rename it, or use another path.", g->path,
                                st.st_uid);
                return -EPERM;
        }
        if (fchown(fd, g->to.uid, g->to.gid) < 0)
                return log_error_errno(errno, "Cannot give %s to user %u: %m", g->path, g->to.uid);
        return check_reach(g);
}

static int grant_release(Grant *g) {
        static const char *const suffixes[] = { "", ".in", ".out" };
        int first = 0;

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

enum { OPTION_OWNER_OF = PROGRAM_OPTION_FIRST, OPTION_GROUP, OPTION_WRITE };
static const ProgramOption options[] = {
        { OPTION_OWNER_OF, "to-owner-of", "DIR", "Give the owner of DIR, a virtual machine's user, access" },
        { OPTION_GROUP, "to-group", "GROUP", "Give this group access" },
        { OPTION_WRITE, "write", NULL, "The virtual machine will write to the directory" },
        {},
};

static int parse_option(int option, const char *value, void *userdata) {
        Grant *g = userdata;

        if (option == OPTION_OWNER_OF)
                g->owner_of = value;
        else if (option == OPTION_GROUP)
                g->group = value;
        else
                g->write = true;
        return 0;
}

static int with_path(const char *path, Grant *g, int (*f)(Grant *g)) {
        int r;

        g->path = path;
        if (!path_is_normalized(path))
                return program_usage("%s is not an absolute path in its shortest form.", path);
        r = get_identity(g);
        return r < 0 ? r : f(g);
}

#define DEFINE_VERB(name)                                           \
        static int verb_##name(char *words[], void *userdata) {     \
                return with_path(words[0], userdata, grant_##name); \
        }
DEFINE_VERB(file)
DEFINE_VERB(pipe)
DEFINE_VERB(tty)
DEFINE_VERB(socket)
DEFINE_VERB(port)
DEFINE_VERB(directory)
DEFINE_VERB(own_directory)
DEFINE_VERB(release)

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { "file", 1, 1, "PATH", "a file, made if it is missing", verb_file, .options = BIT(OPTION_OWNER_OF) },
        { "pipe", 1, 1, "PATH", "PATH.in and PATH.out, FIFOs, made if they are missing", verb_pipe,
                        .options = BIT(OPTION_OWNER_OF) },
        { "tty", 1, 1, "PATH", "a serial port", verb_tty, .options = BIT(OPTION_OWNER_OF) },
        { "socket", 1, 1, "PATH", "a socket that somebody listens at", verb_socket,
                        .options = BIT(OPTION_OWNER_OF) },
        { "port", 1, 1, "PATH", "a socket that QEMU has made, opened to a group of the host", verb_port,
                        .required = BIT(OPTION_GROUP) },
        { "directory", 1, 1, "PATH", "fail, and say why, if it cannot be used; it is never changed",
                        verb_directory, .options = BIT(OPTION_WRITE) | BIT(OPTION_OWNER_OF) },
        { "own-directory", 1, 1, "PATH", "a directory, made if it is missing, and given to that user",
                        verb_own_directory, .required = BIT(OPTION_OWNER_OF) },
        { "release", 1, 1, "PATH", "take back what was granted", verb_release,
                        .required = BIT(OPTION_OWNER_OF) },
        {},
};

static const Program program = {
        .about = "Open what a virtual machine's serial port or shared directory lies on to its user.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        Grant g = {};

        log_setup("qnet-grant");
        return program_exit_status(program_run(&program, argc, argv, &g));
}
