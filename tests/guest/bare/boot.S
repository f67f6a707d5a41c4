/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A boot sector for PCs: says on the first serial port which drive the BIOS has started it from (00: the first floppy
 * disk, 80: the first hard disk, e0: a CD), and halts. */
        .code16
        .globl  _start
_start: ljmp    $0, $1f         /* a BIOS may also have jumped to 07c0:0000 */
1:      xorw    %ax, %ax
        movw    %ax, %ds
        movb    %dl, %bl
        movw    $0x3f8, %dx
        movw    $text, %si
        cld
2:      lodsb
        testb   %al, %al
        jz      3f
        call    put
        jmp     2b
3:      movb    %bl, %al
        shrb    $4, %al
        call    digit
        movb    %bl, %al
        andb    $15, %al
        call    digit
        movb    $'\r', %al
        call    put
        movb    $'\n', %al
        call    put
4:      hlt
        jmp     4b

digit:  addb    $'0', %al
        cmpb    $'9', %al
        jbe     put
        addb    $'a' - '9' - 1, %al
put:    movb    %al, %ah
        addw    $5, %dx         /* the line status: is there room? */
5:      inb     %dx, %al
        testb   $0x20, %al
        jz      5b
        subw    $5, %dx
        movb    %ah, %al
        outb    %al, %dx
        ret

text:   .asciz  "boot sector: started from drive "
        .org    510
        .word   0xaa55
