/* SPDX-License-Identifier: MIT */
#include "tickos.h"

#define PIC1	     0x20
#define PIC2	     0xa0
#define PIT	     0x40
#define PIT_HZ	     1193182u
#define PAGE_PRESENT 7ull    /* present, writable, user */
#define PAGE_LARGE   0x83ull /* present, writable, 2 MiB */
#define PAGE_USER    4ull
#define CPUID_APIC   (1u << 9)
#define APIC_BASE    0x1b
#define APIC_ENABLED 0x800u

struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, reserved;
};

struct __attribute__((packed)) table {
	uint16_t limit;
	uint64_t base;
};

uint64_t gdt[5 + 2 * CPUS_MAX] = {
	0,
	0x00af9a000000ffff, /* kernel code */
	0x00cf92000000ffff, /* kernel data */
	0x00cff2000000ffff, /* user data */
	0x00affa000000ffff, /* user code */
};
static struct gate idt[VECTORS];
uint64_t pml4[512] __attribute__((aligned(4096)));
static uint64_t pdpt[512] __attribute__((aligned(4096)));
static uint64_t directory[512] __attribute__((aligned(4096)));
static uint64_t high_directory[512] __attribute__((aligned(4096))); /* the last GiB below 4 */

/* Compilers call these of their own accord. */
void *memset(void *to, int value, unsigned long size);
void *memset(void *to, int value, unsigned long size)
{
	void *p = to;

	__asm__ volatile("rep stosb" : "+D"(p), "+c"(size) : "a"(value) : "memory");
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, unsigned long size);
void *memcpy(void *restrict to, const void *restrict from, unsigned long size)
{
	void *p = to;

	__asm__ volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(size)::"memory");
	return to;
}

void cpu_set_stack(struct cpu *c, uint8_t *top)
{
	c->tss.rsp0 = (uint64_t)top;
}

static void set_segments(struct cpu *c)
{
	struct table t = {sizeof(gdt) - 1, (uint64_t)gdt};
	uint64_t base = (uint64_t)&c->tss, *descriptor = &gdt[5 + 2 * c->id];
	uint32_t selector = TSS_SELECT + 16 * c->id;

	c->tss.io_map = sizeof(c->tss);
	descriptor[0] = (sizeof(c->tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
			(base >> 24 & 0xff) << 56;
	descriptor[1] = base >> 32;
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "lea 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1: mov %2, %%ds\n\t"
			 "mov %2, %%es\n\t"
			 "mov %2, %%ss\n\t"
			 "ltr %w3" ::"m"(t),
			 "i"(KERNEL_CODE), "r"(KERNEL_DATA), "r"(selector)
			 : "rax", "memory");
}

void cpu_start(struct cpu *c)
{
	struct table t = {sizeof(idt) - 1, (uint64_t)idt};

	set_segments(c);
	__asm__ volatile("lidt %0" ::"m"(t));
	__asm__ volatile("mov %0, %%cr3" ::"r"(pml4) : "memory");
}

static void make_vectors(void)
{
	for (int i = 0; i < VECTORS; i++)
		idt[i] = (struct gate){(uint16_t)vectors[i],
				       KERNEL_CODE,
				       0x8e00,
				       (uint16_t)(vectors[i] >> 16),
				       (uint32_t)(vectors[i] >> 32),
				       0};
}

void cpu_map(uint64_t at, uint64_t size)
{
	if (at >> 30 != 3 || size > (4ull << 30) - at)
		return;
	pdpt[3] = (uint64_t)high_directory | PAGE_PRESENT;
	for (uint64_t n = at >> 21; n <= (at + size - 1) >> 21; n++)
		high_directory[n % 512] = n << 21 | PAGE_LARGE;
}

/* The kernel, the user's page behind it, and the local APIC. */
static void make_pages(void)
{
	pml4[0] = (uint64_t)pdpt | PAGE_PRESENT;
	pdpt[0] = (uint64_t)directory | PAGE_PRESENT;
	directory[0] = PAGE_LARGE;
	directory[1] = 0x200000 | PAGE_LARGE | PAGE_USER;
	cpu_map(APIC, 4096);
}

void cpu_make_tables(void)
{
	make_vectors();
	make_pages();
}

/* A local APIC that no firmware has set up lets nothing of the 8259s through: off with it. */
void cpu_bypass_apic(void)
{
	uint32_t a = 1, b, c, d, high;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	if (!(d & CPUID_APIC))
		return;
	__asm__ volatile("rdmsr" : "=a"(a), "=d"(high) : "c"(APIC_BASE));
	__asm__ volatile("wrmsr" ::"a"(a & ~APIC_ENABLED), "d"(high), "c"(APIC_BASE));
}

/* Vectors from 0x20 on; the timer and the serial line alone. */
void irq_start(void)
{
	static const uint8_t words[][2] = {
		{PIC1, 0x11},	  {PIC2, 0x11},	    {PIC1 + 1, TIMER_VECTOR},
		{PIC2 + 1, 0x28}, {PIC1 + 1, 0x04}, {PIC2 + 1, 0x02},
		{PIC1 + 1, 0x01}, {PIC2 + 1, 0x01}, {PIC1 + 1, 0xff & ~(1 | 1 << SERIAL_IRQ)},
		{PIC2 + 1, 0xff},
	};

	for (unsigned i = 0; i < sizeof(words) / 2; i++)
		out8(words[i][0], words[i][1]);
	out8(SERIAL + 1, 0x01); /* an interrupt for each byte that comes */
	out8(SERIAL + 4, 0x08);
}

void pit_start(uint32_t hz)
{
	uint32_t count = (PIT_HZ + hz / 2) / hz;

	out8(PIT + 3, 0x34); /* channel 0, both bytes, rate generator */
	out8(PIT, (uint8_t)count);
	out8(PIT, (uint8_t)(count >> 8));
}

void irq_done(uint32_t irq)
{
	if (irq >= 8)
		out8(PIC2, 0x20);
	out8(PIC1, 0x20);
}

/* An exception that has no handler, and neither has that: the processor gives up. */
void cpu_triple_fault(void)
{
	struct table none = {0, 0};

	__asm__ volatile("lidt %0\n\tud2" ::"m"(none));
}
