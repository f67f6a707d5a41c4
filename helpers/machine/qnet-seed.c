/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The seed that cloud-init in a guest looks for: an ISO 9660 image with the volume label "cidata" and files of fixed
 * names (cloud-init's NoCloud). The files come from paths in argv; xorriso makes the image. It is made anew each time,
 * so that it has what the files have now. */

#include <fcntl.h>
#include <sys/stat.h>

#include "copy-file.h"
#include "parse-value.h"
#include "place.h"
#include "program.h"

#define SEED_FILE_SIZE_MAX ((uint64_t) 16 * 1024 * 1024)

static const char *const names[] = { "user-data", "meta-data", "network-config", "vendor-data" };
enum { USER_DATA, META_DATA, NETWORK_CONFIG, VENDOR_DATA, FILES };

typedef struct Seed {
        const char *image, *name, *files[FILES];
} Seed;

enum { OPTION_NAME = PROGRAM_OPTION_FIRST, OPTION_FILE };
static const ProgramOption options[] = {
        { OPTION_NAME, "name", "VM", "Of the machine: its host name, unless --meta-data= says more" },
        { OPTION_FILE + USER_DATA, "user-data", "FILE", "cloud-init's user-data; default: none to speak of" },
        { OPTION_FILE + META_DATA, "meta-data", "FILE", "Its meta-data; default: made from the name" },
        { OPTION_FILE + NETWORK_CONFIG, "network-config", "FILE", "Its network-config; default: none" },
        { OPTION_FILE + VENDOR_DATA, "vendor-data", "FILE", "Its vendor-data; default: none" },
        {},
};

/* A directory with the files as they are to be in the image; emptied and removed again. */
static void staging_remove(const char *path) {
        for (size_t i = 0; i < FILES; i++) {
                _cleanup_free_ char *file = NULL;

                if (asprintf(&file, "%s/%s", path, names[i]) >= 0)
                        (void) unlink(file);
        }
        (void) rmdir(path);
}

static int stage_text(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text))
                return log_error_errno(errno, "Cannot write %s: %m", path);
        return 0;
}

static int stage_copy(const char *path, const char *source) {
        _cleanup_close_ int fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return log_error_errno(errno, "Cannot open %s: %m", source);
        if (!S_ISREG(st.st_mode))
                return log_error_errno(EINVAL, "%s is not a file.", source);
        return copy_to_new(fd, source, SEED_FILE_SIZE_MAX, path);
}

static int stage(const Seed *seed, const char *directory, size_t i) {
        _cleanup_free_ char *path = NULL, *meta_data = NULL;

        if (asprintf(&path, "%s/%s", directory, names[i]) < 0)
                return log_oom();
        if (seed->files[i])
                return stage_copy(path, seed->files[i]);
        /* cloud-init takes a seed for one only with both of these */
        if (i == USER_DATA)
                return stage_text(path, "#cloud-config\n");
        if (i != META_DATA)
                return 0;
        if (asprintf(&meta_data, "instance-id: %s\nlocal-hostname: %s\n", seed->name, seed->name) < 0)
                return log_oom();
        return stage_text(path, meta_data);
}

/* "-no_rc": no start-up files of the user or the host; "-J -r": the names as they are, whatever system reads them */
static int make_image(const char *directory, const char *image) {
        char *const argv[] = { (char *) XORRISO, (char *) "-no_rc", (char *) "-report_about",
                (char *) "WARNING", (char *) "-as", (char *) "mkisofs", (char *) "-quiet", (char *) "-V",
                (char *) "cidata", (char *) "-J", (char *) "-r", (char *) "-o", (char *) image,
                (char *) directory, NULL };

        if (access(XORRISO, X_OK) < 0)
                return log_error_errno(
                                errno, "CloudInit= needs %s; Debian's package is 'xorriso': %m", XORRISO);
        return run_program(argv, "make the seed for cloud-init");
}

static int make(const Seed *seed) {
        _cleanup_free_ char *directory = NULL, *temporary = NULL;
        _cleanup_place_ Place place = { .fd = -1 };
        int r;

        r = place_open(&place, seed->image);
        if (r >= 0)
                r = place_begin(&place, &temporary);
        if (r < 0)
                return r;
        if (asprintf(&directory, "%s/.%s.files", place.directory, place.name) < 0)
                return log_oom();
        staging_remove(directory); /* of a run that was killed */
        if (mkdir(directory, 0700) < 0)
                return log_error_errno(errno, "Cannot create %s: %m", directory);
        for (size_t i = 0; i < FILES && r >= 0; i++)
                r = stage(seed, directory, i);
        if (r >= 0)
                r = make_image(directory, temporary);
        staging_remove(directory);
        return r < 0 ? r : place_commit(&place, true);
}

static int parse_option(int option, const char *value, void *userdata) {
        Seed *seed = userdata;

        if (option == OPTION_NAME) {
                seed->name = value;
                return name_is_valid(value) ? 0 : program_usage("--name=%s is not a name.", value);
        }
        if (!path_is_normalized(value))
                return program_usage("--%s=%s is not an absolute path in its shortest form.",
                                names[option - OPTION_FILE], value);
        seed->files[option - OPTION_FILE] = value;
        return 0;
}

static int make_at(char *words[], void *userdata) {
        Seed *seed = userdata;

        if (!path_is_normalized(words[0]))
                return program_usage("%s is not an absolute path in its shortest form.", words[0]);
        umask(0077); /* there may be passwords in it */
        seed->image = words[0];
        return make(seed);
}

#define BIT PROGRAM_BIT
static const ProgramVerb verbs[] = {
        { NULL, 1, 1, "IMAGE", NULL, make_at, .required = BIT(OPTION_NAME),
                        .options = BIT(OPTION_FILE + USER_DATA) | BIT(OPTION_FILE + META_DATA) |
                                   BIT(OPTION_FILE + NETWORK_CONFIG) | BIT(OPTION_FILE + VENDOR_DATA) },
        {},
};

static const Program program = {
        .about = "Make IMAGE, a seed for cloud-init, with these files in it.",
        .verbs = verbs,
        .options = options,
        .parse = parse_option,
};

int main(int argc, char *argv[]) {
        Seed seed = {};

        log_setup("qnet-seed");
        return program_exit_status(program_run(&program, argc, argv, &seed));
}
