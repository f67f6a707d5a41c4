/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* [Share]: by 9p, QEMU itself opens the files, as the VM's user, in the VM's sandbox. By virtiofs, virtiofsd does, as
 * root and with a sandbox of its own: a socket unit that QEMU's connection starts it by, so that there is one for each
 * run of QEMU and none besides. */

#include "emit-internal.h"
#include "qemu-option.h"

#define RUN_DIR   "/run/qnet/vm/"
#define SHARE_DIR "/run/qnet/share/"

void emit_writable(const char *path, const char *suffix, UnitWriter *w) {
        _cleanup_free_ char *word = NULL;

        /* "-": when it is not there, qnet-grant tells so, better than systemd */
        if (asprintf(&word, "-%s%s", path, suffix) >= 0)
                unit_word(w, "ReadWritePaths", word, NULL);
}

/* ---- the VM's unit ---- */

void emit_share_dependencies(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_shares; i++) {
                const Share *s = &vm->shares[i];

                unit_word(w, "RequiresMountsFor", s->path, NULL);
                if (s->type == SHARE_VIRTIOFS)
                        unit_dependency(w, "Requires", "qnet-share@", vm->name, "-", s->tag, ".socket");
        }
}

void emit_share_settings(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_shares; i++)
                if (vm->shares[i].type == SHARE_9P && !vm->shares[i].read_only)
                        emit_writable(vm->shares[i].path, "", w);
}

static void emit_grant_directory(const VM *vm, const Share *s, UnitWriter *w) {
        unit_exec(w, "ExecStartPre", "+", HELPERDIR "/qnet-grant");
        unit_arg(w, "directory");
        unit_arg(w, s->path);
        if (s->type == SHARE_9P) {
                if (!s->read_only)
                        unit_arg(w, "--write");
                unit_arg(w, "--to-owner-of=" RUN_DIR, vm->name);
        }
        unit_exec_end(w);
}

void emit_share_prepare(const VM *vm, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        if (shares_memory(vm)) { /* QEMU would only tell that nobody answers */
                unit_exec(w, "ExecStartPre", "", HELPERDIR "/qnet-check");
                unit_arg(w, "program");
                unit_arg(w, VIRTIOFSD);
                unit_arg(w, "--package=virtiofsd");
                unit_exec_end(w);
        }
        for (size_t i = 0; i < vm->n_shares; i++) {
                const Share *s = &vm->shares[i];

                emit_grant_directory(vm, s, w);
                if (s->type != SHARE_VIRTIOFS)
                        continue;
                /* no other VM may talk to this one's virtiofsd: the socket is root's until here */
                unit_exec(w, "ExecStartPre", "+", HELPERDIR "/qnet-grant");
                unit_arg(w, "socket");
                unit_arg(w, SHARE_DIR, vm->name, ".", format_number(s->index, number));
                unit_arg(w, "--to-owner-of=" RUN_DIR, vm->name);
                unit_exec_end(w);
        }
}

/* ---- the command line ---- */

bool shares_memory(const VM *vm) {
        for (size_t i = 0; i < vm->n_shares; i++)
                if (vm->shares[i].type == SHARE_VIRTIOFS)
                        return true;
        return false;
}

static void emit_9p(const VM *vm, const Share *s, UnitWriter *w) {
        option_begin(w, "-fsdev", "local");
        option_key_id(w, "id", "share", s->index);
        option_key(w, "path", s->path);
        option_key(w, "security_model", security_model_to_string(s->security));
        if (s->read_only)
                unit_arg_add(w, ",readonly=on");
        /* a file system below the directory has inodes of its own; their numbers are kept apart */
        unit_arg_add(w, ",multidevs=remap");
        option_end(w);
        option_begin_virtio(vm, "9p", w);
        option_key_id(w, "fsdev", "share", s->index);
        option_key(w, "mount_tag", s->tag);
        option_end(w);
}

static void emit_virtiofs(const VM *vm, const Share *s, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        option_begin(w, "-chardev", "socket");
        option_key_id(w, "id", "share", s->index);
        unit_arg_add(w, ",path=" SHARE_DIR);
        unit_arg_add(w, vm->name);
        unit_arg_add(w, ".");
        unit_arg_add(w, format_number(s->index, number));
        option_end(w);
        option_begin_on_virtio_bus(vm, "vhost-user-", "fs", w);
        option_key_id(w, "chardev", "share", s->index);
        option_key(w, "tag", s->tag);
        option_end(w);
}

void emit_share_options(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->n_shares; i++)
                if (vm->shares[i].type == SHARE_9P)
                        emit_9p(vm, &vm->shares[i], w);
                else
                        emit_virtiofs(vm, &vm->shares[i], w);
}

/* ---- virtiofsd's units ---- */

static void emit_head(const VM *vm, const Share *s, const char *suffix, UnitWriter *w) {
        unit_open(w, "qnet-share@", vm->name, "-", s->tag, suffix);
        unit_section(w, "Unit");
        unit_text(w, "Description", "Shared directory ", s->path, " of virtual machine ", vm->name);
        emit_origin(&s->origin, w);
}

int emit_share_socket(const VM *vm, const Share *s, UnitWriter *w) {
        char number[NUMBER_STRING_SIZE];

        emit_head(vm, s, ".socket", w);
        /* it outlives a restart of its VM, and goes when the VM is stopped */
        unit_raw(w, "StopWhenUnneeded", "yes");
        unit_section(w, "Socket");
        unit_text(w, "ListenStream", SHARE_DIR, vm->name, ".", format_number(s->index, number));
        unit_raw(w, "SocketMode", "0600");
        unit_raw(w, "RemoveOnStop", "yes");
        return unit_close(w);
}

int emit_share_service(const VM *vm, const Share *s, UnitWriter *w) {
        emit_head(vm, s, ".service", w);
        unit_dependency(w, "BindsTo", "qnet-share@", vm->name, "-", s->tag, ".socket");
        unit_word(w, "RequiresMountsFor", s->path, NULL);
        unit_section(w, "Service");
        unit_raw(w, "Type", "exec");
        /* without this all is read-only to it, see the shared drop-in */
        if (!s->read_only)
                emit_writable(s->path, "", w);
        unit_exec(w, "ExecStart", "", VIRTIOFSD);
        unit_arg(w, "--fd=3"); /* the socket: sd_listen_fds(3) */
        unit_arg(w, "-f");
        unit_arg(w, "-o");
        unit_arg(w, "source=", s->path); /* validate has seen to it that it has no comma */
        /* of its own it needs chroot(2) only, the rest is done by the unit's sandbox; device nodes are not made */
        unit_arg(w, "-o");
        unit_arg(w, "sandbox=chroot,modcaps=-mknod");
        unit_arg(w, "--rlimit-nofile=0"); /* LimitNOFILE= of the drop-in */
        unit_exec_end(w);
        return unit_close(w);
}
