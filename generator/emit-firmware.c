/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Firmware, TPM, credentials and cloud-init's seed. Which firmware there is, the running machine knows: qnet-firmware
 * puts it where the command line has it, under names that never change. Secrets pass through systemd's credentials:
 * a unit has the path of the file, QEMU and qnet-seed read a copy that no other VM sees. */

#include "emit-internal.h"
#include "qemu-option.h"

#define RUN_DIR   "/run/qnet/vm/"
#define STATE_DIR "/var/lib/qnet/vm/"
#define TPM_DIR   "/run/qnet/tpm/"

static bool is_x86(const VM *vm) {
        return streq(vm->architecture, "x86_64") || streq(vm->architecture, "i386");
}

static bool has_seed(const VM *vm) {
        for (SeedFile f = 0; f < _SEED_FILE_MAX; f++)
                if (vm->firmware->seed[f])
                        return true;
        return false;
}

/* Variables that were made with another kind of firmware are of no use, or of no effect. */
static const char *nvram_name(const VM *vm) {
        return vm->firmware->secure_boot ? "/nvram-secure" : "/nvram";
}

/* ---- the VM's unit ---- */

void emit_firmware_dependencies(const VM *vm, UnitWriter *w) {
        if (vm->firmware->type == FIRMWARE_FILE)
                unit_word(w, "RequiresMountsFor", vm->firmware->path, NULL);
        for (size_t i = 0; i < vm->firmware->n_credentials; i++)
                unit_word(w, "RequiresMountsFor", vm->firmware->credentials[i].path, NULL);
        for (SeedFile f = 0; f < _SEED_FILE_MAX; f++)
                if (vm->firmware->seed[f])
                        unit_word(w, "RequiresMountsFor", vm->firmware->seed[f], NULL);
        if (vm->firmware->tpm)
                unit_dependency(w, "Requires", "qnet-tpm@", vm->name, ".socket");
}

static void emit_credential(const char *prefix, const char *name, const char *path, UnitWriter *w) {
        /* in place of a file that is missing: else systemd does not come as far as qnet-check, which tells so */
        unit_text(w, "SetCredential", prefix, name, ":missing");
        unit_text(w, "LoadCredential", prefix, name, ":", path);
}

void emit_firmware_settings(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->firmware->n_credentials; i++)
                emit_credential("", vm->firmware->credentials[i].name, vm->firmware->credentials[i].path, w);
        for (SeedFile f = 0; f < _SEED_FILE_MAX; f++)
                if (vm->firmware->seed[f])
                        emit_credential("qnet.", seed_file_to_string(f), vm->firmware->seed[f], w);
}

static void emit_check_file(const char *path, UnitWriter *w) {
        /* "+": only root may read secrets */
        unit_exec(w, "ExecStartPre", "+", HELPERDIR "/qnet-check");
        unit_arg(w, "file");
        unit_arg(w, path);
        unit_exec_end(w);
}

static void emit_find_firmware(const VM *vm, UnitWriter *w) {
        unit_exec(w, "ExecStartPre", "", HELPERDIR "/qnet-firmware");
        unit_arg(w, RUN_DIR, vm->name, "/firmware-code");
        unit_arg(w, "--nvram=" STATE_DIR, vm->name, nvram_name(vm));
        unit_arg(w, "--architecture=", vm->architecture);
        unit_arg(w, "--machine=", vm->machine);
        if (vm->firmware->secure_boot)
                unit_arg(w, "--secure-boot");
        unit_exec_end(w);
}

static void emit_make_seed(const VM *vm, UnitWriter *w) {
        unit_exec(w, "ExecStartPre", "", HELPERDIR "/qnet-seed");
        unit_arg(w, RUN_DIR, vm->name, "/seed.iso");
        unit_arg(w, "--name=", vm->name);
        for (SeedFile f = 0; f < _SEED_FILE_MAX; f++) {
                if (!vm->firmware->seed[f])
                        continue;
                unit_arg_begin(w);
                unit_arg_add(w, "--");
                unit_arg_add(w, seed_file_to_string(f));
                unit_arg_add(w, "=");
                unit_arg_add_variable(w, "CREDENTIALS_DIRECTORY");
                unit_arg_add(w, "/qnet.");
                unit_arg_add(w, seed_file_to_string(f));
                unit_arg_end(w);
        }
        unit_exec_end(w);
}

void emit_firmware_prepare(const VM *vm, UnitWriter *w) {
        for (size_t i = 0; i < vm->firmware->n_credentials; i++)
                emit_check_file(vm->firmware->credentials[i].path, w);
        for (SeedFile f = 0; f < _SEED_FILE_MAX; f++)
                if (vm->firmware->seed[f])
                        emit_check_file(vm->firmware->seed[f], w);
        if (vm->firmware->type == FIRMWARE_UEFI)
                emit_find_firmware(vm, w);
        if (has_seed(vm))
                emit_make_seed(vm, w);
        if (!vm->firmware->tpm)
                return;
        unit_exec(w, "ExecStartPre", "", HELPERDIR "/qnet-check");
        unit_arg(w, "program");
        unit_arg(w, SWTPM);
        unit_arg(w, "--package=swtpm");
        unit_exec_end(w);
        /* no other VM may talk to this one's TPM: the socket is root's until here */
        unit_exec(w, "ExecStartPre", "+", HELPERDIR "/qnet-grant");
        unit_arg(w, "socket");
        unit_arg(w, TPM_DIR, vm->name);
        unit_arg(w, "--to-owner-of=" RUN_DIR, vm->name);
        unit_exec_end(w);
}

/* ---- the command line ---- */

static void emit_uefi(const VM *vm, UnitWriter *w) {
        if (vm->firmware->secure_boot && is_x86(vm)) {
                /* added to what -machine has said before; only code in SMM may write to the variables then */
                option(w, "-machine", "smm=on");
                option(w, "-global", "driver=cfi.pflash01,property=secure,value=on");
        }
        option_begin(w, "-drive", "if=pflash,unit=0,id=firmware,format=raw,readonly=on");
        unit_arg_add(w, ",file=" RUN_DIR);
        unit_arg_add(w, vm->name);
        unit_arg_add(w, "/firmware-code");
        option_end(w);
        option_begin(w, "-drive", "if=pflash,unit=1,id=nvram,format=raw");
        unit_arg_add(w, ",file=" STATE_DIR);
        unit_arg_add(w, vm->name);
        unit_arg_add(w, nvram_name(vm));
        option_end(w);
}

static void emit_tpm(const VM *vm, UnitWriter *w) {
        const char *device = "tpm-tis-device";

        if (is_x86(vm) && !starts_with_word(vm->machine, "microvm"))
                device = "tpm-crb";
        else if (streq(vm->architecture, "ppc64"))
                device = "tpm-spapr";
        option_begin(w, "-chardev", "socket,id=tpm");
        unit_arg_add(w, ",path=" TPM_DIR);
        unit_arg_add(w, vm->name);
        option_end(w);
        option(w, "-tpmdev", "emulator,id=tpm,chardev=tpm");
        option_begin(w, "-device", device);
        option_key(w, "tpmdev", "tpm");
        option_end(w);
}

void emit_firmware_options(const VM *vm, UnitWriter *w) {
        if (vm->firmware->type == FIRMWARE_UEFI)
                emit_uefi(vm, w);
        if (vm->firmware->type == FIRMWARE_FILE)
                option(w, "-bios", vm->firmware->path);
        if (vm->firmware->tpm)
                emit_tpm(vm, w);
        for (size_t i = 0; i < vm->firmware->n_credentials; i++) {
                option_begin(w, "-fw_cfg", "name=opt/io.systemd.credentials/");
                unit_arg_add(w, vm->firmware->credentials[i].name);
                unit_arg_add(w, ",file=");
                unit_arg_add_variable(w, "CREDENTIALS_DIRECTORY");
                unit_arg_add(w, "/");
                unit_arg_add(w, vm->firmware->credentials[i].name);
                option_end(w);
        }
}

void emit_seed_options(const VM *vm, UnitWriter *w) {
        if (!has_seed(vm))
                return;
        option_begin(w, "-drive", "if=none,id=seed,format=raw,readonly=on");
        unit_arg_add(w, ",file=" RUN_DIR);
        unit_arg_add(w, vm->name);
        unit_arg_add(w, "/seed.iso");
        option_end(w);
        option_begin_virtio(vm, "blk", w);
        option_key(w, "drive", "seed");
        option_end(w);
}

/* ---- swtpm's units ---- */

static void emit_tpm_head(const VM *vm, const char *suffix, UnitWriter *w) {
        unit_open(w, "qnet-tpm@", vm->name, suffix);
        unit_section(w, "Unit");
        unit_text(w, "Description", "TPM of virtual machine ", vm->name);
        emit_origin(&vm->origin, w);
}

int emit_tpm_socket(const VM *vm, UnitWriter *w) {
        emit_tpm_head(vm, ".socket", w);
        /* it outlives a restart of its VM, and goes when the VM is stopped */
        unit_raw(w, "StopWhenUnneeded", "yes");
        unit_section(w, "Socket");
        unit_raw(w, "ListenStream", TPM_DIR, vm->name);
        unit_raw(w, "SocketMode", "0600");
        unit_raw(w, "RemoveOnStop", "yes");
        return unit_close(w);
}

int emit_tpm_service(const VM *vm, UnitWriter *w) {
        emit_tpm_head(vm, ".service", w);
        unit_dependency(w, "BindsTo", "qnet-tpm@", vm->name, ".socket");
        unit_section(w, "Service");
        unit_raw(w, "Type", "exec");
        unit_exec(w, "ExecStart", "", SWTPM);
        unit_arg(w, "socket");
        unit_arg(w, "--tpm2");
        unit_arg(w, "--ctrl");
        unit_arg(w, "type=unixio,fd=3"); /* the socket: sd_listen_fds(3) */
        unit_arg(w, "--tpmstate");
        unit_arg(w, "dir=/var/lib/qnet/tpm/", vm->name, ",mode=0600");
        /* with its QEMU; the next one starts another */
        unit_arg(w, "--terminate");
        unit_exec_end(w);
        return unit_close(w);
}
