/* SPDX-License-Identifier: MIT */
/*
 * tickos: a guest OS that counts its ticks, as every OS did before tickless kernels. The timer
 * interrupt does two things: it advances the clock by one tick, and it charges one tick to the
 * process that it finds running. Whether either is true is the hypervisor's doing, not ours.
 *
 *  start.S   the entry in long mode, interrupt stubs, the idle loop
 *  cpu.c     descriptor tables, page tables, interrupt controller, timer: what the hardware wants
 *  kernel.c  the clock, the charge, round robin, VMDesched
 *  user.c    the processes
 *  ledger.c  what the host's ledger page says of us
 *  report.c  the figures over the serial line
 *
 * Command line: hz=N ticks a second (100), a=N b=N quanta of the processes in ticks (3, 2; 0:
 * none), deaf=1: does not speak to VMDesched's port, port=1: says by the port that VMDesched runs,
 * not by its page, mute=1: never acknowledges an interrupt, scribble=1: tries to write into the
 * ledger page, ports=1: where it would idle (a=0 b=0), it writes to ports without an end.
 */
#ifndef TICKOS_H
#define TICKOS_H

#include <desched/vmdesched.h>
#include <stdint.h>

#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define USER_DATA   0x1b
#define USER_CODE   0x23
#define TSS_SELECT  0x28

#define SERIAL	     0x3f8
#define TIMER_VECTOR 0x20
#define SERIAL_IRQ   4

/* What the stubs of start.S leave on the stack; the last five are the CPU's own. */
struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

struct process {
	const char *name;
	uint32_t quantum; /* ticks in a row */
	uint64_t charged; /* ticks */
	uint64_t *units;  /* work that it counts itself */
	uint8_t *stack;	  /* its top: where the CPU puts the frame when it is interrupted */
};

enum {
	PROCESS_A,
	PROCESS_B,
	PROCESS_IDLE,
	PROCESS_VMDESCHED,
	PROCESSES,
};

extern struct process processes[PROCESSES];
extern uint64_t clock_ticks; /* the clock, in ticks */
extern struct vmdesched_page page;

/* start.S */
void idle_loop(void);
void port_flood(void);
extern const uint64_t vectors[];

/* cpu.c */
void cpu_start(uint32_t hz);
void cpu_map(uint64_t at, uint64_t size); /* before cpu_start(); below 4 GiB, not below 3 */
void cpu_set_stack(uint8_t *top);	  /* for interrupts that come from user mode */
void irq_done(uint32_t irq);
void cpu_triple_fault(void);

/* user.c: in user mode */
void user_work(uint64_t *units);
extern uint64_t user_units[PROCESSES];
#define USER_STACK 4096
extern uint8_t user_stacks[PROCESSES][USER_STACK];

/* report.c */
void print(const char *text);
void print_number(uint64_t n);
void print_field(const char *name, uint64_t n);
void report(void);

/* ledger.c */
void ledger_find(int scribble);
void ledger_report(void);

static inline void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

#endif
