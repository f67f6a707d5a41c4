/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A program for UEFI that says that it runs, and ends. Nobody has signed it. It needs no library; tests/system/secureboot.py
 * has the commands that build it.
 */
#include <stdint.h>

/* EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL and EFI_SYSTEM_TABLE, up to the member that is used; UEFI 2.10, 12.4 and 4.3 */
struct text_output {
        void *reset;
        uint64_t (__attribute__((ms_abi)) *output_string)(struct text_output *self, const uint16_t *text);
};

struct system_table {
        uint8_t header[24];
        void *vendor;
        uint32_t revision;
        void *in_handle, *in, *out_handle;
        struct text_output *out;
};

__attribute__((ms_abi)) uint64_t efi_main(void *image, struct system_table *system);

__attribute__((ms_abi)) uint64_t efi_main(void *image, struct system_table *system) {
        system->out->output_string(system->out, u"guest: an unsigned program runs\r\n");
        return 0;
}
