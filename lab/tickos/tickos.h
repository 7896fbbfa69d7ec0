/* SPDX-License-Identifier: MIT */
/*
 * tickos: a guest OS that counts its ticks, as every OS did before tickless kernels. The timer
 * interrupt does two things: it advances the clock by one tick, and it charges one tick to the
 * process that it finds running. Whether either is true is the hypervisor's doing, not ours.
 *
 * Each CPU has processes of its own, ticks of its own and a VMDesched of its own, and nothing in
 * common with the others but the code and the turn to report: `struct cpu` is all there is of it.
 *
 *  start.S   the entry in long mode, that of the other CPUs, interrupt stubs, the idle loop
 *  cpu.c     descriptor tables, page tables, interrupt controller, timer: what the hardware wants
 *  apic.c    the local APIC: its timer, starting the other CPUs
 *  kernel.c  the clock, the charge, round robin, VMDesched
 *  user.c    the processes
 *  ledger.c  what the host's ledger page says of us
 *  report.c  the figures over the serial line
 *
 * CPU 0 ticks by the 8254, the others by their local APIC. Command line: hz=N ticks a second (100),
 * a=N b=N quanta of the processes in ticks (3, 2; 0: none), apic=1: CPU 0 of several ticks by
 * its local APIC too, deaf=1: does not speak to VMDesched's port, port=1: says by the port that
 * VMDesched runs, not by its page, mute=1: never acknowledges an interrupt, flood=N: all that CPU N
 * does is interrupt the others, scribble=1: tries to write into the ledger page, ports=1: where it
 * would idle (a=0 b=0), it writes to ports without an end.
 */
#ifndef TICKOS_H
#define TICKOS_H

#include <desched/vmdesched.h>
#include <stdint.h>

#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define USER_DATA   0x1b
#define USER_CODE   0x23
#define TSS_SELECT  0x28 /* and on, one of 16 bytes for each CPU */

#define CPUS_MAX     16
#define KERNEL_STACK 4096

#define SERIAL		     0x3f8
#define SERIAL_IRQ	     4
#define TIMER_VECTOR	     0x20
#define APIC_TIMER_VECTOR    0x30
#define FLOOD_VECTOR	     0x31
#define APIC_SPURIOUS_VECTOR 0x3f
#define VECTORS		     0x40

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
};

enum {
	PROCESS_A,
	PROCESS_B,
	PROCESS_IDLE,
	PROCESS_VMDESCHED,
	PROCESSES,
};

struct __attribute__((packed)) task_state {
	uint32_t reserved0;
	uint64_t rsp0, rsp1, rsp2, reserved1, ist[7], reserved2;
	uint16_t reserved3, io_map;
};

struct cpu {
	uint8_t stacks[PROCESSES][KERNEL_STACK]; /* the CPU puts a frame on top, interrupted */
	struct vmdesched_page page __attribute__((aligned(4096)));
	struct task_state tss;
	struct process processes[PROCESSES];
	uint32_t id;
	uint32_t current, left, preempted; /* left: ticks of the quantum */
	uint64_t clock;			   /* in ticks */
	uint64_t clock_set;		   /* how much of page.set is in it */
};

extern struct cpu cpus[CPUS_MAX];
extern uint32_t cpus_found;

/* start.S */
void idle_loop(void);
void port_flood(void);
extern const uint64_t vectors[VECTORS];
extern const uint8_t trampoline[], trampoline_end[];

/* cpu.c: tables for all, then what each CPU does for itself */
extern uint64_t gdt[], pml4[];
void cpu_make_tables(void);
void cpu_start(struct cpu *c);
void cpu_map(uint64_t at, uint64_t size); /* before cpu_start(); below 4 GiB, not below 3 */
void cpu_bypass_apic(void);
void cpu_set_stack(struct cpu *c, uint8_t *top); /* for interrupts that come from user mode */
void pit_start(uint32_t hz);
void irq_start(void);
void irq_done(uint32_t irq);
void cpu_triple_fault(void);

/* apic.c */
#define APIC 0xfee00000ull
extern struct cpu *volatile starting; /* who the CPU that is being started is */
void apic_start_others(void);
void apic_start_timer(uint32_t hz);
void apic_done(void);
void apic_flood(void);

/* user.c: in user mode */
#define USER_STACK 256
struct user {
	uint64_t units[PROCESSES];
	uint8_t stacks[PROCESSES][USER_STACK];
} __attribute__((aligned(64)));
void user_work(uint64_t *units);
extern struct user users[CPUS_MAX];

/* print.c */
void print(const char *text);
void print_number(uint64_t n);
void print_field(const char *name, uint64_t n);

/* report.c */
void report(const struct cpu *c);

/* ledger.c */
void ledger_find(int scribble);
void ledger_report(const struct cpu *c);

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
