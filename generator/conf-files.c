/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "close-later.h"
#include "conf-files.h"
#include "parse-value.h"

/* A file that was found, before it is known whether another of its name comes first. */
typedef struct Found {
        ConfFile file;
        unsigned directory; /* of the search path */
        int fd;             /* of the directory it is in */
        unsigned char type; /* as readdir(3) tells */
} Found;

typedef struct Search {
        Arena *arena;
        const char *root;
        int root_fd;  /* -1 without a root */
        Found *found; /* on the heap: it is needed for a moment only */
        size_t n_found, found_allocated;
        int *fds; /* directories, open until all is read */
        size_t n_fds;
        CloseLater files;
        char page[4096];
} Search;

static void search_done(Search *s) {
        close_later_done(&s->files);
        for (size_t i = 0; i < s->n_fds; i++)
                safe_close(s->fds[i]);
        safe_close(s->root_fd);
        free(s->found);
}

static Found *add_found(Search *s, ConfScope scope, const char *target, const char *path) {
        Found *f;

        if (s->n_found == s->found_allocated) {
                size_t n = MAX(2 * s->found_allocated, (size_t) 64);
                f = reallocarray(s->found, n, sizeof(Found));
                if (!f)
                        return NULL;
                s->found = f;
                s->found_allocated = n;
        }
        f = s->found + s->n_found++;
        *f = (Found){ .fd = -1, .file = { .scope = scope, .target = target, .name = "", .path = path } };
        return f;
}

static int add_broken(Search *s, const char *path, int error) {
        Found *f = add_found(s, CONF_BROKEN, "", path);

        if (!f)
                return -ENOMEM;
        f->file.error = error;
        return 0;
}

/* A link may point anywhere: within a root it is the root that "/" means. Kernels before 5.6, and sandboxes that do
 * not know the call, get the plain open(2). */
static int open_in_root(
                const Search *s, int dir_fd, const char *name, const char *path, bool is_link, int flags) {
        flags |= flags & O_PATH ? O_CLOEXEC : O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
        if (s->root_fd >= 0 && is_link) {
                struct open_how how = { .flags = (uint64_t) flags, .resolve = RESOLVE_IN_ROOT };
                int fd = (int) syscall(SYS_openat2, s->root_fd, path + 1, &how, sizeof(how));
                if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
                        return fd;
        }
        return openat(dir_fd, name, flags);
}

/* Something else is where a directory belongs. One of the directories above may as well be a file: then there is no
 * such directory, as below a home that is /dev/null. */
static bool is_in_the_way(const Search *s, int at_fd, const char *name, const char *path) {
        _cleanup_close_ int fd = open_in_root(s, at_fd, name, path, true, O_PATH);

        return fd >= 0;
}

/* Opens for readdir; *ret is NULL and the result 0 when there is no such directory. */
static int open_directory(Search *s, int at_fd, const char *name, const char *path, DIR **ret, int *ret_fd) {
        _cleanup_closedir_ DIR *d = NULL;
        int fd, *slot;

        *ret = NULL;
        fd = open_in_root(s, at_fd, name, path, true, O_DIRECTORY);
        if (fd < 0 && errno == ENOTDIR)
                return is_in_the_way(s, at_fd, name, path) ? add_broken(s, path, -ENOTDIR) : 0;
        if (fd < 0)
                return errno == ENOENT ? 0 : add_broken(s, path, -errno);
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return -ENOMEM;
        }
        slot = arena_append(s->arena, s->fds, s->n_fds);
        if (!slot)
                return -ENOMEM;
        *slot = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (*slot < 0)
                return add_broken(s, path, -errno);
        *ret_fd = *slot;
        *ret = TAKE_PTR(d);
        return 0;
}

/* DIR/x.conf, of which target and scope are known already; target NULL: the file's stem */
static int add_file(Search *s, const struct dirent *de, unsigned directory, int fd, const char *dir_path,
                ConfScope scope, const char *target) {
        size_t n_dir = strlen(dir_path), n_name = strlen(de->d_name);
        char *path = arena_alloc(s->arena, n_dir + n_name + 2);
        Found *f = add_found(s, scope, target, path);

        if (!path || !f)
                return -ENOMEM;
        memcpy(path, dir_path, n_dir);
        path[n_dir] = '/';
        memcpy(path + n_dir + 1, de->d_name, n_name);
        f->file.name = path + n_dir + 1;
        f->directory = directory;
        f->fd = fd;
        f->type = de->d_type;
        if (!target)
                f->file.target = arena_strndup(s->arena, de->d_name, n_name - strlen(".conf"));
        return f->file.target ? 0 : -ENOMEM;
}

static bool is_conf_name(const char *name) {
        return name[0] != '.' && endswith(name, ".conf") && !streq(name, ".conf");
}

static int read_dropin_directory(
                Search *s, unsigned directory, int at_fd, const char *at_path, const char *name) {
        static const char *const types[] = { "vm.d", "switch.d", "system.d", "lab.d" };
        _cleanup_closedir_ DIR *d = NULL;
        const char *suffix = endswith(name, ".conf.d");
        ConfScope scope = suffix && suffix > name && suffix[-1] == '-' ? CONF_PREFIX : CONF_NAME;
        char *path, *target;
        int fd, r;

        for (size_t i = 0; !suffix && i < ELEMENTSOF(types); i++)
                if (streq(name, types[i])) {
                        suffix = endswith(name, ".d");
                        scope = CONF_TYPE;
                }
        if (!suffix || suffix == name)
                return 0;
        path = arena_printf(s->arena, "%s/%s", at_path, name);
        target = arena_strndup(s->arena, name, (size_t) (suffix - name));
        if (!path || !target)
                return -ENOMEM;
        r = open_directory(s, at_fd, name, path, &d, &fd);
        if (r < 0 || !d)
                return r;
        for (struct dirent *de; (de = readdir(d));)
                if (is_conf_name(de->d_name)) {
                        r = add_file(s, de, directory, fd, path, scope, target);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int read_search_directory(Search *s, unsigned directory, const char *path) {
        _cleanup_closedir_ DIR *d = NULL;
        const char *full = s->root ? arena_printf(s->arena, "%s%s", s->root, path) : path;
        int fd = -1, r;

        if (!full)
                return -ENOMEM;
        r = open_directory(s, AT_FDCWD, full, path, &d, &fd);
        if (r < 0 || !d)
                return r;
        for (struct dirent *de; (de = readdir(d));) {
                if (is_conf_name(de->d_name))
                        r = add_file(s, de, directory, fd, path, CONF_MAIN, NULL);
                else if (endswith(de->d_name, ".d"))
                        r = read_dropin_directory(s, directory, fd, path, de->d_name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compare_found(const void *x, const void *y) {
        const Found *a = x, *b = y;
        int r;

        if (a->file.scope != b->file.scope)
                return a->file.scope < b->file.scope ? -1 : 1;
        r = strcmp(a->file.target, b->file.target) ?: strcmp(a->file.name, b->file.name);
        return r ?: (a->directory > b->directory) - (a->directory < b->directory);
}

static bool links_to_dev_null(const Found *f) {
        char target[sizeof("/dev/null")] = { 0 };
        struct stat st;

        if (f->type != DT_LNK && f->type != DT_UNKNOWN)
                return false;
        if (readlinkat(f->fd, f->file.name, target, sizeof(target)) == sizeof(target) - 1 &&
                        streq(target, "/dev/null"))
                return true;
        return fstatat(f->fd, f->file.name, &st, 0) >= 0 && S_ISCHR(st.st_mode) &&
               st.st_rdev == makedev(1, 3);
}

/* The whole of fd; a file that grows meanwhile is cut where it ended at first. */
static int read_any(Arena *a, int fd, char **ret, size_t *ret_size) {
        struct stat st;
        size_t n = 0;
        char *text;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;
        if ((uintmax_t) st.st_size > CONF_FILE_MAX)
                return -EFBIG;
        text = arena_alloc(a, (size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;
        while (n < (size_t) st.st_size) {
                ssize_t k = pread(fd, text + n, (size_t) st.st_size - n, (off_t) n);
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t) k;
        }
        *ret = text;
        *ret_size = n;
        return 0;
}

/* Most files are regular, as readdir(3) has told, and less than a page: one read(2) gets them whole. */
static int read_text(Search *s, int fd, unsigned char type, char **ret, size_t *ret_size) {
        ssize_t n;

        if (type != DT_REG)
                return read_any(s->arena, fd, ret, ret_size);
        n = read(fd, s->page, sizeof(s->page));
        if (n < 0)
                return -errno;
        if ((size_t) n == sizeof(s->page))
                return read_any(s->arena, fd, ret, ret_size);
        *ret = arena_strndup(s->arena, s->page, (size_t) n);
        *ret_size = (size_t) n;
        return *ret ? 0 : -ENOMEM;
}

/* Messages and units will say the path: what no unit can hold becomes '?'. */
static int refuse_name(Search *s, Found *f) {
        char *path = arena_strdup(s->arena, f->file.path);

        if (!path)
                return -ENOMEM;
        for (char *p = path; *p; p++)
                if ((unsigned char) *p < 32 || (unsigned char) *p >= 127)
                        *p = '?';
        f->file.path = path;
        f->file.error = -EILSEQ;
        return 0;
}

static int read_file(Search *s, Found *f) {
        _cleanup_close_ int fd = -1;

        if (f->file.scope == CONF_BROKEN)
                return 0;
        if (!text_is_printable(f->file.path))
                return refuse_name(s, f);
        f->file.masked = links_to_dev_null(f);
        if (f->file.masked)
                return 0;
        fd = open_in_root(
                        s, f->fd, f->file.name, f->file.path, f->type == DT_LNK || f->type == DT_UNKNOWN, 0);
        f->file.error = fd < 0 ? -errno : read_text(s, fd, f->type, &f->file.text, &f->file.size);
        if (fd >= 0)
                close_later(&s->files, TAKE_FD(fd));
        return f->file.error == -ENOMEM ? -ENOMEM : 0;
}

/* Of each name the first directory's, read. */
static int read_files(Search *s, ConfFile **ret, size_t *ret_n) {
        ConfFile *files = arena_new_items(s->arena, ConfFile, s->n_found + 1);
        size_t n = 0;
        int r;

        if (!files)
                return -ENOMEM;
        if (s->n_found > 1)
                qsort(s->found, s->n_found, sizeof(Found), compare_found);
        for (size_t i = 0; i < s->n_found; i++) {
                Found *f = s->found + i;
                const ConfFile *last = n > 0 ? files + n - 1 : NULL;

                if (last && f->file.scope != CONF_BROKEN && last->scope == f->file.scope &&
                                streq(last->target, f->file.target) && streq(last->name, f->file.name))
                        continue;
                r = read_file(s, f);
                if (r < 0)
                        return r;
                files[n++] = f->file;
        }
        *ret = files;
        *ret_n = n;
        return 0;
}

/* Where the user manager looks: $XDG_CONFIG_HOME/qnet and so on; entries are NULL when there is none. */
static int user_directories(Arena *a, const char *ret[static 4]) {
        const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME"),
                   *runtime = getenv("XDG_RUNTIME_DIR");

        ret[0] = NULL;
        if (config && config[0] == '/')
                ret[0] = arena_printf(a, "%s/qnet", config);
        else if (home && home[0] == '/')
                ret[0] = arena_printf(a, "%s/.config/qnet", home);
        ret[1] = "/etc/qnet/user";
        ret[2] = runtime && runtime[0] == '/' ? arena_printf(a, "%s/qnet", runtime) : NULL;
        ret[3] = "/usr/lib/qnet/user";
        return 0;
}

int conf_files_read(Arena *a, const char *root, bool user, ConfFile **ret, size_t *ret_n) {
        const char *directories[] = { "/etc/qnet", "/run/qnet", "/usr/local/lib/qnet", "/usr/lib/qnet" };
        _cleanup_(search_done) Search s = { .arena = a, .root = root, .root_fd = -1 };
        int r;

        if (user)
                user_directories(a, directories);
        if (root) {
                s.root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (s.root_fd < 0) {
                        r = add_broken(&s, root, -errno);
                        return r < 0 ? r : read_files(&s, ret, ret_n);
                }
        }
        for (unsigned i = 0; i < ELEMENTSOF(directories); i++)
                if (directories[i]) {
                        r = read_search_directory(&s, i, directories[i]);
                        if (r < 0)
                                return r;
                }
        return read_files(&s, ret, ret_n);
}
