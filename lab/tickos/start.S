/* SPDX-License-Identifier: MIT */
/* Two entries: `start`, in long mode with a flat map of memory and %rsi at the boot parameters (Linux'
   64-bit boot protocol); and `start_pvh`, in protected mode without paging and %ebx at start_info, which a
   note names to monitors that boot by PVH (QEMU's -kernel). Interrupts come with the stack at the top of the
   interrupted process' own; what the C code returns is the frame to go on with. */
#define BOOT_COMMAND	0x228	/* of the boot parameters: the command line's address */
#define START_COMMAND	24	/* of start_info: the same */
#define PORT_SERIAL	0x3f8
#define PORT_PIT	0x40
#define PORT_VMDESCHED	0x560
#define LARGE_PAGE	0x83	/* present, writable, 2 MiB */
#define PRESENT		0x03
#define CR0_PAGING	0x80000000
#define CR4_PAE		0x20
#define EFER		0xc0000080
#define EFER_LONG	0x100

	.section .note.GNU-stack, "", @progbits
	.section .note.Xen, "a", @note
	.long	4, 4, 18		/* name, descriptor, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	start_pvh

	.text
	.globl start, idle_loop, port_flood, vectors
	.code32
start_pvh:
	mov	START_COMMAND(%ebx), %edi
	movl	$boot_pdpt + PRESENT, boot_pml4
	movl	$boot_directory + PRESENT, boot_pdpt
	movl	$LARGE_PAGE, boot_directory	/* the first 2 MiB, as they are */
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$boot_pml4, %eax
	mov	%eax, %cr3
	mov	$EFER, %ecx
	rdmsr
	or	$EFER_LONG, %eax
	wrmsr
	mov	%cr0, %eax
	or	$CR0_PAGING, %eax
	mov	%eax, %cr0
	lgdt	boot_gdt_pointer
	ljmp	$8, $enter

	.code64
start:
	mov	BOOT_COMMAND(%rsi), %edi
enter:
	cld
	lea	boot_stack_top(%rip), %rsp
	call	kernel_main		/* with the command line; returns the first frame */
	mov	%rax, %rsp
	jmp	resume

idle_loop:
	sti
	hlt
	jmp	idle_loop

port_flood:			/* each turn: a byte, the timer as fast as it goes, VMDesched's page */
	mov	$PORT_SERIAL, %dx
	outb	%al, %dx
	mov	$0x34, %al
	outb	%al, $PORT_PIT + 3
	mov	$1, %al
	outb	%al, $PORT_PIT
	mov	$0, %al
	outb	%al, $PORT_PIT
	mov	$PORT_VMDESCHED, %dx
	outl	%eax, %dx
	jmp	port_flood

common:
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, %rdi
	call	interrupt
	mov	%rax, %rsp
resume:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	add	$16, %rsp
	iretq

	/* One stub a vector, 0 to 47. Eight exceptions push an error code themselves. */
	.altmacro
	.macro	stub n
	.balign	16
vector_\n:
	.if	(\n != 8) && (\n != 10) && (\n != 11) && (\n != 12) && (\n != 13) && (\n != 14) && (\n != 17) && (\n != 21)
	push	$0
	.endif
	push	$\n
	jmp	common
	.endm
	.macro	address n
	.quad	vector_\n
	.endm

	.set	n, 0
	.rept	48
	stub	%n
	.set	n, n + 1
	.endr

	.section .rodata
	.balign	8
vectors:
	.set	n, 0
	.rept	48
	address	%n
	.set	n, n + 1
	.endr

boot_gdt:
	.quad	0, 0x00af9a000000ffff	/* 64-bit code */
boot_gdt_pointer:
	.word	. - boot_gdt - 1
	.long	boot_gdt

	.bss
	.balign	4096
boot_pml4:
	.skip	4096
boot_pdpt:
	.skip	4096
boot_directory:
	.skip	4096
	.skip	4096
boot_stack_top:
