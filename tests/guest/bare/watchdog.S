/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A boot sector for PCs: says so on the first serial port, sets the watchdog "ib700" to two seconds, and hangs with
 * interrupts off. */
        .code16
        .globl  _start
_start: ljmp    $0, $1f
1:      xorw    %ax, %ax
        movw    %ax, %ds
        cli
        movw    $text, %si
        cld
2:      lodsb
        testb   %al, %al
        jz      4f
        movb    %al, %ah
        movw    $0x3fd, %dx     /* the line status: is there room? */
3:      inb     %dx, %al
        testb   $0x20, %al
        jz      3b
        movw    $0x3f8, %dx
        movb    %ah, %al
        outb    %al, %dx
        jmp     2b
4:      movw    $0x443, %dx     /* arms it; 15 would be 0 s, each less 2 s more */
        movb    $14, %al
        outb    %al, %dx
5:      jmp     5b

text:   .asciz  "watchdog: armed\r\n"
        .org    510
        .word   0xaa55
