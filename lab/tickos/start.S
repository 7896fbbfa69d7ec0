/* SPDX-License-Identifier: MIT */
/* Entered in long mode with a flat map of memory and %rsi at the boot parameters (Linux' 64-bit boot
   protocol). Interrupts come with the stack at the top of the interrupted process' own; what the C code
   returns is the frame to go on with. */
	.set	OTHER_STACK, 3 * 4096 - 512	/* in struct cpu, stacks[PROCESS_IDLE], below its first frame */
	.section .note.GNU-stack, "", @progbits
	.text
	.globl start, idle_loop, vectors, trampoline, trampoline_end
start:
	cld
	lea	boot_stack_top(%rip), %rsp
	mov	%rsi, %rdi
	call	kernel_main		/* returns the first frame */
	mov	%rax, %rsp
	jmp	resume

	/* Another CPU begins here, in real mode, with a copy of this at the beginning of a page. It goes to
	   long mode at once, by the boot CPU's page tables, onto its idle process' stack. */
	.code16
trampoline:
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	trampoline_table - trampoline
	mov	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	trampoline_pages - trampoline, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx	/* EFER: LME */
	mov	$0x100, %eax
	xor	%edx, %edx
	wrmsr
	mov	$0x80000011, %eax	/* PG ET PE */
	mov	%eax, %cr0
	ljmpl	$8, $start_other

	.balign	4
trampoline_table:
	.word	23
	.long	gdt
trampoline_pages:
	.long	pml4
trampoline_end:

	.code64
start_other:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	starting, %rdi
	lea	OTHER_STACK(%rdi), %rsp
	call	cpu_main
	mov	%rax, %rsp
	jmp	resume

idle_loop:
	sti
	hlt
	jmp	idle_loop

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

	/* One stub a vector, 0 to 63. Eight exceptions push an error code themselves. */
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
	.rept	64
	stub	%n
	.set	n, n + 1
	.endr

	.section .rodata
	.balign	8
vectors:
	.set	n, 0
	.rept	64
	address	%n
	.set	n, n + 1
	.endr

	.bss
	.balign	16
	.skip	4096
boot_stack_top:
