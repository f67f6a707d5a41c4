/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that runs on a board without any system: it prints a line on the first serial port, and waits for ever.
 * For ARM's realview-pbx-a9 that is a PL011, and the line has the ID of the network chip LAN9118;
 * for RISC-V's virt an NS16550A, and the line has the number of the CPU, its hart. */
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REGISTER8(address) (*(volatile uint8_t *)(uintptr_t)(address))

/* All CPUs start here; the first one goes on. */
#if defined(__arm__)
__asm__(".globl _start\n"
        "_start: mrc p15, 0, r0, c0, c0, 5\n"
        "        ands r0, r0, #3\n"
        "wait:   wfene\n"
        "        bne wait\n"
        "        ldr sp, =stack + 4096\n"
        "        b run\n");

static void put(char c) {
        while (REGISTER(0x10009018) & 0x20)
                ;
        REGISTER(0x10009000) = (uint8_t) c;
}

static const char text[] = "bare metal on ARM, network chip ";
static uint32_t id(void) {
        return REGISTER(0x4e000050);
}
#elif defined(__riscv)
__asm__(".globl _start\n"
        "_start: csrr a0, mhartid\n"
        "wait:   beqz a0, first\n"
        "        wfi\n"
        "        j wait\n"
        "first:  la sp, stack + 4096\n"
        "        j run\n");

static void put(char c) {
        while (!(REGISTER8(0x10000005) & 0x20))
                ;
        REGISTER8(0x10000000) = (uint8_t) c;
}

static const char text[] = "bare metal on RISC-V, hart ";
static uint32_t id(void) {
        uint32_t hart;

        __asm__("csrr %0, mhartid" : "=r"(hart));
        return hart;
}
#endif

__attribute__((used)) uint64_t stack[512];

__attribute__((used)) void run(void);
void run(void) {
        uint32_t value = id();

        for (const char *p = text; *p; p++)
                put(*p);
        for (int shift = 28; shift >= 0; shift -= 4)
                put("0123456789abcdef"[value >> shift & 15]);
        put('\r');
        put('\n');
        for (;;)
                __asm__ volatile("wfi");
}
