/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <acl/libacl.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sys/acl.h>
#include <sys/fsuid.h>

#include "access.h"

static inline void acl_donep(acl_t *acl) {
        if (*acl)
                acl_free(*acl);
}
#define _cleanup_acl_ _cleanup_(acl_donep)

/* Runs f as somebody else would: with the file system's user, group and no supplementary groups;
 * CAP_DAC_OVERRIDE goes and comes with the user id (capabilities(7)). */
static int as_identity(const Identity *i, int (*f)(const char *, int), const char *path, int mode) {
        gid_t groups[NGROUPS_MAX];
        int n, r;

        if (i->uid == geteuid())
                return f(path, mode);
        n = getgroups(ELEMENTSOF(groups), groups);
        if (n < 0 || setgroups(0, NULL) < 0)
                return -errno;
        setfsgid(i->gid);
        setfsuid(i->uid);
        /* neither call tells of a failure; asking does */
        r = (uid_t) setfsuid((uid_t) -1) == i->uid && (gid_t) setfsgid((gid_t) -1) == i->gid ? f(path, mode)
                                                                                             : -EPERM;
        setfsuid(geteuid());
        setfsgid(getegid());
        if (setgroups((size_t) n, groups) < 0)
                return -errno;
        return r;
}

static int may(const char *path, int mode) {
        /* AT_EACCESS: with the ids that count for files; nothing is opened, a device would notice that */
        return faccessat(AT_FDCWD, path, mode, AT_EACCESS) < 0 ? -errno : 0;
}

/* The first directory from the root on that may not be searched */
static int find_culprit(const Identity *i, const char *path, char **ret) {
        _cleanup_free_ char *real = realpath(path, NULL);

        if (!real && errno == EACCES) /* we are that user ourselves: as far as links are not in the way */
                real = strdup(path);
        if (!real)
                return -errno;
        for (char *slash = strchr(real + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (as_identity(i, may, real, X_OK) < 0) {
                        *ret = TAKE_PTR(real);
                        return 0;
                }
                *slash = '/';
        }
        *ret = NULL;
        return 0;
}

int access_check(const Identity *i, const char *path, bool write, char **ret_culprit) {
        int r, k;

        r = as_identity(i, may, path, R_OK | (write ? W_OK : 0));
        if (r >= 0)
                return 0;
        *ret_culprit = NULL;
        if (r == -EACCES) {
                k = find_culprit(i, path, ret_culprit);
                if (k < 0 && k != -EACCES)
                        return k;
        }
        return r;
}

static acl_t get_acl(int fd, char path[static 64]) {
        snprintf(path, 64, "/proc/self/fd/%d", fd); /* also works for O_PATH, which acl_get_fd() refuses */
        return acl_get_file(path, ACL_TYPE_ACCESS);
}

static bool find_entry(acl_t acl, acl_tag_t tag, uid_t uid, acl_entry_t *ret) {
        acl_entry_t e;

        for (int r = acl_get_entry(acl, ACL_FIRST_ENTRY, &e); r > 0;
                        r = acl_get_entry(acl, ACL_NEXT_ENTRY, &e)) {
                acl_tag_t t;

                if (acl_get_tag_type(e, &t) < 0 || t != tag)
                        continue;
                if (tag == ACL_USER) {
                        uid_t *u = acl_get_qualifier(e);
                        bool same = u && *u == uid;

                        acl_free(u);
                        if (!same)
                                continue;
                }
                *ret = e;
                return true;
        }
        return false;
}

static unsigned get_permissions(acl_entry_t e) {
        static const acl_perm_t all[] = { ACL_READ, ACL_WRITE, ACL_EXECUTE };
        acl_permset_t set;
        unsigned p = 0;

        if (acl_get_permset(e, &set) < 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                if (acl_get_perm(set, all[i]) > 0)
                        p |= all[i];
        return p;
}

static int set_permissions(acl_entry_t e, unsigned p) {
        acl_permset_t set;

        if (acl_get_permset(e, &set) < 0 || acl_clear_perms(set) < 0 || acl_add_perm(set, p) < 0 ||
                        acl_set_permset(e, set) < 0)
                return -errno;
        return 0;
}

static int add_entry(acl_t *acl, acl_tag_t tag, const uid_t *uid, unsigned p) {
        acl_entry_t e;

        if (acl_create_entry(acl, &e) < 0 || acl_set_tag_type(e, tag) < 0)
                return -errno;
        if (uid && acl_set_qualifier(e, uid) < 0)
                return -errno;
        return set_permissions(e, p);
}

/* The mask bounds all entries but owner and others. Before it grows, each entry is cut to what it gave
 * until now, so that nobody else gains by it. */
static int grow_mask(acl_t *acl, unsigned needed) {
        acl_entry_t mask, group, e;
        unsigned old;
        int r;

        if (!find_entry(*acl, ACL_MASK, 0, &mask)) {
                if (!find_entry(*acl, ACL_GROUP_OBJ, 0, &group))
                        return -EINVAL;
                return add_entry(acl, ACL_MASK, NULL, get_permissions(group) | needed);
        }
        old = get_permissions(mask);
        if ((old & needed) == needed)
                return 0;
        for (r = acl_get_entry(*acl, ACL_FIRST_ENTRY, &e); r > 0;
                        r = acl_get_entry(*acl, ACL_NEXT_ENTRY, &e)) {
                acl_tag_t tag;

                if (acl_get_tag_type(e, &tag) < 0)
                        return -errno;
                if (tag != ACL_USER && tag != ACL_GROUP && tag != ACL_GROUP_OBJ)
                        continue;
                r = set_permissions(e, get_permissions(e) & old);
                if (r < 0)
                        return r;
        }
        return set_permissions(mask, old | needed);
}

int access_grant(int fd, uid_t uid, bool write) {
        _cleanup_acl_ acl_t acl = NULL;
        unsigned needed = ACL_READ | (write ? ACL_WRITE : 0);
        char path[64];
        acl_entry_t e;
        int r;

        acl = get_acl(fd, path);
        if (!acl)
                return -errno;
        r = grow_mask(&acl, needed);
        if (r < 0)
                return r;
        if (find_entry(acl, ACL_USER, uid, &e))
                r = set_permissions(e, needed);
        else
                r = add_entry(&acl, ACL_USER, &uid, needed);
        if (r < 0)
                return r;
        return acl_set_file(path, ACL_TYPE_ACCESS, acl) < 0 ? -errno : 0;
}

/* With no named entry left, the mask says what the group may; fold it in, and the ACL is plain mode bits
 * again. */
static int drop_mask(acl_t acl) {
        acl_entry_t mask, group, e;
        int r;

        if (!find_entry(acl, ACL_MASK, 0, &mask) || !find_entry(acl, ACL_GROUP_OBJ, 0, &group))
                return 0;
        for (r = acl_get_entry(acl, ACL_FIRST_ENTRY, &e); r > 0; r = acl_get_entry(acl, ACL_NEXT_ENTRY, &e)) {
                acl_tag_t tag;

                if (acl_get_tag_type(e, &tag) < 0)
                        return -errno;
                if (tag == ACL_USER || tag == ACL_GROUP)
                        return 0;
        }
        r = set_permissions(group, get_permissions(group) & get_permissions(mask));
        if (r < 0)
                return r;
        return acl_delete_entry(acl, mask) < 0 ? -errno : 0;
}

int access_revoke(int fd, uid_t uid) {
        _cleanup_acl_ acl_t acl = NULL;
        char path[64];
        acl_entry_t e;
        int r;

        acl = get_acl(fd, path);
        if (!acl)
                return errno == EOPNOTSUPP ? 0 : -errno;
        if (!find_entry(acl, ACL_USER, uid, &e))
                return 0;
        if (acl_delete_entry(acl, e) < 0)
                return -errno;
        r = drop_mask(acl);
        if (r < 0)
                return r;
        return acl_set_file(path, ACL_TYPE_ACCESS, acl) < 0 ? -errno : 0;
}
