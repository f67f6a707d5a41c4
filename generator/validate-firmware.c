/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which machines can have UEFI, Secure Boot and a TPM. Which firmware there is for them is known at the start only:
 * qnet-firmware(8). See validate.h. */

#include "conf-table.h"
#include "problem.h"
#include "validate.h"

static bool is_one_of(const char *s, const char *const *list) {
        for (; *list; list++)
                if (streq(s, *list))
                        return true;
        return false;
}

static bool is_x86(const VM *vm) {
        return streq(vm->architecture, "x86_64") || streq(vm->architecture, "i386");
}

static bool is_q35(const VM *vm) { /* or a version of it, with options */
        const char *rest = startswith(vm->machine, "q35");

        return startswith(vm->machine, "pc-q35-") || (rest && (!*rest || *rest == ','));
}

static int validate_uefi(Model *m, VM *vm) {
        static const char *const architectures[] = { "x86_64", "i386", "aarch64", "arm", "riscv64",
                "loongarch64", NULL };
        int r = 0;

        if (vm->firmware->type == FIRMWARE_UEFI && !is_one_of(vm->architecture, architectures))
                r = vm_problem(m, vm, said_at(&vm->said, vm->origin, KEYS_VM, "Firmware"),
                                "Firmware=uefi: there is none for Architecture=%s", vm->architecture);
        if (r >= 0 && vm->firmware->secure_boot && vm->firmware->type != FIRMWARE_UEFI)
                r = vm_problem(m, vm, said_at(&vm->said, vm->origin, KEYS_VM, "SecureBoot"),
                                "SecureBoot= needs Firmware=uefi");
        /* the variables are out of the guest's reach only in system management mode, and that is q35's */
        if (r >= 0 && vm->firmware->secure_boot && is_x86(vm) && !is_q35(vm))
                r = vm_problem(m, vm, said_at(&vm->said, vm->origin, KEYS_VM, "SecureBoot"),
                                "SecureBoot= needs Machine=q35, not %s", vm->machine);
        return r;
}

int validate_firmware(Model *m, VM *vm) {
        static const char *const tpms[] = { "x86_64", "i386", "aarch64", "arm", "riscv64", "loongarch64",
                "ppc64", NULL };
        int r;

        r = validate_uefi(m, vm);
        if (r >= 0 && vm->firmware->tpm && !is_one_of(vm->architecture, tpms))
                r = vm_problem(m, vm, said_at(&vm->said, vm->origin, KEYS_VM, "TPM"),
                                "TPM= is not to be had with Architecture=%s", vm->architecture);
        return r;
}
